package api

import (
	"context"
	"encoding/json"
	"fmt"

	"drawbridge/internal/servers/truenas/rpc"
)

// System is what TrueNAS says of itself.
type System struct {
	Version string    `json:"version"`
	Host    string    `json:"hostname"`
	Model   string    `json:"model"`
	Cores   int       `json:"cores"`
	Memory  Number    `json:"physmem"`
	Load    []float64 `json:"loadavg"`
	Uptime  float64   `json:"uptime_seconds"`
	Zone    string    `json:"timezone"`
}

// System reads it.
func (s Session) System(ctx context.Context) (out System, err error) {
	err = s.read(ctx, "system.info", nil, &out)
	return out, err
}

// RebootReason says why TrueNAS wants to be restarted. Reason comes from outside.
type RebootReason struct {
	Code   string `json:"code"`
	Reason string `json:"reason"`
}

// RebootReasons are none where nothing waits for a restart.
func (s Session) RebootReasons(ctx context.Context) ([]RebootReason, error) {
	var out struct {
		Reasons []RebootReason `json:"reboot_required_reasons"`
	}
	err := s.read(ctx, "system.reboot.info", nil, &out)
	return out.Reasons, err
}

// Alert is an alert. Text and Formatted come from outside; the latter is HTML.
type Alert struct {
	UUID      string `json:"uuid"`
	Class     string `json:"klass"`
	Level     string `json:"level"`
	Text      string `json:"text"`
	Formatted string `json:"formatted"`
	Since     Time   `json:"datetime"`
	Last      Time   `json:"last_occurrence"`
	Dismissed bool   `json:"dismissed"`
	Node      string `json:"node"`
}

// Levels of alerts, least first.
var Levels = []string{"INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY"}

// Alerts lists all alerts.
func (s Session) Alerts(ctx context.Context) (all []Alert, err error) {
	err = s.read(ctx, "alert.list", nil, &all)
	return all, err
}

// MarkAlert dismisses or restores an alert.
func (s Session) MarkAlert(ctx context.Context, uuid string, dismiss bool) error {
	method := "alert.restore"
	if dismiss {
		method = "alert.dismiss"
	}
	return s.do(ctx, Deed{Method: method, Params: []any{uuid}, What: "the change of the alert", Look: `list_alerts {"include_dismissed":true}`}, nil)
}

// Power restarts TrueNAS, or shuts it down. reason is for its audit log.
func Power(off bool, reason string) Deed {
	d := Deed{Method: "system.reboot", Params: []any{reason}, What: "the restart of TrueNAS", Look: lookAtSystem + " in a few minutes: its uptime"}
	if off {
		d.Method, d.What, d.Look = "system.shutdown", "the shutdown of TrueNAS", "a look at the machine: nothing answers once it is off"
	}
	return d
}

// Begin calls a method that begins a job, and does not wait for its end.
func (s Session) Begin(ctx context.Context, d Deed) (job int64, err error) {
	var result json.RawMessage
	if err := s.do(ctx, d, &result); err != nil {
		return 0, err
	}
	_ = json.Unmarshal(result, &job) // 0 where it answers at once
	return job, nil
}

// Metric is a series of numbers over time: each row is a time in seconds and a value for
// each name of the legend.
type Metric struct {
	Name       string            `json:"name"`
	Identifier string            `json:"identifier"`
	Legend     []string          `json:"legend"`
	Data       []json.RawMessage `json:"data"`
	Totals     struct {
		Min  any `json:"min"`
		Mean any `json:"mean"`
		Max  any `json:"max"`
	} `json:"aggregations"`
	Start Number `json:"start"`
	End   Number `json:"end"`
}

// Rows are the data as numbers; what is no number is left out of a row as nil.
func (m Metric) Rows() (rows [][]*float64) {
	for _, raw := range m.Data {
		var row []*float64
		if json.Unmarshal(raw, &row) == nil && len(row) > 1 && row[0] != nil {
			rows = append(rows, row)
		}
	}
	return rows
}

// Graph is a metric that TrueNAS records.
type Graph struct {
	Name        string   `json:"name"`
	Title       string   `json:"title"`
	Unit        string   `json:"vertical_label"`
	Identifiers []string `json:"identifiers"`
}

// Graphs lists the metrics.
func (s Session) Graphs(ctx context.Context) ([]Graph, error) {
	return query[Graph](ctx, s, "reporting.graphs", Query{Limit: 200})
}

// Metric reads one over the last HOUR, DAY, WEEK, MONTH or YEAR.
func (s Session) Metric(ctx context.Context, name, identifier, unit string) ([]Metric, error) {
	graph := map[string]any{"name": name}
	if identifier != "" {
		graph["identifier"] = identifier
	}
	var out []Metric
	err := s.read(ctx, "reporting.get_data", []any{[]any{graph}, map[string]any{"unit": unit, "aggregate": true}}, &out)
	return out, err
}

// Release is the release of the API that the session speaks.
func (s Session) Release() rpc.Release { return s.API }

// Interrupted tells an error of Begin or Run that a restart of TrueNAS explains: it was
// asked for, and the connection ended.
func (s Session) Interrupted() bool { return !s.line.Alive() }

// String is what a job is called, for people.
func (j Job) String() string { return fmt.Sprintf("job %d (%s)", j.ID, j.Method) }
