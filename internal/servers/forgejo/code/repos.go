package code

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

// SearchReposIn is the input of search_repos.
type SearchReposIn struct {
	Query string `json:"query,omitempty" jsonschema:"In names and descriptions."`
	Owner string `json:"owner,omitempty" jsonschema:"A user or an organization."`
	Topic string `json:"topic,omitempty" jsonschema:"Instead of query."`
	kit.PageIn
}

// SearchReposOut is its output.
type SearchReposOut struct {
	Repos []repoRow `json:"repos"`
	kit.PageOut
}

type repoRow struct {
	Name        string        `json:"name"`
	Description kit.Untrusted `json:"description,omitempty"`
	Is          []string      `json:"is,omitempty"`
	Updated     string        `json:"updated"`
}

// SearchRepos finds repositories that the caller sees and the operator allows.
func (t Tools) SearchRepos(ctx context.Context, c *kit.Call, in SearchReposIn) (out SearchReposOut, err error) {
	w, err := in.Window(show.Rows)
	if err != nil {
		return out, err
	}
	if in.Query != "" && in.Topic != "" {
		return out, fault.New(fault.Invalid, "query and topic cannot be combined. Send one of them.")
	}
	session, err := t.Session(ctx, c)
	if err != nil {
		return out, err
	}
	f := api.RepoSearch{Query: in.Query + in.Topic, Topic: in.Topic != ""}
	if in.Owner != "" {
		owner, err := session.Account(ctx, in.Owner)
		if err != nil {
			return out, err
		}
		f.OwnerID = owner.ID
	}
	found, total, err := session.SearchRepos(ctx, w, f)
	if err != nil {
		return out, err
	}
	all := make([]repoRow, len(found))
	for i, r := range found {
		all[i] = repoRow{r.FullName, show.Clip(r.Description, 200), flags(r), kit.Time(r.Updated)}
	}
	all, out.PageOut = kit.Fit(w, all, total)
	out.Repos = slices.DeleteFunc(all, func(r repoRow) bool { return !t.Repos.Allows(r.Name) })
	return out, nil
}

// GetRepoIn is the input of get_repo.
type GetRepoIn struct {
	access.RepoIn
	Include []string `json:"include,omitempty" jsonschema:"readme, branches, labels, milestones"`
}

// GetRepoOut is its output.
type GetRepoOut struct {
	repoRow
	DefaultBranch string        `json:"default_branch"`
	May           string        `json:"may"`
	OpenIssues    int           `json:"open_issues"`
	OpenPulls     int           `json:"open_pulls"`
	ForkOf        string        `json:"fork_of,omitempty"`
	URL           string        `json:"url"`
	Branches      kit.Untrusted `json:"branches,omitempty"`
	Labels        kit.Untrusted `json:"labels,omitempty"`
	Milestones    kit.Untrusted `json:"milestones,omitempty"`
	Readme        kit.Untrusted `json:"readme,omitempty"`
}

// GetRepo describes a repository.
func (t Tools) GetRepo(ctx context.Context, c *kit.Call, in GetRepoIn) (out GetRepoOut, err error) {
	for _, part := range in.Include {
		if !slices.Contains([]string{"readme", "branches", "labels", "milestones"}, part) {
			return out, fault.New(fault.Invalid, "include has a name that is none of readme, branches, labels, milestones. Use these.")
		}
	}
	r, err := t.Repo(ctx, c, in.Repo)
	if err != nil {
		return out, err
	}
	f, err := r.Facts(ctx)
	if err != nil {
		return out, err
	}
	out = GetRepoOut{
		repoRow:       repoRow{f.FullName, show.Clip(f.Description, 500), flags(f), kit.Time(f.Updated)},
		DefaultBranch: f.DefaultBranch, May: may(f), OpenIssues: f.OpenIssues, OpenPulls: f.OpenPulls, URL: f.HTMLURL,
	}
	if f.Parent != nil {
		out.ForkOf = f.Parent.FullName
	}
	for _, part := range in.Include {
		if err := addPart(ctx, r, part, &out); err != nil {
			return out, err
		}
	}
	return out, nil
}

// flags are what is special about a repository, in words.
func flags(f api.RepoFacts) (words []string) {
	for _, flag := range []struct {
		set  bool
		word string
	}{{f.Private, "private"}, {f.Archived, "archived"}, {f.Fork, "fork"}, {f.Mirror, "mirror"}, {f.Empty, "empty"}} {
		if flag.set {
			words = append(words, flag.word)
		}
	}
	return words
}

func may(f api.RepoFacts) string {
	switch {
	case f.Permissions.Admin:
		return "admin"
	case f.Permissions.Push:
		return "write"
	}
	return "read"
}

// mostNames bounds the names of labels, milestones and branches that are read.
const mostNames = 200

func addPart(ctx context.Context, r api.Repo, part string, out *GetRepoOut) error {
	all := kit.Window{Limit: mostNames}
	switch part {
	case "branches":
		found, _, err := r.Branches(ctx, all)
		out.Branches = names(found, func(b api.Branch) string { return b.Name })
		return err
	case "labels":
		found, err := r.Labels(ctx, all)
		out.Labels = names(found, func(l api.Label) string { return l.Name })
		return err
	case "milestones":
		found, err := r.Milestones(ctx, all)
		out.Milestones = names(found, func(m api.Milestone) string { return m.Title })
		return err
	}
	text, err := readme(ctx, r)
	out.Readme = show.Clip(text, 2*show.BodyRoom)
	return err
}

func names[T any](all []T, name func(T) string) kit.Untrusted {
	out := make([]string, len(all))
	for i, one := range all {
		out[i] = name(one)
	}
	return show.Join(out, ", ", show.NoteRoom)
}

// readme is the text of the file README in the root, whatever its ending; "" where
// there is none.
func readme(ctx context.Context, r api.Repo) (string, error) {
	entries, err := r.List(ctx, "", "")
	if err != nil {
		if kit.StatusOf(err) == 404 { // an empty repository
			return "", nil
		}
		return "", err
	}
	for _, e := range entries {
		base, _, _ := strings.Cut(strings.ToLower(e.Path), ".")
		if base == "readme" && e.Type == "file" {
			f, err := r.Read(ctx, e.Path, "")
			return strings.ToValidUTF8(string(f.Content), "\uFFFD"), err
		}
	}
	return "", nil
}
