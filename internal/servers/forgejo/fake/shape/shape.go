// Package shape writes what the fake keeps as the JSON objects that Forgejo and Gitea
// answer with, as one user sees them. Only the fake uses it. Each shape names the
// definition of the public API document it follows; all members of that definition are
// there, since clients must cope with them.
package shape

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/url"
	"time"

	"drawbridge/internal/servers/forgejo/fake/forge"
	"drawbridge/internal/servers/forgejo/fake/gitstore"
)

type obj = map[string]any

// View is whose eyes the shapes are for.
type View struct {
	Forge   *forge.Forge
	Viewer  *forge.User // nil for a stranger
	Base    string      // URL of the server
	Forgejo bool        // or Gitea
}

// Each gives the shapes of a list, [] for none.
func Each[T any](rows []T, shape func(T) any) []any {
	out := make([]any, 0, len(rows))
	for _, row := range rows {
		out = append(out, shape(row))
	}
	return out
}

// User is swagger User, as the viewer sees it: the mail address takes being signed in,
// what only admins and the user may know is blank for others.
func (v *View) User(u *forge.User) any {
	return v.user(u, v.Viewer != nil, u != nil && v.Viewer != nil && (v.Viewer == u || v.Viewer.Admin))
}

// Passing is how a user is shown beside commits, statuses, comments, releases and tasks:
// as to a stranger, whoever asks (Gitea 1.26).
func (v *View) Passing(u *forge.User) any { return v.user(u, false, false) }

func (v *View) user(u *forge.User, signed, authed bool) any {
	if u == nil {
		return nil
	}
	out := obj{"id": u.ID, "login": u.Login, "username": u.Login, "login_name": "", "source_id": 0, "full_name": u.Name,
		"email": fmt.Sprintf("%d+%s@noreply.example.org", u.ID, u.Login), "avatar_url": v.Base + "/avatars/" + u.Login, "html_url": v.Base + "/" + u.Login,
		"language": "", "is_admin": u.Admin && authed, "last_login": time.Time{}, "created": time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		"restricted": false, "active": authed, "prohibit_login": false, "location": "", "website": "", "description": "", "visibility": "public",
		"followers_count": 0, "following_count": 0, "starred_repos_count": 0}
	switch {
	case u.Org:
		out["email"] = ""
	case signed:
		out["email"] = u.Email
	}
	if authed {
		out["last_login"] = time.Unix(0, 0).UTC()
	}
	if v.Forgejo {
		out["pronouns"] = ""
	}
	return out
}

// Org is swagger Organization.
func (v *View) Org(u *forge.User) any {
	return obj{"id": u.ID, "name": u.Login, "username": u.Login, "full_name": u.Name, "email": "", "avatar_url": v.Base + "/avatars/" + u.Login,
		"description": "", "website": "", "location": "", "visibility": "public", "repo_admin_change_team_access": false}
}

// Web and API are the URLs of a repository.
func (v *View) Web(r *forge.Repo) string { return v.Base + "/" + r.FullName() }
func (v *View) API(r *forge.Repo) string { return v.Base + "/api/v1/repos/" + r.FullName() }

