package pulls

import (
	"context"
	"slices"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/forgejo/access"
	"drawbridge/internal/servers/forgejo/api"
	"drawbridge/internal/servers/forgejo/show"
	"drawbridge/internal/servers/kit"
)

type mergePullIn struct {
	access.NumberIn
	Style   string `json:"style,omitempty" jsonschema:"merge without it." enum:"merge,squash,rebase,rebase-merge,fast-forward-only"`
	Message string `json:"message,omitempty" jsonschema:"Of the commit."`
	Delete  bool   `json:"delete_branch,omitempty" jsonschema:"Delete the head branch after it."`
	Later   bool   `json:"when_checks_succeed,omitempty" jsonschema:"Wait for the checks."`
	Head    string `json:"expected_head,omitempty" jsonschema:"head_sha that was read; refuse another."`
}

type mergePullOut struct {
	State  string `json:"state,omitempty"`
	Commit string `json:"commit,omitempty"`
}

// merging is a pull request that is about to be merged.
type merging struct {
	repo    api.Repo
	pull    api.Pull
	preview kit.Preview
	asks    bool
}

// planMerge reads what a person would look at before merging; mark is for what others
// wrote.
func (t Tools) planMerge(ctx context.Context, c *kit.Call, in mergePullIn, mark func(string) string) (m merging, err error) {
	if m.repo, err = t.Repo(ctx, c, in.Repo); err != nil {
		return m, err
	}
	if m.pull, err = m.repo.ReadPull(ctx, in.Number); err != nil {
		return m, err
	}
	name := access.Numbered(m.repo, in.Number)
	if state := pullState(m.pull); state != "open" {
		return m, fault.New(fault.Conflict, "%s is %s, so it cannot be merged. get_pull_request shows it.", name, state)
	}
	if err := sameHead(m.repo, m.pull, in.Head); err != nil {
		return m, err
	}
	facts, err := m.repo.Facts(ctx)
	if err != nil {
		return m, err
	}
	checks, err := m.repo.Checks(ctx, m.pull.Head.SHA)
	if err != nil {
		return m, err
	}
	state, rows := notGreen(checks)
	m.asks = m.pull.Base.Ref == facts.DefaultBranch || len(rows) > 0 && !in.Later
	m.preview = kit.Preview{Target: name, Effect: "Merges " + told(m.pull, mark)}
	m.preview.Bound = access.Bound(name, changeOf(m.pull), access.Bound(failed(checks)...))
	if state == "" {
		state = "none"
	}
	m.preview.Changes = append(m.preview.Changes, "checks: "+state)
	if len(rows) > 0 {
		m.preview.Changes = append(m.preview.Changes, "not green:\n"+mark(string(show.Join(rows, "\n", show.NoteRoom))))
	}
	if !m.pull.Mergeable {
		m.preview.Changes = append(m.preview.Changes, "Forgejo says that it cannot be merged as it is")
	}
	if in.Delete {
		m.preview.Changes = append(m.preview.Changes, "deletes the branch "+show.Ref(m.pull.Head.Label))
	}
	if in.Later {
		m.preview.Changes = append(m.preview.Changes, "waits for the checks")
	}
	return m, nil
}

// failed names the checks that have failed: an approval stands on them. Those that run
// end by themselves, and a person who has agreed to that is not asked again.
func failed(checks []api.Check) (names []string) {
	for _, one := range checks {
		if one.Status == "failure" || one.Status == "error" {
			names = append(names, one.Context)
		}
	}
	slices.Sort(names)
	return names
}

func (t Tools) previewMerge(ctx context.Context, c *kit.Call, in mergePullIn) (kit.Preview, error) {
	m, err := t.planMerge(ctx, c, in, c.Outside)
	return m.preview, err
}

// mergePull merges the commit that was looked at and no other: the head is sent along.
func (t Tools) mergePull(ctx context.Context, c *kit.Call, in mergePullIn) (out mergePullOut, err error) {
	m, err := t.planMerge(ctx, c, in, access.Unmarked)
	if err != nil {
		return out, err
	}
	if m.asks && in.Head == "" {
		return out, unbound(m.repo, m.pull)
	}
	if m.asks {
		if err := access.Approve(c, m.preview); err != nil {
			return out, err
		}
	}
	style := in.Style
	if style == "" {
		style = "merge"
	}
	title, message, _ := strings.Cut(in.Message, "\n")
	scheduled, err := m.repo.MergePull(ctx, in.Number, api.Merge{Style: style, Title: title, Message: strings.TrimSpace(message), Head: m.pull.Head.SHA, Delete: in.Delete, Later: in.Later})
	if err != nil {
		return out, err
	}
	if scheduled {
		return mergePullOut{State: "scheduled"}, nil
	}
	after, err := m.repo.ReadPull(ctx, in.Number)
	if err != nil { // it is merged, which counts more than its commit
		c.Log.DebugContext(ctx, "merged pull request not read again", "error", err)
		return mergePullOut{State: "merged"}, nil
	}
	return mergePullOut{pullState(after), after.MergeCommit}, nil
}
