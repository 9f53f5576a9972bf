package speed_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"drawbridge/test/harness"
)

var update = flag.Bool("update", false, "record the benchmarks in bench/results.json and docs/reference/measurements.md")

// gate is one figure with its limit.
type gate struct {
	What  string  `json:"what"`
	Got   float64 `json:"got"`
	Limit float64 `json:"limit"`
	// Least turns the limit around: got must not be smaller.
	Least bool `json:"least,omitempty"`
}

func (g gate) holds() bool {
	if g.Least {
		return g.Got >= g.Limit
	}
	return g.Got <= g.Limit
}

func (g gate) limit() string {
	if g.Least {
		return fmt.Sprintf("at least %g", g.Limit)
	}
	return fmt.Sprintf("at most %g", g.Limit)
}

// outcome is one recorded comparison.
type outcome struct {
	Name    string `json:"name"`
	Command string `json:"command"` // of mcpbench, without the addresses
	Rounds  int    `json:"rounds,omitempty"`
	Rows    []row  `json:"rows,omitempty"`
	Gates   []gate `json:"gates"`
	Nginx   bool   `json:"nginx"`
	// What it was measured with: one outcome may be recorded anew without the others.
	Commit string `json:"commit"`
	Go     string `json:"go"`
	CPUs   int    `json:"cpus"`
}

// settle reports the gates to the benchmark and fails it where one is broken.
func settle(b *testing.B, o outcome) {
	b.Helper()
	b.ReportMetric(0, "ns/op") // the time of a comparison says nothing
	for _, g := range o.Gates {
		b.ReportMetric(g.Got, strings.ReplaceAll(g.What, " ", "-"))
		if !g.holds() {
			b.Errorf("%s: %s is %.3g, %s", o.Name, g.What, g.Got, g.limit())
		}
	}
	if *update {
		record(b, o)
	}
}

// turns is how often the targets follow one another in a round: what else the machine
// has to do comes and goes within seconds.
const turns = 2

// measure compares in rounds, and settles the medians of what gates makes of each.
// Every round has processes of its own: how one happens to lie in memory makes it
// faster or slower for as long as it runs, by more than is to be measured.
func measure(b *testing.B, start func(testing.TB) *bed, l load, gates func(map[string]row) []gate) {
	b.Helper()
	for b.Loop() {
		o := outcome{Name: l.name, Command: strings.Join(append([]string{"compare", "--rounds", fmt.Sprint(turns), "--duration", *each}, l.args...), " "), Rounds: *rounds}
		rows, figures := map[string][]row{}, [][]gate{}
		for range *rounds {
			alone(b, func(tb testing.TB) {
				on := start(tb)
				o.Nginx = on.nginx != nil
				got, _ := on.compare(tb, l, turns, "--duration", *each)
				for name, r := range got {
					rows[name] = append(rows[name], r)
				}
				figures = append(figures, gates(got))
			})
		}
		for _, name := range []string{"direct", "nginx", "hop", "fixed", "drawbridge"} {
			if r, ok := rows[name]; ok {
				o.Rows = append(o.Rows, middle(r))
			}
		}
		o.Gates = slices.Clone(figures[0])
		for i := range o.Gates {
			o.Gates[i].Got = median(figures, func(g []gate) float64 { return g[i].Got })
		}
		settle(b, o)
	}
}

// median of one figure over the rounds.
func median[T any](rounds []T, figure func(T) float64) float64 {
	all := make([]float64, len(rounds))
	for i, r := range rounds {
		all[i] = figure(r)
	}
	slices.Sort(all)
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}

// middle is a target's row of medians.
func middle(rounds []row) row {
	m := rounds[0]
	m.CPU = median(rounds, func(r row) float64 { return r.CPU })
	m.RPS = median(rounds, func(r row) float64 { return r.RPS })
	m.OfDirect = median(rounds, func(r row) float64 { return r.OfDirect })
	m.P50 = median(rounds, func(r row) float64 { return r.P50 })
	m.P99 = median(rounds, func(r row) float64 { return r.P99 })
	m.AddedP50 = median(rounds, func(r row) float64 { return r.AddedP50 })
	m.AddedFirst = median(rounds, func(r row) float64 { return r.AddedFirst })
	m.FirstEvent = median(rounds, func(r row) float64 { return r.FirstEvent })
	m.PeakMB = median(rounds, func(r row) float64 { return r.PeakMB })
	for _, r := range rounds[1:] {
		m.Errors += r.Errors
		m.EventsGot += r.EventsGot
		m.EventsWanted += r.EventsWanted
	}
	m.Rounds = len(rounds)
	return m
}

// span is a part of a benchmark at whose end all that it started ends.
type span struct {
	testing.TB
	ctx  context.Context
	ends []func()
}

func (s *span) Context() context.Context { return s.ctx }
func (s *span) Cleanup(end func())       { s.ends = append(s.ends, end) }

// alone does something, and ends what it has started.
func alone(b *testing.B, do func(testing.TB)) {
	ctx, cancel := context.WithCancel(b.Context())
	s := &span{TB: b, ctx: ctx}
	defer func() {
		cancel()
		for _, end := range slices.Backward(s.ends) {
			end()
		}
	}()
	do(s)
}

// small is a backend of 20 tools.
func small(tb testing.TB) *bed { return newBed(tb, 20) }

// big has 2,000, and somebody who sends the same list from memory.
func big(tb testing.TB) *bed {
	on := newBed(tb, 2000)
	fixed := on.start(tb, "fixed", "fixed", "--from", on.gateway.url, "--token", harness.Key)
	on.fixed = &fixed
	return on
}

