package gatewaytest_test

import (
	"strings"
	"testing"
	"time"

	"drawbridge/internal/gatewaytest"
)

// A backend may ask ten times and no more, and may send a caller away three times
// without a question.
func TestBridge_fulfilBounds(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	times := func(n int, round ...quizQuestion) (all [][]quizQuestion) {
		for range n {
			all = append(all, round)
		}
		return all
	}
	for _, tt := range []struct {
		name   string
		rounds [][]quizQuestion
		runs   int
		ends   bool
	}{
		{"ten rounds", times(10, questionFor(roots, "")), 11, true},
		{"eleven rounds", times(11, questionFor(roots, "")), 11, false},
		{"three without a question", times(3), 4, true},
		{"four without a question", times(4), 4, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := h.guest(t, gatewaytest.R1125, gatewaytest.Able("me"))
			for _, backend := range modernBackends {
				mark := tt.name + " " + backend
				s := quizSpec{Mark: mark, Rounds: tt.rounds}
				a := c.Call("tools/call", s.head(backend))
				runs := h.runs(t, mark, tt.runs)
				if tt.ends && !strings.Contains(a.Result(), `"how":"complete"`) {
					t.Errorf("%s: %s", mark, a.Message)
				}
				if !tt.ends {
					fails(t, mark, backend, a)
				}
				for i, run := range runs[1:] {
					h.continues(t, mark, run, tt.rounds[i], i, func(int) string { return reply(jsonString(roots), "me") })
				}
			}
		})
	}
}

// What the client answers wrong, or with an error, or not at all.
func TestBridge_fulfilAnswers(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	const failed = `"error":{"code":-1,"message":"no"}`
	for _, tt := range []struct{ name, method, answer, told string }{ // told "": the call ends with an error
		{"elicitation that fails", elicit, failed, `{"action":"cancel"}`},
		{"elicitation declined", elicit, `"result":{"action":"decline","x":1.0}`, `{"action":"decline","x":1.0}`},
		{"sampling that fails", invent, failed, ""},
		{"roots that fail", roots, failed, ""},
		{"elicitation without an action", elicit, `"result":{"content":{}}`, ""},
		{"elicitation with a list for content", elicit, `"result":{"action":"accept","content":[]}`, ""},
		{"sampling without content", invent, `"result":{"role":"assistant","model":"m"}`, ""},
		{"roots without roots", roots, `"result":{}`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := gatewaytest.Able("")
			p.Answer = func(string, string) string { return tt.answer }
			c := h.guest(t, gatewaytest.R1125, p)
			for _, backend := range modernBackends {
				mark := tt.name + " " + backend
				a := c.Call("tools/call", questioned(mark, tt.method).head(backend))
				if tt.told == "" {
					fails(t, mark, backend, a)
					h.runs(t, mark, 1)
					continue
				}
				h.continues(t, mark, h.runs(t, mark, 2)[1], make([]quizQuestion, 1), 0, func(int) string { return tt.told })
			}
		})
	}
}

// A client that did not declare that it can answer is not asked, and told why its
// call failed.
func TestBridge_fulfilWithoutCapability(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	for _, rev := range legacyRevisions {
		t.Run(rev, func(t *testing.T) {
			t.Parallel()
			c := h.guest(t, rev, gatewaytest.Person{})
			for _, backend := range modernBackends {
				for _, method := range []string{elicit, invent, roots} {
					mark := strings.Join([]string{"incapable", backend, rev, method}, " ")
					fails(t, mark, backend, c.Call("tools/call", questioned(mark, method).head(backend)))
					if run := h.runs(t, mark, 1)[0]; len(run.Meta.Capabilities) > 0 {
						t.Errorf("declared: %v", run.Meta.Capabilities)
					}
				}
			}
			if asked := c.Questions(); len(asked) > 0 {
				t.Errorf("it was asked %s", asked)
			}
		})
	}
}

