package gatewaytest_test

import (
	"fmt"
	"net/http"
	"strings"

	"drawbridge/internal/gatewaytest"
)

// A modern client that leaves its request cancels it: 2026-07-28, streamable HTTP,
// "Cancellation".
func goneDuringRetry(l *lot) {
	const mark = "gone during retry"
	s := l.spec(mark, elicit)
	s.Hold = true
	in := l.park(s, 1)
	_, leave := l.start(onceMore(s.head("q"), in.responses("me"), in.RequestState))
	l.await(mark, "answer", 1)
	leave()
	l.await(mark, "cancelled", 1)
	l.empty()
	l.refused("one after that", l.retry(s, in))
	l.once(mark)
}

// A backend that takes its question back and completes: the retry gets the result.
func takenBack(l *lot) {
	const mark = "taken back"
	s := l.spec(mark, elicit)
	in := l.park(s, 1)
	l.c.order(mark, "withdraw")
	l.await(mark, "end", 1)
	a := l.retry(s, in)
	if !strings.Contains(a.Result(), `"how":"withdrawn"`) || part(a.Result(), "resultType") != `"complete"` {
		l.t.Errorf("%d %s", a.Status, a.Message)
	}
	l.once(mark)
	l.empty()
}

func cancelledByHand(l *lot) {
	const mark = "by hand"
	anna := keyOf(l.t, l.g, "anna")
	owner := gatewaytest.DialAs(l.t, l.g.Base, anna, gatewaytest.R2026, gatewaytest.Able("anna"))
	for i, who := range []string{anna, gatewaytest.Key} {
		mark := fmt.Sprintf("%s%d", mark, i)
		s := l.spec(mark, elicit)
		s.Hold = i == 0
		own := *l
		own.client = owner
		in := own.park(s, 1)
		list := l.parked(anna)
		if len(list) != 1 || list[0].Backend != "q" || list[0].Method != "tools/call" || list[0].Target != "q_quiz" && list[0].Target != "quiz" || list[0].Since == "" || list[0].Expires <= list[0].Since {
			l.t.Fatalf("parked: %+v", list)
		}
		path := "/status/parked/" + list[0].ID
		stranger := keyOf(l.t, l.g, fmt.Sprintf("ben%d", i))
		if seen := l.parked(stranger); len(seen) > 0 {
			l.t.Errorf("a stranger sees %+v", seen)
		}
		l.http(http.MethodDelete, path, stranger, http.StatusNotFound)
		l.untouched("a stranger's DELETE", mark)
		if seen := l.parked(gatewaytest.Key); len(seen) != 1 || seen[0] != list[0] {
			l.t.Errorf("an admin sees %+v", seen)
		}
		l.http(http.MethodDelete, path, who, http.StatusNoContent)
		l.released(s, `{"action":"cancel"}`)
		l.http(http.MethodDelete, path, who, http.StatusNotFound)
		l.refused("a retry of what was cancelled", own.retry(s, in))
		l.once(mark)
	}
}

// Who does not declare a capability is not asked, and its backend is told so in the
// handshake and by an error.
func incapable(l *lot) {
	for i, able := range []string{`{}`, `{"sampling":{}}`, `{"elicitation":{},"roots":{}}`} {
		c := gatewaytest.DialAs(l.t, l.g.Base, gatewaytest.Key, gatewaytest.R2026, gatewaytest.Person{Capabilities: able})
		for _, method := range []string{elicit, invent, roots} {
			word, _, _ := strings.Cut(method, "/")
			before := len(l.c.of("", "initialize"))
			mark := fmt.Sprintf("incapable%d %s", i, word)
			s := l.spec(mark, method)
			a := c.Call("tools/call", s.head("q"))
			if strings.Contains(able, word) {
				in := l.asks(a, 1)
				a = c.Call("tools/call", onceMore(s.head("q"), in.responses("me"), in.RequestState))
				l.completes(mark, a, reply(jsonString(method), "me "+in.keys()[0]))
				continue
			}
			if !strings.Contains(a.Result(), `"error":{"code":-32601,`) {
				l.t.Errorf("%s of a client that can %s: %s", method, able, a.Message)
			}
			for _, greeting := range l.c.of("", "initialize")[before:] {
				if strings.Contains(part(greeting, "capabilities"), word) {
					l.t.Errorf("a session for a client that can %s declares %s", able, greeting)
				}
			}
			l.once(mark)
		}
	}
}

