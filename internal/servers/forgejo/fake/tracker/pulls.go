package tracker

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"drawbridge/internal/servers/forgejo/fake/exchange"
	"drawbridge/internal/servers/forgejo/fake/forge"
	"drawbridge/internal/servers/forgejo/fake/gitstore"
)

// onPull finds the pull request of the path; an issue of that number is none. Its last
// segment may end in .diff or .patch.
func onPull(serve func(call, *forge.Issue) exchange.Reply) func(call) exchange.Reply {
	return func(c call) exchange.Reply {
		number, ext, text := exchange.CutFormat(c.Vars["index"])
		c.Vars["index"] = number
		i := c.Repo.Issue(c.VarID("index"))
		if i == nil || i.Pull == nil {
			return c.Missing()
		}
		c.Forge.Look(i)
		if text {
			return c.pullText(i, ext)
		}
		return serve(c, i)
	}
}

// pullText is all of it in one diff, or its commits as mails.
func (c call) pullText(i *forge.Issue, ext string) exchange.Reply {
	if c.R.Method != http.MethodGet {
		return exchange.Empty(http.StatusMethodNotAllowed)
	}
	commits := i.Commits()
	slices.Reverse(commits)
	if ext == ".diff" {
		return exchange.Plain(gitstore.Format(ext, []*gitstore.Commit{{}}, func(*gitstore.Commit) []gitstore.Change { return i.Changes() }))
	}
	return exchange.Plain(gitstore.Format(ext, commits, c.Repo.Git.ChangesOf))
}

func (c call) pulls() exchange.Reply {
	labels := c.Query["labels"] // ids, repeated
	rows := slices.DeleteFunc(slices.Clone(c.Repo.Issues), func(i *forge.Issue) bool {
		state := exchange.Or(c.Query.Get("state"), "all") // unlike issues
		roof := int64(c.Number("milestone"))
		poster := c.Query.Get("poster")
		return i.Pull == nil || state != "all" && state != i.State() || roof != 0 && (i.Milestone == nil || i.Milestone.ID != roof) ||
			poster != "" && !strings.EqualFold(poster, i.By.Login) || slices.ContainsFunc(labels, func(id string) bool {
			return !slices.ContainsFunc(i.Labels, func(l *forge.Label) bool { return fmt.Sprint(l.ID) == id })
		})
	})
	slices.SortStableFunc(rows, func(a, b *forge.Issue) int {
		switch c.Query.Get("sort") {
		case "oldest":
			return cmp.Compare(a.ID, b.ID)
		case "recentupdate":
			return b.Updated.Compare(a.Updated)
		case "leastupdate":
			return a.Updated.Compare(b.Updated)
		case "mostcomment":
			return cmp.Compare(len(b.Comments), len(a.Comments))
		case "leastcomment":
			return cmp.Compare(len(a.Comments), len(b.Comments))
		}
		return cmp.Compare(b.ID, a.ID)
	})
	return exchange.List(c.Call, rows, c.V.PullRow)
}

func (c call) getPull(i *forge.Issue) exchange.Reply { return exchange.OK(c.V.Pull(i)) }

func (c call) pullOfBranches() exchange.Reply {
	from, head := c.HeadRepo(c.Vars["head"])
	i := forge.Find(c.Repo.Issues, func(i *forge.Issue) bool {
		return i.Pull != nil && i.Pull.Base == c.Vars["base"] && i.Pull.Head == head && i.Pull.From == from
	})
	if i == nil {
		return c.Missing()
	}
	return exchange.OK(c.V.Pull(i))
}

