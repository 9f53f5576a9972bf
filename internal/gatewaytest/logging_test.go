package gatewaytest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"drawbridge/internal/gatewaytest"
)

const allLevels = `["debug","info","notice","warning","error","critical","alert","emergency"]`

// logged is the levels of the log messages among events, in order.
func logged(events []string) (levels []string) {
	for _, e := range events {
		if strings.Contains(e, `"notifications/message"`) {
			_, rest, _ := strings.Cut(e, `"level":"`)
			level, _, _ := strings.Cut(rest, `"`)
			levels = append(levels, level)
		}
	}
	return levels
}

// from is the levels of allLevels from one up.
func from(level string) []string {
	all := strings.Split(strings.NewReplacer(`"`, "", "[", "", "]", "").Replace(allLevels), ",")
	return all[slices.Index(all, level):]
}

// logs calls a backend's tool log.
func logs(c *gatewaytest.Client, backend, via, meta string) []string {
	params := fmt.Sprintf(`{"name":"%s_log","arguments":{"via":%q,"text":"x","levels":%s}`, backend, via, allLevels)
	if meta != "" {
		params += `,"_meta":{` + meta + `}`
	}
	before := len(c.Outside())
	a := c.Call("tools/call", params+"}")
	return logged(append(a.Events, c.Outside()[before:]...))
}

// levelsSet is the levels that a fake's sessions of calls were set to, in order.
func levelsSet(f *gatewaytest.Fake) (levels []string) {
	for _, h := range f.Heard("logging/setLevel") {
		levels = append(levels, h.Params())
	}
	return levels
}

// Two clients of one upstream session with different levels: the session is set
// to the lesser, and each client hears what it wants.
func TestLogging_levelPerClient(t *testing.T) {
	t.Parallel()
	fakes, config := askers(t)
	g := gatewaytest.Run(t, config)
	g.WaitTools("h_log", "e_log", "s_log", "p_log", "i_log")
	for _, rev := range []string{gatewaytest.R2024, gatewaytest.R1125} {
		strict, curious := g.Dial(rev), g.Dial(rev)
		strict.Call("logging/setLevel", `{"level":"error"}`)
		curious.Call("logging/setLevel", `{"level":"notice"}`)
		for _, way := range []struct{ backend, via string }{{"h", ""}, {"e", ""}, {"s", ""}, {"p", ""}, {"i", ""}} {
			for name, tt := range map[string]struct {
				c    *gatewaytest.Client
				want []string
			}{"strict": {strict, from("error")}, "curious": {curious, from("notice")}} {
				if got := logs(tt.c, way.backend, way.via, ""); !slices.Equal(got, tt.want) {
					t.Errorf("%s, %s from %s%s heard %v, want %v", rev, name, way.backend, way.via, got, tt.want)
				}
			}
			if way.backend == "p" || way.backend == "i" {
				continue
			}
			if set := levelsSet(fakes[way.backend]); set[len(set)-1] != `{"level":"notice"}` {
				t.Errorf("%s was set to %v", way.backend, set)
			}
		}
	}
}

// A client that set no level hears from info up, as it would of a server that
// nobody else has silenced.
func TestLogging_clientWithoutALevel(t *testing.T) {
	t.Parallel()
	_, config := askers(t)
	g := gatewaytest.Run(t, config)
	g.WaitTools("h_log", "s_log", "p_log")
	strict, plain := g.Dial(gatewaytest.R1125), g.Dial(gatewaytest.R1125)
	strict.Call("logging/setLevel", `{"level":"error"}`)
	for _, backend := range []string{"h", "s", "p"} {
		if got := logs(strict, backend, "", ""); !slices.Equal(got, from("error")) {
			t.Errorf("strict from %s heard %v", backend, got)
		}
		if got := logs(plain, backend, "", ""); !slices.Equal(got, from("info")) {
			t.Errorf("plain from %s heard %v", backend, got)
		}
	}
}

// A 2026-07-28 client says with each request what it wants to hear.
func TestLogging_levelPerRequest(t *testing.T) {
	t.Parallel()
	_, config := askers(t)
	mh, mp := gatewaytest.NewAsking("mh", gatewaytest.R2026), gatewaytest.NewAsking("mp", gatewaytest.R2026)
	config = strings.TrimSuffix(config, "}}") + fmt.Sprintf(`,"mh":{"url":%q},"mp":%s}}`, mh.HTTP(t), mp.Stdio(t))
	g := gatewaytest.Run(t, config)
	g.WaitTools("h_log", "e_log", "s_log", "p_log", "i_log", "mh_log", "mp_log")
	gs, local := gatewaytest.RunStdio(t, config, gatewaytest.R2026, gatewaytest.Person{})
	gs.WaitToolsOf(local, "h_log", "e_log", "s_log", "p_log", "i_log", "mh_log", "mp_log")
	const key = `"io.modelcontextprotocol/logLevel":`
	for name, c := range map[string]*gatewaytest.Client{"HTTP": g.Dial(gatewaytest.R2026), "stdio": local} {
		for _, backend := range []string{"h", "e", "s", "p", "i", "mh", "mp"} {
			for _, tt := range []struct {
				meta string
				want []string
			}{{"", nil}, {key + `"error"`, from("error")}, {key + `"debug"`, from("debug")}, {key + `"warning"`, from("warning")}, {"", nil}} {
				if got := logs(c, backend, "", tt.meta); !slices.Equal(got, tt.want) {
					t.Errorf("%s, %s with %q heard %v, want %v", name, backend, tt.meta, got, tt.want)
				}
			}
		}
		if a := c.Call("tools/call", `{"name":"mh_log","_meta":{`+key+`"loud"}}`); !strings.Contains(a.Error(), `-32602`) {
			t.Errorf("%s, a level that is none: %s", name, a.Message)
		}
	}
}

