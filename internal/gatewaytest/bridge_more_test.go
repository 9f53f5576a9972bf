package gatewaytest_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"drawbridge/internal/gatewaytest"
)

// prompts/get and resources/read are parked as calls are, and nothing else is.
func TestBridge_promptsAndResources(t *testing.T) {
	t.Parallel()
	for _, way := range lanes() {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			l := openLot(t, way, "", "")
			for _, method := range []string{"prompts/get", "resources/read"} {
				s := l.spec(method, elicit, invent)
				head := `{"uri":` + jsonString(s.uri()) + `}`
				if method == "prompts/get" {
					head = `{"name":"q_quiz","arguments":{"spec":` + jsonString(s.raw()) + `}}`
				}
				first := l.asks(l.client.Call(method, head), 1)
				if list := l.parked(gatewaytest.Key); len(list) != 1 || list[0].Method != method {
					t.Errorf("parked: %+v", list)
				}
				second := l.asks(l.client.Call(method, onceMore(head, first.responses("me"), first.RequestState)), 1)
				a := l.client.Call(method, onceMore(head, second.responses("me"), second.RequestState))
				l.completes(method, a, reply(jsonString(elicit), "me "+first.keys()[0]), reply(jsonString(invent), "me "+second.keys()[0]))
			}
		})
	}
}

// Every kind of question comes to the client as the backend wrote it, but for what
// 2026-07-28 does not have.
func TestBridge_questionsSurvive(t *testing.T) {
	t.Parallel()
	for _, way := range lanes() {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			l := openLot(t, way, "", "")
			for _, q := range kindsOfQuestions {
				s := quizSpec{Mark: q.name, Via: l.via, Rounds: [][]quizQuestion{{{q.method, json.RawMessage(q.params)}}}}
				in := l.park(s, 1)
				want := strings.Replace(q.params, `,"elicitationId":"e-1"`, "", 1)
				if q.method == roots {
					want = `{}` // its _meta is of the legacy wire
				}
				if got := part(string(in.InputRequests[in.keys()[0]]), "params"); got != want {
					t.Errorf("%s: the client was asked %s, want %s", q.name, got, want)
				}
				answer := strings.ReplaceAll(q.member, "NAME", "me")
				a := l.client.Call("tools/call", onceMore(s.head("q"), `{`+jsonString(in.keys()[0])+`:`+answer+`}`, in.RequestState))
				l.completes(q.name, a, answer)
			}
		})
	}
}

// A parked call takes nobody's turn: not at its backend, not of its user, not of all.
func TestBridge_parkedCallsTakeNoTurn(t *testing.T) {
	t.Parallel()
	for _, way := range lanes() {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			l := openLot(t, way, `"concurrency":1,"user_concurrency":1`, `,"concurrency":1`)
			var specs []quizSpec
			var all []stopped
			for i := range 5 {
				specs = append(specs, l.spec(fmt.Sprint("parked", i), elicit))
				all = append(all, l.park(specs[i], 1))
			}
			l.completes("between", l.call(quizSpec{Mark: "between"}))
			if n := callsAt(t, l.g.Base); n != 0 {
				t.Errorf("%d calls count as running", n)
			}
			for i, s := range specs {
				l.completes(s.Mark, l.retry(s, all[i]), reply(jsonString(elicit), "me "+all[i].keys()[0]))
			}
		})
	}
}

