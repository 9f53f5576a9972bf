package ssh

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/ssh/access"
	"drawbridge/internal/servers/ssh/output"
	"drawbridge/internal/servers/ssh/remote"
	"drawbridge/internal/servers/ssh/textdiff"
)

// shownDiff is how many lines of a difference are shown.
const shownDiff = 200

// guard is what a careful caller expects to find.
type guard struct {
	ExpectedSHA  string `json:"expected_sha256,omitempty" jsonschema:"Refuse if the content is another by now." pattern:"^[0-9a-fA-F]{64}$"`
	ExpectedTime string `json:"expected_modified_at,omitempty" jsonschema:"Refuse if it was changed since."`
	Backup       bool   `json:"backup,omitempty" jsonschema:"Keep the old content beside it."`
}

type writeFileIn struct {
	pathIn
	Content string `json:"content" jsonschema:"All of the new content."`
	Create  bool   `json:"must_not_exist,omitempty" jsonschema:"Refuse if something is there."`
	Mode    string `json:"mode,omitempty" jsonschema:"Such as 0644." pattern:"^0?[0-7]{3}$"`
	guard
}

type editFileIn struct {
	pathIn
	Edits []replaceIn `json:"edits" jsonschema:"Done one after the other." min:"1" max:"100"`
	guard
}

type replaceIn struct {
	Find    string `json:"find" jsonschema:"Exact text." min:"1"`
	Replace string `json:"replace" jsonschema:"New text."`
	Count   int    `json:"count,omitempty" jsonschema:"How often it is there; 1 without it." min:"1"`
}

type writtenOut struct {
	Path    kit.Untrusted `json:"path" jsonschema:"Where it is, links followed."`
	Created bool          `json:"created"`
	Changed bool          `json:"changed"`
	SHA     string        `json:"sha256"`
	Backup  kit.Untrusted `json:"backup,omitempty"`
	Diff    kit.Untrusted `json:"diff,omitempty"`
}

// edit is what both tools make of their arguments.
func (s *server) edit(g guard, change func([]byte, bool) ([]byte, error)) (e remote.Edit, err error) {
	e = remote.Edit{Change: change, ExpectedSHA: g.ExpectedSHA, Backup: g.Backup, BackupEnding: ".bak-" + s.deps.Now().UTC().Format("20060102T150405Z")}
	if g.ExpectedTime != "" {
		if e.ExpectedTime, err = time.Parse(time.RFC3339, g.ExpectedTime); err != nil {
			return e, fault.Wrap(err, fault.Invalid, "expected_modified_at is not a time. Send modified_at of read_file or stat_path as it is.")
		}
	}
	return e, nil
}

func (s *server) writeEdit(in writeFileIn) (remote.Edit, error) {
	e, err := s.edit(in.guard, func([]byte, bool) ([]byte, error) { return []byte(in.Content), nil })
	e.MustNotExist = in.Create
	if in.Mode != "" {
		bits, parseErr := strconv.ParseUint(in.Mode, 8, 32)
		if parseErr != nil {
			return e, fault.Wrap(parseErr, fault.Invalid, "The mode %q is not one in octal. Send it as 0644.", in.Mode)
		}
		e.Mode = fs.FileMode(bits)
	}
	return e, err
}

func (s *server) replaceEdit(in editFileIn) (remote.Edit, error) {
	return s.edit(in.guard, func(old []byte, there bool) ([]byte, error) {
		if !there {
			return nil, fault.New(fault.NotFound, "There is no file %q to edit. write_file makes one.", in.Path)
		}
		if !utf8.Valid(old) {
			return nil, fault.New(fault.Invalid, "%q is not text in UTF-8, so it cannot be edited. Use write_file or run_command.", in.Path)
		}
		text := string(old)
		for i, r := range in.Edits {
			if n := strings.Count(text, r.Find); n != cmp.Or(r.Count, 1) {
				return nil, fault.New(fault.Conflict, "Edit %d: the text is there %d times, not %d. Nothing was changed; read the file again, and take more of the lines around it.", i+1, n, cmp.Or(r.Count, 1))
			}
			text = strings.ReplaceAll(text, r.Find, r.Replace)
		}
		return []byte(text), nil
	})
}

// change runs an edit on a host, or tries it where dry.
func (s *server) change(ctx context.Context, c *kit.Call, in pathIn, e remote.Edit, dry bool) (remote.Edited, access.Reached, error) {
	h, p, err := s.at(ctx, c, in, access.Write)
	if err != nil {
		return remote.Edited{}, h, err
	}
	e.Path, e.DryRun, e.Allowed = p, dry, h.Writable
	out, err := h.Edit(ctx, e)
	return out, h, err
}

func difference(e remote.Edited) string {
	if !utf8.Valid(e.Old) || !utf8.Valid(e.New) {
		return "(not text)"
	}
	return textdiff.Unified(string(e.Old), string(e.New), shownDiff)
}

// previewEdited is what a person reads before a file changes. mark is for what the host
// says, where a model reads it. The sum is there for what the difference leaves out.
func previewEdited(in pathIn, e remote.Edited, mark func(string) string) kit.Preview {
	effect := fmt.Sprintf("Creates the file with %d bytes:", len(e.New))
	if e.There {
		effect = fmt.Sprintf("Changes the file (sha256 %s) from %d to %d bytes:", remote.SHA(e.Old), len(e.Old), len(e.New))
	}
	diff, _ := output.Plain([]byte(difference(e)))
	at, _ := output.Plain([]byte(e.Path))
	if at != in.Path {
		at = mark(at)
	}
	return kit.Preview{Target: in.Host + ":" + at, Effect: effect + "\n" + mark(diff)}
}

