package command

import (
	"slices"
	"time"

	"drawbridge/internal/servers/homeassistant/fake/house"
	"drawbridge/internal/servers/homeassistant/fake/schema"
)

// span reads start_time and end_time the way all of them do.
func (r *Request) span() (start, end time.Time, err error) {
	start, ok := schema.ParseTime(r.text("start_time"), r.H.Zone)
	if !ok {
		return start, end, fail("invalid_start_time", "Invalid start_time")
	}
	end = r.H.Clock.Now().Add(time.Microsecond)
	if t := r.text("end_time"); t != "" {
		if end, ok = schema.ParseTime(t, r.H.Zone); !ok {
			return start, end, fail("invalid_end_time", "Invalid end_time")
		}
	}
	return start, end, nil
}

// past is history/websocket_api.py, recorder/websocket_api.py and logbook/websocket_api.py.
func past() Table {
	span := dict{"start_time": need(str), "end_time": may(str)}
	kinds := schema.OneOf("change", "last_reset", "max", "mean", "min", "state", "sum")
	return Table{
		"history/history_during_period": {Fields: span.Plus(dict{"entity_ids": need(schema.Strings),
			"include_start_time_state": with(boolean, true), "significant_changes_only": with(boolean, true),
			"minimal_response": with(boolean, false), "no_attributes": with(boolean, false)}), Do: historyDuring},
		"recorder/info": {Do: func(*Request) (any, error) {
			return m{"backlog": 0, "db_in_default_location": true, "max_backlog": 65000, "migration_in_progress": false, "migration_is_live": false,
				"recording": true, "thread_running": true}, nil
		}},
		"recorder/list_statistic_ids": {Fields: dict{"statistic_type": may(schema.OneOf("mean", "sum"))}, Do: func(r *Request) (any, error) {
			out := []m{}
			for _, id := range sortedStates(r.H) {
				if x := r.H.Statistic(id); x != nil && (!r.has("statistic_type") || x["has_"+r.text("statistic_type")] == true) {
					out = append(out, x)
				}
			}
			return out, nil
		}},
		"recorder/get_statistics_metadata": {Fields: dict{"statistic_ids": may(schema.Strings)}, Do: func(r *Request) (any, error) {
			out := []m{}
			for _, id := range sortedStates(r.H) {
				if x := r.H.Statistic(id); x != nil && (!r.has("statistic_ids") || slices.Contains(r.list("statistic_ids"), id)) {
					out = append(out, x)
				}
			}
			return out, nil
		}},
		"recorder/statistics_during_period": {Fields: span.Plus(dict{"statistic_ids": need(atLeastOne),
			"period": need(schema.OneOf("5minute", "hour", "day", "week", "month", "year")),
			"units":  may(schema.Map), "types": may(schema.List(kinds))}), Do: statisticsDuring},
		"recorder/statistic_during_period": {Fields: dict{"statistic_id": need(str), "types": may(schema.List(kinds)), "units": may(schema.Map),
			"fixed_period":   may(schema.In(dict{"start_time": may(schema.Moment), "end_time": may(schema.Moment)})),
			"calendar":       may(schema.In(dict{"period": need(schema.OneOf("hour", "day", "week", "month", "year")), "offset": may(schema.Int), "first_weekday": may(str)})),
			"rolling_window": may(schema.In(dict{"duration": need(schema.Map), "offset": may(schema.Map)}))}, Do: statisticDuring},
		"logbook/get_events": {Fields: span.Plus(dict{"entity_ids": strs, "device_ids": strs, "context_id": may(str)}), Do: logbookEvents},
	}
}

func atLeastOne(v any) (any, *schema.Invalid) {
	l, err := schema.Strings(v)
	if err == nil && len(l.([]string)) == 0 {
		return nil, schema.Fail("length of value must be at least 1")
	}
	return l, err
}

