package house

import (
	"maps"
	"slices"
	"strconv"
	"time"
)

// tracesKept is how many runs of one automation are remembered (trace/const.py).
const tracesKept = 5

// Ran puts the run of an automation or script on record: a trace, a row in the logbook,
// and the cause of whatever has its context.
func (h *House) Ran(a *Config, c Context, at time.Time, source, trigger, execution, fault string) *Trace {
	domain, alias := Domain(a.EntityID), h.Name(a.EntityID)
	t := &Trace{RunID: h.Hex(), Domain: domain, ItemID: a.ID, Execution: execution, Trigger: source, Error: fault,
		Start: at, Finish: at.Add(25 * time.Millisecond), Config: a.Body, Context: c, Steps: Map{}}
	step := func(path string, more Map) {
		m := Map{"path": path, "timestamp": ISO(at)}
		maps.Copy(m, more)
		t.Steps[path], t.LastStep = []any{m}, path
	}
	if domain == "automation" {
		step("trigger/0", Map{"changed_variables": Map{"trigger": Map{"id": "0", "idx": "0", "alias": nil, "platform": "state", "entity_id": trigger,
			"description": source}}})
	}
	for i := range Steps(a.Body, "conditions", "condition") {
		step("condition/"+strconv.Itoa(i), Map{"result": Map{"result": execution != "failed_conditions"}})
	}
	if execution != "failed_conditions" {
		for i, x := range Steps(a.Body, "actions", "action", "sequence") {
			m := Map{"result": Map{"params": x, "running_script": false, "limit": 10}}
			if fault != "" {
				m["error"] = fault
			}
			step("action/"+strconv.Itoa(i), m)
		}
		cause := Map{"context_event_type": domain + "_triggered", "context_domain": domain, "context_entity_id": a.EntityID, "context_entity_id_name": alias, "context_name": alias}
		row := Map{"name": alias, "message": "triggered", "entity_id": a.EntityID, "domain": domain, "context_id": c.ID}
		if source != "" {
			row["message"], row["source"] = "triggered by "+source, source
			cause["context_message"], cause["context_source"] = "triggered by "+source, source
		}
		h.Calls[c.ID] = cause
		h.Journal = append(h.Journal, Row{at, row, c.ID})
	}
	h.Traces = append(h.Traces, t)
	first, n := -1, 0
	for i, x := range h.Traces {
		if x.Domain != domain || x.ItemID != a.ID {
			continue
		}
		if n++; first < 0 {
			first = i
		}
	}
	if n > tracesKept {
		h.Traces = slices.Delete(h.Traces, first, first+1)
	}
	return t
}

// Steps is the first of some members that an item has, always as a list: the plural names
// are today's, the singular ones still accepted (ref 1.2, Semantics).
func Steps(body Map, names ...string) []any {
	for _, n := range names {
		switch v := body[n].(type) {
		case []any:
			return v
		case nil:
		default:
			return []any{v}
		}
	}
	return nil
}

// Short is a trace as trace/list has it (trace/models.py).
func (t *Trace) Short() Map {
	m := Map{"last_step": t.LastStep, "run_id": t.RunID, "state": "stopped", "script_execution": t.Execution,
		"timestamp": Map{"start": ISO(t.Start), "finish": ISO(t.Finish)}, "domain": t.Domain, "item_id": t.ItemID}
	if t.Domain == "automation" {
		m["trigger"] = t.Trigger
	}
	if t.Error != "" {
		m["error"] = t.Error
	}
	return m
}

// Long is a trace as trace/get has it.
func (t *Trace) Long() Map {
	m := t.Short()
	m["trace"], m["config"], m["blueprint_inputs"], m["context"] = t.Steps, t.Config, nil, t.Context
	return m
}

// Log adds to the system log, or counts one that is there already.
func (h *House) Log(name, level, source, message string) {
	now := h.Clock.Now()
	for _, p := range h.Problems {
		if p.Name == name && p.Messages[0] == message {
			p.Count, p.Last = p.Count+1, now
			return
		}
	}
	h.Problems = slices.Insert(h.Problems, 0, &LogEntry{Name: name, Level: level, Source: source, Line: 1, Count: 1,
		Messages: []string{message}, First: now, Last: now})
	h.Problems = h.Problems[:min(len(h.Problems), 50)]
}
