package memory_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/mcpwire"
	"drawbridge/internal/secret"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/kittest"
	"drawbridge/internal/servers/memory"
	"drawbridge/internal/tables"
)

type entity struct {
	Name         string
	EntityType   string
	Observations []string
}

type relation struct{ From, To, RelationType string }

type graph struct {
	Entities  []entity
	Relations []relation
}

func readGraph(t *testing.T, c *kittest.Client) (g graph) {
	t.Helper()
	c.Must(t, "read_graph", ``, &g)
	return g
}

func create(t *testing.T, c *kittest.Client, name string, observations ...string) {
	t.Helper()
	if observations == nil {
		observations = []string{}
	}
	args, err := json.Marshal(map[string]any{"entities": []any{map[string]any{"name": name, "entityType": "thing", "observations": observations}}})
	if err != nil {
		t.Fatal(err)
	}
	c.Must(t, "create_entities", string(args), nil)
}

// The reference server loses 49 of these.
func TestParallelCreatesAreAllKept(t *testing.T) {
	t.Parallel()
	kittest.Each(t, memory.Name, func(t *testing.T, db tables.DB) {
		c := client(t, db, "admin")
		var calls sync.WaitGroup
		for i := range 50 {
			calls.Go(func() {
				r := c.Call(t, "create_entities", fmt.Sprintf(`{"entities":[{"name":"same","entityType":"t","observations":[]},{"name":"n%d","entityType":"t","observations":["o"]}]}`, i))
				if r.IsError {
					t.Error(r.Text)
				}
			})
		}
		calls.Wait()
		if n := len(readGraph(t, c).Entities); n != 51 {
			t.Errorf("%d entities are kept, want 51", n)
		}
	})
}

func TestUsersAreApart(t *testing.T) {
	t.Parallel()
	const canary = "canary-77c1"
	kittest.Each(t, memory.Name, func(t *testing.T, db tables.DB) {
		srv, log := suite().Open(t, db, true)
		alice, bob := kittest.NewClient(srv, "alice"), kittest.NewClient(srv, "bob")
		create(t, alice, "A", canary)
		alice.Must(t, "memory_bank_write", `{"projectName":"p","fileName":"f.md","content":"`+canary+`"}`, nil)
		create(t, bob, "A", "bob's")
		seen := ""
		for tool, args := range map[string]string{
			"read_graph": ``, "search_nodes": `{"query":""}`, "open_nodes": `{"names":["A"]}`, "get_related": `{"name":"A"}`,
			"list_projects": ``, "list_project_files": `{"projectName":"p"}`, "memory_bank_read": `{"projectName":"p","fileName":"f.md"}`,
			"memory_bank_history": `{"projectName":"p","fileName":"f.md","version":1}`, "memory_bank_restore": `{"projectName":"p","fileName":"f.md","version":1}`,
			"memory_search": `{"query":"` + canary + `"}`, "memory_changes": ``, "memory_export": ``, "memory_restore": `{"change":1}`,
		} {
			seen += bob.Call(t, tool, args).Text
		}
		for _, uri := range []string{"memory://knowledge-graph", "memorybank://p/f.md"} {
			text, _ := bob.Resource(t, uri)
			seen += text
		}
		seen += string(bob.Ask(t, mcpwire.MethodResourcesList, ``))
		if strings.Contains(seen, canary) {
			t.Errorf("bob sees what is alice's: %s", seen)
		}
		bob.Must(t, "delete_entities", `{"entityNames":["A"]}`, nil)
		bob.Must(t, "memory_bank_delete_project", `{"projectName":"p"}`, nil)
		if g := readGraph(t, alice); len(g.Entities) != 1 {
			t.Errorf("bob changed alice's graph: %+v", g)
		}
		if r := alice.Must(t, "memory_bank_read", `{"projectName":"p","fileName":"f.md"}`, nil); r.Text != canary {
			t.Errorf("bob changed alice's file: %s", r.Text)
		}
		if strings.Contains(log.String(), canary) {
			t.Error("the log holds what is remembered")
		}
	})
}

// A call without a user has no memory to work on.
func TestNobody(t *testing.T) {
	t.Parallel()
	srv, _ := suite().Open(t, nil, true)
	c := kittest.NewClient(srv, "")
	if _, werr := c.Serve(t.Context(), t, "tools/call", `{"name":"read_graph"}`); werr == nil {
		t.Error("a call without a user was served")
	}
	if raw := c.Ask(t, mcpwire.MethodResourcesList, ``); !strings.Contains(string(raw), "memory://knowledge-graph") {
		t.Errorf("the gateway's own list: %s", raw)
	}
}

