// Package storage has the tools about pools, disks, datasets and snapshots.
//
// What destroys data names everything that would be lost first, and destroys no more than
// the person who approved it was shown. The truenas server offers the tools.
package storage

import (
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/truenas/desk"
)

// Tools are the tools.
type Tools struct{ *desk.Desk }

// Storage are the tools about pools, disks and datasets.
func (t Tools) Storage() []kit.Tool {
	return []kit.Tool{
		kit.Read("list_pools", "List Pools", "Health, capacity, last scrub and faulty parts of pools.", t.ListPools),
		kit.Read("list_disks", "List Disks", "Disks with pool, temperature and errors.", t.listDisks).Within(desk.Slow),
		kit.Read("list_datasets", "List Datasets", "Datasets and volumes with their space.", t.listDatasets).Within(desk.Slow),
		kit.WithPreview(kit.Write("save_dataset", "Save Dataset", "Change a dataset, or make one (create).", t.saveDataset).Undoable(), t.previewSave),
		kit.WithPreview(kit.Destroy("delete_dataset", "Delete Dataset", "Delete a dataset with its files and snapshots.", t.deleteDataset).Within(desk.Slow), t.previewDelete),
	}
}

// Snapshots are the tools about snapshots.
func (t Tools) Snapshots() []kit.Tool {
	return []kit.Tool{
		kit.Read("list_snapshots", "List Snapshots", "Snapshots with their space.", t.listSnapshots).Within(desk.Slow),
		kit.Write("create_snapshot", "Create Snapshot", "Take a snapshot.", t.createSnapshot),
		kit.WithPreview(kit.Destroy("delete_snapshots", "Delete Snapshots", "Delete snapshots: those named, or those a filter finds.", t.deleteSnapshots).Long(desk.Minutes), t.previewSnapshots),
		kit.WithPreview(kit.Destroy("rollback_snapshot", "Roll Back Snapshot", "Take a dataset back to a snapshot. What was written since is lost.", t.rollback).Within(desk.Slow), t.previewRollback),
	}
}
