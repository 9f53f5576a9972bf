package sequentialthinking_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/internal/mcpwire"
	"drawbridge/internal/servers/kittest"
	"drawbridge/internal/servers/sequentialthinking"
)

const canary = "canary-5b1d"

var suite = kittest.Suite{
	New: kittest.Opens(sequentialthinking.ReadConfig, sequentialthinking.New),
	Cases: []kittest.Case{
		{Tool: "sequentialthinking", Good: `{"thought":"a","nextThoughtNeeded":true,"thoughtNumber":1,"totalThoughts":2}`, Bad: `{"thought":1}`},
		{Tool: "get_thoughts", Good: `{"format":"json"}`, Bad: `{"format":"xml"}`},
		{Tool: "list_thinking_sessions", Good: `{"limit":1}`, Bad: `{"limit":-1}`},
		{Tool: "end_thinking_session", Good: `{}`, Bad: `{"session_id":"nobody's"}`},
	},
	Secrets: []string{canary},
}

func TestContract(t *testing.T) {
	t.Parallel()
	kittest.Run(t, suite)
}

func client(t *testing.T, user string) *kittest.Client {
	t.Helper()
	srv, _ := suite.Open(t, nil, true)
	return kittest.NewClient(srv, user)
}

var deviations = []kittest.Deviation{
	{Where: "sequentialthinking.annotations", Why: "the tool keeps thoughts, so it neither only reads nor is idempotent"},
	{Where: "sequentialthinking.inputSchema", Why: "session_id is added"},
	{Where: "sequentialthinking.outputSchema", Why: "session_id and warnings are added"},
}

func TestSurfaceIsTheOriginals(t *testing.T) {
	t.Parallel()
	kittest.Compare(t, client(t, "admin"), "testdata/original.tools.json", deviations)
}

// The members that the original has must be the same one by one.
func TestSchemaIsASuperset(t *testing.T) {
	t.Parallel()
	tools := kittest.Tools(t, client(t, "admin"))
	in := tools[0].InputSchema
	delete(in.Properties, "session_id")
	out := tools[0].OutputSchema
	delete(out.Properties, "session_id")
	delete(out.Properties, "warnings")
	ours := map[string]any{"inputSchema": in, "outputSchema": out}
	kittest.SameAsOriginal(t, "testdata/original.tools.json", "sequentialthinking", ours)
}

// think is one call with the arguments that matter.
func think(thought string, number int, next bool, more string) string {
	quoted, _ := json.Marshal(thought)
	return fmt.Sprintf(`{"thought":%s,"nextThoughtNeeded":%v,"thoughtNumber":%d,"totalThoughts":3%s}`, quoted, next, number, more)
}

func call(args string) kittest.Exchange { return kittest.CallOf("sequentialthinking", args) }

const newSession = "a first thought after the end starts a new session here"

