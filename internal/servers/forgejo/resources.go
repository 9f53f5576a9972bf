package forgejo

import (
	"context"
	"strconv"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/forgejo/access"
	"drawbridge/internal/servers/forgejo/code"
	"drawbridge/internal/servers/forgejo/issues"
	"drawbridge/internal/servers/forgejo/show"
	"drawbridge/internal/servers/kit"
)

// Resources. A path or branch is one element, percent-encoded.
const (
	repoTemplate  = "forgejo://{owner}/{repo}"
	blobTemplate  = repoTemplate + "/blob/{ref}/{path}"
	issueTemplate = repoTemplate + "/issue/{number}"
	pullTemplate  = repoTemplate + "/pull/{number}"
	diffTemplate  = pullTemplate + "/diff"
	logTemplate   = repoTemplate + "/run/{run}/job/{job}/log"
)

// mostRead bounds a log that is read as a resource.
const mostRead = 1 << 20

func (s *server) templates() []kit.Template {
	const data = "application/json"
	return []kit.Template{
		{URITemplate: repoTemplate, Name: "repository", Title: "Repository", Description: "Facts about a repository, with its README.", MIMEType: data, Read: s.repoResource, Complete: s.complete},
		{URITemplate: blobTemplate, Name: "file", Title: "File", Description: "A file at a branch, tag or commit; both percent-encoded.", MIMEType: "text/plain", Read: s.blobResource, Complete: s.complete},
		{URITemplate: issueTemplate, Name: "issue", Title: "Issue", Description: "An issue with its first comments.", MIMEType: data, Read: s.issueResource, Complete: s.complete},
		{URITemplate: pullTemplate, Name: "pull-request", Title: "Pull request", Description: "A pull request with checks, reviews and files.", MIMEType: data, Read: s.pullResource, Complete: s.completePull},
		{URITemplate: diffTemplate, Name: "difference", Title: "Difference of a pull request", Description: "All that a pull request changes.", MIMEType: "text/x-diff", Read: s.diffResource, Complete: s.completePull},
		{URITemplate: logTemplate, Name: "job-log", Title: "Log of a CI job", Description: "The end of a job's log, up to 1 MB.", MIMEType: "text/plain", Read: s.logResource, Complete: s.complete},
	}
}

func named(vars map[string]string) access.RepoIn {
	return access.RepoIn{Repo: vars["owner"] + "/" + vars["repo"]}
}

// id is a variable that is a number.
func id(vars map[string]string, name string) (int64, error) {
	n, err := strconv.ParseInt(vars[name], 10, 64)
	if err != nil || n < 1 {
		return 0, fault.New(fault.NotFound, "The URI has no number where %s belongs. Put it in.", name)
	}
	return n, nil
}

// outside is the content of a resource that people elsewhere wrote.
func outside(text string, err error) (kit.Content, error) {
	return kit.Content{Text: text, Untrusted: true}, err
}

func (s *server) repoResource(ctx context.Context, c *kit.Call, vars map[string]string) (kit.Content, error) {
	out, err := s.code.GetRepo(ctx, c, code.GetRepoIn{RepoIn: named(vars), Include: []string{"readme"}})
	return outside(kit.Compact(out), err)
}

func (s *server) blobResource(ctx context.Context, c *kit.Call, vars map[string]string) (kit.Content, error) {
	r, err := s.Repo(ctx, c, named(vars).Repo)
	if err != nil {
		return kit.Content{}, err
	}
	f, err := r.Read(ctx, vars["path"], vars["ref"])
	if err == nil && !show.IsText(f.Content) {
		return kit.Content{Blob: f.Content, MIMEType: "application/octet-stream", Untrusted: true}, nil
	}
	return outside(string(f.Content), err)
}

func (s *server) issueResource(ctx context.Context, c *kit.Call, vars map[string]string) (kit.Content, error) {
	n, err := id(vars, "number")
	if err != nil {
		return kit.Content{}, err
	}
	out, err := s.issues.GetIssue(ctx, c, issues.GetIssueIn{NumberIn: access.NumberIn{RepoIn: named(vars), Number: n}})
	return outside(kit.Compact(out), err)
}

func (s *server) pullResource(ctx context.Context, c *kit.Call, vars map[string]string) (kit.Content, error) {
	n, err := id(vars, "number")
	if err != nil {
		return kit.Content{}, err
	}
	out, err := s.pulls.GetPull(ctx, c, access.NumberIn{RepoIn: named(vars), Number: n})
	return outside(kit.Compact(out), err)
}

func (s *server) diffResource(ctx context.Context, c *kit.Call, vars map[string]string) (kit.Content, error) {
	n, err := id(vars, "number")
	if err != nil {
		return kit.Content{}, err
	}
	r, err := s.Repo(ctx, c, named(vars).Repo)
	if err != nil {
		return kit.Content{}, err
	}
	return outside(r.PullDiff(ctx, n))
}

func (s *server) logResource(ctx context.Context, c *kit.Call, vars map[string]string) (kit.Content, error) {
	job, err := id(vars, "job")
	if err != nil {
		return kit.Content{}, err
	}
	r, err := s.Repo(ctx, c, named(vars).Repo)
	if err != nil {
		return kit.Content{}, err
	}
	log, err := r.JobLog(ctx, job, -mostRead, mostRead)
	return outside(show.Plain(string(log.Text)), err)
}
