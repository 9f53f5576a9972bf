package nas

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	mib = int64(1) << 20
	gib = int64(1) << 30
	tib = int64(1) << 40
)

// Home is a small system in a house: a mirror with files of the family, a pool for apps
// on one SSD, five apps, two VMs, a container.
func Home(at time.Time) *NAS {
	n := &NAS{
		Hostname: "truenas", Model: "Intel(R) N100", Cores: 4, Memory: 32 * gib, txg: 100000,
		Booted: at.Add(-15 * 24 * time.Hour), BootID: "0b2c8a5e-6f0d-4f55-9c0f-3a1f5e2d7b61",
		Tasks: map[string][]Row{},
		Update: &Update{Version: "25.10.3", Train: "TrueNAS-SCALE-Goldeye",
			Notes: "## 25.10.3\n* Fixes replication of encrypted datasets."},
	}
	n.disk("sda", "WD-WX11D", "WDC WD80EFZZ", "HDD", 8*tib, "tank", 34)
	n.disk("sdb", "WD-WX11E", "WDC WD80EFZZ", "HDD", 8*tib, "tank", 36)
	n.disk("nvme0n1", "S6PNNS0W", "Samsung SSD 980", "SSD", 1*tib, "fast", 41)
	n.disk("sdc", "ZR90ABCD", "ST8000VN004", "HDD", 8*tib, "", 30)
	n.Pools = []*Pool{
		{ID: 1, Name: "tank", GUID: "11442209283917456612", Status: "ONLINE", Size: 7 * tib, Used: 3 * tib, Fragmented: 7,
			Scan: &Scan{Function: "SCRUB", State: "FINISHED", Percent: 100, Started: at.Add(-50 * time.Hour), Ended: at.Add(-44 * time.Hour)},
			Data: []*VDev{{Type: "MIRROR", Disks: []string{"sda", "sdb"}, Bad: map[string]Errors{"sdb": {Status: "ONLINE", Checksum: 2}}}}},
		{ID: 2, Name: "fast", GUID: "5529384756612093481", Status: "ONLINE", Size: 950 * gib, Used: 300 * gib, Fragmented: 21,
			Data: []*VDev{{Type: "DISK", Disks: []string{"nvme0n1"}}}},
	}
	for id, own := range map[string]int64{"tank": 200 * mib, "tank/media": 1800 * gib, "tank/photos": 700 * gib, "tank/docs": 40 * gib, "tank/docs/tax": 2 * gib,
		"tank/backup": 250 * gib, "fast": 100 * mib, "fast/ix-apps": 60 * gib, "fast/vms": 1 * gib} {
		n.dataset(id, own, at)
	}
	n.Datasets = append(n.Datasets,
		&Dataset{ID: "fast/vms/debian", Volume: true, Own: 32 * gib, Props: map[string]string{"volsize": fmt.Sprint(40 * gib)}, Created: at.AddDate(-1, 0, 0)},
		&Dataset{ID: "tank/secret", Own: 5 * gib, Encrypted: true, Locked: true, Props: map[string]string{}, Created: at.AddDate(-1, 0, 0)})
	for day := 10; day > 0; day-- {
		for _, ds := range []string{"tank/photos", "tank/docs"} {
			n.snapshot(ds, at.AddDate(0, 0, -day), "auto-", int64(day)*50*mib)
		}
	}
	n.sort()
	n.SMB = []Row{SMBShare(1, "Media", "/mnt/tank/media"), SMBShare(2, "Docs", "/mnt/tank/docs")}
	n.NFS = []Row{NFSShare(1, "/mnt/tank/backup")}
	n.apps(at)
	for i, name := range []string{"cifs", "nfs", "ssh", "iscsitarget", "ftp", "snmp", "ups", "nvmet"} {
		n.Services = append(n.Services, &Service{ID: 4 + i, Name: name, Enabled: i < 2, Running: i < 3})
	}
	n.Service("cifs").Clients, n.Service("ups").Broken = 2, true
	n.Machines = []*Machine{
		{ID: 1, Name: "debian", State: "RUNNING", CPUs: 2, Memory: 4 * gib, Autostart: true, Disk: "fast/vms/debian"},
		{ID: 2, Name: "windows", State: "STOPPED", CPUs: 4, Memory: 8 * gib, Stubborn: true},
	}
	n.Containers = []*Machine{{ID: 1, Name: "pihole", State: "RUNNING", CPUs: 1, Memory: 512 * mib, Autostart: true, Image: "debian/trixie", Disk: "fast/.ix-virt/containers/pihole"}}
	n.tasks(at)
	n.Alerts = []*Alert{
		{ID: "6c1f7f3e-70a4-4f4e-9f0d-2d6c9a2f1b01", Class: "ZpoolCapacityNotice", Level: "NOTICE", At: at.Add(-30 * time.Hour),
			HTML: "Space usage for pool <b>&quot;fast&quot;</b> is 32%.<br/>See <a href=\"https://www.truenas.com/docs/\">the manual</a>.", Text: "Space usage for pool \"%(volume)s\" is %(capacity)d%%."},
		{ID: "6c1f7f3e-70a4-4f4e-9f0d-2d6c9a2f1b02", Class: "CertificateExpiring", Level: "WARNING", At: at.Add(-3 * time.Hour), OneShot: true,
			HTML: "Certificate &#x27;truenas_default&#x27; is expiring within 24 days.", Text: "Certificate %(name)r is expiring within %(days)d days."},
		{ID: "6c1f7f3e-70a4-4f4e-9f0d-2d6c9a2f1b03", Class: "UPSOnBattery", Level: "INFO", At: at.Add(-200 * time.Hour), Dismissed: true, HTML: "UPS is on battery.", Text: "UPS is on battery."},
	}
	n.Environments = []*Environment{
		{Name: "25.10.2", Active: true, Next: true, Activable: true, Used: 3 * gib, Created: at.AddDate(0, -1, 0)},
		{Name: "25.04.2", Activable: true, Keep: true, Used: 2900 * mib, Created: at.AddDate(0, -6, 0)},
	}
	return n
}

