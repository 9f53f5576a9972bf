// Package pagetest holds the pages about built-in servers to what the servers do: the
// examples of docs/how-to are made and their answers compared, and what a server costs
// a model is counted beside another author's for the same question and written into
// docs/reference/servers.
//
// Only the servers' tests use it, beside package kittest.
package pagetest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"drawbridge/internal/mcpwire"
	"drawbridge/internal/servers/kittest"
)

// Cost is what a model reads for one question, of a server and of the one that it is
// compared with.
type Cost struct {
	Question     string
	Ours, Theirs int // tokens
	// Because says why ours is more than a fifth of theirs.
	Because string
	// Varies says that the answer depends on the machine, such as its disks.
	Varies bool
}

// Costs holds the table of costs on a page of docs/reference/servers to what was
// counted, and every cost to a fifth of the other server's or to a reason. Numbers may
// be off by a tenth: answers have times and names of their own. Where they vary, a
// machine may have three times as much. -update writes them.
func Costs(t *testing.T, page string, costs []Cost) {
	t.Helper()
	path := filepath.Join("..", "..", "..", "docs", "reference", "servers", page)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- costs: go test ./internal/servers/"+strings.TrimSuffix(page, ".md")+" -run TestCost -update -->\n", "<!-- end of costs -->\n"
	head, rest, ok := strings.Cut(string(raw), begin)
	table, tail, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s has no place for the costs between %q and %q", page, begin, end)
	}
	for _, c := range costs {
		t.Logf("%s: %d tokens, of %d", c.Question, c.Ours, c.Theirs)
		if fifth := 5*c.Ours <= c.Theirs; fifth != (c.Because == "") {
			t.Errorf("%s costs %d tokens, the other server's %d; the reason for more than a fifth is %q", c.Question, c.Ours, c.Theirs, c.Because)
		}
	}
	want := costTable(costs)
	switch {
	case sameCosts(table, want, costs):
	case kittest.Updating():
		if err := os.WriteFile(path, []byte(head+begin+want+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s has\n%s\nwhich is too far off; run the test with -update. Counted was\n%s", page, table, want)
	}
}

func costTable(costs []Cost) string {
	var b strings.Builder
	b.WriteString("| question | this server | the other | more than a fifth, because |\n|---|---|---|---|\n")
	for _, c := range costs {
		fmt.Fprintf(&b, "| %s | %d | %d | %s |\n", c.Question, c.Ours, c.Theirs, c.Because)
	}
	return b.String()
}

// sameCosts tells whether two tables of the costs differ in nothing but a part of their
// numbers, which are the second and third cell of a row.
func sameCosts(a, b string, costs []Cost) bool {
	rows, others := strings.Split(a, "\n"), strings.Split(b, "\n")
	if len(rows) != len(others) {
		return false
	}
	for i := range rows {
		x, y := strings.Split(rows[i], "|"), strings.Split(others[i], "|")
		if i >= headLines && i-headLines < len(costs) && len(x) == len(y) {
			for n := 2; n < 4; n++ {
				if !near(x[n], y[n], costs[i-headLines].Varies) {
					return false
				}
				x[n] = y[n]
			}
		}
		if !slices.Equal(x, y) {
			return false
		}
	}
	return true
}

// headLines are those of a table before its rows.
const headLines = 2

func near(a, b string, varies bool) bool {
	x, err := strconv.Atoi(strings.TrimSpace(a))
	y, err2 := strconv.Atoi(strings.TrimSpace(b))
	most := max(x, y, 50) / 10
	if varies {
		most = max(x, y) * 2 / 3
	}
	return err == nil && err2 == nil && max(x-y, y-x) <= most
}

var anyMark = regexp.MustCompile(`outside-[a-z0-9]{10}\]`)

// Spent is the tokens of what a model reads of a result: its texts. The marks around
// text from outside differ each time, so some that cost as most of them do are counted.
func Spent(t testing.TB, r kittest.Result) int {
	t.Helper()
	text := r.Text
	for _, b := range r.Blocks {
		text += b.Text
	}
	return kittest.Tokens(t, anyMark.ReplaceAll([]byte(text), []byte("outside-k5vzoehcwl]")))
}

// SpentBy is the same for the answer of another author's server. An error fails the
// test, since it would be cheap.
func SpentBy(t *testing.T, p *kittest.Peer, tool, args string) int {
	t.Helper()
	raw, err := json.Marshal(p.Serve(t, mcpwire.MethodToolsCall, kittest.CallOf(tool, args).Params))
	if err != nil {
		t.Fatal(err)
	}
	r := kittest.ParseResult(t, raw)
	if r.IsError {
		t.Fatalf("%s %s: %s", tool, args, r.Text)
	}
	return Spent(t, r)
}

// Definitions is what a server's tools cost a model before its first call.
func Definitions(t *testing.T, c *kittest.Client) int {
	t.Helper()
	return kittest.Tokens(t, kittest.Definitions(t, c))
}

// DefinitionsOf is the same for another author's server.
func DefinitionsOf(t *testing.T, p *kittest.Peer) int {
	t.Helper()
	raw, err := json.Marshal(p.Serve(t, mcpwire.MethodToolsList, "")["tools"])
	if err != nil {
		t.Fatal(err)
	}
	return kittest.Tokens(t, raw)
}