// A modern backend logs for a legacy client at the level the client has set, and
// at info while it has set none.
func TestLogging_legacyToModern(t *testing.T) {
	t.Parallel()
	mh, mp := gatewaytest.NewAsking("mh", gatewaytest.R2026), gatewaytest.NewAsking("mp", gatewaytest.R2026)
	g := gatewaytest.Run(t, fmt.Sprintf(`{"mcpServers":{"mh":{"url":%q},"mp":%s}}`, mh.HTTP(t), mp.Stdio(t)))
	g.WaitTools("mh_log", "mp_log")
	for _, rev := range []string{gatewaytest.R2024, gatewaytest.R0326, gatewaytest.R0618, gatewaytest.R1125} {
		c := g.Dial(rev)
		for _, want := range []string{"info", "warning", "debug"} {
			if want != "info" {
				c.Call("logging/setLevel", `{"level":"`+want+`"}`)
			}
			for _, backend := range []string{"mh", "mp"} {
				if got := logs(c, backend, "", ""); !slices.Equal(got, from(want)) {
					t.Errorf("%s, %s at %s heard %v", rev, backend, want, got)
				}
			}
		}
	}
}

// What a backend logs outside of any call reaches the clients of the session it
// logs in, once, and nobody else. A level is set at once.
func TestLogging_outsideOfCalls(t *testing.T) {
	t.Parallel()
	const log = `{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"%s","data":"%s"}}`
	f := gatewaytest.NewAsking("h", gatewaytest.R1125)
	g := gatewaytest.Run(t, `{"mcpServers":{"h":{"url":"`+f.HTTP(t)+`"}}}`)
	g.WaitTools("h_log")
	key := keys(t, g, 1)[0]
	g.WaitFor("the key to be known", func() bool {
		return gatewaytest.Dial(t, g.Base, key, gatewaytest.R2026).Call("tools/list", "").Status == 200
	})
	mine, old, other := g.Dial(gatewaytest.R1125), g.Dial(gatewaytest.R2024), gatewaytest.Dial(t, g.Base, key, gatewaytest.R1125)
	stream, theirs := mine.Stream(), other.Stream()
	listen := g.Dial(gatewaytest.R2026).Listen(`{"toolsListChanged":true}`)
	for _, c := range []*gatewaytest.Client{mine, old, other} {
		c.Call("tools/call", `{"name":"h_params","arguments":{}}`)
	}
	calls := f.Heard("tools/call")
	session, foreign := calls[0].Session, calls[2].Session
	if session == foreign {
		t.Fatal("two principals share a session")
	}
	old.Call("logging/setLevel", `{"level":"warning"}`)
	g.WaitFor("the level to reach the backend", func() bool { return slices.Contains(levelsSet(f), `{"level":"warning"}`) })

	f.SayIn(session, fmt.Sprintf(log, "info", "quiet"))
	f.SayIn(session, fmt.Sprintf(log, "error", "loud"))
	f.Say(`{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"alert","data":"to all sessions"}}`)
	f.SetTools() // the next thing that all of them hear of
	var got []string
	for msg := range drain(stream, "tools/list_changed") {
		got = append(got, msg)
	}
	if levels := logged(got); !slices.Equal(levels, []string{"info", "error", "alert"}) {
		t.Errorf("heard %v", levels)
	}
	g.WaitFor("the old client to be told", func() bool { return strings.Contains(strings.Join(old.Outside(), ""), "alert") })
	if levels := logged(old.Outside()); !slices.Equal(levels, []string{"error", "alert"}) {
		t.Errorf("the client at warning heard %v", levels)
	}
	got = nil
	for msg := range drain(theirs, "tools/list_changed") {
		got = append(got, msg)
	}
	if levels := logged(got); !slices.Equal(levels, []string{"alert"}) {
		t.Errorf("another principal heard %v", levels)
	}
	for msg := range drain(listen, "tools/list_changed") {
		if strings.Contains(msg, "notifications/message") {
			t.Errorf("a modern client heard %s outside of its calls", msg)
		}
	}
}

// The end of a URL elicitation is told whenever it comes.
func TestElicitationComplete_outsideOfCalls(t *testing.T) {
	t.Parallel()
	const complete = `{"jsonrpc":"2.0","method":"notifications/elicitation/complete","params":{"elicitationId":"e-1","x":1.0}}`
	f := gatewaytest.NewAsking("h", gatewaytest.R1125)
	g := gatewaytest.Run(t, `{"mcpServers":{"h":{"url":"`+f.HTTP(t)+`"}}}`)
	g.WaitTools("h_ask")
	c := gatewaytest.DialAs(t, g.Base, gatewaytest.Key, gatewaytest.R1125, gatewaytest.Able("me"))
	stream := c.Stream()
	asks(c, "h", "", "elicitation/create", elicitURL)
	f.SayIn(f.Heard("tools/call")[0].Session, complete)
	if got := next(t, stream, "elicitation/complete"); got != complete {
		t.Errorf("got %s", got)
	}
	a := g.Dial(gatewaytest.R2026).Call("tools/call", `{"name":"h_say","arguments":{"raw":[`+complete+`]}}`)
	if len(a.Events) > 0 {
		t.Errorf("a modern client was told %v, which its revision does not define", a.Events)
	}
}
