package storage

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"drawbridge/internal/servers/truenas/fake/call"
	"drawbridge/internal/servers/truenas/fake/fail"
	"drawbridge/internal/servers/truenas/fake/model"
	"drawbridge/internal/servers/truenas/fake/nas"
)

const gib = int64(1) << 30

func datasets() []call.Method {
	id := model.Need("id", model.Text)
	read, write := []string{"DATASET_READ"}, []string{"DATASET_WRITE"}
	query := call.Query("pool.dataset", "PoolDataset", 0, read, datasetRows)
	return append(query, []call.Method{
		{Name: "pool.dataset.create", Roles: write, Args: []model.Arg{model.Need("data", kinds{})}, Run: createDataset},
		{Name: "pool.dataset.update", Roles: write, Args: []model.Arg{id, model.Need("data", model.Object{Name: "PoolDatasetUpdate", Update: true, Fields: updatable()})}, Run: updateDataset},
		{Name: "pool.dataset.delete", Roles: []string{"DATASET_DELETE"}, Args: []model.Arg{id, flags("PoolDatasetDeleteOptions", "recursive", "force")}, Run: deleteDataset},
		{Name: "pool.dataset.attachments", Roles: read, Args: []model.Arg{id}, Run: func(c *call.Call) (any, error) {
			if c.NAS.Dataset(c.Text(0)) == nil {
				return nil, missing(c.Text(0))
			}
			return listed(c.NAS.UsesOf(c.Text(0))), nil
		}},
	}...)
}

func missing(id string) error { return fail.Missing("PoolDataset %s does not exist", id) }

// flags is an object of booleans that are false unless set.
func flags(name string, members ...string) model.Arg {
	o := model.Object{Name: name}
	for _, m := range members {
		o.Fields = append(o.Fields, model.May(m, model.Bool, false))
	}
	return model.May("options", o, nil)
}

var (
	onOff    = model.OneOf("ON", "OFF", "INHERIT")
	percents = model.Either{model.Between(0, 100), model.OneOf("INHERIT")}
	quota    = model.Either{model.AtLeast(gib), model.OneOf(int64(0), nil)}
)

// datasetName is DATASET_NAME.
type datasetName struct{}

func (datasetName) Check(at string, v any, p *fail.Problems) any {
	name, ok := v.(string)
	switch {
	case !ok:
		p.Add(at, "Input should be a valid string", 0)
	case name == "" || strings.ContainsAny(name, "@#%&*\\") || strings.Contains(name, "//") || strings.HasSuffix(name, "/") || len(name) > 200:
		p.Add(at, "Value error, Please provide a valid dataset name according to ZFS standards", 0)
	}
	return v
}

func compressions() model.Type {
	all := []any{"ON", "OFF", "LZ4", "GZIP", "GZIP-1", "GZIP-9", "ZSTD", "ZSTD-FAST", "ZLE", "LZJB", "INHERIT"}
	for i := range 19 {
		all = append(all, "ZSTD-"+strconv.Itoa(i+1))
	}
	return model.OneOf(all...)
}

// common are the members of PoolDatasetCreate that both kinds have.
func common() []model.Arg {
	inherit := func(name string, t model.Type) model.Arg { return model.May(name, t, "INHERIT") }
	return []model.Arg{
		inherit("comments", model.Text), inherit("sync", model.OneOf("STANDARD", "ALWAYS", "DISABLED", "INHERIT")), model.Free("snapdev", model.OneOf("HIDDEN", "VISIBLE", "INHERIT")),
		inherit("compression", compressions()), inherit("exec", onOff), inherit("managedby", model.Words),
		inherit("quota_warning", percents), inherit("quota_critical", percents), inherit("refquota_warning", percents), inherit("refquota_critical", percents),
		model.Free("reservation", model.Int), model.Free("refreservation", model.Int), model.Free("special_small_block_size", model.Either{model.Int, model.OneOf("INHERIT")}),
		inherit("copies", model.Either{model.Int, model.OneOf("INHERIT")}), inherit("snapdir", model.OneOf("DISABLED", "VISIBLE", "HIDDEN", "INHERIT")),
		inherit("deduplication", model.OneOf("ON", "VERIFY", "OFF", "INHERIT")), inherit("checksum", model.OneOf("ON", "OFF", "FLETCHER2", "FLETCHER4", "SHA256", "SHA512", "SKEIN", "EDONR", "BLAKE3", "INHERIT")),
		inherit("readonly", onOff), model.May("user_properties", model.List{Of: model.Map}, []any{}),
	}
}

func fileSystem() []model.Arg {
	return []model.Arg{
		model.Free("aclmode", model.OneOf("PASSTHROUGH", "RESTRICTED", "DISCARD", "INHERIT")), model.Free("acltype", model.OneOf("OFF", "NFSV4", "POSIX", "INHERIT")),
		model.Free("atime", onOff), model.Free("quota", quota), model.Free("refquota", quota), model.Free("recordsize", model.Text),
	}
}

