package service

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"drawbridge/internal/servers/homeassistant/fake/house"
	"drawbridge/internal/servers/homeassistant/fake/schema"
)

var itemFields = dict{"due_date": may(schema.OrNull(schema.Day)), "due_datetime": may(schema.OrNull(schema.Moment)), "description": may(schema.OrNull(text))}

// itemFeatures are the bits that the fields above need (todo/const.py).
var itemFeatures = map[string]int{"due_date": 16, "due_datetime": 32, "description": 64}

// lists are to-do lists, calendars and forecasts (todo/__init__.py, calendar/__init__.py).
func lists() []Def {
	once := func(d m) error {
		if d["due_date"] != nil && d["due_datetime"] != nil {
			return schema.Fail("must contain at most one of due_date, due_datetime.")
		}
		return nil
	}
	something := func(d m) error {
		for _, k := range []string{"rename", "status", "due_date", "due_datetime", "description"} {
			if _, has := d[k]; has {
				return nil
			}
		}
		return schema.Fail("must contain at least one of rename, status, due_date, due_datetime, description.")
	}
	status := schema.OneOf("needs_action", "completed")
	return []Def{
		{Domain: "todo", Name: "add_item", About: "Adds a to-do item.", Entities: true, Feature: 1,
			Fields: dict{"item": need(schema.Filled)}.Plus(itemFields), Keys: once, Run: addItem},
		{Domain: "todo", Name: "update_item", About: "Changes a to-do item.", Entities: true, Feature: 4,
			Fields: dict{"item": need(schema.Filled), "rename": may(schema.Filled), "status": may(status)}.Plus(itemFields),
			Keys:   rules(once, something), Run: updateItem},
		{Domain: "todo", Name: "remove_item", About: "Removes to-do items.", Entities: true, Feature: 2, Fields: dict{"item": need(schema.Some)}, Run: removeItems},
		{Domain: "todo", Name: "remove_completed_items", About: "Removes what is done.", Entities: true, Feature: 2, Run: func(c *Call, id string) (any, error) {
			c.H.Todos[id] = slices.DeleteFunc(c.H.Todos[id], func(t *house.Todo) bool { return t.Status == "completed" })
			return nil, c.count(id)
		}},
		{Domain: "todo", Name: "get_items", About: "Lists to-do items.", Entities: true, Response: "only",
			Fields: dict{"status": may(schema.Some)}, Run: func(c *Call, id string) (any, error) {
				items := []m{}
				for _, t := range c.H.Todos[id] {
					if want, _ := c.Data["status"].([]string); want == nil || slices.Contains(want, t.Status) {
						items = append(items, TodoShape(t))
					}
				}
				return m{"items": items}, nil
			}},
		{Domain: "calendar", Name: "create_event", About: "Adds an event.", Entities: true, Feature: 1, Run: createEvent, Keys: wholeSpan,
			Fields: dict{"summary": need(text), "description": may(text), "location": may(text), "start_date": may(schema.Day), "end_date": may(schema.Day),
				"start_date_time": may(moment), "end_date_time": may(moment), "in": may(schema.Map)}},
		{Domain: "calendar", Name: "get_events", About: "Lists events.", Entities: true, Response: "only", Run: getEvents,
			Fields: dict{"start_date_time": may(schema.Moment), "end_date_time": may(schema.Moment), "duration": may(schema.Any)}, Keys: func(d m) error {
				if (d["end_date_time"] == nil) == (d["duration"] == nil) {
					return schema.Fail("must contain at least one of end_date_time, duration.")
				}
				return nil
			}},
		{Domain: "weather", Name: "get_forecasts", About: "Forecasts.", Entities: true, Feature: 3, Response: "only",
			Fields: dict{"type": need(schema.OneOf("daily", "hourly", "twice_daily"))}, Run: forecast},
	}
}

// moment checks a time and keeps its text.
func moment(v any) (any, *schema.Invalid) {
	if _, err := schema.Moment(v); err != nil {
		return nil, err
	}
	return v, nil
}

