package streamable_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/internal/endpoint/session"
	"drawbridge/internal/endpoint/session/sessiontest"
	"drawbridge/internal/mcpwire"
)

func request(id int, method, params string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":%q,"params":%s}`, id, method, params)
}

func notification(method, params string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","method":%q,"params":%s}`, method, params)
}

// A modern client's going away cancels its call; a legacy client's does not.
func TestDisconnect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t)
		ended := make(chan error, 1)
		d.hub.On("slow", func(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
			sink.Notify(progress("1", 1))
			o := waitFor(10*time.Second)(ctx, req, sink)
			sink.Notify(progress("1", 2))
			ended <- ctx.Err()
			return o
		})

		meta := strings.Replace(modernMeta, `"_meta":{`, `"_meta":{"progressToken":1,`, 1)
		l := d.open(alice, "POST", call(`"name":"slow",`+meta), "Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", "slow")
		l.event(t)
		start := time.Now()
		l.cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) || time.Since(start) != 0 {
			t.Errorf("modern: %v after %v", err, time.Since(start))
		}
		<-l.done

		id := d.initialize("2025-11-25")
		l = d.open(alice, "POST", call(`"name":"slow","_meta":{"progressToken":1}`), "Mcp-Session-Id", id)
		_, eventID := l.event(t)
		l.cancel()
		synctest.Wait()
		if err := <-ended; err != nil || time.Since(start) != 10*time.Second {
			t.Errorf("legacy: %v after %v", err, time.Since(start))
		}
		<-l.done

		// What came after the client left waits to be resumed.
		l = d.open(alice, "GET", "", "Mcp-Session-Id", id, "Last-Event-ID", eventID)
		if got, _ := l.event(t); !strings.Contains(got, `"progress":2`) {
			t.Errorf("resumed with %s", got)
		}
		if got, _ := l.event(t); got != `{"jsonrpc":"2.0","id":1,"result":{"content":[],"resultType":"complete"}}` {
			t.Errorf("resumed with %s", got)
		}
		if rest := l.rest(); rest != "" {
			t.Errorf("more: %q", rest)
		}
	})
}

// A client that comes back while its call still runs hears the rest as it comes.
func TestResume_whileTheCallRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t)
		id := d.initialize("2025-11-25")
		d.hub.On("slow", waitFor(time.Minute))
		l := d.open(alice, "POST", call(`"name":"slow"`), "Mcp-Session-Id", id)
		time.Sleep(11 * time.Second)
		ev, err := l.events.Next()
		if err != nil || ev.ID == "" || len(ev.Data) != 0 {
			t.Fatalf("priming event %+v, %v", ev, err)
		}
		l.cancel()
		again := d.open(alice, "GET", "", "Mcp-Session-Id", id, "Last-Event-ID", ev.ID)
		if got, _ := again.event(t); !strings.Contains(got, `"result"`) {
			t.Errorf("resumed with %s", got)
		}
		if again.code() != 200 {
			t.Errorf("status %d", again.code())
		}
		time.Sleep(10 * time.Minute)
		// An HTTP error would make the Go SDK give its session up, and others wait.
		lost := d.open(alice, "GET", "", "Mcp-Session-Id", id, "Last-Event-ID", ev.ID)
		if got, _ := lost.event(t); !strings.Contains(got, `"id":1,"error"`) || !strings.Contains(got, "unknown whether the call took effect") {
			t.Errorf("resumed after %v with %s", session.DefaultConfig().ResumeFor, got)
		}
		if w := d.do("GET", "", "Mcp-Session-Id", id, "Last-Event-ID", "x.1.bm8gaWQ-1"); w.Code != 400 {
			t.Errorf("a made-up stream: status %d", w.Code)
		}
	})
}

func TestResume_keepsNoMoreThanTheRing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t, func(c *session.Config) { c.RingBytes = 4 << 10 })
		id := d.initialize("2025-06-18")
		l := d.open(alice, "GET", "", "Mcp-Session-Id", id)
		synctest.Wait()
		d.hub.Emit("notifications/message", `{"level":"error","data":0}`)
		_, first := l.event(t)
		l.cancel()
		<-l.done
		for n := range 100 {
			d.hub.Emit("notifications/message", fmt.Sprintf(`{"level":"error","data":"%d %s"}`, n+1, strings.Repeat("x", 400)))
		}
		l = d.open(alice, "GET", "", "Mcp-Session-Id", id, "Last-Event-ID", first)
		synctest.Wait()
		l.cancel()
		<-l.done
		got := l.rest()
		if n := strings.Count(got, "data: "); n < 5 || n > 10 || !strings.Contains(got, `"100 x`) {
			t.Errorf("%d events kept", n)
		}
	})
}

