package storage

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"drawbridge/internal/servers/truenas/fake/call"
	"drawbridge/internal/servers/truenas/fake/fail"
	"drawbridge/internal/servers/truenas/fake/model"
	"drawbridge/internal/servers/truenas/fake/nas"
)

// kind of share.
type kind struct {
	space, what, schema string
	role                string
	rows                func(n *nas.NAS) *[]Row
	fields              []model.Arg
	check               func(c *call.Call, at string, data Row, self any, p *fail.Problems)
}

func shares() []call.Method {
	text := func(name string) model.Arg { return model.May(name, model.OrNull(model.Text), nil) }
	words := model.List{Of: model.Words}
	modern := []model.Arg{
		model.Free("purpose", model.OneOf("DEFAULT_SHARE", "LEGACY_SHARE", "TIMEMACHINE_SHARE", "MULTIPROTOCOL_SHARE", "TIME_LOCKED_SHARE", "PRIVATE_DATASETS_SHARE", "EXTERNAL_SHARE", "VEEAM_REPOSITORY_SHARE", "FCP_SHARE")),
		model.Need("name", model.Match(`^[^\\/\[\]:|<>+=;,*?"\x00-\x1f]+$`, 80)), model.Need("path", model.Words), model.May("enabled", model.Bool, true), model.May("comment", model.Text, ""), model.May("readonly", model.Bool, false),
		model.May("browsable", model.Bool, true), model.May("access_based_share_enumeration", model.Bool, false), model.May("audit", model.Map, Row{"enable": false, "watch_list": []any{}, "ignore_list": []any{}}), model.Free("options", model.OrNull(model.Map)),
	}
	old := []model.Arg{ // api/v25_04_2/smb.py: presets, and all members flat
		model.May("purpose", model.OneOf("NO_PRESET", "DEFAULT_SHARE", "ENHANCED_TIMEMACHINE", "MULTI_PROTOCOL_NFS", "PRIVATE_DATASETS", "WORM_DROPBOX", "TIMEMACHINE"), "DEFAULT_SHARE"),
		model.Need("path", model.Words), model.May("path_suffix", model.Text, ""), model.May("home", model.Bool, false), model.Need("name", model.Match(`^[^\\/\[\]:|<>+=;,*?"\x00-\x1f]+$`, 80)), model.May("comment", model.Text, ""),
		model.May("ro", model.Bool, false), model.May("browsable", model.Bool, true), model.May("recyclebin", model.Bool, false), model.May("guestok", model.Bool, false), model.May("hostsallow", model.List{Of: model.Text}, []any{}),
		model.May("hostsdeny", model.List{Of: model.Text}, []any{}), model.May("aapl_name_mangling", model.Bool, false), model.May("abe", model.Bool, false), model.May("acl", model.Bool, true), model.May("durablehandle", model.Bool, true),
		model.May("streams", model.Bool, true), model.May("timemachine", model.Bool, false), model.May("timemachine_quota", model.Int, int64(0)), model.May("shadowcopy", model.Bool, true), model.May("fsrvp", model.Bool, false),
		model.May("enabled", model.Bool, true), model.May("afp", model.Bool, false), model.May("audit", model.Map, Row{"enable": false, "watch_list": []any{}, "ignore_list": []any{}}), model.May("auxsmbconf", model.Text, ""),
	}
	nfs := []model.Arg{
		model.Need("path", model.Words), model.May("aliases", words, []any{}), model.May("comment", model.Text, ""), model.May("networks", words, []any{}), model.May("hosts", words, []any{}), model.May("ro", model.Bool, false),
		text("maproot_user"), text("maproot_group"), text("mapall_user"), text("mapall_group"), model.May("security", model.List{Of: model.OneOf("SYS", "KRB5", "KRB5I", "KRB5P")}, []any{}), model.May("enabled", model.Bool, true), model.May("expose_snapshots", model.Bool, false),
	}
	smbRows := func(n *nas.NAS) *[]Row { return &n.SMB }
	return slices.Concat(
		kind{"sharing.smb", "SharingSMB", "sharingsmb", "SHARING_SMB", smbRows, old, checkSMB}.methods(0, call.V2504),
		kind{"sharing.smb", "SharingSMB", "sharingsmb", "SHARING_SMB", smbRows, modern, checkSMB}.methods(call.V2510, 0),
		kind{"sharing.nfs", "SharingNFS", "sharingnfs", "SHARING_NFS", func(n *nas.NAS) *[]Row { return &n.NFS }, nfs, checkNFS}.methods(0, 0),
	)
}

func (k kind) methods(from, until call.Version) []call.Method {
	id := model.Need("id", model.Int)
	read, write := []string{k.role + "_READ", "SHARING_READ"}, []string{k.role + "_WRITE", "SHARING_WRITE"}
	query := call.Query(k.space, k.what, from, read, func(c *call.Call) []Row {
		rows := make([]Row, len(*k.rows(c.NAS)))
		for i, r := range *k.rows(c.NAS) {
			rows[i] = shown(c, k.space, r)
		}
		return rows
	})
	return call.Until(until, append(query, []call.Method{
		{Name: k.space + ".create", From: from, Roles: write, Args: []model.Arg{model.Need("data", model.Object{Name: k.what + "Create", Fields: k.fields})}, Run: k.create},
		{Name: k.space + ".update", From: from, Roles: write, Args: []model.Arg{id, model.Need("data", model.Object{Name: k.what + "Update", Fields: k.fields, Update: true})}, Run: k.update},
		{Name: k.space + ".delete", From: from, Roles: write, Args: []model.Arg{id}, Run: func(c *call.Call) (any, error) {
			rows := k.rows(c.NAS)
			n := len(*rows)
			*rows = slices.DeleteFunc(*rows, func(r Row) bool { return r["id"] == c.Int(0) })
			if len(*rows) == n {
				return nil, fail.Missing("%s %d does not exist", k.what, c.Int(0))
			}
			return true, nil
		}},
	}...))
}

