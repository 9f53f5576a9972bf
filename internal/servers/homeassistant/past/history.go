package past

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/homeassistant/api"
	"drawbridge/internal/servers/homeassistant/desk"
	"drawbridge/internal/servers/homeassistant/house"
	"drawbridge/internal/servers/homeassistant/show"
	"drawbridge/internal/servers/kit"
)

type historyIn struct {
	Entities []string `json:"entity_ids" jsonschema:"Ids or names." min:"1" max:"10"`
	Start    string   `json:"start,omitempty" jsonschema:"A time, or -24h, which is the default."`
	End      string   `json:"end,omitempty" jsonschema:"Now without it."`
	Mode     string   `json:"mode,omitempty" jsonschema:"changes without it." enum:"changes,numeric_summary,statistics"`
	Period   string   `json:"period,omitempty" jsonschema:"Of statistics." enum:"5minute,hour,day,week,month"`
	Most     int      `json:"max_points,omitempty" jsonschema:"Of each; 50 without it." min:"2" max:"500"`
}

type historyOut struct {
	Start   string        `json:"start"`
	End     string        `json:"end"`
	History kit.Untrusted `json:"history" jsonschema:"A summary and points."`
}

const defaultPoints = 50

// span reads start and end.
func span(v *desk.Visit, start, end string) (from, to time.Time, err error) {
	if to, err = show.Moment("end", end, v.Now, v.Now, v.Zone); err != nil {
		return from, to, err
	}
	if from, err = show.Moment("start", start, v.Now, to.Add(-24*time.Hour), v.Zone); err != nil {
		return from, to, err
	}
	if !from.Before(to) {
		return from, to, fault.New(fault.Invalid, "start is not before end. Turn them round.")
	}
	return from, to, nil
}

func (t Tools) history(ctx context.Context, c *kit.Call, in historyIn) (out historyOut, err error) {
	v, err := t.Visit(ctx, c)
	if err != nil {
		return out, err
	}
	from, to, err := span(v, in.Start, in.End)
	if err != nil {
		return out, err
	}
	var all []*house.Entity
	var ids []string
	for _, name := range in.Entities {
		e, err := v.Find(name)
		if err != nil {
			return out, err
		}
		all, ids = append(all, e), append(ids, e.ID)
	}
	most := cmp.Or(in.Most, defaultPoints)
	var lines []string
	if in.Mode == "statistics" {
		lines, err = statistics(ctx, v, ids, from, to, cmp.Or(in.Period, periodFor(to.Sub(from))), most)
	} else {
		lines, err = states(ctx, v, all, from, to, most, in.Mode == "numeric_summary")
	}
	if err != nil {
		return out, err
	}
	return historyOut{show.Time(from, v.Zone), show.Time(to, v.Zone), kit.Untrusted(show.Fit(lines))}, nil
}

func periodFor(d time.Duration) string {
	switch {
	case d <= 6*time.Hour:
		return "5minute"
	case d <= 4*24*time.Hour:
		return "hour"
	case d <= 120*24*time.Hour:
		return "day"
	}
	return "month"
}

