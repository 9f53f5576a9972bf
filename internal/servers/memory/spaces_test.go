package memory_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/mcpwire"
	"drawbridge/internal/servers/kittest"
	"drawbridge/internal/servers/memory"
	"drawbridge/internal/tables"
)

// Spaces of a user are apart in everything, also in tools that keep a contract and
// do not list the argument.
func TestSpacesAreApart(t *testing.T) {
	t.Parallel()
	kittest.Each(t, memory.Name, func(t *testing.T, db tables.DB) {
		c := client(t, db, "ann")
		in := func(space, args string) string { return strings.TrimSuffix(args, "}") + `,"space":"` + space + `"}` }
		entity := func(name string) string {
			return `{"entities":[{"name":"` + name + `","entityType":"t","observations":["tea"]}]}`
		}
		told := c.Watch(t, mcpwire.Filter{Resources: []string{"memory://knowledge-graph", "memorybank://p/f.md"}, ResourcesChanged: true})
		c.Must(t, "create_entities", in("work", entity("desk")), nil)
		c.Must(t, "memory_bank_append", in("work", `{"projectName":"p","fileName":"f.md","content":"tea"}`), nil)
		c.Must(t, "create_entities", entity("home"), nil)
		if first := <-told; !strings.Contains(first, "knowledge-graph") || len(told) != 0 {
			t.Errorf("a change in a space is told as one of a resource: %s and %d more", first, len(told))
		}
		for space, want := range map[string]string{"": "home", "work": "desk", "none": ""} {
			g := c.Must(t, "read_graph", `{"space":"`+space+`"}`, nil).Text
			for _, name := range []string{"home", "desk"} {
				if strings.Contains(g, name) != (name == want) {
					t.Errorf("the graph of space %q: %s", space, g)
				}
			}
		}
		if r := c.Must(t, "memory_search", `{"query":"tea"}`, nil); strings.Contains(r.Text, "desk") || strings.Contains(r.Text, "f.md") {
			t.Errorf("a search finds another space: %s", r.Text)
		}
		if r := c.Must(t, "memory_search", `{"query":"tea","space":"work"}`, nil); !strings.Contains(r.Text, "desk") || !strings.Contains(r.Text, "f.md") {
			t.Errorf("a search in a space: %s", r.Text)
		}
		if list := string(c.Ask(t, mcpwire.MethodResourcesList, "")); strings.Contains(list, "f.md") {
			t.Errorf("a file of a space is a resource: %s", list)
		}
		c.Refused(t, "memory_restore", `{"change":1}`) // made in a space
		bob := kittest.NewClient(c.Server, "bob")
		bob.Must(t, "create_entities", in("work", entity("bobs")), nil)
		kittest.NewClient(c.Server, "an").Must(t, "create_entities", in("n", entity("other")), nil) // "an" + "n" is not "ann"
		want := `{"spaces":[{"space":"","entities":1,"files":0},{"space":"work","entities":1,"files":1}],"total":2}`
		if r := c.Must(t, "memory_spaces", `{}`, nil); r.Text != want {
			t.Errorf("spaces: %s", r.Text)
		}
		for _, bad := range []string{`"a b"`, `"\u001f"`, `7`, `"` + strings.Repeat("x", 65) + `"`} {
			if text := c.Refused(t, "read_graph", `{"space":`+bad+`}`); !strings.Contains(text, "space") {
				t.Errorf("space %s: %s", bad, text)
			}
		}
	})
}

// The quota is the user's, whatever the space, also after it was counted anew.
func TestQuotaOverSpaces(t *testing.T) {
	t.Parallel()
	s := suite()
	s.Settings = map[string]string{"quota_mb": "1"}
	kittest.Each(t, memory.Name, func(t *testing.T, db tables.DB) {
		big := strings.Repeat("0123456789abcdef", 500<<10/16)
		write := func(space string) kittest.Result {
			srv, _ := s.Open(t, db, true) // which counts
			return kittest.NewClient(srv, "ann").Call(t, "memory_bank_append", fmt.Sprintf(`{"projectName":"p","fileName":"f","content":"%s","space":"%s"}`, big, space))
		}
		for _, space := range []string{"", "work"} {
			if r := write(space); r.IsError {
				t.Fatal(r.Text)
			}
		}
		if r := write("third"); !r.IsError || !strings.Contains(r.Text, "full") {
			t.Errorf("beyond the quota: %s", r.Text)
		}
	})
}