// shown is a share as a version has it: before 25.10 an SMB share had all members flat,
// under other names.
func shown(c *call.Call, space string, r Row) Row {
	out := maps.Clone(r)
	if space != "sharing.smb" || c.API >= call.V2510 {
		return out
	}
	out["ro"], out["abe"], out["vuid"] = r["readonly"], r["access_based_share_enumeration"], ""
	for _, gone := range []string{"readonly", "access_based_share_enumeration", "options"} {
		delete(out, gone)
	}
	options, _ := r["options"].(map[string]any)
	maps.Copy(out, options)
	for name, v := range map[string]any{"path_suffix": "", "home": false, "recyclebin": false, "guestok": false, "acl": true, "durablehandle": true, "streams": true, "timemachine": false, "timemachine_quota": 0, "shadowcopy": true, "fsrvp": false, "afp": false, "auxsmbconf": "", "path_local": r["path"]} {
		if _, there := out[name]; !there {
			out[name] = v
		}
	}
	return out
}

func (k kind) create(c *call.Call) (any, error) {
	data := c.Map(0)
	var p fail.Problems
	place(c, k.schema+"_create", data, &p)
	k.check(c, k.schema+"_create", data, nil, &p)
	if err := p.Err(); err != nil {
		return nil, err
	}
	row := maps.Clone(data)
	if k.space == "sharing.smb" && row["purpose"] == nil {
		row["purpose"] = "DEFAULT_SHARE"
	}
	k.modern(row)
	if k.space == "sharing.smb" && row["options"] == nil {
		row["options"] = Row{"aapl_name_mangling": false, "hostsallow": []any{}, "hostsdeny": []any{}}
	}
	row["id"], row["locked"] = c.NAS.NextID(), false
	rows := k.rows(c.NAS)
	*rows = append(*rows, row)
	return shown(c, k.space, row), nil
}

// modern gives the members of 25.04 their names of today.
func (k kind) modern(row Row) {
	if k.space != "sharing.smb" {
		return
	}
	for old, name := range map[string]string{"ro": "readonly", "abe": "access_based_share_enumeration"} {
		if v, there := row[old]; there {
			row[name] = v
			delete(row, old)
		}
	}
}

func (k kind) update(c *call.Call) (any, error) {
	for _, r := range *k.rows(c.NAS) {
		if r["id"] != c.Int(0) {
			continue
		}
		var p fail.Problems
		place(c, k.schema+"_update", c.Map(1), &p)
		k.check(c, k.schema+"_update", c.Map(1), r["id"], &p)
		if err := p.Err(); err != nil {
			return nil, err
		}
		maps.Copy(r, c.Map(1))
		k.modern(r)
		return shown(c, k.space, r), nil
	}
	return nil, fail.Missing("%s %d does not exist", k.what, c.Int(0))
}

// place checks that a path is in a pool, and there.
func place(c *call.Call, at string, data Row, p *fail.Problems) {
	path, ok := data["path"].(string)
	if !ok || path == "EXTERNAL" {
		return
	}
	in, isPool := strings.CutPrefix(path, "/mnt/")
	switch {
	case !isPool || c.NAS.Pool(in) == nil:
		p.Add(at+".path", "The path must reside within a pool mount point", 0)
	case c.NAS.Dataset(in) == nil:
		p.Add(at+".path", "This path does not exist.", 0)
	case c.NAS.Dataset(in).Locked:
		p.Add(at+".path", "The path is in a locked dataset.", 0)
	}
}

func checkSMB(c *call.Call, at string, data Row, self any, p *fail.Problems) {
	if data["options"] != nil && data["purpose"] == nil {
		p.Add(at, "Value error, You must set `purpose` if you set `options`.", 0)
	}
	name, ok := data["name"].(string)
	if !ok {
		return
	}
	if slices.Contains([]string{"global", "printers", "homes"}, strings.ToLower(name)) {
		p.Add(at+".name", fmt.Sprintf("%s is a reserved section name, please select another one", name), 0)
	}
	for _, r := range c.NAS.SMB {
		if other, _ := r["name"].(string); strings.EqualFold(other, name) && r["id"] != self {
			p.Add(at+".name", "Share with this name already exists.", fail.EEXIST)
		}
	}
}

func checkNFS(c *call.Call, at string, data Row, self any, p *fail.Problems) {
	if data["maproot_user"] != nil && data["mapall_user"] != nil {
		p.Add(at+".mapall_user", "maproot_user disqualifies mapall_user", 0)
	}
	if data["maproot_group"] != nil && data["maproot_user"] == nil {
		p.Add(at+".maproot_user", "This field is required when map group is specified", 0)
	}
	for _, r := range c.NAS.NFS {
		hosts, _ := data["hosts"].([]any)
		networks, _ := data["networks"].([]any)
		if r["path"] == data["path"] && r["id"] != self && len(hosts)+len(networks) == 0 {
			p.Add(at+".networks", "Another NFS share already exports "+fmt.Sprint(r["path"])+" for every network", 0)
		}
	}
}
