// Package services has the tools about shares, the services that offer them, and the
// tasks that TrueNAS does by a schedule.
//
// A person is asked before a service stops that others may be using, and before a task
// runs that may delete or that is a program. The truenas server offers the tools.
package services

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/truenas/api"
	"drawbridge/internal/servers/truenas/desk"
	"drawbridge/internal/servers/truenas/show"
)

// Tools are the tools.
type Tools struct{ *desk.Desk }

// Sharing are the tools about shares and services.
func (t Tools) Sharing() []kit.Tool {
	return []kit.Tool{
		kit.Read("list_shares", "List Shares", "SMB and NFS shares.", t.listShares),
		kit.WithPreview(kit.Write("create_share", "Create Share", "Share a path by SMB or NFS.", t.createShare).Within(desk.Slow), t.previewShare),
		kit.WithPreview(kit.Destroy("manage_service", "Manage Service", "Start, stop, restart or reload a service (cifs, nfs, ssh, ...), or have it start with the system (enable).", t.manageService).AsksItself().Long(desk.Minutes).Undoable(), t.previewService),
	}
}

// Tasks are the tools about tasks.
func (t Tools) Tasks() []kit.Tool {
	return []kit.Tool{
		kit.Read("list_tasks", "List Tasks", "Replication, cloud sync, rsync, snapshot, scrub and cron tasks with how they last ended.", t.listTasks).Within(desk.Slow),
		kit.WithPreview(kit.Write("run_task", "Run Task", "Run a task of list_tasks now.", t.runTask).Long(desk.HalfADay), t.previewTask),
	}
}

type manageServiceIn struct {
	Service string `json:"service" jsonschema:"Name."`
	Action  string `json:"action,omitempty" jsonschema:"Now." enum:"start,stop,restart,reload"`
	Enable  *bool  `json:"enable,omitempty" jsonschema:"At boot."`
}

type manageServiceOut struct {
	Service string `json:"service,omitempty"`
	State   string `json:"state,omitempty"`
	Enabled bool   `json:"enabled"`
}

func (t Tools) planService(ctx context.Context, c *kit.Call, in manageServiceIn) (s api.Session, now api.Service, p kit.Preview, err error) {
	if in.Action == "" && in.Enable == nil {
		return s, now, p, fault.New(fault.Invalid, "Send an action, or enable, or both.")
	}
	if s, err = t.Session(ctx, c); err != nil {
		return s, now, p, err
	}
	if now, err = find(ctx, s, in.Service); err != nil {
		return s, now, p, err
	}
	p = kit.Preview{Target: "service " + in.Service}
	var effects []string
	switch in.Action {
	case "start":
		effects = append(effects, "Starts the service.")
	case "stop":
		effects = append(effects, "Stops the service. Whoever uses it is cut off.")
	case "restart":
		effects = append(effects, "Restarts the service. Whoever uses it may be cut off for a moment.")
	case "reload":
		effects = append(effects, "Has the service read its settings again.")
	}
	if in.Enable != nil {
		effects = append(effects, fmt.Sprintf("Starts with the system: %v, now %v.", *in.Enable, now.Enable))
	}
	p.Effect = strings.Join(append(effects, "It is "+now.State+" now."), " ")
	return s, now, p, nil
}

// find reads a service; an unknown name is answered with those there are.
func find(ctx context.Context, s api.Session, name string) (api.Service, error) {
	all, err := s.Services(ctx)
	if err != nil {
		return api.Service{}, err
	}
	var names []string
	for _, one := range all {
		if one.Name == name {
			return one, nil
		}
		names = append(names, show.Name(one.Name))
	}
	return api.Service{}, fault.New(fault.NotFound, "TrueNAS has no service %q. It has %s.", name, show.Few(names, 40))
}

func (t Tools) previewService(ctx context.Context, c *kit.Call, in manageServiceIn) (kit.Preview, error) {
	_, _, p, err := t.planService(ctx, c, in)
	return p, err
}

func (t Tools) manageService(ctx context.Context, c *kit.Call, in manageServiceIn) (out manageServiceOut, err error) {
	s, before, p, err := t.planService(ctx, c, in)
	if err != nil {
		return out, err
	}
	cuts := in.Action == "stop" || in.Action == "restart" || in.Enable != nil && !*in.Enable
	if cuts {
		if err := desk.Approve(c, p); err != nil {
			return out, err
		}
	}
	undo := map[string]any{"service": in.Service}
	if in.Enable != nil {
		if err := s.EnableService(ctx, in.Service, *in.Enable); err != nil {
			return out, err
		}
		undo["enable"] = before.Enable
	}
	if in.Action != "" {
		job, err := t.Run(ctx, c, s, s.ServiceDeed(in.Service, in.Action))
		if err != nil && in.Enable != nil {
			err = fault.Wrap(err, fault.CodeOf(err), "%s Whether it starts with the system was changed before that.", fault.PublicOf(err))
		}
		if err != nil {
			return out, err
		}
		if strings.TrimSpace(string(job.Result)) == "false" {
			return out, fault.New(fault.Upstream, "TrueNAS could not %s the service %s. list_alerts may say why.", in.Action, in.Service)
		}
	}
	if back := map[string]string{"start": "stop", "stop": "start"}[in.Action]; back != "" {
		undo["action"] = back
	}
	if len(undo) > 1 {
		c.Undo("manage_service", undo)
	}
	out.Service = in.Service
	if now, err := find(ctx, s, in.Service); err == nil { // it is done, whatever this says
		out.State, out.Enabled = now.State, now.Enable
	}
	return out, nil
}

