package memory_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"drawbridge/internal/mcpwire"
	"drawbridge/internal/servers/kittest"
	"drawbridge/internal/servers/memory"
	"drawbridge/internal/tables"
)

func ofFile(name, more string) string {
	return `{"projectName":"p","fileName":"` + name + `"` + more + `}`
}

func content(t *testing.T, c *kittest.Client, name string) string {
	t.Helper()
	return c.Must(t, "memory_bank_read", ofFile(name, ""), nil).Text
}

func TestAWriteThatExistsKeepsTheContent(t *testing.T) {
	t.Parallel()
	kittest.Each(t, memory.Name, func(t *testing.T, db tables.DB) {
		c := client(t, db, "admin")
		c.Must(t, "memory_bank_write", ofFile("f.md", `,"content":"first"`), nil)
		text := c.Refused(t, "memory_bank_write", ofFile("f.md", `,"content":"second"`))
		var e struct{ Name, Error string }
		if err := json.Unmarshal([]byte(text), &e); err != nil || e.Name != "InvalidParamError" || !strings.Contains(e.Error, "memory_bank_update") {
			t.Errorf("the refusal is %s", text)
		}
		if got := content(t, c, "f.md"); got != "first" {
			t.Errorf("the content is %q", got)
		}
	})
}

func TestVersions(t *testing.T) {
	t.Parallel()
	kittest.Each(t, memory.Name, func(t *testing.T, db tables.DB) {
		c := client(t, db, "admin")
		var f struct{ Version, Bytes int }
		c.Must(t, "memory_bank_append", ofFile("f.md", `,"content":"one"`), &f)
		c.Must(t, "memory_bank_append", ofFile("f.md", `,"content":"two"`), &f)
		if got := content(t, c, "f.md"); got != "one\ntwo" || f.Version != 2 || f.Bytes != 7 {
			t.Errorf("appended: %q, %+v", got, f)
		}
		if text := c.Refused(t, "memory_bank_append", ofFile("f.md", `,"content":"three","expected_version":1`)); !strings.Contains(text, "version 2") {
			t.Errorf("a version that is over: %s", text)
		}
		c.Must(t, "memory_bank_update", ofFile("f.md", `,"content":"three"`), nil)
		var h struct {
			Deleted  bool
			Content  string
			Versions []struct {
				Version int
				Current bool
			}
		}
		c.Must(t, "memory_bank_history", ofFile("f.md", `,"version":1`), &h)
		if got := fmt.Sprint(h.Versions); got != "[{3 true} {2 false} {1 false}]" || h.Content != "one" || h.Deleted {
			t.Errorf("history %+v", h)
		}
		c.Must(t, "memory_bank_restore", ofFile("f.md", `,"version":2`), &f)
		if got := content(t, c, "f.md"); got != "one\ntwo" || f.Version != 4 {
			t.Errorf("restored: %q, %+v", got, f)
		}
		c.Refused(t, "memory_bank_restore", ofFile("f.md", ""))
		c.Refused(t, "memory_bank_delete", ofFile("f.md", `,"expected_version":1`))
		c.Must(t, "memory_bank_delete", ofFile("f.md", ""), nil)
		c.Must(t, "memory_bank_delete", ofFile("f.md", ""), nil) // idempotent
		c.Refused(t, "memory_bank_read", ofFile("f.md", ""))
		if r := c.Must(t, "list_projects", ``, nil); r.Text != "" {
			t.Errorf("projects: %q", r.Text)
		}
		h.Versions = nil
		c.Must(t, "memory_bank_history", ofFile("f.md", ""), &h)
		if !h.Deleted || h.Versions[0].Current {
			t.Errorf("history of a deleted file: %+v", h)
		}
		c.Must(t, "memory_bank_restore", ofFile("f.md", ""), nil)
		if got := content(t, c, "f.md"); got != "one\ntwo" {
			t.Errorf("undeleted: %q", got)
		}
		c.Must(t, "memory_bank_delete", ofFile("f.md", ""), nil)
		c.Must(t, "memory_bank_write", ofFile("f.md", `,"content":"again"`), nil)
		c.Must(t, "memory_bank_delete", ofFile("f.md", ""), nil)
		c.Must(t, "memory_bank_append", ofFile("f.md", `,"content":"fresh"`), nil)
		if got := content(t, c, "f.md"); got != "fresh" {
			t.Errorf("appended to a deleted file: %q", got)
		}
		for i := range 60 {
			c.Must(t, "memory_bank_update", ofFile("f.md", fmt.Sprintf(`,"content":"v%d"`, i)), nil)
		}
		var pages struct{ Total int }
		c.Must(t, "memory_bank_history", ofFile("f.md", ""), &pages)
		if pages.Total != 51 {
			t.Errorf("%d versions are kept, want the current and 50", pages.Total)
		}
	})
}

