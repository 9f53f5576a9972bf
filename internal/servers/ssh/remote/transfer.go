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
	"path"

	"github.com/pkg/sftp"

	"drawbridge/internal/fault"
)

// Transfer is a file on its way from one host to another, through memory in pieces.
type Transfer struct {
	From, To  Conn
	FromPath  string
	ToPath    string
	Readable  Allowed // of the source
	Allowed   Allowed // of the target
	Overwrite bool
	Progress  func(done, total int64) // must not block
}

// Transferred is what arrived.
type Transferred struct {
	Path  string
	Bytes int64
	SHA   string
}

// Run moves the bytes. The target appears as a whole, under its name only when all
// of it is there and as long as the source.
func (t Transfer) Run(ctx context.Context) (out Transferred, err error) {
	err = t.From.files(ctx, func(source *sftp.Client) error {
		real, err := t.From.resolve(source, t.FromPath, t.Readable)
		if err != nil {
			return err
		}
		f, err := source.Open(real)
		if err != nil {
			return t.From.fileError(err, t.FromPath)
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return t.From.fileError(err, t.FromPath)
		}
		if !info.Mode().IsRegular() {
			return fault.New(fault.Invalid, "%q on %s is no file. Transfer files one by one, or pack the folder first.", t.FromPath, t.From.Host.Alias)
		}
		return t.To.files(ctx, func(target *sftp.Client) error {
			out, err = t.receive(ctx, f, info, writer{t.To, target, t.ToPath})
			return err
		})
	})
	return out, err
}

// receive writes beside the target and renames.
func (t Transfer) receive(ctx context.Context, source *sftp.File, info fs.FileInfo, w writer) (out Transferred, err error) {
	if out.Path, err = w.resolve(t.ToPath); err != nil {
		return out, err
	}
	if err := t.Allowed(out.Path); err != nil {
		return out, err
	}
	before, err := w.client.Lstat(out.Path)
	switch {
	case err == nil && before.IsDir():
		return out, fault.New(fault.Invalid, "%q on %s is a folder. Name the file that shall be there.", t.ToPath, t.To.Host.Alias)
	case err == nil && !t.Overwrite:
		return out, fault.New(fault.Conflict, "%q is there already on %s. Choose another path, or set overwrite.", t.ToPath, t.To.Host.Alias)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return out, t.To.fileError(err, t.ToPath)
	case err != nil:
		before = nil
	}
	temp := path.Join(path.Dir(out.Path), "."+path.Base(out.Path)+".drawbridge-"+rand.Text()[:8])
	f, err := w.create(temp)
	if err != nil {
		return out, t.To.fileError(err, t.ToPath)
	}
	out.Bytes, out.SHA, err = t.stream(ctx, source, f, info.Size())
	mode := info.Mode().Perm()
	if before != nil {
		mode = before.Mode().Perm()
	}
	if err = w.seal(f, temp, mode, before, err); err == nil {
		err = w.client.PosixRename(temp, out.Path)
	}
	if err != nil {
		_ = w.client.Remove(temp) // the first error is the one to tell
		return out, t.To.fileError(err, t.ToPath)
	}
	return out, nil
}

// stream copies with reads and writes on their way at the same time.
func (t Transfer) stream(ctx context.Context, from, to *sftp.File, size int64) (n int64, sha string, err error) {
	out, in := io.Pipe()
	stop := context.AfterFunc(ctx, func() { _ = in.CloseWithError(ctx.Err()) })
	defer stop()
	read := make(chan struct{})
	go func() { // ends with the pipe, which is closed below
		defer close(read)
		_, err := from.WriteTo(in)
		_ = in.CloseWithError(err) // nil is the end
	}()
	sum := sha256.New()
	counted := &counter{from: io.TeeReader(out, sum), total: size, tell: t.Progress}
	n, err = to.ReadFromWithConcurrency(counted, 16)
	_ = out.CloseWithError(errors.New("the target is done"))
	<-read
	if err == nil && n < size {
		err = fmt.Errorf("%d of %d bytes arrived", n, size)
	}
	return n, hex.EncodeToString(sum.Sum(nil)), err
}

// counter tells how far a copy is.
type counter struct {
	from        io.Reader
	done, total int64
	tell        func(done, total int64)
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.done += int64(n)
	if c.tell != nil && n > 0 {
		c.tell(c.done, c.total)
	}
	return n, err
}