func TestDuplicatesInOneCall(t *testing.T) {
	t.Parallel()
	kittest.Each(t, memory.Name, func(t *testing.T, db tables.DB) {
		c := client(t, db, "admin")
		var created graph
		c.Must(t, "create_entities", `{"entities":[{"name":"A","entityType":"t","observations":["1"]},{"name":"A","entityType":"u","observations":["2"]}]}`, &created)
		c.Must(t, "create_relations", `{"relations":[{"from":"A","to":"A","relationType":"r"},{"from":"A","to":"A","relationType":"r"}]}`, &created)
		want := graph{[]entity{{"A", "t", []string{"1"}}}, []relation{{"A", "A", "r"}}}
		if diff := cmp.Diff(want, created); diff != "" {
			t.Errorf("created:\n%s", diff)
		}
		if diff := cmp.Diff(want, readGraph(t, c)); diff != "" {
			t.Errorf("kept:\n%s", diff)
		}
	})
}

func TestDeletedThingsComeBack(t *testing.T) {
	t.Parallel()
	kittest.Each(t, memory.Name, func(t *testing.T, db tables.DB) {
		c := client(t, db, "admin")
		create(t, c, "A", "one", "two")
		create(t, c, "B")
		c.Must(t, "create_relations", `{"relations":[{"from":"A","to":"B","relationType":"r"},{"from":"C","to":"A","relationType":"r"}]}`, nil)
		before := readGraph(t, c)
		c.Must(t, "delete_observations", `{"deletions":[{"entityName":"A","observations":["one"]}]}`, nil)
		c.Must(t, "delete_entities", `{"entityNames":["A"]}`, nil)
		if g := readGraph(t, c); len(g.Entities) != 1 || len(g.Relations) != 0 {
			t.Errorf("after the delete: %+v", g)
		}
		if r := c.Must(t, "memory_search", `{"query":"two"}`, nil); strings.Contains(r.Text, `"entity"`) {
			t.Errorf("a deleted entity is found: %s", r.Text)
		}
		var journal struct {
			Changes []struct {
				Change        int64
				Tool, Summary string
			}
			Total int
		}
		c.Must(t, "memory_changes", `{"limit":2}`, &journal)
		if journal.Total != 5 || journal.Changes[0].Tool != "delete_entities" || journal.Changes[0].Summary != "deleted A" {
			t.Errorf("journal: %+v", journal)
		}
		var back struct{ Entities, Observations, Relations, Skipped int }
		for i, want := range []string{"{1 0 2 0}", "{0 1 0 0}"} {
			c.Must(t, "memory_restore", fmt.Sprintf(`{"change":%d}`, journal.Changes[i].Change), &back)
			if got := fmt.Sprint(back); got != want {
				t.Errorf("restored %s, want %s", got, want)
			}
		}
		if diff := cmp.Diff(before, readGraph(t, c)); diff != "" {
			t.Errorf("after the restore:\n%s", diff)
		}
		if r := c.Must(t, "memory_search", `{"query":"one two"}`, nil); !strings.Contains(r.Text, `"entity":"A"`) {
			t.Errorf("a restored entity is not found: %s", r.Text)
		}
		// A new entity of the name stands in the way.
		c.Must(t, "delete_entities", `{"entityNames":["B"]}`, nil)
		create(t, c, "B", "new")
		c.Must(t, "memory_changes", `{"limit":2}`, &journal)
		c.Must(t, "memory_restore", fmt.Sprintf(`{"change":%d}`, journal.Changes[1].Change), &back)
		if back.Skipped != 1 || back.Entities != 0 {
			t.Errorf("restored over a new entity: %+v", back)
		}
	})
}

func TestGraphUpdates(t *testing.T) {
	t.Parallel()
	db := kittest.Engines(memory.Name)[0].Open(t)
	srv, _ := suite().Open(t, db, true)
	alice, bob := kittest.NewClient(srv, "alice"), kittest.NewClient(srv, "bob")
	filter := mcpwire.Filter{ResourcesChanged: true, Resources: []string{"memory://knowledge-graph", "memorybank://p/f.md", "nothing://here"}}
	watch := alice.Watch(t, filter)
	create(t, bob, "B")
	create(t, alice, "A")
	alice.Refused(t, "add_observations", `{"observations":[{"entityName":"none","contents":["x"]}]}`)
	alice.Must(t, "memory_bank_write", `{"projectName":"p","fileName":"f.md","content":"x"}`, nil)
	alice.Must(t, "delete_entities", `{"entityNames":["A"]}`, nil)
	for _, want := range []string{
		mcpwire.MethodResourceUpdated + ` {"uri":"memory://knowledge-graph"}`,
		mcpwire.MethodResourceUpdated + ` {"uri":"memorybank://p/f.md"}`,
		mcpwire.MethodResourcesChanged + " ",
		mcpwire.MethodResourceUpdated + ` {"uri":"memory://knowledge-graph"}`,
	} {
		if got := <-watch; got != want {
			t.Errorf("told %q, want %q", got, want)
		}
	}
}

