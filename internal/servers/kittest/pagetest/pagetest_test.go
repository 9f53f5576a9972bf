package pagetest // what it compares with is not to be seen from outside

import (
	"os"
	"path/filepath"
	"testing"
)

// Cutting a page and joining it again changes nothing: -update rewrites answers alone.
func TestBlocks(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../../../../docs/how-to/*.md")
	if err != nil || len(pages) < 5 {
		t.Fatalf("%d pages: %v", len(pages), err)
	}
	for _, page := range pages {
		raw, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		if joined(blocks(string(raw))) != string(raw) {
			t.Errorf("%s is not the same afterwards", page)
		}
	}
	got := blocks("a\n\n    one {}\n\n     two\n\nb\n")
	if len(got) != 3 || got[0].code || !got[1].code || got[1].text != "one {}\n\n two" || got[2].text != "\nb\n" {
		t.Errorf("%+v", got)
	}
}

func TestSame(t *testing.T) {
	t.Parallel()
	h := HowTo{Varies: []string{`id \d+`}}
	for _, c := range []struct {
		page, real string
		same       bool
	}{
		{"a\nb", "a\nb\n", true},
		{"a\n...", "a\nb\nc", true},
		{"a\n...\nd", "a\nb\nc\nd", true},
		{"a\n...\nd", "a\nb\nc\ne", false},
		{"id 1", "id 22", true},
		{"[outside-abcdefghij]x", "[outside-klmnopqrst]x", true},
		{"2026-01-01T00:00:00Z", "2027-02-02T11:11:11.5Z", true},
		{"a (b", "a (b", true},
		{"a.b", "axb", false},
		{"a", "a\nb", false},
	} {
		if got := h.same(c.page, c.real); got != c.same {
			t.Errorf("%q and %q: %v", c.page, c.real, got)
		}
	}
}

func TestSameCosts(t *testing.T) {
	t.Parallel()
	made := func(ours, theirs int, why string) []Cost { return []Cost{{"a question", ours, theirs, why, false}} }
	page := costTable(made(100, 1000, ""))
	for _, c := range []struct {
		costs []Cost
		same  bool
	}{
		{made(109, 950, ""), true},
		{made(120, 1000, ""), false},
		{made(100, 1200, ""), false},
		{made(100, 1000, "of 1000 things"), false},
		{[]Cost{{"a question", 250, 900, "", true}}, true},
		{[]Cost{{"a question", 350, 900, "", true}}, false},
		{nil, false},
	} {
		if got := sameCosts(page, costTable(c.costs), c.costs); got != c.same {
			t.Errorf("%+v: %v", c.costs, got)
		}
	}
}
