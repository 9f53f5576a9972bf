package forgejo_test

import (
	"testing"

	"drawbridge/internal/servers/forgejo/giteatest"
	"drawbridge/internal/servers/kittest"
)

// What the tools answer costs at most a fifth of what the API says to the same
// questions, which is what servers pass on that only wrap the API.
func TestCost(t *testing.T) {
	t.Parallel()
	const rounds = 25
	url, said := giteatest.Library(t, tape)
	ada := stage{url: url, tokens: own{giteatest.Admin: giteatest.Admin}}.client(t, giteatest.Admin)
	ada.Must(t, "list_releases", `{"repo":"ada/site"}`, nil) // asks for the version, once
	for _, call := range []struct{ tool, args string }{
		{"search_issues", `{"repo":"ada/site","type":"issues","state":"all"}`},
		{"get_pull_request", `{"repo":"ada/site","number":2}`},
		{"list_workflow_runs", `{"repo":"ada/site"}`},
	} {
		said()
		ours := kittest.Tokens(t, []byte(ada.Must(t, call.tool, call.args, nil).Text))
		theirs := kittest.Tokens(t, said())
		for range rounds - 1 { // the marks of each answer are others, of other tokens
			ours += kittest.Tokens(t, []byte(ada.Must(t, call.tool, call.args, nil).Text))
		}
		ours /= rounds
		t.Logf("%s: %d tokens, of %d that the API said", call.tool, ours, theirs)
		if 5*ours > theirs {
			t.Errorf("%s costs %d tokens, more than a fifth of %d", call.tool, ours, theirs)
		}
	}
}