// prompts/get and resources/read ask in the same way.
func TestBridge_fulfilPromptsAndResources(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	c := h.guest(t, gatewaytest.R0618, gatewaytest.Able("me"))
	for _, backend := range modernBackends {
		s := questioned("prompts/get "+backend, elicit)
		if a := c.Call("prompts/get", `{"name":"`+backend+`_quiz","arguments":{"spec":`+jsonString(s.raw())+`}}`); !strings.Contains(a.Result(), `"how":"complete"`) {
			t.Errorf("%s: %s", s.Mark, a.Message)
		}
		h.runs(t, s.Mark, 2)
	}
	s := questioned("resources/read", elicit)
	if a := c.Call("resources/read", `{"uri":`+jsonString(s.uri())+`}`); !strings.Contains(a.Result(), `"how":"complete"`) {
		t.Errorf("%s: %s", s.Mark, a.Message)
	}
	h.runs(t, s.Mark, 2)
}

// Clients that go away, or give up, while they are asked: nothing hangs, and the
// backend is not called again.
func TestBridge_fulfilGone(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	for name, leave := range map[string]func(c *gatewaytest.Client){
		"ends its session": func(c *gatewaytest.Client) {
			if status := c.Delete(); status != 204 {
				t.Errorf("DELETE: %d", status)
			}
		},
		"cancels the call": func(c *gatewaytest.Client) {
			c.Notify("notifications/cancelled", `{"requestId":"the call"}`)
		},
		"ends its stream": func(c *gatewaytest.Client) { c.Hangup() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rev := gatewaytest.R1125
			if name == "ends its stream" {
				rev = gatewaytest.R2024 // whose client cannot come back
			}
			for _, backend := range modernBackends {
				mark := name + " " + backend
				c := h.guest(t, rev, silent())
				ended := make(chan gatewaytest.Answer, 1)
				go func() { // ends with its answer, or with the test
					ended <- c.CallID(`"the call"`, "tools/call", questioned(mark, invent).head(backend))
				}()
				if !gatewaytest.Poll(awhile, func() bool { return len(c.Questions()) == 1 }) {
					t.Fatal("it was not asked")
				}
				leave(c)
				if rev != gatewaytest.R2024 { // where no answer can come any more
					select {
					case <-ended:
					case <-time.After(awhile):
						t.Errorf("%s: the call hangs", mark)
					}
				}
				if !gatewaytest.Poll(awhile, func() bool { return inFlight(h.g, backend) == 0 }) {
					t.Errorf("%s: the call still runs", mark)
				}
				h.runs(t, mark, 1)
			}
		})
	}
}

// An answer counts only from the session that was asked, under the id it was asked
// by, and once.
func TestBridge_fulfilForeignAnswers(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	key := keys(t, h.g, 1)[0]
	for _, backend := range modernBackends {
		mark := "foreign answers " + backend
		c := h.guest(t, gatewaytest.R1125, silent())
		ended := make(chan gatewaytest.Answer, 1)
		go func() { ended <- c.Call("tools/call", questioned(mark, elicit).head(backend)) }() // ends with its answer
		if !gatewaytest.Poll(awhile, func() bool { return len(c.Questions()) == 1 }) {
			t.Fatal("it was not asked")
		}
		id := part(c.Questions()[0], "id")
		wrong := `"result":` + reply(jsonString(elicit), "not me")
		for _, other := range []*gatewaytest.Client{
			h.guest(t, gatewaytest.R1125, silent()), gatewaytest.DialAs(t, h.g.Base, key, gatewaytest.R1125, silent()),
		} {
			other.Reply(id, wrong)
		}
		c.Reply(`"nobody asked"`, wrong)
		h.runs(t, mark, 1)
		right := reply(jsonString(elicit), "me")
		c.Reply(id, `"result":`+right)
		c.Reply(id, wrong)
		if a := <-ended; !strings.Contains(a.Result(), `"how":"complete"`) {
			t.Errorf("%s: %s", mark, a.Message)
		}
		h.continues(t, mark, h.runs(t, mark, 2)[1], make([]quizQuestion, 1), 0, func(int) string { return right })
	}
}
