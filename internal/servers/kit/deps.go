package kit

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"drawbridge/internal/egress"
	"drawbridge/internal/fault"
	"drawbridge/internal/secret"
	"drawbridge/internal/servers/kit/credentials"
	"drawbridge/internal/servers/kit/filestore"
	"drawbridge/internal/servers/kit/upstream"
	"drawbridge/internal/tables"
)

// Deps is what a server gets from the program around it. What may be nil answers
// with an error that says what to set, when a call first needs it.
type Deps struct {
	Log     *slog.Logger
	Now     func() time.Time
	DB      tables.DB // the server's own tables; nil where it declared no need
	Version string    // of the program, shown in serverInfo

	Credentials Credentials // of callers; may be nil
	Files       Files       // what calls hand over to later calls; may be nil

	// Own gives the host names and addresses of this installation ("gw.example.org",
	// "127.0.0.1:4444"), for servers that must not be led back to it; may be nil.
	Own func() []string
}

// Validate tells what is missing.
func (d Deps) Validate() error {
	if d.Log == nil || d.Now == nil {
		return errors.New("a built-in server needs a log and a clock")
	}
	return nil
}

// Credentials are what the callers of a server have stored for its upstream.
type Credentials = credentials.Store

// Fallback gives a caller's own credentials, and the operator's to those who have
// none. first may be nil.
func Fallback(first Credentials, operator map[string]secret.String) Credentials {
	return credentials.Fallback(first, operator)
}

// Credential gives one value of the caller's credentials for this server. Where
// there is none, the error says who can set it.
func (c *Call) Credential(ctx context.Context, key string) (secret.String, error) {
	return credentials.Of(ctx, c.server.deps.Credentials, c.user, c.server.spec.Name, key)
}

// File is a file that the gateway keeps for a user.
type File = filestore.File

// Files keeps files by user: a download that a later call uploads. A reference
// opens for its user alone.
type Files interface {
	Put(ctx context.Context, user string, f File, content io.Reader) (File, error)
	Open(ctx context.Context, user, ref string) (io.ReadCloser, File, error)
}

// PutFile keeps content for the caller and gives it a reference. Of f, Name and
// MIMEType count.
func (c *Call) PutFile(ctx context.Context, f File, content io.Reader) (File, error) {
	if c.server.deps.Files == nil {
		return File{}, noFiles()
	}
	return c.server.deps.Files.Put(ctx, c.user, f, content)
}

// OpenFile opens a file of the caller. The caller closes it.
func (c *Call) OpenFile(ctx context.Context, ref string) (io.ReadCloser, File, error) {
	if c.server.deps.Files == nil {
		return nil, File{}, noFiles()
	}
	return c.server.deps.Files.Open(ctx, c.user, ref)
}

func noFiles() error {
	return fault.New(fault.Unavailable, "This installation keeps no files between calls. Run the server inside of the gateway, or do without the file.")
}

// The HTTP side of servers; see package upstream.
type (
	Target      = upstream.Target
	Upstream    = upstream.Client
	Request     = upstream.Request
	Answer      = upstream.Answer
	StatusError = upstream.StatusError
)

// Upstream makes the client for a target. Its error is about settings and says
// which of the target's is wrong.
func (d Deps) Upstream(t Target) (*Upstream, error) { return upstream.New(t, egress.Metadata) }

// Path joins the elements of a request's path, each escaped.
func Path(elements ...string) string { return upstream.Path(elements...) }

// StatusOf is the HTTP status in the chain of an error of an Upstream, or 0.
func StatusOf(err error) int { return upstream.StatusOf(err) }
