package command

import (
	"slices"
	"strings"
	"time"

	"drawbridge/internal/servers/homeassistant/fake/house"
	"drawbridge/internal/servers/homeassistant/fake/schema"
	"drawbridge/internal/servers/homeassistant/fake/service"
)

// items is todo/__init__.py, calendar/__init__.py, lovelace/websocket.py and lists of
// helpers.
func items() Table {
	t := Table{
		"todo/item/list": {Fields: dict{"entity_id": need(schema.Entity)}, Do: func(r *Request) (any, error) {
			if r.H.States[r.text("entity_id")] == nil || house.Domain(r.text("entity_id")) != "todo" {
				return nil, fail("not_found", "Entity not found")
			}
			return m{"items": each(r.H.Todos[r.text("entity_id")], service.TodoShape)}, nil
		}},
		"todo/item/move": {Fields: dict{"entity_id": need(schema.Entity), "uid": need(schema.Text), "previous_uid": may(schema.Text)}, Do: moveItem},
		"calendar/event/create": {Fields: dict{"entity_id": need(schema.Entity), "event": need(schema.In(eventFields))}, Do: func(r *Request) (any, error) {
			if err := r.calendar(1, "creation"); err != nil {
				return nil, err
			}
			e := &house.CalendarEvent{UID: r.H.Hex()}
			if err := r.event(e); err != nil {
				return nil, err
			}
			r.H.Calendars[r.text("entity_id")] = append(r.H.Calendars[r.text("entity_id")], e)
			return nil, nil
		}},
		"calendar/event/update": {Fields: eventKey.Plus(dict{"event": need(schema.In(eventFields))}), Do: func(r *Request) (any, error) {
			if err := r.calendar(4, "update"); err != nil {
				return nil, err
			}
			e := house.Find(r.H.Calendars[r.text("entity_id")], func(e *house.CalendarEvent) bool { return e.UID == r.text("uid") })
			if e == nil {
				return nil, fail("failed", "No existing item with uid/recurrence_id: "+r.text("uid")+"/"+schema.Repr(r.Msg["recurrence_id"]))
			}
			return nil, r.event(e)
		}},
		"calendar/event/delete": {Fields: eventKey, Do: func(r *Request) (any, error) {
			if err := r.calendar(2, "deletion"); err != nil {
				return nil, err
			}
			id := r.text("entity_id")
			left := slices.DeleteFunc(slices.Clone(r.H.Calendars[id]), func(e *house.CalendarEvent) bool { return e.UID == r.text("uid") })
			if len(left) == len(r.H.Calendars[id]) {
				return nil, fail("failed", "No existing item with uid/recurrence_id: "+r.text("uid")+"/"+schema.Repr(r.Msg["recurrence_id"]))
			}
			r.H.Calendars[id] = left
			return nil, nil
		}},
		"lovelace/dashboards/list": {Do: func(r *Request) (any, error) { return r.H.Dashboards, nil }},
		"lovelace/config":          {Fields: dict{"url_path": opt, "force": may(boolean)}, Do: func(r *Request) (any, error) { return r.board() }},
		"lovelace/config/save": {Admin: true, Fields: dict{"url_path": opt, "config": need(schema.Any)}, Do: func(r *Request) (any, error) {
			if _, err := r.board(); err != nil {
				return nil, err
			}
			r.H.Boards[r.text("url_path")] = asMap(r.Msg["config"])
			r.H.Fire("lovelace_updated", m{"url_path": r.Msg["url_path"]}, r.H.NewContext(nil, ""))
			return nil, nil
		}},
		"person/list": {Do: func(r *Request) (any, error) { return m{"storage": r.helpers("person"), "config": []m{}}, nil }},
	}
	for _, d := range []string{"input_boolean", "input_number", "input_select"} {
		t[d+"/list"] = Command{Do: func(r *Request) (any, error) { return r.helpers(d), nil }}
	}
	return t
}

var (
	eventKey    = dict{"entity_id": need(schema.Entity), "uid": need(schema.Text), "recurrence_id": may(schema.Text), "recurrence_range": may(schema.Text)}
	eventFields = dict{"dtstart": need(dayOrTime), "dtend": need(dayOrTime), "summary": need(schema.Text),
		"description": may(schema.Text), "location": may(schema.Text), "rrule": may(rrule)}
)