func TestRelatedAndRename(t *testing.T) {
	t.Parallel()
	kittest.Each(t, memory.Name, func(t *testing.T, db tables.DB) {
		c := client(t, db, "admin")
		for _, name := range []string{"A", "B", "C", "D"} {
			create(t, c, name, "about "+name)
		}
		c.Must(t, "create_relations", `{"relations":[{"from":"A","to":"B","relationType":"r"},{"from":"C","to":"B","relationType":"s"},{"from":"C","to":"D","relationType":"t"},{"from":"N","to":"B","relationType":"r"}]}`, nil)
		var out struct {
			Related []struct {
				Name     string
				Distance int
				Through  []string
			}
		}
		c.Must(t, "get_related", `{"name":"A","depth":2}`, &out)
		if got, want := fmt.Sprint(out.Related), "[{B 1 [A r B]} {C 2 [C s B]} {N 2 [N r B]}]"; got != want {
			t.Errorf("related: %s, want %s", got, want)
		}
		c.Must(t, "rename_entity", `{"name":"B","newName":"Beta"}`, nil)
		want := []relation{{"A", "Beta", "r"}, {"C", "Beta", "s"}, {"C", "D", "t"}, {"N", "Beta", "r"}}
		if diff := cmp.Diff(want, readGraph(t, c).Relations); diff != "" {
			t.Errorf("relations after the rename:\n%s", diff)
		}
		if text := c.Refused(t, "rename_entity", `{"name":"A","newName":"C"}`); !strings.Contains(text, "already") {
			t.Errorf("rename to a name that is taken: %s", text)
		}
		if r := c.Must(t, "memory_search", `{"query":"beta"}`, nil); !strings.Contains(r.Text, `"entity":"Beta"`) {
			t.Errorf("the new name is not found: %s", r.Text)
		}
	})
}

// What one of the engines cannot hold, both refuse.
func TestUnstorable(t *testing.T) {
	t.Parallel()
	kittest.Each(t, memory.Name, func(t *testing.T, db tables.DB) {
		c := client(t, db, "admin")
		for _, args := range []string{
			`{"entities":[{"name":"a\u0000b","entityType":"t","observations":[]}]}`,
			`{"entities":[{"name":"a","entityType":"t","observations":["\u0000"]}]}`,
			`{"entities":[{"name":"` + strings.Repeat("x", 513) + `","entityType":"t","observations":[]}]}`,
		} {
			if text := c.Refused(t, "create_entities", args); strings.Contains(text, "inside Drawbridge") {
				t.Errorf("%.80s: %s", args, text)
			}
		}
		c.Refused(t, "memory_bank_write", `{"projectName":"p","fileName":"f","content":"\u0000"}`)
		create(t, c, strings.Repeat("é", 256), strings.Repeat("word ", 1<<17))
	})
}

func TestImportAndExport(t *testing.T) {
	t.Parallel()
	const file = `{"type":"entity","name":"A <é>","entityType":"t","observations":["1","2"]}
{"type":"entity","name":"B","entityType":"t","observations":[]}
{"type":"relation","from":"A <é>","to":"B","relationType":"r"}`
	kittest.Each(t, memory.Name, func(t *testing.T, db tables.DB) {
		c := client(t, db, "admin")
		create(t, c, "B", "kept")
		var in struct{ Entities, Observations, Relations int }
		c.Must(t, "memory_import", `{"jsonl":`+jsonText(t, file+"\n\n"+`{"type":"other"}`+"\n")+`}`, &in)
		if in.Entities != 1 || in.Relations != 1 {
			t.Errorf("imported %+v", in)
		}
		c.Must(t, "memory_import", `{"jsonl":`+jsonText(t, file)+`}`, &in)
		if in.Entities+in.Observations+in.Relations != 0 {
			t.Errorf("a second import added %+v", in)
		}
		if text := c.Refused(t, "memory_import", `{"jsonl":"{\"type\":\"entity\",\"name\":\"X\"}\nnot"}`); !strings.Contains(text, "Line 2") {
			t.Errorf("a bad line: %s", text)
		}
		c.Must(t, "delete_entities", `{"entityNames":["B"]}`, nil)
		c.Must(t, "memory_import", `{"jsonl":`+jsonText(t, file)+`}`, nil)
		var out struct {
			JSONL string
			Next  string `json:"next_cursor"`
		}
		c.Must(t, "memory_export", ``, &out)
		if diff := cmp.Diff(file, out.JSONL); diff != "" {
			t.Errorf("exported:\n%s", diff)
		}
		var pages []string
		for cursor := ""; ; cursor = out.Next {
			out.Next = ""
			c.Must(t, "memory_export", `{"limit":1,"cursor":"`+cursor+`"}`, &out)
			pages = append(pages, out.JSONL)
			if out.Next == "" {
				break
			}
		}
		if len(pages) != 3 || strings.Join(pages, "\n") != file {
			t.Errorf("pages: %q", pages)
		}
	})
}

