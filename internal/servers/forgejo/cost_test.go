package forgejo_test

import (
	"testing"

	"drawbridge/internal/servers/forgejo/giteatest"
	"drawbridge/internal/servers/kittest"
	"drawbridge/internal/servers/kittest/pagetest"
)

// What the tools answer costs at most a fifth of what the API says to the same
// questions, which is what servers pass on that only wrap the API.
func TestCost(t *testing.T) {
	t.Parallel()
	url, said := giteatest.Library(t, tape)
	ada := stage{url: url, tokens: own{giteatest.Admin: giteatest.Admin}}.client(t, giteatest.Admin)
	ada.Must(t, "list_releases", `{"repo":"ada/site"}`, nil) // asks for the version, once
	var costs []pagetest.Cost
	for _, q := range []struct{ question, tool, args string }{
		{"five issues", "search_issues", `{"repo":"ada/site","type":"issues","state":"all"}`},
		{"a pull request with checks, reviews, comments and files", "get_pull_request", `{"repo":"ada/site","number":2}`},
		{"CI runs", "list_workflow_runs", `{"repo":"ada/site"}`},
	} {
		said()
		ours := pagetest.Spent(t, ada.Must(t, q.tool, q.args, nil))
		costs = append(costs, pagetest.Cost{Question: q.question, Ours: ours, Theirs: kittest.Tokens(t, said())})
	}
	pagetest.Costs(t, "forgejo.md", costs)
}