func TestGet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t)
		id := d.initialize("2025-11-25")
		if n := len(d.hub.Watches()); n != 0 {
			t.Errorf("%d watches before the first stream", n)
		}
		first := d.open(alice, "GET", "", "Mcp-Session-Id", id)
		synctest.Wait()
		head := make([]byte, 100)
		n, _ := first.Read(head)
		if got := string(head[:n]); !strings.HasPrefix(got, ":") || !strings.Contains(got, "\nid: ") {
			t.Errorf("first bytes %q", got)
		}
		d.hub.Emit("notifications/tools/list_changed", "")
		if got, eventID := first.event(t); got != `{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}` || eventID == "" {
			t.Errorf("event %s, id %q", got, eventID)
		}

		// A new stream takes over; the old one ends, and nothing comes twice.
		second := d.open(alice, "GET", "", "Mcp-Session-Id", id)
		synctest.Wait()
		if first.rest() != "" || first.code() != 200 {
			t.Error("the first stream did not end quietly")
		}
		d.hub.Emit("notifications/tools/list_changed", "")
		if n := len(d.hub.Watches()); n != 1 {
			t.Errorf("%d watches", n)
		}
		_, eventID := second.event(t)
		time.Sleep(40 * time.Second)
		second.cancel()
		<-second.done
		if got := second.rest(); strings.Count(got, ": \n") != 2 {
			t.Errorf("comments: %q", got)
		}

		// What happened in between is there for Last-Event-ID.
		d.hub.Emit("notifications/prompts/list_changed", "")
		third := d.open(alice, "GET", "", "Mcp-Session-Id", id, "Last-Event-ID", eventID)
		if got, _ := third.event(t); !strings.Contains(got, "prompts") {
			t.Errorf("resumed with %s", got)
		}
		if w := d.do("DELETE", "", "Mcp-Session-Id", id); w.Code != 204 {
			t.Errorf("DELETE: %d", w.Code)
		}
		<-third.done
		if n := len(d.hub.Watches()); n != 0 {
			t.Errorf("%d watches after the end", n)
		}
		if w := d.do("POST", request(1, "ping", "{}"), "Mcp-Session-Id", id); w.Code != 404 {
			t.Errorf("after the end: %d", w.Code)
		}
		d.start()
		if w := d.do("POST", request(1, "ping", "{}"), "Mcp-Session-Id", id); w.Code != 404 {
			t.Errorf("after the end and a restart: %d", w.Code)
		}
	})
}

func TestGet_resumeAfterRestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t)
		id := d.initialize("2025-11-25")
		check(t, d.do("POST", request(1, "resources/subscribe", `{"uri":"a:b"}`), "Mcp-Session-Id", id), 200, []string{`"result":{}`}, "")
		l := d.open(alice, "GET", "", "Mcp-Session-Id", id)
		synctest.Wait()
		d.hub.Emit("notifications/resources/updated", `{"uri":"a:b"}`)
		_, eventID := l.event(t)
		d.table.Close()
		<-l.done

		d.start()
		l = d.open(alice, "GET", "", "Mcp-Session-Id", id, "Last-Event-ID", eventID)
		synctest.Wait()
		ws := d.hub.Watches()
		if len(ws) != 1 || len(ws[0].Accepted().Resources) != 1 {
			t.Fatalf("watches after the restart: %v", ws)
		}
		d.hub.Emit("notifications/resources/updated", `{"uri":"a:b"}`)
		if got, _ := l.event(t); !strings.Contains(got, `"uri":"a:b"`) {
			t.Errorf("event %s", got)
		}
		l.cancel()
		<-l.done
		// The stream of a call did not survive, and says so.
		if w := d.do("GET", "", "Mcp-Session-Id", id, "Last-Event-ID", "ABCDEF.7-1"); w.Code != 400 {
			t.Errorf("stream of a call: %d", w.Code)
		}
	})
}