// Repo is swagger Repository, all of it: clients must trim (ref 4.2).
func (v *View) Repo(r *forge.Repo) any {
	open := func(pulls bool) (n int) {
		for _, i := range r.Issues {
			if i.Closed == nil && (i.Pull != nil) == pulls {
				n++
			}
		}
		return n
	}
	may := v.Forge.Level(v.Viewer, r)
	out := obj{"id": r.ID, "owner": v.user(r.Owner, v.Viewer != nil, false), "name": r.Name, "full_name": r.FullName(), "description": r.Description,
		"empty": r.Empty(), "private": r.Private, "fork": r.Parent != nil, "template": r.Template, "mirror": false, "size": 24, "language": "Go",
		"languages_url": v.API(r) + "/languages", "html_url": v.Web(r), "url": v.API(r), "link": "", "ssh_url": "git@example.org:" + r.FullName() + ".git",
		"clone_url": v.Web(r) + ".git", "original_url": "", "website": r.Website, "stars_count": 0, "forks_count": 0, "watchers_count": 1,
		"open_issues_count": open(false), "open_pr_counter": open(true), "release_counter": len(r.Releases), "default_branch": r.Main,
		"archived": r.Archived, "archived_at": time.Unix(0, 0).UTC(), "created_at": r.Created, "updated_at": r.Updated,
		"permissions": obj{"admin": may >= forge.Admin, "push": may >= forge.Write, "pull": may >= forge.Read}, "has_issues": true,
		"internal_tracker": obj{"enable_time_tracker": true, "allow_only_contributors_to_track_time": true, "enable_issue_dependencies": true},
		"has_wiki":         true, "has_pull_requests": true, "has_projects": true, "has_releases": true, "has_packages": true, "has_actions": true,
		"ignore_whitespace_conflicts": false, "allow_merge_commits": true, "allow_rebase": true, "allow_rebase_explicit": true,
		"allow_squash_merge": true, "allow_fast_forward_only_merge": true, "allow_rebase_update": true, "default_delete_branch_after_merge": false,
		"default_merge_style": "merge", "default_allow_maintainer_edit": true, "avatar_url": "", "internal": false, "mirror_interval": "",
		"object_format_name": "sha1", "mirror_updated": time.Time{}, "topics": r.Topics}
	more := obj{"branch_count": len(r.Git.Branches), "has_code": true, "projects_mode": "all", "allow_manual_merge": false, "autodetect_manual_merge": false, "licenses": []string{}}
	if v.Forgejo {
		more = obj{"wiki_branch": r.Main, "globally_editable_wiki": false, "parent": nil, "repo_transfer": nil}
	}
	maps.Copy(out, more)
	if r.Parent != nil && v.Forge.Level(v.Viewer, r.Parent) > forge.None {
		out["parent"] = v.Repo(r.Parent)
	}
	return out
}

// Label is swagger Label; colours are without #.
func (v *View) Label(r *forge.Repo) func(*forge.Label) any {
	return func(l *forge.Label) any {
		return obj{"id": l.ID, "name": l.Name, "exclusive": l.Exclusive, "is_archived": l.Archived, "color": l.Color,
			"description": l.Description, "url": fmt.Sprintf("%s/labels/%d", v.API(r), l.ID)}
	}
}

// Milestone is swagger Milestone; its counts are those of the repository's issues.
func (v *View) Milestone(r *forge.Repo) func(*forge.Milestone) any {
	return func(m *forge.Milestone) any {
		if m == nil {
			return nil
		}
		open, closed, state := 0, 0, "open"
		for _, i := range r.Issues {
			switch {
			case i.Milestone != m:
			case i.Closed == nil:
				open++
			default:
				closed++
			}
		}
		if m.Closed != nil {
			state = "closed"
		}
		return obj{"id": m.ID, "title": m.Title, "description": m.Description, "state": state, "open_issues": open, "closed_issues": closed,
			"created_at": m.Created, "updated_at": m.Updated, "closed_at": m.Closed, "due_on": m.Due}
	}
}

// Issue is swagger Issue.
func (v *View) Issue(i *forge.Issue) any {
	r := i.Repo
	out := obj{"id": i.ID, "url": fmt.Sprintf("%s/issues/%d", v.API(r), i.Number), "html_url": v.Page(i), "number": i.Number,
		"user": v.User(i.By), "original_author": "", "original_author_id": 0, "title": i.Title, "body": i.Body, "ref": i.Ref, "assets": []any{},
		"labels": Each(i.Labels, v.Label(r)), "milestone": v.Milestone(r)(i.Milestone), "assignee": nil, "assignees": nil,
		"state": i.State(), "is_locked": false, "comments": len(i.Comments), "created_at": i.Created, "updated_at": i.Updated,
		"closed_at": i.Closed, "due_date": i.Due, "pull_request": nil, "pin_order": 0,
		"repository": obj{"id": r.ID, "name": r.Name, "owner": r.Owner.Login, "full_name": r.FullName()}}
	if len(i.Assignees) > 0 { // null, not [], for nobody: unlike in a pull request
		out["assignee"], out["assignees"] = v.Passing(i.Assignees[0]), Each(i.Assignees, v.Passing)
	}
	if p := i.Pull; p != nil {
		out["pull_request"] = obj{"merged": p.MergedAt != nil, "merged_at": p.MergedAt, "draft": i.Draft(), "html_url": v.Page(i)}
	}
	if !v.Forgejo {
		out["time_estimate"], out["content_version"] = 0, i.Version
	}
	return out
}