func dayOrTime(v any) (any, *schema.Invalid) {
	s, _ := v.(string)
	if _, err := time.Parse(time.DateOnly, s); err == nil {
		return s, nil
	}
	if _, err := schema.Moment(v); err != nil {
		return nil, err
	}
	return s, nil
}

func rrule(v any) (any, *schema.Invalid) {
	s, ok := v.(string)
	freq, _, _ := strings.Cut(strings.TrimPrefix(s, "FREQ="), ";")
	switch {
	case !ok:
		return nil, schema.Fail("rrule value expected a string")
	case !strings.Contains(s, "FREQ="):
		return nil, schema.Fail("rrule did not contain FREQ")
	case strings.HasPrefix(s, "FREQ=") && !slices.Contains([]string{"DAILY", "WEEKLY", "MONTHLY", "YEARLY"}, freq):
		return nil, schema.Fail("Invalid frequency for rule: %s", s)
	}
	return s, nil
}

// calendar checks the entity and one of its features.
func (r *Request) calendar(feature int, what string) error {
	id := r.text("entity_id")
	switch {
	case r.H.States[id] == nil || house.Domain(id) != "calendar":
		return fail("not_found", "Entity not found")
	case r.H.Features(id)&feature == 0:
		return fail("not_supported", "Calendar does not support event "+what)
	}
	return nil
}

// event writes an event's members, after the checks that concern two of them.
func (r *Request) event(e *house.CalendarEvent) error {
	x := r.Msg["event"].(m)
	start, end := x["dtstart"].(string), x["dtend"].(string)
	wrong := func(text string) error {
		return &schema.Invalid{Msg: text, Kind: "dictionary value", Path: []any{"event"}, Got: x}
	}
	from, _ := schema.ParseTime(start, r.H.Zone)
	to, _ := schema.ParseTime(end, r.H.Zone)
	switch {
	case (len(start) == 10) != (len(end) == 10):
		return wrong("Expected all values to be the same type: ('dtstart', 'dtend')")
	case to.Sub(from) < time.Second:
		return wrong("Expected minimum event duration of 0:00:01 (" + start + ", " + end + ")")
	}
	e.Start, e.End, e.Summary = start, end, x["summary"].(string)
	if len(start) > 10 {
		e.Start, e.End = from.In(r.H.Zone).Format(time.RFC3339), to.In(r.H.Zone).Format(time.RFC3339)
	}
	e.Description, e.Location, e.Rule = house.Ptr(x["description"]), house.Ptr(x["location"]), house.Ptr(x["rrule"])
	return nil
}

func moveItem(r *Request) (any, error) {
	id := r.text("entity_id")
	if r.H.States[id] == nil || house.Domain(id) != "todo" {
		return nil, fail("not_found", "Entity not found")
	}
	if r.H.Features(id)&8 == 0 {
		return nil, fail("not_supported", "To-do list does not support To-do item reordering")
	}
	list := slices.Clone(r.H.Todos[id])
	from := slices.IndexFunc(list, func(t *house.Todo) bool { return t.UID == r.text("uid") })
	if from < 0 {
		return nil, fail("failed", "Item '"+r.text("uid")+"' not found in todo list "+id)
	}
	x := list[from]
	list = slices.Delete(list, from, from+1)
	at := 0
	if r.has("previous_uid") {
		if at = slices.IndexFunc(list, func(t *house.Todo) bool { return t.UID == r.text("previous_uid") }) + 1; at == 0 {
			return nil, fail("failed", "Item '"+r.text("previous_uid")+"' not found in todo list "+id)
		}
	}
	r.H.Todos[id] = slices.Insert(list, at, x)
	return nil, nil
}

func (r *Request) board() (any, error) {
	b, has := r.H.Boards[r.text("url_path")]
	if !has {
		return nil, fail("config_not_found", "Unknown config specified: "+r.text("url_path"))
	}
	return b, nil
}

// helpers are the items of a helper's own storage.
func (r *Request) helpers(domain string) []m {
	out := []m{}
	for _, id := range sortedStates(r.H) {
		if house.Domain(id) == domain {
			x := m{"id": strings.TrimPrefix(id, domain+"."), "name": r.H.Name(id)}
			for _, k := range []string{"min", "max", "step", "options", "device_trackers", "user_id"} {
				if v, has := r.H.States[id].Attributes[k]; has {
					x[k] = v
				}
			}
			out = append(out, x)
		}
	}
	return out
}
