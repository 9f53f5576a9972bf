package api

import (
	"context"
	"fmt"
)

// Pool is a pool.
type Pool struct {
	ID           int64    `json:"id"`
	Name         string   `json:"name"`
	Status       string   `json:"status"`
	Healthy      bool     `json:"healthy"`
	Warning      bool     `json:"warning"`
	StatusCode   string   `json:"status_code"`
	StatusDetail string   `json:"status_detail"` // from outside
	Path         string   `json:"path"`
	Size         Number   `json:"size"`
	Allocated    Number   `json:"allocated"`
	Free         Number   `json:"free"`
	Fragment     Number   `json:"fragmentation"`
	Scan         *Scan    `json:"scan"`
	Topology     Topology `json:"topology"`
}

// Scan is the last scrub or resilver.
type Scan struct {
	Function   string  `json:"function"`
	State      string  `json:"state"`
	Percentage float64 `json:"percentage"`
	Errors     int64   `json:"errors"`
	Start      Time    `json:"start_time"`
	End        Time    `json:"end_time"`
	Left       *int64  `json:"total_secs_left"`
}

// Topology is what a pool consists of, by the use of each part.
type Topology map[string][]Vdev

// Vdev is a part of a pool, or a disk in it.
type Vdev struct {
	Type   string `json:"type"`
	Name   string `json:"name"`
	Status string `json:"status"`
	Disk   string `json:"disk"`
	Device string `json:"device"`
	Stats  struct {
		Read     int64 `json:"read_errors"`
		Write    int64 `json:"write_errors"`
		Checksum int64 `json:"checksum_errors"`
	} `json:"stats"`
	Children []Vdev `json:"children"`
}

var poolFields = []string{"id", "name", "status", "healthy", "warning", "status_code", "status_detail", "path", "size", "allocated", "free", "fragmentation", "scan", "topology"}

// MostPools bounds the pools that are read.
const MostPools = 100

// Pools lists the pools, or the one of a name.
func (s Session) Pools(ctx context.Context, name string) ([]Pool, error) {
	q := Query{Select: poolFields, Order: []string{"name"}, Limit: MostPools}
	if name != "" {
		p, err := one[Pool](ctx, s, "pool.query", Query{Filters: []any{Is("name", name)}, Select: poolFields}, "pool", name, "list_pools")
		return []Pool{p}, err
	}
	return query[Pool](ctx, s, "pool.query", q)
}

// Disk is a disk.
type Disk struct {
	Name     string `json:"name"`
	Serial   string `json:"serial"`
	Model    string `json:"model"`
	Size     Number `json:"size"`
	Type     string `json:"type"`
	Rotation Number `json:"rotationrate"`
	Bus      string `json:"bus"`
	Pool     string `json:"pool"`
}

// MostDisks bounds the disks that are read.
const MostDisks = 2000

// Disks lists the disks with the pools they are in.
func (s Session) Disks(ctx context.Context) ([]Disk, error) {
	return query[Disk](ctx, s, "disk.query", Query{Select: []string{"name", "serial", "model", "size", "type", "rotationrate", "bus", "pool"},
		Order: []string{"name"}, Limit: MostDisks, Extra: map[string]any{"pools": true}})
}

// Temperatures are those of the disks in degrees Celsius; null for one that does not say.
func (s Session) Temperatures(ctx context.Context, names []string) (all map[string]*float64, err error) {
	err = s.read(ctx, "disk.temperatures", []any{names}, &all)
	return all, err
}

// Dataset is a dataset or a volume.
type Dataset struct {
	ID          string   `json:"id"`
	Type        string   `json:"type"`
	Pool        string   `json:"pool"`
	Encrypted   bool     `json:"encrypted"`
	Locked      bool     `json:"locked"`
	Mountpoint  string   `json:"mountpoint"`
	Used        Property `json:"used"`
	Available   Property `json:"available"`
	BySnapshots Property `json:"usedbysnapshots"`
	Quota       Property `json:"quota"`
	RefQuota    Property `json:"refquota"`
	VolSize     Property `json:"volsize"`
	Compression Property `json:"compression"`
	Ratio       Property `json:"compressratio"`
	ReadOnly    Property `json:"readonly"`
	Comments    Property `json:"comments"` // from outside
}

var datasetFields = []string{"id", "type", "pool", "encrypted", "locked", "mountpoint", "used", "available", "usedbysnapshots", "quota", "refquota", "volsize",
	"compression", "compressratio", "readonly", "comments"}

// flat asks for rows without their children in them, and for no more than is shown.
var flat = map[string]any{"flat": true, "retrieve_children": false,
	"properties": []string{"used", "available", "usedbysnapshots", "quota", "refquota", "volsize", "compression", "compressratio", "readonly"}}

// MostDatasets bounds the datasets that are read.
const MostDatasets = 5000

// Datasets lists datasets: all, those of a pool, or one with all below it.
func (s Session) Datasets(ctx context.Context, pool, parent string) ([]Dataset, error) {
	var filters []any
	if pool != "" {
		filters = append(filters, Is("pool", pool))
	}
	if parent != "" {
		filters = append(filters, []any{"OR", []any{Is("id", parent), []any{"id", "^", parent + "/"}}})
	}
	return query[Dataset](ctx, s, "pool.dataset.query", Query{Filters: filters, Select: datasetFields, Order: []string{"id"}, Limit: MostDatasets, Extra: flat})
}

// Dataset reads one.
func (s Session) Dataset(ctx context.Context, id string) (Dataset, error) {
	return one[Dataset](ctx, s, "pool.dataset.query", Query{Filters: []any{Is("id", id)}, Select: datasetFields, Extra: flat}, "dataset", id, "list_datasets")
}

// Attachment is what uses a dataset: "SMB Share" and the names of the shares.
type Attachment struct {
	Type        string   `json:"type"`
	Service     string   `json:"service"`
	Attachments []string `json:"attachments"`
}

// Attachments are what uses a dataset or something below it.
func (s Session) Attachments(ctx context.Context, id string) (all []Attachment, err error) {
	err = s.read(ctx, "pool.dataset.attachments", []any{id}, &all)
	return all, err
}

func lookAtDataset(id string) string { return fmt.Sprintf(`list_datasets {"parent":%q,"depth":0}`, id) }

// CreateDataset makes a dataset; settings are the middleware's.
func (s Session) CreateDataset(ctx context.Context, id string, settings map[string]any) error {
	settings["name"] = id
	return s.do(ctx, Deed{Method: "pool.dataset.create", Params: []any{settings}, What: "the creation of " + id, Look: lookAtDataset(id)}, nil)
}

// UpdateDataset changes a dataset.
func (s Session) UpdateDataset(ctx context.Context, id string, settings map[string]any) error {
	return s.do(ctx, Deed{Method: "pool.dataset.update", Params: []any{id, settings}, What: "the change of " + id, Look: lookAtDataset(id)}, nil)
}

// DeleteDataset deletes a dataset, and all its snapshots and what is below it where
// recursive.
func (s Session) DeleteDataset(ctx context.Context, id string, recursive bool) error {
	return s.do(ctx, Deed{Method: "pool.dataset.delete", Params: []any{id, map[string]bool{"recursive": recursive}}, What: "the deletion of " + id, Look: lookAtDataset(id)}, nil)
}
