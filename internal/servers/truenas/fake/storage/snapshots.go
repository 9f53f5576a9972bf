package storage

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"drawbridge/internal/servers/truenas/fake/call"
	"drawbridge/internal/servers/truenas/fake/fail"
	"drawbridge/internal/servers/truenas/fake/filter"
	"drawbridge/internal/servers/truenas/fake/model"
	"drawbridge/internal/servers/truenas/fake/nas"
)

// snapshots are called zfs.snapshot in 25.04 and pool.snapshot since (ref 2.2).
func snapshots() []call.Method {
	return append(call.Until(call.V2504, named("zfs.snapshot", "ZFSSnapshot", 0)), named("pool.snapshot", "PoolSnapshot", call.V2510)...)
}

func named(space, what string, from call.Version) []call.Method {
	id := model.Need("id", model.Text)
	write := []string{"SNAPSHOT_WRITE"}
	create := []model.Arg{
		model.Need("dataset", model.Words), model.Free("name", model.Words), model.Free("naming_schema", model.Words), model.May("recursive", model.Bool, false),
		model.May("exclude", model.List{Of: model.Text}, []any{}), model.May("vmware_sync", model.Bool, false), model.May("properties", model.Map, map[string]any{}),
	}
	both := func(extra ...model.Arg) []model.Arg {
		return []model.Arg{model.Need("data", model.Object{Name: "PoolSnapshotCreateWithName", Fields: append(slices.Clone(create), extra...)})}
	}
	m := []call.Method{
		{Name: space + ".query", From: from, Until: call.V2510, Roles: []string{"SNAPSHOT_READ"}, Args: filter.Args, Run: func(c *call.Call) (any, error) {
			return filter.Query(snapshotRows(c), c.Args)
		}},
		{Name: space + ".query", From: max(from, call.V26), Roles: []string{"SNAPSHOT_READ"}, Args: filter.Args, Run: query26},
		{Name: space + ".get_instance", From: from, Roles: []string{"SNAPSHOT_READ"}, Args: []model.Arg{id, model.May("options", filter.Options, nil)}, Run: func(c *call.Call) (any, error) {
			return call.Instance(c, what, snapshotRows(c), c.Args[0])
		}},
		{Name: space + ".create", From: from, Until: call.V2510, Roles: write, Args: both(), Run: func(c *call.Call) (any, error) { return createSnapshot(c, space) }},
		{Name: space + ".create", From: max(from, call.V26), Roles: write, Args: both(model.May("suspend_vms", model.Bool, false)), Run: func(c *call.Call) (any, error) { return createSnapshot(c, space) }},
		{Name: space + ".delete", From: from, Roles: []string{"SNAPSHOT_DELETE"}, Args: []model.Arg{id, flags("PoolSnapshotDeleteOptions", "defer", "recursive")}, Run: func(c *call.Call) (any, error) { return deleteSnapshot(c, space, what) }},
		{Name: space + ".rollback", From: from, Roles: []string{"SNAPSHOT_WRITE", "POOL_WRITE"}, Args: []model.Arg{id, flags("PoolSnapshotRollbackOptions", "recursive", "recursive_clones", "force", "recursive_rollback")}, Run: rollback},
		{Name: space + ".hold", From: from, Roles: write, Args: []model.Arg{id, flags("PoolSnapshotHoldOptions", "recursive")}, Run: hold(true)},
		{Name: space + ".release", From: from, Roles: write, Args: []model.Arg{id, flags("PoolSnapshotReleaseOptions", "recursive")}, Run: hold(false)},
		{Name: space + ".clone", From: from, Roles: []string{"SNAPSHOT_WRITE", "DATASET_WRITE"}, Run: clone, Args: []model.Arg{model.Need("data", model.Object{Name: "PoolSnapshotCloneArgs", Fields: []model.Arg{
			model.Need("snapshot", model.Words), model.Need("dataset_dst", model.Words), model.May("dataset_properties", model.Map, map[string]any{})}})}},
	}
	return m
}

// snapshotRow is PoolSnapshotEntry, without properties if there are none to be shown.
func snapshotRow(s *nas.Snapshot, props []any, all bool) Row {
	row := Row{"id": s.ID(), "name": s.ID(), "pool": strings.SplitN(s.Dataset, "/", 2)[0], "type": "SNAPSHOT", "snapshot_name": s.Name, "dataset": s.Dataset, "createtxg": fmt.Sprint(s.TXG)}
	show := Row{}
	for name, p := range map[string]Row{"used": bytes(s.Used, "NONE"), "referenced": bytes(s.Referenced, "NONE"),
		"creation":  prop(fmt.Sprint(s.Created.Unix()), call.Date(s.Created), s.Created.Format("Mon Jan 2 15:04 2006"), "NONE"),
		"createtxg": prop(fmt.Sprint(s.TXG), fmt.Sprint(s.TXG), fmt.Sprint(s.TXG), "NONE")} {
		if delete(p, "source_info"); all || slices.Contains(props, any(name)) {
			show[name] = p
		}
	}
	if all || len(show) > 0 {
		row["properties"] = show
	}
	return row
}

