package remote

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"github.com/pkg/sftp"

	"drawbridge/internal/fault"
)

// MaxEdited bounds a file that is written from a call or changed in place.
const MaxEdited = 4 << 20

// Edit is a change of one file's content.
type Edit struct {
	Path string
	// Change makes the new content of the old one; there is false where no file is.
	Change func(old []byte, there bool) ([]byte, error)
	// Allowed says whether the file that the path leads to may be written.
	Allowed Allowed

	ExpectedSHA  string    // refuse if the content is another; "" does not ask
	ExpectedTime time.Time // refuse if it was changed since; zero does not ask
	MustNotExist bool
	Mode         fs.FileMode // 0 keeps the file's own, or is 0644
	Backup       bool        // keep the old content beside it
	DryRun       bool        // change nothing
	BackupEnding string      // of the copy's name
}

// Edited is what became of an Edit.
type Edited struct {
	Path     string // resolved
	Old, New []byte
	There    bool // it was there before
	SHA      string
	Backup   string
}

// SHA is how contents are named.
func SHA(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// Edit changes a file as a whole: a reader sees the old content or the new one, and
// a break in between leaves the old one. Owner and rights stay.
func (c Conn) Edit(ctx context.Context, e Edit) (out Edited, err error) {
	err = c.files(ctx, func(client *sftp.Client) error {
		w := writer{c, client, e.Path}
		if out.Path, err = w.resolve(e.Path); err != nil {
			return err
		}
		if err := e.Allowed(out.Path); err != nil {
			return err
		}
		before, err := w.old(&out)
		if err != nil {
			return err
		}
		if err := e.expected(out, before); err != nil {
			return err
		}
		if out.New, err = e.Change(out.Old, out.There); err != nil {
			return err
		}
		out.SHA = SHA(out.New)
		if len(out.New) > MaxEdited {
			return fault.New(fault.Limited, "The new content has %d bytes, at most %d are written at once. Use transfer_file for large ones.", len(out.New), MaxEdited)
		}
		if e.DryRun || out.There && out.SHA == SHA(out.Old) && e.Mode == 0 {
			return nil
		}
		return w.replace(e, before, &out)
	})
	return out, err
}

type writer struct {
	conn   Conn
	client *sftp.Client
	asked  string // the path as it was sent, for errors
}

// resolve follows the links of a path; its last element need not exist.
func (w writer) resolve(p string) (string, error) {
	info, err := w.client.Lstat(p)
	switch {
	case err == nil && info.Mode()&fs.ModeSymlink != 0:
		real, err := w.client.RealPath(p)
		if err != nil {
			return "", w.conn.fileError(err, w.asked)
		}
		return real, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", w.conn.fileError(err, w.asked)
	}
	dir, err := w.client.RealPath(path.Dir(p))
	if err != nil {
		return "", w.conn.fileError(err, w.asked)
	}
	return path.Join(dir, path.Base(p)), nil
}

// old reads what is there.
func (w writer) old(out *Edited) (fs.FileInfo, error) {
	info, err := w.client.Lstat(out.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, w.conn.fileError(err, w.asked)
	}
	if !info.Mode().IsRegular() {
		return nil, fault.New(fault.Invalid, "%q on %s is no file, so it cannot be written. Choose another path.", w.asked, w.conn.Host.Alias)
	}
	if info.Size() > MaxEdited {
		return nil, fault.New(fault.Limited, "%q on %s has %d bytes, at most %d can be changed this way. Use run_command or transfer_file.", w.asked, w.conn.Host.Alias, info.Size(), MaxEdited)
	}
	f, err := w.client.Open(out.Path)
	if err != nil {
		return nil, w.conn.fileError(err, w.asked)
	}
	defer f.Close()
	if out.Old, err = io.ReadAll(io.LimitReader(f, MaxEdited+1)); err != nil {
		return nil, w.conn.fileError(err, w.asked)
	}
	out.There = true
	return info, nil
}

// expected holds what is there to what the caller has seen.
func (e Edit) expected(out Edited, info fs.FileInfo) error {
	switch {
	case e.MustNotExist && out.There:
		return fault.New(fault.Conflict, "%q is there already. Read it first, then send its sha256 as expected_sha256.", e.Path)
	case e.ExpectedSHA != "" && !out.There:
		return fault.New(fault.Conflict, "%q is not there any more. Look again with list_directory, then decide.", e.Path)
	case e.ExpectedSHA != "" && !strings.EqualFold(e.ExpectedSHA, SHA(out.Old)):
		return fault.New(fault.Conflict, "%q has other content by now: its sha256 is %s. Read it again, then decide.", e.Path, SHA(out.Old))
	case !e.ExpectedTime.IsZero() && (info == nil || info.ModTime().Unix() != e.ExpectedTime.Unix()):
		return fault.New(fault.Conflict, "%q was changed at another time than expected. Read it again, then decide.", e.Path)
	}
	return nil
}

// replace writes beside the file, and puts that in its place by a rename.
func (w writer) replace(e Edit, before fs.FileInfo, out *Edited) error {
	temp := path.Join(path.Dir(out.Path), "."+path.Base(out.Path)+".drawbridge-"+rand.Text()[:8])
	mode := fs.FileMode(0o644)
	if before != nil {
		mode = before.Mode().Perm()
	}
	if e.Mode != 0 {
		mode = e.Mode.Perm()
	}
	err := w.fill(temp, out.New, mode, before)
	if err == nil {
		err = w.swap(e, temp, before, out)
	}
	if err != nil {
		_ = w.client.Remove(temp) // the first error is the one to tell
		return w.conn.fileError(err, w.asked)
	}
	return nil
}

// fill makes a file that nobody else can read until it is whole.
func (w writer) fill(name string, content []byte, mode fs.FileMode, like fs.FileInfo) error {
	f, err := w.create(name)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return w.seal(f, name, mode, like, err)
}

func (w writer) create(name string) (*sftp.File, error) {
	f, err := w.client.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return nil, err
	}
	if err := w.client.Chmod(name, 0o600); err != nil {
		_ = f.Close() // nothing was written
		return nil, err
	}
	return f, nil
}