func script() []kittest.Exchange {
	raw := []string{
		`{"thought":"a","nextThoughtNeeded":"TRUE","thoughtNumber":"3","totalThoughts":1}`,
		`{"thought":"a","nextThoughtNeeded":"yes","thoughtNumber":"x","totalThoughts":0}`,
		`{"thought":"","nextThoughtNeeded":false,"thoughtNumber":1.5,"totalThoughts":-1,"isRevision":3,"branchId":4}`,
		`{"thought":"","nextThoughtNeeded":false,"thoughtNumber":10000000000000000,"totalThoughts":1}`,
		`{"thought":"","nextThoughtNeeded":false,"thoughtNumber":null,"totalThoughts":true}`,
		`{"thought":"","nextThoughtNeeded":false,"thoughtNumber":"","totalThoughts":" 5 "}`,
		`{"thought":"","nextThoughtNeeded":true,"thoughtNumber":"0x10","totalThoughts":"1e2"}`,
		`{"thought":"","nextThoughtNeeded":true,"thoughtNumber":"0b11","totalThoughts":"0o17"}`,
		`{"thought":"","nextThoughtNeeded":true,"thoughtNumber":[7],"totalThoughts":{}}`,
		`{"thought":"","nextThoughtNeeded":true,"thoughtNumber":"5.","totalThoughts":".5"}`,
		`{"thought":"","nextThoughtNeeded":true,"thoughtNumber":"+5","totalThoughts":"\u00a05\n"}`,
		`{"thought":"","nextThoughtNeeded":true,"thoughtNumber":5.0,"totalThoughts":[[["6"]]]}`,
		`{"thought":"","nextThoughtNeeded":true,"thoughtNumber":"NaN","totalThoughts":"1_000"}`,
		`{"thought":"","nextThoughtNeeded":true,"thoughtNumber":"Infinity","totalThoughts":9007199254740993}`,
		`{"thought":"","nextThoughtNeeded":true,"thoughtNumber":-1e17,"totalThoughts":"-Infinity"}`,
		`{"thought":null,"nextThoughtNeeded":null,"thoughtNumber":[],"totalThoughts":["5"]}`,
		`{"thought":[],"nextThoughtNeeded":{},"thoughtNumber":1,"totalThoughts":[true]}`,
		`{"thought":true,"nextThoughtNeeded":"","thoughtNumber":1,"totalThoughts":[1,2]}`,
		`{"thought":{},"nextThoughtNeeded":"true ","thoughtNumber":1,"totalThoughts":1}`,
		`{"thought":"","nextThoughtNeeded":true,"thoughtNumber":1,"totalThoughts":1,"revisesThought":null,"isRevision":null,"branchId":null}`,
		`{"thought":"","nextThoughtNeeded":true,"thoughtNumber":1,"totalThoughts":1,"revisesThought":"abc","branchFromThought":0}`,
		`{"thought":"","nextThoughtNeeded":true,"thoughtNumber":1,"totalThoughts":1,"isRevision":"FALSE","needsMoreThoughts":"maybe"}`,
		`{"thought":"","nextThoughtNeeded":true,"thoughtNumber":1,"totalThoughts":1,"branchId":"b2","branchFromThought":1}`,
		`{"thought":"","nextThoughtNeeded":true,"thoughtNumber":1,"totalThoughts":1,"branchId":"10","branchFromThought":1}`,
		`{"thought":"","nextThoughtNeeded":true,"thoughtNumber":1,"totalThoughts":1,"branchId":"9","branchFromThought":1}`,
		`{"thought":"","nextThoughtNeeded":true,"thoughtNumber":1,"totalThoughts":1,"branchId":"09","branchFromThought":1}`,
		`{"thought":"","nextThoughtNeeded":true,"thoughtNumber":1,"totalThoughts":1,"branchId":"4294967295","branchFromThought":1}`,
		`{"thought":"","nextThoughtNeeded":true,"thoughtNumber":1,"totalThoughts":1,"branchId":"","branchFromThought":1}`,
		`{"thought":"","nextThoughtNeeded":true,"thoughtNumber":1,"totalThoughts":1,"branchId":"<é\u2028>","branchFromThought":1}`,
		`{"thought":"","nextThoughtNeeded":true,"thoughtNumber":1,"totalThoughts":1,"branchId":"unused"}`,
		`{"thought":"x","nextThoughtNeeded":"TrUe","thoughtNumber":5,"totalThoughts":4,"zzz":1}`,
		`{"thought":"done","nextThoughtNeeded":false,"thoughtNumber":6,"totalThoughts":6}`,
		`{"thought":"on","nextThoughtNeeded":true,"thoughtNumber":7,"totalThoughts":6}`,
		`{"thought":"done","nextThoughtNeeded":false,"thoughtNumber":8,"totalThoughts":8}`,
		`{}`, ``,
	}
	var all []kittest.Exchange
	for _, args := range raw {
		all = append(all, call(args))
	}
	return append(all,
		call(`{"thought":"x","nextThoughtNeeded":true,"thoughtNumber":7,"totalThoughts":4,"isRevision":true,"revisesThought":99}`).
			But("a revision of an unknown thought is answered with a warning"),
		call(`{"thought":"done","nextThoughtNeeded":false,"thoughtNumber":8,"totalThoughts":8}`),
		call(`{"thought":"again","nextThoughtNeeded":true,"thoughtNumber":1,"totalThoughts":2}`).But(newSession),
		kittest.CallOf("nope", `{}`),
		kittest.CallOf("sequentialthinking", `[]`).But("the original's request schema fails with -32603, ours with -32602"),
	)
}

func TestAnswersAsTheOriginal(t *testing.T) {
	t.Parallel()
	peer := kittest.StartPeer(t, "mcp-server-sequential-thinking", "DISABLE_THOUGHT_LOGGING=true")
	kittest.Differ(t, peer, client(t, "admin"), script(), nil)
}

type thinkOut struct {
	ThoughtHistoryLength int
	Branches, Warnings   []string
	SessionID            string `json:"session_id"`
}

