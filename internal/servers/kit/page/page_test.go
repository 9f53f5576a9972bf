package page_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit/output"
	"drawbridge/internal/servers/kit/page"
)

func TestWindow(t *testing.T) {
	t.Parallel()
	for _, in := range []page.In{{Limit: -1}, {Limit: page.Most + 1}, {Cursor: "nonsense!"}, {Cursor: "LTE"}, {Cursor: "by0x"}} { // "-1", "o-1"
		if _, err := in.Window(5); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%+v: %v", in, err)
		}
	}
	for _, c := range []struct{ limit, want int }{{0, 5}, {1, 1}, {page.Most, page.Most}} {
		if w, err := (page.In{Limit: c.limit}).Window(5); err != nil || w != (page.Window{Limit: c.want}) {
			t.Errorf("limit %d: %+v, %v", c.limit, w, err)
		}
	}
}

// The schema lists no bounds: the description does.
func TestIn_saysItsBound(t *testing.T) {
	t.Parallel()
	f, _ := reflect.TypeFor[page.In]().FieldByName("Limit")
	if said, want := f.Tag.Get("jsonschema"), fmt.Sprintf("Up to %d.", page.Most); said != want {
		t.Errorf("limit says %q, not %q", said, want)
	}
}

// pages reads a list to its end.
func pages(t *testing.T, limit int, read func(page.Window) (items []int, next string)) (all [][]int) {
	t.Helper()
	in := page.In{Limit: limit}
	for len(all) < 10 {
		w, err := in.Window(1)
		if err != nil {
			t.Fatal(err)
		}
		items, next := read(w)
		all = append(all, items)
		if in.Cursor = next; next == "" {
			return all
		}
	}
	t.Fatalf("no end: %v", all)
	return nil
}

func TestPages(t *testing.T) {
	t.Parallel()
	all := []int{1, 2, 3, 4, 5}
	part := func(w page.Window) []int {
		start := min(w.Offset, len(all))
		return all[start:min(start+w.Limit, len(all))]
	}
	for name, read := range map[string]func(page.Window) ([]int, string){
		"Cut": func(w page.Window) ([]int, string) {
			items, out := page.Cut(w, all)
			if out.Total != len(all) {
				t.Errorf("Cut: %d in all", out.Total)
			}
			return items, out.NextCursor
		},
		"Fit": func(w page.Window) ([]int, string) {
			items, out := page.Fit(w, part(w), len(all))
			if out.Total != len(all) {
				t.Errorf("Fit: %d in all", out.Total)
			}
			return items, out.NextCursor
		},
		"FitMore": func(w page.Window) ([]int, string) {
			items, next := page.FitMore(w, part(w), w.Offset+w.Limit < len(all))
			return items, next.NextCursor
		},
	} {
		if diff := cmp.Diff([][]int{{1, 2}, {3, 4}, {5}}, pages(t, 2, read)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if diff := cmp.Diff([][]int{all}, pages(t, 5, read)); diff != "" {
			t.Errorf("%s, all at once: %s", name, diff)
		}
	}
}

// What does not fit is on the next page, and one item is there however large it is.
func TestFitMore_budget(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", output.TextBudget)
	all := []string{large, "a", large}
	for offset, want := range []int{1, 1, 1} {
		items, next := page.FitMore(page.Window{Offset: offset, Limit: 10}, all[offset:], false)
		if len(items) != want || (next.NextCursor == "") != (offset == len(all)-1) {
			t.Errorf("from %d: %d items, next %q", offset, len(items), next.NextCursor)
		}
	}
}
