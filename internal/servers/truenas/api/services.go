package api

import (
	"context"
	"fmt"
	"strings"

	"drawbridge/internal/fault"
)

// Service is a service of the system.
type Service struct {
	Name   string `json:"service"`
	Enable bool   `json:"enable"`
	State  string `json:"state"`
}

// Services lists them.
func (s Session) Services(ctx context.Context) ([]Service, error) {
	return query[Service](ctx, s, "service.query", Query{Select: []string{"service", "enable", "state"}, Order: []string{"service"}, Limit: 200})
}

func lookAtService(name string) string {
	return fmt.Sprintf("get_system_status, which lists the services that run (%s)", name)
}

// EnableService says whether a service starts with the system.
func (s Session) EnableService(ctx context.Context, name string, enable bool) error {
	return s.do(ctx, Deed{Method: "service.update", Params: []any{name, map[string]bool{"enable": enable}}, What: "the change of the service " + name, Look: lookAtService(name)}, nil)
}

// ServiceDeed is a call for a service: start, stop, restart or reload.
func (s Session) ServiceDeed(name, verb string) Deed {
	options := map[string]any{"silent": false}
	d := Deed{Method: "service.control", Params: []any{strings.ToUpper(verb), name, options}, What: fmt.Sprintf("the %s of the service %s", verb, name), Look: lookAtService(name)}
	if !s.ServiceControl {
		d.Method, d.Params = "service."+verb, []any{name, options}
	}
	return d
}

// Share is a share of files.
type Share struct {
	ID       int64    `json:"id"`
	Name     string   `json:"name"` // SMB alone
	Path     string   `json:"path"`
	Comment  string   `json:"comment"` // from outside
	Enabled  bool     `json:"enabled"`
	ReadOnly bool     `json:"readonly"` // SMB since 25.10
	RO       bool     `json:"ro"`       // NFS, and SMB before
	Locked   bool     `json:"locked"`
	Purpose  string   `json:"purpose"`
	Networks []string `json:"networks"`
	Hosts    []string `json:"hosts"`
}

// MostShares bounds the shares of a kind that are read.
const MostShares = 1000

// Shares lists those of a kind: smb or nfs.
func (s Session) Shares(ctx context.Context, kind string) ([]Share, error) {
	fields := []string{"id", "path", "comment", "enabled", "locked"}
	if kind == "smb" {
		fields = append(fields, "name", s.ReadOnly, "purpose")
	} else {
		fields = append(fields, "ro", "networks", "hosts")
	}
	return query[Share](ctx, s, "sharing."+kind+".query", Query{Select: fields, Order: []string{"id"}, Limit: MostShares})
}

// CreateShare makes a share; settings are the middleware's.
func (s Session) CreateShare(ctx context.Context, kind string, settings map[string]any) (id int64, err error) {
	var made struct {
		ID int64 `json:"id"`
	}
	err = s.do(ctx, Deed{Method: "sharing." + kind + ".create", Params: []any{settings}, What: fmt.Sprintf("the creation of the %s share", strings.ToUpper(kind)), Look: fmt.Sprintf(`list_shares {"kind":%q}`, kind)}, &made)
	return made.ID, err
}

// Task is something that TrueNAS does by a schedule.
type Task struct {
	ID      int64  `json:"id"`
	Name    string `json:"name"`        // replication
	About   string `json:"description"` // cloud sync, cron, scrub; from outside
	Rsync   string `json:"desc"`        // rsync; from outside
	Enabled bool   `json:"enabled"`
	Dir     string `json:"direction"`
	Mode    string `json:"transfer_mode"` // cloud sync: SYNC, COPY or MOVE
	Path    string `json:"path"`
	Dataset string `json:"dataset"`
	Pool    string `json:"pool_name"`
	Target  string `json:"target_dataset"` // replication
	Via     string `json:"transport"`      // replication: LOCAL, SSH, ...
	State   struct {
		State string `json:"state"`
		Error string `json:"error"` // from outside
		At    Time   `json:"datetime"`
	} `json:"state"`
	Job *Job `json:"job"`
}

// Overwrites is the dataset here, or the directory in one, in which a task can overwrite
// or delete something; "" for none.
func (t Task) Overwrites(kind string) string {
	switch {
	case kind == "replication" && (t.Dir == "PULL" || t.Via == "LOCAL"):
		return t.Target
	case kind == "cloudsync" && (t.Dir == "PULL" || t.Mode == "MOVE"), kind == "rsync" && t.Dir == "PULL":
		return strings.Trim(strings.TrimPrefix(t.Path, "/mnt/"), "/")
	}
	return ""
}

// taskKind is a kind of task.
type taskKind struct {
	query, run string
	fields     []string
}

// kinds of tasks.
var kinds = map[string]taskKind{
	"replication": {"replication.query", "replication.run", []string{"id", "name", "enabled", "direction", "transport", "target_dataset", "state", "job"}},
	"cloudsync":   {"cloudsync.query", "cloudsync.sync", []string{"id", "description", "enabled", "direction", "transfer_mode", "path", "job"}},
	"rsync":       {"rsynctask.query", "rsynctask.run", []string{"id", "desc", "enabled", "direction", "path", "job"}},
	"snapshot":    {"pool.snapshottask.query", "pool.snapshottask.run", []string{"id", "dataset", "enabled", "state"}},
	"scrub":       {"pool.scrub.query", "", []string{"id", "pool_name", "description", "enabled"}},
	"cron":        {"cronjob.query", "cronjob.run", []string{"id", "description", "enabled"}},
}

// TaskKinds are the kinds of tasks.
var TaskKinds = []string{"replication", "cloudsync", "rsync", "snapshot", "scrub", "cron"}

// MostTasks bounds the tasks of a kind that are read.
const MostTasks = 500

// Tasks lists the tasks of a kind.
func (s Session) Tasks(ctx context.Context, kind string) ([]Task, error) {
	k := kinds[kind]
	return query[Task](ctx, s, k.query, Query{Select: k.fields, Order: []string{"id"}, Limit: MostTasks})
}

// Task reads one.
func (s Session) Task(ctx context.Context, kind string, id int64) (Task, error) {
	k := kinds[kind]
	rows, err := query[Task](ctx, s, k.query, Query{Filters: []any{Is("id", id)}, Select: k.fields, Limit: 1})
	if err == nil && len(rows) == 0 {
		err = fault.New(fault.NotFound, "TrueNAS has no %s task %d. list_tasks has those there are.", kind, id)
	}
	if err != nil {
		return Task{}, err
	}
	return rows[0], nil
}

// TaskDeed runs a task now. A scrub is that of the task's pool.
func TaskDeed(kind string, t Task) Deed {
	d := Deed{Method: kinds[kind].run, Params: []any{t.ID}, What: fmt.Sprintf("the run of the %s task %d", kind, t.ID), Look: fmt.Sprintf(`list_tasks {"kind":%q} and get_job`, kind)}
	if kind == "scrub" {
		d.Method, d.Params, d.What, d.Look = "pool.scrub.scrub", []any{t.Pool, "START"}, "the scrub of "+t.Pool, fmt.Sprintf(`list_pools {"name":%q}`, t.Pool)
	}
	return d
}