// dryRun is the preview of an edit for a model.
func (s *server) dryRun(ctx context.Context, c *kit.Call, in pathIn, e remote.Edit) (kit.Preview, error) {
	out, _, err := s.change(ctx, c, in, e, true)
	if err != nil {
		return kit.Preview{}, err
	}
	return previewEdited(in, out, c.Outside), nil
}

func (s *server) previewWrite(ctx context.Context, c *kit.Call, in writeFileIn) (kit.Preview, error) {
	e, err := s.writeEdit(in)
	if err != nil {
		return kit.Preview{}, err
	}
	return s.dryRun(ctx, c, in.pathIn, e)
}

func (s *server) writeFile(ctx context.Context, c *kit.Call, in writeFileIn) (writtenOut, error) {
	e, err := s.writeEdit(in)
	if err != nil {
		return writtenOut{}, err
	}
	return s.write(ctx, c, in.pathIn, e)
}

func (s *server) previewEdit(ctx context.Context, c *kit.Call, in editFileIn) (kit.Preview, error) {
	e, err := s.replaceEdit(in)
	if err != nil {
		return kit.Preview{}, err
	}
	return s.dryRun(ctx, c, in.pathIn, e)
}

func (s *server) editFile(ctx context.Context, c *kit.Call, in editFileIn) (writtenOut, error) {
	e, err := s.replaceEdit(in)
	if err != nil {
		return writtenOut{}, err
	}
	return s.write(ctx, c, in.pathIn, e)
}

// write has a change approved where the policy says so, and makes it.
func (s *server) write(ctx context.Context, c *kit.Call, in pathIn, e remote.Edit) (writtenOut, error) {
	_, g, err := s.door.Find(c, in.Host, access.Write)
	if err != nil {
		return writtenOut{}, err
	}
	if confirms(g, true) {
		tried, _, err := s.change(ctx, c, in, e, true)
		if err != nil {
			return writtenOut{}, err
		}
		unmarked := func(text string) string { return text }
		if err := approve(c, previewEdited(in, tried, unmarked)); err != nil {
			return writtenOut{}, err
		}
		// From here on it must stay what the person has read.
		if e.MustNotExist = !tried.There; tried.There {
			e.ExpectedSHA = remote.SHA(tried.Old)
		}
	}
	done, _, err := s.change(ctx, c, in, e, false)
	if err != nil {
		return writtenOut{}, err
	}
	c.Updated(kit.Expand(fileTemplate, in.Host, in.Path))
	return writtenOut{Path: plain(done.Path), Created: !done.There, Changed: !done.There || string(done.Old) != string(done.New), SHA: done.SHA,
		Backup: plain(done.Backup), Diff: kit.Untrusted(difference(done))}, nil
}

type transferFileIn struct {
	From      pathIn `json:"from" jsonschema:"The file."`
	To        pathIn `json:"to" jsonschema:"Where it shall be."`
	Overwrite bool   `json:"overwrite,omitempty" jsonschema:"Replace what is there."`
}

type transferFileOut struct {
	Path  kit.Untrusted `json:"path"`
	Bytes int64         `json:"bytes"`
	SHA   string        `json:"sha256"`
}

func (s *server) previewTransfer(_ context.Context, c *kit.Call, in transferFileIn) (kit.Preview, error) {
	for _, end := range []struct {
		at   pathIn
		want access.Right
	}{{in.From, access.Read}, {in.To, access.Write}} {
		if _, err := remote.CheckPath(end.at.Path); err != nil {
			return kit.Preview{}, err
		}
		if _, _, err := s.door.Find(c, end.at.Host, end.want); err != nil {
			return kit.Preview{}, err
		}
	}
	effect := "Copies the file here from " + in.From.Host + ":" + in.From.Path + "."
	if in.Overwrite {
		effect += " Replaces what is there."
	}
	return kit.Preview{Target: in.To.Host + ":" + in.To.Path, Effect: effect}, nil
}

func (s *server) transferFile(ctx context.Context, c *kit.Call, in transferFileIn) (out transferFileOut, err error) {
	preview, err := s.previewTransfer(ctx, c, in)
	if err != nil {
		return out, err
	}
	_, g, err := s.door.Find(c, in.To.Host, access.Write)
	if err != nil {
		return out, err
	}
	if confirms(g, true) {
		if err := approve(c, preview); err != nil {
			return out, err
		}
	}
	from, fromPath, err := s.at(ctx, c, in.From, access.Read)
	if err != nil {
		return out, err
	}
	to, toPath, err := s.at(ctx, c, in.To, access.Write)
	if err != nil {
		return out, err
	}
	var told time.Time
	done, err := remote.Transfer{From: from.Conn, To: to.Conn, FromPath: fromPath, ToPath: toPath, Overwrite: in.Overwrite, Readable: from.ReadRule(), Allowed: to.Writable,
		Progress: func(n, total int64) {
			if now := s.deps.Now(); n == total || now.Sub(told) > time.Second {
				told = now
				c.Progress(float64(n), float64(total), "bytes")
			}
		}}.Run(ctx)
	return transferFileOut{plain(done.Path), done.Bytes, done.SHA}, err
}