func BenchmarkEcho(b *testing.B) {
	measure(b, small, echoLoad, func(r map[string]row) []gate {
		return []gate{
			{What: "CPU of hop's", Got: r["drawbridge"].CPU / r["hop"].CPU, Limit: 0.60},
			{What: "throughput of hop's", Got: r["drawbridge"].OfDirect / r["hop"].OfDirect, Limit: 1.4, Least: true},
		}
	})
}

func BenchmarkEchoModern(b *testing.B) {
	measure(b, small, modernLoad, func(r map[string]row) []gate {
		return []gate{{What: "CPU of hop's", Got: r["drawbridge"].CPU / r["hop"].CPU, Limit: 0.66}}
	})
}

func BenchmarkLargeResult(b *testing.B) {
	measure(b, small, largeLoad, func(r map[string]row) []gate {
		return []gate{{What: "CPU of hop's", Got: r["drawbridge"].CPU / r["hop"].CPU, Limit: 0.9}}
	})
}

func BenchmarkProgress(b *testing.B) {
	measure(b, small, streamLoad, func(r map[string]row) []gate {
		got := r["drawbridge"]
		if got.EventsGot != got.EventsWanted { // in no round, not only in most
			b.Errorf("%d of %d notifications", got.EventsGot, got.EventsWanted)
		}
		return []gate{
			{What: "notifications delivered", Got: float64(got.EventsGot) / float64(got.EventsWanted), Limit: 1, Least: true},
			{What: "added time to the first of hop's", Got: got.AddedFirst / r["hop"].AddedFirst, Limit: 2},
			{What: "first of the whole call", Got: got.FirstEvent / got.P50, Limit: 0.5},
		}
	})
}

func BenchmarkList(b *testing.B) {
	measure(b, big, listLoad, func(r map[string]row) []gate {
		return []gate{{What: "CPU of sending the same bytes", Got: r["drawbridge"].CPU / r["fixed"].CPU, Limit: 2}}
	})
}

// BenchmarkIdle opens sessions, leaves them alone, and looks at the memory. The
// process is fresh, so all that it grows by counts; one that has had work to do
// would put the sessions where garbage was.
func BenchmarkIdle(b *testing.B) {
	on := newBed(b, 20)
	for b.Loop() {
		// Idle is who has been asked nothing for a while: there is no event to wait for.
		time.Sleep(3 * time.Second)
		fresh := residentMB(b, on.gateway.pid)
		args := []string{"idle", "--sessions", "4000", "--stream", "none", "--tool", "bench_echo"}
		raw := on.run(b, append(slices.Clone(args), "--json", "--url", on.gateway.url, "--token", harness.Key, "--pid", fmt.Sprint("server=", on.gateway.pid)))
		var got struct {
			Opened       int64   `json:"opened"`
			AliveAfter   int64   `json:"answeredAfterHold"`
			KBPerSession float64 `json:"kbPerSession"`
			CPUIdle      float64 `json:"cpuSecondsWhileIdle"`
		}
		if err := json.Unmarshal(raw, &got); err != nil {
			b.Fatalf("mcpbench idle: %v\n%s", err, raw)
		}
		if got.Opened != 4000 || got.AliveAfter != 4000 {
			b.Errorf("%d of 4000 sessions opened, %d answered after the hold", got.Opened, got.AliveAfter)
		}
		if got.KBPerSession <= 0 {
			b.Errorf("%.1f KB per session: this measures nothing", got.KBPerSession)
		}
		settle(b, outcome{Name: "idle", Command: strings.Join(args, " "), Gates: []gate{
			{What: "KB per idle session", Got: got.KBPerSession, Limit: 6},
			{What: "MB of the idle process", Got: fresh, Limit: 35},
		}})
	}
}

// residentMB is the memory that a process occupies.
func residentMB(b *testing.B, pid int) float64 {
	b.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		var kb float64
		if n, _ := fmt.Sscanf(line, "VmRSS: %f kB", &kb); n == 1 {
			return kb / 1024
		}
	}
	b.Fatal("no VmRSS")
	return 0
}

// results is bench/results.json.
type results struct {
	Outcomes []outcome `json:"outcomes"`
}

// record puts one outcome into the results and writes the page anew.
func record(b *testing.B, o outcome) {
	b.Helper()
	root := harness.Root(b)
	file := filepath.Join(root, "bench", "results.json")
	var all results
	if raw, err := os.ReadFile(file); err == nil {
		if err := json.Unmarshal(raw, &all); err != nil {
			b.Fatal(err)
		}
	}
	o.Go, o.CPUs = runtime.Version(), runtime.NumCPU()
	o.Commit = commit(b, root)
	if i := slices.IndexFunc(all.Outcomes, func(x outcome) bool { return x.Name == o.Name }); i >= 0 {
		all.Outcomes[i] = o
	} else {
		all.Outcomes = append(all.Outcomes, o)
	}
	raw, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(file, append(raw, '\n'), 0o644); err != nil {
		b.Fatal(err)
	}
	if err := writePage(filepath.Join(root, "docs", "reference", "measurements.md"), all); err != nil {
		b.Fatal(err)
	}
}

// commit names what was measured, and tells if its sources were changed since.
func commit(b *testing.B, root string) string {
	b.Helper()
	out, err := exec.Command("git", "-C", root, "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		b.Fatalf("name the commit: %v", err)
	}
	name := strings.TrimSpace(string(out))
	if exec.Command("git", "-C", root, "diff", "--quiet", "HEAD", "--", "*.go", "go.mod").Run() != nil {
		name += " (changed)"
	}
	return name
}
