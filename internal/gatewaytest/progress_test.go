package gatewaytest_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"drawbridge/internal/gatewaytest"
)

// progressOf is the progress notifications among events.
func progressOf(events []string) (all []string) {
	for _, e := range events {
		if strings.Contains(e, `"notifications/progress"`) {
			all = append(all, e)
		}
	}
	return all
}

// tokens as clients may write them: value and type have to come back.
var tokens = []string{`1`, `"1"`, `0`, `-5`, `9007199254740993`, `"t\u00f6k \"x\""`, `""`}

// everyBackend is a fake of both eras behind every transport.
func everyBackend(t *testing.T) (names []string, config string) {
	t.Helper()
	_, config = askers(t)
	mh, me, mp := gatewaytest.NewAsking("mh", gatewaytest.R2026), gatewaytest.NewAsking("me", gatewaytest.R2026), gatewaytest.NewAsking("mp", gatewaytest.R2026)
	me.SSE = true
	config = strings.TrimSuffix(config, "}}") + fmt.Sprintf(`,"mh":{"url":%q},"me":{"url":%q},"mp":%s}}`, mh.HTTP(t), me.HTTP(t), mp.Stdio(t))
	return []string{"h", "e", "s", "p", "i", "mh", "me", "mp"}, config
}

// tools is the name of a tool as each of the backends offers it.
func tools(names []string, tool string) (all []string) {
	for _, n := range names {
		all = append(all, n+"_"+tool)
	}
	return all
}

// The four pairings and every transport: the client's token comes back as it was
// written, and never the one that the backend has seen.
func TestProgress_tokensComeBack(t *testing.T) {
	t.Parallel()
	names, config := everyBackend(t)
	g := gatewaytest.Run(t, config)
	g.WaitTools(tools(names, "progress")...)
	check := func(t *testing.T, c *gatewaytest.Client) {
		for _, backend := range names {
			for i, token := range tokens {
				before := len(c.Outside())
				a := c.Call("tools/call", fmt.Sprintf(`{"name":"%s_progress","arguments":{"count":3,"text":"%d"},"_meta":{"progressToken":%s}}`, backend, i, token))
				got := progressOf(append(a.Events, c.Outside()[before:]...))
				if len(got) != 3 {
					t.Errorf("%s with %s: %d notifications, %v", backend, token, len(got), got)
					continue
				}
				for n, msg := range got {
					if want := fmt.Sprintf(`"params":{"progressToken":%s,"progress":%d,"message":"%d"}`, token, n+1, i); !strings.Contains(msg, want) {
						t.Errorf("%s with %s: got %s", backend, token, msg)
					}
				}
			}
			if a := c.Call("tools/call", `{"name":"`+backend+`_params","arguments":{},"_meta":{"progressToken":"mine","k":1}}`); strings.Contains(a.Result(), `"mine"`) || !strings.Contains(a.Result(), `"progressToken":`) {
				t.Errorf("%s saw the client's token: %s", backend, a.Message)
			}
			if a := c.Call("tools/call", `{"name":"`+backend+`_params","arguments":{}}`); strings.Contains(a.Result(), `"progressToken"`) {
				t.Errorf("%s saw a token that no client sent: %s", backend, a.Message)
			}
		}
	}
	for _, rev := range every {
		c := g.Dial(rev)
		t.Run(rev, func(t *testing.T) { check(t, c) })
	}
	for _, rev := range []string{gatewaytest.R1125, gatewaytest.R2026} {
		t.Run("serve --stdio "+rev, func(t *testing.T) {
			g, c := gatewaytest.RunStdio(t, config, rev, gatewaytest.Person{})
			g.WaitToolsOf(c, tools(names, "progress")...)
			check(t, c)
		})
	}
}

