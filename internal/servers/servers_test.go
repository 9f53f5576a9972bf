package servers_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"drawbridge/internal/secret"
	"drawbridge/internal/servers"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/kittest"
)

func TestTable(t *testing.T) {
	t.Parallel()
	table := servers.Table
	if !slices.IsSortedFunc(table, func(a, b servers.Entry) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("the table is not sorted by name")
	}
	for _, e := range table {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			if _, err := os.Stat(filepath.Join(e.Name, "testdata", "tools.golden.json")); err != nil {
				t.Errorf("no golden tool list, so the contract suite does not run: %v", err)
			}
			if srv := open(t, e, "", "").Server; srv.Name() != e.Name {
				t.Errorf("the server calls itself %s", srv.Name())
			}
			for _, v := range e.Variables {
				if v != strings.ToUpper(v) {
					t.Errorf("the variable %s is not in capitals", v)
				}
			}
		})
	}
	if _, ok := servers.Find("memory"); !ok {
		t.Error("memory is not found")
	}
	if _, ok := servers.Find("nobody"); ok {
		t.Error("a server that does not exist is found")
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	e, _ := servers.Find("memory")
	try := func(mode kit.Mode, toolsets string) (*kit.Server, error) {
		return e.New(kit.Settings{Mode: mode, Values: map[string]secret.String{"toolsets": secret.New(toolsets)}}, kittest.Deps(&kittest.Log{}, nil))
	}
	if _, err := try("some", ""); err == nil || !strings.Contains(err.Error(), "read, write or all") {
		t.Errorf("a mode that does not exist: %v", err)
	}
	if _, err := try("", "graph,nope"); err == nil || !strings.Contains(err.Error(), "choose from graph, bank, manage, all") {
		t.Errorf("a toolset that does not exist: %v", err)
	}
	srv, err := try(kit.ModeRead, "graph")
	if err != nil {
		t.Fatal(err)
	}
	c := kittest.NewClient(srv, "admin")
	for _, tool := range kittest.Tools(t, c) {
		if !tool.Annotations["readOnlyHint"] || strings.HasPrefix(tool.Name, "memory_bank") {
			t.Errorf("mode read, toolset graph offers %s", tool.Name)
		}
	}
	if text := c.Refused(t, "create_entities", `{"entities":[]}`); !strings.Contains(text, "MEMORY_MODE=write") {
		t.Errorf("refusal: %s", text)
	}
	if text := c.Refused(t, "memory_bank_read", `{}`); !strings.Contains(text, "MEMORY_TOOLSETS") {
		t.Errorf("refusal: %s", text)
	}
}
