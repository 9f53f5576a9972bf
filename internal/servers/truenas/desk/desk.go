// Package desk is the way from a call to TrueNAS: the caller's key, the datasets that
// nothing may destroy, jobs with progress. It also has what the tools of the truenas
// server share.
//
// The packages of tools embed a Desk.
package desk

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/truenas/api"
	"drawbridge/internal/servers/truenas/rpc"
)

// Keys of a caller's credentials.
const (
	KeyCredential  = "api_key"
	UserCredential = "username"
)

// Rows of a page unless more are wanted.
const Rows = 40

// Times of tools.
const (
	Slow     = 90 * time.Second // of those that ask many things
	Minutes  = 15 * time.Minute // of jobs that are over soon
	HalfADay = 12 * time.Hour   // of those that are not: scrubs, replications, updates
)

// Desk opens sessions for calls. Safe for concurrent use.
type Desk struct {
	Pool      *rpc.Pool
	Protected kit.Targets // Deny has what must not be destroyed
	Writable  kit.Targets // datasets that may be changed
	Now       func() time.Time
}

// Session is TrueNAS as the caller's key sees it.
func (d *Desk) Session(ctx context.Context, c *kit.Call) (api.Session, error) {
	key, err := c.Credential(ctx, KeyCredential)
	if err != nil {
		return api.Session{}, err
	}
	k := rpc.Key{Key: key}
	if user, err := c.Credential(ctx, UserCredential); err == nil { // TrueNAS up to 26 can do without
		k.User = strings.TrimSpace(user.Reveal())
	}
	line, err := d.Pool.Get(ctx, k)
	if err != nil {
		return api.Session{}, err
	}
	return api.Over(line), nil
}

// Run does a deed that may be a job of TrueNAS, with its progress for the caller.
func (d *Desk) Run(ctx context.Context, c *kit.Call, s api.Session, deed api.Deed) (api.Job, error) {
	return s.Run(ctx, deed, func(j api.Job) {
		c.Progress(j.Percent(), 100, fmt.Sprintf("TrueNAS %s, %s", j, strings.ToLower(j.State)))
	})
}

// system are the names that mark datasets of TrueNAS itself, wherever in a path.
var system = []string{"boot-pool", "ix-applications", "ix-apps", ".system", ".ix-virt", ".ix-apps", ".truenas_containers"}

// Owned tells whether a dataset belongs to TrueNAS itself.
func Owned(dataset string) bool {
	return slices.ContainsFunc(strings.Split(dataset, "/"), func(part string) bool { return slices.Contains(system, part) })
}

// Spare refuses what would destroy something in a dataset that must be kept.
func (d *Desk) Spare(dataset string) error {
	switch {
	case Owned(dataset):
		return fault.New(fault.Forbidden, "%s belongs to TrueNAS itself, so that nothing in it is ever deleted or rolled back from here. Use the pages of TrueNAS if you are sure.", dataset)
	case !d.Protected.Allows(dataset):
		return fault.New(fault.Forbidden, "%s is protected: nothing in it is deleted or rolled back. The operator can change %s.", dataset, d.Protected.Setting)
	}
	return d.Writable.Check("dataset", dataset)
}

// SpareAll is Spare for a dataset, or a directory in one, and all that lies below.
func (d *Desk) SpareAll(ctx context.Context, s api.Session, dataset string) error {
	if err := d.Spare(dataset); err != nil {
		return err
	}
	below, err := s.Datasets(ctx, "", dataset)
	if err != nil {
		return err
	}
	for _, one := range below {
		if err := d.Spare(one.ID); err != nil {
			return err
		}
	}
	return nil
}

// Change refuses to change a dataset that is TrueNAS's own, or not to be touched.
func (d *Desk) Change(dataset string) error {
	if Owned(dataset) {
		return fault.New(fault.Forbidden, "%s belongs to TrueNAS itself, which changes it as it needs. Take another dataset.", dataset)
	}
	return d.Writable.Check("dataset", dataset)
}

// Below is a list of datasets as patterns that also fit all below each.
func Below(list []string) (patterns []string) {
	for _, p := range list {
		p = strings.Trim(strings.TrimPrefix(p, "/mnt/"), "/") // also where its path is given
		patterns = append(patterns, p, p+"/*")
	}
	return patterns
}

// Approve puts a preview to a person, once in a call. What it says must still be so when
// they have answered.
func Approve(c *kit.Call, p kit.Preview) error {
	q := kit.Question{Target: p.Target, Effect: p.Effect, Bound: p.Bound}
	for _, change := range p.Changes {
		q.Effect += "\n- " + change
	}
	return c.Approve(q)
}

// Bound is what an approval stands on where the text of a question moves by itself, such
// as sizes do, or names only the first of many things.
func Bound(things ...[]string) string {
	return fmt.Sprintf("%q", things)
}