func updatable() []model.Arg {
	return slices.Concat(common(), fileSystem(), []model.Arg{
		model.Free("volsize", model.Int), model.Free("force_size", model.Bool), model.Free("user_properties_update", model.List{Of: model.Map}), model.Free("create_ancestors", model.Bool),
	})
}

// kinds is the union of PoolDatasetCreateFilesystem, which is meant when no type is given,
// and PoolDatasetCreateVolume.
type kinds struct{}

func (kinds) Check(at string, v any, p *fail.Problems) any {
	given, ok := v.(map[string]any)
	if !ok {
		p.Add(at, "Input should be a valid dictionary", 0)
		return v
	}
	encryption := model.Object{Name: "PoolCreateEncryptionOptions", Fields: []model.Arg{
		model.May("generate_key", model.Bool, false), model.May("pbkdf2iters", model.AtLeast(100000), int64(350000)), model.May("algorithm", model.Text, "AES-256-GCM"),
		model.May("passphrase", model.OrNull(model.Text), nil), model.May("key", model.OrNull(model.Text), nil)}}
	fields := append(common(), model.Need("name", datasetName{}), model.May("share_type", model.OneOf("GENERIC", "MULTIPROTOCOL", "NFS", "SMB", "APPS"), "GENERIC"), model.May("encryption_options", encryption, nil),
		model.May("encryption", model.Bool, false), model.May("inherit_encryption", model.Bool, true), model.May("create_ancestors", model.Bool, false))
	if given["type"] == "VOLUME" {
		return model.Object{Name: "PoolDatasetCreateVolume", Fields: append(fields, model.May("type", model.OneOf("VOLUME"), "VOLUME"), model.Free("force_size", model.Bool), model.Free("sparse", model.Bool), model.Need("volsize", model.Int),
			model.Free("volblocksize", model.OneOf("512", "512B", "1K", "2K", "4K", "8K", "16K", "32K", "64K", "128K")))}.Check(at, v, p)
	}
	return model.Object{Name: "PoolDatasetCreateFilesystem", Fields: slices.Concat(fields, fileSystem(), []model.Arg{model.May("type", model.OneOf("FILESYSTEM", "VOLUME"), "FILESYSTEM"), model.Free("casesensitivity", model.OneOf("SENSITIVE", "INSENSITIVE", "INHERIT"))})}.Check(at, v, p)
}

func createDataset(c *call.Call) (any, error) {
	data := c.Map(0)
	name := data["name"].(string)
	var p fail.Problems
	if strings.Contains(name, "/") {
		checkPlace(c, data, name, &p)
	} else {
		p.Add("pool_dataset_create.name", "You need a full name, e.g. pool/newdataset", 0)
	}
	if err := p.Err(); err != nil {
		return nil, err
	}
	d := &nas.Dataset{ID: name, Volume: data["type"] == "VOLUME", Own: 98304, Props: map[string]string{}, Created: c.Now, Encrypted: data["encryption"] == true}
	if data["create_ancestors"] == true {
		for at := strings.IndexByte(name, '/') + 1; ; {
			j := strings.IndexByte(name[at:], '/')
			if j < 0 {
				break
			}
			if at += j + 1; c.NAS.Dataset(name[:at-1]) == nil {
				insert(c.NAS, &nas.Dataset{ID: name[:at-1], Own: 98304, Props: map[string]string{}, Created: c.Now})
			}
		}
	}
	switch data["share_type"] {
	case "SMB":
		d.Props["acltype"], d.Props["aclmode"] = "NFSV4", "RESTRICTED"
	case "APPS", "MULTIPROTOCOL", "NFS":
		d.Props["acltype"], d.Props["aclmode"], d.Props["atime"] = "NFSV4", "PASSTHROUGH", "OFF"
	}
	set(d, data)
	insert(c.NAS, d)
	row := datasetRow(c, d, c.NAS.Spaces()[d.ID])
	c.Emit("added", "pool.dataset.query", d.ID, row)
	return row, nil
}

// checkPlace is common_validation of the real one: the parent must be there, the name not.
func checkPlace(c *call.Call, data Row, name string, p *fail.Problems) {
	parent := name[:strings.LastIndexByte(name, '/')]
	if data["create_ancestors"] == true {
		for strings.Contains(parent, "/") && c.NAS.Dataset(parent) == nil {
			parent = parent[:strings.LastIndexByte(parent, '/')]
		}
	}
	up := c.NAS.Dataset(parent)
	switch {
	case up == nil:
		p.Add("pool_dataset_create.name", fmt.Sprintf("Parent dataset %s does not exist", parent), 0)
		return
	case c.NAS.Dataset(name) != nil:
		p.Add("pool_dataset_create.name", name+" already exists", fail.EEXIST)
	case up.Volume:
		p.Add("pool_dataset_create.name", parent+": parent may not be a ZFS volume", 0)
	case up.Locked:
		p.Add("pool_dataset_create.name", fmt.Sprintf("%s must be unlocked to create %s.", parent, name), 0)
	}
	if data["encryption"] == true && data["inherit_encryption"] == true {
		p.Add("pool_dataset_create.inherit_encryption", "Must be disabled when encryption is enabled.", 0)
	}
	if n, ok := data["volsize"].(int64); ok && data["force_size"] != true {
		if sp := c.NAS.Spaces()[parent]; float64(n) > float64(sp.Available)*0.8 {
			p.Add("pool_dataset_create.volsize", "It is not recommended to use more than 80% of your available space for VOLUME", 0)
		}
		if n%16384 != 0 {
			p.Add("pool_dataset_create.volsize", "Volume size should be a multiple of volume block size", 0)
		}
	}
}

