package api

import (
	"context"
	"fmt"

	"drawbridge/internal/fault"
)

// Machine is a virtual machine or a container.
type Machine struct {
	Kind      string // vm or container
	ID        ID
	Name      string
	State     string
	Autostart bool
	CPUs      string
	Memory    int64 // bytes; 0 where it has no limit
}

// MostMachines bounds the machines of a kind that are read.
const MostMachines = 500

type vmRow struct {
	ID        ID     `json:"id"`
	Name      string `json:"name"`
	CPUs      int    `json:"vcpus"`
	Cores     int    `json:"cores"`
	Threads   int    `json:"threads"`
	Memory    int64  `json:"memory"` // MiB
	Autostart bool   `json:"autostart"`
	Status    struct {
		State string `json:"state"`
	} `json:"status"`
}

// VMs lists the virtual machines.
func (s Session) VMs(ctx context.Context) (all []Machine, err error) {
	rows, err := query[vmRow](ctx, s, "vm.query", Query{Select: []string{"id", "name", "vcpus", "cores", "threads", "memory", "autostart", "status"}, Order: []string{"name"}, Limit: MostMachines})
	for _, r := range rows {
		cpus := r.CPUs * max(r.Cores, 1) * max(r.Threads, 1)
		all = append(all, Machine{"vm", r.ID, r.Name, r.Status.State, r.Autostart, fmt.Sprint(cpus), r.Memory << 20})
	}
	return all, err
}

// ContainerList lists the containers, which are virt.instance before 26 and container since.
func (s Session) ContainerList(ctx context.Context) (all []Machine, err error) {
	if s.Containers == "container" {
		rows, err := query[vmRow](ctx, s, "container.query", Query{Select: []string{"id", "name", "autostart", "status"}, Order: []string{"name"}, Limit: MostMachines})
		for _, r := range rows {
			all = append(all, Machine{Kind: "container", ID: r.ID, Name: r.Name, State: r.Status.State, Autostart: r.Autostart})
		}
		return all, err
	}
	type instance struct {
		ID        ID     `json:"id"`
		Name      string `json:"name"`
		Type      string `json:"type"`
		Status    string `json:"status"`
		CPU       string `json:"cpu"`
		Memory    Number `json:"memory"` // bytes
		Autostart bool   `json:"autostart"`
	}
	rows, err := query[instance](ctx, s, "virt.instance.query", Query{Select: []string{"id", "name", "type", "status", "cpu", "memory", "autostart"}, Order: []string{"name"}, Limit: MostMachines})
	for _, r := range rows {
		all = append(all, Machine{"container", r.ID, r.Name, r.Status, r.Autostart, r.CPU, int64(r.Memory)})
	}
	return all, err
}

// Machine finds one by its name.
func (s Session) Machine(ctx context.Context, kind, name string) (Machine, error) {
	list := s.VMs
	if kind == "container" {
		list = s.ContainerList
	}
	all, err := list(ctx)
	if err != nil {
		return Machine{}, err
	}
	for _, m := range all {
		if m.Name == name {
			return m, nil
		}
	}
	return Machine{}, fault.New(fault.NotFound, "TrueNAS has no %s %q. list_vms has those there are.", kind, name)
}

// stopSeconds is how long a container may take to shut down.
const stopSeconds = 90

// MachineDeed is a call for a machine: start, stop, restart or, at once, poweroff.
// The containers of 26 know no restart.
func (s Session) MachineDeed(m Machine, verb string) (Deed, error) {
	d := Deed{Params: []any{m.ID.Param()}, What: fmt.Sprintf("the %s of the %s %s", verb, m.Kind, m.Name), Look: "list_vms"}
	force := verb == "poweroff"
	switch {
	case m.Kind == "vm":
		d.Method = "vm." + verb
		return d, nil
	case s.Containers == "container" && verb == "restart":
		return d, fault.New(fault.Unavailable, "The containers of this TrueNAS cannot be restarted in one step. Stop the container, then start it.")
	case force:
		d.Method, d.Params = s.Containers+".stop", append(d.Params, map[string]any{"force": true})
	case s.Containers == "virt.instance" && verb != "start": // which wants to know how long to wait
		d.Method, d.Params = s.Containers+"."+verb, append(d.Params, map[string]any{"timeout": stopSeconds})
	default:
		d.Method = s.Containers + "." + verb
	}
	return d, nil
}
