package memory_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"drawbridge/internal/servers/kittest"
	"drawbridge/internal/servers/memory"
	"drawbridge/internal/tables"
)

// suite is the server with both engines of the store.
func suite() kittest.Suite {
	const (
		entities = `{"entities":[{"name":"Ada","entityType":"person","observations":["likes tea"]},{"name":"Bo","entityType":"person","observations":[]}]}`
		file     = `{"projectName":"p","fileName":"f.md","content":"# A\n\nold\n"}`
		newFile  = `{"projectName":"p","fileName":"%s","content":"# A\n\nold\n"}`
		ofFile   = `{"projectName":"p","fileName":"f.md"}`
	)
	made := func(name string) kittest.Step {
		return kittest.Step{Tool: "memory_bank_append", Args: strings.ReplaceAll(newFile, "%s", name)}
	}
	ada := kittest.Step{Tool: "create_entities", Args: entities}
	return kittest.Suite{
		New: kittest.Opens(memory.ReadConfig, memory.New), Settings: map[string]string{"quota_mb": "20"}, Databases: kittest.Engines(memory.Name),
		Cases: []kittest.Case{
			{Tool: "create_entities", Good: entities, Bad: `{"entities":[{"name":1}]}`},
			{Tool: "create_relations", Good: `{"relations":[{"from":"Ada","to":"Bo","relationType":"knows"}]}`, Bad: `{"relations":{}}`},
			{Tool: "add_observations", Good: `{"observations":[{"entityName":"Ada","contents":["plays chess"]}]}`, Bad: `{"observations":[{"entityName":"Nobody","contents":[]}]}`},
			{Tool: "delete_observations", Good: `{"deletions":[{"entityName":"Ada","observations":["likes tea"]}]}`, Bad: `{}`, Restorable: true},
			{Tool: "delete_relations", Good: `{"relations":[{"from":"Ada","to":"Bo","relationType":"knows"}]}`, Bad: `{"relations":[1]}`, Restorable: true},
			{Tool: "delete_entities", Good: `{"entityNames":["Bo"]}`, Bad: `{"entityNames":"Bo"}`, Restorable: true},
			{Tool: "read_graph", Good: `{}`},
			{Tool: "search_nodes", Good: `{"query":"ada"}`, Bad: `{"query":null}`},
			{Tool: "open_nodes", Good: `{"names":["Ada"]}`, Bad: `{"names":[3]}`},
			{Tool: "get_related", Before: []kittest.Step{ada}, Good: `{"name":"Ada","depth":2}`, Bad: `{"name":"Ada","depth":4}`},
			{Tool: "rename_entity", Before: []kittest.Step{ada}, Good: `{"name":"Ada","newName":"Ada L"}`, Bad: `{"name":"Nobody","newName":"x"}`},
			{Tool: "list_projects", Good: `{}`},
			{Tool: "list_project_files", Before: []kittest.Step{made("f.md")}, Good: `{"projectName":"p"}`, Bad: `{"projectName":"q"}`},
			{Tool: "memory_bank_write", Good: `{"projectName":"w","fileName":"f.md","content":"x"}`, Bad: file},
			{Tool: "memory_bank_read", Before: []kittest.Step{made("f.md")}, Good: ofFile, Bad: `{"projectName":"p","fileName":"../f"}`},
			{Tool: "memory_bank_update", Before: []kittest.Step{made("f.md")}, Good: file, Bad: `{"projectName":"p","fileName":"g.md","content":"x"}`},
			{Tool: "memory_bank_append", Good: file, Bad: `{"projectName":"p"}`},
			{Tool: "memory_bank_patch", Before: []kittest.Step{made("patch.md")}, Good: `{"projectName":"p","fileName":"patch.md","section":"A","content":"new"}`, Bad: `{"projectName":"p","fileName":"patch.md","section":"B","content":"new"}`},
			{Tool: "memory_bank_delete", Before: []kittest.Step{made("f.md")}, Good: ofFile, Bad: `{"projectName":"p","fileName":"a b"}`, Restorable: true},
			{Tool: "memory_bank_history", Before: []kittest.Step{made("f.md")}, Good: ofFile, Bad: `{"projectName":"p","fileName":"none"}`},
			{Tool: "memory_bank_restore", Before: []kittest.Step{made("r.md"), {Tool: "memory_bank_delete", Args: `{"projectName":"p","fileName":"r.md"}`}}, Good: `{"projectName":"p","fileName":"r.md"}`, Bad: `{"projectName":"p","fileName":"r.md","version":99}`, Restorable: true},
			{Tool: "memory_bank_delete_project", Before: []kittest.Step{made("f.md")}, Good: `{"projectName":"p"}`, Bad: `{}`, Restorable: true},
			{Tool: "memory_search", Before: []kittest.Step{ada}, Good: `{"query":"tea"}`, Bad: `{"query":"?"}`},
			{Tool: "memory_changes", Good: `{}`, Bad: `{"cursor":"x"}`},
			{Tool: "memory_restore", Before: []kittest.Step{ada}, Good: `{"change":1}`, Bad: `{"change":99999}`},
			{Tool: "memory_spaces", Good: `{}`, Bad: `{"limit":-1}`},
			{Tool: "memory_bank_export", Before: []kittest.Step{made("f.md")}, Good: `{"projectName":"p"}`, Bad: `{"limit":201}`},
			{Tool: "memory_bank_import", Good: `{"files":[{"projectName":"i","fileName":"f.md","content":"x"}]}`, Bad: `{"files":[{"projectName":"i","fileName":"..","content":"x"}]}`},
			{Tool: "memory_export", Before: []kittest.Step{ada}, Good: `{}`, Bad: `{"format":"x"}`},
			{Tool: "memory_import", Good: `{"jsonl":"{\"type\":\"entity\",\"name\":\"C\",\"entityType\":\"t\",\"observations\":[]}"}`, Bad: `{"jsonl":"{"}`},
		},
	}
}

