package gatewaytest_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"drawbridge/internal/gatewaytest"
)

// patience is how long a rogue's call may take, by configuration.
const patience = 4 * time.Second

// slack is what an error may come later than due, on a machine that is busy.
const slack = 5 * time.Second

// misdeed is a way to answer wrong, and what the caller is told, or one of what is
// told. "well" stands for the right answer: the caller sees nothing of it.
type misdeed struct{ how, told string }

const (
	nothing = "no answer within 4s"
	lost    = "the connection was lost before the answer came"
	rules   = "its answer breaks the rules of MCP"
)

// mute misdeeds end with the caller's time. They are done all at once.
func mute(all ...string) (list []misdeed) {
	for _, how := range all {
		list = append(list, misdeed{how, nothing})
	}
	return list
}

// overHTTP are the misdeeds of Streamable HTTP. gone is what 404 means.
func overHTTP(gone string) (quiet, loud []misdeed) {
	loud = []misdeed{
		{"garbage", rules}, {"garbage+", rules}, {"html", rules}, {"id", rules}, {"id+", rules}, {"textid", rules}, {"textid+", rules},
		{"utf8", rules}, {"utf8+", rules}, {"deep", rules}, {"deep+", rules}, {"both", rules}, {"both+", rules},
		{"stray+", rules}, {"twice", rules}, {"twice+", "well"}, {"flood:1000+", "well"},
		{"page", "it answered with something other than JSON or an event stream"},
		{"gzip", "its answer is not acceptable HTTP"}, {"nohttp", "its answer is not acceptable HTTP"},
		{"huge:2000000+", "its answer is larger than 1 MiB"}, {"endless:4", "its answer is larger than 1 MiB"},
		{"huge:2000000", "its answer is larger than 1 MiB"},
		{"status:202", "it took the request but sent no answer"},
		{"status:307", "it redirects to another address (HTTP 307)"},
		{"status:401", "it refused our credential (HTTP 401)"}, {"status:403", "it refused our credential (HTTP 403)"},
		{"status:404", gone},
		{"status:429", "it is overloaded (HTTP 429)"}, {"status:503", "it is overloaded (HTTP 503)"},
		{"status:500", "it failed (HTTP 500)"}, {"status:502", "it failed (HTTP 502)"},
	}
	for _, at := range []int{0, 1, 12, 17, 30, 60, 90, 110, 150, 1000} {
		for _, form := range []string{"reset:%d", "cut:%d", "reset:%d+", "cut:%d+"} {
			told := lost
			if at == 1000 && strings.HasSuffix(form, "+") {
				told = "well" // the event was whole
			}
			loud = append(loud, misdeed{fmt.Sprintf(form, at), told})
		}
	}
	return mute("hang", "drip", "comments"), loud
}

// overSSE are the misdeeds of HTTP+SSE.
func overSSE() (quiet, loud []misdeed) {
	quiet = append(mute("hang", "id", "textid", "late:4500"),
		// Of one call alone it is known that the garbage was its answer.
		misdeed{"garbage", nothing + "|" + rules}, misdeed{"utf8", nothing + "|" + rules},
		misdeed{"both", nothing + "|" + rules}, misdeed{"deep", nothing + "|" + rules})
	return quiet, []misdeed{
		{"stray", "well"}, {"twice", "well"}, {"flood:1000", "well"},
		{"status:401", "it refused our credential (HTTP 401)"}, {"status:500", "it failed (HTTP 500)"},
		{"huge:2000000", lost}, // with the stream that all answers come on
		{"die", lost},
	}
}

// overStdio are the misdeeds of a process.
func overStdio() (quiet, loud []misdeed) {
	return mute("hang", "garbage", "id", "textid", "utf8", "both", "deep", "late:4500"), []misdeed{
		{"stray", "well"}, {"twice", "well"}, {"flood:1000", "well"}, {"stderr:8", "well"},
		{"die", "its process exited (signal: killed)"}, {"exit", "its process exited (exit status 3)"},
		{"silence", "its process exited"}, {"orphan", "its process exited (signal: killed)"},
		{"line:17", "it sent a line that is too long|" + nothing}, {"drip", nothing},
	}
}

// criminal is one rogue behind the gateway, and the client that calls it.
type criminal struct {
	name        string
	client      *gatewaytest.Client
	quiet, loud []misdeed
}