// Page is an issue's URL for people.
func (v *View) Page(i *forge.Issue) string {
	kind := "issues"
	if i.Pull != nil {
		kind = "pulls"
	}
	return fmt.Sprintf("%s/%s/%d", v.Web(i.Repo), kind, i.Number)
}

// Comment is swagger Comment: of the two URLs one is empty.
func (v *View) Comment(m *forge.Comment) any {
	out := obj{"id": m.ID, "html_url": fmt.Sprintf("%s#issuecomment-%d", v.Page(m.Issue), m.ID), "pull_request_url": "", "issue_url": "",
		"user": v.Passing(m.By), "original_author": "", "original_author_id": 0, "body": m.Body, "assets": []any{},
		"created_at": m.Created, "updated_at": m.Updated}
	if m.Issue.Pull != nil {
		out["pull_request_url"] = v.Page(m.Issue)
	} else {
		out["issue_url"] = v.Page(m.Issue)
	}
	return out
}

// Commit is swagger Commit; its tree bears the name of the commit (Gitea 1.26).
// Wants tells which of verification, files and stat are asked for.
func (v *View) Commit(r *forge.Repo, wants func(part string) bool) func(*gitstore.Commit) any {
	return func(m *gitstore.Commit) any {
		at := v.API(r) + "/git/commits/" + m.SHA
		who := obj{"name": m.Author.Name, "email": m.Author.Email, "date": m.When.Format(time.RFC3339)}
		person := v.Passing(v.Forge.ByEmail(m.Author.Email))
		parents := Each(m.Parents, func(sha string) any {
			return obj{"url": v.API(r) + "/git/commits/" + sha, "sha": sha, "created": time.Time{}}
		})
		inner := obj{"url": at, "author": who, "committer": who, "message": m.Message + "\n", "verification": nil,
			"tree": obj{"url": v.API(r) + "/git/trees/" + m.SHA, "sha": m.SHA, "created": m.When}}
		out := obj{"url": at, "sha": m.SHA, "created": m.When, "html_url": v.Web(r) + "/commit/" + m.SHA, "commit": inner,
			"author": person, "committer": person, "parents": parents, "files": nil, "stats": nil}
		if wants("verification") {
			inner["verification"] = Unsigned()
		}
		changes := r.Git.ChangesOf(m)
		if wants("files") {
			out["files"] = Each(changes, func(ch gitstore.Change) any {
				status := map[string]string{"deleted": "removed", "changed": "modified"}[ch.Status]
				return obj{"filename": ch.Path, "status": or(status, "added")}
			})
		}
		if wants("stat") {
			added, removed := 0, 0
			for _, ch := range changes {
				added, removed = added+ch.Added, removed+ch.Removed
			}
			out["stats"] = obj{"total": added + removed, "additions": added, "deletions": removed}
		}
		return out
	}
}

// Unsigned is swagger PayloadCommitVerification.
func Unsigned() obj {
	return obj{"verified": false, "reason": "gpg.error.not_signed_commit", "signature": "", "signer": nil, "payload": ""}
}

// Branch is swagger Branch.
func (v *View) Branch(r *forge.Repo) func(string) any {
	return func(name string) any {
		m := r.Tip(name)
		who := obj{"name": m.Author.Name, "email": m.Author.Email, "username": ""}
		if u := v.Forge.ByEmail(m.Author.Email); u != nil {
			who["username"] = u.Login
		}
		rule, protected := r.Protected[name]
		out := obj{"name": name, "protected": protected, "required_approvals": rule.Approvals, "enable_status_check": len(rule.Checks) > 0,
			"status_check_contexts": append([]string{}, rule.Checks...), "user_can_push": v.Viewer != nil && v.Forge.MayPush(v.Viewer, r, name),
			"user_can_merge": v.Forge.Level(v.Viewer, r) >= forge.Write, "effective_branch_protection_name": "",
			"commit": obj{"id": m.SHA, "message": m.Message + "\n", "url": v.Web(r) + "/commit/" + m.SHA, "author": who, "committer": who,
				"verification": Unsigned(), "timestamp": m.When, "added": nil, "removed": nil, "modified": nil}}
		if protected && v.Forge.Level(v.Viewer, r) >= forge.Admin {
			out["effective_branch_protection_name"] = name
		}
		return out
	}
}

