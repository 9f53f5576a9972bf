package code

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"drawbridge/internal/servers/forgejo/fake/exchange"
	"drawbridge/internal/servers/forgejo/fake/forge"
	"drawbridge/internal/servers/forgejo/fake/gitstore"
	"drawbridge/internal/servers/forgejo/fake/shape"
)

// commits lists newest first; with a path only those that changed it.
func (c call) commits() exchange.Reply {
	if c.Repo.Empty() {
		return c.Fail(http.StatusConflict, "Git Repository is empty.")
	}
	from := c.Repo.Git.Resolve(exchange.Or(c.Query.Get("sha"), c.Repo.Main))
	if from == nil {
		return exchange.Reply{Status: http.StatusNotFound, Kind: "application/json;charset=utf-8", Raw: []byte("null\n")} // both forget the body here
	}
	rows := c.Repo.Git.Log(from.SHA)
	if not := c.Repo.Git.Resolve(c.Query.Get("not")); not != nil {
		rows = c.Repo.Git.Ahead(not.SHA, from.SHA)
	}
	if where := c.Query.Get("path"); where != "" {
		rows = slices.DeleteFunc(rows, func(m *gitstore.Commit) bool {
			return !slices.ContainsFunc(c.Repo.Git.ChangesOf(m), func(ch gitstore.Change) bool {
				return ch.Path == where || ch.From == where || strings.HasPrefix(ch.Path, where+"/")
			})
		})
		if len(rows) == 0 {
			return c.Missing()
		}
	}
	rep := exchange.ListMore(c.Call, rows, c.V.Commit(c.Repo, c.Wants))
	rep.Header.Set("X-Total", strconv.Itoa(len(rows)))
	return rep
}

// getCommit also serves /git/commits/{sha}.diff and .patch.
func (c call) getCommit() exchange.Reply {
	sha, ext, text := exchange.CutFormat(c.Vars["sha"])
	m := c.Repo.Git.Resolve(sha)
	if m == nil {
		return c.Missing(fmt.Sprintf("object does not exist [id: %s, rel_path: ]", sha))
	}
	if !text {
		return exchange.OK(c.V.Commit(c.Repo, c.Wants)(m))
	}
	return exchange.Plain(gitstore.Format(ext, []*gitstore.Commit{m}, c.Repo.Git.ChangesOf))
}

// compare is swagger Compare: base...head, head of another owner as owner:branch.
func (c call) compare() exchange.Reply {
	base, head, there := strings.Cut(c.Vars["basehead"], "...")
	if !there {
		base, head, there = strings.Cut(c.Vars["basehead"], "..")
	}
	if !there {
		base, head = c.Repo.Main, c.Vars["basehead"]
	}
	from, branch := c.HeadRepo(head)
	if from == nil {
		return c.Missing()
	}
	old, now := c.Repo.Git.Resolve(exchange.Or(base, c.Repo.Main)), from.Git.Resolve(branch)
	if old == nil || now == nil {
		return c.Missing()
	}
	c.Repo.Git.Fetch(from.Git)
	rows := c.Repo.Git.Ahead(old.SHA, now.SHA)
	return exchange.OK(exchange.Obj{"total_commits": len(rows), "commits": shape.Each(rows, c.V.Commit(c.Repo, c.Wants))})
}

func (c call) branches() exchange.Reply {
	names := slices.Sorted(maps.Keys(c.Repo.Git.Branches))
	slices.SortStableFunc(names, func(a, b string) int { return c.Repo.Tip(b).When.Compare(c.Repo.Tip(a).When) })
	return exchange.List(c.Call, names, c.V.Branch(c.Repo))
}

func (c call) getBranch() exchange.Reply {
	name := c.Vars["branch"]
	if c.Repo.Tip(name) == nil {
		return c.Missing()
	}
	return exchange.OK(c.V.Branch(c.Repo)(name))
}

// createBranch is swagger CreateBranchRepoOption.
func (c call) createBranch() exchange.Reply {
	var in struct {
		Name      string `json:"new_branch_name" rule:"required" go:"BranchName"`
		OldBranch string `json:"old_branch_name"`
		OldRef    string `json:"old_ref_name"`
	}
	if rep := c.Bind(&in); rep != nil {
		return *rep
	}
	if strings.ContainsAny(in.Name, " ~^:?*[\\") || strings.Contains(in.Name, "..") || strings.HasPrefix(in.Name, "/") {
		return c.Invalid("[BranchName]: GitRefName")
	}
	if c.Repo.Empty() {
		return c.Fail(http.StatusNotFound, "Git Repository is empty.")
	}
	from := c.Repo.Tip(exchange.Or(in.OldBranch, c.Repo.Main))
	if in.OldRef != "" {
		if from = c.Repo.Git.Resolve(in.OldRef); from == nil {
			return c.Broken() // Gitea 1.26, Forgejo: an unknown ref is not expected
		}
	}
	switch {
	case from == nil:
		return c.Fail(http.StatusNotFound, "The old branch does not exist")
	case c.Repo.Tip(in.Name) != nil:
		return c.Fail(http.StatusConflict, "The branch already exists.")
	case c.Repo.Git.Tags[in.Name] != "":
		return c.Fail(http.StatusConflict, "The branch with the same tag already exists.")
	}
	for name := range c.Repo.Git.Branches {
		if strings.HasPrefix(name, in.Name+"/") || strings.HasPrefix(in.Name, name+"/") {
			return c.Fail(http.StatusConflict, "The branch with the same name already exists.")
		}
	}
	c.Repo.Git.Branches[in.Name] = from.SHA
	return exchange.Created(c.V.Branch(c.Repo)(in.Name))
}

