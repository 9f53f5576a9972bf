package code

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/forgejo/access"
	"drawbridge/internal/servers/forgejo/api"
	"drawbridge/internal/servers/forgejo/diff"
	"drawbridge/internal/servers/forgejo/show"
	"drawbridge/internal/servers/kit"
)

type commitFilesIn struct {
	access.RepoIn
	Message   string     `json:"message" jsonschema:"Of the commit."`
	Branch    string     `json:"branch,omitempty" jsonschema:"Default branch without it."`
	NewBranch string     `json:"new_branch,omitempty" jsonschema:"Made from branch for this commit."`
	Changes   []changeIn `json:"changes" jsonschema:"Each path once."`
}

type changeIn struct {
	Op      string   `json:"op" jsonschema:"What to do." enum:"create,update,delete,rename"`
	Path    string   `json:"path" jsonschema:"Of the file."`
	Content *string  `json:"content,omitempty" jsonschema:"All of the new text."`
	Edits   []editIn `json:"edits,omitempty" jsonschema:"Or replace texts."`
	File    string   `json:"file,omitempty" jsonschema:"Or take a kept file."`
	From    string   `json:"from_path,omitempty" jsonschema:"For rename."`
	SHA     string   `json:"sha,omitempty" jsonschema:"Refuse if it is another by now."`
}

type editIn struct {
	Find    string `json:"find" jsonschema:"Must be there once."`
	Replace string `json:"replace" jsonschema:"New text."`
}

type commitFilesOut struct {
	Commit string `json:"commit,omitempty"`
	Branch string `json:"branch,omitempty"`
}

// plan is a commit that is ready, and what it changes in words.
type plan struct {
	repo    api.Repo
	change  api.Change
	preview kit.Preview
	asks    bool
}

// shownLines bounds the difference of one file in a preview, mostContent a file that
// is committed.
const (
	shownLines  = 30
	mostContent = 4 << 20
)

// planCommit reads what is there and makes the commit of it; mark is for the text of
// files. Nothing is changed.
func (t Tools) planCommit(ctx context.Context, c *kit.Call, in commitFilesIn, mark func(string) string) (p plan, err error) {
	if p.repo, err = t.Repo(ctx, c, in.Repo); err != nil {
		return p, err
	}
	facts, err := p.repo.Facts(ctx)
	if err != nil {
		return p, err
	}
	if in.Branch == "" {
		in.Branch = facts.DefaultBranch
	}
	target := in.Branch
	if in.NewBranch != "" {
		target = in.NewBranch
	}
	p.change = api.Change{Branch: in.Branch, NewBranch: in.NewBranch, Message: in.Message}
	p.asks = target == facts.DefaultBranch && !facts.Empty
	p.preview = kit.Preview{Target: fmt.Sprintf("%s, branch %s", p.repo, target), Effect: fmt.Sprintf("Commits %d changes: %s", len(in.Changes), in.Message)}
	seen := map[string]bool{}
	for i, change := range in.Changes {
		if seen[change.Path] {
			return p, fault.New(fault.Invalid, "Change %d: the path %s is in another change, too. Put both into one.", i+1, change.Path)
		}
		seen[change.Path] = true
		ready, note, diff, err := planChange(ctx, c, p.repo, in.Branch, change)
		if err != nil {
			return p, err
		}
		p.change.Files = append(p.change.Files, ready)
		if diff != "" {
			note += "\n" + mark(diff)
		}
		p.preview.Changes = append(p.preview.Changes, note)
	}
	p.preview.Bound = p.bound()
	return p, nil
}

// bound is the commit with all of what it puts where, which a person may see the
// beginning of only.
func (p plan) bound() string {
	parts := []string{p.preview.Target, p.change.Branch, p.change.Message}
	for _, f := range p.change.Files {
		sum := sha256.Sum256(f.Content)
		parts = append(parts, f.Op, f.Path, f.From, f.SHA, hex.EncodeToString(sum[:]))
	}
	return access.Bound(parts...)
}