func TestSessions(t *testing.T) {
	t.Parallel()
	c := client(t, "admin")
	var out thinkOut
	first := c.Must(t, "sequentialthinking", think("one", 1, true, ""), &out)
	if out.SessionID != "" || first.Meta["drawbridge/session_id"] != "session-1" {
		t.Errorf("without session_id the output is %s, _meta %v", first.Text, first.Meta)
	}
	c.Must(t, "sequentialthinking", think("other", 1, true, `,"session_id":"mine"`), &out)
	if out.SessionID != "mine" || out.ThoughtHistoryLength != 1 {
		t.Errorf("a named session: %+v", out)
	}
	c.Must(t, "sequentialthinking", think("two", 2, false, ""), &out)
	if out.ThoughtHistoryLength != 2 {
		t.Errorf("the current session has %d thoughts, want 2", out.ThoughtHistoryLength)
	}
	if r := c.Must(t, "sequentialthinking", think("new", 1, true, ""), &out); r.Meta["drawbridge/session_id"] != "session-2" {
		t.Errorf("a first thought after the end went to %v", r.Meta)
	}
	c.Must(t, "end_thinking_session", ``, nil)
	if r := c.Must(t, "sequentialthinking", think("later", 7, true, ""), &out); r.Meta["drawbridge/session_id"] != "session-3" {
		t.Errorf("a thought after end_thinking_session went to %v", r.Meta)
	}
	var list struct {
		Sessions []struct {
			SessionID string `json:"session_id"`
			Ended     bool
			Current   bool
		}
		Total int
	}
	c.Must(t, "list_thinking_sessions", `{}`, &list)
	if list.Total != 4 || list.Sessions[0].SessionID != "session-3" || !list.Sessions[0].Current {
		t.Errorf("sessions: %+v", list)
	}
}

func TestUsersAreApart(t *testing.T) {
	t.Parallel()
	srv, _ := suite.Open(t, nil, true)
	a, b := kittest.NewClient(srv, "alice"), kittest.NewClient(srv, "bob")
	a.Must(t, "sequentialthinking", think(canary, 1, true, `,"session_id":"s"`), nil)
	if text := b.Refused(t, "get_thoughts", `{"session_id":"s"}`); strings.Contains(text, canary) {
		t.Errorf("another user's thought: %s", text)
	}
	if _, werr := b.Resource(t, "thinking://s"); werr == nil || werr.Code != mcpwire.CodeInvalidParams {
		t.Errorf("another user's resource: %v", werr)
	}
	var out thinkOut
	b.Must(t, "sequentialthinking", think("b", 1, true, `,"session_id":"s"`), &out)
	if out.ThoughtHistoryLength != 1 {
		t.Errorf("a session of the same name has %d thoughts", out.ThoughtHistoryLength)
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	c := client(t, "admin")
	var out thinkOut
	r := c.Must(t, "sequentialthinking", think("x", 2, true, `,"isRevision":true,"revisesThought":1`), &out)
	if len(out.Warnings) != 1 || !strings.Contains(r.Text, `"warnings": [`) {
		t.Errorf("warnings %q in %s", out.Warnings, r.Text)
	}
	out = thinkOut{}
	c.Must(t, "sequentialthinking", think("x", 3, true, `,"isRevision":true,"revisesThought":2`), &out)
	if len(out.Warnings) != 0 {
		t.Errorf("warnings without a reason: %q", out.Warnings)
	}
}

func TestReadBack(t *testing.T) {
	t.Parallel()
	c := client(t, "admin")
	watch := c.Watch(t, mcpwire.Filter{ResourcesChanged: true, Resources: []string{"thinking://session-1"}})
	c.Must(t, "sequentialthinking", think("first", 1, true, ""), nil)
	if got, want := <-watch, mcpwire.MethodResourceUpdated+` {"uri":"thinking://session-1"}`; got != want {
		t.Errorf("told %q, want %q", got, want)
	}
	if got := <-watch; got != mcpwire.MethodResourcesChanged+" " {
		t.Errorf("told %q of a new session", got)
	}
	c.Must(t, "sequentialthinking", think("second", 2, true, `,"branchFromThought":1,"branchId":"b"`), nil)
	text, werr := c.Resource(t, "thinking://session-1")
	want := "# Thinking session session-1\n\n## Thought 1/3\n\nfirst\n\n## Thought 2/3 (branch b from 1)\n\nsecond\n"
	if werr != nil || text != want {
		t.Errorf("resource: %q, %v", text, werr)
	}
	if r := c.Must(t, "get_thoughts", `{"format":"md"}`, nil); r.Text != want {
		t.Errorf("format md: %q", r.Text)
	}
	var out struct {
		Thoughts   []struct{ Thought string }
		NextCursor string `json:"next_cursor"`
		Total      int
	}
	c.Must(t, "get_thoughts", `{"branch":"b"}`, &out)
	if out.Total != 1 || out.Thoughts[0].Thought != "second" {
		t.Errorf("branch: %+v", out)
	}
	c.Must(t, "get_thoughts", `{"limit":1}`, &out)
	c.Must(t, "get_thoughts", `{"limit":1,"cursor":"`+out.NextCursor+`"}`, &out)
	if out.Thoughts[0].Thought != "second" {
		t.Errorf("second page: %+v", out)
	}
}

// Who has not thought, or not for a day, has no thoughts; that is no failure. A session
// that was named and is not there is one.
func TestReadBack_nothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := client(t, "admin")
		for range 2 { // before the first thought, and after all have expired
			var out struct {
				Thoughts []struct{} `json:"thoughts"`
				Total    int
			}
			r := c.Must(t, "get_thoughts", ``, &out)
			if out.Thoughts == nil || len(out.Thoughts) != 0 || out.Total != 0 || !strings.Contains(r.Text, `"thoughts":[]`) {
				t.Errorf("%+v: %s", out, r.Text)
			}
			if r := c.Must(t, "get_thoughts", `{"format":"md"}`, nil); r.Text != "Nothing was thought yet.\n" {
				t.Errorf("format md: %q", r.Text)
			}
			for _, tool := range []string{"get_thoughts", "end_thinking_session"} {
				if text := c.Refused(t, tool, `{"session_id":"session-1"}`); !strings.Contains(text, "no thinking session") {
					t.Errorf("%s: %s", tool, text)
				}
			}
			c.Refused(t, "end_thinking_session", ``)
			c.Must(t, "sequentialthinking", think("x", 1, true, ""), nil)
			time.Sleep(25 * time.Hour)
		}
	})
}