func insert(n *nas.NAS, d *nas.Dataset) {
	n.Datasets = append(n.Datasets, d)
	slices.SortFunc(n.Datasets, func(a, b *nas.Dataset) int { return strings.Compare(a.ID, b.ID) })
}

// set changes properties; INHERIT and nothing take them away.
func set(d *nas.Dataset, data Row) {
	for _, name := range []string{"quota", "refquota", "reservation", "refreservation", "compression", "readonly", "atime", "sync", "deduplication", "exec", "checksum", "copies", "snapdir", "recordsize", "acltype", "aclmode", "comments", "volsize", "quota_warning", "quota_critical", "refquota_warning", "refquota_critical", "managedby"} {
		v, there := data[name]
		switch {
		case !there:
		case v == nil || v == "INHERIT" || v == int64(0):
			delete(d.Props, name)
		default:
			d.Props[name] = fmt.Sprint(v)
		}
	}
}

func updateDataset(c *call.Call) (any, error) {
	d, data := c.NAS.Dataset(c.Text(0)), c.Map(1)
	var p fail.Problems
	if d == nil {
		p.Add("id", c.Text(0)+" does not exist", fail.ENOENT)
		return nil, p.Err()
	}
	for name := range data {
		if d.Volume && slices.Contains([]string{"aclmode", "acltype", "atime", "quota", "refquota", "recordsize"}, name) {
			p.Add("pool_dataset_update."+name, "This field is not valid for VOLUME", 0)
		}
		if !d.Volume && slices.Contains([]string{"volsize", "force_size"}, name) {
			p.Add("pool_dataset_update."+name, "This field is not valid for FILESYSTEM", 0)
		}
	}
	if n, ok := data["volsize"].(int64); ok && d.Volume {
		if old, _ := strconv.ParseInt(d.Props["volsize"], 10, 64); n < old {
			p.Add("pool_dataset_update.volsize", "You cannot shrink a zvol from GUI, this may lead to data loss.", 0)
		}
	}
	if err := p.Err(); err != nil {
		return nil, err
	}
	set(d, data)
	row := datasetRow(c, d, c.NAS.Spaces()[d.ID])
	c.Emit("changed", "pool.dataset.query", d.ID, row)
	return row, nil
}

// deleteDataset takes shares and snapshots of the dataset along.
func deleteDataset(c *call.Call) (any, error) {
	id := c.Text(0)
	if strings.Contains(id, "/.system") || strings.HasSuffix(id, "/ix-apps") || strings.HasPrefix(id, "boot-pool") {
		return nil, fail.One("pool.dataset.delete", id+" is an invalid location", fail.EINVAL)
	}
	if !c.Flag(1, "recursive") && len(c.NAS.Below(id)) > 0 {
		return nil, fail.Call(fail.ENOTEMPTY, "Failed to delete dataset: cannot destroy '%s': filesystem has children", id)
	}
	d := c.NAS.Dataset(id)
	if d == nil {
		return nil, missing(id)
	}
	for _, s := range c.NAS.Snapshots {
		if s.Dataset == id || strings.HasPrefix(s.Dataset, id+"/") {
			if clones := c.NAS.Clones(s.ID()); len(clones) > 0 {
				return nil, fail.Call(fail.EFAULT, "Failed to delete dataset: cannot destroy '%s': filesystem has dependent clones\nuse '-R' to destroy the following datasets:\n%s", id, clones[0].ID)
			}
			if s.Held {
				return nil, fail.Call(fail.EBUSY, "Failed to delete dataset: cannot destroy '%s': dataset is busy", id)
			}
		}
	}
	c.NAS.DropShares(id)
	if own := c.NAS.SnapshotsOf(id); !c.Flag(1, "recursive") && len(own) > 0 { // zfs destroy without -r; the shares are gone by then
		return nil, fail.Call(fail.EFAULT, "Failed to delete dataset: cannot destroy '%s': filesystem has children\nuse '-r' to destroy the following datasets:\n%s", id, own[0].ID())
	}
	if strings.Contains(id, "/") {
		c.NAS.DropDataset(id)
	} else { // of a pool only what is in it
		for _, child := range c.NAS.Below(id) {
			c.NAS.DropDataset(child.ID)
		}
	}
	c.Emit("removed", "pool.dataset.query", id, nil)
	return true, nil
}