// planChange makes one change. What is there is read for its sha, so that the commit
// fails if somebody was faster.
func planChange(ctx context.Context, c *kit.Call, r api.Repo, branch string, in changeIn) (f api.FileChange, note, diff string, err error) {
	if err := in.check(); err != nil {
		return f, "", "", err
	}
	f = api.FileChange{Op: in.Op, Path: in.Path, SHA: in.SHA}
	if in.Op == "create" {
		f.Content, err = in.newContent(ctx, c, "")
		return f, "create " + in.Path, shown("", f.Content), err
	}
	at := in.Path
	if in.Op == "rename" { // an update that moves, which both systems know
		at, f.Op, f.From = in.From, "update", in.From
	}
	old, err := r.Read(ctx, at, branch)
	if err != nil {
		return f, "", "", err
	}
	if in.SHA != "" && in.SHA != old.SHA {
		return f, "", "", fault.New(fault.Conflict, "%s has changed since it was read: its sha is %s now. Read it again and repeat the change on what is there.", at, old.SHA)
	}
	f.SHA = old.SHA
	if in.Op == "delete" {
		return f, "delete " + in.Path, "", nil
	}
	if f.Content, err = in.newContent(ctx, c, string(old.Content)); err != nil {
		return f, "", "", err
	}
	note = "update " + in.Path
	if f.From != "" {
		note = "rename " + f.From + " to " + in.Path
	}
	return f, note, shown(string(old.Content), f.Content), nil
}

// check finds members that do not go together.
func (in changeIn) check() error {
	ways := 0
	for _, given := range []bool{in.Content != nil, len(in.Edits) > 0, in.File != ""} {
		if given {
			ways++
		}
	}
	switch {
	case ways > 1:
		return fault.New(fault.Invalid, "%s: content, edits and file exclude each other. Send one of them.", in.Path)
	case in.Op == "create" && (ways == 0 || len(in.Edits) > 0), in.Op == "update" && ways == 0:
		return fault.New(fault.Invalid, "%s: %s needs content or file; update takes edits, too. Add one.", in.Path, in.Op)
	case in.Op == "delete" && ways > 0:
		return fault.New(fault.Invalid, "%s: delete takes no content. Leave it out.", in.Path)
	case (in.Op == "rename") != (in.From != ""):
		return fault.New(fault.Invalid, "%s: from_path goes with rename, and rename with from_path. Correct the one or the other.", in.Path)
	case strings.HasPrefix(in.Path, "/") || strings.Contains("/"+in.Path+"/", "/../") || strings.Contains("/"+in.Path+"/", "/.git/"):
		return fault.New(fault.Invalid, "%s: a path starts at the root of the repository, without /, .. and .git. Correct it.", in.Path)
	}
	return nil
}

// newContent is what the file shall hold.
func (in changeIn) newContent(ctx context.Context, c *kit.Call, old string) ([]byte, error) {
	if in.Content != nil {
		return []byte(*in.Content), nil
	}
	if in.File != "" {
		content, _, err := c.OpenFile(ctx, in.File)
		if err != nil {
			return nil, err
		}
		defer content.Close()
		b, err := io.ReadAll(io.LimitReader(content, mostContent+1))
		if err == nil && len(b) > mostContent {
			return nil, fault.New(fault.Limited, "The file for %s is larger than %d bytes. Push it with git instead.", in.Path, mostContent)
		}
		return b, err
	}
	for i, e := range in.Edits {
		if n := strings.Count(old, e.Find); n != 1 {
			return nil, fault.New(fault.Conflict, "%s, edit %d: the text is there %d times, not once. Read the file again, and take more of the lines around it.", in.Path, i+1, n)
		}
		old = strings.Replace(old, e.Find, e.Replace, 1)
	}
	return []byte(old), nil
}

// shown is a difference for a person, who must not read control characters.
func shown(before string, after []byte) string {
	if !show.IsText([]byte(before)) || !show.IsText(after) {
		return fmt.Sprintf("(no text: %d bytes, then %d)", len(before), len(after))
	}
	return show.Plain(diff.Preview(before, string(after), shownLines))
}

func (t Tools) previewCommit(ctx context.Context, c *kit.Call, in commitFilesIn) (kit.Preview, error) {
	p, err := t.planCommit(ctx, c, in, c.Outside)
	return p.preview, err
}

func (t Tools) commitFiles(ctx context.Context, c *kit.Call, in commitFilesIn) (out commitFilesOut, err error) {
	p, err := t.planCommit(ctx, c, in, access.Unmarked)
	if err != nil {
		return out, err
	}
	for i, change := range in.Changes {
		if p.asks && change.SHA == "" && change.Op != "create" {
			return out, fault.New(fault.Invalid, "A person is asked about this, and approves a change of certain content. Read %s, then add its sha, which is %s, to change %d and call again.", change.Path, p.change.Files[i].SHA, i+1)
		}
	}
	if p.asks {
		if err := access.Approve(c, p.preview); err != nil {
			return out, err
		}
	}
	done, err := p.repo.Commit(ctx, p.change)
	if err != nil {
		return out, err
	}
	branch := p.change.NewBranch
	if branch == "" {
		branch = p.change.Branch
	}
	return commitFilesOut{done.Commit.SHA, branch}, nil
}
