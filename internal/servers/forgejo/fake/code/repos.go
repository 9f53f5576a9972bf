package code

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"drawbridge/internal/servers/forgejo/fake/exchange"
	"drawbridge/internal/servers/forgejo/fake/forge"
	"drawbridge/internal/servers/forgejo/fake/shape"
)

// version is swagger ServerVersion; ref 4.2, Versions.
func (c call) version() exchange.Reply {
	return exchange.OK(exchange.Obj{"version": c.Profile.Version()})
}

// settings is swagger GeneralAPISettings; ref 4.2, Paging.
func (c call) settings() exchange.Reply {
	out := exchange.Obj{"max_response_items": c.MaxItems, "default_paging_num": c.PageItems, "default_git_trees_per_page": treesPerPage, "default_max_blob_size": 10485760}
	if !c.Profile.Forgejo() {
		out["default_max_response_size"] = 104857600
	}
	return exchange.OK(out)
}

func (c call) self() exchange.Reply { return exchange.OK(c.V.User(c.User)) }

func (c call) getUser() exchange.Reply {
	u := c.Forge.User(c.Vars["username"])
	if u == nil {
		return c.Missing()
	}
	return exchange.OK(c.V.User(u))
}

// searchUsers answers {ok, data} and counts in the headers.
func (c call) searchUsers() exchange.Reply {
	q := strings.ToLower(strings.TrimSpace(c.Query.Get("q")))
	var found []*forge.User
	for _, u := range c.Forge.Users {
		if !u.Org && strings.Contains(strings.ToLower(u.Login+" "+u.Name+" "+u.Email), q) {
			found = append(found, u)
		}
	}
	return enveloped(exchange.List(c.Call, found, c.V.User))
}

func enveloped(rep exchange.Reply) exchange.Reply {
	rep.Body = exchange.Obj{"ok": true, "data": rep.Body}
	return rep
}

func (c call) getOrg() exchange.Reply {
	u := c.Forge.User(c.Vars["org"])
	if u == nil || !u.Org {
		return c.Missing()
	}
	return exchange.OK(c.V.Org(u))
}

func (c call) myOrgs() exchange.Reply {
	var mine []*forge.User
	for _, u := range c.Forge.Users {
		if u.Org && u.Members[c.User.ID] > forge.None {
			mine = append(mine, u)
		}
	}
	return exchange.List(c.Call, mine, c.V.Org)
}

func (c call) myRepos() exchange.Reply {
	return exchange.List(c.Call, c.Seen(func(r *forge.Repo) bool {
		return r.Owner == c.User || r.Team[c.User.ID] > forge.None || r.Owner.Members[c.User.ID] > forge.None
	}), c.V.Repo)
}

func (c call) userRepos() exchange.Reply {
	u := c.Forge.User(c.Vars["username"])
	if u == nil {
		return c.Missing()
	}
	return exchange.List(c.Call, c.Seen(func(r *forge.Repo) bool { return r.Owner == u }), c.V.Repo)
}

// searchRepos answers {ok, data} (swagger SearchResults).
func (c call) searchRepos() exchange.Reply {
	q := strings.ToLower(strings.TrimSpace(c.Query.Get("q")))
	found := c.Seen(func(r *forge.Repo) bool {
		text := strings.ToLower(r.Name)
		if c.Truth("topic") {
			return slices.Contains(r.Topics, q)
		}
		if c.Truth("includeDesc") {
			text += " " + strings.ToLower(r.Description)
		}
		uid := int64(c.Number("uid"))
		switch {
		case !strings.Contains(text, q):
			return false
		case uid != 0 && r.Owner.ID != uid && (c.Truth("exclusive") || r.Team[uid] == forge.None):
			return false
		case c.Query.Get("private") != "" && !c.Truth("private") && r.Private:
			return false
		case c.Query.Get("archived") != "" && c.Truth("archived") != r.Archived:
			return false
		case c.Query.Get("mode") == "fork" && r.Parent == nil, c.Query.Get("mode") == "source" && r.Parent != nil:
			return false
		}
		return true
	})
	order, by := cmp.Or(c.Query.Get("order"), "asc"), c.Query.Get("sort")
	if by != "" && order != "asc" && order != "desc" {
		return c.Invalid("Invalid sort order: %q", order)
	}
	switch by {
	case "", "alpha", "size", "stars", "forks":
	case "id", "created":
		slices.SortFunc(found, func(a, b *forge.Repo) int { return cmp.Compare(a.ID, b.ID) })
	case "updated":
		slices.SortFunc(found, func(a, b *forge.Repo) int { return a.Updated.Compare(b.Updated) })
	default:
		return c.Invalid("Invalid sort mode: %q", by)
	}
	if by != "" && order == "desc" {
		slices.Reverse(found)
	}
	return enveloped(exchange.List(c.Call, found, c.V.Repo))
}

