package memory_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/servers/kittest"
	"drawbridge/internal/servers/memory"
	"drawbridge/internal/tables"
)

type hits struct {
	Hits []struct {
		Entity, EntityType, ProjectName, FileName, Snippet string
	}
	Loose      bool
	Total      int
	NextCursor string `json:"next_cursor"`
}

// found are the names of the hits, sorted: engines rank differently.
func (h hits) found() []string {
	all := []string{}
	for _, one := range h.Hits {
		all = append(all, one.Entity+one.FileName)
	}
	slices.Sort(all)
	return all
}

// library fills a memory with texts to find.
func library(t *testing.T, c *kittest.Client) {
	t.Helper()
	c.Must(t, "create_entities", `{"entities":[
		{"name":"Acme Corp","entityType":"customer","observations":["Buys running shoes","Pays late, wants invoices by e-mail"]},
		{"name":"Zoë Müller","entityType":"person","observations":["Runs marathons","Café owner in Zürich"]},
		{"name":"projectBrief_v2","entityType":"document","observations":["The and of to","foo-bar/baz.qux v1.2.3"]}]}`, nil)
	for name, content := range map[string]string{
		"brief.md": "# Brief\n\nWe sell shoes to runners. The invoice goes out monthly.", "progress.md": "Done: the shoe shop. Next: invoices.",
	} {
		c.Must(t, "memory_bank_write", `{"projectName":"shop","fileName":"`+name+`","content":`+jsonText(t, content)+`}`, nil)
	}
	c.Must(t, "memory_bank_write", `{"projectName":"other","fileName":"notes.md","content":"Nothing about money. 東京 タワー"}`, nil)
}

func TestSearch(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, args string
		want       []string
		loose      bool
	}{
		{"one word, stemmed, in both stores", `{"query":"invoice"}`, []string{"Acme Corp", "brief.md", "progress.md"}, false},
		{"other forms of a word", `{"query":"running"}`, []string{"Acme Corp", "Zoë Müller"}, false},
		{"all words", `{"query":"shoes invoices"}`, []string{"Acme Corp", "brief.md", "progress.md"}, false},
		{"in any case and order", `{"query":"LATE acme"}`, []string{"Acme Corp"}, false},
		{"some words, where nothing has all", `{"query":"marathons money"}`, []string{"Zoë Müller", "notes.md"}, true},
		{"accents do not matter", `{"query":"zurich cafe muller"}`, []string{"Zoë Müller"}, false},
		{"nor on the other side", `{"query":"Zoé Ácme"}`, []string{"Acme Corp", "Zoë Müller"}, true},
		{"words in quotes stand together", `{"query":"\"running shoes\""}`, []string{"Acme Corp"}, false},
		{"and not otherwise", `{"query":"\"shoes running\""}`, []string{}, false},
		{"common words count", `{"query":"the and of to"}`, []string{"projectBrief_v2"}, false},
		{"punctuation separates", `{"query":"baz bar"}`, []string{"projectBrief_v2"}, false},
		{"other scripts", `{"query":"東京"}`, []string{"notes.md"}, false},
		{"names of files", `{"query":"progress md"}`, []string{"progress.md"}, false},
		{"types", `{"query":"customer"}`, []string{"Acme Corp"}, false},
		{"graph only", `{"query":"invoice","in":"graph"}`, []string{"Acme Corp"}, false},
		{"bank only", `{"query":"invoice","in":"bank"}`, []string{"brief.md", "progress.md"}, false},
		{"one type", `{"query":"runs buys","entityType":"person"}`, []string{"Zoë Müller"}, true},
		{"one project", `{"query":"invoice","projectName":"shop"}`, []string{"brief.md", "progress.md"}, false},
		{"another project", `{"query":"invoice","projectName":"other"}`, []string{}, false},
		{"since long ago", `{"query":"customer","since":"2020-01-31"}`, []string{"Acme Corp"}, false},
		{"since the future", `{"query":"customer","since":"2999-01-31T00:00:00Z"}`, []string{}, false},
		{"operators are words", `{"query":"acme AND NOT near* (\""}`, []string{"Acme Corp", "projectBrief_v2"}, true},
		{"nothing", `{"query":"xyzzy"}`, []string{}, false},
	}
	kittest.Each(t, memory.Name, func(t *testing.T, db tables.DB) {
		c := client(t, db, "admin")
		library(t, c)
		for _, tc := range cases {
			t.Run(tc.name, func(t *testing.T) {
				var got hits
				c.Must(t, "memory_search", tc.args, &got)
				if diff := cmp.Diff(tc.want, got.found()); diff != "" || got.Loose != tc.loose {
					t.Errorf("loose %v, found:\n%s", got.Loose, diff)
				}
			})
		}
		for _, args := range []string{`{"query":"..."}`, `{"query":"x","since":"yesterday"}`, `{"query":""}`, `{"query":"x","in":"files"}`} {
			c.Refused(t, "memory_search", args)
		}
	})
}

