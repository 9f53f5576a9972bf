package talk_test

import (
	"fmt"
	"testing"

	"drawbridge/internal/backend/talk"
	"drawbridge/internal/mcpwire"
)

func TestLasting(t *testing.T) {
	t.Parallel()
	request := func(method, params string) *mcpwire.Request {
		t.Helper()
		req, err := mcpwire.NewRequest(method, mcpwire.Rev20251125, []byte(params))
		if err != nil {
			t.Fatal(err)
		}
		return req
	}
	const handle = `{"task":{"taskId":"t","status":"working"}}`
	var l talk.Lasting
	for i, c := range []struct {
		method, params, result string
		lasts                  bool
	}{
		{"tools/call", `{"name":"a","task":{},"_meta":{"progressToken":"mine"}}`, handle, true},
		{"tools/call", `{"name":"a","task":{}}`, handle, false},
		{"tools/call", `{"name":"a","_meta":{"progressToken":"mine"}}`, handle, false},
		{"tasks/result", `{"taskId":"x","task":{},"_meta":{"progressToken":"mine"}}`, handle, false},
		{"tools/call", `{"name":"a","task":{},"_meta":{"progressToken":"mine"}}`, `{"content":[]}`, false},
	} {
		req := request(c.method, c.params)
		l.Made(int64(i), req, []byte(c.result))
		clear(req.Params) // it is only valid during the call
		task, token, ok := l.Of(int64(i))
		if ok != c.lasts || ok && (task != "t" || string(token) != `"mine"`) {
			t.Errorf("%s %s: %q %s %v", c.method, c.params, task, token, ok)
		}
	}
	l.Done(request("tasks/result", `{"taskId":"other"}`))
	l.Done(request("tasks/get", `{"taskId":"t"}`))
	if _, _, ok := l.Of(0); !ok {
		t.Error("another request ended the task's progress")
	}
	l.Done(request("tasks/result", `{"taskId":"t"}`))
	if _, _, ok := l.Of(0); ok {
		t.Error("its result came, and its progress goes on")
	}
	call := request("tools/call", `{"name":"a","task":{},"_meta":{"progressToken":1}}`)
	for i := range int64(300) {
		l.Made(i, call, fmt.Appendf(nil, `{"task":{"taskId":"t%d"}}`, i))
	}
	_, _, old := l.Of(43)
	if _, _, ok := l.Of(44); !ok || old {
		t.Errorf("of 300 tasks the 44th is remembered: %v, the 45th: %v", old, ok)
	}
}
