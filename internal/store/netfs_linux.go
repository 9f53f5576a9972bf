package store

import (
	"path/filepath"
	"syscall"

	"drawbridge/internal/fault"
)

// networkFS are the file system types (statfs(2)) on which SQLite's locks and
// shared memory do not work between machines.
var networkFS = map[uint32]string{
	0x00006969: "NFS",
	0x0000517b: "SMB",
	0xfe534d42: "SMB",
	0xff534d42: "CIFS",
	0x0000564c: "NCP",
	0x00c36400: "CephFS",
	0x5346414f: "AFS",
	0x6b414653: "AFS",
	0x73757245: "Coda",
}

// refuseNetworkFS refuses a path whose directory is on a network file system.
func refuseNetworkFS(path string) error {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(filepath.Dir(path), &stat); err != nil {
		return nil // not for this check to report
	}
	if name := networkFS[uint32(stat.Type)]; name != "" {
		return fault.Wrap(ErrNetworkFS, fault.Invalid,
			"The database %s is on a network file system (%s), where SQLite loses data. Choose a state directory on a local disk, or use PostgreSQL (DATABASE_URL).", path, name)
	}
	return nil
}
