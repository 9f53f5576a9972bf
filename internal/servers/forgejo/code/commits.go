package code

import (
	"context"
	"strings"

	"drawbridge/internal/servers/forgejo/access"
	"drawbridge/internal/servers/forgejo/api"
	"drawbridge/internal/servers/forgejo/show"
	"drawbridge/internal/servers/kit"
)

type listCommitsIn struct {
	access.RepoIn
	Ref  string `json:"ref,omitempty" jsonschema:"Branch, tag or commit to start from."`
	Path string `json:"path,omitempty" jsonschema:"Only those that change it."`
	kit.PageIn
}

type commitsOut struct {
	Commits []commitRow `json:"commits"`
	kit.PageOut
}

type commitRow struct {
	SHA     string        `json:"sha"`
	Date    string        `json:"date"`
	Summary kit.Untrusted `json:"summary" jsonschema:"Author: subject."`
}

func commitRows(commits []api.Commit) []commitRow {
	all := make([]commitRow, len(commits))
	for i, c := range commits {
		all[i] = commitRow{show.Short(c.SHA), kit.Time(c.Commit.Author.Date), show.Clip(c.Commit.Author.Name, 100) + ": " + show.Clip(c.Subject(), 200)}
	}
	return all
}

func (t Tools) listCommits(ctx context.Context, c *kit.Call, in listCommitsIn) (out commitsOut, err error) {
	w, err := in.Window(show.Rows)
	if err != nil {
		return out, err
	}
	r, err := t.Repo(ctx, c, in.Repo)
	if err != nil {
		return out, err
	}
	found, total, err := r.Commits(ctx, w, in.Ref, in.Path)
	if err != nil {
		return out, err
	}
	out.Commits, out.PageOut = kit.Fit(w, commitRows(found), total)
	return out, nil
}

type getCommitIn struct {
	access.RepoIn
	SHA  string `json:"sha" jsonschema:"Commit, branch or tag."`
	Diff bool   `json:"diff,omitempty" jsonschema:"Also what it changes."`
}

type getCommitOut struct {
	SHA     string        `json:"sha"`
	Message kit.Untrusted `json:"message"`
	Author  kit.Untrusted `json:"author"`
	Date    string        `json:"date"`
	Files   kit.Untrusted `json:"files"`
	Diff    kit.Untrusted `json:"diff,omitempty"`
}

func (t Tools) getCommit(ctx context.Context, c *kit.Call, in getCommitIn) (out getCommitOut, err error) {
	r, err := t.Repo(ctx, c, in.Repo)
	if err != nil {
		return out, err
	}
	if strings.Contains(in.SHA, "/") { // a branch that the path of the API cannot name
		if in.SHA, err = r.Resolve(ctx, in.SHA); err != nil {
			return out, err
		}
	}
	found, err := r.ReadCommit(ctx, in.SHA)
	if err != nil {
		return out, err
	}
	out = getCommitOut{SHA: found.SHA, Message: show.Clip(found.Commit.Message, show.BodyRoom), Author: show.Clip(found.Commit.Author.Name, 100), Date: kit.Time(found.Commit.Author.Date)}
	files := []string{}
	for _, f := range found.Files {
		files = append(files, f.Status+" "+f.Name)
	}
	out.Files = show.Join(files, "\n", show.BodyRoom)
	if in.Diff {
		text, err := r.CommitDiff(ctx, found.SHA)
		if err != nil {
			return out, err
		}
		out.Diff = show.Clip(show.Plain(text), 2*show.BodyRoom)
	}
	return out, nil
}

type compareRefsIn struct {
	access.RepoIn
	Base string `json:"base" jsonschema:"Branch, tag or commit."`
	Head string `json:"head" jsonschema:"The same."`
	kit.PageIn
}

func (t Tools) compareRefs(ctx context.Context, c *kit.Call, in compareRefsIn) (out commitsOut, err error) {
	w, err := in.Window(show.Rows)
	if err != nil {
		return out, err
	}
	r, err := t.Repo(ctx, c, in.Repo)
	if err != nil {
		return out, err
	}
	found, _, err := r.Compare(ctx, in.Base, in.Head)
	if err != nil {
		return out, err
	}
	out.Commits, out.PageOut = kit.Cut(w, commitRows(found))
	return out, nil
}
