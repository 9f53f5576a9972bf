package gatewaytest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"drawbridge/internal/gatewaytest"
)

// Questions as a backend writes them: their bytes have to arrive.
const (
	elicitForm  = `{"mode":"form","message":"who \u00e9?","requestedSchema":{"type":"object","properties":{"z":{"type":"integer","maximum":9007199254740993},"a":{"type":"string"}}},"x":{"b":1.0}}`
	elicitURL   = `{"mode":"url","message":"open it","url":"https://example.org/","elicitationId":"e-1"}`
	sample      = `{"messages":[{"role":"user","content":{"type":"text","text":"hi"}}],"maxTokens":5,"temperature":0.10}`
	sampleTools = `{"messages":[],"maxTokens":5,"tools":[{"name":"t","inputSchema":{"type":"object"}}]}`
	rootsParams = `{"_meta":{"vendor/k":1.0}}`
)

var kindsOfQuestions = []struct {
	name, method, params string
	since                string // the first client revision that can be asked
	member               string // of the answer, with the person's name in it
}{
	{"elicitation", "elicitation/create", elicitForm, gatewaytest.R0618, `{"action":"accept","content":{"name":"NAME","n":9007199254740993}}`},
	{"elicitation by URL", "elicitation/create", elicitURL, gatewaytest.R1125, `{"action":"accept","content":{"name":"NAME","n":9007199254740993}}`},
	{"sampling", "sampling/createMessage", sample, gatewaytest.R2024, `{"role":"assistant","model":"m","content":{"type":"text","text":"NAME"}}`},
	{"sampling with tools", "sampling/createMessage", sampleTools, gatewaytest.R1125, `{"role":"assistant","model":"m","content":{"type":"text","text":"NAME"}}`},
	{"roots", "roots/list", rootsParams, gatewaytest.R2024, `{"roots":[{"uri":"file:///NAME","x":1.0}]}`},
}

// askArgs are the arguments of the tool ask.
func askArgs(via, method, params string) string {
	return fmt.Sprintf(`{"via":%q,"ask":[{"method":%q,"params":%s}]}`, via, method, params)
}

// asks calls a backend's tool ask.
func asks(c *gatewaytest.Client, backend, via, method, params string) gatewaytest.Answer {
	return c.Call("tools/call", `{"name":"`+backend+`_ask","arguments":`+askArgs(via, method, params)+`}`)
}

// askers are fakes behind every transport that legacy backends have, and the
// configuration of a gateway in front of them.
func askers(t *testing.T) (fakes map[string]*gatewaytest.Fake, config string) {
	t.Helper()
	fakes = map[string]*gatewaytest.Fake{}
	for _, name := range []string{"h", "e", "s", "p", "i"} {
		fakes[name] = gatewaytest.NewAsking(name, gatewaytest.R1125)
	}
	fakes["e"].SSE = true
	interactive := strings.TrimSuffix(fakes["i"].Stdio(t), "}") + `,"interactive":true}`
	return fakes, fmt.Sprintf(`{"mcpServers":{"h":{"url":%q},"e":{"url":%q},"s":{"url":%q,"type":"sse"},"p":%s,"i":%s}}`,
		fakes["h"].HTTP(t), fakes["e"].HTTP(t), fakes["s"].HTTPSSE(t), fakes["p"].Stdio(t), interactive)
}

// ways lists how the fakes ask: on the stream of the call, and on the session's
// own as TypeScript servers do.
var ways = []struct{ backend, via string }{{"h", ""}, {"h", "get"}, {"e", ""}, {"s", ""}, {"p", ""}, {"i", ""}}

// Legacy to legacy: every question, from every kind of backend, to every kind of
// client, in the middle of a call.
func TestQuestions_legacyToLegacy(t *testing.T) {
	t.Parallel()
	_, config := askers(t)
	g := gatewaytest.Run(t, config)
	g.WaitTools("h_ask", "e_ask", "s_ask", "p_ask", "i_ask")
	for _, rev := range []string{gatewaytest.R2024, gatewaytest.R0326, gatewaytest.R0618, gatewaytest.R1125} {
		c := gatewaytest.DialAs(t, g.Base, gatewaytest.Key, rev, gatewaytest.Able("p"+rev))
		t.Run(rev, func(t *testing.T) { questionsOf(t, c, "p"+rev) })
	}
	t.Run("serve --stdio", func(t *testing.T) {
		_, config := askers(t)
		g, c := gatewaytest.RunStdio(t, config, gatewaytest.R1125, gatewaytest.Able("local"))
		g.WaitToolsOf(c, "h_ask", "e_ask", "s_ask", "p_ask", "i_ask")
		questionsOf(t, c, "local")
	})
}