// The reference writes the same file for the same graph.
func TestExportIsTheOriginalsFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "memory.jsonl")
	peer := kittest.StartPeer(t, "mcp-server-memory", "MEMORY_FILE_PATH="+path)
	c := client(t, kittest.Engines(memory.Name)[0].Open(t), "admin")
	kittest.Differ(t, peer, c, []kittest.Exchange{
		kittest.CallOf("create_entities", `{"entities":[{"name":"A","entityType":"t","observations":["é <b> \u2028 \u0001 \" 😀"]},{"name":"B","entityType":"","observations":[]}]}`),
		kittest.CallOf("create_relations", `{"relations":[{"from":"A","to":"B","relationType":"r"}]}`),
	}, nil)
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out struct{ JSONL string }
	c.Must(t, "memory_export", ``, &out)
	if diff := cmp.Diff(string(want), out.JSONL); diff != "" {
		t.Errorf("the files differ (-original +ours):\n%s", diff)
	}
}

func TestFilesOfTheOriginalsAreTakenOverOnce(t *testing.T) {
	t.Parallel()
	kittest.Each(t, memory.Name, func(t *testing.T, db tables.DB) {
		dir := t.TempDir()
		// The older name of the file, which the reference renames.
		writeTemp(t, filepath.Join(dir, "memory.json"), `{"type":"entity","name":"Old","entityType":"t","observations":["o"]}`)
		writeTemp(t, filepath.Join(dir, "bank", "proj", "brief.md"), "# Brief")
		writeTemp(t, filepath.Join(dir, "bank", "proj", "no good.md"), "left out")
		writeTemp(t, filepath.Join(dir, "bank", "proj", "deep", "x.md"), "left out")
		s := suite()
		s.Settings = map[string]string{"file_path": filepath.Join(dir, "memory.jsonl"), "bank_root": filepath.Join(dir, "bank")}
		for range 2 {
			srv, log := s.Open(t, db, true)
			c := kittest.NewClient(srv, "admin")
			if g := readGraph(t, c); len(g.Entities) != 1 || g.Entities[0].Name != "Old" {
				t.Errorf("graph: %+v\n%s", g, log)
			}
			if r := c.Must(t, "list_project_files", `{"projectName":"proj"}`, nil); r.Text != "brief.md" {
				t.Errorf("files: %s", r.Text)
			}
			if g := readGraph(t, kittest.NewClient(srv, "other")); len(g.Entities) != 0 {
				t.Errorf("another user has %+v", g)
			}
		}
		c := client(t, db, "admin")
		c.Must(t, "delete_entities", `{"entityNames":["Old"]}`, nil)
		srv, _ := s.Open(t, db, true)
		if g := readGraph(t, kittest.NewClient(srv, "admin")); len(g.Entities) != 0 {
			t.Errorf("taken over a second time: %+v", g)
		}
	})
}

// A file that cannot be read must not keep the server from working.
func TestTakeOverFails(t *testing.T) {
	t.Parallel()
	db := kittest.Engines(memory.Name)[0].Open(t)
	path := filepath.Join(t.TempDir(), "memory.jsonl")
	writeTemp(t, path, "not JSON")
	s := suite()
	s.Settings = map[string]string{"file_path": path}
	srv, log := s.Open(t, db, true)
	create(t, kittest.NewClient(srv, "admin"), "A")
	if !strings.Contains(log.String(), "was not taken over") {
		t.Errorf("nothing in the log: %s", log)
	}
	writeTemp(t, path, `{"type":"entity","name":"B","entityType":"t","observations":[]}`)
	srv, _ = s.Open(t, db, true)
	if g := readGraph(t, kittest.NewClient(srv, "admin")); len(g.Entities) != 2 {
		t.Errorf("after the file was corrected: %+v", g)
	}
}

