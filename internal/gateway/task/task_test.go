package task_test

import (
	"strings"
	"testing"

	"drawbridge/internal/gateway/task"
	"drawbridge/internal/mcpwire"
)

func TestRequired(t *testing.T) {
	t.Parallel()
	for tool, want := range map[string]bool{
		`{"name":"a","execution":{"taskSupport":"required"}}`:     true,
		`{"execution":{"task\u0053upport":"required","x":1}}`:     true,
		`{"name":"a","execution":{"taskSupport":"optional"}}`:     false,
		`{"name":"a","execution":{"taskSupport":"forbidden"}}`:    false,
		`{"name":"a","execution":{"taskSupport":true}}`:           false,
		`{"name":"a","execution":"required"}`:                     false,
		`{"name":"a","taskSupport":"required","_meta":{"x":"y"}}`: false,
		`{"name":"a"}`: false,
		``:             false,
	} {
		if got := task.Required([]byte(tool)); got != want {
			t.Errorf("%s: %v", tool, got)
		}
	}
}

func TestAugments(t *testing.T) {
	t.Parallel()
	for capabilities, want := range map[string]bool{
		`{"tools":{},"tasks":{"list":{},"requests":{"tools":{"call":{}}}}}`: true,
		`{"tasks":{"requests":{"tools":{}}}}`:                               false,
		`{"tasks":{"requests":{"tools":{"call":true}}}}`:                    false,
		`{"tasks":{"list":{},"cancel":{}}}`:                                 false,
		`{"extensions":{"io.modelcontextprotocol/tasks":{}}}`:               false,
		``: false,
	} {
		if got := task.Augments([]byte(capabilities)); got != want {
			t.Errorf("%s: %v", capabilities, got)
		}
	}
}

// TestGuard is the table of who may have which kind of task.
func TestGuard(t *testing.T) {
	t.Parallel()
	const (
		legacy    = `{"task":{"taskId":"a","status":"working"}}`
		extension = `{"resultType":"task","taskId":"a","status":"working"}`
		result    = `{"resultType":"complete","content":[],"task":{"taskId":"a"}}`
		declares  = `{"extensions":{"io.modelcontextprotocol/tasks":{}}}`
		declares2 = `{"extensions":{"io.modelcontextprotocol/ui":{}}}`
		asks      = `{"name":"a","task":{}}`
		call      = `{"name":"a"}`
	)
	for name, c := range map[string]struct {
		rev               mcpwire.Revision
		can, params, body string
		want              string // in the error's text; "" passes
	}{
		"asked for":                       {mcpwire.Rev20251125, ``, asks, legacy, ""},
		"not asked for":                   {mcpwire.Rev20251125, ``, call, legacy, "Send params.task"},
		"before there were tasks":         {mcpwire.Rev20250618, ``, asks, legacy, "use a client of that revision"},
		"2026-07-28 knows no params.task": {mcpwire.Rev20260728, declares, asks, legacy, "those of 2025-11-25: use a client of that revision"},
		"declared":                        {mcpwire.Rev20260728, declares, call, extension, ""},
		"another extension":               {mcpwire.Rev20260728, declares2, call, extension, "Declare the extension io.modelcontextprotocol/tasks"},
		"nothing declared":                {mcpwire.Rev20260728, ``, call, extension, "Declare the extension"},
		"declared at initialize":          {mcpwire.Rev20251125, declares, asks, extension, "those of 2026-07-28: use a client of that revision"},
		"a result":                        {mcpwire.Rev20241105, ``, call, result, ""},
		"without content":                 {mcpwire.Rev20250618, ``, call, `{"structuredContent":{},"task":{}}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req := newCall(t, c.rev, c.params)
			req.Caller.Capabilities = []byte(c.can)
			freed := false
			in := mcpwire.Done(c.rev, []byte(c.body))
			in.Result.Free, in.FreeOutput = func() { freed = true }, true
			out := task.Guard(req, in)
			if c.want == "" {
				if out.Kind != mcpwire.Complete || string(out.Result.Bytes) != c.body || freed || !out.FreeOutput {
					t.Errorf("it did not pass: %v", out.Err)
				}
				return
			}
			if out.Kind != mcpwire.Failed || !strings.Contains(out.Err.Message, c.want) || !strings.Contains(out.Err.Message, "unknown whether the call took effect") || !freed {
				t.Errorf("kind %d, %v, want %q; freed %v", out.Kind, out.Err, c.want, freed)
			}
		})
	}
}

func TestGuard_passesWhatIsNoResult(t *testing.T) {
	t.Parallel()
	req := newCall(t, mcpwire.Rev20251125, `{"name":"a"}`)
	e := theirs(-32601, "no")
	if out := task.Guard(req, mcpwire.Fail(e)); out.Err != e {
		t.Errorf("%v", out.Err)
	}
	in := mcpwire.Outcome{Kind: mcpwire.InputRequired, Result: mcpwire.Result{Bytes: []byte(`{"task":{}}`)}}
	if out := task.Guard(req, in); out.Kind != mcpwire.InputRequired {
		t.Errorf("kind %d", out.Kind)
	}
	rest := &stream{}
	in = mcpwire.Outcome{Kind: mcpwire.Complete, Result: mcpwire.Result{Bytes: []byte(`{"task":{},"content":["`), Rest: rest}}
	if out := task.Guard(req, in); out.Result.Rest != rest || rest.closed {
		t.Error("a stream did not pass")
	}
	req.Caller = nil
	if out := task.Guard(req, mcpwire.Done("", []byte(`{"task":{}}`))); out.Kind != mcpwire.Failed {
		t.Error("nobody got a task")
	}
}

func TestAsked(t *testing.T) {
	t.Parallel()
	for _, rev := range mcpwire.Revisions() {
		if got := task.Asked(newCall(t, rev, `{"name":"a","task":null}`)); got != (rev == mcpwire.Rev20251125) {
			t.Errorf("%s: %v", rev, got)
		}
		if task.Asked(newCall(t, rev, `{"name":"a","arguments":{"task":{}}}`)) {
			t.Errorf("%s: an argument asks for a task", rev)
		}
	}
}