func questionsOf(t *testing.T, c *gatewaytest.Client, name string) {
	for _, way := range ways {
		for _, q := range kindsOfQuestions {
			before := len(c.Questions())
			a := asks(c, way.backend, way.via, q.method, q.params)
			label := fmt.Sprintf("%s from %s %s", q.name, way.backend, way.via)
			if c.Revision < q.since {
				if !strings.Contains(a.Result(), `"error"`) || !strings.Contains(a.Result(), `-32601`) || len(c.Questions()) != before {
					t.Errorf("%s, which this client cannot answer: %s", label, a.Message)
				}
				continue
			}
			if want := strings.ReplaceAll(q.member, "NAME", name); !strings.Contains(a.Result(), `"answers":[{"result":`+want+`}]`) {
				t.Errorf("%s: the backend got\n%s, want\n%s", label, a.Message, want)
			}
			all := c.Questions()
			if len(all) != before+1 || !strings.Contains(all[len(all)-1], `"params":`+q.params) {
				t.Errorf("%s: the client was asked %v", label, all[before:])
			}
		}
	}
}

// A shared process does not say which call asks: with several calls in flight
// nobody is asked. An interactive backend has a process for every client.
func TestQuestions_ofASharedProcessAreDeclined(t *testing.T) {
	t.Parallel()
	_, config := askers(t)
	g := gatewaytest.Run(t, config)
	g.WaitTools("p_ask", "i_ask", "h_ask")
	one := gatewaytest.DialAs(t, g.Base, gatewaytest.Key, gatewaytest.R1125, gatewaytest.Able("one"))
	two := gatewaytest.DialAs(t, g.Base, gatewaytest.Key, gatewaytest.R1125, gatewaytest.Able("two"))
	one.Stream() // on which what belongs to no call might come
	two.Stream()
	for _, tt := range []struct{ backend, via, method, params, want string }{
		{"p", "", "elicitation/create", elicitForm, `{"result":{"action":"cancel"}}`},
		{"p", "", "sampling/createMessage", sample, `{"error":{"code":-1,`},
		{"p", "", "roots/list", `{}`, `{"result":{"roots":[]}}`},
		{"h", "get", "elicitation/create", elicitForm, `{"result":{"action":"cancel"}}`},
		{"h", "get", "sampling/createMessage", sample, `{"error":{"code":-1,`},
		{"h", "", "elicitation/create", elicitForm, `"name":"two"`},
		{"i", "", "elicitation/create", elicitForm, `"name":"two"`},
		{"i", "", "roots/list", `{}`, `file:///two`},
	} {
		t.Run(tt.backend+tt.via+" "+tt.method, func(t *testing.T) {
			holding := one.Post(t.Context(), "tools/call", `{"name":"`+tt.backend+`_hold","arguments":{},"_meta":{"progressToken":1}}`)
			next(t, holding, "notifications/progress") // the call is there
			if a := asks(two, tt.backend, tt.via, tt.method, tt.params); !strings.Contains(a.Result(), tt.want) {
				t.Errorf("the backend got %s, want %s", a.Message, tt.want)
			}
			two.Call("tools/call", `{"name":"`+tt.backend+`_release","arguments":{}}`)
			if tt.backend == "i" {
				one.Call("tools/call", `{"name":"i_release","arguments":{}}`)
			}
			next(t, holding, `"result"`)
		})
	}
	if len(one.Questions()) > 0 {
		t.Errorf("the client that held was asked %v", one.Questions())
	}
}

// One client may have several calls at its own process: they are all its own.
func TestQuestions_interactiveWithSeveralCallsOfOneClient(t *testing.T) {
	t.Parallel()
	f := gatewaytest.NewAsking("i", gatewaytest.R1125)
	g := gatewaytest.Run(t, `{"mcpServers":{"i":`+strings.TrimSuffix(f.Stdio(t), "}")+`,"interactive":true}}}`)
	g.WaitTools("i_ask")
	c := gatewaytest.DialAs(t, g.Base, gatewaytest.Key, gatewaytest.R1125, gatewaytest.Able("me"))
	holding := c.Post(t.Context(), "tools/call", `{"name":"i_hold","arguments":{},"_meta":{"progressToken":1}}`)
	next(t, holding, "notifications/progress")
	if a := asks(c, "i", "", "elicitation/create", elicitForm); !strings.Contains(a.Result(), `"name":"me"`) {
		t.Errorf("the backend got %s", a.Message)
	}
	c.Call("tools/call", `{"name":"i_release","arguments":{}}`)
	next(t, holding, `"result"`)
}

