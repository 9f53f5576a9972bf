package api

import (
	"context"
	"encoding/json"
	"time"

	"drawbridge/internal/servers/homeassistant/link"
)

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }

// Past is a state that an entity had.
type Past struct {
	State      Text       `json:"s"`
	Attributes Attributes `json:"a"`
	Changed    Moment     `json:"lc"` // missing where it is the same
	Updated    Moment     `json:"lu"`
}

// At is when the state began.
func (p Past) At() time.Time {
	if !p.Changed.IsZero() {
		return p.Changed.Time
	}
	return p.Updated.Time
}

// History are the states of entities in a time, without attributes.
func (s Session) History(ctx context.Context, ids []string, from, to time.Time) (map[string][]Past, error) {
	var raw map[string][]json.RawMessage
	err := s.ask(ctx, link.Command{"type": "history/history_during_period", "start_time": stamp(from), "end_time": stamp(to), "entity_ids": ids,
		"minimal_response": true, "no_attributes": true, "significant_changes_only": false, "include_start_time_state": true}, &raw, "the history")
	all := make(map[string][]Past, len(raw))
	for id, r := range raw {
		all[id] = rows[Past](r)
	}
	return all, err
}

// Statistic is a row of long-term statistics.
type Statistic struct {
	Start  float64  `json:"start"` // ms
	Mean   *float64 `json:"mean"`
	Min    *float64 `json:"min"`
	Max    *float64 `json:"max"`
	Sum    *float64 `json:"sum"`
	State  *float64 `json:"state"`
	Change *float64 `json:"change"`
}

// Statistics are those of entities by period: 5minute, hour, day, week, month.
func (s Session) Statistics(ctx context.Context, ids []string, from, to time.Time, period string) (map[string][]Statistic, error) {
	var raw map[string][]json.RawMessage
	err := s.ask(ctx, link.Command{"type": "recorder/statistics_during_period", "start_time": stamp(from), "end_time": stamp(to), "statistic_ids": ids,
		"period": period, "types": []string{"mean", "min", "max", "sum", "state", "change"}}, &raw, "the statistics")
	all := make(map[string][]Statistic, len(raw))
	for id, r := range raw {
		all[id] = rows[Statistic](r)
	}
	return all, err
}

// LogEntry is a line of the logbook.
type LogEntry struct {
	When    Moment `json:"when"`
	Name    Text   `json:"name"`
	Message Text   `json:"message"`
	State   Text   `json:"state"`
	ID      Text   `json:"entity_id"`
	Domain  Text   `json:"domain"`

	ByEntity  Text `json:"context_entity_id"`
	ByName    Text `json:"context_entity_id_name"`
	ByDomain  Text `json:"context_domain"`
	ByService Text `json:"context_service"`
	ByUser    Text `json:"context_user_id"`
	BySource  Text `json:"context_source"`
	ByEvent   Text `json:"context_event_type"`
	ByMessage Text `json:"context_message"`
	ByTitle   Text `json:"context_name"`
}

// Logbook are the entries of a time, oldest first; without ids of everything.
func (s Session) Logbook(ctx context.Context, ids []string, from, to time.Time) ([]LogEntry, error) {
	cmd := link.Command{"type": "logbook/get_events", "start_time": stamp(from), "end_time": stamp(to)}
	if len(ids) > 0 {
		cmd["entity_ids"] = ids
	}
	return list[LogEntry](ctx, s, cmd, "the logbook")
}

// Trace is a run of an automation or script.
type Trace struct {
	RunID     string          `json:"run_id"`
	Domain    Text            `json:"domain"`
	ItemID    Text            `json:"item_id"`
	State     Text            `json:"state"`
	Execution Text            `json:"script_execution"`
	Last      Text            `json:"last_step"`
	Error     Text            `json:"error"`
	Trigger   json.RawMessage `json:"trigger"`
	Time      struct {
		Start  Moment `json:"start"`
		Finish Moment `json:"finish"`
	} `json:"timestamp"`
	Context Context `json:"context"`

	// Of a whole trace.
	Steps map[string][]json.RawMessage `json:"trace"`
}

// Step is one step of a trace.
type Step struct {
	Path      Text                       `json:"path"`
	Time      Moment                     `json:"timestamp"`
	Result    json.RawMessage            `json:"result"`
	Error     Text                       `json:"error"`
	Variables map[string]json.RawMessage `json:"changed_variables"`
}

// Traces are the runs of an item, oldest first.
func (s Session) Traces(ctx context.Context, domain, id string) ([]Trace, error) {
	return list[Trace](ctx, s, link.Command{"type": "trace/list", "domain": domain, "item_id": id}, "the traces of "+domain+" "+id)
}

// Trace is one run with its steps.
func (s Session) Trace(ctx context.Context, domain, id, run string) (t Trace, steps []Step, err error) {
	err = s.ask(ctx, link.Command{"type": "trace/get", "domain": domain, "item_id": id, "run_id": run}, &t, "the trace "+run)
	for _, raw := range t.Steps {
		steps = append(steps, rows[Step](raw)...)
	}
	return t, steps, err
}

// Related is what has to do with something, by kind: automation, script, scene,
// entity, device, area. kind names what id is.
func (s Session) Related(ctx context.Context, kind, id string) (map[string]Texts, error) {
	var all map[string]Texts
	return all, s.ask(ctx, link.Command{"type": "search/related", "item_type": kind, "item_id": id}, &all, "what is related to "+id)
}