func (n *NAS) disk(name, serial, model, kind string, size int64, pool string, celsius int) {
	n.Disks = append(n.Disks, &Disk{Name: name, Serial: serial, Model: model, Type: kind, Size: size, Pool: pool, Celsius: celsius})
}

func (n *NAS) dataset(id string, own int64, at time.Time) {
	n.Datasets = append(n.Datasets, &Dataset{ID: id, Own: own, Props: map[string]string{}, Created: at.AddDate(-1, 0, 0)})
}

func (n *NAS) sort() {
	slices.SortFunc(n.Datasets, func(a, b *Dataset) int { return strings.Compare(a.ID, b.ID) })
}

func (n *NAS) snapshot(ds string, at time.Time, prefix string, used int64) {
	n.Snapshots = append(n.Snapshots, &Snapshot{Dataset: ds, Name: prefix + at.Format("2006-01-02_15-04"), TXG: n.NextTXG(), Created: at, Used: used, Referenced: 40 * gib, Props: map[string]string{}})
}

// SMBShare is an entry of sharing.smb.query (truenas/middleware api/v25_10_2/smb.py SmbShareEntry).
func SMBShare(id int, name, path string) Row {
	return Row{"id": id, "purpose": "DEFAULT_SHARE", "name": name, "path": path, "enabled": true, "comment": "", "readonly": false,
		"browsable": true, "access_based_share_enumeration": false, "locked": false,
		"audit":   Row{"enable": false, "watch_list": []any{}, "ignore_list": []any{}},
		"options": Row{"aapl_name_mangling": false, "hostsallow": []any{}, "hostsdeny": []any{}}}
}

// NFSShare is an entry of sharing.nfs.query (truenas/middleware api/v25_10_2/nfs.py SharingNFSEntry).
func NFSShare(id int, path string) Row {
	return Row{"id": id, "path": path, "aliases": []any{}, "comment": "", "networks": []any{}, "hosts": []any{}, "ro": false,
		"maproot_user": nil, "maproot_group": nil, "mapall_user": nil, "mapall_group": nil, "security": []any{}, "enabled": true, "locked": false, "expose_snapshots": false}
}

