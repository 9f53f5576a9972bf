package backend_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/internal/backend"
	"drawbridge/internal/mcpwire"
)

// pages serves lists: method and cursor to result.
func pages(rev mcpwire.Revision, answers map[string]string) func(context.Context, *fakePeer, *mcpwire.Request, mcpwire.Sink) mcpwire.Outcome {
	return func(_ context.Context, _ *fakePeer, req *mcpwire.Request, _ mcpwire.Sink) mcpwire.Outcome {
		if a, ok := answers[req.Method+" "+req.Cursor]; ok {
			return mcpwire.Done(rev, []byte(a))
		}
		return mcpwire.Fail(&mcpwire.Error{Code: mcpwire.CodeMethodNotFound, Raw: []byte(`{"code":-32601,"message":"no"}`)})
	}
}

func TestLists(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		info := modernInfo
		info.Capabilities = []byte(`{"tools":{},"resources":{}}`)
		d := &fakeDialer{info: info, serve: pages(mcpwire.Rev20260728, map[string]string{
			"tools/list ":     `{"tools":[{"name":"b","x":9007199254740993},{"name":"a"}],"nextCursor":"2","ttlMs":60000,"cacheScope":"public"}`,
			"tools/list 2":    `{"ttlMs":5000,"tools":[{"name":"c"},"not an object"],"cacheScope":"private"}`,
			"prompts/list ":   `{"prompts":[{"name":"not declared"}]}`,
			"resources/list ": `{"resources":[{"uri":"file:///a"}]}`,
		})}
		b, _ := start(t, d, backend.Config{})
		defer b.Stop(t.Context())
		got, err := b.Lists(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if s := fmt.Sprintf("%s", got.Tools); s != `[{"name":"b","x":9007199254740993} {"name":"a"} {"name":"c"}]` {
			t.Errorf("tools = %s", s)
		}
		if len(got.Prompts) != 0 || len(got.Resources) != 1 || len(got.Templates) != 0 {
			t.Errorf("prompts %s, resources %s, templates %s", got.Prompts, got.Resources, got.Templates)
		}
		if got.TTL != 5*time.Second || !got.Private || got.Info.Revision != mcpwire.Rev20260728 {
			t.Errorf("ttl %s, private %v", got.TTL, got.Private)
		}
		if s := b.Status(); s.Tools != 3 || s.Resources != 1 {
			t.Errorf("status = %+v", s)
		}
	})
}

func TestLists_cursorThatNeverEnds(t *testing.T) {
	t.Parallel()
	for name, next := range map[string]func(cursor string) string{
		"the same":    func(string) string { return "again" },
		"two in turn": func(c string) string { return map[string]string{"": "a", "a": "b", "b": "a"}[c] },
		"always new":  func(c string) string { return c + "x" },
	} {
		synctest.Test(t, func(t *testing.T) {
			asked := 0
			d := &fakeDialer{info: modernInfo}
			d.serve = func(_ context.Context, _ *fakePeer, req *mcpwire.Request, _ mcpwire.Sink) mcpwire.Outcome {
				if req.Method != mcpwire.MethodToolsList {
					return mcpwire.Done(mcpwire.Rev20260728, []byte(`{}`))
				}
				asked++
				return mcpwire.Done(mcpwire.Rev20260728, fmt.Appendf(nil, `{"tools":[{"name":"t%d"}],"nextCursor":%q}`, asked, next(req.Cursor)))
			}
			b, _ := start(t, d, backend.Config{})
			defer b.Stop(t.Context())
			got, err := b.Lists(t.Context())
			if err != nil || len(got.Tools) != asked || asked > 200 {
				t.Errorf("%s: %d tools after %d pages, %v", name, len(got.Tools), asked, err)
			}
			if name != "always new" && asked > 4 {
				t.Errorf("%s: %d pages read", name, asked)
			}
		})
	}
}

func TestLists_hugePage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDialer{info: modernInfo}
		d.serve = func(context.Context, *fakePeer, *mcpwire.Request, mcpwire.Sink) mcpwire.Outcome {
			out := mcpwire.Done(mcpwire.Rev20260728, []byte(`{"tools":["`))
			out.Result.Rest = &endless{}
			return out
		}
		b, _ := start(t, d, backend.Config{})
		defer b.Stop(t.Context())
		if _, err := b.Lists(t.Context()); err == nil || !strings.Contains(err.Error(), "larger than") {
			t.Errorf("err = %v", err)
		}
	})
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	return len(p), nil
}

func (endless) Close() error { return nil }

func TestLists_error(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDialer{info: legacyInfo}
		d.serve = func(context.Context, *fakePeer, *mcpwire.Request, mcpwire.Sink) mcpwire.Outcome {
			return mcpwire.Fail(&mcpwire.Error{Code: -32000, Message: "token hunter2", Raw: []byte(`{}`)})
		}
		b, _ := start(t, d, backend.Config{})
		defer b.Stop(t.Context())
		_, err := b.Lists(t.Context())
		if e := mcpwire.FromFault(err); err == nil || strings.Contains(e.Message, "hunter2") || !strings.Contains(e.Message, "files") {
			t.Errorf("public text is %q", e.Message)
		}
	})
}
