package api

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Snapshot is a snapshot.
type Snapshot struct {
	ID         string              `json:"id"` // dataset@name
	Dataset    string              `json:"dataset"`
	Name       string              `json:"snapshot_name"`
	TXG        Number              `json:"createtxg"`
	Properties map[string]Property `json:"properties"`
}

// Created is when it was taken.
func (s Snapshot) Created() time.Time { return s.Properties["creation"].Seconds() }

// Used is what deleting it alone would free.
func (s Snapshot) Used() int64 { return s.Properties["used"].Bytes() }

// Referenced is what it holds in all.
func (s Snapshot) Referenced() int64 { return s.Properties["referenced"].Bytes() }

// SnapshotSearch says which snapshots are wanted.
type SnapshotSearch struct {
	Dataset string
	Below   bool     // those of the datasets below it, too
	IDs     []string // these alone
	Bare    bool     // without properties, which is much faster
}

var (
	snapshotFields = []string{"id", "dataset", "snapshot_name", "createtxg", "properties"}
	// snapshotExtra names the properties that are wanted: 26 gives no others, and the older
	// releases are faster with it.
	snapshotExtra = map[string]any{"properties": []string{"used", "referenced", "creation"}}
)

// MostSnapshots bounds the snapshots that are read at once.
const MostSnapshots = 3000

// FindSnapshots lists snapshots, oldest first, and whether there are more than
// MostSnapshots.
func (s Session) FindSnapshots(ctx context.Context, f SnapshotSearch) (found []Snapshot, more bool, err error) {
	var filters []any
	switch {
	case f.IDs != nil:
		filters = []any{[]any{"id", "in", f.IDs}}
	case f.Dataset != "" && f.Below:
		filters = []any{[]any{"OR", []any{Is("dataset", f.Dataset), []any{"dataset", "^", f.Dataset + "/"}}}}
	case f.Dataset != "":
		filters = []any{Is("dataset", f.Dataset)}
	}
	q := Query{Filters: filters, Select: snapshotFields, Limit: MostSnapshots + 1, Extra: snapshotExtra}
	if f.Bare {
		q.Select, q.Extra = snapshotFields[:4], map[string]any{"properties": []string{}}
	}
	found, err = query[Snapshot](ctx, s, s.Snapshots+".query", q)
	if more = len(found) > MostSnapshots; more {
		found = found[:MostSnapshots]
	}
	for i, one := range found {
		found[i].Dataset, _, _ = strings.Cut(one.ID, "@") // what is protected is told by it, whatever else is said
	}
	// createtxg is a text, which the middleware would sort as one.
	slices.SortStableFunc(found, func(a, b Snapshot) int { return cmp.Or(cmp.Compare(a.TXG, b.TXG), cmp.Compare(a.ID, b.ID)) })
	return found, more, err
}

// Snapshot reads one.
func (s Session) Snapshot(ctx context.Context, id string) (Snapshot, error) {
	return one[Snapshot](ctx, s, s.Snapshots+".query", Query{Filters: []any{Is("id", id)}, Select: snapshotFields, Extra: snapshotExtra},
		"snapshot", id, "list_snapshots")
}

func lookAtSnapshots(dataset string) string {
	return fmt.Sprintf(`list_snapshots {"dataset":%q}`, dataset)
}

// CreateSnapshot takes a snapshot.
func (s Session) CreateSnapshot(ctx context.Context, dataset, name string, recursive bool) (made Snapshot, err error) {
	err = s.do(ctx, Deed{Method: s.Snapshots + ".create", Params: []any{map[string]any{"dataset": dataset, "name": name, "recursive": recursive}},
		What: "the snapshot " + dataset + "@" + name, Look: lookAtSnapshots(dataset)}, &made)
	return made, err
}

// DeleteSnapshot deletes a snapshot.
func (s Session) DeleteSnapshot(ctx context.Context, id, dataset string) error {
	return s.do(ctx, Deed{Method: s.Snapshots + ".delete", Params: []any{id, map[string]bool{"recursive": false}}, What: "the deletion of " + id, Look: lookAtSnapshots(dataset)}, nil)
}

// Rollback takes a dataset back to a snapshot. newer destroys the snapshots after it.
func (s Session) Rollback(ctx context.Context, id, dataset string, newer bool) error {
	return s.do(ctx, Deed{Method: s.Snapshots + ".rollback", Params: []any{id, map[string]bool{"recursive": newer}},
		What: "the rollback to " + id, Look: lookAtSnapshots(dataset) + " (the newer snapshots are gone after a rollback that destroyed them) and a look at the files"}, nil)
}
