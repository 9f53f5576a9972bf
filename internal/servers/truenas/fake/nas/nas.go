// Package nas is the state of the fake: what a TrueNAS stores and serves, and the rules of
// ZFS about it. How it looks on the wire is the business of the packages of methods. Only
// the fake uses it, and guards it with its lock.
package nas

import (
	"slices"
	"strings"
	"time"
)

// Row is an entry as the wire has it: kept so where nothing but storing happens to it.
type Row = map[string]any

// NAS is the whole system.
type NAS struct {
	Hostname string
	Model    string
	Cores    int
	Memory   int64
	Booted   time.Time
	BootID   string
	Reboot   []string // why a restart is needed

	Pools        []*Pool
	Disks        []*Disk
	Datasets     []*Dataset
	Snapshots    []*Snapshot
	SMB, NFS     []Row
	Apps         []*App
	Services     []*Service
	Machines     []*Machine
	Containers   []*Machine
	Tasks        map[string][]Row // by kind: replication, cloudsync, rsynctask, snapshottask, scrub, cronjob, cloud_backup
	Alerts       []*Alert
	Environments []*Environment
	Update       *Update // nil when up to date

	txg  int
	last int
}

// Pool of disks.
type Pool struct {
	ID           int
	Name, GUID   string
	Status       string
	Detail       string // what is wrong; "" for nothing
	Size, Used   int64
	Fragmented   int // percent
	Scan         *Scan
	Data         []*VDev
	Cache, Spare []*VDev
}

// Scan is a scrub or resilver.
type Scan struct {
	Function, State string
	Percent         float64
	Errors          int
	Started, Ended  time.Time
	Left            int // seconds
	Paused          bool
}

// VDev is a group of disks.
type VDev struct {
	Type  string
	Disks []string
	Bad   map[string]Errors // by disk
}

// Errors of a disk in a vdev, with its state if that is not ONLINE.
type Errors struct {
	Status                string
	Read, Write, Checksum int
}

// Disk is a piece of hardware.
type Disk struct {
	Name, Serial, Model string
	Type                string // SSD or HDD
	Size                int64
	Pool                string
	Celsius             int
}

// Dataset is a file system or a volume.
type Dataset struct {
	ID        string
	Volume    bool
	Own       int64 // bytes without snapshots and children
	Props     map[string]string
	Encrypted bool
	Locked    bool
	Origin    string // the snapshot it is a clone of
	Created   time.Time
}

// Snapshot of a dataset.
type Snapshot struct {
	Dataset, Name    string
	TXG              int
	Created          time.Time
	Used, Referenced int64
	Held             bool
	Props            map[string]string
}

// ID is dataset@name.
func (s *Snapshot) ID() string { return s.Dataset + "@" + s.Name }

// App is installed.
type App struct {
	Name, Title, Train    string
	State                 string
	Version, Human        string
	Latest                string // "" when up to date
	Images                bool   // newer ones exist
	Custom                bool
	Containers            []*AppContainer
	Ports                 map[int]int // host port by container port
	Portal                string
	Notes                 string
	Changelog             string
	Newer, Older          []string // versions
	Paths                 []string // of the host, that it uses
	Config                Row
	FailUpgrade, FailNext string // words of an error of docker
}

// AppContainer is a part of an app.
type AppContainer struct {
	ID, Service, Image string
	Logs               []string // lines without their times
}

// Service of the system.
type Service struct {
	ID      int
	Name    string
	Enabled bool
	Running bool
	Broken  bool // does not start
	Clients int
}

// Machine is a VM or a container.
type Machine struct {
	ID        int
	Name      string
	State     string // RUNNING, STOPPED, SUSPENDED
	CPUs      int
	Memory    int64 // bytes
	Autostart bool
	Disk      string // dataset
	Image     string
	Stubborn  bool // does not stop unless forced
}

// Alert is something to worry about.
type Alert struct {
	ID, Class, Level string
	HTML, Text       string
	At               time.Time
	Dismissed        bool
	OneShot          bool
}

// Environment is a boot environment.
type Environment struct {
	Name            string
	Active, Next    bool
	Keep, Activable bool
	Used            int64
	Created         time.Time
}

// Update that could be installed.
type Update struct {
	Version, Train, Notes string
	Downloaded, Applied   bool
	Fails                 string // error of the update server
}

// NextTXG counts transaction groups on.
func (n *NAS) NextTXG() int { n.txg += 3; return n.txg }

// NextID is an id for something new.
func (n *NAS) NextID() int { n.last++; return n.last + 100 }

// Pool finds a pool by its name or the name of anything in it.
func (n *NAS) Pool(name string) *Pool {
	name, _, _ = strings.Cut(name, "@")
	name, _, _ = strings.Cut(name, "/")
	return find(n.Pools, func(p *Pool) bool { return p.Name == name })
}

// Dataset finds one.
func (n *NAS) Dataset(id string) *Dataset {
	return find(n.Datasets, func(d *Dataset) bool { return d.ID == id })
}

// Snapshot finds one.
func (n *NAS) Snapshot(id string) *Snapshot {
	ds, name, _ := strings.Cut(id, "@")
	return find(n.Snapshots, func(s *Snapshot) bool { return s.Name == name && s.Dataset == ds })
}

// App finds one.
func (n *NAS) App(name string) *App {
	return find(n.Apps, func(a *App) bool { return a.Name == name })
}

