package forgejo

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"drawbridge/internal/servers/forgejo/api"
	"drawbridge/internal/servers/forgejo/code"
	"drawbridge/internal/servers/kit"
)

// offered is how many suggestions are read for a completion.
const offered = 50

// complete suggests for resources: owners and repositories, and what is inside of
// the repository that is chosen already.
func (s *server) complete(ctx context.Context, c *kit.Call, variable, typed string) ([]string, error) {
	if variable != "owner" && variable != "repo" {
		return s.inside(ctx, c, c.Given("owner")+"/"+c.Given("repo"), variable, typed)
	}
	full, err := s.repoNames(ctx, c, "")
	if err != nil {
		return nil, err
	}
	var found []string
	for _, name := range full {
		owner, short, _ := strings.Cut(name, "/")
		if chosen := c.Given("owner"); variable == "repo" && chosen != "" && !strings.EqualFold(chosen, owner) {
			continue
		}
		if variable == "owner" {
			short = owner
		}
		if !slices.Contains(found, short) {
			found = append(found, short)
		}
	}
	return starting(found, typed), nil
}

// completePull is complete for resources whose number is a pull request's.
func (s *server) completePull(ctx context.Context, c *kit.Call, variable, typed string) ([]string, error) {
	if variable == "number" {
		variable = "pull"
	}
	return s.complete(ctx, c, variable, typed)
}

// completePrompt suggests for prompts, whose only number is that of a pull request.
func (s *server) completePrompt(ctx context.Context, c *kit.Call, argument, typed string) ([]string, error) {
	switch argument {
	case "repo":
	case "number":
		return s.inside(ctx, c, c.Given("repo"), "pull", typed)
	default:
		return s.inside(ctx, c, c.Given("repo"), argument, typed)
	}
	_, query, split := strings.Cut(typed, "/")
	if !split {
		query = typed
	}
	found, err := s.repoNames(ctx, c, query)
	if err != nil || !split {
		return found, err
	}
	return starting(found, typed), nil
}

// inside suggests what is in a repository, newest first. Where none is chosen yet,
// there is nothing to suggest.
func (s *server) inside(ctx context.Context, c *kit.Call, repo, what, typed string) ([]string, error) {
	if s.Check(repo) != nil {
		return nil, nil
	}
	r, err := s.Repo(ctx, c, repo)
	if err != nil {
		return nil, err
	}
	var found []string
	window := kit.Window{Limit: offered}
	switch what {
	case "number":
		found, err = names(r.Issues(ctx, window, api.IssueSearch{State: "all"}))(func(i api.Issue) string { return strconv.FormatInt(i.Number, 10) })
	case "pull":
		found, err = names(r.Pulls(ctx, window, api.PullSearch{State: "open"}))(func(p api.Pull) string { return strconv.FormatInt(p.Number, 10) })
	case "ref", "until":
		found, err = names(r.Branches(ctx, window))(func(b api.Branch) string { return b.Name })
	case "since":
		found, err = names(r.Releases(ctx, window))(func(r api.Release) string { return r.Tag })
	case "run":
		found, err = names(r.Runs(ctx, window, api.RunSearch{}))(func(r api.Run) string { return strconv.FormatInt(r.ID, 10) })
	}
	return starting(found, typed), err
}

// names gives what to call each of the items that a list has.
func names[T any](items []T, _ int, err error) func(func(T) string) ([]string, error) {
	return func(name func(T) string) (all []string, _ error) {
		for _, one := range items {
			all = append(all, name(one))
		}
		return all, err
	}
}

// starting are the texts that start with what is typed, in whatever case.
func starting(all []string, typed string) (fitting []string) {
	for _, one := range all {
		if len(one) >= len(typed) && strings.EqualFold(one[:len(typed)], typed) {
			fitting = append(fitting, one)
		}
	}
	return fitting
}

// repoNames are the full names of repositories that the caller may use; query is
// part of a name.
func (s *server) repoNames(ctx context.Context, c *kit.Call, query string) ([]string, error) {
	out, err := s.code.SearchRepos(ctx, c, code.SearchReposIn{Query: query, PageIn: kit.PageIn{Limit: 100}})
	if err != nil {
		return nil, err
	}
	var found []string
	for _, r := range out.Repos {
		found = append(found, r.Name)
	}
	return found, nil
}
