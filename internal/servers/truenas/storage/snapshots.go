package storage

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/kit/pattern"
	"drawbridge/internal/servers/truenas/api"
	"drawbridge/internal/servers/truenas/desk"
	"drawbridge/internal/servers/truenas/show"
)

// snapshotFilter is what finds snapshots.
type snapshotFilter struct {
	Dataset string `json:"dataset,omitempty" jsonschema:"pool/path"`
	Below   bool   `json:"recursive,omitempty" jsonschema:"And below."`
	Name    string `json:"name_match,omitempty" jsonschema:"With * and ?."`
	Since   string `json:"since,omitempty" jsonschema:"Time."`
	Before  string `json:"before,omitempty" jsonschema:"Time."`
}

// find reads the snapshots that the filter means, oldest first; bare, where neither the
// filter nor the caller looks at their properties.
func (f snapshotFilter) find(ctx context.Context, s api.Session, bare bool) (found []api.Snapshot, more bool, err error) {
	since, err := kit.Moment("since", f.Since)
	if err != nil {
		return nil, false, err
	}
	before, err := kit.Moment("before", f.Before)
	if err != nil {
		return nil, false, err
	}
	if _, err := path.Match(f.Name, ""); err != nil {
		return nil, false, fault.New(fault.Invalid, "name_match is not a pattern. Use letters, * and ?.")
	}
	timed := !since.IsZero() || !before.IsZero()
	found, more, err = s.FindSnapshots(ctx, api.SnapshotSearch{Dataset: f.Dataset, Below: f.Below, Bare: bare && !timed})
	found = slices.DeleteFunc(found, func(one api.Snapshot) bool {
		fits, _ := path.Match(f.Name, one.Name) // checked above
		if f.Name != "" && !fits || !timed {
			return f.Name != "" && !fits
		}
		at := one.Created()
		return at.Before(since) || !before.IsZero() && !at.Before(before)
	})
	return found, more, err
}

type listSnapshotsIn struct {
	snapshotFilter
	Sort string `json:"sort,omitempty" jsonschema:"newest without it." enum:"newest,oldest,used"`
	kit.PageIn
}

type listSnapshotsOut struct {
	Snapshots  []snapshotRow `json:"snapshots"`
	Used       string        `json:"used_alone" jsonschema:"Of these."`
	Incomplete bool          `json:"incomplete,omitempty" jsonschema:"Too many to read: name a dataset."`
	kit.PageOut
}

type snapshotRow struct {
	ID         string `json:"id"`
	Created    string `json:"created"`
	Used       string `json:"used"`
	Referenced string `json:"referenced"`
}

func (t Tools) listSnapshots(ctx context.Context, c *kit.Call, in listSnapshotsIn) (out listSnapshotsOut, err error) {
	w, err := in.Window(desk.Rows)
	if err != nil {
		return out, err
	}
	s, err := t.Session(ctx, c)
	if err != nil {
		return out, err
	}
	found, more, err := in.find(ctx, s, in.Sort != "used")
	if err != nil {
		return out, err
	}
	if len(found) == 0 && in.Dataset != "" {
		if _, err := s.Dataset(ctx, in.Dataset); err != nil {
			return out, err
		}
	}
	switch in.Sort {
	case "", "newest":
		slices.Reverse(found)
	case "used":
		slices.SortStableFunc(found, func(a, b api.Snapshot) int { return compare(b.Used(), a.Used()) })
	}
	rows := make([]snapshotRow, len(found))
	for i, one := range found {
		rows[i] = rowOfSnapshot(one)
	}
	out.Incomplete = more
	out.Snapshots, out.PageOut = kit.Cut(w, rows)
	sum, err := fill(ctx, s, out.Snapshots, found)
	out.Used = show.Bytes(sum)
	return out, err
}

func rowOfSnapshot(one api.Snapshot) snapshotRow {
	return snapshotRow{show.Name(one.ID), kit.Time(one.Created()), show.Bytes(one.Used()), show.Bytes(one.Referenced())}
}

// fill puts into the rows of a page what was not read with the list, and gives the sum of
// what they use.
func fill(ctx context.Context, s api.Session, page []snapshotRow, known []api.Snapshot) (sum int64, err error) {
	if len(page) > 0 && known[0].Properties == nil {
		ids := make([]string, len(page))
		for i, row := range page {
			ids[i] = row.ID
		}
		if known, _, err = s.FindSnapshots(ctx, api.SnapshotSearch{IDs: ids}); err != nil {
			return 0, err
		}
	}
	for i, row := range page {
		// One that is gone by now stays without its properties.
		if at := slices.IndexFunc(known, func(one api.Snapshot) bool { return show.Name(one.ID) == row.ID }); at >= 0 {
			page[i] = rowOfSnapshot(known[at])
			sum += known[at].Used()
		}
	}
	return sum, nil
}