func snapshotRows(c *call.Call) []Row {
	props, chosen := c.Extra("properties").([]any)
	var rows []Row
	for _, s := range c.NAS.Snapshots {
		row := snapshotRow(s, props, !chosen && c.API < call.V26)
		if c.Extra("holds") == true {
			row["holds"] = Row{}
			if s.Held {
				row["holds"] = Row{"truenas": 1}
			}
		}
		if c.Extra("retention") == true {
			row["retention"] = nil
			if strings.HasPrefix(s.Name, "auto-") && len(c.NAS.Tasks["snapshottask"]) > 0 {
				row["retention"] = Row{"datetime": call.Date(s.Created.Add(14 * 24 * time.Hour)), "source": "periodic_snapshot_task", "periodic_snapshot_task_id": 1}
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// query26 selects after everything else, and only whole members: no dots, no new names.
func query26(c *call.Call) (any, error) {
	options := c.Map(1)
	fields := options["select"].([]any)
	options["select"] = []any{}
	found, err := filter.Query(snapshotRows(c), c.Args)
	if len(fields) == 0 || err != nil {
		return found, err
	}
	keep := func(r Row) {
		for k := range r {
			if !slices.Contains(fields, any(k)) {
				delete(r, k)
			}
		}
	}
	switch found := found.(type) {
	case Row:
		keep(found)
	case []Row:
		for _, r := range found {
			keep(r)
		}
	}
	return found, nil
}

func createSnapshot(c *call.Call, space string) (any, error) {
	data := c.Map(0)
	ds, recursive := data["dataset"].(string), data["recursive"] == true
	name, _ := data["name"].(string)
	if schema, ok := data["naming_schema"].(string); ok && name == "" {
		name = strings.NewReplacer("%Y", c.Now.Format("2006"), "%m", c.Now.Format("01"), "%d", c.Now.Format("02"), "%H", c.Now.Format("15"), "%M", c.Now.Format("04"), "%S", c.Now.Format("05")).Replace(schema)
	}
	if name == "" {
		return nil, fail.Problems{{Attribute: "data.PoolSnapshotCreateWithName.name", Message: "Field required", Errno: fail.EINVAL}, {Attribute: "data.PoolSnapshotCreateWithSchema.naming_schema", Message: "Field required", Errno: fail.EINVAL}}.Err()
	}
	if strings.ContainsAny(name, "@/ #") {
		return nil, fail.Call(fail.EINVAL, "Failed to snapshot %s@%s: invalid character in snapshot name", ds, name)
	}
	if c.NAS.Dataset(ds) == nil {
		return nil, fail.Call(fail.ENOENT, "Failed to snapshot %s@%s: dataset not found", ds, name)
	}
	targets := []*nas.Dataset{c.NAS.Dataset(ds)}
	if recursive {
		targets = append(targets, c.NAS.Below(ds)...)
	}
	for _, t := range targets {
		if c.NAS.Snapshot(t.ID+"@"+name) != nil {
			return nil, fail.Call(fail.EEXIST, "Failed to snapshot %s@%s: dataset already exists", ds, name)
		}
	}
	txg := c.NAS.NextTXG()
	for _, t := range targets {
		if !slices.ContainsFunc(data["exclude"].([]any), func(p any) bool { ok, err := path.Match(fmt.Sprint(p), t.ID); return ok && err == nil }) {
			c.NAS.Snapshots = append(c.NAS.Snapshots, &nas.Snapshot{Dataset: t.ID, Name: name, TXG: txg, Created: c.Now, Referenced: t.Own})
		}
	}
	s := c.NAS.Snapshot(ds + "@" + name)
	if s == nil {
		return nil, fail.Call(fail.EINVAL, "Failed to snapshot %s@%s: everything is excluded", ds, name)
	}
	row := snapshotRow(s, nil, c.API < call.V26)
	c.Emit("added", space+".query", s.ID(), row)
	return row, nil
}

func deleteSnapshot(c *call.Call, space, what string) (any, error) {
	id := c.Text(0)
	if !strings.Contains(id, "@") {
		return nil, fail.One(space+".delete", fmt.Sprintf("Invalid snapshot name: '%s'", id), fail.EINVAL)
	}
	s := c.NAS.Snapshot(id)
	if s == nil {
		return nil, fail.Missing("%s %s does not exist", what, id)
	}
	gone := []*nas.Snapshot{s}
	if c.Flag(1, "recursive") {
		for _, d := range c.NAS.Below(s.Dataset) {
			if child := c.NAS.Snapshot(d.ID + "@" + s.Name); child != nil {
				gone = append(gone, child)
			}
		}
	}
	for _, g := range gone {
		if clones := c.NAS.Clones(g.ID()); len(clones) > 0 {
			return nil, fail.Call(fail.EFAULT, "Failed to delete snapshot: cannot destroy '%s': snapshot has dependent clones\nuse '-R' to destroy the following datasets:\n%s", g.ID(), clones[0].ID)
		}
		if g.Held && !c.Flag(1, "defer") {
			return nil, fail.Call(fail.EBUSY, "Failed to delete snapshot: cannot destroy '%s': dataset is busy", g.ID())
		}
	}
	c.NAS.DropSnapshots(gone...)
	c.Emit("removed", space+".query", id, nil)
	return true, nil
}

// rollback refuses to pass newer snapshots unless told to destroy them. What it says then
// differs by release: up to 25.10 the words of the zfs command, in 26 those of the API
// (truenas/middleware plugins/zfs/snapshot_rollback_impl.py).
func rollback(c *call.Call) (any, error) {
	s := c.NAS.Snapshot(c.Text(0))
	if s == nil {
		if c.Server >= call.V26 {
			return nil, fail.One("zfs.resource.snapshot.rollback", fmt.Sprintf("'%s' not found", c.Text(0)), fail.ENOENT)
		}
		return nil, fail.Call(fail.EFAULT, "Failed to rollback snapshot: cannot open '%s': snapshot does not exist", c.Text(0))
	}
	targets := []*nas.Snapshot{s}
	if c.Flag(1, "recursive_rollback") {
		for _, d := range c.NAS.Below(s.Dataset) {
			child := c.NAS.Snapshot(d.ID + "@" + s.Name)
			if child == nil {
				return nil, fail.Call(fail.EFAULT, "Failed to rollback snapshot: cannot open '%s@%s': snapshot does not exist", d.ID, s.Name)
			}
			targets = append(targets, child)
		}
	}
	destroy, clones := c.Flag(1, "recursive"), c.Flag(1, "recursive_clones")
	for _, t := range targets {
		newer := c.NAS.Newer(t)
		if err := mayPass(c, t, newer, destroy || clones, clones); err != nil {
			return nil, err
		}
		for _, n := range newer {
			for _, d := range c.NAS.Clones(n.ID()) {
				c.NAS.DropDataset(d.ID)
			}
		}
		c.NAS.DropSnapshots(newer...)
		if d := c.NAS.Dataset(t.Dataset); d != nil {
			d.Own, t.Used = t.Referenced, 0
		}
	}
	return nil, nil
}

func mayPass(c *call.Call, t *nas.Snapshot, newer []*nas.Snapshot, destroy, clones bool) error {
	var names []string
	for _, n := range newer {
		names = append(names, n.ID())
		if destroy && n.Held {
			return fail.Call(fail.EFAULT, "Failed to rollback snapshot: cannot destroy '%s': dataset is busy", n.ID())
		}
		if destroy && !clones && len(c.NAS.Clones(n.ID())) > 0 {
			return fail.Call(fail.EFAULT, "Failed to rollback snapshot: cannot rollback to '%s': clones of previous snapshots exist\nuse '-R' to force deletion of the following clones and dependents:\n%s", t.ID(), c.NAS.Clones(n.ID())[0].ID)
		}
	}
	switch {
	case len(newer) == 0 || destroy:
		return nil
	case c.Server >= call.V26:
		return fail.One("zfs.resource.snapshot.rollback", "Cannot rollback: more recent snapshots or bookmarks exist. Please pass `recursive: true` to delete the following snapshots and bookmarks recursively:\n  "+strings.Join(names, "\n  "), fail.EINVAL)
	}
	return fail.Call(fail.EFAULT, "Failed to rollback snapshot: cannot rollback to '%s': more recent snapshots or bookmarks exist\nuse '-r' to force deletion of the following snapshots and bookmarks:\n%s", t.ID(), strings.Join(names, "\n"))
}

func hold(on bool) func(c *call.Call) (any, error) {
	return func(c *call.Call) (any, error) {
		s := c.NAS.Snapshot(c.Text(0))
		if s == nil {
			return nil, fail.Missing("Snapshot %s does not exist", c.Text(0))
		}
		s.Held = on
		return nil, nil
	}
}

func clone(c *call.Call) (any, error) {
	from, to := c.Map(0)["snapshot"].(string), c.Map(0)["dataset_dst"].(string)
	switch {
	case c.NAS.Snapshot(from) == nil:
		return nil, fail.Call(fail.ENOENT, "Failed to clone snapshot: cannot open '%s': dataset does not exist", from)
	case c.NAS.Dataset(to) != nil:
		return nil, fail.Call(fail.EEXIST, "Failed to clone snapshot: cannot create '%s': dataset already exists", to)
	case !strings.Contains(to, "/") || c.NAS.Dataset(path.Dir(to)) == nil:
		return nil, fail.Call(fail.ENOENT, "Failed to clone snapshot: cannot create '%s': parent does not exist", to)
	}
	insert(c.NAS, &nas.Dataset{ID: to, Origin: from, Props: map[string]string{}, Created: c.Now})
	return true, nil
}