// Whatever one backend does, its caller gets one clear error that names it, in
// time; calls of other backends all succeed meanwhile; and nothing is left over.
func TestFaults_areTheBackendsAlone(t *testing.T) { // not parallel: it counts what the whole process holds
	oldHTTP, newHTTP := gatewaytest.NewRogue("hl", gatewaytest.R1125), gatewaytest.NewRogue("hm", gatewaytest.R2026)
	oldest := gatewaytest.NewRogue("sse", gatewaytest.R2024)
	oldPipe, newPipe := gatewaytest.NewRogue("pl", gatewaytest.R1125), gatewaytest.NewRogue("pm", gatewaytest.R2026)
	good, pipe := gatewaytest.NewFake("good", gatewaytest.R1125), gatewaytest.NewFake("pipe", gatewaytest.R2026)
	g := gatewaytest.Run(t, fmt.Sprintf(`{"limits":{"answer_event":"1MiB","call_timeout":"4s"},"mcpServers":{"hl":{"url":%q},"hm":{"url":%q},
		"sse":{"url":%q,"type":"sse"},"pl":{%s},"pm":{%s},"good":{"url":%q},"pipe":%s}}`,
		oldHTTP.HTTP(t), newHTTP.HTTP(t), oldest.HTTPSSE(t), oldPipe.Stdio(t), newPipe.Stdio(t), good.HTTP(t), pipe.Stdio(t)))
	g.WaitTools("hl_bad", "hm_bad", "sse_bad", "pl_bad", "pm_bad", "good_echo", "pipe_echo")

	all := []*criminal{
		{name: "hl", client: g.Dial(gatewaytest.R1125)}, {name: "hm", client: g.Dial(gatewaytest.R2026)},
		{name: "sse", client: g.Dial(gatewaytest.R2024)}, {name: "pl", client: g.Dial(gatewaytest.R2026)}, {name: "pm", client: g.Dial(gatewaytest.R0326)},
	}
	all[0].quiet, all[0].loud = overHTTP("it has no MCP endpoint at this path (HTTP 404)")
	all[1].quiet, all[1].loud = overHTTP("it no longer speaks the revision it spoke before")
	all[2].quiet, all[2].loud = overSSE()
	all[3].quiet, all[3].loud = overStdio()
	all[4].quiet, all[4].loud = overStdio()
	others := newCrowd(g, "good_echo", "pipe_echo")
	round := func(name string, work func(*criminal, *testing.T)) {
		defer others.start(t)()
		t.Run(name, func(t *testing.T) {
			var group sync.WaitGroup // not parallel tests: those run as many at once as there are processors
			for _, c := range all {
				group.Go(func() { work(c, t) })
			}
			group.Wait()
		})
	}
	round("first", (*criminal).early) // opens what is then kept: sessions, connections
	before := holdings(t)
	start := time.Now()
	round("all", (*criminal).all)
	before.compare(t)
	g.Stop()
	t.Logf("stopped after %s", time.Since(start))
}

// early does what is not noticed before its time is up.
func (c *criminal) early(t *testing.T) {
	c.alive(t)
	var group sync.WaitGroup
	turns := make(chan struct{}, 8) // as many as a process has at once
	for _, m := range c.quiet {
		turns <- struct{}{}
		group.Go(func() {
			c.does(t, m)
			<-turns
		})
	}
	group.Wait()
}

// all does every misdeed.
func (c *criminal) all(t *testing.T) {
	c.early(t)
	for _, m := range c.loud {
		c.does(t, m)
		c.alive(t)
	}
	for _, msg := range c.client.Outside() {
		if strings.Contains(msg, `"result"`) || strings.Contains(msg, `"error"`) {
			t.Errorf("an answer that nobody asked for: %.300s", msg)
		}
	}
}

