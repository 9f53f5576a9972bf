package shape

import (
	"fmt"
	"maps"
	"strings"

	"drawbridge/internal/servers/forgejo/fake/forge"
)

// Pull is swagger PullRequest. Its url is that of the page, not of the API.
func (v *View) Pull(i *forge.Issue) any {
	i.Refresh()
	p := i.Pull
	added, removed, remarks := 0, 0, 0
	changes := i.Changes()
	for _, ch := range changes {
		added, removed = added+ch.Added, removed+ch.Removed
	}
	requested := []any{}
	for _, r := range p.Reviews {
		if r.State != forge.Pending {
			remarks += len(r.Remarks)
		}
		if r.State == forge.Requested {
			requested = append(requested, v.Passing(r.By))
		}
	}
	out := v.Issue(i).(obj)
	for _, none := range []string{"original_author", "original_author_id", "ref", "assets", "pull_request", "repository", "time_estimate"} {
		delete(out, none)
	}
	maps.Copy(out, obj{"url": v.Page(i), "assignees": Each(i.Assignees, v.Passing), "requested_reviewers": requested, "requested_reviewers_teams": []any{},
		"draft": i.Draft(), "review_comments": remarks, "additions": added, "deletions": removed, "changed_files": len(changes),
		"diff_url": v.Page(i) + ".diff", "patch_url": v.Page(i) + ".patch", "mergeable": i.Mergeable(), "merged": p.MergedAt != nil,
		"merged_at": p.MergedAt, "merge_commit_sha": nil, "merged_by": v.User(p.MergedBy), "allow_maintainer_edit": p.AllowsEdits,
		"base": v.branchInfo(i.Repo, p.Base, i.Repo.Git.Branches[p.Base]), "head": v.branchInfo(p.From, p.Head, p.HeadSHA), "merge_base": p.MergeBase})
	if p.MergedAt != nil {
		out["merge_commit_sha"] = p.MergedSHA
	}
	if p.From.Git.Branches[p.Head] == "" { // the branch is gone
		out["head"].(obj)["ref"] = fmt.Sprintf("refs/pull/%d/head", i.Number)
	}
	if remarks == 0 && !v.Forgejo {
		delete(out, "review_comments")
	}
	return out
}

// PullRow is what a list has of a pull request: Gitea leaves out what takes a diff, and
// writes null where Pull writes [] for nobody (Gitea 1.26).
func (v *View) PullRow(i *forge.Issue) any {
	out := v.Pull(i).(obj)
	if v.Forgejo {
		return out
	}
	for _, slow := range []string{"additions", "deletions", "changed_files", "review_comments"} {
		delete(out, slow)
	}
	for _, people := range []string{"assignees", "requested_reviewers", "requested_reviewers_teams"} {
		if len(out[people].([]any)) == 0 {
			out[people] = nil
		}
	}
	return out
}

// branchInfo is swagger PRBranchInfo.
func (v *View) branchInfo(r *forge.Repo, branch, sha string) any {
	return obj{"label": branch, "ref": branch, "sha": sha, "repo_id": r.ID, "repo": v.Repo(r)}
}

// Review is swagger PullReview.
func (v *View) Review(i *forge.Issue) func(*forge.Review) any {
	return func(r *forge.Review) any {
		out := obj{"id": r.ID, "user": v.User(r.By), "team": nil, "state": r.State, "body": r.Body, "commit_id": r.SHA,
			"stale": r.SHA != i.Pull.HeadSHA, "official": v.Forge.Level(r.By, i.Repo) >= forge.Write, "dismissed": r.Dismissed,
			"comments_count": len(r.Remarks), "submitted_at": r.At, "updated_at": r.Updated,
			"html_url": fmt.Sprintf("%s#issuecomment-%d", v.Page(i), r.ID), "pull_request_url": v.Page(i)}
		if r.State == forge.Pending { // of which nobody else knows
			out["official"], out["html_url"] = false, ""
		}
		return out
	}
}

// Remark is swagger PullReviewComment: position is a line of the new file,
// original_position one of the old.
func (v *View) Remark(i *forge.Issue, r *forge.Review) func(*forge.Remark) any {
	return func(m *forge.Remark) any {
		out := obj{"id": m.ID, "body": m.Body, "user": v.User(r.By), "resolver": nil, "pull_request_review_id": r.ID, "created_at": r.At,
			"updated_at": r.Updated, "path": m.Path, "commit_id": r.SHA, "original_commit_id": "", "diff_hunk": strings.TrimSuffix(m.Hunk, "\n"),
			"position": m.Line, "original_position": 0, "html_url": fmt.Sprintf("%s#issuecomment-%d", v.Page(i), m.ID), "pull_request_url": v.Page(i)}
		if m.Old {
			out["position"], out["original_position"] = 0, m.Line
		}
		return out
	}
}