func (c call) getRepo() exchange.Reply { return exchange.OK(c.V.Repo(c.Repo)) }

func plainName(name string) bool {
	return !strings.ContainsFunc(name, func(r rune) bool {
		return !(r == '-' || r == '_' || r == '.' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z')
	})
}

// createRepo is swagger CreateRepoOption, for the caller or for an organization.
func (c call) createRepo() exchange.Reply {
	owner := c.User
	if name, org := c.Vars["org"]; org {
		owner = c.Forge.User(name)
		if owner == nil || !owner.Org {
			return c.Missing()
		}
		if owner.Members[c.User.ID] < forge.Admin {
			return c.Fail(http.StatusForbidden, "Given user is not allowed to create repository in organization.")
		}
	}
	var in struct {
		Name          string `json:"name" rule:"required"`
		Description   string `json:"description"`
		Private       bool   `json:"private"`
		AutoInit      bool   `json:"auto_init"`
		Template      bool   `json:"template"`
		DefaultBranch string `json:"default_branch"`
		Gitignores    string `json:"gitignores"`
		License       string `json:"license"`
		Readme        string `json:"readme"`
		IssueLabels   string `json:"issue_labels"`
		TrustModel    string `json:"trust_model"`
		ObjectFormat  string `json:"object_format_name"`
	}
	if rep := c.Bind(&in); rep != nil {
		return *rep
	}
	if !plainName(in.Name) {
		return c.Invalid("[Name]: AlphaDashDot")
	}
	if c.Forge.Repo(owner.Login, in.Name) != nil {
		return c.Fail(http.StatusConflict, "The repository with the same name already exists.")
	}
	r := c.Forge.AddRepo(owner, in.Name)
	r.Description, r.Private, r.Template, r.Main = in.Description, in.Private, in.Template, exchange.Or(in.DefaultBranch, "main")
	if in.AutoInit {
		first := r.Git.Commit(map[string]string{"README.md": r.Git.Put("# " + in.Name + "\n\n" + in.Description)}, "Initial commit", c.User.Person(), c.Forge.Now())
		r.Git.Branches[r.Main] = first.SHA
	}
	return exchange.Created(c.V.Repo(r))
}

// editRepo is swagger EditRepoOption, as far as there is state behind it.
func (c call) editRepo() exchange.Reply {
	var in struct {
		Name          *string `json:"name"`
		Description   *string `json:"description"`
		Website       *string `json:"website"`
		Private       *bool   `json:"private"`
		Archived      *bool   `json:"archived"`
		Template      *bool   `json:"template"`
		DefaultBranch *string `json:"default_branch"`
	}
	if rep := c.Bind(&in); rep != nil {
		return *rep
	}
	r := c.Repo
	if in.Name != nil && !strings.EqualFold(*in.Name, r.Name) && c.Forge.Repo(r.Owner.Login, *in.Name) != nil {
		return c.Invalid("repo name is already taken [name: %s]", *in.Name)
	}
	exchange.Set(&r.Name, in.Name)
	exchange.Set(&r.Description, in.Description)
	exchange.Set(&r.Website, in.Website)
	exchange.Set(&r.Private, in.Private)
	exchange.Set(&r.Archived, in.Archived)
	exchange.Set(&r.Template, in.Template)
	if in.DefaultBranch != nil && r.Tip(*in.DefaultBranch) != nil {
		r.Main = *in.DefaultBranch
	}
	r.Updated = c.Forge.Now()
	return exchange.OK(c.V.Repo(r))
}

func (c call) deleteRepo() exchange.Reply {
	c.Forge.Repos = slices.DeleteFunc(c.Forge.Repos, func(r *forge.Repo) bool { return r == c.Repo })
	c.Forge.Threads = slices.DeleteFunc(c.Forge.Threads, func(t *forge.Thread) bool { return t.Issue.Repo == c.Repo })
	return exchange.Empty(http.StatusNoContent)
}

// forkRepo answers 202 (swagger CreateForkOption).
func (c call) forkRepo() exchange.Reply {
	var in struct {
		Organization *string `json:"organization"`
		Name         *string `json:"name"`
	}
	if rep := c.Bind(&in); rep != nil {
		return *rep
	}
	owner, name := c.User, c.Repo.Name
	exchange.Set(&name, in.Name)
	if in.Organization != nil {
		if owner = c.Forge.User(*in.Organization); owner == nil || !owner.Org {
			return c.Invalid("organization does not exist")
		}
		if owner.Members[c.User.ID] < forge.Admin {
			return c.Fail(http.StatusForbidden, "User is not a member of the organization.")
		}
	}
	again := forge.Find(c.Forge.Repos, func(r *forge.Repo) bool { return r.Owner == owner && r.Parent == c.Repo })
	if again != nil || owner == c.Repo.Owner || c.Forge.Repo(owner.Login, name) != nil {
		return c.Fail(http.StatusConflict, "repository already exists [uname: %s, name: %s]", owner.Login, name)
	}
	r := c.Forge.AddRepo(owner, name)
	r.Description, r.Private, r.Parent, r.Main, r.Git = c.Repo.Description, c.Repo.Private, c.Repo, c.Repo.Main, c.Repo.Git.Fork()
	return exchange.Reply{Status: http.StatusAccepted, Body: c.V.Repo(r)}
}

// transferRepo answers 202 where the caller may create in the new place, otherwise 201:
// then it waits for the new owner (swagger TransferRepoOption).
func (c call) transferRepo() exchange.Reply {
	var in struct {
		NewOwner string   `json:"new_owner"`
		TeamIDs  *[]int64 `json:"team_ids"`
	}
	if rep := c.Bind(&in); rep != nil {
		return *rep
	}
	to := c.Forge.User(in.NewOwner)
	switch {
	case to == nil:
		return c.Fail(http.StatusNotFound, "The new owner does not exist or cannot be found")
	case c.Repo.Transfer:
		return c.Fail(http.StatusConflict, "repository is already being transferred [uname: %s, name: %s]", c.Repo.Owner.Login, c.Repo.Name)
	case c.Forge.Repo(to.Login, c.Repo.Name) != nil:
		return c.Invalid("repository already exists [uname: %s, name: %s]", to.Login, c.Repo.Name)
	case to.Members[c.User.ID] < forge.Admin && !c.User.Admin:
		c.Repo.Transfer = true
		return exchange.Created(c.V.Repo(c.Repo))
	}
	c.Repo.Owner = to
	return exchange.Reply{Status: http.StatusAccepted, Body: c.V.Repo(c.Repo)}
}

func (c call) getTopics() exchange.Reply { return exchange.OK(exchange.Obj{"topics": c.Repo.Topics}) }

// languages counts bytes by language; the fake knows two.
func (c call) languages() exchange.Reply {
	out := exchange.Obj{}
	if tip := c.Repo.Tip(c.Repo.Main); tip != nil {
		for path, sha := range tip.Files {
			for suffix, language := range map[string]string{".go": "Go", ".py": "Python"} {
				if n, _ := out[language].(int); strings.HasSuffix(path, suffix) {
					out[language] = n + len(c.Repo.Git.Blobs[sha])
				}
			}
		}
	}
	return exchange.OK(out)
}

// collaborators are, beside the owner for assignees, those with rights of their own.
func (c call) collaborators() exchange.Reply {
	var found []*forge.User
	for _, u := range c.Forge.Users {
		assignable := strings.HasSuffix(c.R.URL.Path, "/assignees") && !u.Org && c.Forge.Level(u, c.Repo) >= forge.Write
		if assignable || c.Repo.Team[u.ID] > forge.None {
			found = append(found, u)
		}
	}
	if strings.HasSuffix(c.R.URL.Path, "/assignees") {
		return exchange.OK(shape.Each(found, c.V.User))
	}
	return exchange.List(c.Call, found, c.V.User)
}
