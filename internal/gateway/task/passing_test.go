package task_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/internal/gateway/task"
	"drawbridge/internal/mcpwire"
)

// door is as much of a gateway as tasks need that pass through it.
type door struct {
	ids      *task.Ids
	backends map[string]mcpwire.Handler
	first    string // the backend that owns the tools, and lists
}

func (d *door) serve(t *testing.T, owner string, caller *mcpwire.Caller, method, raw string, sink mcpwire.Sink) mcpwire.Outcome {
	t.Helper()
	req, bad := mcpwire.NewRequest(method, caller.Revision, []byte(raw))
	if bad != nil {
		return mcpwire.Fail(bad)
	}
	req.Caller = caller
	backend := d.first
	if strings.HasPrefix(method, "tasks/") && method != task.MethodList {
		var ok bool
		if backend, req.Target, ok = d.ids.Open(req.Target, owner); !ok {
			return mcpwire.Fail(mcpwire.Errorf(mcpwire.CodeInvalidParams, "Unknown task."))
		}
	}
	wrap := func(id string) string { return d.ids.Wrap(backend, owner, id) }
	out := d.backends[backend].Serve(t.Context(), req, sink)
	if method == mcpwire.MethodToolsCall {
		out = task.Guard(req, out)
	}
	out.Result.Bytes = task.WrapResult(method, out.Result.Bytes, wrap)
	return out
}

func (d *door) must(t *testing.T, owner string, caller *mcpwire.Caller, method, raw string) []byte {
	t.Helper()
	out := d.serve(t, owner, caller, method, raw, &client{})
	if out.Kind != mcpwire.Complete {
		t.Fatalf("%s: kind %d, %v", method, out.Kind, out.Err)
	}
	return out.Result.Bytes
}

// about is the params of a request about a task.
func about(id string) string { return fmt.Sprintf(`{"taskId":%q}`, id) }

// TestPassing_legacy takes a 2025-11-25 client through the life of a task: it sees
// sealed ids only, each of them works, and nobody else's do.
func TestPassing_legacy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, after(completing))
		s.on[task.MethodList] = handler(func(context.Context, *mcpwire.Request, mcpwire.Sink) mcpwire.Outcome {
			return mcpwire.Done(mcpwire.Rev20251125, []byte(`{"tasks":[`+s.jobs["task-1"].object()+`]}`))
		})
		d := &door{ids: newIds(t, 1), backends: map[string]mcpwire.Handler{"a": s}, first: "a"}
		anna := &mcpwire.Caller{Revision: mcpwire.Rev20251125}

		handle := d.must(t, "anna", anna, mcpwire.MethodToolsCall, `{"name":"slow","task":{"ttl":60000}}`)
		first, _ := mcpwire.TextMember(mcpwire.ObjectMember(handle, "task"), "taskId")
		seen := d.must(t, "anna", anna, task.MethodGet, about(first))
		second, _ := mcpwire.TextMember(seen, "taskId")
		page := d.must(t, "anna", anna, task.MethodList, `{}`)
		for _, b := range [][]byte{handle, seen, page} {
			if strings.Contains(string(b), "task-1") {
				t.Errorf("the backend's id shows in %s", b)
			}
		}
		time.Sleep(2 * time.Second)
		for _, id := range []string{first, second} {
			result := d.must(t, "anna", anna, task.MethodResult, about(id))
			related := mcpwire.ObjectMember(mcpwire.ObjectMember(result, "_meta"), task.MetaRelated)
			sealed, _ := mcpwire.TextMember(related, "taskId")
			if want := strings.Replace(finalResult, "task-1", sealed, 1); sealed == "" || string(result) != want {
				t.Errorf("%s, want %s", result, want)
			}
			if _, inner, ok := d.ids.Open(sealed, "anna"); !ok || inner != "task-1" {
				t.Errorf("the result belongs to %q", inner)
			}
			before := s.count(task.MethodGet)
			if out := d.serve(t, "bob", anna, task.MethodGet, about(id), &client{}); out.Kind != mcpwire.Failed || out.Err.Code != mcpwire.CodeInvalidParams || s.count(task.MethodGet) != before {
				t.Errorf("bob sees anna's task: %v", out.Err)
			}
		}
		if out := d.serve(t, "anna", anna, task.MethodGet, about("task-1"), &client{}); out.Kind != mcpwire.Failed {
			t.Error("the backend's own id is taken")
		}
	})
}