func (c *Call) count(id string) error {
	n := 0
	for _, t := range c.H.Todos[id] {
		if t.Status == "needs_action" {
			n++
		}
	}
	c.become(id, fmt.Sprint(n), nil)
	return nil
}

// fit checks that the list knows the fields, then writes them.
func (c *Call) fit(id string, t *house.Todo) error {
	for _, k := range []string{"due_date", "due_datetime", "description"} {
		if c.has(k) && c.H.Features(id)&itemFeatures[k] == 0 {
			return Invalid("todo", "update_field_not_supported", m{"service_field": k}, "Entity does not support setting field: %s", k)
		}
	}
	for k, dst := range map[string]**string{"due_date": &t.Due, "due_datetime": &t.Due, "description": &t.Description} {
		if v, has := c.Data[k]; has {
			if at, ok := v.(time.Time); ok {
				v = at.In(c.H.Zone).Format("2006-01-02T15:04:05-07:00")
			}
			*dst = house.Ptr(v)
		}
	}
	return nil
}

func addItem(c *Call, id string) (any, error) {
	t := &house.Todo{UID: c.H.Hex()[:8] + "-5e11-11f0-9c01-" + c.H.Hex()[:12], Summary: strings.TrimSpace(c.Data["item"].(string)), Status: "needs_action"}
	if err := c.fit(id, t); err != nil {
		return nil, err
	}
	c.H.Todos[id] = append(c.H.Todos[id], t)
	return nil, c.count(id)
}

func (c *Call) item(id, name string) (*house.Todo, error) {
	t := house.Find(c.H.Todos[id], func(t *house.Todo) bool { return t.UID == name || t.Summary == name })
	if t == nil {
		return nil, Invalid("todo", "item_not_found", m{"item": name}, "Unable to find to-do list item: %s", name)
	}
	return t, nil
}

func updateItem(c *Call, id string) (any, error) {
	t, err := c.item(id, c.Data["item"].(string))
	if err != nil {
		return nil, err
	}
	if err := c.fit(id, t); err != nil {
		return nil, err
	}
	if s, ok := c.Data["rename"].(string); ok {
		t.Summary = strings.TrimSpace(s)
	}
	if s, ok := c.Data["status"].(string); ok && s != t.Status {
		if t.Status, t.Completed = s, nil; s == "completed" {
			t.Completed = house.Opt(house.ISO(c.H.Clock.Now()))
		}
	}
	return nil, c.count(id)
}

func removeItems(c *Call, id string) (any, error) {
	var gone []*house.Todo
	for _, name := range c.Data["item"].([]string) {
		t, err := c.item(id, name)
		if err != nil {
			return nil, err
		}
		gone = append(gone, t)
	}
	c.H.Todos[id] = slices.DeleteFunc(c.H.Todos[id], func(t *house.Todo) bool { return slices.Contains(gone, t) })
	return nil, c.count(id)
}

// TodoShape is an item as lists answer it: what is not set is left out.
func TodoShape(t *house.Todo) m {
	x := m{"summary": t.Summary, "uid": t.UID, "status": t.Status}
	for k, p := range map[string]*string{"due": t.Due, "description": t.Description, "completed": t.Completed} {
		if p != nil {
			x[k] = *p
		}
	}
	return x
}

// wholeSpan checks the times of create_event.
func wholeSpan(d m) error {
	n := 0
	for _, k := range []string{"start_date", "start_date_time", "in"} {
		if d[k] != nil {
			n++
		}
	}
	switch {
	case n == 0:
		return schema.Fail("must contain at least one of start_date, start_date_time, in.")
	case n > 1:
		return schema.Fail("must contain at most one of start_date, start_date_time, in.")
	case (d["start_date"] == nil) != (d["end_date"] == nil):
		return &schema.Invalid{Msg: "Start and end dates must both be specified", Path: []any{"<dates>"}}
	case (d["start_date_time"] == nil) != (d["end_date_time"] == nil):
		return &schema.Invalid{Msg: "Start and end datetimes must both be specified", Path: []any{"<datetimes>"}}
	}
	for _, k := range []string{"_date", "_date_time"} {
		start, _ := d["start"+k].(string)
		end, _ := d["end"+k].(string)
		if start != "" && end <= start {
			return schema.Fail("Expected minimum event duration of 0:00:01 (%s, %s)", start, end)
		}
	}
	return nil
}