// seal ends writing a file: it is on disk, with the owner and rights it shall have.
func (w writer) seal(f *sftp.File, name string, mode fs.FileMode, like fs.FileInfo, err error) error {
	if err == nil {
		if _, can := w.client.HasExtension("fsync@openssh.com"); can {
			err = f.Sync()
		}
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if want, ok := owner(like); ok {
		made, err := w.client.Stat(name)
		if err != nil {
			return err
		}
		if got, _ := owner(made); got != want {
			if err := w.client.Chown(name, int(want.uid), int(want.gid)); err != nil {
				return fault.Wrap(err, fault.Forbidden, "The file belongs to somebody else, and %s cannot keep it that way when replacing it. Use run_privileged, or let its owner change it.", w.conn.Host.User)
			}
		}
	}
	return w.client.Chmod(name, mode)
}

type ids struct{ uid, gid uint32 }

func owner(info fs.FileInfo) (ids, bool) {
	if info == nil {
		return ids{}, false
	}
	st, ok := info.Sys().(*sftp.FileStat)
	if !ok {
		return ids{}, false
	}
	return ids{st.UID, st.GID}, true
}

// swap puts temp in the file's place, unless the file has changed since it was read.
// Between that look and the rename there are two round trips, and nothing to lock.
func (w writer) swap(e Edit, temp string, before fs.FileInfo, out *Edited) error {
	now, err := w.client.Lstat(out.Path)
	changed := before == nil && err == nil || before != nil && (err != nil || now.Size() != before.Size() || !now.ModTime().Equal(before.ModTime()))
	if changed {
		return fault.New(fault.Conflict, "%q was changed by somebody else at the same time. Nothing was written; read it again, then decide.", w.asked)
	}
	if e.Backup && before != nil {
		out.Backup = out.Path + e.BackupEnding
		if err := w.client.Link(out.Path, out.Backup); err != nil {
			return fmt.Errorf("keep a copy: %w", err)
		}
	}
	return w.client.PosixRename(temp, out.Path)
}