func TestContract(t *testing.T) {
	t.Parallel()
	kittest.Run(t, suite())
}

// client opens the server with all toolsets on db.
func client(t *testing.T, db tables.DB, user string) *kittest.Client {
	t.Helper()
	srv, _ := suite().Open(t, db, true)
	return kittest.NewClient(srv, user)
}

func TestSurfaceIsTheOriginals(t *testing.T) {
	t.Parallel()
	c := client(t, nil, "admin")
	kittest.Compare(t, c, "testdata/original-graph.tools.json", []kittest.Deviation{
		{Where: "read_graph.inputSchema", Why: "limit and cursor are added"},
		{Where: "read_graph.outputSchema", Why: "next_cursor is added"},
	})
	kittest.Compare(t, c, "testdata/original-bank.tools.json", []kittest.Deviation{
		{Where: "list_projects.inputSchema", Why: "an empty list of required members is left out"},
	})
}

const (
	inOneCall = "the original stores duplicates within one call twice"
	lostWrite = "the original reports success and drops the content"
	inside    = "the original fails inside and tells of it; ours names the argument"
	shownPath = "the original answers with an error of the file system"
	wrapped   = "the original's request schema fails with -32603, ours with -32602"
)

func graphScript() []kittest.Exchange {
	call := kittest.CallOf
	read := call("read_graph", `{}`)
	return []kittest.Exchange{
		{Method: "resources/list"}, {Method: "resources/read", Params: `{"uri":"memory://knowledge-graph"}`},
		{Method: "resources/read", Params: `{"uri":"memory://other"}`},
		call("create_entities", `{"entities":[{"name":"A","entityType":"t","observations":["o1","é <b> & \u2028 \u0001 \\u2028 \"q\" 😀\t/"]},{"name":"B","entityType":"T2","observations":[]}]}`),
		call("create_entities", `{"entities":[{"name":"B","entityType":"t","observations":["x"]},{"name":"C","entityType":"t","observations":[],"extra":1}],"zz":3}`),
		call("create_entities", `{}`), call("create_entities", ``),
		call("create_entities", `{"entities":[{"name":1},{"Name":"x","entityType":null,"observations":["a",true,{}]}]}`),
		call("create_entities", `{"entities":"x"}`), call("create_entities", `{"entities":[null,[],"x",1.5]}`),
		call("create_entities", `{"entities":[]}`), call("create_entities", `[]`).But(wrapped),
		read,
		call("add_observations", `{"observations":[{"entityName":"A","contents":["new"]},{"entityName":"X","contents":["a"]}]}`), read,
		call("add_observations", `{"observations":[{"entityName":"A","contents":["a","a","o1"]},{"entityName":"A","contents":["a","b"]}]}`),
		call("add_observations", `{"observations":[{"entityName":"B","contents":[]}]}`), read,
		call("create_relations", `{"relations":[{"from":"A","to":"Z","relationType":"r"},{"from":"B","to":"A","relationType":"r"}]}`),
		call("create_relations", `{"relations":[{"from":"A","to":"Z","relationType":"r"},{"from":"A","to":"Z","relationType":"s"}]}`),
		call("create_relations", `{"relations":[{"from":"A"}]}`),
		call("search_nodes", `{"query":""}`), call("search_nodes", `{"query":"a"}`), call("search_nodes", `{"query":"t2"}`),
		call("search_nodes", `{"query":"É <B"}`), call("search_nodes", `{"query":"o1 new"}`), call("search_nodes", `{"query":"nothing"}`),
		call("search_nodes", `{"query":null}`), call("search_nodes", `{}`), call("search_nodes", `{"query":5}`),
		call("open_nodes", `{"names":["A","nope"]}`), call("open_nodes", `{"names":[]}`), call("open_nodes", `{"names":["A",3]}`),
		{Method: "resources/read", Params: `{"uri":"memory://knowledge-graph"}`},
		call("delete_observations", `{"deletions":[{"entityName":"A","observations":["a","zz"]},{"entityName":"X","observations":["a"]}]}`), read,
		call("delete_relations", `{"relations":[{"from":"A","to":"Z","relationType":"s"},{"from":"no","to":"no","relationType":"no"}]}`), read,
		call("delete_entities", `{"entityNames":["A","nope"]}`), read,
		call("create_entities", `{"entities":[{"name":"A","entityType":"again","observations":["x","x"]}]}`), read,
		call("delete_entities", `{"entityNames":["A"]}`), call("delete_entities", `{"entityNames":["A"]}`),
		call("delete_entities", `{"entityNames":"A"}`),
		call("read_graph", ``), call("read_graph", `{"x":1}`), call("nope", `{}`),
		call("create_entities", `{"entities":[{"name":"D","entityType":"t","observations":[]},{"name":"D","entityType":"t","observations":[]}]}`).But(inOneCall),
	}
}

