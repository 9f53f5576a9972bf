package storage

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/kit/pattern"
	"drawbridge/internal/servers/truenas/api"
	"drawbridge/internal/servers/truenas/desk"
	"drawbridge/internal/servers/truenas/show"
)

type listDatasetsIn struct {
	Pool   string `json:"pool,omitempty" jsonschema:"Name."`
	Parent string `json:"parent,omitempty" jsonschema:"This one and those below it."`
	Depth  *int   `json:"depth,omitempty" jsonschema:"Levels below parent or the pools; all without it."`
	Sort   string `json:"sort,omitempty" jsonschema:"Order." enum:"name,used,snapshots"`
	kit.PageIn
}

type listDatasetsOut struct {
	Datasets []datasetRow `json:"datasets"`
	kit.PageOut
}

type datasetRow struct {
	ID        string        `json:"id"`
	UsedBytes int64         `json:"used_bytes"`
	Used      string        `json:"used"`
	Available string        `json:"available"`
	Snapshots string        `json:"by_snapshots,omitempty"`
	Quota     string        `json:"quota,omitempty"`
	RefQuota  string        `json:"refquota,omitempty"`
	Volume    string        `json:"volsize,omitempty"`
	State     string        `json:"state,omitempty"`
	Comments  kit.Untrusted `json:"comments,omitempty"`
}

func (t Tools) listDatasets(ctx context.Context, c *kit.Call, in listDatasetsIn) (out listDatasetsOut, err error) {
	w, err := in.Window(desk.Rows)
	if err != nil {
		return out, err
	}
	s, err := t.Session(ctx, c)
	if err != nil {
		return out, err
	}
	all, err := s.Datasets(ctx, in.Pool, in.Parent)
	if err != nil {
		return out, err
	}
	if in.Parent != "" && len(all) == 0 {
		return out, fault.New(fault.NotFound, "TrueNAS has no dataset %q, or hides it from this key. list_datasets without parent has those there are.", in.Parent)
	}
	if in.Depth != nil {
		most := strings.Count(in.Parent, "/") + *in.Depth
		all = slices.DeleteFunc(all, func(d api.Dataset) bool { return strings.Count(d.ID, "/") > most })
	}
	switch in.Sort {
	case "used":
		slices.SortStableFunc(all, func(a, b api.Dataset) int { return compare(b.Used.Bytes(), a.Used.Bytes()) })
	case "snapshots":
		slices.SortStableFunc(all, func(a, b api.Dataset) int { return compare(b.BySnapshots.Bytes(), a.BySnapshots.Bytes()) })
	}
	rows := make([]datasetRow, len(all))
	for i, d := range all {
		rows[i] = rowOf(d)
	}
	out.Datasets, out.PageOut = kit.Cut(w, rows)
	return out, nil
}

