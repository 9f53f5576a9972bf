package sequentialthinking_test

import (
	"testing"

	"drawbridge/internal/servers/kittest"
	"drawbridge/internal/servers/kittest/pagetest"
)

// A drop-in has to answer to the letter, so it can be no cheaper than what it stands in
// for. It must not be dearer either.
func TestCost(t *testing.T) {
	t.Parallel()
	const same = "clients of the original get its answer to the letter"
	peer := kittest.StartPeer(t, "mcp-server-sequential-thinking", "DISABLE_THOUGHT_LOGGING=true")
	c := client(t, "admin")
	costs := []pagetest.Cost{{Question: "definitions of the tools", Ours: pagetest.Definitions(t, c), Theirs: pagetest.DefinitionsOf(t, peer),
		Because: "the tool keeps its text and gets `session_id`; three more read thoughts back and end a session"}}
	for _, q := range []struct{ question, args string }{
		{"a thought", think("Look at the log first.", 1, true, "")},
		{"a revision", think("The log is of another day.", 2, true, `,"isRevision":true,"revisesThought":1`)},
		{"a branch", think("Or ask who was there.", 3, false, `,"branchFromThought":1,"branchId":"people"`)},
	} {
		ours := pagetest.Spent(t, c.Must(t, "sequentialthinking", q.args, nil))
		theirs := pagetest.SpentBy(t, peer, "sequentialthinking", q.args)
		if ours != theirs {
			t.Errorf("%s costs %d tokens, the original's %d", q.question, ours, theirs)
		}
		costs = append(costs, pagetest.Cost{Question: q.question, Ours: ours, Theirs: theirs, Because: same})
	}
	pagetest.Costs(t, "sequentialthinking.md", costs)
}