func TestGraphAnswersAsTheOriginal(t *testing.T) {
	t.Parallel()
	peer := kittest.StartPeer(t, "mcp-server-memory", "MEMORY_FILE_PATH="+filepath.Join(t.TempDir(), "memory.jsonl"))
	c := client(t, kittest.Engines(memory.Name)[0].Open(t), "admin")
	kittest.Differ(t, peer, c, graphScript(), func(m map[string]any) {
		delete(m, "ttlMs") // of the newest revision
		delete(m, "cacheScope")
	})
}

func bankScript() []kittest.Exchange {
	call := kittest.CallOf
	write, update, read, list := "memory_bank_write", "memory_bank_update", "memory_bank_read", "list_project_files"
	return []kittest.Exchange{
		call("list_projects", `{}`), call("list_projects", ``),
		call(list, `{}`).But(inside), call(list, `{"projectName":5}`).But(inside),
		call(list, `{"projectName":""}`).But(inside),
		call(list, `{"projectName":"nope"}`), call(list, `{"projectName":"a b"}`),
		call(write, `{"projectName":"p","fileName":"f.md","content":"hello"}`),
		call(write, `{"projectName":"p","fileName":"f.md","content":"other"}`).But(lostWrite),
		call(read, `{"projectName":"p","fileName":"f.md"}`),
		call(write, `{"projectName":"p","fileName":"a.md","content":""}`), call(write, `{"projectName":"p","fileName":"a.md"}`),
		call(write, `{"projectName":"p","content":null}`), call(write, `{}`), call(write, ``),
		call(write, `{"projectName":"p","fileName":"a b.md","content":"x"}`), call(write, `{"projectName":"p","fileName":"a..b.md","content":"x"}`),
		call(write, `{"projectName":"p","fileName":"a/b.md","content":"x"}`), call(write, `{"projectName":"../p","fileName":"a.md","content":"x"}`),
		call(write, `{"projectName":"p!","fileName":"a..md","content":"x"}`), call(write, `{"projectName":"..","fileName":"a.md","content":"x"}`),
		call(write, `{"projectName":"p","fileName":"num.md","content":5}`).But(inside),
		call(write, `{"projectName":5,"fileName":"num.md","content":"x"}`).But(inside),
		call(write, `{"projectName":".","fileName":"dot.md","content":"x"}`).But("the original writes beside the projects"),
		call(update, `{"projectName":"p","fileName":"f.md","content":"new\n<é>\u2028"}`),
		call(read, `{"projectName":"p","fileName":"f.md","x":1}`),
		call(update, `{"projectName":"p","fileName":"g.md","content":"new"}`),
		call(update, `{"projectName":"q","fileName":"g.md","content":"new"}`).But(shownPath),
		call(update, `{"projectName":"p","fileName":"f.md","content":""}`), call(update, `{"projectName":"p","fileName":"f m","content":"x"}`),
		call(read, `{"projectName":"p","fileName":"zz.md"}`), call(read, `{"projectName":"zz","fileName":"zz.md"}`).But(shownPath),
		call(read, `{"projectName":"p"}`), call(read, `{"projectName":"../p","fileName":"f.md"}`), call(read, `{"projectName":"p","fileName":"a/b"}`),
		call(write, `{"projectName":"b","fileName":"zeta.md","content":"x"}`), call(write, `{"projectName":"b","fileName":"Alpha.md","content":"x"}`),
		call(write, `{"projectName":"b","fileName":"beta.md","content":"x"}`),
		call("list_projects", `{}`), call(list, `{"projectName":"b"}`),
		call("nope", `{}`).But("with two originals in one server, the graph's answer to an unknown tool was chosen"),
	}
}

func TestBankAnswersAsTheOriginal(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	peer := kittest.StartPeer(t, "mcp-server-memory-bank", "MEMORY_BANK_ROOT="+root)
	c := client(t, kittest.Engines(memory.Name)[0].Open(t), "admin")
	kittest.Differ(t, peer, c, bankScript(), func(m map[string]any) {
		delete(m, "tools") // a stray member of the original's results
		if m["isError"] == false {
			delete(m, "isError")
		}
		content, _ := m["content"].([]any)
		for _, block := range content {
			b := block.(map[string]any)
			b["text"] = strings.ReplaceAll(b["text"].(string), root+"/", "") // the original shows its paths
		}
	})
}

// jsonText is v as a JSON string.
func jsonText(t *testing.T, v string) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func writeTemp(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
