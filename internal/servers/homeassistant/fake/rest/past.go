package rest

import (
	"slices"
	"strings"
	"time"

	"drawbridge/internal/servers/homeassistant/fake/house"
	"drawbridge/internal/servers/homeassistant/fake/schema"
	"drawbridge/internal/servers/homeassistant/fake/service"
	"drawbridge/internal/servers/homeassistant/fake/template"
)

// past is history, logbook and calendars, and templates.
var past = []route{
	{method: "GET", path: "/api/history/period", do: history},
	{method: "GET", path: "/api/history/period/{at}", do: history},
	{method: "GET", path: "/api/logbook", do: logbook},
	{method: "GET", path: "/api/logbook/{at}", do: logbook},
	{method: "GET", path: "/api/calendars", do: func(r *Request) Reply {
		out := []m{}
		for id := range r.H.States {
			if house.Domain(id) == "calendar" {
				out = append(out, m{"name": r.H.Name(id), "entity_id": id})
			}
		}
		slices.SortFunc(out, func(a, b m) int { return strings.Compare(a["name"].(string), b["name"].(string)) })
		return JSON(200, out)
	}},
	{method: "GET", path: "/api/calendars/{id}", do: calendar},
}

// span reads the path's time and the end: a day before now, and a day long, by default.
func (r *Request) span() (start, end time.Time, bad *Reply) {
	start = r.H.Clock.Now().Add(-24 * time.Hour)
	var ok bool
	if at := r.Parts["at"]; at != "" {
		if start, ok = schema.ParseTime(at, r.H.Zone); !ok {
			rep := Message(400, "Invalid datetime")
			return start, end, &rep
		}
	}
	end = start.Add(24 * time.Hour)
	if q := r.HTTP.URL.Query().Get("end_time"); q != "" {
		if end, ok = schema.ParseTime(q, r.H.Zone); !ok {
			rep := Message(400, "Invalid end_time")
			return start, end, &rep
		}
	}
	return start, end, nil
}

// history is HistoryPeriodView (history/__init__.py).
func history(r *Request) Reply {
	start, end, bad := r.span()
	if bad != nil {
		return *bad
	}
	q := r.HTTP.URL.Query()
	ids := strings.Split(strings.ToLower(strings.TrimSpace(q.Get("filter_entity_id"))), ",")
	if ids[0] == "" {
		return Message(400, "filter_entity_id is missing")
	}
	for _, id := range ids {
		if r.H.States[id] == nil && !schema.ValidEntity(id) {
			return Message(400, "Invalid filter_entity_id")
		}
	}
	out := [][]any{}
	if start.After(r.H.Clock.Now()) {
		return JSON(200, out)
	}
	significant := q.Get("significant_changes_only") != "0"
	minimal, bare := q.Has("minimal_response"), q.Has("no_attributes")
	for _, id := range ids {
		rows := r.H.History(id, house.Asked{Start: start, End: end, Initial: !q.Has("skip_initial_state"), Significant: significant, Minimal: minimal})
		list := []any{}
		for i := range rows {
			s := rows[i]
			if bare {
				s.Attributes = m{}
			}
			full := house.Full(&s).(m)
			delete(full, "context") // what comes out of the database has none, and no last_reported
			delete(full, "last_reported")
			if minimal && i > 0 && i < len(rows)-1 {
				full = m{"state": s.State, "last_changed": house.ISO(s.Changed)}
			}
			list = append(list, full)
		}
		if len(list) > 0 {
			out = append(out, list)
		}
	}
	return JSON(200, out)
}

// logbook is LogbookView (logbook/rest_api.py).
func logbook(r *Request) Reply {
	start, end, bad := r.span()
	if bad != nil {
		return *bad
	}
	q, ids := r.HTTP.URL.Query().Get("entity"), []string(nil)
	if q != "" {
		ids = strings.Split(strings.ToLower(q), ",")
	}
	for _, id := range ids {
		if !schema.ValidEntity(id) {
			return Message(400, "Invalid entity ID(s) encountered: "+id+". Format should be <domain>.<object_id>")
		}
	}
	out := []m{}
	for _, row := range r.H.Logbook(ids, ids == nil, "", start, end, true) {
		row.Body["when"] = house.ISO(row.When)
		out = append(out, row.Body)
	}
	return JSON(200, out)
}

// calendar is CalendarEventView: whatever is wrong, the 400 is empty.
func calendar(r *Request) Reply {
	id, q := r.Parts["id"], r.HTTP.URL.Query()
	from, fromOK := schema.ParseTime(q.Get("start"), r.H.Zone)
	to, toOK := schema.ParseTime(q.Get("end"), r.H.Zone)
	if r.H.States[id] == nil || house.Domain(id) != "calendar" || !fromOK || !toOK || from.After(to) {
		return Reply{Status: 400}
	}
	out := []m{}
	for _, e := range service.EventsBetween(r.H, id, from, to) {
		out = append(out, m{"start": apiTime(e.Start), "end": apiTime(e.End), "summary": e.Summary, "description": e.Description, "location": e.Location,
			"uid": e.UID, "recurrence_id": nil, "rrule": e.Rule})
	}
	return JSON(200, out)
}

func apiTime(s string) m {
	if len(s) == len(time.DateOnly) {
		return m{"date": s}
	}
	return m{"dateTime": s}
}

// render is APITemplateView.
func render(r *Request) Reply {
	body, isObject, isJSON := r.object()
	text, ok := body["template"].(string)
	vars, _ := body["variables"].(m)
	switch {
	case !isJSON:
		return Message(400, "Error rendering template: unexpected character: line 1 column 1 (char 0)")
	case !isObject:
		return Message(400, "Template data should be a JSON object")
	case !ok: // a KeyError that nobody catches
		return Plain(500)
	}
	out, _, err := template.Template{House: r.H, Text: text, Variables: vars}.Render()
	if err != nil {
		return Message(400, "Error rendering template: "+err.Error())
	}
	return Text(out)
}