// Clients of one and of several principals ask through the same backends at the
// same time. Whoever is asked sees only questions of its own calls.
func TestQuestions_neverCross(t *testing.T) {
	t.Parallel()
	_, config := askers(t)
	g := gatewaytest.Run(t, config)
	g.WaitTools("h_ask", "e_ask", "s_ask", "p_ask", "i_ask")
	all := keys(t, g, 2)
	g.WaitFor("the last key to be known", func() bool {
		return gatewaytest.Dial(t, g.Base, all[1], gatewaytest.R2026).Call("tools/list", "").Status == 200
	})
	var work sync.WaitGroup
	for i, key := range []string{all[0], all[0], all[0], all[1], all[1], all[1]} {
		rev := []string{gatewaytest.R1125, gatewaytest.R1125, gatewaytest.R0618}[i%3]
		name := fmt.Sprintf("client%d", i)
		c := gatewaytest.DialAs(t, g.Base, key, rev, gatewaytest.Able(name))
		for _, way := range ways {
			work.Go(func() {
				for n := range 10 {
					mark := fmt.Sprintf("%s-%d", name, n)
					a := asks(c, way.backend, way.via, "elicitation/create", strings.Replace(elicitForm, "who", mark, 1))
					own := strings.Contains(a.Result(), `"name":"`+name+`"`)
					// Where calls cannot be told apart, nobody is asked.
					unclear := way.backend == "p" || way.backend == "s" || way.via == "get"
					if declined := strings.Contains(a.Result(), `{"action":"cancel"}`); !own && (!declined || !unclear) {
						t.Errorf("%s from %s %s: the backend got %s", mark, way.backend, way.via, a.Message)
					}
				}
			})
		}
		t.Cleanup(func() {
			for _, q := range c.Questions() {
				if !strings.Contains(q, `"message":"`+name+`-`) {
					t.Errorf("%s was asked %s", name, q)
				}
			}
		})
	}
	work.Wait()
}

// What a client cannot or will not do, its backend is told.
func TestQuestions_clientsThatDoNotAnswer(t *testing.T) {
	t.Parallel()
	_, config := askers(t)
	g := gatewaytest.Run(t, config)
	g.WaitTools("h_ask", "e_ask", "s_ask", "p_ask", "i_ask")
	t.Run("without the capability", func(t *testing.T) {
		t.Parallel()
		c := g.Dial(gatewaytest.R1125)
		for _, way := range ways {
			for _, q := range kindsOfQuestions {
				if a := asks(c, way.backend, way.via, q.method, q.params); !strings.Contains(a.Result(), `{"error":{"code":-32601,`) {
					t.Errorf("%s from %s %s: %s", q.name, way.backend, way.via, a.Message)
				}
			}
		}
		if len(c.Questions()) > 0 {
			t.Errorf("it was asked %v", c.Questions())
		}
	})
	t.Run("with an error", func(t *testing.T) {
		t.Parallel()
		const failed = `{"message":"no \u00e9","code":-1,"data":{"b":9007199254740993,"a":1.0}}`
		p := gatewaytest.Able("x")
		p.Answer = func(string, string) string { return `"error":` + failed }
		c := gatewaytest.DialAs(t, g.Base, keys(t, g, 1)[0], gatewaytest.R1125, p)
		for _, way := range ways {
			if way.backend == "p" {
				continue // shared with the other test
			}
			if a := asks(c, way.backend, way.via, "sampling/createMessage", sample); !strings.Contains(a.Result(), `{"error":`+failed+`}`) {
				t.Errorf("from %s %s: %s", way.backend, way.via, a.Message)
			}
		}
	})
}

// silent is a person who is asked and never answers.
func silent() gatewaytest.Person {
	p := gatewaytest.Able("x")
	p.Answer = nil
	return p
}