// modernServer is a strict backend with tasks of the extension: the only one it makes asks
// one question and then ends.
type modernServer struct {
	mu       sync.Mutex // guards what follows
	answered bool
}

func (s *modernServer) Serve(_ context.Context, req *mcpwire.Request, _ mcpwire.Sink) mcpwire.Outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	done := func(format string, args ...any) mcpwire.Outcome {
		return mcpwire.Done(mcpwire.Rev20260728, fmt.Appendf(nil, format, args...))
	}
	const times = `"createdAt":"2026-07-28T10:30:00Z","lastUpdatedAt":"2026-07-28T10:30:00Z","ttlMs":60000,"pollIntervalMs":5000`
	if !task.Declared(req.Caller) {
		return mcpwire.Fail(theirs(mcpwire.CodeMissingCapability, "Missing required client capability"))
	}
	if req.Method == mcpwire.MethodToolsCall {
		return done(`{"resultType":"task","taskId":"inner","status":"working",%s}`, times)
	}
	if req.Target != "inner" || !strings.Contains(string(req.AppendParams(nil, mcpwire.Edit{})), `"taskId":"inner"`) {
		return mcpwire.Fail(theirs(mcpwire.CodeInvalidParams, "Failed to retrieve task: Task not found"))
	}
	switch req.Method {
	case task.MethodGet:
		if !s.answered {
			return done(`{"resultType":"complete","taskId":"inner","status":"input_required","inputRequests":{"name":{"method":"elicitation/create","params":{"message":"?"}}},%s}`, times)
		}
		return done(`{"resultType":"complete","taskId":"inner","status":"completed","result":{"content":[],"n":1.0},%s}`, times)
	case task.MethodUpdate:
		s.answered = mcpwire.ObjectMember(mcpwire.ObjectMember(req.Params, "inputResponses"), "name") != nil
		return done(`{"resultType":"complete"}`)
	case task.MethodCancel:
		return done(`{"resultType":"complete"}`)
	}
	return mcpwire.Fail(theirs(mcpwire.CodeMethodNotFound, "Method not found"))
}

// TestPassing_extension does the same for a 2026-07-28 client and backend.
func TestPassing_extension(t *testing.T) {
	t.Parallel()
	d := &door{ids: newIds(t, 1), backends: map[string]mcpwire.Handler{"m": &modernServer{}}, first: "m"}
	anna := &mcpwire.Caller{Revision: mcpwire.Rev20260728, Capabilities: []byte(`{"extensions":{"io.modelcontextprotocol/tasks":{}}}`)}
	handle := d.must(t, "anna", anna, mcpwire.MethodToolsCall, `{"name":"slow"}`)
	id, _ := mcpwire.TextMember(handle, "taskId")
	if _, inner, ok := d.ids.Open(id, "anna"); !ok || inner != "inner" {
		t.Fatalf("the handle is %s", handle)
	}
	asks := d.must(t, "anna", anna, task.MethodGet, about(id))
	if !strings.Contains(string(asks), `"inputRequests":{"name":{"method":"elicitation/create","params":{"message":"?"}}}`) || strings.Contains(string(asks), `"inner"`) {
		t.Errorf("the question came as %s", asks)
	}
	if out := d.serve(t, "bob", anna, task.MethodUpdate, about(id), &client{}); out.Kind != mcpwire.Failed {
		t.Error("bob answers for anna")
	}
	d.must(t, "anna", anna, task.MethodUpdate, fmt.Sprintf(`{"taskId":%q,"inputResponses":{"name":{"action":"accept"}}}`, id))
	ended := d.must(t, "anna", anna, task.MethodGet, about(id))
	if !strings.Contains(string(ended), `"status":"completed","result":{"content":[],"n":1.0}`) || strings.Contains(string(ended), `"inner"`) {
		t.Errorf("it ended as %s", ended)
	}
	if ack := d.must(t, "anna", anna, task.MethodCancel, about(id)); string(ack) != `{"resultType":"complete"}` {
		t.Errorf("acknowledged as %s", ack)
	}
	out := d.serve(t, "anna", &mcpwire.Caller{Revision: mcpwire.Rev20260728}, mcpwire.MethodToolsCall, `{"name":"slow"}`, &client{})
	if out.Kind != mcpwire.Failed || out.Err.Code != mcpwire.CodeMissingCapability {
		t.Errorf("without the extension: %v", out.Err)
	}
}