// createPull is swagger CreatePullRequestOption; head is a branch or owner:branch.
func (c call) createPull() exchange.Reply {
	var in struct {
		issueOptions
		Head          string   `json:"head" rule:"required"`
		Base          string   `json:"base" rule:"required"`
		Reviewers     []string `json:"reviewers"`
		TeamReviewers []string `json:"team_reviewers"`
		AllowEdits    *bool    `json:"allow_maintainer_edit"`
	}
	if rep := c.Bind(&in); rep != nil {
		return *rep
	}
	if in.Head == in.Base {
		return c.Invalid("Invalid PullRequest: There are no changes between the head and the base")
	}
	from, head := c.HeadRepo(in.Head)
	if from == nil || from.Tip(head) == nil || c.Repo.Tip(in.Base) == nil {
		return c.Missing()
	}
	if i := forge.Find(c.Repo.Issues, func(i *forge.Issue) bool {
		return i.Pull != nil && i.Closed == nil && i.Pull.Base == in.Base && i.Pull.From == from && i.Pull.Head == head
	}); i != nil { // ref 4.2: 409, the message has the number
		return c.Fail(http.StatusConflict, "pull request already exists for these targets [id: %d, issue_id: %d, head_repo_id: %d, base_repo_id: %d, head_branch: %s, base_branch: %s]",
			i.ID, i.Number, from.ID, c.Repo.ID, head, in.Base)
	}
	people, rep := c.assignable(append(in.Assignees, in.Assignee))
	if rep != nil {
		return *rep
	}
	i := c.Forge.AddIssue(c.Repo, c.User, in.Title, in.Body)
	c.Forge.AddPull(i, in.Base, from, head)
	i.Assignees, i.Labels, i.Milestone, i.Due = people, c.labelsByID(in.Labels), c.milestone(in.Milestone), in.Due
	exchange.Set(&i.Pull.AllowsEdits, in.AllowEdits)
	if !c.Profile.Forgejo() { // Gitea 1.26: reviewers may be asked at once
		if _, rep := c.ask(i, in.Reviewers); rep != nil {
			return *rep
		}
	}
	c.Forge.Notify(i, c.User)
	return exchange.Created(c.V.Pull(i))
}

// editPull is swagger EditPullRequestOption; it answers 201 (ref 4.2).
func (c call) editPull(i *forge.Issue) exchange.Reply {
	var in struct {
		issueEdit
		Base       string  `json:"base"`
		Assignee   string  `json:"assignee"`
		Milestone  int64   `json:"milestone"`
		Labels     []int64 `json:"labels"`
		AllowEdits *bool   `json:"allow_maintainer_edit"`
	}
	if rep := c.Bind(&in); rep != nil {
		return *rep
	}
	edit := in.issueEdit
	if in.Assignee != "" {
		edit.Assignee = &in.Assignee
	}
	if in.Milestone != 0 {
		edit.Milestone = &in.Milestone
	}
	if in.Base != "" && in.Base != i.Pull.Base {
		switch {
		case c.Repo.Tip(in.Base) == nil:
			return c.Fail(http.StatusNotFound, "new base '%s' not exist", in.Base)
		case i.Closed != nil:
			return c.Invalid("issue is closed [id: %d, repo_id: %d, index: %d]", i.ID, c.Repo.ID, i.Number)
		}
	}
	if rep := c.edit(i, edit); rep != nil {
		return *rep
	}
	if in.Labels != nil && c.May() >= forge.Write {
		i.Labels = c.labelsByID(in.Labels)
	}
	i.Pull.Base = exchange.Or(in.Base, i.Pull.Base)
	exchange.Set(&i.Pull.AllowsEdits, in.AllowEdits)
	return exchange.Created(c.V.Pull(i))
}

// pullFiles is swagger ChangedFile, without the patch (ref 4.2).
func (c call) pullFiles(i *forge.Issue) exchange.Reply {
	rows := i.Changes()
	if skip := c.Query.Get("skip-to"); skip != "" {
		rows = slices.DeleteFunc(rows, func(ch gitstore.Change) bool { return ch.Path < skip })
	}
	return exchange.ListMore(c.Call, rows, func(ch gitstore.Change) any {
		out := exchange.Obj{"filename": ch.Path, "status": ch.Status, "additions": ch.Added, "deletions": ch.Removed, "changes": ch.Added + ch.Removed,
			"html_url":     c.V.Web(c.Repo) + "/src/commit/" + i.Pull.HeadSHA + "/" + ch.Path,
			"contents_url": c.V.API(c.Repo) + "/contents/" + ch.Path + "?ref=" + i.Pull.HeadSHA,
			"raw_url":      c.V.Web(c.Repo) + "/raw/commit/" + i.Pull.HeadSHA + "/" + ch.Path}
		if ch.From != "" {
			out["previous_filename"] = ch.From
		}
		return out
	})
}

func (c call) pullCommits(i *forge.Issue) exchange.Reply {
	return exchange.ListMore(c.Call, i.Commits(), c.V.Commit(c.Repo, c.Wants))
}

