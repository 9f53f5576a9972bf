package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pkg/sftp"

	"drawbridge/internal/fault"
)

// Entry is a file or folder on a host.
type Entry struct {
	Path     string
	Type     string // file, folder, link, other
	Size     int64
	Mode     fs.FileMode
	Modified time.Time
	UID, GID uint32
	Target   string // of a link
}

const maxPath = 4096

// CheckPath cleans a path that somebody sent. It is absolute, or begins with ~/.
func CheckPath(p string) (string, error) {
	switch {
	case len(p) > maxPath:
		return "", fault.New(fault.Invalid, "The path has %d bytes, at most %d are taken. Check it.", len(p), maxPath)
	case !utf8.ValidString(p) || strings.ContainsFunc(p, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return "", fault.New(fault.Invalid, "The path has a control character. Leave it out.")
	case p == "~":
		return ".", nil
	case strings.HasPrefix(p, "~/"):
		// Relative to where SFTP starts, the account's home; it may not climb out.
		rel := path.Clean(p[2:])
		if rel == ".." || strings.HasPrefix(rel, "../") {
			return "", fault.New(fault.Invalid, "The path %q leaves the home folder. Write it from the root.", p)
		}
		return strings.TrimPrefix(rel, "/"), nil
	case !strings.HasPrefix(p, "/"):
		return "", fault.New(fault.Invalid, "The path %q is not absolute. Begin with / or ~/.", p)
	}
	return path.Clean(p), nil
}

// files runs f with an SFTP session of its own, which ends with ctx.
func (c Conn) files(ctx context.Context, f func(*sftp.Client) error) error {
	s, done, err := c.Session(ctx, false)
	if err != nil {
		return err
	}
	defer done()
	defer s.Close()
	in, err := s.StdinPipe()
	if err != nil {
		return fmt.Errorf("open sftp: %w", err)
	}
	out, err := s.StdoutPipe()
	if err != nil {
		return fmt.Errorf("open sftp: %w", err)
	}
	if err := s.RequestSubsystem("sftp"); err != nil {
		return fault.Wrap(err, fault.Upstream, "%s has no SFTP, which working with files needs. Its operator can switch the subsystem on, or use run_command.", c.Host.Alias)
	}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	client, err := sftp.NewClientPipe(out, in, sftp.MaxConcurrentRequestsPerFile(16), sftp.UseConcurrentWrites(true))
	if err != nil {
		return c.Lost(errors.Join(ctx.Err(), err))
	}
	err = f(client)
	_ = client.Close() // what matters was closed and checked by f
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// fileError makes public what SFTP says of a path.
func (c Conn) fileError(err error, p string) error {
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fault.Wrap(err, fault.NotFound, "There is no %q on %s. list_directory shows what is there.", p, c.Host.Alias)
	case errors.Is(err, fs.ErrPermission):
		return fault.Wrap(err, fault.Forbidden, "%s may not do that with %q on %s. Choose another path, or change its rights on the host.", c.Host.User, p, c.Host.Alias)
	}
	return fault.Wrap(err, fault.Upstream, "%s could not do that with %q. It may be a folder, or the disk may be full; stat_path tells more.", c.Host.Alias, p)
}

func entryOf(p string, info fs.FileInfo) Entry {
	e := Entry{Path: p, Type: "other", Size: info.Size(), Mode: info.Mode(), Modified: info.ModTime()}
	switch {
	case info.Mode().IsRegular():
		e.Type = "file"
	case info.IsDir():
		e.Type = "folder"
	case info.Mode()&fs.ModeSymlink != 0:
		e.Type = "link"
	}
	if st, ok := info.Sys().(*sftp.FileStat); ok {
		e.UID, e.GID = st.UID, st.GID
	}
	return e
}

// Allowed says whether a path, whose links are followed, may be used; nil allows all.
type Allowed func(resolved string) error

func (a Allowed) allows(resolved string) bool { return a == nil || a(resolved) == nil }

// resolve follows the links of a path and holds it to a rule. Where there is none the
// path stays as it is.
func (c Conn) resolve(client *sftp.Client, p string, rule Allowed) (string, error) {
	if rule == nil {
		return p, nil
	}
	real, err := client.RealPath(p)
	if err != nil {
		return "", c.fileError(err, p)
	}
	return real, rule(real)
}

// Resolve is where a path leads, for programs that are told to read it.
func (c Conn) Resolve(ctx context.Context, p string, rule Allowed) (real string, err error) {
	err = c.files(ctx, func(client *sftp.Client) error {
		real, err = c.resolve(client, p, rule)
		return err
	})
	return real, err
}

// Listing is what to list of a folder.
type Listing struct {
	Path    string
	Depth   int     // folders below it
	Glob    string  // of names; "" is all
	Limit   int     // entries at most
	Allowed Allowed // of each entry; others are not shown
}

// List gives what is in a folder, sorted by path; more tells that there are others.
func (c Conn) List(ctx context.Context, want Listing) (found []Entry, more bool, err error) {
	err = c.files(ctx, func(client *sftp.Client) error {
		root, err := client.RealPath(want.Path)
		if err != nil {
			return c.fileError(err, want.Path)
		}
		l := lister{Listing: want, client: client, looks: 20 * want.Limit}
		err = l.folder(ctx, root, want.Depth)
		if len(l.found) == 0 && want.Allowed != nil {
			// Where nothing may be seen, it is not even told whether there is a folder.
			if refused := want.Allowed(root); refused != nil {
				return refused
			}
		}
		if err != nil {
			return c.fileError(err, want.Path)
		}
		found, more = l.found, l.more
		return nil
	})
	return found, more, err
}

type lister struct {
	Listing
	client *sftp.Client
	looks  int // how many entries are looked at, at most
	found  []Entry
	more   bool
}

func (l *lister) folder(ctx context.Context, dir string, depth int) error {
	infos, err := l.client.ReadDirContext(ctx, dir)
	if err != nil {
		return err
	}
	slices.SortFunc(infos, func(a, b fs.FileInfo) int { return strings.Compare(a.Name(), b.Name()) })
	for _, info := range infos {
		if l.looks--; l.looks < 0 {
			l.more = true
			return nil
		}
		full := path.Join(dir, path.Base(info.Name())) // a hostile host may send any name
		fits, err := path.Match(l.Glob, info.Name())
		if err != nil {
			return fault.Wrap(err, fault.Invalid, "The glob %q is not one. Use *, ? and [ab].", l.Glob)
		}
		if (l.Glob == "" || fits) && l.Allowed.allows(full) {
			if len(l.found) >= l.Limit {
				l.more = true
				return nil
			}
			l.found = append(l.found, entryOf(full, info))
		}
		if info.IsDir() && depth > 1 {
			if err := l.folder(ctx, full, depth-1); err != nil && !errors.Is(err, fs.ErrPermission) {
				return err
			}
		}
	}
	return nil
}

// Stat tells about one path, without following a link at its end.
func (c Conn) Stat(ctx context.Context, p string, rule Allowed) (e Entry, err error) {
	err = c.files(ctx, func(client *sftp.Client) error {
		if rule != nil {
			dir, err := client.RealPath(path.Dir(p))
			if err != nil {
				return c.fileError(err, p)
			}
			if err := rule(path.Join(dir, path.Base(p))); err != nil {
				return err
			}
		}
		info, err := client.Lstat(p)
		if err != nil {
			return c.fileError(err, p)
		}
		e = entryOf(p, info)
		if e.Type == "link" {
			if e.Target, err = client.ReadLink(p); err != nil {
				return c.fileError(err, p)
			}
		}
		return nil
	})
	return e, err
}

// Part is a piece of a file.
type Part struct {
	Entry  Entry
	Data   []byte
	Offset int64
}

// Reading is what to read of a file.
type Reading struct {
	Path    string
	Offset  int64 // a negative one counts from the end
	Size    int   // bytes at most
	Allowed Allowed
}

// Read reads a piece of a file.
func (c Conn) Read(ctx context.Context, want Reading) (part Part, err error) {
	p, offset := want.Path, want.Offset
	err = c.files(ctx, func(client *sftp.Client) error {
		real, err := c.resolve(client, p, want.Allowed)
		if err != nil {
			return err
		}
		f, err := client.Open(real)
		if err != nil {
			return c.fileError(err, p)
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return c.fileError(err, p)
		}
		part.Entry = entryOf(p, info)
		if part.Entry.Type != "file" {
			return fault.New(fault.Invalid, "%q on %s is no file. list_directory reads folders.", p, c.Host.Alias)
		}
		if part.Offset = offset; offset < 0 {
			part.Offset = max(0, info.Size()+offset)
		}
		if _, err := f.Seek(part.Offset, io.SeekStart); err != nil {
			return c.fileError(err, p)
		}
		if part.Data, err = io.ReadAll(io.LimitReader(f, int64(want.Size))); err != nil {
			return c.fileError(err, p)
		}
		return nil
	})
	return part, err
}