func compare(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func rowOf(d api.Dataset) datasetRow {
	var state []string
	for _, s := range []struct {
		is   bool
		name string
	}{{d.Locked, "locked"}, {d.Encrypted, "encrypted"}, {strings.EqualFold(d.ReadOnly.Text(), "on"), "readonly"}, {desk.Owned(d.ID), "of TrueNAS"}} {
		if s.is {
			state = append(state, s.name)
		}
	}
	return datasetRow{show.Name(d.ID), d.Used.Bytes(), show.Bytes(d.Used.Bytes()), show.Bytes(d.Available.Bytes()), size(d.BySnapshots), size(d.Quota), size(d.RefQuota),
		size(d.VolSize), strings.Join(state, ", "), show.Note(d.Comments.Text())}
}

// size is a property as people read it; "" for none.
func size(p api.Property) string {
	if n := p.Bytes(); n > 0 {
		return show.Bytes(n)
	}
	return ""
}

// nameRule is what a dataset can be called below a pool.
var nameRule = pattern.New(`^[A-Za-z0-9][A-Za-z0-9_.:-]*(/[A-Za-z0-9_.:-][A-Za-z0-9_.: -]*)+$`)

type saveDatasetIn struct {
	ID          string  `json:"id" jsonschema:"pool/path" max:"200"`
	Create      bool    `json:"create,omitempty" jsonschema:"It is new."`
	ShareType   string  `json:"share_type,omitempty" jsonschema:"Only with create." enum:"GENERIC,SMB,NFS,MULTIPROTOCOL,APPS"`
	Ancestors   bool    `json:"ancestors,omitempty" jsonschema:"Make missing parents, too."`
	VolSize     int64   `json:"volsize,omitempty" jsonschema:"Bytes; makes it a volume." min:"1"`
	Quota       *int64  `json:"quota,omitempty" jsonschema:"Bytes, from 1 GiB; 0 for none." min:"0"`
	RefQuota    *int64  `json:"refquota,omitempty" jsonschema:"The same, without children and snapshots." min:"0"`
	Compression string  `json:"compression,omitempty" jsonschema:"LZ4, ZSTD, OFF, INHERIT, ..."`
	ReadOnly    string  `json:"readonly,omitempty" jsonschema:"Protect." enum:"ON,OFF,INHERIT"`
	Comments    *string `json:"comments,omitempty" jsonschema:"Text." max:"1000"`
}

type saveDatasetOut struct {
	datasetRow
	Created bool `json:"created"`
}

// least is the smallest quota that TrueNAS takes.
const least = 1 << 30

// settings are the middleware's.
func (in saveDatasetIn) settings() (map[string]any, error) {
	set := map[string]any{}
	for name, quota := range map[string]*int64{"quota": in.Quota, "refquota": in.RefQuota} {
		if quota == nil {
			continue
		}
		if *quota > 0 && *quota < least {
			return nil, fault.New(fault.Invalid, "%s is less than 1 GiB (%d bytes), which TrueNAS does not take. Send bytes, or 0 for none.", name, least)
		}
		set[name] = *quota
	}
	if in.VolSize > 0 {
		set["volsize"] = in.VolSize
	}
	if in.Compression != "" {
		set["compression"] = strings.ToUpper(in.Compression)
	}
	if in.ReadOnly != "" {
		set["readonly"] = in.ReadOnly
	}
	if in.Comments != nil {
		set["comments"] = *in.Comments
	}
	if !in.Create {
		switch {
		case in.ShareType != "" || in.Ancestors:
			return nil, fault.New(fault.Invalid, "share_type and ancestors are for new datasets. Set create, or leave them out.")
		case len(set) == 0:
			return nil, fault.New(fault.Invalid, "There is nothing to change. Set quota, compression or another setting, or create.")
		}
		return set, nil
	}
	set["type"], set["create_ancestors"] = "FILESYSTEM", in.Ancestors
	if in.VolSize > 0 {
		set["type"] = "VOLUME"
		if in.Quota != nil || in.RefQuota != nil || in.ShareType != "" {
			return nil, fault.New(fault.Invalid, "A volume has no quota and no share_type. Leave them out, or leave out volsize.")
		}
	} else if in.ShareType != "" {
		set["share_type"] = in.ShareType
	}
	return set, nil
}

// check is what can be told without TrueNAS.
func (t Tools) check(in saveDatasetIn) (map[string]any, error) {
	if in.Create && !nameRule().MatchString(in.ID) {
		return nil, fault.New(fault.Invalid, "The id is not of the form pool/path with letters, digits, _ . : - in it. list_pools has the pools.")
	}
	if err := t.Change(in.ID); err != nil {
		return nil, err
	}
	return in.settings()
}

func (t Tools) previewSave(ctx context.Context, c *kit.Call, in saveDatasetIn) (kit.Preview, error) {
	p := kit.Preview{Target: in.ID, Effect: "Changes the dataset."}
	set, err := t.check(in)
	if err != nil {
		return p, err
	}
	s, err := t.Session(ctx, c)
	if err != nil {
		return p, err
	}
	if in.Create {
		p.Effect = "Makes the dataset."
		parent := in.ID[:strings.LastIndex(in.ID, "/")]
		if !in.Ancestors {
			if _, err := s.Dataset(ctx, parent); err != nil {
				return p, err
			}
		}
		for name, value := range set {
			p.Changes = append(p.Changes, fmt.Sprintf("%s: %v", name, value))
		}
		slices.Sort(p.Changes)
		return p, nil
	}
	d, err := s.Dataset(ctx, in.ID)
	for name, value := range set {
		p.Changes = append(p.Changes, fmt.Sprintf("%s: %v, now %v", name, value, before(d)[name]))
	}
	slices.Sort(p.Changes)
	return p, err
}

// before are the settings of a dataset as a call would send them. Comments are left
// out: they come from outside.
func before(d api.Dataset) map[string]any {
	now := map[string]any{"quota": d.Quota.Bytes(), "refquota": d.RefQuota.Bytes(), "volsize": d.VolSize.Bytes()}
	for name, p := range map[string]api.Property{"compression": d.Compression, "readonly": d.ReadOnly} {
		now[name] = show.Name(strings.ToUpper(p.Text()))
		if p.Source != "LOCAL" {
			now[name] = "INHERIT"
		}
	}
	return now
}

func (t Tools) saveDataset(ctx context.Context, c *kit.Call, in saveDatasetIn) (out saveDatasetOut, err error) {
	set, err := t.check(in)
	if err != nil {
		return out, err
	}
	s, err := t.Session(ctx, c)
	if err != nil {
		return out, err
	}
	if in.Create {
		err = s.CreateDataset(ctx, in.ID, set)
		c.Undo("delete_dataset", map[string]any{"id": in.ID})
	} else {
		var d api.Dataset
		if d, err = s.Dataset(ctx, in.ID); err != nil {
			return out, err
		}
		if in.VolSize > 0 && in.VolSize < d.VolSize.Bytes() {
			return out, fault.New(fault.Conflict, "The volume is larger than that, and a smaller one would lose its end. Take another size.")
		}
		undo := map[string]any{"id": in.ID}
		for name := range set {
			if name == "volsize" || name == "comments" {
				continue // the one cannot be taken back, the other comes from outside
			}
			undo[name] = before(d)[name]
		}
		err = s.UpdateDataset(ctx, in.ID, set)
		if len(undo) > 1 {
			c.Undo("save_dataset", undo)
		}
	}
	if err != nil {
		return out, err
	}
	out.Created = in.Create
	if d, err := s.Dataset(ctx, in.ID); err == nil { // what was to be done is done, whatever this says
		out.datasetRow = rowOf(d)
	} else {
		out.ID = in.ID
	}
	return out, nil
}

type deleteDatasetIn struct {
	ID        string `json:"id" jsonschema:"pool/path"`
	Recursive bool   `json:"recursive,omitempty" jsonschema:"With all datasets below it."`
}

type deletedOut struct {
	Deleted []string `json:"deleted"`
	Failed  []string `json:"failed,omitempty"`
}

// loss is what the deletion of a dataset would destroy.
type loss struct {
	datasets  []string
	snapshots []api.Snapshot
	used      int64
	attached  []api.Attachment
	more      bool // there are more snapshots than were read
}

// toLose reads what the deletion would destroy, and refuses where it must not.
func (t Tools) toLose(ctx context.Context, c *kit.Call, in deleteDatasetIn) (s api.Session, l loss, err error) {
	if !strings.Contains(in.ID, "/") {
		return s, l, fault.New(fault.Forbidden, "%q is a pool, not a dataset in one. Pools are not deleted from here; name a dataset as pool/path.", in.ID)
	}
	if err := t.Spare(in.ID); err != nil {
		return s, l, err
	}
	if s, err = t.Session(ctx, c); err != nil {
		return s, l, err
	}
	found, err := s.Datasets(ctx, "", in.ID)
	if err != nil {
		return s, l, err
	}
	for _, d := range found {
		l.datasets = append(l.datasets, show.Name(d.ID))
		if d.ID == in.ID {
			l.used = d.Used.Bytes()
		}
		if err := t.Spare(d.ID); err != nil {
			return s, l, err
		}
	}
	switch {
	case len(found) >= api.MostDatasets:
		return s, l, fault.New(fault.Limited, "There are more datasets below %s than can be looked at first (%d). Delete some of them first.", in.ID, api.MostDatasets)
	case !slices.Contains(l.datasets, in.ID):
		return s, l, fault.New(fault.NotFound, "TrueNAS has no dataset %q, or hides it from this key. list_datasets has those there are.", in.ID)
	case len(l.datasets) > 1 && !in.Recursive:
		return s, l, fault.New(fault.Conflict, "There are %d datasets below %s, such as %s. Set recursive to delete them, too.", len(l.datasets)-1, in.ID, l.datasets[1])
	}
	l.snapshots, l.more, err = s.FindSnapshots(ctx, api.SnapshotSearch{Dataset: in.ID, Below: true, Bare: true})
	if err != nil {
		return s, l, err
	}
	l.attached, err = s.Attachments(ctx, in.ID)
	return s, l, err
}

func (t Tools) previewDelete(ctx context.Context, c *kit.Call, in deleteDatasetIn) (kit.Preview, error) {
	_, l, err := t.toLose(ctx, c, in)
	if err != nil {
		return kit.Preview{}, err
	}
	many := ""
	if l.more {
		many = "more than "
	}
	p := kit.Preview{Target: in.ID, Bound: desk.Bound(l.datasets, identities(l.snapshots), attachedTo(l.attached), []string{many}), Effect: fmt.Sprintf("Deletes the dataset with %s of data, for ever.", show.Bytes(l.used))}
	if below := l.datasets[1:]; len(below) > 0 {
		p.Changes = append(p.Changes, fmt.Sprintf("With it goes what is below it (%d): %s", len(below), show.Few(below, 10)))
	}
	if len(l.snapshots) > 0 {
		p.Changes = append(p.Changes, fmt.Sprintf("Its snapshots go, too (%s%d): %s", many, len(l.snapshots), show.Few(idsOf(l.snapshots), 5)))
	}
	return withAttachments(p, l.attached), nil
}

// withAttachments tells what stops working.
func withAttachments(p kit.Preview, attached []api.Attachment) kit.Preview {
	for _, a := range attached {
		names := make([]string, len(a.Attachments))
		for i, n := range a.Attachments {
			names[i] = show.Name(n)
		}
		p.Changes = append(p.Changes, fmt.Sprintf("In use by %s: %s", show.Name(a.Type), show.Few(names, 8)))
	}
	return p
}

// attachedTo names all that uses a dataset, in an order of its own.
func attachedTo(attached []api.Attachment) (all []string) {
	for _, a := range attached {
		for _, n := range a.Attachments {
			all = append(all, a.Type+" "+n)
		}
	}
	slices.Sort(all)
	return all
}

func (t Tools) deleteDataset(ctx context.Context, c *kit.Call, in deleteDatasetIn) (out deletedOut, err error) {
	s, l, err := t.toLose(ctx, c, in)
	if err != nil {
		return out, err
	}
	// ZFS counts snapshots as children. TrueNAS would delete the shares, and then fail.
	if err := s.DeleteDataset(ctx, in.ID, in.Recursive || len(l.snapshots) > 0); err != nil {
		return out, err
	}
	out.Deleted = l.datasets
	return out, nil
}