func historyDuring(r *Request) (any, error) {
	start, end, err := r.span()
	if err != nil {
		return nil, err
	}
	for _, id := range r.list("entity_ids") {
		if !schema.ValidEntity(id) {
			return nil, fail("invalid_entity_ids", "Invalid entity_ids")
		}
	}
	out := m{}
	if start.After(r.H.Clock.Now()) {
		return out, nil
	}
	a := house.Asked{Start: start, End: end, Initial: r.is("include_start_time_state"),
		Significant: r.is("significant_changes_only"), Minimal: r.is("minimal_response"), NoAttrs: r.is("no_attributes")}
	for _, id := range r.list("entity_ids") {
		if rows := r.H.CompressedHistory(id, a); len(rows) > 0 {
			out[id] = rows
		}
	}
	return out, nil
}

func statisticsDuring(r *Request) (any, error) {
	start, end, err := r.span()
	if err != nil {
		return nil, err
	}
	want := append(schema.Texts(r.Msg["types"]), "start", "end")
	out := m{}
	for _, id := range r.list("statistic_ids") {
		if r.H.Statistic(id) == nil {
			continue
		}
		rows := r.H.Sums(id, r.text("period"), start, end)
		for _, row := range rows {
			for k := range row {
				if r.has("types") && !slices.Contains(want, k) {
					delete(row, k)
				}
			}
		}
		if len(rows) > 0 {
			out[id] = rows
		}
	}
	return out, nil
}

// statisticDuring takes at most one kind of period; without one it is all that there is.
func statisticDuring(r *Request) (any, error) {
	end := r.H.Clock.Now()
	start, n := end.AddDate(-1, 0, 0), 0
	for _, k := range []string{"fixed_period", "calendar", "rolling_window"} {
		if r.has(k) {
			n++
		}
	}
	if n > 1 {
		return nil, &schema.Invalid{Msg: "two or more values in the same group of exclusion 'period'", Path: []any{"<period>"}}
	}
	if p, ok := r.Msg["fixed_period"].(m); ok {
		if t, given := p["start_time"].(time.Time); given {
			start = t
		}
		if t, given := p["end_time"].(time.Time); given {
			end = t
		}
	}
	if c, ok := r.Msg["calendar"].(m); ok {
		offset, _ := c["offset"].(int)
		start, end = r.H.Calendar(c["period"].(string), offset)
	}
	if w, ok := r.Msg["rolling_window"].(m); ok {
		end = end.Add(length(w["offset"]))
		start = end.Add(-length(w["duration"]))
	}
	if r.H.Statistic(r.text("statistic_id")) == nil {
		return m{}, nil
	}
	out := r.H.Total(r.text("statistic_id"), start, end)
	for k := range out {
		if r.has("types") && !slices.Contains(schema.Texts(r.Msg["types"]), k) {
			delete(out, k)
		}
	}
	return out, nil
}

// length is cv.time_period of an object.
func length(v any) time.Duration {
	var d time.Duration
	for k, unit := range map[string]time.Duration{"days": 24 * time.Hour, "hours": time.Hour, "minutes": time.Minute, "seconds": time.Second} {
		if n, err := schema.Number(-1e9, 1e9)(asMap(v)[k]); err == nil {
			d += time.Duration(n.(float64) * float64(unit))
		}
	}
	return d
}

func logbookEvents(r *Request) (any, error) {
	start, end, err := r.span()
	if err != nil {
		return nil, err
	}
	ids := r.list("entity_ids")
	for _, d := range r.list("device_ids") {
		for _, e := range r.H.OfDevice(d) {
			ids = append(ids, e.EntityID)
		}
	}
	all := !r.has("entity_ids") && !r.has("device_ids")
	out := []m{}
	for _, row := range r.H.Logbook(ids, all, r.text("context_id"), start, end, false) {
		row.Body["when"] = house.Seconds(row.When)
		out = append(out, row.Body)
	}
	return out, nil
}
