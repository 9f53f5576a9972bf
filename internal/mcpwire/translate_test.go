package mcpwire_test

import (
	"strings"
	"testing"

	"drawbridge/internal/mcpwire"
)

func TestForClient_results(t *testing.T) {
	t.Parallel()
	const call, read = mcpwire.MethodToolsCall, mcpwire.MethodResourcesRead
	tests := []struct {
		name            string
		client, backend mcpwire.Revision
		method, in      string
		want            string
	}{
		{"same revision", mcpwire.Rev20251125, mcpwire.Rev20251125, call, `{ "content":[{"type":"video"}] }`, `{ "content":[{"type":"video"}] }`},
		{"modern pair", mcpwire.Rev20260728, mcpwire.Rev20260728, call, `{"x":1}`, `{"x":1}`},
		{"to modern", mcpwire.Rev20260728, mcpwire.Rev20251125, call, `{"content":[],"big":9007199254740993}`, `{"resultType":"complete","content":[],"big":9007199254740993}`},
		{"empty to modern", mcpwire.Rev20260728, mcpwire.Rev20251125, call, `{}`, `{"resultType":"complete"}`},
		{"read to modern", mcpwire.Rev20260728, mcpwire.Rev20251125, read, `{"contents":[]}`, `{"resultType":"complete","ttlMs":0,"cacheScope":"private","contents":[]}`},
		{"stray resultType", mcpwire.Rev20260728, mcpwire.Rev20251125, call, `{"resultType":"x","a":1}`, `{"resultType":"complete","a":1}`},
		{"array output for a legacy client", mcpwire.Rev20251125, mcpwire.Rev20260728, call,
			`{"content":[],"structuredContent":[1,2]}`, `{"content":[{"type":"text","text":"[1,2]"}]}`},
		{"array output with its text", mcpwire.Rev20251125, mcpwire.Rev20260728, call,
			`{"content":[{"type":"text","text":"t"}],"structuredContent":[1]}`, `{"content":[{"type":"text","text":"t"}]}`},
		{"object output stays", mcpwire.Rev20251125, mcpwire.Rev20260728, call,
			`{"resultType":"complete","structuredContent":{"a":1},"content":[]}`, `{"resultType":"complete","structuredContent":{"a":1},"content":[]}`},
		{"link for 2025-03-26", mcpwire.Rev20250326, mcpwire.Rev20251125, call,
			`{"content":[{"type":"resource_link","uri":"a://b","name":"B"},{"type":"image","data":""}]}`,
			`{"content":[{"type":"text","text":"B: a://b"},{"type":"image","data":""}]}`},
		{"audio for 2024-11-05", mcpwire.Rev20241105, mcpwire.Rev20251125, call,
			`{"content":[{"type":"audio","mimeType":"audio/wav","data":""}]}`,
			`{"content":[{"type":"text","text":"[audio content, audio/wav: this client's protocol revision cannot carry it]"}]}`},
		{"audio stays for 2025-03-26", mcpwire.Rev20250326, mcpwire.Rev20251125, call,
			`{"content":[{"type":"audio","data":""}]}`, `{"content":[{"type":"audio","data":""}]}`},
		{"prompt link", mcpwire.Rev20250326, mcpwire.Rev20251125, mcpwire.MethodPromptsGet,
			`{"messages":[{"role":"user","content":{"type":"resource_link","uri":"a://b"}}],"x":1}`,
			`{"messages":[{"role":"user","content":{"type":"text","text":"a://b"}}],"x":1}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := mcpwire.Done(tt.backend, []byte(tt.in))
			mcpwire.ForClient(tt.client, tt.method, &o)
			if got := string(o.Result.Bytes); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestForClient_errors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		client   mcpwire.Revision
		in, want int
	}{
		{mcpwire.Rev20260728, mcpwire.CodeResourceNotFound, mcpwire.CodeInvalidParams},
		{mcpwire.Rev20251125, mcpwire.CodeResourceNotFound, mcpwire.CodeResourceNotFound},
		{mcpwire.Rev20251125, mcpwire.CodeMissingCapability, mcpwire.CodeInternal},
		{mcpwire.Rev20260728, mcpwire.CodeMissingCapability, mcpwire.CodeMissingCapability},
	}
	for _, tt := range tests {
		o := mcpwire.Fail(mcpwire.Errorf(tt.in, "m"))
		mcpwire.ForClient(tt.client, "x", &o)
		if o.Err.Code != tt.want {
			t.Errorf("%s, %d: got %d, want %d", tt.client, tt.in, o.Err.Code, tt.want)
		}
	}
}

func TestToolForLegacy(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, want string }{
		{`{"name":"a","outputSchema":{"type":"object"}}`, `{"name":"a","outputSchema":{"type":"object"}}`},
		{`{"name":"a","outputSchema":{"type":"array"},"z":1}`, `{"name":"a","z":1}`},
		{`{"name":"a","outputSchema":{"anyOf":[]}}`, `{"name":"a"}`},
	}
	for _, tt := range tests {
		if got := string(mcpwire.ToolForLegacy([]byte(tt.in))); got != tt.want {
			t.Errorf("ToolForLegacy(%s) = %s, want %s", tt.in, got, tt.want)
		}
	}
}

func TestToolWithoutTasks(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, want string }{
		{`{"name":"a","execution":{"taskSupport":"required"}}`, `{"name":"a"}`},
		{`{"name":"a","execution":{"taskSupport":"required","x":1}}`, `{"name":"a","execution":{"x":1}}`},
		{`{"name":"a","execution":{"x":1}}`, `{"name":"a","execution":{"x":1}}`},
	}
	for _, tt := range tests {
		if got := string(mcpwire.ToolWithoutTasks([]byte(tt.in))); got != tt.want {
			t.Errorf("ToolWithoutTasks(%s) = %s, want %s", tt.in, got, tt.want)
		}
	}
}

func TestCapabilities_roundTrip(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in   string
		rev  mcpwire.Revision
		want string
	}{
		{`{"elicitation":{}}`, mcpwire.Rev20251125, `{"elicitation":{}}`},
		{`{"elicitation":{"url":{}}}`, mcpwire.Rev20251125, `{"elicitation":{"url":{}}}`},
		{`{"elicitation":{"url":{}}}`, mcpwire.Rev20250618, `{}`},
		{`{"elicitation":{"form":{},"url":{}}}`, mcpwire.Rev20260728, `{"elicitation":{"form":{},"url":{}}}`},
		{`{"elicitation":{}}`, mcpwire.Rev20250326, `{}`},
		{`{"sampling":{"tools":{}},"roots":{"listChanged":true}}`, mcpwire.Rev20260728, `{"sampling":{"tools":{}},"roots":{}}`},
		{`{"sampling":{"tools":{}}}`, mcpwire.Rev20250618, `{"sampling":{}}`},
		{`{"tasks":{}}`, mcpwire.Rev20251125, `{}`},
		{`{"extensions":{"a/b":{"n":9007199254740993}},"roots":{}}`, mcpwire.Rev20251125, `{"roots":{"listChanged":true},"extensions":{"a/b":{"n":9007199254740993}}}`},
		{`{"extensions":{"a/b":{}}}`, mcpwire.Rev20260728, `{"extensions":{"a/b":{}}}`},
		{`{"extensions":{"a/b":{}}}`, mcpwire.Rev20250618, `{}`},
		{`{"extensions":{"a/b":"` + strings.Repeat("x", 2<<10) + `"}}`, mcpwire.Rev20251125, `{}`},
	}
	for _, tt := range tests {
		got := string(mcpwire.EncodeCapabilities(mcpwire.DecodeCapabilities([]byte(tt.in)), tt.rev))
		if got != tt.want {
			t.Errorf("%s for %s: got %s, want %s", tt.in, tt.rev, got, tt.want)
		}
	}
}
