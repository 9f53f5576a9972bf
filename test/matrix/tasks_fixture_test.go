package matrix_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"testing"
)

// taskFixture is a strict server of one revision that has tasks, which the Go SDK
// does not have: in the shape of 2025-11-25, or of the extension of
// 2026-07-28. A task is done at the second look at it.
type taskFixture struct {
	revision string
	mu       sync.Mutex // guards what follows
	sessions map[string]bool
	tasks    map[string]*task
}

type task struct {
	id, text string
	looks    int
}

func (t *task) status() string {
	if t.looks >= 2 {
		return "completed"
	}
	return "working"
}

func newTaskFixture(revision string) *taskFixture {
	return &taskFixture{revision: revision, sessions: map[string]bool{}, tasks: map[string]*task{}}
}

func (f *taskFixture) modern() bool { return f.revision == r2026 }

// call is a message to the fixture, as far as it reads it.
type call struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params struct {
		Name      string           `json:"name"`
		TaskID    string           `json:"taskId"`
		Arguments words            `json:"arguments"`
		Task      *json.RawMessage `json:"task"`
		Meta      struct {
			Version      string `json:"io.modelcontextprotocol/protocolVersion"`
			Capabilities struct {
				Extensions map[string]json.RawMessage `json:"extensions"`
			} `json:"io.modelcontextprotocol/clientCapabilities"`
		} `json:"_meta"`
	} `json:"params"`
}

// failure is a JSON-RPC error.
type failure struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    any    `json:"data,omitempty"`
}

type object = map[string]any

// answer gives the response to a message, nil where there is none.
func (f *taskFixture) answer(raw []byte) []byte {
	var c call
	if err := json.Unmarshal(raw, &c); err != nil || c.ID == nil || c.Method == "" {
		return nil
	}
	out := object{"jsonrpc": "2.0", "id": c.ID}
	if result, bad := f.result(c); bad != nil {
		out["error"] = bad
	} else {
		out["result"] = result
	}
	body, err := json.Marshal(out)
	if err != nil {
		panic(err) // made of what was JSON before
	}
	return body
}

func (f *taskFixture) result(c call) (object, *failure) {
	if f.modern() != (c.Params.Meta.Version == r2026) && c.Method != "initialize" {
		if f.modern() {
			return nil, &failure{-32022, "not this revision", object{"supported": []string{r2026}, "requested": c.Params.Meta.Version}}
		}
		return nil, &failure{-32601, "no such method", nil}
	}
	switch {
	case c.Method == "initialize" && !f.modern():
		return object{"protocolVersion": f.revision, "serverInfo": object{"name": "tasks", "version": "1"},
			"capabilities": object{"tools": object{}, "tasks": object{"list": object{}, "cancel": object{}, "requests": object{"tools": object{"call": object{}}}}}}, nil
	case c.Method == "server/discover" && f.modern():
		return f.full(object{"supportedVersions": []string{r2026}, "ttlMs": 0, "cacheScope": "public",
			"capabilities": object{"tools": object{}, "extensions": object{"io.modelcontextprotocol/tasks": object{}}},
			"_meta":        object{"io.modelcontextprotocol/serverInfo": object{"name": "tasks", "version": "1"}}}), nil
	case c.Method == "ping" && !f.modern():
		return object{}, nil
	case c.Method == "tools/list":
		return f.full(object{"tools": f.tools(), "ttlMs": 0, "cacheScope": "public"}), nil
	case c.Method == "tools/call":
		return f.start(c)
	}
	return f.tell(c)
}

// full is a result of the fixture's era.
func (f *taskFixture) full(result object) object {
	if f.modern() {
		result["resultType"] = "complete"
		return result
	}
	delete(result, "ttlMs")
	delete(result, "cacheScope")
	return result
}

// tools are one that can be a task and, where the tool says so, one that must be.
func (f *taskFixture) tools() []object {
	schema := json.RawMessage(textSchema)
	if f.modern() {
		return []object{{"name": "ponder", "inputSchema": schema}}
	}
	return []object{
		{"name": "ponder", "inputSchema": schema, "execution": object{"taskSupport": "optional"}},
		{"name": "ponder_long", "inputSchema": schema, "execution": object{"taskSupport": "required"}},
	}
}