// does calls and looks at the one answer.
func (c *criminal) does(t *testing.T, m misdeed) {
	t.Helper()
	start := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), patience+3*slack)
	defer cancel()
	a := c.client.CallContext(ctx, "tools/call", fmt.Sprintf(`{"name":"%s_bad","arguments":{"how":%q}}`, c.name, m.how))
	took := time.Since(start)
	due := slack
	if strings.Contains(m.told, nothing) {
		due += patience
	}
	if took > due {
		t.Errorf("%s: the answer came after %s", m.how, took)
	}
	if status := a.Status; status != 200 && status != 202 || a.Header.Get("Www-Authenticate") != "" {
		t.Errorf("%s: status %d, %v", m.how, status, a.Header)
	}
	if m.told == "well" {
		if !strings.Contains(a.Result(), `"text":"well"`) {
			t.Errorf("%s: %.300s", m.how, a.Message)
		}
		return
	}
	said := a.Result() + a.Error()
	named := slices.ContainsFunc(strings.Split(m.told, "|"), func(told string) bool {
		return strings.Contains(said, fmt.Sprintf(`Backend \"%s\" gave no answer: %s`, c.name, told))
	})
	if !named || !strings.Contains(said, `"isError":true`) && !strings.Contains(said, fmt.Sprintf(`"backend":%q`, c.name)) {
		t.Errorf("%s after %s: %.400s\nwant %s", m.how, took, a.Message, m.told)
	}
	if strings.Contains(said, "internal-secret") || strings.Contains(said, "169.254") {
		t.Errorf("%s: the caller sees what the backend wrote: %s", m.how, said)
	}
}

// recovery is how soon a backend that is well again must answer.
const recovery = 5 * time.Second

// alive waits until the backend answers again.
func (c *criminal) alive(t *testing.T) {
	t.Helper()
	var a gatewaytest.Answer
	answers := gatewaytest.Poll(recovery+slack, func() bool {
		a = c.client.CallContext(t.Context(), "tools/call", fmt.Sprintf(`{"name":"%s_echo","arguments":{"text":"alive"}}`, c.name))
		return strings.Contains(a.Result(), `"text":"alive"`)
	})
	if !answers {
		t.Errorf("%s does not answer: %s", c.name, a.Message)
	}
}

// crowd calls tools of other backends, from clients of three revisions.
type crowd struct {
	tools   []string
	clients []*gatewaytest.Client
}

func newCrowd(g *gatewaytest.Gateway, tools ...string) *crowd {
	c := &crowd{tools: tools}
	for range tools {
		c.clients = append(c.clients, g.Dial(gatewaytest.R2024), g.Dial(gatewaytest.R1125), g.Dial(gatewaytest.R2026))
	}
	return c
}

// start makes them call until the returned function is called; all their calls
// must succeed.
func (c *crowd) start(t *testing.T) (stop func()) {
	t.Helper()
	end := make(chan struct{})
	var done sync.WaitGroup
	var calls, slowest atomic.Int64
	for i, client := range c.clients {
		done.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-end:
					return
				case <-time.After(5 * time.Millisecond):
				}
				text := fmt.Sprintf("bystander-%d-%d", i, n)
				start := time.Now()
				a := client.CallContext(context.Background(), "tools/call",
					fmt.Sprintf(`{"name":%q,"arguments":{"text":%q}}`, c.tools[i%len(c.tools)], text))
				calls.Add(1)
				slowest.Store(max(slowest.Load(), int64(time.Since(start))))
				if !strings.Contains(a.Result(), text) {
					t.Errorf("a call of another backend: %d %.300s", a.Status, a.Message)
					return
				}
			}
		})
	}
	return func() {
		t.Helper()
		close(end)
		done.Wait()
		t.Logf("%d calls of other backends, the slowest took %s", calls.Load(), time.Duration(slowest.Load()))
		if calls.Load() < 10 {
			t.Error("the other backends were hardly called")
		}
	}
}

// held is what the process holds.
type held struct {
	goroutines, descriptors int
	heap                    uint64
}

func holdings(t testing.TB) held {
	t.Helper()
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // twice: the first one only moves what pools hold to where the second finds it
	runtime.ReadMemStats(&m)
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skipf("this needs a /proc file system: %v", err)
	}
	return held{runtime.NumGoroutine(), len(fds), m.HeapAlloc}
}

// compare waits until the process holds what it held, give or take what pools
// keep; the growth has 10 seconds to go.
func (h held) compare(t testing.TB) {
	t.Helper()
	var now held
	// The runtime does not tell when a goroutine or a descriptor is gone.
	gone := gatewaytest.Poll(10*time.Second, func() bool {
		now = holdings(t)
		return now.goroutines <= h.goroutines+5 && now.descriptors <= h.descriptors+5 && now.heap <= h.heap+20<<20
	})
	if !gone {
		var all strings.Builder
		_ = pprof.Lookup("goroutine").WriteTo(&all, 1)
		t.Errorf("from %+v to %+v\n%s", h, now, &all)
		return
	}
	t.Logf("goroutines %d to %d, descriptors %d to %d, heap %d to %d KiB",
		h.goroutines, now.goroutines, h.descriptors, now.descriptors, h.heap>>10, now.heap>>10)
}
