package system

import (
	"strings"

	"drawbridge/internal/servers/truenas/fake/call"
	"drawbridge/internal/servers/truenas/fake/fail"
	"drawbridge/internal/servers/truenas/fake/filter"
	"drawbridge/internal/servers/truenas/fake/nas"
)

// folder is what is known of a path: a dataset that is mounted there.
func folder(c *call.Call, path string) (*nas.Dataset, error) {
	d := c.NAS.Dataset(strings.TrimPrefix(path, "/mnt/"))
	if !strings.HasPrefix(path, "/mnt/") || d == nil || d.Volume || d.Locked {
		return nil, fail.Call(fail.ENOENT, "Path %s not found", path)
	}
	return d, nil
}

func stat(c *call.Call) (any, error) {
	d, err := folder(c, c.Text(0))
	if err != nil {
		return nil, err
	}
	at := float64(d.Created.Unix())
	return Row{"realpath": c.Text(0), "size": 5, "type": "DIRECTORY", "mode": 16877, "uid": 0, "gid": 0, "atime": at, "mtime": at, "ctime": at, "btime": at, "dev": 50, "mount_id": 400, "inode": 34, "nlink": 5,
		"is_mountpoint": true, "is_ctldir": false, "attributes": []any{}, "user": "root", "group": "root", "acl": false}, nil
}

func listDir(c *call.Call) (any, error) {
	d, err := folder(c, c.Text(0))
	if err != nil {
		return nil, err
	}
	var rows []Row
	for _, child := range c.NAS.Below(d.ID) {
		if name := strings.TrimPrefix(child.ID, d.ID+"/"); !strings.Contains(name, "/") && !child.Volume {
			rows = append(rows, Row{"name": name, "path": "/mnt/" + child.ID, "realpath": "/mnt/" + child.ID, "type": "DIRECTORY", "size": 5, "allocation_size": 512, "mode": 16877, "acl": false, "uid": 0, "gid": 0,
				"is_mountpoint": true, "is_ctldir": false, "attributes": []any{}, "xattrs": []any{}, "zfs_attrs": nil})
		}
	}
	return filter.Query(rows, c.Args[1:])
}