func (n *NAS) apps(at time.Time) {
	log := func(words ...string) []string { return words }
	n.Apps = []*App{
		{Name: "plex", Title: "Plex", Train: "stable", State: "RUNNING", Version: "1.1.20", Human: "1.41.0_1.1.20", Latest: "1.2.0", Newer: []string{"1.1.21", "1.2.0"}, Older: []string{"1.1.19"},
			Ports: map[int]int{32400: 32400}, Portal: "http://0.0.0.0:32400/web", Paths: []string{"/mnt/tank/media"}, Changelog: "# 1.2.0\n* Needs a claim again.",
			Containers: []*AppContainer{{ID: strings.Repeat("a1", 32), Service: "plex", Image: "plexinc/pms-docker:1.41.0", Logs: log("Starting Plex Media Server.", "Library scan <done>.")}}},
		{Name: "immich", Title: "Immich", Train: "community", State: "RUNNING", Version: "1.9.4", Human: "v1.130.1_1.9.4", Images: true, Ports: map[int]int{2283: 30041}, Portal: "http://0.0.0.0:30041/", Paths: []string{"/mnt/tank/photos"},
			Containers: []*AppContainer{{ID: strings.Repeat("b1", 32), Service: "server", Image: "immich/server:v1.130.1", Logs: log("Immich Server is listening")}, {ID: strings.Repeat("b2", 32), Service: "pgvecto", Image: "tensorchord/pgvecto-rs:pg15", Logs: log("ready to accept connections")}}},
		{Name: "jellyfin", Title: "Jellyfin", Train: "community", State: "STOPPED", Version: "1.2.3", Human: "10.10.6_1.2.3", Ports: map[int]int{8096: 30013}, Containers: []*AppContainer{{ID: strings.Repeat("c1", 32), Service: "jellyfin", Image: "jellyfin/jellyfin:10.10.6"}}},
		{Name: "unifi", Title: "Unifi Controller", Train: "community", State: "CRASHED", Version: "1.4.0", Human: "9.0.114_1.4.0", Latest: "1.4.1", Newer: []string{"1.4.1"}, FailUpgrade: "port 8443 is already allocated", Ports: map[int]int{8443: 8443},
			Containers: []*AppContainer{{ID: strings.Repeat("d1", 32), Service: "unifi", Image: "goofball222/unifi:9.0.114", Logs: log("Error: java.net.BindException: Address already in use")}}},
		{Name: "notes", Title: "notes", Train: "stable", State: "RUNNING", Version: "1.0.0", Human: "1.0.0", Custom: true, Ports: map[int]int{80: 8081}, Containers: []*AppContainer{{ID: strings.Repeat("e1", 32), Service: "web", Image: "nginx:1.29", Logs: log("GET / 200")}}},
	}
	for _, a := range n.Apps {
		a.Config = Row{"timezone": "Europe/Berlin", "token": "app-secret-of-" + a.Name}
	}
}

func (n *NAS) tasks(at time.Time) {
	date := func(t time.Time) Row { return Row{"$date": t.UnixMilli()} }
	daily := Row{"minute": "0", "hour": "0", "dom": "*", "month": "*", "dow": "*"}
	n.Tasks["snapshottask"] = []Row{{"id": 1, "dataset": "tank/photos", "recursive": false, "lifetime_value": 2, "lifetime_unit": "WEEK", "enabled": true, "exclude": []any{}, "naming_schema": "auto-%Y-%m-%d_%H-%M", "allow_empty": true,
		"schedule": Row{"minute": "0", "hour": "0", "dom": "*", "month": "*", "dow": "*", "begin": "00:00", "end": "23:59"}, "vmware_sync": false, "state": Row{"state": "FINISHED", "datetime": date(at.Add(-8 * time.Hour))}}}
	n.Tasks["replication"] = []Row{
		{"id": 1, "name": "photos to attic", "direction": "PUSH", "transport": "SSH", "source_datasets": []any{"tank/photos"}, "target_dataset": "attic/photos", "recursive": false, "enabled": true, "auto": true, "schedule": daily,
			"retention_policy": "SOURCE", "job": nil, "state": Row{"state": "FINISHED", "datetime": date(at.Add(-7 * time.Hour)), "last_snapshot": "tank/photos@auto-2026-11-01_00-00"}},
		{"id": 2, "name": "docs to attic", "direction": "PUSH", "transport": "SSH", "source_datasets": []any{"tank/docs"}, "target_dataset": "attic/docs", "recursive": true, "enabled": true, "auto": false, "schedule": nil,
			"retention_policy": "NONE", "job": nil, "state": Row{"state": "ERROR", "datetime": date(at.Add(-31 * time.Hour)), "error": "[EFAULT] No incremental base on dataset 'tank/docs' and replication from scratch is not allowed."}},
	}
	n.Tasks["cloudsync"] = []Row{{"id": 1, "description": "docs to B2", "direction": "PUSH", "transfer_mode": "SYNC", "path": "/mnt/tank/docs", "enabled": true, "schedule": daily, "locked": false, "job": nil,
		"credentials": Row{"id": 1, "name": "b2", "provider": Row{"type": "B2", "account": "0012", "key": "********"}}, "attributes": Row{"bucket": "family", "folder": "/docs"}}}
	n.Tasks["cloud_backup"] = []Row{}
	n.Tasks["rsynctask"] = []Row{{"id": 1, "path": "/mnt/tank/media", "desc": "media to office", "direction": "PUSH", "mode": "SSH", "user": "backup", "remotehost": "office.example", "remotepath": "/srv/media", "enabled": false, "schedule": daily, "locked": false, "job": nil}}
	n.Tasks["scrub"] = []Row{{"id": 1, "pool": 1, "pool_name": "tank", "threshold": 35, "description": "", "enabled": true, "schedule": Row{"minute": "00", "hour": "00", "dom": "*", "month": "*", "dow": "7"}}}
	n.Tasks["cronjob"] = []Row{{"id": 1, "enabled": true, "stderr": false, "stdout": true, "schedule": daily, "command": "/mnt/tank/docs/tidy.sh", "description": "tidy", "user": "root"}}
}