func (c call) isMerged(i *forge.Issue) exchange.Reply {
	if i.Pull.MergedAt == nil {
		return c.Missing()
	}
	return exchange.Empty(http.StatusNoContent)
}

// merge is swagger MergePullRequestOption. All that is in the way is 405, but for a head
// that moved; what worked has no body (ref 4.2).
func (c call) merge(i *forge.Issue) exchange.Reply {
	var in struct {
		Do           string `json:"do" rule:"required,in(merge,rebase,rebase-merge,squash,fast-forward-only,manually-merged)"`
		Title        string `json:"MergeTitleField"`
		Title2       string `json:"merge_title_field"`
		Message      string `json:"MergeMessageField"`
		Message2     string `json:"merge_message_field"`
		CommitID     string `json:"MergeCommitID"`
		CommitID2    string `json:"merge_commit_id"`
		Head         string `json:"head_commit_id"`
		Force        bool   `json:"force_merge"`
		WhenReady    bool   `json:"merge_when_checks_succeed"`
		DeleteBranch bool   `json:"delete_branch_after_merge"`
	}
	if rep := c.Bind(&in); rep != nil {
		return *rep
	}
	if rep := c.mergeable(i, in.WhenReady, in.Force && c.May() >= forge.Admin); rep != nil {
		return *rep
	}
	if in.WhenReady && i.Unready() != "" {
		if i.Pull.Auto {
			return c.Fail(http.StatusConflict, "pull request is already scheduled to auto merge when checks succeed [pull_id: %d]", i.ID)
		}
		i.Pull.Auto = true
		return exchange.Empty(http.StatusCreated)
	}
	if in.Head != "" && in.Head != i.Pull.HeadSHA {
		return c.Fail(http.StatusConflict, "head out of date")
	}
	message := exchange.Or(exchange.Or(in.Title, in.Title2), fmt.Sprintf("Merge pull request '%s' (#%d) from %s into %s", i.Title, i.Number, i.Pull.Head, i.Pull.Base))
	if in.Do == "squash" {
		message = exchange.Or(exchange.Or(in.Title, in.Title2), fmt.Sprintf("%s (#%d)", i.Title, i.Number))
	}
	if more := strings.TrimSpace(exchange.Or(in.Message, in.Message2)); more != "" {
		message += "\n\n" + more
	}
	if !c.Forge.Merge(i, c.User, in.Do, message) {
		return c.Broken() // a fast forward that is none is not expected (Gitea 1.26)
	}
	if in.DeleteBranch && c.Forge.MayPush(c.User, i.Pull.From, i.Pull.Head) && i.Pull.Head != i.Pull.From.Main {
		delete(i.Pull.From.Git.Branches, i.Pull.Head)
	}
	return exchange.Empty(http.StatusOK)
}

func (c call) mergeable(i *forge.Issue, whenReady, force bool) *exchange.Reply {
	no := func(why string) *exchange.Reply { return new(c.Fail(http.StatusMethodNotAllowed, "%s", why)) }
	unready := i.Unready()
	switch {
	case i.Pull.MergedAt != nil && c.Profile.Forgejo():
		return no("") // Forgejo keeps the reason to itself
	case i.Pull.MergedAt != nil:
		return no("The PR is already merged")
	case i.Closed != nil:
		return new(c.Missing())
	case c.May() < forge.Write:
		return no("User not allowed to merge PR")
	case i.Draft():
		return no("Work in progress PRs cannot be merged")
	case !i.Mergeable():
		return no("Please try again later") // this is what both say about conflicts
	case unready != "" && !force && !whenReady && c.Profile.Forgejo():
		return no("not allowed to merge [reason: " + unready + "]")
	case unready != "" && !force && !whenReady:
		return no(unready)
	}
	return nil
}

func (c call) updatePull(i *forge.Issue) exchange.Reply {
	switch {
	case i.Closed != nil:
		return c.Invalid("%%!s(<nil>)") // both format an error that is none
	case !c.Forge.MayPush(c.User, i.Pull.From, i.Pull.Head):
		return exchange.Empty(http.StatusForbidden)
	case !c.Forge.Update(i, c.User):
		return c.Fail(http.StatusConflict, "merge failed because of conflict")
	}
	return exchange.Empty(http.StatusOK)
}