func TestBounds(t *testing.T) {
	t.Parallel()
	c := client(t, "admin")
	if text := c.Refused(t, "sequentialthinking", think(strings.Repeat("x", 64<<10+1), 1, true, "")); !strings.Contains(text, "65537 bytes") {
		t.Errorf("a thought too large: %s", text)
	}
	for i := range 1000 {
		c.Must(t, "sequentialthinking", think("x", i+1, true, ""), nil)
	}
	if text := c.Refused(t, "sequentialthinking", think("x", 1001, true, "")); !strings.Contains(text, "session-1 is full") {
		t.Errorf("thought 1001: %s", text)
	}
	for i := range 150 {
		c.Must(t, "sequentialthinking", think("x", 1, true, fmt.Sprintf(`,"session_id":"s%d"`, i)), nil)
	}
	var list struct{ Total int }
	c.Must(t, "list_thinking_sessions", ``, &list)
	if list.Total != 100 {
		t.Errorf("%d sessions are kept, want 100", list.Total)
	}
	c.Refused(t, "get_thoughts", `{"session_id":"s10"}`)
	big := strings.Repeat("x", 64<<10)
	for i := range 400 {
		c.Must(t, "sequentialthinking", think(big, i+1, true, fmt.Sprintf(`,"session_id":"big%d"`, i/100)), nil)
	}
	c.Must(t, "list_thinking_sessions", ``, &list)
	if list.Total > 3 {
		t.Errorf("%d sessions are kept beside 16 MiB", list.Total)
	}
}

func TestSessionsExpire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := client(t, "admin")
		c.Must(t, "sequentialthinking", think("x", 1, true, ""), nil)
		time.Sleep(23 * time.Hour)
		c.Must(t, "get_thoughts", ``, nil)
		time.Sleep(2 * time.Hour)
		c.Refused(t, "get_thoughts", `{"session_id":"session-1"}`)
	})
}

func TestParallelThoughts(t *testing.T) {
	t.Parallel()
	srv, _ := suite.Open(t, nil, true)
	const users, each = 20, 20
	done := make(chan error, users)
	for i := range users {
		go func() { // ends by itself; awaited below
			c := kittest.NewClient(srv, fmt.Sprintf("user%d", i))
			var out thinkOut
			for n := range each {
				r := c.Call(t, "sequentialthinking", think(c.User, n+1, true, ""))
				if err := json.Unmarshal(r.Structured, &out); err != nil || out.ThoughtHistoryLength != n+1 {
					done <- fmt.Errorf("%s: %d thoughts, want %d (%w)", c.User, out.ThoughtHistoryLength, n+1, err)
					return
				}
			}
			done <- nil
		}()
	}
	var failed []string
	for range users {
		if err := <-done; err != nil {
			failed = append(failed, err.Error())
		}
	}
	if len(failed) > 0 {
		slices.Sort(failed)
		t.Error(strings.Join(failed, "\n"))
	}
}
