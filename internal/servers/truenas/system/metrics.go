package system

import (
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/truenas/api"
	"drawbridge/internal/servers/truenas/show"
)

type getMetricsIn struct {
	Metric     string `json:"metric,omitempty" jsonschema:"cpu, memory, load, disk, interface, disktemp, arcsize, ..."`
	Identifier string `json:"identifier,omitempty" jsonschema:"Disk or interface."`
	Range      string `json:"range,omitempty" jsonschema:"HOUR without it." enum:"HOUR,DAY,WEEK,MONTH,YEAR"`
	Points     int    `json:"points,omitempty" jsonschema:"12 without it." max:"60"`
}

type getMetricsOut struct {
	Available []string  `json:"available,omitempty"`
	Metric    string    `json:"metric,omitempty"`
	Unit      string    `json:"unit,omitempty"`
	Start     string    `json:"start,omitempty"`
	End       string    `json:"end,omitempty"`
	Series    []seriesO `json:"series,omitempty"`
}

type seriesO struct {
	Name   string    `json:"name"`
	Min    float64   `json:"min"`
	Mean   float64   `json:"mean"`
	Max    float64   `json:"max"`
	Points []float64 `json:"points" jsonschema:"Means of equal spans."`
}

const (
	usualPoints = 12
	mostSeries  = 24
)

func (t Tools) getMetrics(ctx context.Context, c *kit.Call, in getMetricsIn) (out getMetricsOut, err error) {
	s, err := t.Session(ctx, c)
	if err != nil {
		return out, err
	}
	graphs, err := s.Graphs(ctx)
	if err != nil {
		return out, err
	}
	if in.Metric == "" {
		for _, g := range graphs {
			line := show.Name(g.Name)
			if len(g.Identifiers) > 0 {
				line += " of " + show.Few(short(g.Identifiers), 40)
			}
			out.Available = append(out.Available, line)
		}
		return out, nil
	}
	graph, identifier, err := chosen(graphs, in)
	if err != nil {
		return out, err
	}
	unit := in.Range
	if unit == "" {
		unit = "HOUR"
	}
	found, err := s.Metric(ctx, in.Metric, identifier, unit)
	if err != nil {
		return out, err
	}
	if len(found) == 0 {
		return out, fault.New(fault.NotFound, "TrueNAS has measured nothing of that in this time. Take a longer range.")
	}
	if in.Points == 0 {
		in.Points = usualPoints
	}
	m := found[0]
	out = getMetricsOut{Metric: in.Metric, Unit: show.Name(graph.Unit), Start: kit.Time(time.Unix(int64(m.Start), 0)), End: kit.Time(time.Unix(int64(m.End), 0)), Series: seriesOf(m, in.Points)}
	return out, nil
}

// short are identifiers as people say them: a disk's goes on with its model and serial
// number behind a bar.
func short(identifiers []string) []string {
	all := make([]string, len(identifiers))
	for i, id := range identifiers {
		name, _, _ := strings.Cut(id, " | ")
		all[i] = show.Name(name)
	}
	return all
}

// chosen finds the metric that is meant, and its whole identifier.
func chosen(graphs []api.Graph, in getMetricsIn) (g api.Graph, identifier string, err error) {
	var names []string
	for _, g := range graphs {
		names = append(names, show.Name(g.Name))
		if g.Name != in.Metric {
			continue
		}
		names := short(g.Identifiers)
		i := slices.IndexFunc(g.Identifiers, func(id string) bool { return id == in.Identifier })
		if i < 0 {
			i = slices.Index(names, in.Identifier)
		}
		switch {
		case len(names) == 0 && in.Identifier != "":
			return g, "", fault.New(fault.Invalid, "%s is of the whole system. Leave the identifier out.", in.Metric)
		case len(names) == 0:
			return g, "", nil
		case i < 0:
			return g, "", fault.New(fault.Invalid, "%s needs an identifier of these: %s.", in.Metric, show.Few(names, 40))
		}
		return g, g.Identifiers[i], nil
	}
	return g, "", fault.New(fault.NotFound, "TrueNAS has no metric %q. It has %s.", in.Metric, show.Few(names, 60))
}

// seriesOf thins a metric out to spans of equal length. The totals are TrueNAS's where it
// tells them, since it knows more points than it sends.
func seriesOf(m api.Metric, points int) (all []seriesO) {
	rows := m.Rows()
	legend := m.Legend
	if len(legend) > 0 && legend[0] == "time" {
		legend = legend[1:]
	}
	for i, name := range legend[:min(len(legend), mostSeries)] {
		one := seriesO{Name: show.Name(name)}
		var values []float64
		for _, row := range rows {
			if i+1 < len(row) && row[i+1] != nil {
				values = append(values, *row[i+1])
			}
		}
		if len(values) > 0 {
			one.Min, one.Max, one.Mean = slices.Min(values), slices.Max(values), mean(values)
		}
		for value, total := range map[*float64]any{&one.Min: m.Totals.Min, &one.Mean: m.Totals.Mean, &one.Max: m.Totals.Max} {
			if f, ok := totalOf(total, name, i); ok {
				*value = f
			}
			*value = round(*value)
		}
		one.Points = thin(values, points)
		all = append(all, one)
	}
	return all
}

// totalOf finds the total of a series: by its name, or in older releases by its place.
func totalOf(total any, name string, i int) (float64, bool) {
	switch v := total.(type) {
	case map[string]any:
		f, ok := v[name].(float64)
		return f, ok
	case []any:
		if i < len(v) {
			f, ok := v[i].(float64)
			return f, ok
		}
	}
	return 0, false
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// thin is the means of spans of equal length.
func thin(values []float64, points int) []float64 {
	n := min(points, len(values))
	out := make([]float64, n)
	for i := range out {
		out[i] = round(mean(values[i*len(values)/n : (i+1)*len(values)/n]))
	}
	return out
}

// round keeps four digits, or all of those before the point.
func round(f float64) float64 {
	if f == 0 || math.IsInf(f, 0) || math.IsNaN(f) {
		return 0
	}
	scale := math.Pow(10, math.Max(0, 3-math.Floor(math.Log10(math.Abs(f)))))
	return math.Round(f*scale) / scale
}
