package mcpwire_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/mcpwire"
)

func TestMember(t *testing.T) {
	t.Parallel()
	obj := []byte(` {"a":1,"o":{"x":[]},"s":"\u00e4","n":null}`)
	for name, want := range map[string]string{"a": "1", "o": `{"x":[]}`, "n": "null", "none": ""} {
		if got := string(mcpwire.Member(obj, name)); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
	if mcpwire.Member(nil, "a") != nil || mcpwire.Member([]byte("[]"), "a") != nil {
		t.Error("something is in nothing")
	}
	if mcpwire.ObjectMember(obj, "a") != nil || string(mcpwire.ObjectMember(obj, "o")) != `{"x":[]}` {
		t.Error("objects are told apart wrongly")
	}
	if s, ok := mcpwire.TextMember(obj, "s"); !ok || s != "ä" {
		t.Errorf("text: %q %v", s, ok)
	}
	if _, ok := mcpwire.TextMember(obj, "a"); ok {
		t.Error("a number is a text")
	}
}

func TestWithout(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ obj, want string }{
		{`{"a":1,"b":2,"c":3}`, `{"a":1,"c":3}`},
		{`{"\u0062":2}`, `{}`},
		{`{ "a" : 1 }`, `{ "a" : 1 }`},
	} {
		if got := string(mcpwire.Without([]byte(c.obj), "b", "d")); got != c.want {
			t.Errorf("%s: %s", c.obj, got)
		}
	}
}

func TestWithoutMeta(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ params, want string }{
		{`{"a":1,"_meta":{"k":5,"other":[1, 2]}}`, `{"a":1,"_meta":{"other":[1, 2]}}`},
		{`{"_meta":{"k":5},"a":1}`, `{"a":1}`},
		{`{"_meta":{"k":5}}`, `{}`},
		{`{"_meta":{},"a":1}`, `{"_meta":{},"a":1}`},
		{`{"_meta":7}`, `{"_meta":7}`},
		{`{"a":1}`, `{"a":1}`},
		{``, ``},
	} {
		if got := string(mcpwire.WithoutMeta([]byte(c.params), "k")); got != c.want {
			t.Errorf("%s: %s, want %s", c.params, got, c.want)
		}
	}
}

func TestFilter(t *testing.T) {
	t.Parallel()
	for _, f := range []mcpwire.Filter{
		{}, {ToolsChanged: true}, {PromptsChanged: true, Resources: []string{"a:b", `c:"d"`}},
		{ToolsChanged: true, PromptsChanged: true, ResourcesChanged: true, Resources: []string{"x:"}},
	} {
		params := append(f.Append([]byte(`{"notifications":`)), '}')
		got, there, fit := mcpwire.FilterOf(params)
		if diff := cmp.Diff(f, got); diff != "" || !there || !fit {
			t.Errorf("%s: there %v, fit %v, %s", params, there, fit, diff)
		}
		if f.Empty() != (string(params) == `{"notifications":{}}`) {
			t.Errorf("%s: empty is %v", params, f.Empty())
		}
	}
	for params, fits := range map[string]bool{
		`{"notifications":{"resourceSubscriptions":"a"}}`:          false,
		`{"notifications":{"resourceSubscriptions":["a",1]}}`:      false,
		`{"notifications":{"toolsListChanged":1,"other":["x",1]}}`: true,
	} {
		f, there, fit := mcpwire.FilterOf([]byte(params))
		if !there || fit != fits || f.ToolsChanged {
			t.Errorf("%s: %+v, there %v, fit %v", params, f, there, fit)
		}
	}
	for _, params := range []string{``, `{}`, `{"notifications":[]}`} {
		if _, there, _ := mcpwire.FilterOf([]byte(params)); there {
			t.Errorf("%q holds a filter", params)
		}
	}
}

func TestCaller_CanAnswer(t *testing.T) {
	t.Parallel()
	all := mcpwire.Capabilities{Elicitation: true, ElicitationURL: true, Sampling: true, SamplingTools: true, Roots: true}
	for _, c := range []struct {
		method, params string
		since          mcpwire.Revision
	}{
		{mcpwire.MethodRootsList, ``, mcpwire.Rev20241105},
		{mcpwire.MethodSample, `{"messages":[]}`, mcpwire.Rev20241105},
		{mcpwire.MethodSample, `{"tools":[]}`, mcpwire.Rev20251125},
		{mcpwire.MethodElicit, `{}`, mcpwire.Rev20250618},
		{mcpwire.MethodElicit, `{"mode":"url"}`, mcpwire.Rev20251125},
		{"something/else", `{}`, "9"},
	} {
		q := mcpwire.Question{Method: c.method, Params: []byte(c.params)}
		for _, rev := range []mcpwire.Revision{mcpwire.Rev20241105, mcpwire.Rev20250326, mcpwire.Rev20250618, mcpwire.Rev20251125} {
			if got := (&mcpwire.Caller{Revision: rev, Can: all}).CanAnswer(q); got != (rev >= c.since) {
				t.Errorf("%s %s in %s: %v", c.method, c.params, rev, got)
			}
			if (&mcpwire.Caller{Revision: rev}).CanAnswer(q) {
				t.Errorf("%s without a declaration in %s", c.method, rev)
			}
		}
	}
}

func TestSeverity(t *testing.T) {
	t.Parallel()
	if mcpwire.Severity("debug") != 0 || mcpwire.Severity("error") <= mcpwire.Severity("warning") || mcpwire.Severity("loud") != -1 {
		t.Error("levels are out of order")
	}
}
