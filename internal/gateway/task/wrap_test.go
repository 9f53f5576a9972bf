package task_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/gateway/task"
	"drawbridge/internal/jsonscan"
	"drawbridge/internal/mcpwire"
)

// upper is a wrap function that can be seen, and needs escaping.
func upper(id string) string { return `<"` + strings.ToUpper(id) + `">` }

func TestWrapResult(t *testing.T) {
	t.Parallel()
	const related = `"_meta": { "io.modelcontextprotocol/related-task" : {"taskId":"b", "k":1.0} , "other":{"taskId":"no"}}`
	const wrapped = `"_meta": { "io.modelcontextprotocol/related-task" : {"taskId":"<\"B\">", "k":1.0} , "other":{"taskId":"no"}}`
	for name, c := range map[string]struct {
		method  string
		in, out string // out "": as it came
	}{
		"a handle of 2025-11-25": {
			mcpwire.MethodToolsCall,
			` {"z":9007199254740993,"task":{ "status":"working", "taskId" : "a","ttl":null},` + related + ` } `,
			` {"z":9007199254740993,"task":{ "status":"working", "taskId" : "<\"A\">","ttl":null},` + wrapped + ` } `,
		},
		"the meta before the task": {
			mcpwire.MethodToolsCall,
			`{` + related + `,"task":{"taskId":"a"}}`, `{` + wrapped + `,"task":{"taskId":"<\"A\">"}}`,
		},
		"a handle of the extension": {
			mcpwire.MethodToolsCall,
			`{"taskId":"a","resultType":"task","ttlMs":1.0}`, `{"taskId":"<\"A\">","resultType":"task","ttlMs":1.0}`,
		},
		"escaped":                    {mcpwire.MethodToolsCall, `{"task\u0049d":"\u0061","resultType":"ta\u0073k"}`, `{"task\u0049d":"<\"A\">","resultType":"ta\u0073k"}`},
		"a key that stands twice":    {task.MethodGet, `{"taskId":"a","taskId":"b"}`, `{"taskId":"<\"A\">","taskId":"<\"B\">"}`},
		"a result that names a task": {mcpwire.MethodToolsCall, `{"content":[],"task":{"taskId":"a"},"taskId":"a"}`, ""},
		"a result with a taskId":     {mcpwire.MethodToolsCall, `{"resultType":"complete","taskId":"a","content":[]}`, ""},
		"a result of a task":         {task.MethodResult, `{"taskId":"a","content":[],` + related + `}`, `{"taskId":"a","content":[],` + wrapped + `}`},
		"a prompt of a task":         {mcpwire.MethodPromptsGet, `{` + related + `}`, `{` + wrapped + `}`},
		"a status":                   {task.MethodGet, `{"taskId":"a","status":"working"}`, `{"taskId":"<\"A\">","status":"working"}`},
		"a status without an id":     {task.MethodGet, `{"taskId":7,"status":"working"}`, ""},
		"a status that is no object": {task.MethodGet, `[{"taskId":"a"}]`, ""},
		"cancelled":                  {task.MethodCancel, `{"taskId":"a"}`, `{"taskId":"<\"A\">"}`},
		"an acknowledgement":         {task.MethodCancel, `{"resultType":"complete"}`, ""},
		"an update":                  {task.MethodUpdate, `{"resultType":"complete"}`, ""},
		"an empty page":              {task.MethodList, `{"tasks":[]}`, ""},
		"a page of what is no task":  {task.MethodList, `{"tasks":[7,null,"a",{"taskId":null}]}`, ""},
		"a page that is none":        {task.MethodList, `{"tasks":{"taskId":"a"}}`, ""},
		"a page":                     {task.MethodList, `{"tasks":[{"taskId":"a"} , {"x":1,"taskId":"b"}],"nextCursor":"a"}`, `{"tasks":[{"taskId":"<\"A\">"} , {"x":1,"taskId":"<\"B\">"}],"nextCursor":"a"}`},
		"nothing":                    {task.MethodGet, ``, ""},
		"a status with all that it can bring": {
			task.MethodGet,
			`{"resultType":"complete","inputRequests":{"q":{"method":"elicitation/create","params":{"taskId":"no",` + related + `}},"r":{"method":"roots/list"}},"result":{"taskId":"no",` + related + `},"taskId":"a"}`,
			`{"resultType":"complete","inputRequests":{"q":{"method":"elicitation/create","params":{"taskId":"no",` + wrapped + `}},"r":{"method":"roots/list"}},"result":{"taskId":"no",` + wrapped + `},"taskId":"<\"A\">"}`,
		},
	} {
		in := []byte(c.in)
		out := task.WrapResult(c.method, in, upper)
		switch {
		case c.out != "" && string(out) != c.out:
			t.Errorf("%s: %s, want %s", name, out, c.out)
		case c.out == "" && (string(out) != c.in || len(in) > 0 && &out[0] != &in[0]):
			t.Errorf("%s: %s came of it, or a copy", name, out)
		}
		if string(in) != c.in {
			t.Errorf("%s: what came in was changed", name)
		}
	}
}