func (c call) deleteBranch() exchange.Reply {
	name := c.Vars["branch"]
	_, protected := c.Repo.Protected[name]
	switch {
	case c.Repo.Tip(name) == nil:
		return c.Missing(fmt.Sprintf("branch does not exist [name: %s]", name))
	case name == c.Repo.Main:
		return c.Fail(http.StatusForbidden, "can not delete default or pull request target branch")
	case protected:
		return c.Fail(http.StatusForbidden, "branch protected")
	}
	delete(c.Repo.Git.Branches, name)
	return exchange.Empty(http.StatusNoContent)
}

// tags is swagger Tag.
func (c call) tags() exchange.Reply {
	names := slices.Sorted(maps.Keys(c.Repo.Git.Tags))
	return exchange.List(c.Call, names, func(name string) any {
		sha := c.Repo.Git.Tags[name]
		at := c.Repo.Git.Commits[sha]
		out := exchange.Obj{"name": name, "message": at.Message, "id": sha, "zipball_url": c.V.Web(c.Repo) + "/archive/" + name + ".zip", "tarball_url": c.V.Web(c.Repo) + "/archive/" + name + ".tar.gz",
			"commit": exchange.Obj{"url": c.V.API(c.Repo) + "/git/commits/" + sha, "sha": sha, "created": at.When}}
		if c.Profile.Forgejo() {
			out["archive_download_count"] = exchange.Obj{"zip": 0, "tar_gz": 0}
		}
		return out
	})
}

// statusesOf are what checks said about a ref, newest first; latest: once per context.
func (c call) statusesOf(latest bool) (string, []*forge.Status, *exchange.Reply) {
	at := c.Repo.Git.Resolve(c.Vars["ref"])
	if at == nil {
		return "", nil, new(c.Missing(fmt.Sprintf("object does not exist [id: %s, rel_path: ]", c.Vars["ref"])))
	}
	var found []*forge.Status
	for _, s := range c.Repo.Statuses {
		again := slices.ContainsFunc(found, func(f *forge.Status) bool { return f.Context == s.Context })
		if s.SHA == at.SHA && !(latest && again) {
			found = append(found, s)
		}
	}
	return at.SHA, found, nil
}

func (c call) statuses() exchange.Reply {
	_, found, rep := c.statusesOf(false)
	if rep != nil {
		return *rep
	}
	return exchange.List(c.Call, found, c.V.Status(c.Repo))
}

// combinedStatus is swagger CombinedStatus: the worst of the latest. Without any, Gitea
// says pending and null, Forgejo nothing at all (Gitea 1.26, Forgejo).
func (c call) combinedStatus() exchange.Reply {
	sha, found, rep := c.statusesOf(true)
	if rep != nil {
		return *rep
	}
	rows := exchange.List(c.Call, found, c.V.Status(c.Repo))
	out := exchange.Obj{"state": "pending", "sha": sha, "total_count": len(found), "statuses": rows.Body, "repository": c.V.Repo(c.Repo),
		"commit_url": c.V.API(c.Repo) + "/commits/" + sha, "url": c.V.API(c.Repo) + "/commits/" + sha + "/status"}
	for _, worst := range []string{"success", "warning", "pending", "failure", "error"} {
		if slices.ContainsFunc(found, func(s *forge.Status) bool { return s.State == worst }) {
			out["state"] = worst
		}
	}
	switch {
	case out["state"] == "error" && c.Profile.Forgejo():
		out["state"] = "failure"
	case len(found) > 0:
	case c.Profile.Forgejo():
		out = exchange.Obj{"state": "", "sha": "", "total_count": 0, "statuses": nil, "repository": nil, "commit_url": "", "url": ""}
	default:
		out["statuses"] = nil
	}
	rows.Body = out
	return rows
}

// createStatus is swagger CreateStatusOption.
func (c call) createStatus() exchange.Reply {
	var in struct {
		State       string `json:"state"`
		Target      string `json:"target_url"`
		Description string `json:"description"`
		Context     string `json:"context"`
	}
	if rep := c.Bind(&in); rep != nil {
		return *rep
	}
	at := c.Repo.Git.Commits[c.Vars["ref"]]
	if at == nil {
		return c.Broken()
	}
	s := &forge.Status{ID: c.Forge.ID(), SHA: at.SHA, State: in.State, Target: in.Target, Description: in.Description, Context: exchange.Or(in.Context, "default"), By: c.User, At: c.Forge.Now()}
	c.Repo.Statuses = slices.Insert(c.Repo.Statuses, 0, s)
	return exchange.Created(c.V.Status(c.Repo)(s))
}
