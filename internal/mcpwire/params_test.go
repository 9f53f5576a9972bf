package mcpwire_test

import (
	"testing"

	"drawbridge/internal/mcpwire"
)

func mustRequest(t *testing.T, method, params string) *mcpwire.Request {
	t.Helper()
	var raw []byte
	if params != "" {
		raw = []byte(params)
	}
	r, err := mcpwire.NewRequest(method, mcpwire.Rev20260728, raw)
	if err != nil {
		t.Fatalf("NewRequest: %v", err)
	}
	return r
}

func TestAppendParams_changesOnlyWhatItIsTold(t *testing.T) {
	t.Parallel()
	version := mcpwire.MetaMember{Key: mcpwire.MetaVersion, Raw: []byte(`"2026-07-28"`)}
	tests := []struct {
		name, method, params, target string
		edit                         mcpwire.Edit
		want                         string
	}{
		{"nothing", "tools/call", `{"name":"a", "arguments":{"z":1.0,"a":9007199254740993}}`, "a", mcpwire.Edit{},
			`{"name":"a","arguments":{"z":1.0,"a":9007199254740993}}`},
		{"rename", "tools/call", `{"arguments":{"name":"a"},"name":"pre_a"}`, "a", mcpwire.Edit{},
			`{"arguments":{"name":"a"},"name":"a"}`},
		{"rename in ref", "completion/complete", `{"ref":{"type":"ref/prompt","name":"p_x"},"argument":{"name":"n","value":"v"}}`, "x", mcpwire.Edit{},
			`{"ref":{"type":"ref/prompt","name":"x"},"argument":{"name":"n","value":"v"}}`},
		{"token replaced", "tools/call", `{"name":"a","_meta":{"progressToken":"t","k":1}}`, "a", mcpwire.Edit{ProgressToken: []byte("7")},
			`{"name":"a","_meta":{"k":1,"progressToken":7}}`},
		{"token dropped, meta empty", "tools/call", `{"name":"a","_meta":{"progressToken":"t"}}`, "a", mcpwire.Edit{},
			`{"name":"a"}`},
		{"meta added", "tools/list", ``, "", mcpwire.Edit{SetMeta: []mcpwire.MetaMember{version}},
			`{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}`},
		{"meta added to params", "tools/call", `{"name":"a"}`, "a", mcpwire.Edit{SetMeta: []mcpwire.MetaMember{version}},
			`{"name":"a","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}`},
		{"meta replaced and dropped", "tools/call", `{"name":"a","_meta":{"io.modelcontextprotocol/protocolVersion":"x","drop":1,"keep":{"a":[1, 2]}}}`, "a",
			mcpwire.Edit{SetMeta: []mcpwire.MetaMember{version}, DropMeta: []string{"drop"}},
			`{"name":"a","_meta":{"keep":{"a":[1, 2]},"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}`},
		{"cursor dropped", "tools/list", `{"cursor":"c","x":1}`, "", mcpwire.Edit{DropCursor: true}, `{"x":1}`},
		{"retry dropped", "tools/call", `{"name":"a","requestState":"s","inputResponses":{}}`, "a", mcpwire.Edit{DropRetry: true}, `{"name":"a"}`},
		{"retry kept", "tools/call", `{"name":"a","requestState":"s","inputResponses":{}}`, "a", mcpwire.Edit{}, `{"name":"a","requestState":"s","inputResponses":{}}`},
		{"no params", "ping", ``, "", mcpwire.Edit{}, `{}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := mustRequest(t, tt.method, tt.params)
			r.Target = tt.target
			if got := string(r.AppendParams(nil, tt.edit)); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestNewRequest_refuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, method, params string }{
		{"no name", "tools/call", `{"arguments":{}}`},
		{"no params", "tools/call", ``},
		{"name is a number", "tools/call", `{"name":1}`},
		{"NUL in the name", "tools/call", `{"name":"a\u0000"}`},
		{"case of a member", "tools/call", `{"name":"a","Name":"b"}`},
		{"Kelvin sign", "tasks/get", `{"tas` + "\u212a" + `Id":"b"}`},
		{"token is a fraction", "tools/call", `{"name":"a","_meta":{"progressToken":1.5}}`},
		{"meta is a list", "tools/call", `{"name":"a","_meta":[]}`},
		{"cursor is a number", "tools/list", `{"cursor":1}`},
		{"an answer is a number", "tools/call", `{"name":"a","inputResponses":{"q":1}}`},
		{"answers are null", "tools/call", `{"name":"a","inputResponses":null}`},
		{"no uri", "resources/read", `{}`},
		{"no ref", "completion/complete", `{}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var raw []byte
			if tt.params != "" {
				raw = []byte(tt.params)
			}
			if _, err := mcpwire.NewRequest(tt.method, mcpwire.Rev20251125, raw); err == nil {
				t.Error("accepted")
			}
		})
	}
}

func TestReplaceProgressToken(t *testing.T) {
	t.Parallel()
	got := string(mcpwire.ReplaceProgressToken([]byte(`{"progress":1.0, "progressToken":12, "total":3}`), []byte(`"mine"`)))
	if want := `{"progress":1.0, "progressToken":"mine", "total":3}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
