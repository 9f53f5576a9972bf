package shelf_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/servers/kit/output"
	"drawbridge/internal/servers/kit/shelf"
)

// who is what these tests know of a call.
type who string

type (
	resource = shelf.Resource[who]
	template = shelf.Template[who]
	prompt   = shelf.Prompt[who]
)

func read(_ context.Context, w who) (output.Content, error) {
	return output.Content{Text: "for " + string(w)}, nil
}

func readNote(_ context.Context, _ who, vars map[string]string) (output.Content, error) {
	return output.Content{Text: vars["id"], MIMEType: "text/markdown"}, nil
}

func render(context.Context, who, map[string]string) ([]output.Message, error) { return nil, nil }

func suggest(context.Context, who, string, string) ([]string, error) { return []string{"x"}, nil }

func made(t *testing.T) *shelf.Shelf[who] {
	t.Helper()
	s, err := shelf.New(
		[]resource{{URI: "notes://all", Name: "all", MIMEType: "text/plain", Read: read}},
		[]template{{URITemplate: "notes://note/{id}", Name: "note", Read: readNote, Complete: suggest,
			List: func(context.Context, who) ([]shelf.Listed, error) {
				return []shelf.Listed{{URI: "notes://note/1", Name: "1"}}, nil
			}}},
		[]prompt{{Name: "greet", Arguments: []shelf.Argument{{Name: "who", Required: true}}, Render: render}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestReader(t *testing.T) {
	t.Parallel()
	s := made(t)
	for uri, want := range map[string]output.Content{
		"notes://all":        {Text: "for ann", MIMEType: "text/plain"},
		"notes://note/a%20b": {Text: "a b", MIMEType: "text/markdown"},
	} {
		got, err := s.Reader(uri)(t.Context(), "ann")
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", uri, err, diff)
		}
	}
	if s.Reader("notes://other") != nil {
		t.Error("something reads what there is not")
	}
}

func TestCompleter(t *testing.T) {
	t.Parallel()
	s := made(t)
	for _, c := range []struct {
		kind, target string
		known, some  bool
	}{
		{"ref/resource", "notes://note/{id}", true, true},
		{"ref/resource", "notes://all", true, false},
		{"ref/resource", "notes://other", false, false},
		{"ref/prompt", "greet", true, false},
		{"ref/prompt", "notes://note/{id}", false, false},
		{"ref/tool", "greet", false, false},
	} {
		if suggest, known := s.Completer(c.kind, c.target); known != c.known || (suggest != nil) != c.some {
			t.Errorf("%s %s: known %v, suggests %v", c.kind, c.target, known, suggest != nil)
		}
	}
	if !s.Completes() {
		t.Error("nothing is completed")
	}
}

func TestLists(t *testing.T) {
	t.Parallel()
	s := made(t)
	found, err := s.Found(t.Context(), "ann")
	if err != nil || len(found) != 1 || len(s.Fixed()) != 1 {
		t.Errorf("%v and %v, %v", s.Fixed(), found, err)
	}
	for got, want := range map[string]string{
		string(output.List("resources", s.Fixed(), "next", output.Own)): `{"resultType":"complete","resources":[{"uri":"notes://all","name":"all","mimeType":"text/plain"}],"nextCursor":"next","ttlMs":60000,"cacheScope":"private"}`,
		string(s.Templates()): `{"resultType":"complete","resourceTemplates":[{"uriTemplate":"notes://note/{id}","name":"note"}],"ttlMs":300000,"cacheScope":"public"}`,
		string(s.Prompts()):   `{"resultType":"complete","prompts":[{"name":"greet","arguments":[{"name":"who","required":true}]}],"ttlMs":300000,"cacheScope":"public"}`,
	} {
		if got != want {
			t.Errorf("%s\nnot\n%s", got, want)
		}
	}
	bad := errors.New("no disk")
	failing, err := shelf.New(nil, []template{{URITemplate: "notes://{id}", Name: "n", Read: readNote,
		List: func(context.Context, who) ([]shelf.Listed, error) { return nil, bad }}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := failing.Found(t.Context(), "ann"); !errors.Is(err, bad) {
		t.Errorf("%v", err)
	}
	if empty, err := shelf.New[who](nil, nil, nil); err != nil || empty.HasResources() || empty.HasPrompts() || empty.Completes() {
		t.Errorf("an empty shelf has something: %v", err)
	}
}

func TestNew_refuses(t *testing.T) {
	t.Parallel()
	one, family := resource{URI: "a://a", Name: "a", Read: read}, template{URITemplate: "a://{id}", Name: "a", Read: readNote}
	greet := prompt{Name: "greet", Render: render}
	for says, c := range map[string]struct {
		r []resource
		t []template
		p []prompt
	}{
		`resource "a://a"`: {r: []resource{one, one}},
		`resource ""`:      {r: []resource{{Name: "a", Read: read}}},
		`resource "b://b"`: {r: []resource{{URI: "b://b", Name: "b"}}},
		`template "a://{id}": incomplete or twice`: {t: []template{family, family}},
		`template "b://{id}"`:                      {t: []template{{URITemplate: "b://{id}", Name: "b"}}},
		`template "{id}"`:                          {t: []template{{URITemplate: "{id}", Name: "b", Read: readNote}}},
		`prompt "greet"`:                           {p: []prompt{greet, greet}},
		`prompt "other"`:                           {p: []prompt{{Name: "other"}}},
	} {
		if _, err := shelf.New(c.r, c.t, c.p); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
}