func TestDeletedThingsGoAfterAMonth(t *testing.T) {
	t.Parallel()
	kittest.Each(t, memory.Name, func(t *testing.T, db tables.DB) {
		openAt := func(later time.Duration) *kittest.Client {
			deps := kittest.Deps(&kittest.Log{}, db)
			deps.Now = func() time.Time { return time.Now().Add(later) }
			srv, err := memory.New(memory.Config{Common: kit.Common{Mode: kit.ModeWrite, Toolsets: []string{"all"}}, QuotaMB: 20}, deps)
			if err != nil {
				t.Fatal(err)
			}
			return kittest.NewClient(srv, "admin")
		}
		c := openAt(0)
		create(t, c, "A", "x")
		create(t, c, "stays", "y")
		c.Must(t, "delete_entities", `{"entityNames":["A"]}`, nil)
		c.Must(t, "memory_bank_write", `{"projectName":"p","fileName":"f","content":"x"}`, nil)
		c.Must(t, "memory_bank_delete", `{"projectName":"p","fileName":"f"}`, nil)
		c.Must(t, "memory_bank_history", `{"projectName":"p","fileName":"f"}`, nil)
		c = openAt(29 * 24 * time.Hour)
		c.Must(t, "memory_bank_history", `{"projectName":"p","fileName":"f"}`, nil)
		c = openAt(31 * 24 * time.Hour)
		c.Refused(t, "memory_bank_history", `{"projectName":"p","fileName":"f"}`)
		if text := c.Refused(t, "memory_restore", `{"change":3}`); !strings.Contains(text, "no change 3") {
			t.Errorf("restore after a month: %s", text)
		}
		if g := readGraph(t, c); len(g.Entities) != 1 {
			t.Errorf("graph: %+v", g)
		}
	})
}

func TestQuota(t *testing.T) {
	t.Parallel()
	s := suite()
	s.Settings = map[string]string{"quota_mb": "1"}
	kittest.Each(t, memory.Name, func(t *testing.T, db tables.DB) {
		srv, _ := s.Open(t, db, true)
		c := kittest.NewClient(srv, "admin")
		big := strings.Repeat("0123456789abcde ", 400<<10/16)
		write := func(name string) kittest.Result {
			return c.Call(t, "memory_bank_write", ofFile(name, `,"content":"`+big+`"`))
		}
		for _, name := range []string{"a", "b"} {
			if r := write(name); r.IsError {
				t.Fatal(r.Text)
			}
		}
		if r := write("c"); !r.IsError || !strings.Contains(r.Text, "1 MB") {
			t.Errorf("over the quota: %.200s", r.Text)
		}
		if r := c.Must(t, "list_project_files", `{"projectName":"p"}`, nil); r.Text != "a,b" {
			t.Errorf("files: %s", r.Text)
		}
		create(t, c, "small", "still fits")
		kittest.NewClient(srv, "other").Must(t, "memory_bank_write", ofFile("x", `,"content":"y"`), nil)
		// An old version counts.
		if r := c.Call(t, "memory_bank_update", ofFile("a", `,"content":"`+big+`"`)); !r.IsError {
			t.Error("old versions do not count")
		}
	})
}

func TestSettings(t *testing.T) {
	t.Parallel()
	read := func(quota string) (memory.Config, error) {
		return memory.ReadConfig(kit.Settings{Values: map[string]secret.String{"quota_mb": secret.New(quota), "bank_root": secret.New(" /b ")}})
	}
	if c, err := read(""); err != nil || c.QuotaMB != 100 || c.BankDir != "/b" || c.Mode != kit.ModeWrite {
		t.Errorf("defaults: %+v, %v", c, err)
	}
	if c, err := read("7"); err != nil || c.QuotaMB != 7 {
		t.Errorf("7: %+v, %v", c, err)
	}
	for _, bad := range []string{"0", "-1", "much"} {
		if _, err := read(bad); err == nil {
			t.Errorf("quota_mb %s is accepted", bad)
		}
	}
}

func TestWithoutTables(t *testing.T) {
	t.Parallel()
	log := &kittest.Log{}
	srv, err := memory.New(memory.Config{Common: kit.Common{Mode: kit.ModeAll}}, kittest.Deps(log, nil))
	if err != nil {
		t.Fatal(err)
	}
	text := kittest.NewClient(srv, "admin").Refused(t, "read_graph", ``)
	if strings.Contains(text, "tables") || !strings.Contains(log.String(), "without its tables") {
		t.Errorf("public %q, log %s", text, log)
	}
}