type createSnapshotIn struct {
	Dataset   string `json:"dataset" jsonschema:"pool/path"`
	Name      string `json:"name,omitempty" jsonschema:"manual-<time> without it." max:"100"`
	Recursive bool   `json:"recursive,omitempty" jsonschema:"And below."`
}

type createSnapshotOut struct {
	ID string `json:"id"`
}

// snapshotRule is what a snapshot can be called.
var snapshotRule = pattern.New(`^[A-Za-z0-9_.:-]+$`)

func (t Tools) createSnapshot(ctx context.Context, c *kit.Call, in createSnapshotIn) (out createSnapshotOut, err error) {
	if in.Name == "" {
		in.Name = "manual-" + t.Now().UTC().Format("2006-01-02_15-04-05")
	}
	if !snapshotRule().MatchString(in.Name) {
		return out, fault.New(fault.Invalid, "A snapshot's name has letters, digits and _ . : - in it, nothing else. Take another.")
	}
	if err := t.Writable.Check("dataset", in.Dataset); err != nil {
		return out, err
	}
	s, err := t.Session(ctx, c)
	if err != nil {
		return out, err
	}
	made, err := s.CreateSnapshot(ctx, in.Dataset, in.Name, in.Recursive)
	return createSnapshotOut{show.Name(made.ID)}, err
}

type deleteSnapshotsIn struct {
	IDs []string `json:"ids,omitempty" jsonschema:"dataset@name; or a filter:" max:"100"`
	snapshotFilter
}

// mostDeleted bounds what one call deletes.
const mostDeleted = 100

// doomed finds the snapshots that a call would delete, and refuses where it must not.
func (t Tools) doomed(ctx context.Context, c *kit.Call, in deleteSnapshotsIn) (s api.Session, found []api.Snapshot, err error) {
	filtered := in.snapshotFilter != snapshotFilter{}
	switch {
	case len(in.IDs) > 0 == filtered:
		return s, nil, fault.New(fault.Invalid, "Send either ids, or a filter with a dataset. list_snapshots has the ids, and tries a filter.")
	case filtered && in.Dataset == "":
		return s, nil, fault.New(fault.Invalid, "A filter needs a dataset. Name one; with recursive those below it count, too.")
	case filtered && in.Name == "" && in.Before == "" && in.Since == "":
		return s, nil, fault.New(fault.Invalid, "This filter means all snapshots of the dataset. Narrow it with name_match, since or before; name_match * is all.")
	}
	if s, err = t.Session(ctx, c); err != nil {
		return s, nil, err
	}
	if filtered {
		found, _, err = in.find(ctx, s, false)
	} else {
		found, err = named(ctx, s, in.IDs)
	}
	if err != nil {
		return s, nil, err
	}
	switch {
	case len(found) == 0:
		return s, nil, fault.New(fault.NotFound, "The filter finds no snapshot, so there is nothing to delete. list_snapshots tries a filter.")
	case len(found) > mostDeleted:
		return s, nil, fault.New(fault.Limited, "These are %d snapshots, and one call deletes at most %d. Narrow the filter, such as by before.", len(found), mostDeleted)
	}
	for _, one := range found {
		if err := t.Spare(one.Dataset); err != nil {
			return s, nil, err
		}
	}
	return s, found, nil
}

// named reads snapshots by their ids; all must be there.
func named(ctx context.Context, s api.Session, ids []string) ([]api.Snapshot, error) {
	found, _, err := s.FindSnapshots(ctx, api.SnapshotSearch{IDs: ids})
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		if !slices.ContainsFunc(found, func(one api.Snapshot) bool { return one.ID == id }) {
			return nil, fault.New(fault.NotFound, "TrueNAS has no snapshot %q, or hides it from this key. Nothing was deleted; list_snapshots has those there are.", id)
		}
	}
	return found, nil
}

func idsOf(found []api.Snapshot) (ids []string) {
	for _, one := range found {
		ids = append(ids, show.Name(one.ID))
	}
	return ids
}

// identities tell snapshots from others that are called the same later on.
func identities(found []api.Snapshot) (all []string) {
	for _, one := range found {
		all = append(all, fmt.Sprintf("%s %d", one.ID, one.TXG))
	}
	return all
}

func (t Tools) previewSnapshots(ctx context.Context, c *kit.Call, in deleteSnapshotsIn) (kit.Preview, error) {
	_, found, err := t.doomed(ctx, c, in)
	if err != nil {
		return kit.Preview{}, err
	}
	ids, sum := idsOf(found), int64(0)
	for _, one := range found {
		sum += one.Used()
	}
	return kit.Preview{Target: found[0].Dataset, Bound: desk.Bound(identities(found)), Effect: fmt.Sprintf("Deletes %d of its snapshots for ever. Each alone frees what only it holds, %s in all; what several share is freed with the last of them.", len(found), show.Bytes(sum)), Changes: ids}, nil
}