// start calls a tool: at once, or as a task where its revision says so.
func (f *taskFixture) start(c call) (object, *failure) {
	_, declared := c.Params.Meta.Capabilities.Extensions["io.modelcontextprotocol/tasks"]
	asTask := c.Params.Task != nil
	if f.modern() {
		asTask = declared
	}
	switch {
	case c.Params.Name != "ponder" && (f.modern() || c.Params.Name != "ponder_long"):
		return nil, &failure{-32602, "no such tool", nil}
	case c.Params.Name == "ponder_long" && !asTask:
		return nil, &failure{-32601, "this tool needs a task", nil}
	case !asTask:
		return f.full(thought(c.Params.Arguments.Text)), nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	t := &task{id: "inner-" + strconv.Itoa(len(f.tasks)+1), text: c.Params.Arguments.Text}
	f.tasks[t.id] = t
	if f.modern() {
		return f.state(t, "task"), nil
	}
	return object{"task": f.state(t, "")}, nil
}

func thought(text string) object {
	return object{"content": []object{{"type": "text", "text": "pondered " + text}}}
}

// state is a task in the shape of the fixture's era.
func (f *taskFixture) state(t *task, kind string) object {
	const at = "2026-01-01T00:00:00Z"
	out := object{"taskId": t.id, "status": t.status(), "createdAt": at, "lastUpdatedAt": at}
	if !f.modern() {
		out["ttl"], out["pollInterval"] = 60000, 20
		return out
	}
	out["ttlMs"], out["pollIntervalMs"], out["resultType"] = 60000, 20, kind
	return out
}

// tell answers what is asked about a task.
func (f *taskFixture) tell(c call) (object, *failure) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.tasks[c.Params.TaskID]
	if c.Method != "tasks/get" && (c.Method != "tasks/result" || f.modern()) {
		return nil, &failure{-32601, "no such method", nil}
	}
	if t == nil {
		return nil, &failure{-32602, "no such task", nil}
	}
	t.looks++
	switch {
	case c.Method == "tasks/result":
		t.looks = 2 // who waits for the result gets it when it is there
		out := thought(t.text)
		out["_meta"] = object{"io.modelcontextprotocol/related-task": object{"taskId": t.id}}
		return out, nil
	case f.modern():
		out := f.state(t, "complete")
		if t.status() == "completed" {
			out["result"] = f.full(thought(t.text))
		}
		return out, nil
	}
	return f.state(t, ""), nil
}

// lines speaks over pipes until in ends.
func (f *taskFixture) lines(in io.Reader, out io.Writer) error {
	r := bufio.NewReaderSize(in, 1<<20)
	for {
		raw, err := r.ReadBytes('\n')
		if err != nil {
			return err
		}
		if answer := f.answer(raw); answer != nil {
			if _, err := fmt.Fprintf(out, "%s\n", answer); err != nil {
				return err
			}
		}
	}
}

// http serves the fixture over Streamable HTTP and gives its URL.
func (f *taskFixture) http(t testing.TB, write func(note)) string {
	t.Helper()
	return serve(t, write, http.HandlerFunc(f.post)) + "/mcp"
}

func (f *taskFixture) post(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || r.Method != http.MethodPost {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	var c call
	_ = json.Unmarshal(body, &c) // what is no message is not admitted
	if status := f.admit(w, r, c); status != http.StatusOK {
		w.WriteHeader(status)
		return
	}
	answer := f.answer(body)
	if answer == nil {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(answer) // fails when the client is gone
}

// admit insists on the session, or on the headers, of the fixture's era.
func (f *taskFixture) admit(w http.ResponseWriter, r *http.Request, c call) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	session := r.Header.Get("Mcp-Session-Id")
	switch {
	case f.modern() && (r.Header.Get("MCP-Protocol-Version") != r2026 || r.Header.Get("Mcp-Method") != c.Method ||
		r.Header.Get("Mcp-Name") != c.Params.Name+c.Params.TaskID):
		return http.StatusBadRequest
	case f.modern():
	case c.Method == "initialize":
		id := "session-" + strconv.Itoa(len(f.sessions)+1)
		f.sessions[id] = true
		w.Header().Set("Mcp-Session-Id", id)
	case !f.sessions[session]:
		return http.StatusNotFound
	}
	return http.StatusOK
}