type listTasksIn struct {
	Kind string `json:"kind,omitempty" jsonschema:"All without it." enum:"replication,cloudsync,rsync,snapshot,scrub,cron"`
	kit.PageIn
}

type listTasksOut struct {
	Tasks []taskRow `json:"tasks"`
	kit.PageOut
}

type taskRow struct {
	Kind    string        `json:"kind"`
	ID      int64         `json:"id"`
	About   kit.Untrusted `json:"about,omitempty"`
	On      string        `json:"on,omitempty"`
	Enabled bool          `json:"enabled"`
	State   string        `json:"state,omitempty"`
	At      string        `json:"at,omitempty"`
	Error   kit.Untrusted `json:"error,omitempty"`
}

func (t Tools) listTasks(ctx context.Context, c *kit.Call, in listTasksIn) (out listTasksOut, err error) {
	w, err := in.Window(desk.Rows)
	if err != nil {
		return out, err
	}
	s, err := t.Session(ctx, c)
	if err != nil {
		return out, err
	}
	var rows []taskRow
	for _, kind := range api.TaskKinds {
		if in.Kind != "" && in.Kind != kind {
			continue
		}
		all, err := s.Tasks(ctx, kind)
		if err != nil {
			return out, err
		}
		for _, one := range all {
			rows = append(rows, rowOf(kind, one))
		}
	}
	out.Tasks, out.PageOut = kit.Cut(w, rows)
	return out, nil
}

func rowOf(kind string, one api.Task) taskRow {
	row := taskRow{Kind: kind, ID: one.ID, About: show.Note(one.Name + one.About + one.Rsync), On: show.Name(one.Dataset + one.Pool + one.Path), Enabled: one.Enabled,
		State: one.State.State, At: kit.Time(one.State.At.Time), Error: show.Note(one.State.Error)}
	if one.Dir != "" {
		row.On = strings.TrimSpace(one.Dir + " " + row.On)
	}
	if j := one.Job; j != nil && row.State == "" {
		row.State, row.At, row.Error = j.State, kit.Time(j.Finished.Time), show.Note(j.Error)
	}
	return row
}

type runTaskIn struct {
	Kind string `json:"kind" jsonschema:"Kind." enum:"replication,cloudsync,rsync,snapshot,scrub,cron"`
	ID   int64  `json:"id,omitempty" jsonschema:"Of list_tasks."`
	Pool string `json:"pool,omitempty" jsonschema:"Of a scrub, instead of id."`
}

type runTaskOut struct {
	State string `json:"state,omitempty"`
	Job   int64  `json:"truenas_job,omitempty"`
}

func (t Tools) planTask(ctx context.Context, c *kit.Call, in runTaskIn) (s api.Session, task api.Task, p kit.Preview, asks bool, err error) {
	if (in.ID == 0) == (in.Pool == "") || in.Pool != "" && in.Kind != "scrub" {
		return s, task, p, false, fault.New(fault.Invalid, "Send the id of a task of list_tasks; for a scrub either that or a pool.")
	}
	if s, err = t.Session(ctx, c); err != nil {
		return s, task, p, false, err
	}
	if in.Pool != "" {
		_, err = s.Pools(ctx, in.Pool)
		task.Pool = in.Pool
	} else {
		task, err = s.Task(ctx, in.Kind, in.ID)
	}
	if into := task.Overwrites(in.Kind); err == nil && into != "" {
		err = t.SpareAll(ctx, s, into)
	}
	if err != nil {
		return s, task, p, false, err
	}
	p = kit.Preview{Target: fmt.Sprintf("%s task %d", in.Kind, task.ID), Effect: "Runs the task now."}
	switch {
	case in.Kind == "scrub":
		p.Target, p.Effect = "pool "+show.Name(task.Pool), "Reads the whole pool and repairs what does not match its checksums. It is slower meanwhile."
	case in.Kind == "cron":
		asks, p.Effect = true, "Runs the program of the cron task, as its user."
	case in.Kind == "cloudsync" && slices.Contains([]string{"SYNC", "MOVE"}, task.Mode):
		asks, p.Effect = true, fmt.Sprintf("Runs the task now, %s in mode %s: files that are not at the source are deleted at the target, or moved ones at the source.", show.Name(task.Dir), task.Mode)
	case in.Kind == "rsync", in.Kind == "replication":
		asks, p.Effect = true, "Runs the task now. It can overwrite, and by its settings delete, what is at its target."
	}
	return s, task, p, asks, nil
}

func (t Tools) previewTask(ctx context.Context, c *kit.Call, in runTaskIn) (kit.Preview, error) {
	_, task, p, _, err := t.planTask(ctx, c, in)
	if called := calledTask(task); called != "" {
		p.Changes = append(p.Changes, "It is called "+c.Outside(called))
	}
	return p, err
}

// calledTask is what people call a task, and what it works on. It comes from outside.
func calledTask(task api.Task) string {
	return strings.TrimSpace(show.Name(task.Name+task.About+task.Rsync) + " " + show.Name(task.Path))
}

func (t Tools) runTask(ctx context.Context, c *kit.Call, in runTaskIn) (out runTaskOut, err error) {
	s, task, p, asks, err := t.planTask(ctx, c, in)
	if err != nil {
		return out, err
	}
	if asks {
		if called := calledTask(task); called != "" { // a number tells a person nothing
			p.Target += ": " + called
		}
		if err := desk.Approve(c, p); err != nil {
			return out, err
		}
	}
	job, err := t.Run(ctx, c, s, api.TaskDeed(in.Kind, task))
	return runTaskOut{job.State, job.ID}, err
}