// Content is swagger ContentsResponse; only a file that was asked for by its path
// has its content.
func (v *View) Content(r *forge.Repo, at *gitstore.Commit, ref string, n gitstore.Node, whole bool) any {
	escaped := (&url.URL{Path: n.Path}).EscapedPath()
	self := v.API(r) + "/contents/" + escaped + "?ref=" + url.QueryEscape(ref)
	page := v.Web(r) + "/src/branch/" + ref + "/" + escaped
	blob := v.API(r) + "/git/blobs/" + n.SHA
	last := lastTouch(r, at, n.Path)
	out := obj{"name": n.Name, "path": n.Path, "sha": n.SHA, "last_commit_sha": last.SHA, "type": "file", "size": len(r.Git.Blobs[n.SHA]),
		"encoding": nil, "content": nil, "target": nil, "url": self, "html_url": page, "git_url": blob,
		"download_url": v.Web(r) + "/raw/branch/" + ref + "/" + escaped, "submodule_git_url": nil,
		"_links": obj{"self": self, "git": blob, "html": page}}
	if !v.Forgejo {
		out["last_committer_date"], out["last_author_date"] = last.When, last.When
	}
	if n.Dir {
		out["type"], out["size"], out["download_url"] = "dir", 0, nil
	} else if whole {
		out["encoding"], out["content"] = "base64", base64.StdEncoding.EncodeToString([]byte(r.Git.Blobs[n.SHA]))
	}
	return out
}

// lastTouch is the newest commit that changed a path.
func lastTouch(r *forge.Repo, at *gitstore.Commit, path string) *gitstore.Commit {
	name := func(m *gitstore.Commit) string {
		if sha := m.Files[path]; sha != "" {
			return sha
		}
		return gitstore.TreeSHA(m.Files, path)
	}
	last := at
	for _, m := range r.Git.Log(at.SHA) {
		if name(m) != name(last) {
			break
		}
		last = m
	}
	return last
}

// Release is swagger Release.
func (v *View) Release(r *forge.Repo) func(*forge.Release) any {
	return func(l *forge.Release) any {
		at := fmt.Sprintf("%s/releases/%d", v.API(r), l.ID)
		out := obj{"id": l.ID, "tag_name": l.Tag, "target_commitish": l.Target, "name": l.Title, "body": l.Body, "url": at,
			"html_url": v.Web(r) + "/releases/tag/" + l.Tag, "tarball_url": v.Web(r) + "/archive/" + l.Tag + ".tar.gz",
			"zipball_url": v.Web(r) + "/archive/" + l.Tag + ".zip", "upload_url": at + "/assets", "draft": l.Draft, "prerelease": l.Pre,
			"created_at": l.At, "published_at": l.At, "author": v.Passing(l.By), "assets": []any{}}
		if v.Forgejo {
			out["hide_archive_links"], out["archive_download_count"] = false, obj{"zip": 0, "tar_gz": 0}
		}
		return out
	}
}

// Status is swagger CommitStatus.
func (v *View) Status(r *forge.Repo) func(*forge.Status) any {
	return func(s *forge.Status) any {
		return obj{"id": s.ID, "status": s.State, "target_url": s.Target, "description": s.Description, "context": s.Context,
			"url": v.API(r) + "/statuses/" + s.SHA, "creator": v.Passing(s.By), "created_at": s.At, "updated_at": s.At}
	}
}

// Thread is swagger NotificationThread.
func (v *View) Thread(t *forge.Thread) any {
	i := t.Issue
	kind, state := "Issue", i.State()
	if i.Pull != nil {
		kind = "Pull"
		if i.Pull.MergedAt != nil {
			state = "merged"
		}
	}
	subject := obj{"title": i.Title, "url": fmt.Sprintf("%s/issues/%d", v.API(i.Repo), i.Number), "html_url": v.Page(i), "type": kind, "state": state,
		"latest_comment_url": "", "latest_comment_html_url": ""}
	if n := len(i.Comments); n > 0 {
		last := i.Comments[n-1]
		subject["latest_comment_url"] = fmt.Sprintf("%s/issues/comments/%d", v.API(i.Repo), last.ID)
		subject["latest_comment_html_url"] = fmt.Sprintf("%s#issuecomment-%d", v.Page(i), last.ID)
	}
	in := v.Repo(i.Repo).(obj)
	delete(in, "permissions")
	return obj{"id": t.ID, "repository": in, "subject": subject, "unread": t.State == "unread", "pinned": t.State == "pinned",
		"updated_at": t.At, "url": fmt.Sprintf("%s/api/v1/notifications/threads/%d", v.Base, t.ID)}
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