// A client that goes away while it is asked: the backend is told, and nothing hangs.
func TestQuestions_clientsThatGoAway(t *testing.T) {
	t.Parallel()
	for _, way := range ways {
		t.Run(way.backend+way.via, func(t *testing.T) {
			t.Parallel()
			_, config := askers(t)
			g := gatewaytest.Run(t, config)
			g.WaitTools(way.backend + "_ask")
			c := gatewaytest.DialAs(t, g.Base, gatewaytest.Key, gatewaytest.R1125, silent())
			answer := make(chan gatewaytest.Answer, 1)
			go func() { answer <- asks(c, way.backend, way.via, "elicitation/create", elicitForm) }()
			g.WaitFor("the client to be asked", func() bool { return len(c.Questions()) == 1 })
			if status := c.Delete(); status != 204 {
				t.Errorf("DELETE: %d", status)
			}
			select {
			case <-answer:
			case <-time.After(20 * time.Second):
				t.Error("the call of the ended session hangs")
			}
			g.WaitFor("the call to end at the backend", func() bool { return inFlight(g, way.backend) == 0 })
		})
	}
}

// inFlight is how many calls of a backend run.
func inFlight(g *gatewaytest.Gateway, backend string) int64 {
	for _, s := range g.App.Gateway().Statuses() {
		if s.Name == backend {
			return s.InFlight
		}
	}
	return -1
}

// A client of HTTP+SSE or of a pipe that goes away cannot come back.
func TestQuestions_connectionsThatEnd(t *testing.T) {
	t.Parallel()
	f := gatewaytest.NewAsking("h", gatewaytest.R1125)
	g := gatewaytest.Run(t, `{"mcpServers":{"h":{"url":"`+f.HTTP(t)+`"}}}`)
	g.WaitTools("h_ask")
	t.Run("HTTP+SSE", func(t *testing.T) {
		c := gatewaytest.DialAs(t, g.Base, gatewaytest.Key, gatewaytest.R2024, silent())
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go c.CallContext(ctx, "tools/call", `{"name":"h_ask","arguments":`+askArgs("", "sampling/createMessage", sample)+`}`)
		g.WaitFor("the client to be asked", func() bool { return len(c.Questions()) == 1 })
		c.Hangup()
		g.WaitFor("the backend to be told", func() bool { return len(f.Heard("")) == 1 })
		if got := f.Heard("")[0].Raw; !strings.Contains(got, `"error":{"code":-32603`) {
			t.Errorf("it got %s", got)
		}
	})
}

// A call that is cancelled while its client is asked: the client's question is
// withdrawn and the backend is told of the cancelling.
func TestQuestions_cancelledCalls(t *testing.T) {
	t.Parallel()
	fakes, config := askers(t)
	g := gatewaytest.Run(t, config)
	g.WaitTools("h_ask", "e_ask", "s_ask", "p_ask", "i_ask")
	for _, way := range ways {
		t.Run(way.backend+way.via, func(t *testing.T) {
			c := gatewaytest.DialAs(t, g.Base, gatewaytest.Key, gatewaytest.R1125, silent())
			done := make(chan gatewaytest.Answer, 1)
			before := 0
			inProcess := way.backend != "p" && way.backend != "i"
			if inProcess {
				before = len(fakes[way.backend].Cancelled())
			}
			go func() {
				done <- c.CallID(`"the call"`, "tools/call", `{"name":"`+way.backend+`_ask","arguments":`+askArgs(way.via, "elicitation/create", elicitForm)+`}`)
			}()
			g.WaitFor("the client to be asked", func() bool { return len(c.Questions()) == 1 })
			c.Notify("notifications/cancelled", `{"requestId":"the call","reason":"enough"}`)
			a := <-done
			if said := strings.Join(a.Events, "\n"); !strings.Contains(said, `"method":"notifications/cancelled"`) {
				t.Errorf("the question was not withdrawn: %s", said)
			}
			if inProcess {
				g.WaitFor("the backend to be told", func() bool { return len(fakes[way.backend].Cancelled()) > before })
			} else if got := c.Call("tools/call", `{"name":"`+way.backend+`_seen","arguments":{"method":"notifications/cancelled"}}`); !strings.Contains(got.Result(), `"requestId"`) {
				t.Errorf("the backend was not told: %s", got.Message)
			}
		})
	}
}