// The error by which 2025-11-25 wants URLs to be visited becomes the questions that
// it stands for. No call is open meanwhile; the retry is sent as a call of its own.
func TestBridge_urlsNeeded(t *testing.T) {
	t.Parallel()
	fail := json.RawMessage(`{"code":-32042,"message":"sign in first","data":{"elicitations":[` +
		`{"mode":"url","elicitationId":"e1","url":"https://example.org/a","message":"one \u00e9"},{"mode":"url","elicitationId":"e2","url":"https://example.org/b","message":"two"}]}}`)
	for _, way := range lanes() {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			l := openLot(t, way, "", "")
			s := quizSpec{Mark: "urls", Fail: fail}
			in := l.park(s, 2)
			var all string
			for _, k := range in.keys() {
				all += string(in.InputRequests[k])
			}
			for _, want := range []string{`"mode":"url"`, `"url":"https://example.org/a"`, `"message":"one \u00e9"`, `"url":"https://example.org/b"`} {
				if !strings.Contains(all, want) || strings.Contains(all, "elicitationId") {
					t.Errorf("asked %s, want %s", all, want)
				}
			}
			if list := l.parked(gatewaytest.Key); len(list) != 0 {
				t.Errorf("parked: %+v", list)
			}
			accept := strings.ReplaceAll(`{"A":{"action":"accept"},"B":{"action":"accept"}}`, "A", in.keys()[0])
			accept = strings.ReplaceAll(accept, "B", in.keys()[1])
			refuse := strings.Replace(accept, "accept", "decline", 1)
			if a := l.client.Call("tools/call", onceMore(s.head("q"), refuse, in.RequestState)); part(a.Result(), "isError") != "true" {
				t.Errorf("a person who declines: %d %s", a.Status, a.Message)
			}
			if n := len(l.c.of("urls", "run")); n != 1 {
				t.Errorf("after the decline the backend has seen %d calls", n)
			}
			a := l.client.Call("tools/call", onceMore(s.head("q"), accept, in.RequestState))
			runs := l.c.of("urls", "run")
			if !strings.Contains(a.Result(), `"how":"complete"`) || len(runs) != 2 {
				t.Errorf("%d calls; %d %s", len(runs), a.Status, a.Message)
			}
			if again := runs[len(runs)-1]; strings.Contains(again, "inputResponses") || strings.Contains(again, "requestState") {
				t.Errorf("a legacy backend got %s", again)
			}
			// Who cannot open URLs gets the error, in a code that 2026-07-28 has.
			c := gatewaytest.DialAs(t, l.g.Base, gatewaytest.Key, gatewaytest.R2026, gatewaytest.Person{Capabilities: `{"elicitation":{"form":{}}}`})
			other := quizSpec{Mark: "no urls", Fail: fail}
			if a := c.Call("tools/call", other.head("q")); part(a.Error(), "code") == "-32042" || !strings.Contains(a.Message, "https://example.org/a") {
				t.Errorf("a client that opens no URLs: %s", a.Message)
			}
		})
	}
}

// The same through the gateway's own standard input and output.
func TestBridge_clientOnStdio(t *testing.T) {
	t.Parallel()
	for _, way := range lanes() {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			c := newChronicle()
			g, client := gatewaytest.RunStdio(t, `{"mcpServers":{"q":`+way.entry(t, c, "")+`}}`, gatewaytest.R2026, gatewaytest.Able("me"))
			g.WaitToolsOf(client, "q_quiz")
			l := &lot{t, g, c, client, way.via}
			s := l.spec("local", elicit, invent)
			first := l.park(s, 1)
			second := l.asks(l.retry(s, first), 1)
			l.completes("local", l.retry(s, second), reply(jsonString(invent), "me "+second.keys()[0]))
		})
	}
}

// On a process that principals share, a question is put only where the calls in flight
// are all of one; a parked call is in flight. Where nobody can tell whose it is, it is
// declined (protocol reference 2.6).
func TestBridge_sharedProcess(t *testing.T) {
	t.Parallel()
	shared := lane{"stdio", func(t *testing.T, c *chronicle, more string) string {
		return quizCommand(t, c, gatewaytest.R1125, more)
	}, ""}
	l := openLot(t, shared, "", "")
	alone := l.spec("alone", elicit)
	in := l.park(alone, 1)
	l.completes("alone", l.retry(alone, in), reply(jsonString(elicit), "me "+in.keys()[0]))

	first := l.spec("first", elicit)
	in = l.park(first, 1)
	other := *l
	other.client = gatewaytest.DialAs(t, l.g.Base, keyOf(t, l.g, "anna"), gatewaytest.R2026, gatewaytest.Able("anna"))
	other.completes("second", other.call(l.spec("second", elicit)), `{"action":"cancel"}`)
	l.untouched("the other's being declined", "first")
	l.completes("first", l.retry(first, in))
	third := l.spec("third", elicit)
	in = other.park(third, 1)
	other.completes("third", other.retry(third, in))
}
