package outline_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/servers/puppeteer/outline"
)

// tree makes a tree of lines such as "1 form Search", each with two spaces more than
// its parent.
func tree(t *testing.T, lines string) *outline.Tree {
	t.Helper()
	tr := &outline.Tree{Nodes: map[string]*outline.Node{}}
	var path []*outline.Node
	for i, line := range strings.Split(strings.TrimSpace(lines), "\n") {
		text := strings.TrimLeft(line, " ")
		depth := (len(line) - len(text)) / 2
		role, name, _ := strings.Cut(text, " ")
		value := func(s string) outline.Value {
			raw, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			return outline.Value{Value: raw}
		}
		n := &outline.Node{NodeID: fmt.Sprint(i), Role: value(role), Name: value(name), BackendID: int64(i + 1)}
		tr.Nodes[n.NodeID] = n
		path = append(path[:depth], n)
		if depth == 0 {
			tr.Root = n
			continue
		}
		parent := path[depth-1]
		parent.ChildIDs = append(parent.ChildIDs, n.NodeID)
	}
	return tr
}

const example = `
RootWebArea Shop
  main
    heading Goods
      StaticText Goods
    generic
      generic
        link Tea
          StaticText Tea
    listitem
      StaticText first
    cell Buy
      button Buy
    StaticText a "quoted" word`

func TestWrite(t *testing.T) {
	t.Parallel()
	ref := func(n *outline.Node) string { return "d1e" + n.NodeID }
	for name, one := range map[string]struct {
		look outline.Looking
		want []string
	}{
		"usual":   {outline.Looking{}, []string{`- main`, `  - heading "Goods"`, `  - link "Tea" [d1e6]`, `  - text "first"`, `  - button "Buy" [d1e11]`, `  - text "a 'quoted' word"`}},
		"actions": {outline.Looking{Only: true}, []string{`- link "Tea" [d1e6]`, `- button "Buy" [d1e11]`}},
		"depth":   {outline.Looking{Depth: 1}, []string{`- main`}},
		"all": {outline.Looking{All: true}, []string{`- main [d1e1]`, `  - heading "Goods" [d1e2]`, `  - link "Tea" [d1e6]`, `  - listitem [d1e8]`, `    - text "first"`, `  - cell "Buy" [d1e10]`,
			`    - button "Buy" [d1e11]`, `  - text "a 'quoted' word"`}},
	} {
		tr := tree(t, example)
		if diff := cmp.Diff(one.want, outline.Write(tr, tr.Root, one.look, ref)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestDifferences(t *testing.T) {
	t.Parallel()
	got := outline.Differences([]string{"- a", "  - b", "- c", "- c"}, []string{"- a", "- c", "  - d", "- b"})
	if diff := cmp.Diff([]string{"- c", "+ d"}, got); diff != "" {
		t.Error(diff)
	}
	if text, cut := outline.Fit([]string{"aaaa", "bbbb", "cccc"}, 10); text != "aaaa\nbbbb" || cut != 1 {
		t.Errorf("%q, %d", text, cut)
	}
}