func TestSearchPagesAndSnippets(t *testing.T) {
	t.Parallel()
	kittest.Each(t, memory.Name, func(t *testing.T, db tables.DB) {
		c := client(t, db, "admin")
		library(t, c)
		var all []string
		var page hits
		for cursor := ""; ; cursor = page.NextCursor {
			page = hits{}
			c.Must(t, "memory_search", `{"query":"invoice","limit":1,"cursor":"`+cursor+`"}`, &page)
			all = append(all, page.found()...)
			if page.NextCursor == "" || len(all) > 5 {
				break
			}
		}
		slices.Sort(all)
		if diff := cmp.Diff([]string{"Acme Corp", "brief.md", "progress.md"}, all); diff != "" || page.Total != 3 {
			t.Errorf("pages, total %d:\n%s", page.Total, diff)
		}
		long := strings.Repeat("Lorem ipsum dolor. ", 500) + "The hidden treasure, née Schatz, lies here. " + strings.Repeat("Amen. ", 500)
		c.Must(t, "memory_bank_write", `{"projectName":"p","fileName":"long.md","content":`+jsonText(t, long)+`}`, nil)
		c.Must(t, "memory_search", `{"query":"treasures"}`, &page)
		if s := page.Hits[0].Snippet; !strings.Contains(s, "The hidden **treasure**, née Schatz") || len(s) > 300 || !strings.HasPrefix(s, "...") || !strings.HasSuffix(s, "...") {
			t.Errorf("snippet: %q", s)
		}
	})
}

// What is changed is found by its new words and not by its old ones.
func TestSearchFollowsChanges(t *testing.T) {
	t.Parallel()
	kittest.Each(t, memory.Name, func(t *testing.T, db tables.DB) {
		c := client(t, db, "admin")
		library(t, c)
		find := func(word string) []string {
			t.Helper()
			var got hits
			c.Must(t, "memory_search", `{"query":"`+word+`"}`, &got)
			return got.found()
		}
		c.Must(t, "delete_observations", `{"deletions":[{"entityName":"Zoë Müller","observations":["Runs marathons"]}]}`, nil)
		c.Must(t, "add_observations", `{"observations":[{"entityName":"Zoë Müller","contents":["Swims"]}]}`, nil)
		c.Must(t, "memory_bank_update", `{"projectName":"other","fileName":"notes.md","content":"All about gold"}`, nil)
		c.Must(t, "memory_bank_delete", `{"projectName":"shop","fileName":"brief.md"}`, nil)
		for word, want := range map[string][]string{
			"marathon": {}, "swimming": {"Zoë Müller"}, "money": {}, "gold": {"notes.md"}, "monthly": {},
		} {
			if diff := cmp.Diff(want, find(word)); diff != "" {
				t.Errorf("%s:\n%s", word, diff)
			}
		}
	})
}

// A search must not take longer the more there is that does not match: SQLite
// used to ask its index for each entity anew, which took seconds.
func TestSearchInALargeGraph(t *testing.T) {
	t.Parallel()
	c := client(t, kittest.Engines(memory.Name)[0].Open(t), "admin")
	entities := make([]string, 1000)
	for i := range entities {
		entities[i] = fmt.Sprintf(`{"name":"entity %d","entityType":"t","observations":["likes number %d"]}`, i, i)
	}
	c.Must(t, "create_entities", `{"entities":[`+strings.Join(entities, ",")+`]}`, nil)
	cost := func(tool, args string) time.Duration {
		best := time.Hour
		for range 3 {
			start := time.Now()
			c.Must(t, tool, args, nil)
			best = min(best, time.Since(start))
		}
		return best
	}
	whole, search := cost("read_graph", ``), cost("memory_search", `{"query":"number"}`)
	if search > 5*whole {
		t.Errorf("a search takes %s, reading the whole graph %s", search, whole)
	}
}
