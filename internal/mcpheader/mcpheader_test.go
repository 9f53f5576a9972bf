package mcpheader_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"drawbridge/internal/mcpheader"
)

// The first five rows are the examples of the specification.
var headerValues = []struct{ text, header string }{
	{"us-west1", "us-west1"},
	{"Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="},
	{" padded ", "=?base64?IHBhZGRlZCA=?="},
	{"line1\nline2", "=?base64?bGluZTEKbGluZTI=?="},
	{"=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="},
	{"", "=?base64??="},
	{"a b", "a b"},
	{"a\tb", "=?base64?YQli?="},
	{"\x7f", "=?base64?fw==?="},
	{"\x00", "=?base64?AA==?="},
	{"a\r\nMcp-Method: x", "=?base64?YQ0KTWNwLU1ldGhvZDogeA==?="},
	{"=?BASE64?QQ==?=", "=?BASE64?QQ==?="},
	{"=?base64?QQ==", "=?base64?QQ=="},
	{"file:///a/b.json?x=1&y=~", "file:///a/b.json?x=1&y=~"},
}

func TestEncode(t *testing.T) {
	t.Parallel()
	for _, v := range headerValues {
		if got := mcpheader.Encode(v.text); got != v.header {
			t.Errorf("encode %q: %q, want %q", v.text, got, v.header)
		}
		if got, ok := mcpheader.Decode(v.header); !ok || got != v.text {
			t.Errorf("decode %q: %q, %v, want %q", v.header, got, ok, v.text)
		}
	}
}

func TestDecode(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in, want string
		ok       bool
	}{
		{"", "", true},
		{"a\tb", "a\tb", true},
		{"=?base64?=", "=?base64?=", true}, // the marks overlap: nothing between them
		{"=?base64?QQ?=", "", false},       // no padding
		{"=?base64?QR==?=", "", false},     // bits left over
		{"=?base64?Q Q=?=", "", false},
		{"=?base64?_-8=?=", "", false}, // the other alphabet
		{"=?base64?/w==?=", "", false}, // not UTF-8
		{"caf\u00e9", "", false},
		{"caf\xe9", "", false},
		{"a\x00", "", false},
		{"a\nb", "", false},
	}
	for _, tt := range tests {
		if got, ok := mcpheader.Decode(tt.in); got != tt.want || ok != tt.ok {
			t.Errorf("%q: %q, %v, want %q, %v", tt.in, got, ok, tt.want, tt.ok)
		}
	}
}

func FuzzHeader(f *testing.F) {
	for _, v := range headerValues {
		f.Add(v.text)
		f.Add(v.header)
	}
	f.Fuzz(func(t *testing.T, s string) {
		header := mcpheader.Encode(s)
		if header == "" || strings.TrimSpace(header) != header || strings.ContainsFunc(header, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Fatalf("encode %q: %q is no header value", s, header)
		}
		if got, ok := mcpheader.Decode(header); ok != utf8.ValidString(s) || ok && got != s {
			t.Errorf("%q came back as %q, %v", s, got, ok)
		}
		if text, ok := mcpheader.Decode(s); ok && !utf8.ValidString(text) {
			t.Errorf("decode %q: %q is not UTF-8", s, text)
		}
	})
}
