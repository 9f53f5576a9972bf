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

// List gives what is in a folder, down to depth folders below it, where its name
// fits glob, sorted by path. At most limit entries; more tells that there are others.
func (c Conn) List(ctx context.Context, p string, depth int, glob string, limit int) (found []Entry, more bool, err error) {
	err = c.files(ctx, func(client *sftp.Client) error {
		root, err := client.RealPath(p)
		if err != nil {
			return c.fileError(err, p)
		}
		l := lister{client, glob, limit, 20 * limit, nil, false}
		if err := l.folder(ctx, root, depth); err != nil {
			return c.fileError(err, p)
		}
		found, more = l.found, l.more
		return nil
	})
	return found, more, err
}

type lister struct {
	client *sftp.Client
	glob   string
	limit  int
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
		fits, err := path.Match(l.glob, info.Name())
		if err != nil {
			return fault.Wrap(err, fault.Invalid, "The glob %q is not one. Use *, ? and [ab].", l.glob)
		}
		if l.glob == "" || fits {
			if len(l.found) >= l.limit {
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
func (c Conn) Stat(ctx context.Context, p string) (e Entry, err error) {
	err = c.files(ctx, func(client *sftp.Client) error {
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

// Read reads at most size bytes from offset; a negative one counts from the end.
func (c Conn) Read(ctx context.Context, p string, offset int64, size int) (part Part, err error) {
	err = c.files(ctx, func(client *sftp.Client) error {
		f, err := client.Open(p)
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
		if part.Data, err = io.ReadAll(io.LimitReader(f, int64(size))); err != nil {
			return c.fileError(err, p)
		}
		return nil
	})
	return part, err
}