func TestDrain_endsStreams(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t)
		id := d.initialize("2025-06-18")
		d.hub.On("slow", waitFor(5*time.Second))
		get := d.open(alice, "GET", "", "Mcp-Session-Id", id)
		listen := d.listen(t, `{"toolsListChanged":true}`, `"a"`)
		slow := d.open(alice, "POST", call(`"name":"slow"`), "Mcp-Session-Id", id)
		synctest.Wait()
		d.table.Drain()
		get.rest()
		if got, _ := listen.event(t); got != `{"jsonrpc":"2.0","id":"a","result":{"resultType":"complete","_meta":{"io.modelcontextprotocol/subscriptionId":"a"}}}` {
			t.Errorf("listen ended with %s", got)
		}
		listen.rest()
		if got := slow.rest(); !strings.Contains(got, `"result"`) {
			t.Errorf("the call in flight: %s", got)
		}
	})
}

// listen opens a subscription and reads its acknowledgement.
func (d *door) listen(t *testing.T, filter, id string) *live {
	t.Helper()
	l := d.open(bob, "POST", `{"jsonrpc":"2.0","id":`+id+`,"method":"subscriptions/listen","params":{"notifications":`+filter+`,`+modernMeta+`}}`,
		"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "subscriptions/listen")
	ack, _ := l.event(t)
	if want := `{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":` + filter +
		`,"_meta":{"io.modelcontextprotocol/subscriptionId":` + id + `}}}`; ack != want {
		t.Errorf("acknowledged by\n%s, want\n%s", ack, want)
	}
	return l
}

func TestListen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t)
		d.hub.RefuseURI("no:pe")
		l := d.listen(t, `{"toolsListChanged":true,"resourceSubscriptions":["a:b"]}`, "9007199254740993")
		d.hub.Emit("notifications/message", `{"level":"error","data":1}`) // belongs to requests
		d.hub.Emit("notifications/tools/list_changed", "")
		if got, _ := l.event(t); got != `{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":9007199254740993}}}` {
			t.Errorf("event %s", got)
		}
		d.hub.Emit("notifications/resources/updated", `{"_meta":{"x":1,"io.modelcontextprotocol/subscriptionId":"theirs"},"uri":"a:b"}`)
		if got, _ := l.event(t); got != `{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a:b","_meta":{"io.modelcontextprotocol/subscriptionId":9007199254740993,"x":1}}}` {
			t.Errorf("event %s", got)
		}
		time.Sleep(31 * time.Second)
		l.cancel()
		<-l.done
		if got := l.rest(); strings.Count(got, ": \n") != 2 {
			t.Errorf("comments: %q", got)
		}
		if n := len(d.hub.Watches()); n != 0 {
			t.Errorf("%d watches after the client left", n)
		}

		headers := []string{"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "subscriptions/listen"}
		w := d.do("POST", request(1, "subscriptions/listen", `{"notifications":{"resourceSubscriptions":["no:pe"]},`+modernMeta+`}`), headers...)
		if body := w.Body.String(); w.Code != 200 || !strings.Contains(body, `"notifications":{}`) || !strings.Contains(body, `"resultType":"complete"`) {
			t.Errorf("nothing honoured: %d %s", w.Code, body)
		}
		check(t, d.do("POST", request(1, "subscriptions/listen", `{`+modernMeta+`}`), headers...), 400, []string{"-32602"}, "")
	})
}

func TestSubscribe(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	d.hub.RefuseURI("no:pe")
	id := d.initialize("2025-11-25")
	if d.store.Rows() != 0 {
		t.Error("a row for a session that set nothing")
	}
	sub := func(method, uri string) string {
		return d.do("POST", request(1, method, `{"uri":"`+uri+`"}`), "Mcp-Session-Id", id).Body.String()
	}
	if got := sub("resources/subscribe", "no:pe"); !strings.Contains(got, "-32002") {
		t.Errorf("refused resource: %s", got)
	}
	sub("resources/subscribe", "a:b")
	sub("resources/subscribe", "a:b")
	sub("resources/subscribe", "c:d")
	if ws := d.hub.Watches(); len(ws) != 1 || len(ws[0].Accepted().Resources) != 2 {
		t.Fatalf("watches %v", ws)
	}
	d.table.Close()
	d.start() // the next unsubscribe finds a session that has only its settings
	if got := sub("resources/unsubscribe", "a:b"); !strings.Contains(got, `"result":{}`) {
		t.Errorf("unsubscribe: %s", got)
	}
	sub("resources/subscribe", "e:f")
	if got := fmt.Sprint(d.hub.Watches()[0].Accepted().Resources); got != "[c:d e:f]" {
		t.Errorf("watched after the restart: %s", got)
	}
	d.store.Break()
	if got := sub("resources/subscribe", "g:h"); !strings.Contains(got, "-32603") || strings.Contains(got, "fire") {
		t.Errorf("broken store: %s", got)
	}
}

