// Package access is the way from a call to a repository: the caller's token, the
// operator's lists, the form of a name. It also has what the tools of the forgejo
// server share: members of inputs and outputs, and the question put to a person.
//
// The packages of tools embed a Desk.
package access

import (
	"context"
	"fmt"
	"strings"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/forgejo/api"
	"drawbridge/internal/servers/forgejo/show"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/kit/pattern"
)

// Credential is the key of a caller's token.
const Credential = "token"

// Slow is the time of tools that ask the installation many things.
const Slow = 90 * time.Second

// Desk opens repositories for calls.
type Desk struct {
	Client *api.Client
	Repos  kit.Targets // what the operator lets the server touch
}

// RepoIn is the member of an input that names a repository.
type RepoIn struct {
	Repo string `json:"repo" jsonschema:"owner/name"`
}

// NumberIn names an issue or pull request.
type NumberIn struct {
	RepoIn
	Number int64 `json:"number" jsonschema:"Its number."`
}

// Saved is what tools answer that save an issue or pull request.
type Saved struct {
	Number int64  `json:"number"`
	State  string `json:"state"`
	URL    string `json:"url"`
}

// Session is the installation as the caller's token sees it.
func (d *Desk) Session(ctx context.Context, c *kit.Call) (api.Session, error) {
	token, err := c.Credential(ctx, Credential)
	if err != nil {
		return api.Session{}, err
	}
	return d.Client.As(token), nil
}

// NameRule is what an owner or a repository can be called.
var NameRule = pattern.New(`^[A-Za-z0-9_.-]{1,100}$`)

// Repo is a repository, owner/name, that the operator lets the server touch.
func (d *Desk) Repo(ctx context.Context, c *kit.Call, name string) (api.Repo, error) {
	if err := d.Check(name); err != nil {
		return api.Repo{}, err
	}
	session, err := d.Session(ctx, c)
	owner, short, _ := strings.Cut(name, "/")
	return session.In(owner, short), err
}

// Check refuses what is no name of a repository, or none that may be touched.
func (d *Desk) Check(name string) error {
	owner, short, _ := strings.Cut(name, "/")
	if !NameRule().MatchString(owner) || !NameRule().MatchString(short) {
		return fault.New(fault.Invalid, "The repository is not of the form owner/name. search_repos has the names.")
	}
	return d.Repos.Check("repository", name)
}

// Myself stands for the owner of the token.
const Myself = "@me"

// Login is a login as it is, and that of the token's owner for Myself.
func Login(ctx context.Context, session api.Session, login string) (string, error) {
	if login != Myself {
		return login, nil
	}
	u, err := session.Me(ctx)
	return u.Login, err
}

// Numbered is how people write an issue or pull request.
func Numbered(r api.Repo, n int64) string { return fmt.Sprintf("%s#%d", r, n) }

// Approve puts a preview to a person. Where it has no Bound, the approval stands on all
// that it says, also on what is too long to be shown.
func Approve(c *kit.Call, p kit.Preview) error {
	q := kit.Question{Target: p.Target, Effect: p.Effect, Bound: p.Bound}
	for _, change := range p.Changes {
		q.Effect += "\n- " + change
	}
	if q.Bound == "" {
		q.Bound = Bound(q.Target, q.Effect)
	}
	q.Effect = string(show.Clip(q.Effect, show.BodyRoom))
	return c.Approve(q)
}

// Unmarked leaves what came from outside as it is: for a person, where a model reads it
// with the marks of Call.Outside.
func Unmarked(text string) string { return text }

// Bound is what an approval stands on, of parts that none can pass over into another.
func Bound(parts ...string) string { return fmt.Sprintf("%q", parts) }
