package apps

import (
	"context"
	"fmt"

	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/truenas/api"
	"drawbridge/internal/servers/truenas/desk"
	"drawbridge/internal/servers/truenas/show"
)

type listMachinesIn struct {
	Kind string `json:"kind,omitempty" jsonschema:"Both without it." enum:"vm,container"`
	kit.PageIn
}

type listMachinesOut struct {
	Machines []machineRow `json:"machines"`
	kit.PageOut
}

type machineRow struct {
	Kind      string `json:"kind"`
	Name      string `json:"name"`
	State     string `json:"state"`
	Autostart bool   `json:"autostart"`
	CPUs      string `json:"cpus,omitempty"`
	Memory    string `json:"memory,omitempty"`
}

func (t Tools) listMachines(ctx context.Context, c *kit.Call, in listMachinesIn) (out listMachinesOut, err error) {
	w, err := in.Window(desk.Rows)
	if err != nil {
		return out, err
	}
	s, err := t.Session(ctx, c)
	if err != nil {
		return out, err
	}
	var all []api.Machine
	if in.Kind != "container" {
		if all, err = s.VMs(ctx); err != nil {
			return out, err
		}
	}
	if in.Kind != "vm" {
		more, err := s.ContainerList(ctx)
		if err != nil {
			return out, err
		}
		all = append(all, more...)
	}
	var rows []machineRow
	for _, m := range all {
		row := machineRow{m.Kind, show.Name(m.Name), m.State, m.Autostart, show.Name(m.CPUs), ""}
		if m.Memory > 0 {
			row.Memory = show.Bytes(m.Memory)
		}
		rows = append(rows, row)
	}
	out.Machines, out.PageOut = kit.Cut(w, rows)
	return out, nil
}

type manageMachineIn struct {
	Kind   string `json:"kind" jsonschema:"Kind." enum:"vm,container"`
	Name   string `json:"name" jsonschema:"Name."`
	Action string `json:"action" jsonschema:"What." enum:"start,stop,restart,poweroff"`
}

type manageMachineOut struct {
	Name  string `json:"name,omitempty"`
	State string `json:"state,omitempty"`
	Job   int64  `json:"truenas_job,omitempty"`
}

// effects of the actions.
var effects = map[string]string{
	"start":    "Starts it.",
	"stop":     "Shuts it down.",
	"restart":  "Restarts it. Nobody can use it meanwhile.",
	"poweroff": "Switches it off at once, as if its plug were pulled. What it had not written to disk is lost.",
}

func (t Tools) planMachine(ctx context.Context, c *kit.Call, in manageMachineIn) (s api.Session, d api.Deed, p kit.Preview, err error) {
	if s, err = t.Session(ctx, c); err != nil {
		return s, d, p, err
	}
	m, err := s.Machine(ctx, in.Kind, in.Name)
	if err != nil {
		return s, d, p, err
	}
	d, err = s.MachineDeed(m, in.Action)
	return s, d, kit.Preview{Target: in.Kind + " " + in.Name, Effect: fmt.Sprintf("%s It is %s now.", effects[in.Action], m.State)}, err
}

func (t Tools) previewMachine(ctx context.Context, c *kit.Call, in manageMachineIn) (kit.Preview, error) {
	_, _, p, err := t.planMachine(ctx, c, in)
	return p, err
}

func (t Tools) manageMachine(ctx context.Context, c *kit.Call, in manageMachineIn) (out manageMachineOut, err error) {
	s, d, p, err := t.planMachine(ctx, c, in)
	if err != nil {
		return out, err
	}
	if in.Action != "start" {
		if err := desk.Approve(c, p); err != nil {
			return out, err
		}
	}
	job, err := t.Run(ctx, c, s, d)
	if err != nil {
		return out, err
	}
	switch in.Action {
	case "start":
		c.Undo("manage_vm", map[string]string{"kind": in.Kind, "name": in.Name, "action": "stop"})
	case "stop", "poweroff":
		c.Undo("manage_vm", map[string]string{"kind": in.Kind, "name": in.Name, "action": "start"})
	}
	out = manageMachineOut{Name: in.Name, Job: job.ID}
	if now, err := s.Machine(ctx, in.Kind, in.Name); err == nil { // it is done, whatever this says
		out.State = now.State
	}
	return out, nil
}