func TestAsk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t)
		id := d.initialize("2025-11-25", `{"elicitation":{},"roots":{}}`)
		d.hub.On("asks", func(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
			ctx, cancel := context.WithTimeout(ctx, time.Minute)
			defer cancel()
			a, err := sink.Ask(ctx, mcpwire.Question{Method: mcpwire.MethodElicit, Params: []byte(`{"message":"?"}`)})
			switch {
			case err != nil:
				return mcpwire.Fail(mcpwire.Errorf(1, "%v", err))
			case a.Err != nil:
				return mcpwire.Fail(a.Err)
			}
			return mcpwire.Done(req.Revision, slicesConcat(`{"answer":`, string(a.Result), `}`))
		})
		ask := func() (l *live, askID string) {
			l = d.open(alice, "POST", call(`"name":"asks"`), "Mcp-Session-Id", id)
			got, _ := l.event(t)
			var q struct {
				ID     json.RawMessage
				Method string
				Params json.RawMessage
			}
			if err := json.Unmarshal([]byte(got), &q); err != nil || q.Method != "elicitation/create" || string(q.Params) != `{"message":"?"}` {
				t.Fatalf("question %s: %v", got, err)
			}
			return l, string(q.ID)
		}

		l, askID := ask()
		if w := d.do("POST", `{"jsonrpc":"2.0","id":"other","result":{}}`, "Mcp-Session-Id", id); w.Code != 202 {
			t.Errorf("answer nobody waits for: %d", w.Code)
		}
		other := d.initialize("2025-11-25")
		d.do("POST", `{"jsonrpc":"2.0","id":`+askID+`,"result":{"stolen":1}}`, "Mcp-Session-Id", other)
		if w := d.do("POST", `{"jsonrpc":"2.0","id":`+askID+`,"result":{"action":"accept","n":9007199254740993}}`, "Mcp-Session-Id", id); w.Code != 202 || w.Body.Len() != 0 {
			t.Errorf("answer: %d %s", w.Code, w.Body)
		}
		if got, _ := l.event(t); got != `{"jsonrpc":"2.0","id":1,"result":{"answer":{"action":"accept","n":9007199254740993}}}` {
			t.Errorf("outcome %s", got)
		}
		<-l.done

		l, askID = ask()
		d.do("POST", `{"jsonrpc":"2.0","id":`+askID+`,"error":{"code":-1,"message":"no","data":{"x":1}}}`, "Mcp-Session-Id", id)
		if got, _ := l.event(t); got != `{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no","data":{"x":1}}}` {
			t.Errorf("outcome %s", got)
		}
		<-l.done

		// Nobody answers: the question is taken back.
		l, askID = ask()
		if got, _ := l.event(t); got != `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":`+askID+`,"reason":"no longer needed"}}` {
			t.Errorf("event %s", got)
		}
		l.event(t)
		<-l.done

		// A client that cannot answer is not asked.
		cannot := d.initialize("2025-11-25", `{"roots":{}}`)
		w := d.do("POST", call(`"name":"asks"`), "Mcp-Session-Id", cannot)
		check(t, w, 200, []string{mcpwire.ErrCannotAsk.Error()}, "elicitation/create")
		w = d.do("POST", call(`"name":"asks",`+modernMeta), "Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", "asks")
		check(t, w, 200, []string{mcpwire.ErrCannotAsk.Error()}, "")
	})
}

