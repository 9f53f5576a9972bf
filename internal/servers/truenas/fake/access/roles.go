package access

import (
	"slices"
	"strings"
)

// includes is which roles a role brings along (truenas/middleware role.py, reduced to
// what the methods of this fake ask for).
var includes = map[string][]string{
	"ACCOUNT_WRITE": {"ACCOUNT_READ"}, "APPS_WRITE": {"APPS_READ"}, "BOOT_ENV_WRITE": {"BOOT_ENV_READ"},
	"CATALOG_WRITE": {"CATALOG_READ"}, "CLOUD_BACKUP_WRITE": {"CLOUD_BACKUP_READ"}, "CLOUD_SYNC_WRITE": {"CLOUD_SYNC_READ"},
	"CONTAINER_WRITE": {"CONTAINER_READ"}, "DATASET_WRITE": {"DATASET_READ"}, "DISK_WRITE": {"DISK_READ"},
	"DOCKER_WRITE": {"DOCKER_READ"}, "POOL_SCRUB_WRITE": {"POOL_SCRUB_READ"}, "POOL_WRITE": {"POOL_READ"},
	"REPLICATION_TASK_WRITE": {"REPLICATION_TASK_READ"}, "REPORTING_WRITE": {"REPORTING_READ"},
	"SERVICE_WRITE": {"SERVICE_READ"}, "SHARING_NFS_WRITE": {"SHARING_NFS_READ"}, "SHARING_SMB_WRITE": {"SHARING_SMB_READ"},
	"SHARING_READ":  {"SHARING_NFS_READ", "SHARING_SMB_READ"},
	"SHARING_WRITE": {"SHARING_NFS_WRITE", "SHARING_SMB_WRITE"}, "SNAPSHOT_TASK_WRITE": {"SNAPSHOT_TASK_READ"},
	"SNAPSHOT_WRITE": {"SNAPSHOT_READ"}, "SYSTEM_CRON_WRITE": {"SYSTEM_CRON_READ"}, "SYSTEM_UPDATE_WRITE": {"SYSTEM_UPDATE_READ"},
	"VIRT_INSTANCE_WRITE": {"VIRT_INSTANCE_READ"}, "VM_WRITE": {"VM_READ"},
	"REPLICATION_ADMIN": {"REPLICATION_TASK_WRITE", "SNAPSHOT_TASK_WRITE", "SNAPSHOT_WRITE"},
	"SHARING_ADMIN":     {"READONLY_ADMIN", "DATASET_WRITE", "SHARING_WRITE", "SERVICE_READ", "FILESYSTEM_ATTRS_WRITE"},
}

// alone are reading roles that nothing includes but READONLY_ADMIN.
var alone = []string{"ALERT_LIST_READ", "FILESYSTEM_ATTRS_READ", "NETWORK_INTERFACE_READ", "SYSTEM_GENERAL_READ", "SYSTEM_PRODUCT_READ"}

// all are the roles of an account, with all that they bring along.
func all(roles []string) []string {
	var out []string
	todo := slices.Clone(roles)
	for len(todo) > 0 {
		role := todo[0]
		todo = todo[1:]
		if slices.Contains(out, role) {
			continue
		}
		out = append(out, role)
		todo = append(todo, includes[role]...)
		if role != "READONLY_ADMIN" {
			continue
		}
		todo = append(todo, alone...)
		for _, more := range includes {
			for _, r := range more {
				if strings.HasSuffix(r, "_READ") {
					todo = append(todo, r)
				}
			}
		}
	}
	slices.Sort(out)
	return out
}