// A question outside of any call is for the one client of the session's principal
// that would hear it. Where there are several, none, or only modern ones, it is
// declined.
func TestQuestions_outsideOfCalls(t *testing.T) {
	t.Parallel()
	f := gatewaytest.NewAsking("h", gatewaytest.R1125)
	g := gatewaytest.Run(t, `{"mcpServers":{"h":{"url":"`+f.HTTP(t)+`"}}}`)
	g.WaitTools("h_ask")
	c := gatewaytest.DialAs(t, g.Base, gatewaytest.Key, gatewaytest.R1125, gatewaytest.Able("me"))
	c.Call("tools/call", `{"name":"h_params","arguments":{}}`)
	session := f.Heard("tools/call")[0].Session
	answer := func(id, method string) string {
		t.Helper()
		f.SayIn(session, `{"jsonrpc":"2.0","id":"`+id+`","method":"`+method+`","params":`+paramsFor(method)+`}`)
		got := ""
		g.WaitFor("the answer to "+id, func() bool {
			for _, h := range f.Heard("") {
				if strings.Contains(h.Raw, `"`+id+`"`) {
					got = h.Raw
				}
			}
			return got != ""
		})
		return got
	}
	if got := answer("unheard", "elicitation/create"); !strings.Contains(got, `{"action":"cancel"}`) {
		t.Errorf("a client without a stream: %s", got)
	}
	stream := c.Stream()
	if got := answer("heard", "elicitation/create"); !strings.Contains(got, `"name":"me"`) {
		t.Errorf("a client with a stream: %s", got)
	}
	next(t, stream, "elicitation/create")
	if got := answer("roots", "roots/list"); !strings.Contains(got, `file:///me`) {
		t.Errorf("roots of a client with a stream: %s", got)
	}
	other := gatewaytest.DialAs(t, g.Base, gatewaytest.Key, gatewaytest.R1125, gatewaytest.Able("other"))
	other.Stream()
	if got := answer("unclear", "elicitation/create"); !strings.Contains(got, `{"action":"cancel"}`) {
		t.Errorf("two clients with streams: %s", got)
	}
	if got := answer("unclear roots", "roots/list"); !strings.Contains(got, `{"roots":[]}`) {
		t.Errorf("roots of two clients: %s", got)
	}
	if len(other.Questions()) > 0 || len(c.Questions()) != 2 {
		t.Errorf("asked %v and %v", c.Questions(), other.Questions())
	}
}

func paramsFor(method string) string {
	if method == "elicitation/create" {
		return elicitForm
	}
	return "{}"
}

// A question on a stream that belongs to no call is put through one of its
// client's calls. When that one ends first, it was another's.
func TestQuestions_outliveTheWrongCall(t *testing.T) {
	t.Parallel()
	const question = `{"jsonrpc":"2.0","id":"late","method":"elicitation/create","params":` + elicitForm + `}`
	h, p := gatewaytest.NewAsking("h", gatewaytest.R1125), gatewaytest.NewAsking("p", gatewaytest.R1125)
	g := gatewaytest.Run(t, fmt.Sprintf(`{"mcpServers":{"h":{"url":%q},"p":%s}}`, h.HTTP(t), p.Stdio(t)))
	g.WaitTools("h_ask", "p_ask")
	for _, backend := range []string{"h", "p"} {
		t.Run(backend, func(t *testing.T) {
			c := gatewaytest.DialAs(t, g.Base, gatewaytest.Key, gatewaytest.R1125, silent())
			first := c.Post(t.Context(), "tools/call", `{"name":"`+backend+`_hold","arguments":{},"_meta":{"progressToken":1}}`)
			next(t, first, "notifications/progress")
			if backend == "h" {
				second := c.Post(t.Context(), "tools/call", `{"name":"h_hold","arguments":{},"_meta":{"progressToken":2}}`)
				next(t, second, "notifications/progress")
				h.SayIn(h.Heard("tools/call")[0].Session, question)
				next(t, second, "elicitation/create")
				c.Notify("notifications/cancelled", `{"requestId":3}`)
			} else {
				c.Call("tools/call", `{"name":"p_say","arguments":{"raw":[`+question+`]}}`)
			}
			c.Reply(idOf(next(t, first, "elicitation/create")), `"result":{"action":"accept","content":{"name":"me"}}`)
			heard := func() string {
				if backend == "h" {
					return fmt.Sprint(h.Heard(""))
				}
				return c.Call("tools/call", `{"name":"p_seen","arguments":{"method":""}}`).Result()
			}
			g.WaitFor("the answer", func() bool { return strings.Contains(heard(), `"late"`) })
			if !strings.Contains(heard(), `"name":"me"`) {
				t.Errorf("the backend got %s", heard())
			}
			c.Call("tools/call", `{"name":"`+backend+`_release","arguments":{}}`)
			next(t, first, `"result"`)
		})
	}
}

// idOf is the raw id of a message.
func idOf(msg string) string {
	var m struct{ ID json.RawMessage }
	_ = json.Unmarshal([]byte(msg), &m) // "" then
	return string(m.ID)
}
