package ssh

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"time"
	"unicode/utf8"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/ssh/access"
	"drawbridge/internal/servers/ssh/remote"
)

// pathIn names a path on a host.
type pathIn struct {
	hostIn
	Path string `json:"path" jsonschema:"Absolute, or from the account's home with ~/." min:"1" max:"4096"`
}

// at connects to the host and cleans the path.
func (s *server) at(ctx context.Context, c *kit.Call, in pathIn, want access.Right) (access.Reached, string, error) {
	p, err := remote.CheckPath(in.Path)
	if err != nil {
		return access.Reached{}, "", err
	}
	h, err := s.door.Connect(ctx, c, in.Host, want)
	return h, p, err
}

type entryOut struct {
	Path     kit.Untrusted `json:"path"`
	Type     string        `json:"type"`
	Size     int64         `json:"size"`
	Mode     string        `json:"mode"`
	Owner    string        `json:"owner"`
	Modified string        `json:"modified_at"`
	Target   kit.Untrusted `json:"target,omitempty"`
}

func outOf(e remote.Entry) entryOut {
	return entryOut{plain(e.Path), e.Type, e.Size, e.Mode.String(), fmt.Sprintf("%d:%d", e.UID, e.GID), e.Modified.UTC().Format(time.RFC3339), plain(e.Target)}
}

type listDirectoryIn struct {
	pathIn
	Depth int    `json:"depth,omitempty" jsonschema:"How many levels." min:"1" max:"3" default:"1"`
	Glob  string `json:"glob,omitempty" jsonschema:"Names that fit, such as *.log." max:"200"`
	Limit int    `json:"limit,omitempty" jsonschema:"Most entries." min:"1" max:"500" default:"100"`
}

type listDirectoryOut struct {
	Entries []entryOut `json:"entries"`
	More    bool       `json:"more" jsonschema:"There are others."`
}

func (s *server) listDirectory(ctx context.Context, c *kit.Call, in listDirectoryIn) (out listDirectoryOut, err error) {
	h, p, err := s.at(ctx, c, in.pathIn, access.Read)
	if err != nil {
		return out, err
	}
	found, more, err := h.List(ctx, remote.Listing{Path: p, Depth: in.Depth, Glob: in.Glob, Limit: in.Limit, Allowed: h.ReadRule()})
	for _, e := range found {
		out.Entries = append(out.Entries, outOf(e))
	}
	out.More = more
	return out, err
}

func (s *server) statPath(ctx context.Context, c *kit.Call, in pathIn) (out entryOut, err error) {
	h, p, err := s.at(ctx, c, in, access.Read)
	if err != nil {
		return out, err
	}
	e, err := h.Stat(ctx, p, h.ReadRule())
	return outOf(e), err
}

type readFileIn struct {
	pathIn
	Offset int64 `json:"offset,omitempty" jsonschema:"Byte to read from; negative from the end."`
	Most   int   `json:"max_bytes,omitempty" jsonschema:"Most bytes." min:"1" max:"400000" default:"14000"`
}

type readFileOut struct {
	Path       kit.Untrusted `json:"path"`
	Size       int64         `json:"size"`
	Modified   string        `json:"modified_at"`
	SHA        string        `json:"sha256,omitempty" jsonschema:"Where all of it was read."`
	Content    kit.Untrusted `json:"content"`
	NextOffset int64         `json:"next_offset,omitempty" jsonschema:"Read on from here."`
	File       string        `json:"file,omitempty" jsonschema:"Reference to a file that is not text."`
}

func (s *server) readFile(ctx context.Context, c *kit.Call, in readFileIn) (out readFileOut, err error) {
	h, p, err := s.at(ctx, c, in.pathIn, access.Read)
	if err != nil {
		return out, err
	}
	part, err := h.Read(ctx, remote.Reading{Path: p, Offset: in.Offset, Size: in.Most, Allowed: h.ReadRule()})
	if err != nil {
		return out, err
	}
	out = readFileOut{Path: plain(in.Path), Size: part.Entry.Size, Modified: part.Entry.Modified.UTC().Format(time.RFC3339)}
	end := part.Offset + int64(len(part.Data))
	if end < part.Entry.Size && len(part.Data) > 0 {
		data := wholeRunes(part.Data)
		part.Data, end = data, part.Offset+int64(len(data))
		out.NextOffset = end
	}
	if part.Offset == 0 && out.NextOffset == 0 {
		out.SHA = remote.SHA(part.Data)
	}
	if !utf8.Valid(part.Data) {
		return out, s.notText(ctx, c, h, p, &out)
	}
	out.Content = kit.Untrusted(part.Data)
	return out, nil
}

// wholeRunes drops half a character at the end of a piece of a text.
func wholeRunes(data []byte) []byte {
	for i := 1; i < utf8.UTFMax && i < len(data); i++ {
		if at := len(data) - i; utf8.RuneStart(data[at]) {
			if !utf8.FullRune(data[at:]) {
				return data[:at]
			}
			break
		}
	}
	return data
}

// mostKept bounds a file that is kept for other tools.
const mostKept = 16 << 20

// notText keeps a file that a model cannot read.
func (s *server) notText(ctx context.Context, c *kit.Call, h access.Reached, p string, out *readFileOut) error {
	if s.deps.Files == nil || out.Size > mostKept {
		return fault.New(fault.Invalid, "%q is not text in UTF-8. Look at it with run_readonly (file, od, strings), or copy it with transfer_file.", p)
	}
	part, err := h.Read(ctx, remote.Reading{Path: p, Size: mostKept, Allowed: h.ReadRule()})
	if err != nil {
		return err
	}
	f, err := c.PutFile(ctx, kit.File{Name: path.Base(p), MIMEType: "application/octet-stream"}, bytes.NewReader(part.Data))
	if err != nil {
		return err
	}
	out.File, out.NextOffset = f.Ref, 0
	return nil
}