func TestPatch(t *testing.T) {
	t.Parallel()
	const doc = "# Title\n\nintro\n\n## Goals\n\nold\n\n### Detail\n\ndeep\n\n```\n## Not a heading\n```\n\n## Next\n\nlast"
	cases := []struct{ name, section, content, want string }{
		{"with what is below it", "goals", "new\nlines", "# Title\n\nintro\n\n## Goals\n\nnew\nlines\n\n## Next\n\nlast"},
		{"the last one", "Next", "end\n", "# Title\n\nintro\n\n## Goals\n\nold\n\n### Detail\n\ndeep\n\n```\n## Not a heading\n```\n\n## Next\n\nend\n"},
		{"the first one", "Title", "", "# Title\n\n\n"},
	}
	c := client(t, kittest.Engines(memory.Name)[0].Open(t), "admin")
	for i, tc := range cases {
		name := fmt.Sprintf("f%d.md", i)
		c.Must(t, "memory_bank_write", ofFile(name, `,"content":`+jsonText(t, doc)), nil)
		c.Must(t, "memory_bank_patch", ofFile(name, `,"section":"`+tc.section+`","content":`+jsonText(t, tc.content)), nil)
		if got := content(t, c, name); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
	text := c.Refused(t, "memory_bank_patch", ofFile("f0.md", `,"section":"Not a heading","content":"x"`))
	if !strings.Contains(text, "Title; Goals; Next") {
		t.Errorf("an unknown heading: %s", text)
	}
	c.Must(t, "memory_bank_append", ofFile("f0.md", `,"content":"## Goals"`), nil)
	c.Refused(t, "memory_bank_patch", ofFile("f0.md", `,"section":"Goals","content":"x"`))
}

func TestParallelAppendsAreAllKept(t *testing.T) {
	t.Parallel()
	kittest.Each(t, memory.Name, func(t *testing.T, db tables.DB) {
		c := client(t, db, "admin")
		var calls sync.WaitGroup
		for range 30 {
			calls.Go(func() {
				if r := c.Call(t, "memory_bank_append", ofFile("f.md", `,"content":"line"`)); r.IsError {
					t.Error(r.Text)
				}
			})
		}
		calls.Wait()
		if n := strings.Count(content(t, c, "f.md"), "line"); n != 30 {
			t.Errorf("%d lines are kept, want 30", n)
		}
	})
}

func TestFileResources(t *testing.T) {
	t.Parallel()
	kittest.Each(t, memory.Name, func(t *testing.T, db tables.DB) {
		c := client(t, db, "admin")
		c.Must(t, "memory_bank_write", ofFile("b.md", `,"content":"text b"`), nil)
		c.Must(t, "memory_bank_write", ofFile("projectbrief.md", `,"content":"the brief"`), nil)
		c.Must(t, "memory_bank_write", ofFile("a.md", `,"content":"text a"`), nil)
		if text, werr := c.Resource(t, "memorybank://p/b.md"); werr != nil || text != "text b" {
			t.Errorf("resource: %q, %v", text, werr)
		}
		for _, uri := range []string{"memorybank://p/none.md", "memorybank://p", "memorybank://p/a/b", "memorybank:///x", "memory://other"} {
			if _, werr := c.Resource(t, uri); werr == nil || werr.Code != mcpwire.CodeInvalidParams {
				t.Errorf("%s: %v", uri, werr)
			}
		}
		raw := string(c.Ask(t, mcpwire.MethodResourcesList, ``))
		if !strings.Contains(raw, `"uri":"memorybank://p/b.md"`) || strings.Count(raw, `"uri"`) != 4 {
			t.Errorf("list: %s", raw)
		}
		raw = string(c.Ask(t, mcpwire.MethodComplete, `{"ref":{"type":"ref/resource","uri":"memorybank://{project}/{file}"},"argument":{"name":"file","value":"p"}}`))
		if !strings.Contains(raw, `"values":["projectbrief.md"]`) {
			t.Errorf("completion: %s", raw)
		}
		raw = string(c.Ask(t, mcpwire.MethodPromptsGet, `{"name":"load_project_context","arguments":{"project":"p"}}`))
		brief, a := strings.Index(raw, "the brief"), strings.Index(raw, "text a")
		if brief < 0 || a < brief {
			t.Errorf("prompt: %s", raw)
		}
		if _, werr := c.Serve(t.Context(), t, mcpwire.MethodPromptsGet, `{"name":"load_project_context","arguments":{"project":"none"}}`); werr == nil {
			t.Error("the prompt of a project that does not exist")
		}
	})
}

func TestDeleteProject(t *testing.T) {
	t.Parallel()
	kittest.Each(t, memory.Name, func(t *testing.T, db tables.DB) {
		c := client(t, db, "admin")
		c.Must(t, "memory_bank_write", ofFile("a.md", `,"content":"a"`), nil)
		c.Must(t, "memory_bank_write", ofFile("b.md", `,"content":"b"`), nil)
		var out struct{ Deleted []string }
		c.Must(t, "memory_bank_delete_project", `{"projectName":"p"}`, &out)
		if len(out.Deleted) != 2 {
			t.Errorf("deleted %v", out.Deleted)
		}
		var journal struct{ Changes []struct{ Change int } }
		c.Must(t, "memory_changes", `{"limit":1}`, &journal)
		c.Must(t, "memory_restore", fmt.Sprintf(`{"change":%d}`, journal.Changes[0].Change), nil)
		if got := content(t, c, "b.md"); got != "b" {
			t.Errorf("restored: %q", got)
		}
	})
}