// A client that goes away may come back to its stream and answer; when the time
// for that is over, nobody waits for it any more.
func TestAsk_clientGoesAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t)
		id := d.initialize("2025-11-25", `{"roots":{}}`)
		got := make(chan string, 1)
		d.hub.On("asks", func(ctx context.Context, _ *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
			a, err := sink.Ask(ctx, mcpwire.Question{Method: mcpwire.MethodRootsList})
			got <- fmt.Sprintf("%s %v", a.Result, err)
			return mcpwire.Fail(mcpwire.Errorf(1, "over"))
		})
		leave := func() (askID, eventID string) {
			l := d.open(alice, "POST", call(`"name":"asks"`), "Mcp-Session-Id", id)
			ev, eventID := l.event(t)
			var q struct{ ID json.RawMessage }
			if err := json.Unmarshal([]byte(ev), &q); err != nil {
				t.Fatal(err)
			}
			l.cancel()
			return string(q.ID), eventID
		}

		askID, eventID := leave()
		time.Sleep(time.Minute)
		back := d.open(alice, "GET", "", "Mcp-Session-Id", id, "Last-Event-ID", eventID)
		time.Sleep(time.Hour) // a person may take their time
		d.do("POST", `{"jsonrpc":"2.0","id":`+askID+`,"result":{"roots":[]}}`, "Mcp-Session-Id", id)
		if a := <-got; a != `{"roots":[]} <nil>` {
			t.Errorf("after coming back: %s", a)
		}
		<-back.done

		leave()
		before := time.Now()
		if a := <-got; !strings.Contains(a, "the client has gone") {
			t.Errorf("after going away: %s", a)
		}
		if d := time.Since(before); d < 2*time.Minute || d > 3*time.Minute {
			t.Errorf("waited %s", d)
		}
	})
}

// What a backend asks outside of any call goes to the GET stream, or nowhere.
func TestAsk_outsideOfCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t)
		id := d.initialize("2025-11-25", `{"roots":{}}`)
		l := d.open(alice, "GET", "", "Mcp-Session-Id", id)
		synctest.Wait()
		sink := d.hub.Watches()[0].Sink
		got := make(chan string, 1)
		go func() {
			a, err := sink.Ask(t.Context(), mcpwire.Question{Method: mcpwire.MethodRootsList})
			got <- fmt.Sprintf("%s %v", a.Result, err)
		}()
		ev, _ := l.event(t)
		var q struct{ ID json.RawMessage }
		if err := json.Unmarshal([]byte(ev), &q); err != nil {
			t.Fatal(err)
		}
		d.do("POST", `{"jsonrpc":"2.0","id":`+string(q.ID)+`,"result":{"roots":[]}}`, "Mcp-Session-Id", id)
		if a := <-got; a != `{"roots":[]} <nil>` {
			t.Errorf("answer %s", a)
		}
		l.cancel()
		<-l.done
		if _, err := sink.Ask(t.Context(), mcpwire.Question{Method: mcpwire.MethodRootsList}); !errors.Is(err, mcpwire.ErrCannotAsk) {
			t.Errorf("without a stream: %v", err)
		}
	})
}

func TestCancel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t)
		id := d.initialize("2025-11-25")
		d.hub.On("slow", waitFor(time.Hour))
		start := time.Now()
		l := d.open(alice, "POST", `{"jsonrpc":"2.0","id":"\u0061","method":"tools/call","params":{"name":"slow"}}`, "Mcp-Session-Id", id)
		synctest.Wait()

		if w := d.do("POST", `{"jsonrpc":"2.0","id":"a","method":"ping"}`, "Mcp-Session-Id", id); w.Code != 400 || !strings.Contains(w.Body.String(), "-32600") {
			t.Errorf("id in flight: %d %s", w.Code, w.Body)
		}
		other := d.initialize("2025-11-25")
		d.do("POST", notification("notifications/cancelled", `{"requestId":"a"}`), "Mcp-Session-Id", other)
		synctest.Wait()
		select {
		case <-l.done:
			t.Fatal("cancelled from another session")
		default:
		}
		if w := d.do("POST", notification("notifications/cancelled", `{"requestId":"a","reason":"enough"}`), "Mcp-Session-Id", id); w.Code != 202 {
			t.Errorf("cancel: %d", w.Code)
		}
		if got := l.rest(); !strings.Contains(got, "-32800") || time.Since(start) != 0 {
			t.Errorf("cancelled call: %s after %v", got, time.Since(start))
		}
		if w := d.do("POST", `{"jsonrpc":"2.0","id":"a","method":"ping"}`, "Mcp-Session-Id", id); w.Code != 200 {
			t.Errorf("the id afterwards: %d", w.Code)
		}
		d.do("POST", notification("notifications/roots/list_changed", `{}`), "Mcp-Session-Id", id)
		if got := d.hub.Told(); len(got) != 1 || got[0] != "notifications/roots/list_changed" {
			t.Errorf("told %v", got)
		}
	})
}

func TestBatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t)
		id := d.initialize("2025-03-26")
		d.hub.On("slow", waitFor(time.Second))
		d.hub.On("chatty", func(_ context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
			sink.Notify(logged("error"))
			return mcpwire.Done(req.Revision, []byte("{}"))
		})
		slow := request(1, "tools/call", `{"name":"slow"}`)
		w := d.do("POST", " ["+slow+","+notification("notifications/initialized", "{}")+","+request(2, "nope", "{}")+","+request(3, "tools/call", "{}")+"]", "Mcp-Session-Id", id)
		var answers []struct {
			ID     int
			Error  struct{ Code int }
			Result json.RawMessage
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answers); err != nil || len(answers) != 3 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		for _, a := range answers {
			if want := map[int]int{1: 0, 2: -32601, 3: -32602}[a.ID]; a.Error.Code != want {
				t.Errorf("answer to %d: code %d, want %d", a.ID, a.Error.Code, want)
			}
		}
		if w := d.do("POST", "["+notification("notifications/initialized", "{}")+"]", "Mcp-Session-Id", id); w.Code != 202 {
			t.Errorf("notifications alone: %d", w.Code)
		}
		for name, body := range map[string]string{
			"empty":      "[]",
			"one id":     "[" + slow + "," + slow + "]",
			"not a call": "[1]",
			"initialize": "[" + request(1, "initialize", `{"protocolVersion":"2025-03-26"}`) + "]",
			"modern":     "[" + request(1, "tools/call", `{"name":"echo",`+modernMeta+`}`) + "]",
			"too many":   "[" + strings.Repeat(notification("a", "{}")+",", 100) + notification("a", "{}") + "]",
		} {
			if w := d.do("POST", body, "Mcp-Session-Id", id); w.Code != 400 || !strings.Contains(w.Body.String(), "-32600") {
				t.Errorf("%s: %d %s", name, w.Code, w.Body)
			}
		}
		if w := d.do("POST", slow, "Mcp-Session-Id", id); w.Code != 200 || !strings.Contains(w.Body.String(), "result") {
			t.Errorf("an id of a refused batch: %d %s", w.Code, w.Body)
		}

		// A notification makes an event stream of it, each answer an event.
		l := d.open(alice, "POST", "["+slow+","+request(2, "tools/call", `{"name":"chatty"}`)+"]", "Mcp-Session-Id", id)
		seen := ""
		for range 3 {
			got, _ := l.event(t)
			seen += got
		}
		if rest := l.rest(); rest != "" || !strings.Contains(seen, `"id":1,"result"`) || !strings.Contains(seen, `"id":2,"result"`) {
			t.Errorf("events %s, then %q", seen, rest)
		}
	})
}

// A client that stops reading holds up neither the backend nor anybody else, and
// is given up.
func TestT10_slowClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t)
		id := d.initialize("2025-06-18")
		flooded := make(chan struct{})
		d.hub.On("flood", func(_ context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
			for range 50_000 {
				sink.Notify(logged("error"))
			}
			close(flooded)
			return mcpwire.Done(req.Revision, []byte("{}"))
		})
		stuck := &stuckWriter{Wire: sessiontest.NewWire(), free: make(chan struct{})}
		done := make(chan struct{})
		go func() {
			defer close(done)
			d.ServeHTTP(stuck, newRequest(alice, "POST", call(`"name":"flood"`), "Mcp-Session-Id", id))
		}()
		<-flooded // while not one byte was taken
		if w := d.do("POST", request(5, "ping", "{}"), "Mcp-Session-Id", id); w.Code != 200 {
			t.Errorf("beside it: %d", w.Code)
		}
		close(stuck.free)
		<-done
	})
}

// stuckWriter takes nothing until it is freed, then fails as a deadline does.
type stuckWriter struct {
	*sessiontest.Wire
	free chan struct{}
}

func (s *stuckWriter) Write([]byte) (int, error) {
	<-s.free
	return 0, io.ErrClosedPipe
}
