package system

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"drawbridge/internal/servers/truenas/fake/call"
	"drawbridge/internal/servers/truenas/fake/fail"
	"drawbridge/internal/servers/truenas/fake/filter"
	"drawbridge/internal/servers/truenas/fake/model"
)

// graph is one of reporting.graphs.
type graph struct {
	title, unit string
	legend      []string
	per         string // disk, interface: what identifies one
}

// order of the names in GraphIdentifier (truenas/middleware api/v25_10_2/reporting.py).
var names = []string{"cpu", "cputemp", "disk", "interface", "load", "processes", "memory", "uptime", "arcactualrate", "arcrate", "arcsize", "arcresult", "disktemp",
	"upscharge", "upsruntime", "upsvoltage", "upscurrent", "upsfrequency", "upsload", "upstemperature"}

var graphs = map[string]graph{
	"cpu": {"CPU Usage", "%CPU", []string{"cpu", "cpu0", "cpu1"}, ""}, "cputemp": {"CPU Temperature", "Celsius", []string{"cpu", "cpu0"}, ""},
	"disk": {"Disk I/O ({identifier})", "Kibibytes/s", []string{"reads", "writes"}, "disk"}, "interface": {"Interface Traffic ({identifier})", "Kilobits/s", []string{"received", "sent"}, "interface"},
	"load": {"System Load Average", "Processes", []string{"shortterm", "midterm", "longterm"}, ""}, "processes": {"Processes", "Processes", []string{"running", "blocked"}, ""},
	"memory": {"Physical memory utilization", "Bytes", []string{"available"}, ""}, "uptime": {"System Uptime", "Seconds", []string{"uptime"}, ""},
	"arcsize": {"ARC Size", "Bytes", []string{"arc_size"}, ""}, "disktemp": {"Disk Temperature {identifier}", "Celsius", []string{"temperature_value"}, "disk"},
}

func reporting() []call.Method {
	query := model.May("query", model.Object{Name: "ReportingQuery", Fields: []model.Arg{
		model.May("unit", model.OrNull(model.OneOf("HOUR", "DAY", "WEEK", "MONTH", "YEAR")), nil), model.May("page", model.AtLeast(1), int64(1)), model.May("aggregate", model.Bool, true),
		model.May("start", model.OrNull(model.AtLeast(1)), nil), model.May("end", model.OrNull(model.AtLeast(1)), nil),
	}}, nil)
	known := make([]any, len(names))
	for i, n := range names {
		known[i] = n
	}
	read := []string{"REPORTING_READ"}
	wanted := model.Need("graphs", model.List{Min: 1, Of: model.Object{Name: "GraphIdentifier", Fields: []model.Arg{model.Need("name", model.OneOf(known...)), model.May("identifier", model.OrNull(model.Words), nil)}}})
	return []call.Method{
		{Name: "reporting.graphs", Roles: read, Args: filter.Args, Run: func(c *call.Call) (any, error) {
			var rows []Row
			for _, n := range names {
				g, there := graphs[n]
				if !there {
					continue
				}
				var ids any
				if list := identifiers(c, g); list != nil {
					ids = call.List(list)
				}
				rows = append(rows, Row{"name": n, "title": g.title, "vertical_label": g.unit, "identifiers": ids})
			}
			return filter.Query(rows, c.Args)
		}},
		{Name: "reporting.get_data", Roles: read, Args: []model.Arg{wanted, query}, Run: getData},
	}
}

// identifiers of a graph; nil for one that has none.
func identifiers(c *call.Call, g graph) (out []string) {
	switch g.per {
	case "disk":
		for _, d := range c.NAS.Disks {
			out = append(out, fmt.Sprintf("%s | Type: %s | Model: %s | Serial: %s", d.Name, d.Type, d.Model, d.Serial))
		}
	case "interface":
		out = []string{"enp1s0"}
	}
	return out
}

var units = map[string]time.Duration{"HOUR": time.Hour, "DAY": 24 * time.Hour, "WEEK": 7 * 24 * time.Hour, "MONTH": 30 * 24 * time.Hour, "YEAR": 365 * 24 * time.Hour}

// getData answers with a wave for each graph: points of some seconds, as many as the time
// has, which is a lot.
func getData(c *call.Call) (any, error) {
	q := c.Map(1)
	end := c.Now
	start := end.Add(-time.Hour)
	if unit, ok := q["unit"].(string); ok {
		if q["start"] != nil || q["end"] != nil {
			return nil, fail.Problems{{Attribute: "reporting_query.unit", Message: "unit and start/end cannot be used together", Errno: fail.EINVAL}}.Err()
		}
		n := time.Duration(q["page"].(int64))
		end, start = end.Add(-(n-1)*units[unit]), end.Add(-n*units[unit])
	}
	if n, ok := q["end"].(int64); ok {
		end = time.Unix(n, 0)
	}
	if n, ok := q["start"].(int64); ok {
		start = time.Unix(n, 0)
	}
	if !start.Before(end) {
		return nil, fail.Problems{{Attribute: "reporting_query.start", Message: "start must be before end", Errno: fail.EINVAL}}.Err()
	}
	out := []any{}
	for _, one := range c.Args[0].([]any) {
		name, _ := one.(Row)["name"].(string)
		g, there := graphs[name]
		id, named := one.(Row)["identifier"].(string)
		if ids := identifiers(c, g); ids != nil && (!named || !slices.ContainsFunc(ids, func(s string) bool { return s == id || strings.HasPrefix(s, id+" |") })) {
			return nil, fail.Call(fail.ENOENT, "%v identifier does not exist for graph '%s'", one.(Row)["identifier"], name)
		}
		if !there { // no UPS, no sensor: nothing measured
			g.legend = []string{}
		}
		out = append(out, series(name, one.(Row)["identifier"], g, start, end, q["aggregate"] == true))
	}
	return out, nil
}

func series(name string, id any, g graph, start, end time.Time, aggregate bool) Row {
	step := max(time.Second, (end.Sub(start) / 3600).Truncate(time.Second))
	data := []any{}
	low, high, sum := map[string]float64{}, map[string]float64{}, map[string]float64{}
	for at := start; at.Before(end) && len(g.legend) > 0; at = at.Add(step) {
		point := []any{at.Unix()}
		for i, l := range g.legend {
			v := math.Round((50+40*math.Sin(float64(at.Unix())/600+float64(i)))*100) / 100
			point = append(point, v)
			if old, there := low[l]; !there || v < old {
				low[l] = v
			}
			high[l], sum[l] = max(high[l], v), sum[l]+v
		}
		data = append(data, point)
	}
	lowest, mean, highest := Row{}, Row{}, Row{}
	for _, l := range g.legend {
		if aggregate {
			lowest[l], mean[l], highest[l] = low[l], math.Round(sum[l]/float64(max(1, len(data)))*100)/100, high[l]
		}
	}
	return Row{"name": name, "identifier": id, "legend": append([]any{"time"}, call.List(g.legend)...), "data": data, "start": start.Unix(), "end": end.Unix(), "aggregations": Row{"min": lowest, "mean": mean, "max": highest}}
}
