package code

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/forgejo/access"
	"drawbridge/internal/servers/forgejo/api"
	"drawbridge/internal/servers/forgejo/show"
	"drawbridge/internal/servers/kit"
)

type listFilesIn struct {
	access.RepoIn
	Path      string `json:"path,omitempty" jsonschema:"A folder; the root without it."`
	Ref       string `json:"ref,omitempty" jsonschema:"Branch, tag or commit."`
	Recursive bool   `json:"recursive,omitempty" jsonschema:"Everything below."`
	kit.PageIn
}

type listFilesOut struct {
	Files kit.Untrusted `json:"files" jsonschema:"A line each: path, and size; folders end in /."`
	kit.PageOut
}

// listing is a page of entries, one on a line.
func listing(lines []string, page kit.PageOut) listFilesOut {
	return listFilesOut{show.Join(lines, "\n", 2*show.TextRoom), page} // the page fits already
}

func (t Tools) listFiles(ctx context.Context, c *kit.Call, in listFilesIn) (out listFilesOut, err error) {
	w, err := in.Window(100)
	if err != nil {
		return out, err
	}
	r, err := t.Repo(ctx, c, in.Repo)
	if err != nil {
		return out, err
	}
	if in.Recursive {
		return below(ctx, r, strings.Trim(in.Path, "/"), in.Ref, w)
	}
	entries, err := r.List(ctx, in.Path, in.Ref)
	if err != nil {
		return out, err
	}
	return listing(kit.Cut(w, fileLines("", entries))), nil
}

// below lists the tree of a folder. The API finds trees by their id, which the folder
// that holds it tells.
func below(ctx context.Context, r api.Repo, folder, ref string, w kit.Window) (out listFilesOut, err error) {
	var sha, prefix string
	if folder == "" {
		sha, err = r.Resolve(ctx, ref)
	} else {
		prefix = folder + "/"
		sha, err = treeOf(ctx, r, folder, ref)
	}
	if err != nil {
		return out, err
	}
	entries, total, err := r.Tree(ctx, sha, w)
	if err != nil {
		return out, err
	}
	return listing(kit.Fit(w, fileLines(prefix, entries), total)), nil
}

func treeOf(ctx context.Context, r api.Repo, folder, ref string) (string, error) {
	parent := path.Dir(folder)
	if parent == "." {
		parent = ""
	}
	entries, err := r.List(ctx, parent, ref)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(entries, func(e api.Entry) bool { return e.Path == folder && e.Type == "dir" })
	if i < 0 {
		return "", fault.New(fault.NotFound, "%s is no folder of %s. list_files without recursive shows what is there.", folder, r)
	}
	return entries[i].SHA, nil
}

func fileLines(prefix string, entries []api.Entry) []string {
	all := make([]string, len(entries))
	for i, e := range entries {
		all[i] = string(show.Clip(show.Plain(strings.ReplaceAll(prefix+e.Path, "\n", "?")), 500))
		switch e.Type {
		case "file":
			all[i] += fmt.Sprintf(" %d", e.Size)
		case "dir":
			all[i] += "/"
		default:
			all[i] += " (" + show.Ref(e.Type) + ")"
		}
	}
	return all
}

type readFileIn struct {
	access.RepoIn
	Path string `json:"path" jsonschema:"Of the file."`
	Ref  string `json:"ref,omitempty" jsonschema:"Branch, tag or commit."`
	From int    `json:"start_line,omitempty" jsonschema:"First line."`
	To   int    `json:"end_line,omitempty" jsonschema:"Last line."`
}

type readFileOut struct {
	SHA     string        `json:"sha"`
	Size    int64         `json:"size"`
	Lines   int           `json:"lines,omitempty"`
	From    int           `json:"start_line,omitempty"`
	To      int           `json:"end_line,omitempty"`
	Content kit.Untrusted `json:"content,omitempty"`
	File    string        `json:"file,omitempty" jsonschema:"If it is no text."`
}

// Text is the file as it is after a line about it, so that nothing is quoted.
func (o readFileOut) Text() string {
	content := o.Content
	o.Content = ""
	return kit.Compact(struct{ readFileHead }{readFileHead(o)}) + "\n" + string(content)
}

// readFileHead is readFileOut without a text of its own.
type readFileHead readFileOut

func (t Tools) readFile(ctx context.Context, c *kit.Call, in readFileIn) (out readFileOut, err error) {
	if in.To > 0 && in.To < in.From {
		return out, fault.New(fault.Invalid, "end_line is before start_line. Swap them.")
	}
	r, err := t.Repo(ctx, c, in.Repo)
	if err != nil {
		return out, err
	}
	f, err := r.Read(ctx, in.Path, in.Ref)
	if err != nil {
		return out, err
	}
	out = readFileOut{SHA: f.SHA, Size: f.Size}
	if !show.IsText(f.Content) {
		kept, err := c.PutFile(ctx, kit.File{Name: path.Base(in.Path), MIMEType: "application/octet-stream"}, bytes.NewReader(f.Content))
		out.File = kept.Ref
		return out, err
	}
	if len(f.Content) == 0 {
		return out, nil
	}
	lines := strings.Split(strings.TrimSuffix(string(f.Content), "\n"), "\n")
	out.Lines, out.From, out.To = len(lines), max(in.From, 1), len(lines)
	if out.From > out.Lines {
		return out, fault.New(fault.Invalid, "The file has only %d lines. Ask for a smaller start_line.", out.Lines)
	}
	if in.To > 0 {
		out.To = min(in.To, out.Lines)
	}
	part, next, err := show.Lines(strings.Join(lines[:out.To], "\n"), out.From-1)
	if next > 0 {
		out.To = next
	}
	out.Content = kit.Untrusted(part)
	return out, err
}

type createBranchIn struct {
	access.RepoIn
	Branch string `json:"branch" jsonschema:"Its name."`
	From   string `json:"from,omitempty" jsonschema:"Branch, tag or commit."`
}

type branchOut struct {
	Branch string `json:"branch"`
	Commit string `json:"commit,omitempty"`
}

func (t Tools) createBranch(ctx context.Context, c *kit.Call, in createBranchIn) (out branchOut, err error) {
	r, err := t.Repo(ctx, c, in.Repo)
	if err != nil {
		return out, err
	}
	b, err := r.CreateBranch(ctx, in.Branch, in.From)
	if err != nil {
		return out, err
	}
	c.Undo("delete_branch", deleteBranchIn{in.RepoIn, in.Branch})
	return branchOut{b.Name, b.Commit.ID}, nil
}

type deleteBranchIn struct {
	access.RepoIn
	Branch string `json:"branch" jsonschema:"Its name."`
}

// previewDelete names the commit that only the branch may lead to.
func (t Tools) previewDelete(ctx context.Context, c *kit.Call, in deleteBranchIn) (p kit.Preview, err error) {
	r, err := t.Repo(ctx, c, in.Repo)
	if err != nil {
		return p, err
	}
	b, err := r.Branch(ctx, in.Branch)
	return kit.Preview{Target: fmt.Sprintf("%s, branch %s", r, in.Branch), Effect: "Deletes the branch, whose newest commit is " + b.Commit.ID + "."}, err
}

func (t Tools) deleteBranch(ctx context.Context, c *kit.Call, in deleteBranchIn) (out branchOut, err error) {
	r, err := t.Repo(ctx, c, in.Repo)
	if err != nil {
		return out, err
	}
	return branchOut{Branch: in.Branch}, r.DeleteBranch(ctx, in.Branch)
}