func TestWrapNotification(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ method, in, out string }{
		{task.MethodStatus, `{"taskId":"a","status":"working"}`, `{"taskId":"<\"A\">","status":"working"}`},
		{task.MethodChanged, `{"taskId":"a","result":{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"a"}}}}`, `{"taskId":"<\"A\">","result":{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"<\"A\">"}}}}`},
		{mcpwire.MethodMessage, `{"taskId":"a","_meta":{"io.modelcontextprotocol/related-task":{"taskId":"a"}}}`, `{"taskId":"a","_meta":{"io.modelcontextprotocol/related-task":{"taskId":"<\"A\">"}}}`},
		{mcpwire.MethodToolsChanged, ``, ``},
		{task.MethodStatus, ``, ``},
	} {
		in := mcpwire.Notification{Revision: mcpwire.Rev20251125, Method: c.method, Params: []byte(c.in)}
		want := in
		want.Params = []byte(c.out)
		if diff := cmp.Diff(want, task.WrapNotification(in, upper)); diff != "" {
			t.Errorf("%s: %s", c.method, diff)
		}
	}
	if n := task.WrapNotification(mcpwire.Notification{Method: task.MethodStatus}, upper); n.Params != nil {
		t.Errorf("params came of none: %s", n.Params)
	}
}

func TestWrapRelated(t *testing.T) {
	t.Parallel()
	in := `{"message":"?","_meta":{"io.modelcontextprotocol/related-task":{"taskId":"a"},"taskId":"no"},"taskId":"no"}`
	if got, want := string(task.WrapRelated([]byte(in), upper)), strings.Replace(in, `"a"`, `"<\"A\">"`, 1); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// methods are those whose results are rewritten differently.
var methods = []string{mcpwire.MethodToolsCall, task.MethodGet, task.MethodResult, task.MethodList, task.MethodCancel, task.MethodUpdate, mcpwire.MethodPromptsGet}

// FuzzWrapResult shows that of any result comes JSON that differs in task ids alone,
// that nothing comes of nothing, and that the way back leads to the beginning.
func FuzzWrapResult(f *testing.F) {
	for _, s := range []string{
		`{"task":{"taskId":"a"}}`, `{"resultType":"task","taskId":"a"}`, `{"tasks":[{"taskId":"a"},{"taskId":"b"}]}`,
		`{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"a"}}}`, `{"content":[],"task":{"taskId":"a"}}`,
		`{"taskId":"\ud83d\ude00","inputRequests":{"q":{"params":{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"c"}}}}},"result":{}}`,
		`{}`, ` [1,{"taskId":2}] `, `{"taskId":"a","taskId":"a"}`, `{"task":[]}`, `{"tasks":7}`,
	} {
		for i := range methods {
			f.Add([]byte(s), uint8(i))
		}
	}
	f.Fuzz(func(t *testing.T, result []byte, m uint8) {
		method := methods[int(m)%len(methods)]
		asked := 0
		mark := func(id string) string { asked++; return "~" + id }
		if jsonscan.Valid(result) != nil {
			task.WrapResult(method, result, mark) // must only return
			return
		}
		out := task.WrapResult(method, result, mark)
		if err := jsonscan.Valid(out); err != nil {
			t.Fatalf("%s of %s: %v", out, result, err)
		}
		if asked == 0 && !bytes.Equal(out, result) {
			t.Fatalf("%s came of %s, which has no task", out, result)
		}
		if asked > 0 && !bytes.Contains(result, []byte("taskId")) && !bytes.Contains(result, []byte(`\`)) {
			t.Fatalf("a task was found in %s", result)
		}
		back := task.WrapResult(method, out, func(id string) string { return strings.TrimPrefix(id, "~") })
		var before, after any
		if json.Unmarshal(result, &before) != nil {
			return // numbers beyond a float64 are not this test's matter
		}
		if err := json.Unmarshal(back, &after); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, after); diff != "" {
			t.Fatalf("%s does not lead back: %s", out, diff)
		}
	})
}
