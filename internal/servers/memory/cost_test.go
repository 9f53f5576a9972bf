package memory_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"drawbridge/internal/servers/kittest"
	"drawbridge/internal/servers/kittest/pagetest"
	"drawbridge/internal/servers/memory"
)

const toTheLetter = "both tools are the same: clients of the original get its text to the letter"

// What is remembered in this test is the project's own decisions: text that somebody
// has written for another purpose, in a graph of 19 decisions and the parts they speak
// of, and as files of the bank.
func TestCost(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	graph := kittest.StartPeer(t, "mcp-server-memory", "MEMORY_FILE_PATH="+filepath.Join(t.TempDir(), "memory.jsonl"))
	bank := kittest.StartPeer(t, "mcp-server-memory-bank", "MEMORY_BANK_ROOT="+root)
	c := client(t, kittest.Engines(memory.Name)[0].Open(t), "admin")
	var names []string
	for _, call := range decisions(t) {
		peer := graph
		if strings.HasPrefix(call.Tool, "memory_bank_") {
			peer = bank
			names = append(names, call.Args)
		}
		pagetest.SpentBy(t, peer, call.Tool, call.Args)
		c.Must(t, call.Tool, call.Args, nil)
	}
	ours := func(tool, args string) int { return pagetest.Spent(t, c.Must(t, tool, args, nil)) }
	srv, _ := suite().Open(t, nil, false)
	everyFile := pagetest.SpentBy(t, bank, "list_project_files", `{"projectName":"decisions"}`)
	for _, written := range names { // there is no other way to find something
		everyFile += pagetest.SpentBy(t, bank, "memory_bank_read", written)
	}
	pagetest.Costs(t, "memory.md", []pagetest.Cost{
		{Question: "definitions of the tools", Ours: pagetest.Definitions(t, kittest.NewClient(srv, "admin")), Theirs: pagetest.DefinitionsOf(t, graph) + pagetest.DefinitionsOf(t, bank),
			Because: "the 14 tools of the originals keep their texts, and ten more are on"},
		{Question: "the three best hits of the graph about sessions", Ours: ours("memory_search", `{"query":"session","in":"graph","limit":3}`), Theirs: pagetest.SpentBy(t, graph, "search_nodes", `{"query":"session"}`)},
		{Question: "which decisions concern tokens", Ours: ours("get_related", `{"name":"token"}`), Theirs: pagetest.SpentBy(t, graph, "search_nodes", `{"query":"token"}`)},
		{Question: "where the bank speaks of redirects", Ours: ours("memory_search", `{"query":"redirect","in":"bank","limit":5}`), Theirs: everyFile},
		{Question: "a tool of the originals, such as search_nodes", Ours: ours("search_nodes", `{"query":"token"}`), Theirs: pagetest.SpentBy(t, graph, "search_nodes", `{"query":"token"}`), Because: toTheLetter},
	})
}

var sentence = regexp.MustCompile(`[^.:?]+[.:?]`)

// decisions are calls that put the first of docs/decisions into both memories.
func decisions(t *testing.T) (calls []kittest.Step) {
	t.Helper()
	type entity struct {
		Name         string   `json:"name"`
		EntityType   string   `json:"entityType"`
		Observations []string `json:"observations"`
	}
	type relation struct {
		From         string `json:"from"`
		To           string `json:"to"`
		RelationType string `json:"relationType"`
	}
	files, err := filepath.Glob(filepath.Join("..", "..", "..", "docs", "decisions", "00[01]*.md"))
	if err != nil || len(files) < 19 {
		t.Fatalf("%d decisions: %v", len(files), err)
	}
	parts := []string{"session", "token", "backend", "client", "store", "stream", "catalogue", "question", "command", "resource"}
	var entities []entity
	var relations []relation
	for _, p := range parts {
		entities = append(entities, entity{p, "part", []string{}})
	}
	add := func(tool string, args any) {
		raw, err := json.Marshal(args)
		if err != nil {
			t.Fatal(err)
		}
		calls = append(calls, kittest.Step{Tool: tool, Args: string(raw)})
	}
	for _, file := range files[:19] {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		title, text, _ := strings.Cut(string(raw), "\n")
		name := strings.TrimPrefix(title, "# ")
		e := entity{name, "decision", nil}
		for _, s := range sentence.FindAllString(strings.ReplaceAll(text, "\n", " "), -1) {
			e.Observations = append(e.Observations, strings.TrimSpace(s))
		}
		entities = append(entities, e)
		for _, p := range parts {
			if strings.Contains(text, p) {
				relations = append(relations, relation{name, p, "concerns"})
			}
		}
		add("memory_bank_write", map[string]string{"projectName": "decisions", "fileName": filepath.Base(file), "content": string(raw)})
	}
	add("create_entities", map[string]any{"entities": entities})
	add("create_relations", map[string]any{"relations": relations})
	return calls
}