func backendGone(l *lot) {
	const mark = "backend gone"
	s := l.spec(mark, elicit)
	in := l.park(s, 1)
	l.c.order(mark, "die")
	a := l.retry(s, in)
	if part(a.Result(), "isError") != "true" || !strings.Contains(a.Result(), "It is unknown whether the call took effect") {
		l.t.Errorf("the retry got %d %s", a.Status, a.Message)
	}
	l.refused("a second retry", l.retry(s, in))
	l.once(mark)
	l.empty()
	l.waitFor("the backend to be back", func() bool {
		return strings.Contains(l.call(quizSpec{Mark: "back"}).Result(), `"how":"complete"`)
	})
}

// A call is parked in one process. The state is good after a restart, but there is
// nothing any more that it could wake, and nothing is run again.
func restarted(l *lot) {
	const mark = "restarted"
	s := l.spec(mark, elicit)
	in := l.park(s, 1)
	l.g.Restart()
	l.client = l.client.At(l.g.Base)
	l.g.WaitTools("q_quiz")
	l.refused("a retry after a restart", l.retry(s, in), fromTheStart)
	l.once(mark)
	if n := len(l.parked(gatewaytest.Key)); n != 0 {
		l.t.Errorf("%d calls are parked", n)
	}
}

func expired(l *lot) {
	for method, want := range map[string]string{
		elicit: `"result":{"action":"cancel"}`, invent: `"error":{"code":-1,`, roots: `"result":{"roots":[]}`,
	} {
		mark := "expired " + method
		s := l.spec(mark, method)
		s.Hold = method != roots
		in := l.park(s, 1)
		l.released(s, want)
		l.refused("a retry after the expiry", l.retry(s, in), "expired", fromTheStart)
		l.once(mark)
	}
}

// A client that never comes back, whose connection is gone, too.
func clientGone(l *lot) {
	s := l.spec("client gone", elicit)
	s.Hold = true
	body := strings.Replace(modernBody("tools/call", strings.TrimSuffix(s.head("q")[1:], "}")), `clientCapabilities":{}`, `clientCapabilities":{"elicitation":{}}`, 1)
	req, err := http.NewRequestWithContext(l.t.Context(), http.MethodPost, l.g.Base+"/mcp", strings.NewReader(body))
	if err != nil {
		l.t.Fatal(err)
	}
	for name, value := range map[string]string{"Authorization": "Bearer " + gatewaytest.Key, "Content-Type": "application/json",
		"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": gatewaytest.R2026, "Mcp-Method": "tools/call", "Mcp-Name": "q_quiz"} {
		req.Header.Set(name, value)
	}
	transport := &http.Transport{}
	res, err := transport.RoundTrip(req)
	if err != nil {
		l.t.Fatal(err)
	}
	if body := readAll(l.t, res); !strings.Contains(body, "input_required") {
		l.t.Fatalf("%d %s", res.StatusCode, body)
	}
	transport.CloseIdleConnections()
	l.released(s, `{"action":"cancel"}`)
}

// Beyond the limit a backend is declined at once, and its call goes on.
func tooMany(l *lot) {
	first, second := l.spec("first", elicit), l.spec("second", elicit)
	in := l.park(first, 1)
	l.completes("second", l.call(second), `{"action":"cancel"}`)
	l.untouched("another's being declined", "first")
	l.completes("first", l.retry(first, in))
	third := l.spec("third", elicit) // there is room again
	l.completes("third", l.retry(third, l.park(third, 1)))
}