// Some legacy servers report progress on the session's own stream. It finds its
// call by the token.
func TestProgress_onTheSessionsStream(t *testing.T) {
	t.Parallel()
	fakes, config := askers(t)
	g := gatewaytest.Run(t, config)
	g.WaitTools("h_progress", "h_release")
	for _, rev := range every {
		c := g.Dial(rev)
		// The call goes on until it is let go: the two streams have no order.
		done := make(chan gatewaytest.Answer, 1)
		if rev == gatewaytest.R2024 {
			go func() {
				done <- c.Call("tools/call", `{"name":"h_progress","arguments":{"count":2,"via":"get","text":"hold"},"_meta":{"progressToken":"a"}}`)
			}()
			g.WaitFor("progress", func() bool { return len(progressOf(c.Outside())) == 2 })
			g.WaitFor("the call to hold", func() bool { return fakes["h"].Waiting() == 1 })
			fakes["h"].Release()
			<-done
			continue
		}
		params := `{"name":"h_progress","arguments":{"count":2,"via":"get","text":"hold"},"_meta":{"progressToken":"a"}}`
		stream := c.Post(t.Context(), "tools/call", params)
		for n := range 2 {
			if msg := next(t, stream, "notifications/progress"); !strings.Contains(msg, fmt.Sprintf(`"progressToken":"a","progress":%d`, n+1)) {
				t.Errorf("%s got %s", rev, msg)
			}
		}
		g.WaitFor("the call to hold", func() bool { return fakes["h"].Waiting() == 1 })
		fakes["h"].Release()
		next(t, stream, `"result"`)
	}
}

// Calls with equal tokens, of one client and of several, at the same time.
func TestProgress_equalTokens(t *testing.T) {
	t.Parallel()
	names, config := everyBackend(t)
	g := gatewaytest.Run(t, config)
	g.WaitTools(tools(names, "progress")...)
	var work sync.WaitGroup
	for _, rev := range []string{gatewaytest.R0326, gatewaytest.R1125, gatewaytest.R2026} {
		c := g.Dial(rev)
		for _, backend := range names {
			for lane := range 4 {
				work.Go(func() {
					mark := fmt.Sprintf("%s-%s-%d", rev, backend, lane)
					a := c.Call("tools/call", `{"name":"`+backend+`_progress","arguments":{"count":5,"text":"`+mark+`"},"_meta":{"progressToken":7}}`)
					got := progressOf(a.Events)
					if len(got) != 5 {
						t.Errorf("%s: %d notifications", mark, len(got))
					}
					for _, msg := range got {
						if !strings.Contains(msg, `"progressToken":7,`) || !strings.Contains(msg, `"`+mark+`"`) {
							t.Errorf("%s got %s", mark, msg)
						}
					}
				})
			}
		}
	}
	work.Wait()
}

// Progress that comes after the result, or with a token nobody has, is dropped.
func TestProgress_lateIsDropped(t *testing.T) {
	t.Parallel()
	fakes, config := askers(t)
	g := gatewaytest.Run(t, config)
	g.WaitTools("h_params", "s_params", "p_params")
	for _, rev := range []string{gatewaytest.R1125, gatewaytest.R2024} {
		c := g.Dial(rev)
		var stream <-chan string
		if rev != gatewaytest.R2024 {
			stream = c.Stream()
		}
		for _, backend := range []string{"h", "s", "p"} {
			a := c.Call("tools/call", `{"name":"`+backend+`_params","arguments":{},"_meta":{"progressToken":"late"}}`)
			_, rest, _ := strings.Cut(a.Result(), `"progressToken":`)
			token := rest[:strings.IndexAny(rest, ",}")]
			late := `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":` + token + `,"progress":1}}`
			nobodys := `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"nobody","progress":1}}`
			if backend == "p" {
				a = c.Call("tools/call", `{"name":"p_say","arguments":{"raw":[`+late+`,`+nobodys+`]},"_meta":{"progressToken":"now"}}`)
				if got := progressOf(a.Events); len(got) > 0 {
					t.Errorf("from p in another call: %v", got)
				}
				continue
			}
			calls := fakes[backend].Heard("tools/call")
			session := calls[len(calls)-1].Session
			fakes[backend].SayIn(session, late)
			fakes[backend].SayIn(session, nobodys)
			fakes[backend].SayIn(session, `{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"error","data":"end"}}`)
			if stream == nil {
				g.WaitFor("the end", func() bool { return strings.Contains(strings.Join(c.Outside(), ""), `"end"`) })
				continue
			}
			for msg := range drain(stream, `"end"`) {
				if strings.Contains(msg, "notifications/progress") {
					t.Errorf("from %s: %s", backend, msg)
				}
			}
		}
		if got := progressOf(c.Outside()); len(got) > 0 {
			t.Errorf("%v", got)
		}
	}
}