// Service finds one by its name.
func (n *NAS) Service(name string) *Service {
	return find(n.Services, func(s *Service) bool { return s.Name == name })
}

// Task finds one of a kind.
func (n *NAS) Task(kind string, id int) Row {
	for _, t := range n.Tasks[kind] {
		if t["id"] == id {
			return t
		}
	}
	return nil
}

func find[T any](list []*T, is func(*T) bool) *T {
	if i := slices.IndexFunc(list, is); i >= 0 {
		return list[i]
	}
	return nil
}

// Below are the datasets under one, itself excluded.
func (n *NAS) Below(id string) []*Dataset {
	var out []*Dataset
	for _, d := range n.Datasets {
		if strings.HasPrefix(d.ID, id+"/") {
			out = append(out, d)
		}
	}
	return out
}

// SnapshotsOf are those of one dataset, oldest first.
func (n *NAS) SnapshotsOf(dataset string) []*Snapshot {
	var out []*Snapshot
	for _, s := range n.Snapshots {
		if s.Dataset == dataset {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b *Snapshot) int { return a.TXG - b.TXG })
	return out
}

// Newer are the snapshots that a rollback to s would destroy.
func (n *NAS) Newer(s *Snapshot) []*Snapshot {
	return slices.DeleteFunc(n.SnapshotsOf(s.Dataset), func(o *Snapshot) bool { return o.TXG <= s.TXG })
}

// Clones are the datasets made of a snapshot.
func (n *NAS) Clones(snapshot string) []*Dataset {
	var out []*Dataset
	for _, d := range n.Datasets {
		if d.Origin == snapshot {
			out = append(out, d)
		}
	}
	return out
}

// DropSnapshots removes snapshots.
func (n *NAS) DropSnapshots(gone ...*Snapshot) {
	n.Snapshots = slices.DeleteFunc(n.Snapshots, func(s *Snapshot) bool { return slices.Contains(gone, s) })
}

// DropDataset removes a dataset, all below it, and their snapshots.
func (n *NAS) DropDataset(id string) {
	gone := func(ds string) bool { return ds == id || strings.HasPrefix(ds, id+"/") }
	n.Datasets = slices.DeleteFunc(n.Datasets, func(d *Dataset) bool { return gone(d.ID) })
	n.Snapshots = slices.DeleteFunc(n.Snapshots, func(s *Snapshot) bool { return gone(s.Dataset) })
}

// Space is how a dataset's bytes are spent.
type Space struct{ Own, Snapshots, Children, Available int64 }

// Used is all of it.
func (s Space) Used() int64 { return s.Own + s.Snapshots + s.Children }

// Spaces of all datasets, by id. Of a large system this is worked out once per call.
func (n *NAS) Spaces() map[string]*Space {
	out := make(map[string]*Space, len(n.Datasets))
	for _, d := range n.Datasets {
		out[d.ID] = &Space{Own: d.Own}
	}
	for _, s := range n.Snapshots {
		if sp := out[s.Dataset]; sp != nil {
			sp.Snapshots += s.Used
		}
	}
	ids := make([]string, 0, len(out))
	for id := range out {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b string) int { return strings.Count(b, "/") - strings.Count(a, "/") })
	for _, id := range ids {
		if i := strings.LastIndexByte(id, '/'); i > 0 && out[id[:i]] != nil {
			out[id[:i]].Children += out[id].Used()
		}
		if p := n.Pool(id); p != nil {
			out[id].Available = max(0, p.Size-p.Used)
		}
	}
	return out
}

// UsesOf are what hangs on a path: shares, tasks and apps (ref 2.2 pool.dataset.attachments).
func (n *NAS) UsesOf(dataset string) []Row {
	path := "/mnt/" + dataset
	inside := func(p string) bool { return p == path || strings.HasPrefix(p, path+"/") }
	var out []Row
	add := func(kind string, service any, names []any) {
		if len(names) > 0 {
			out = append(out, Row{"type": kind, "service": service, "attachments": names})
		}
	}
	named := func(rows []Row, name string) (names []any) {
		for _, r := range rows {
			if p, _ := r["path"].(string); inside(p) {
				names = append(names, r[name])
			}
		}
		return names
	}
	add("SMB Share", "cifs", named(n.SMB, "name"))
	add("NFS Share", "nfs", named(n.NFS, "path"))
	add("Cloud Sync Task", nil, named(n.Tasks["cloudsync"], "description"))
	add("Rsync Task", nil, named(n.Tasks["rsynctask"], "path"))
	var tasks, apps []any
	for _, t := range n.Tasks["snapshottask"] {
		if ds, _ := t["dataset"].(string); ds == dataset || strings.HasPrefix(ds, dataset+"/") {
			tasks = append(tasks, ds)
		}
	}
	for _, a := range n.Apps {
		if slices.ContainsFunc(a.Paths, inside) {
			apps = append(apps, a.Name)
		}
	}
	add("Snapshot Task", nil, tasks)
	add("Apps", "docker", apps)
	return out
}

// DropShares removes the shares of a path and below, as deleting its dataset does.
func (n *NAS) DropShares(dataset string) {
	path := "/mnt/" + dataset
	gone := func(r Row) bool {
		p, _ := r["path"].(string)
		return p == path || strings.HasPrefix(p, path+"/")
	}
	n.SMB, n.NFS = slices.DeleteFunc(n.SMB, gone), slices.DeleteFunc(n.NFS, gone)
}