func TestReadGraphInPages(t *testing.T) {
	t.Parallel()
	c := client(t, kittest.Engines(memory.Name)[0].Open(t), "ann")
	for i := range 5 {
		c.Must(t, "create_entities", fmt.Sprintf(`{"entities":[{"name":"e%d","entityType":"t","observations":[]}]}`, i), nil)
	}
	c.Must(t, "create_relations", `{"relations":[{"from":"e0","to":"e1","relationType":"r"},{"from":"e1","to":"e2","relationType":"r"}]}`, nil)
	type page struct {
		Entities   []struct{ Name string }
		Relations  []struct{ From, To string }
		NextCursor string `json:"next_cursor"`
	}
	var got []string
	cursor := ""
	for range 10 {
		var p page
		c.Must(t, "read_graph", `{"limit":3,"cursor":"`+cursor+`"}`, &p)
		if n := len(p.Entities) + len(p.Relations); n > 3 {
			t.Fatalf("a page of %d", n)
		}
		for _, e := range p.Entities {
			got = append(got, e.Name)
		}
		for _, r := range p.Relations {
			got = append(got, r.From+">"+r.To)
		}
		if cursor = p.NextCursor; cursor == "" {
			break
		}
	}
	if diff := cmp.Diff([]string{"e0", "e1", "e2", "e3", "e4", "e0>e1", "e1>e2"}, got); diff != "" {
		t.Error(diff)
	}
	c.Refused(t, "read_graph", `{"cursor":"x"}`)
	if whole := c.Must(t, "read_graph", `{}`, nil); strings.Contains(whole.Text, "next_cursor") {
		t.Errorf("the whole graph has a cursor: %s", whole.Text)
	}
}

// What is exported can be imported by somebody else, file by file the same.
func TestBankRoundTrip(t *testing.T) {
	t.Parallel()
	kittest.Each(t, memory.Name, func(t *testing.T, db tables.DB) {
		c := client(t, db, "ann")
		want := map[string]string{}
		for i := range 7 {
			name, content := fmt.Sprintf("f%d.md", i), strings.Repeat(fmt.Sprintf("é\n%d ", i), 1000)
			want["p/"+name] = content
			quoted, _ := json.Marshal(content)
			c.Must(t, "memory_bank_write", `{"projectName":"p","fileName":"`+name+`","content":`+string(quoted)+`}`, nil)
		}
		type file struct {
			ProjectName string `json:"projectName"`
			FileName    string `json:"fileName"`
			Content     string `json:"content"`
		}
		bob := kittest.NewClient(c.Server, "bob")
		for cursor, pages := "", 0; ; pages++ {
			var p struct {
				Files      []file
				NextCursor string `json:"next_cursor"`
			}
			c.Must(t, "memory_bank_export", `{"projectName":"p","cursor":"`+cursor+`"}`, &p)
			args, _ := json.Marshal(map[string]any{"files": p.Files})
			bob.Must(t, "memory_bank_import", string(args), nil)
			if cursor = p.NextCursor; cursor == "" {
				if pages == 0 {
					t.Error("42 kB came in one page")
				}
				break
			}
		}
		got := map[string]string{}
		for path := range want {
			_, name, _ := strings.Cut(path, "/")
			got[path] = bob.Must(t, "memory_bank_read", `{"projectName":"p","fileName":"`+name+`"}`, nil).Text
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		var again struct{ Files, Skipped int }
		bob.Must(t, "memory_bank_import", `{"files":[{"projectName":"p","fileName":"f0.md","content":"other"},{"projectName":"q","fileName":"n.md","content":"new"}]}`, &again)
		if again.Files != 1 || again.Skipped != 1 || strings.Contains(bob.Must(t, "memory_bank_read", `{"projectName":"p","fileName":"f0.md"}`, nil).Text, "other") {
			t.Errorf("%+v", again)
		}
	})
}

// What looks like a secret is kept, with a warning beside the answer of the
// contract. The ones here are made up.
func TestSecretsAreWarnedOf(t *testing.T) {
	t.Parallel()
	c := client(t, kittest.Engines(memory.Name)[0].Open(t), "ann")
	warned := func(tool, args string) bool {
		t.Helper()
		r := c.Must(t, tool, args, nil)
		return len(r.Blocks) == 1 && strings.HasPrefix(r.Blocks[0].Text, "Warning: ")
	}
	for i, text := range []string{"-----BEGIN OPENSSH PRIVATE KEY-----", "ghp_" + strings.Repeat("a", 36), "AKIA" + strings.Repeat("A", 16), "sk-" + strings.Repeat("b", 30)} {
		if !warned("create_entities", fmt.Sprintf(`{"entities":[{"name":"e%d","entityType":"t","observations":["x","%s"]}]}`, i, text)) ||
			!warned("add_observations", fmt.Sprintf(`{"observations":[{"entityName":"e%d","contents":["y %s"]}]}`, i, text)) ||
			!warned("memory_bank_write", fmt.Sprintf(`{"projectName":"p","fileName":"f%d","content":"%s"}`, i, text)) {
			t.Errorf("%q: no warning, or more than one", text)
		}
	}
	if warned("create_entities", `{"entities":[{"name":"plain","entityType":"t","observations":["the key is under the mat, sk-8"]}]}`) {
		t.Error("a warning about plain words")
	}
}