func (t Tools) deleteSnapshots(ctx context.Context, c *kit.Call, in deleteSnapshotsIn) (out deletedOut, err error) {
	s, found, err := t.doomed(ctx, c, in)
	if err != nil {
		return out, err
	}
	for i, one := range found {
		err := s.DeleteSnapshot(ctx, one.ID, one.Dataset)
		code := fault.CodeOf(err)
		switch {
		case err == nil:
			out.Deleted = append(out.Deleted, show.Name(one.ID))
		case code == fault.Conflict || code == fault.NotFound || code == fault.Invalid: // this one cannot be deleted
			out.Failed = append(out.Failed, show.Name(one.ID)+": "+fault.PublicOf(err))
		case len(out.Deleted) == 0:
			return out, err
		default: // the rest is left alone
			return out, fault.Wrap(err, code, "%s Before that %d of %d snapshots were deleted.", fault.PublicOf(err), len(out.Deleted), len(found))
		}
		c.Progress(float64(i+1), float64(len(found)), show.Name(one.ID))
	}
	if len(out.Deleted) == 0 {
		return out, fault.New(fault.Conflict, "None was deleted. %s", strings.Join(out.Failed, " "))
	}
	return out, nil
}

type rollbackIn struct {
	ID    string `json:"id" jsonschema:"dataset@name"`
	Newer bool   `json:"destroy_newer,omitempty" jsonschema:"Needed where there are newer snapshots."`
}

type rollbackOut struct {
	ID        string   `json:"id"`
	Destroyed []string `json:"destroyed,omitempty"`
}

// undone is what a rollback would undo.
type undone struct {
	to       api.Snapshot
	newer    []api.Snapshot
	attached []api.Attachment
}

func (t Tools) toUndo(ctx context.Context, c *kit.Call, in rollbackIn) (s api.Session, u undone, err error) {
	dataset, _, ok := strings.Cut(in.ID, "@")
	if !ok {
		return s, u, fault.New(fault.Invalid, "The id is not of the form dataset@name. list_snapshots has the ids.")
	}
	if err := t.Spare(dataset); err != nil {
		return s, u, err
	}
	if s, err = t.Session(ctx, c); err != nil {
		return s, u, err
	}
	if u.to, err = s.Snapshot(ctx, in.ID); err != nil {
		return s, u, err
	}
	all, more, err := s.FindSnapshots(ctx, api.SnapshotSearch{Dataset: dataset})
	if err != nil {
		return s, u, err
	}
	if more {
		return s, u, fault.New(fault.Limited, "The dataset has more snapshots than can be shown to a person (%d). Delete some first, or roll back in TrueNAS.", api.MostSnapshots)
	}
	for _, one := range all {
		if one.TXG > u.to.TXG {
			u.newer = append(u.newer, one)
		}
	}
	if len(u.newer) > 0 && !in.Newer {
		return s, u, fault.New(fault.Conflict, "Newer snapshots would be destroyed (%d): %s. Set destroy_newer to accept that; a person is asked before it happens.", len(u.newer), show.Few(idsOf(u.newer), 20))
	}
	u.attached, err = s.Attachments(ctx, dataset)
	return s, u, err
}

func (t Tools) previewRollback(ctx context.Context, c *kit.Call, in rollbackIn) (kit.Preview, error) {
	_, u, err := t.toUndo(ctx, c, in)
	if err != nil {
		return kit.Preview{}, err
	}
	p := kit.Preview{Target: u.to.Dataset, Bound: desk.Bound(identities([]api.Snapshot{u.to}), identities(u.newer), attachedTo(u.attached)), Effect: fmt.Sprintf("Takes %s back to %s, as it was on %s. All that was written to it since is lost; datasets below it stay as they are.",
		u.to.Dataset, in.ID, kit.Time(u.to.Created()))}
	if len(u.newer) > 0 {
		p.Changes = append(p.Changes, fmt.Sprintf("Newer snapshots are destroyed (%d): %s", len(u.newer), show.Few(idsOf(u.newer), 50)))
	} else {
		p.Changes = append(p.Changes, "No newer snapshot is destroyed.")
	}
	return withAttachments(p, u.attached), nil
}

func (t Tools) rollback(ctx context.Context, c *kit.Call, in rollbackIn) (out rollbackOut, err error) {
	s, u, err := t.toUndo(ctx, c, in)
	if err != nil {
		return out, err
	}
	return rollbackOut{in.ID, idsOf(u.newer)}, s.Rollback(ctx, in.ID, u.to.Dataset, len(u.newer) > 0)
}
