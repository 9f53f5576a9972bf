package pulls

import (
	"context"
	"fmt"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/forgejo/access"
	"drawbridge/internal/servers/forgejo/api"
	"drawbridge/internal/servers/forgejo/diff"
	"drawbridge/internal/servers/forgejo/show"
	"drawbridge/internal/servers/kit"
)

type submitReviewIn struct {
	access.NumberIn
	Event    string          `json:"event" jsonschema:"Verdict." enum:"approve,request_changes,comment"`
	Body     string          `json:"body,omitempty" jsonschema:"In all; request_changes needs it."`
	Comments []lineCommentIn `json:"comments,omitempty" jsonschema:"On lines."`
	Head     string          `json:"expected_head,omitempty" jsonschema:"head_sha that was read; refuse another."`
}

type lineCommentIn struct {
	Path string `json:"path" jsonschema:"Of the file."`
	Line int    `json:"line" jsonschema:"Its number in the file."`
	Old  bool   `json:"old,omitempty" jsonschema:"Of the file before; for removed lines."`
	Body string `json:"body" jsonschema:"Markdown."`
}

type submitReviewOut struct {
	ID    int64  `json:"id"`
	State string `json:"state"`
}

// events are the API's words.
var events = map[string]string{"approve": "APPROVED", "request_changes": "REQUEST_CHANGES", "comment": "COMMENT"}

func (t Tools) submitReview(ctx context.Context, c *kit.Call, in submitReviewIn) (out submitReviewOut, err error) {
	body := strings.TrimSpace(in.Body) != ""
	switch {
	case in.Event == "request_changes" && !body:
		return out, fault.New(fault.Invalid, "request_changes needs a body that says what to change. Add it.")
	case in.Event == "comment" && !body && len(in.Comments) == 0:
		return out, fault.New(fault.Invalid, "A review without verdict needs a body or comments. Add one.")
	}
	r, err := t.Repo(ctx, c, in.Repo)
	if err != nil {
		return out, err
	}
	p, err := r.ReadPull(ctx, in.Number)
	if err != nil {
		return out, err
	}
	if p.State != "open" {
		return out, fault.New(fault.Conflict, "%s is not open, so it cannot be reviewed. Comment with add_comment.", access.Numbered(r, in.Number))
	}
	if err := sameHead(r, p, in.Head); err != nil {
		return out, err
	}
	v := api.NewReview{Event: events[in.Event], Body: in.Body, CommitID: p.Head.SHA}
	if v.Comments, err = place(ctx, r, in.Number, in.Comments); err != nil {
		return out, err
	}
	if in.Event == "approve" && in.Head == "" {
		return out, unbound(r, p)
	}
	if in.Event == "approve" {
		if err := access.Approve(c, verdict(r, p)); err != nil {
			return out, err
		}
	}
	done, err := r.CreateReview(ctx, in.Number, v)
	if err != nil {
		return out, err
	}
	return submitReviewOut{done.ID, strings.ToLower(done.State)}, nil
}

// verdict is what a person reads before their name stands under a pull request.
func verdict(r api.Repo, p api.Pull) kit.Preview {
	name := access.Numbered(r, p.Number)
	return kit.Preview{Target: name, Effect: "Approves in your name " + told(p, access.Unmarked), Bound: access.Bound(name, changeOf(p))}
}

// told is what a pull request brings, for who decides about it; mark is for what others
// wrote. Its figures may move while the change stays what it is.
func told(p api.Pull, mark func(string) string) string {
	return fmt.Sprintf("%s (commit %s, +%d -%d in %d files) into %s: %s", show.Ref(p.Head.Label), show.Short(p.Head.SHA), p.Additions, p.Deletions, p.ChangedFiles,
		show.Ref(p.Base.Ref), mark(show.Plain(string(show.Clip(p.Title, 200)))))
}

// changeOf identifies what is told of a pull request: the difference is that of two
// commits, and goes into a branch under a title.
func changeOf(p api.Pull) string {
	return access.Bound(p.MergeBase, p.Head.SHA, p.Head.Label, p.Base.Ref, p.Title)
}

// sameHead refuses a pull request that has other commits than the caller has read.
func sameHead(r api.Repo, p api.Pull, expected string) error {
	if expected != "" && expected != p.Head.SHA {
		return fault.New(fault.Conflict, "%s has other commits by now: its head is %s. Read what is new, and decide again.", access.Numbered(r, p.Number), p.Head.SHA)
	}
	return nil
}

// unbound refuses a call that a person is asked about and that does not say which
// commits it is for: the approval would be for whatever comes meanwhile, too.
func unbound(r api.Repo, p api.Pull) error {
	return fault.New(fault.Invalid, "A person is asked about this, and approves certain commits. Read what %s changes, then add expected_head %s and call again.", access.Numbered(r, p.Number), p.Head.SHA)
}

// place turns lines into the API's positions. The API takes any number and shows a
// comment that misses nowhere, so each is held against the difference first; one
// that misses sends nothing.
func place(ctx context.Context, r api.Repo, n int64, comments []lineCommentIn) ([]api.NewLineComment, error) {
	if len(comments) == 0 {
		return nil, nil
	}
	text, err := r.PullDiff(ctx, n)
	if err != nil {
		return nil, err
	}
	files := diff.Parse(text)
	placed := make([]api.NewLineComment, len(comments))
	var misses []string
	for i, one := range comments {
		f, ok := diff.Find(files, one.Path)
		switch {
		case !ok:
			misses = append(misses, fmt.Sprintf("comment %d: the pull request does not change %s", i+1, one.Path))
		case !f.Has(one.Line, one.Old):
			misses = append(misses, fmt.Sprintf("comment %d: line %d of %s is not in the difference; there are %s", i+1, one.Line, one.Path, f.Ranges(one.Old)))
		}
		placed[i] = api.NewLineComment{Path: f.Path, Body: one.Body}
		if one.Old {
			placed[i].Old = one.Line
		} else {
			placed[i].New = one.Line
		}
	}
	if len(misses) > 0 {
		return nil, fault.New(fault.Invalid, "The review was not sent, because comments have no place:\n- %s\nCorrect them with get_pull_request_diff and send it again.", strings.Join(misses, "\n- "))
	}
	return placed, nil
}