func states(ctx context.Context, v *desk.Visit, all []*house.Entity, from, to time.Time, most int, short bool) (lines []string, err error) {
	ids := make([]string, len(all))
	for i, e := range all {
		ids[i] = e.ID
	}
	past, err := v.History(ctx, ids, from, to)
	if err != nil {
		return nil, err
	}
	for _, e := range all {
		points := past[e.ID]
		head := show.Row(e.ID, show.Clip(e.Name, show.Word))
		if len(points) == 0 {
			lines = append(lines, head+": nothing recorded")
			continue
		}
		numbers := numeric(points)
		if numbers != nil {
			lines = append(lines, head+": "+summary(numbers, e, from, to))
		} else {
			lines = append(lines, head+": "+durations(points, from, to))
		}
		if short {
			continue
		}
		for _, p := range thin(points, numbers, most) {
			lines = append(lines, show.Exact(later(p.At(), from), v.Zone)+" "+show.Clip(string(p.State), 60))
		}
		if left := len(points) - most; left > 0 {
			lines = append(lines, fmt.Sprintf("(%d of %d points)", most, len(points)))
		}
	}
	return lines, nil
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// point is a number at a time.
type point struct {
	at    time.Time
	value float64
	index int
}

// numeric are the points that are numbers; nil where most are not.
func numeric(all []api.Past) (numbers []point) {
	other := 0
	for i, p := range all {
		if n, err := strconv.ParseFloat(string(p.State), 64); err == nil {
			numbers = append(numbers, point{p.At(), n, i})
		} else if p.State != "unavailable" && p.State != "unknown" {
			other++
		}
	}
	if other >= len(numbers) {
		return nil
	}
	return numbers
}

// summary is what numbers were: the mean is weighted by how long each held.
func summary(numbers []point, e *house.Entity, from, to time.Time) string {
	low, high := numbers[0], numbers[0]
	sum, length := 0.0, 0.0
	for i, p := range numbers {
		if p.value < low.value {
			low = p
		}
		if p.value > high.value {
			high = p
		}
		end := to
		if i+1 < len(numbers) {
			end = numbers[i+1].at
		}
		d := end.Sub(later(p.at, from)).Seconds()
		sum, length = sum+p.value*d, length+d
	}
	mean := numbers[0].value
	if length > 0 {
		mean = sum / length
	}
	return fmt.Sprintf("min %s, max %s, mean %s, first %s, last %s, unit %s", show.Number(low.value), show.Number(high.value), show.Number(mean),
		show.Number(numbers[0].value), show.Number(numbers[len(numbers)-1].value), cmp.Or(show.Clip(e.State.Attributes.Text("unit_of_measurement"), 20), "none"))
}

const mostStates = 8

// durations is how long each state held, longest first.
func durations(all []api.Past, from, to time.Time) string {
	held, times := map[string]time.Duration{}, map[string]int{}
	for i, p := range all {
		end := to
		if i+1 < len(all) {
			end = all[i+1].At()
		}
		if d := end.Sub(later(p.At(), from)); d > 0 {
			held[string(p.State)] += d
		}
		times[string(p.State)]++
	}
	names := slices.SortedFunc(maps.Keys(times), func(a, b string) int {
		return cmp.Or(cmp.Compare(held[b], held[a]), strings.Compare(a, b))
	})
	var parts []string
	for i, s := range names {
		if i == mostStates {
			parts = append(parts, fmt.Sprintf("%d other states", len(names)-i))
			break
		}
		parts = append(parts, fmt.Sprintf("%s %s (%dx)", show.Clip(s, 60), show.Span(held[s]), times[s]))
	}
	return strings.Join(parts, ", ")
}

// thin keeps at most n points. Of numbers the lowest and the highest of each stretch
// stay; of others the newest.
func thin(all []api.Past, numbers []point, n int) []api.Past {
	if len(all) <= n {
		return all
	}
	if len(numbers) <= n || n < 4 {
		return all[len(all)-n:]
	}
	keep := map[int]bool{numbers[0].index: true, numbers[len(numbers)-1].index: true}
	stretches := max(1, (n-2)/2)
	for s := range stretches {
		part := numbers[s*len(numbers)/stretches : (s+1)*len(numbers)/stretches]
		if len(part) == 0 {
			continue
		}
		by := func(a, b point) int { return cmp.Compare(a.value, b.value) }
		keep[slices.MinFunc(part, by).index], keep[slices.MaxFunc(part, by).index] = true, true
	}
	var out []api.Past
	for _, i := range slices.Sorted(maps.Keys(keep)) {
		out = append(out, all[i])
	}
	return out
}

func statistics(ctx context.Context, v *desk.Visit, ids []string, from, to time.Time, period string, most int) (lines []string, err error) {
	all, err := v.Statistics(ctx, ids, from, to, period)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		points := all[id]
		if len(points) == 0 {
			lines = append(lines, id+": no statistics; mode changes has what the recorder keeps")
			continue
		}
		lines = append(lines, fmt.Sprintf("%s: %d values by %s", id, len(points), period))
		if left := len(points) - most; left > 0 {
			lines = append(lines, fmt.Sprintf("(the last %d; a longer period shows all)", most))
			points = points[left:]
		}
		for _, p := range points {
			lines = append(lines, show.Time(time.UnixMilli(int64(p.Start)), v.Zone)+values(p))
		}
	}
	return lines, nil
}

func values(p api.Statistic) (text string) {
	for _, one := range []struct {
		name string
		n    *float64
	}{{"mean", p.Mean}, {"min", p.Min}, {"max", p.Max}, {"change", p.Change}, {"sum", p.Sum}, {"state", p.State}} {
		if one.n != nil {
			text += " " + one.name + " " + show.Number(*one.n)
		}
	}
	return text
}
