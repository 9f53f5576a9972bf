// Package api is the API of TrueNAS, typed: what the tools of the truenas server need of
// it, in the releases 25.04, 25.10 and 26, and what differs between them (Profile).
//
// It reads leniently, since every release adds members, and sends strictly, since the
// middleware refuses unknown ones. A method that changes something is a Deed: where its
// answer is lost, the error calls the outcome undetermined and says how to find out. No
// text of the server's is in an error, but names it is known to give. It knows nothing of
// tools; package desk opens sessions for their calls.
package api

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/truenas/rpc"
)

// Session is the API as one credential sees it.
type Session struct {
	line *rpc.Line
	most times
	Profile
}

// times bound single calls, also of tools that have hours.
type times struct{ read, deed time.Duration }

// Over is a session over a connection.
func Over(line *rpc.Line) Session {
	return Session{line, times{90 * time.Second, 10 * time.Minute}, ProfileOf(line.API)}
}

// Roles are those of the credential's user; nil where TrueNAS does not tell.
func (s Session) Roles() []string { return s.line.Roles }

// Profile is what differs between releases.
type Profile struct {
	API        rpc.Release // zero: newer than all that are known
	Snapshots  string      // namespace of snapshots
	Containers string      // namespace of containers
	ReadOnly   string      // what says that an SMB share is only read
	// ServiceControl says that services are controlled by a job; before, each verb was a
	// method that answers at once.
	ServiceControl bool
	// UpdateStatus says that there is update.status, and that updates run by update.run.
	UpdateStatus bool
}

// ProfileOf is the profile of a version of the API.
func ProfileOf(v rpc.Release) Profile {
	p := Profile{API: v, Snapshots: "pool.snapshot", Containers: "container", ReadOnly: "readonly", ServiceControl: true, UpdateStatus: true}
	if v == (rpc.Release{}) {
		return p
	}
	if v.Before(rpc.V26) {
		p.Containers = "virt.instance"
	}
	if v.Before(rpc.V25_10) {
		p.Snapshots, p.ReadOnly, p.ServiceControl, p.UpdateStatus = "zfs.snapshot", "ro", false, false
	}
	return p
}

// Query chooses from a list. Filters are the middleware's: [name, operator, value].
type Query struct {
	Filters []any
	Select  []string
	Order   []string
	Limit   int
	Offset  int
	Extra   map[string]any
}

// Is is the filter for a value.
func Is(name string, value any) []any { return []any{name, "=", value} }

func (q Query) params() []any {
	options := map[string]any{"limit": q.Limit}
	if len(q.Select) > 0 {
		options["select"] = q.Select
	}
	if len(q.Order) > 0 {
		options["order_by"] = q.Order
	}
	if q.Offset > 0 {
		options["offset"] = q.Offset
	}
	if q.Extra != nil {
		options["extra"] = q.Extra
	}
	if q.Filters == nil {
		q.Filters = []any{}
	}
	return []any{q.Filters, options}
}

// read calls a method that changes nothing.
func (s Session) read(ctx context.Context, method string, params []any, into any) error {
	within, cancel := context.WithTimeout(ctx, s.most.read)
	defer cancel()
	return s.failed(ctx, method, s.line.Call(within, method, params, into))
}

// query reads rows of a list.
func query[T any](ctx context.Context, s Session, method string, q Query) (rows []T, err error) {
	err = s.read(ctx, method, q.params(), &rows)
	return rows, err
}

// one is the only row that a query can have; what is its kind, for people.
func one[T any](ctx context.Context, s Session, method string, q Query, what, name, list string) (row T, err error) {
	q.Limit = 1
	rows, err := query[T](ctx, s, method, q)
	if err == nil && len(rows) == 0 {
		err = fault.New(fault.NotFound, "TrueNAS has no %s %q, or hides it from this key. %s has those there are.", what, name, list)
	}
	if err != nil {
		return row, err
	}
	return rows[0], nil
}

// Rows is any query, for rows of whatever form.
func (s Session) Rows(ctx context.Context, method string, q Query) ([]json.RawMessage, error) {
	return query[json.RawMessage](ctx, s, method, q)
}

// Deed is a call that changes something.
type Deed struct {
	Method string
	Params []any
	What   string // what it does, as a noun: "the deletion of tank/old"
	Look   string // the call that shows whether it has happened: `list_datasets {"parent":"tank"}`
}

// do calls a method that changes something and answers at once.
func (s Session) do(ctx context.Context, d Deed, into any) error {
	within, cancel := context.WithTimeout(ctx, s.most.deed)
	defer cancel()
	err := s.line.Call(within, d.Method, d.Params, into)
	if errors.Is(err, rpc.ErrLost) || errors.Is(err, rpc.ErrShape) {
		return d.undetermined(ctx, err)
	}
	return s.failed(ctx, d.Method, err)
}

// undetermined is the error of a deed whose answer was lost.
func (d Deed) undetermined(ctx context.Context, err error) error {
	why := "TrueNAS closed the connection before it answered"
	code := fault.Upstream
	switch {
	case errors.Is(err, rpc.ErrShape):
		why = "the answer of TrueNAS is not of the form its API describes"
	case ctx.Err() != nil, errors.Is(err, context.DeadlineExceeded):
		why, code = "TrueNAS had not answered when the time was over", fault.Timeout
	}
	return fault.Wrap(err, code, "Undetermined: %s, so that %s may have happened or not. Do not repeat it before you know. Find out with %s.", why, d.What, d.Look)
}

// failed gives the error of a call its words.
func (s Session) failed(ctx context.Context, method string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*rpc.Error](err); ok {
		return s.explained(method, e)
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	switch {
	case ctx.Err() != nil:
		return errors.Join(ctx.Err(), err) // the kit says how long it was
	case errors.Is(err, context.DeadlineExceeded):
		return fault.Wrap(err, fault.Timeout, "TrueNAS did not answer %s in time; it may be busy, or cut off from here. Nothing was changed by this call. Ask again in a minute.", method)
	case errors.Is(err, rpc.ErrUnsent), errors.Is(err, rpc.ErrLost):
		return fault.Wrap(err, fault.Unavailable, "TrueNAS closed the connection before it answered; it may be restarting. Nothing was changed by this call. Ask again in a minute.")
	}
	return fault.Wrap(err, fault.Upstream, "TrueNAS sent an answer to %s that is not of the form its API describes. Check that its release is one that Drawbridge knows (25.04 to 26).", method)
}
