package kittest

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Deviation is a place where a drop-in differs from the original on purpose.
type Deviation struct {
	Where string // tool, or tool and member: "sequentialthinking.annotations"
	Why   string
}

// Compare holds our tools against the list of the server they stand in for, as
// recorded from it in file (the tools array of its tools/list). Every tool of
// the original must be there with the same members and values; additions and the
// deviations named are allowed. A deviation that is none any more is an error.
func Compare(t *testing.T, c *Client, file string, deviations []Deviation) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var theirs []map[string]any
	if err := json.Unmarshal(raw, &theirs); err != nil {
		t.Fatal(err)
	}
	var list struct{ Tools []map[string]any }
	if err := json.Unmarshal(c.Ask(t, "tools/list", ""), &list); err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, original := range theirs {
		name := original["name"].(string)
		i := slices.IndexFunc(list.Tools, func(m map[string]any) bool { return m["name"] == name })
		if i < 0 {
			t.Errorf("the tool %s is missing", name)
			continue
		}
		for member, want := range original {
			got := list.Tools[i][member]
			where := name + "." + member
			if cmp.Equal(want, got) {
				continue
			}
			if slices.ContainsFunc(deviations, func(d Deviation) bool { return d.Where == where }) {
				used[where] = true
				continue
			}
			t.Errorf("%s differs (-original +ours):\n%s", where, cmp.Diff(want, got))
		}
	}
	for _, d := range deviations {
		if !used[d.Where] {
			t.Errorf("the deviation %s (%s) is not one any more", d.Where, d.Why)
		}
	}
}

// Exchange is one request of a script that both servers answer.
type Exchange struct {
	Method string
	Params string
	// Deviates, where set, is why our answer may differ.
	Deviates string
}

// CallOf is the exchange of a tool call.
func CallOf(tool, args string) Exchange {
	return Exchange{Method: "tools/call", Params: callParams(tool, args)}
}

// But is the exchange with a reason why the answers differ.
func (e Exchange) But(why string) Exchange { e.Deviates = why; return e }

// Differ drives a script through the original and through our server and
// compares results. normal may rewrite both before they are compared.
func Differ(t *testing.T, peer *Peer, c *Client, script []Exchange, normal func(map[string]any)) {
	t.Helper()
	for i, e := range script {
		name := fmt.Sprintf("%d %s %s", i, e.Method, e.Params)
		theirs := peer.Serve(t, e.Method, e.Params)
		ours := map[string]any{}
		if raw, werr := c.Serve(t.Context(), t, e.Method, e.Params); werr != nil {
			ours["error"] = map[string]any{"code": float64(werr.Code)}
		} else if err := json.Unmarshal(raw, &ours); err != nil {
			t.Fatal(err)
		}
		delete(ours, "resultType") // of the newest revision
		delete(ours, "_meta")
		contents, _ := ours["contents"].([]any) // of a resource
		for _, one := range contents {
			if m, ok := one.(map[string]any); ok {
				delete(m, "_meta")
			}
		}
		if normal != nil {
			normal(theirs)
			normal(ours)
		}
		same := cmp.Equal(theirs, ours)
		switch {
		case e.Deviates == "" && !same:
			t.Errorf("%s (-original +ours):\n%s", name, cmp.Diff(theirs, ours))
		case e.Deviates != "" && same:
			t.Errorf("%s: no deviation any more (%s)", name, e.Deviates)
		}
	}
}

// SameAsOriginal holds single members of our tool against the original's: for a
// member that Compare lets deviate, what is left of it after the additions were
// taken out.
func SameAsOriginal(t *testing.T, file, tool string, ours map[string]any) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var theirs []map[string]any
	if err := json.Unmarshal(raw, &theirs); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(theirs, func(m map[string]any) bool { return m["name"] == tool })
	for member, v := range ours {
		encoded, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var got any
		if err := json.Unmarshal(encoded, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(theirs[i][member], got); diff != "" {
			t.Errorf("%s.%s differs (-original +ours):\n%s", tool, member, diff)
		}
	}
}