func createEvent(c *Call, id string) (any, error) {
	e := &house.CalendarEvent{UID: c.H.Hex(), Summary: c.Data["summary"].(string), Description: house.Ptr(c.Data["description"]),
		Location: house.Ptr(c.Data["location"])}
	for _, k := range []string{"_date", "_date_time"} {
		if s, ok := c.Data["start"+k].(string); ok {
			e.Start, e.End = s, c.Data["end"+k].(string)
		}
	}
	if e.Start == "" {
		day := c.H.Clock.Now().In(c.H.Zone).AddDate(0, 0, 1)
		e.Start, e.End = day.Format(time.DateOnly), day.AddDate(0, 0, 1).Format(time.DateOnly)
	}
	c.H.Calendars[id] = append(c.H.Calendars[id], e)
	return nil, nil
}

func getEvents(c *Call, id string) (any, error) {
	from, _ := c.Data["start_date_time"].(time.Time)
	if from.IsZero() {
		from = c.H.Clock.Now()
	}
	to, ok := c.Data["end_date_time"].(time.Time)
	if !ok {
		hours, _ := c.Data["duration"].(m)
		to = from.Add(time.Duration(24*asNumber(hours["days"])+asNumber(hours["hours"])) * time.Hour)
	}
	events := []m{}
	for _, e := range EventsBetween(c.H, id, from, to) {
		x := m{"start": e.Start, "end": e.End, "summary": e.Summary}
		for k, p := range map[string]*string{"description": e.Description, "location": e.Location} {
			if p != nil {
				x[k] = *p
			}
		}
		events = append(events, x)
	}
	return m{"events": events}, nil
}

func asNumber(v any) int {
	n, _ := whole(0, huge)(v)
	i, _ := n.(int)
	return i
}

// EventsBetween are a calendar's events in a span, repeated ones once for each week or day
// they fall on.
func EventsBetween(h *house.House, id string, from, to time.Time) []house.CalendarEvent {
	var out []house.CalendarEvent
	for _, e := range h.Calendars[id] {
		start, _ := schema.ParseTime(e.Start, h.Zone)
		end, _ := schema.ParseTime(e.End, h.Zone)
		days := 0
		if e.Rule != nil {
			days = map[bool]int{true: 1, false: 7}[strings.Contains(*e.Rule, "DAILY")]
		}
		for n := 0; start.Before(to); n++ {
			if end.After(from) {
				out = append(out, shifted(*e, n*days))
			}
			if days == 0 {
				break
			}
			start, end = start.AddDate(0, 0, days), end.AddDate(0, 0, days)
		}
	}
	slices.SortStableFunc(out, func(a, b house.CalendarEvent) int { return strings.Compare(a.Start, b.Start) })
	return out
}

func shifted(e house.CalendarEvent, days int) house.CalendarEvent {
	for _, p := range []*string{&e.Start, &e.End} {
		for _, layout := range []string{time.DateOnly, time.RFC3339} {
			if t, err := time.Parse(layout, *p); err == nil {
				*p = t.AddDate(0, 0, days).Format(layout)
			}
		}
	}
	return e
}

func forecast(c *Call, id string) (any, error) {
	list := []m{}
	for i := range 5 {
		at := c.H.Clock.Now().Truncate(time.Hour).AddDate(0, 0, i)
		list = append(list, m{"datetime": house.ISO(at), "condition": "cloudy", "temperature": 8.0 + float64(i), "templow": 3.0, "precipitation": 0.2})
	}
	return m{"forecast": list}, nil
}
