package workloads

import (
	"fmt"
	"slices"

	"drawbridge/internal/servers/truenas/fake/call"
	"drawbridge/internal/servers/truenas/fake/fail"
	"drawbridge/internal/servers/truenas/fake/jobs"
	"drawbridge/internal/servers/truenas/fake/model"
	"drawbridge/internal/servers/truenas/fake/nas"
)

func find(list []*nas.Machine, id any) *nas.Machine {
	i := slices.IndexFunc(list, func(m *nas.Machine) bool { return id == int64(m.ID) || id == m.Name })
	if i < 0 {
		return nil
	}
	return list[i]
}

func machines() []call.Method {
	id := model.Need("id", model.Int)
	read, write := []string{"VM_READ"}, []string{"VM_WRITE"}
	flag := func(object string, names ...string) model.Arg {
		o := model.Object{Name: object}
		for _, n := range names {
			o.Fields = append(o.Fields, model.May(n, model.Bool, false))
		}
		return model.May("options", o, nil)
	}
	direct := func(verb, from, to string) call.Method {
		return call.Method{Name: "vm." + verb, Roles: write, Args: []model.Arg{id}, Run: func(c *call.Call) (any, error) {
			m, err := vm(c)
			if err != nil {
				return nil, err
			}
			if m.State != from {
				return nil, fail.Call(fail.EFAULT, "%s domain is not %s", m.Name, map[string]string{"RUNNING": "active", "SUSPENDED": "suspended"}[from])
			}
			return nil, changed(c, m, to)
		}}
	}
	return append(call.Query("vm", "VM", 0, read, func(c *call.Call) []Row {
		var rows []Row
		for _, m := range c.NAS.Machines {
			rows = append(rows, vmRow(c, m))
		}
		return rows
	}), []call.Method{
		{Name: "vm.status", Roles: read, Args: []model.Arg{id}, Run: func(c *call.Call) (any, error) {
			m, err := vm(c)
			if err != nil {
				return nil, err
			}
			return status(m), nil
		}},
		{Name: "vm.start", Roles: write, Args: []model.Arg{id, flag("VMStartOptions", "overcommit")}, Run: startVM},
		{Name: "vm.stop", Roles: write, Args: []model.Arg{id, flag("VMStopOptions", "force", "force_after_timeout")}, Job: stopVM},
		{Name: "vm.restart", Roles: write, Args: []model.Arg{id}, Job: func(c *call.Call) (*jobs.Work, error) {
			return &jobs.Work{Lock: "restart_vm_" + fmt.Sprint(c.Int(0)), Do: func() (any, error) {
				m, err := vm(c)
				if err != nil {
					return nil, err
				}
				return nil, changed(c, m, "RUNNING")
			}}, nil
		}},
		direct("poweroff", "RUNNING", "STOPPED"), direct("suspend", "RUNNING", "SUSPENDED"), direct("resume", "SUSPENDED", "RUNNING"),
	}...)
}

func vm(c *call.Call) (*nas.Machine, error) {
	if m := find(c.NAS.Machines, c.Args[0]); m != nil {
		return m, nil
	}
	return nil, fail.Missing("VM %d does not exist", c.Int(0))
}

func status(m *nas.Machine) Row {
	if m.State == "STOPPED" {
		return Row{"state": "STOPPED", "pid": nil, "domain_state": "SHUTOFF"}
	}
	return Row{"state": m.State, "pid": 4000 + m.ID, "domain_state": map[string]string{"RUNNING": "RUNNING", "SUSPENDED": "PAUSED"}[m.State]}
}

// vmRow is VMEntry.
func vmRow(_ *call.Call, m *nas.Machine) Row {
	devices := []any{}
	if m.Disk != "" {
		devices = append(devices, Row{"id": m.ID * 10, "attributes": Row{"dtype": "DISK", "path": "/dev/zvol/" + m.Disk, "type": "VIRTIO"}, "vm": m.ID, "order": 1001})
	}
	return Row{"id": m.ID, "name": m.Name, "description": "", "vcpus": 1, "cores": m.CPUs, "threads": 1, "memory": m.Memory >> 20, "min_memory": nil, "autostart": m.Autostart, "status": status(m), "devices": devices,
		"command_line_args": "", "cpu_mode": "CUSTOM", "cpu_model": nil, "cpuset": nil, "nodeset": nil, "enable_cpu_topology_extension": false, "pin_vcpus": false, "suspend_on_snapshot": false, "trusted_platform_module": false,
		"hyperv_enlightenments": false, "bootloader": "UEFI", "bootloader_ovmf": "OVMF_CODE.fd", "hide_from_msr": false, "ensure_display_device": true, "time": "LOCAL", "shutdown_timeout": 90, "arch_type": nil, "machine_type": nil, "uuid": fmt.Sprintf("1f6c2a34-0000-4000-8000-%012d", m.ID), "display_available": false, "enable_secure_boot": false}
}

func changed(c *call.Call, m *nas.Machine, to string) error {
	m.State = to
	c.Emit("changed", "vm.query", m.ID, vmRow(c, m))
	return nil
}

func startVM(c *call.Call) (any, error) {
	m, err := vm(c)
	if err != nil {
		return nil, err
	}
	if m.State != "STOPPED" {
		return nil, fail.Call(fail.EFAULT, "%s is already running", m.Name)
	}
	if free := c.NAS.Memory / 4; m.Memory > free && !c.Flag(1, "overcommit") {
		return nil, fail.Call(fail.ENOMEM, "Cannot guarantee memory for guest %s", m.Name)
	}
	return nil, changed(c, m, "RUNNING")
}

// stopVM asks the guest, which may not listen.
func stopVM(c *call.Call) (*jobs.Work, error) {
	w := &jobs.Work{Lock: "stop_vm_" + fmt.Sprint(c.Int(0)), Do: func() (any, error) {
		m, err := vm(c)
		switch {
		case err != nil:
			return nil, err
		case m.State == "STOPPED":
			return nil, fail.Call(fail.EFAULT, "VM state is currently not running / suspended")
		case m.Stubborn && !c.Flag(1, "force") && !c.Flag(1, "force_after_timeout"):
			return nil, nil // after its timeout: still running, and no word about it
		}
		return nil, changed(c, m, "STOPPED")
	}}
	return w, nil
}

// containers are virt.instance up to 25.10, by name, and container since, by number.
func containers() []call.Method {
	return append(call.Until(call.V2510, instances()), lxc()...)
}

func instances() []call.Method {
	id := model.Need("id", model.Text)
	write := []string{"VIRT_INSTANCE_WRITE"}
	stop := model.May("stop_args", model.Object{Name: "StopArgs", Fields: []model.Arg{model.May("timeout", model.Int, int64(-1)), model.May("force", model.Bool, false)}}, nil)
	verb := func(name, to string, args ...model.Arg) call.Method {
		return call.Method{Name: "virt.instance." + name, Roles: write, Args: append([]model.Arg{id}, args...), Job: func(c *call.Call) (*jobs.Work, error) {
			if len(c.Args) > 1 && !c.Flag(1, "force") && c.Map(1)["timeout"] == int64(-1) {
				return nil, fail.Problems{{Attribute: "", Message: "Value error, Timeout should be set if force is disabled", Errno: fail.EINVAL}}.Err()
			}
			return &jobs.Work{Lock: "instance_action_" + c.Text(0), Do: func() (any, error) {
				m := find(c.NAS.Containers, c.Args[0])
				if m == nil {
					return nil, fail.Missing("VirtInstance %s does not exist", c.Text(0))
				}
				m.State = to
				c.Emit("changed", "virt.instance.query", m.Name, instanceRow(m))
				return true, nil
			}}, nil
		}}
	}
	return append(call.Query("virt.instance", "VirtInstance", 0, []string{"VIRT_INSTANCE_READ"}, func(c *call.Call) []Row {
		var rows []Row
		for _, m := range c.NAS.Containers {
			rows = append(rows, instanceRow(m))
		}
		return rows
	}), verb("start", "RUNNING"), verb("stop", "STOPPED", stop), verb("restart", "RUNNING", stop))
}

// instanceRow is VirtInstanceEntry.
func instanceRow(m *nas.Machine) Row {
	return Row{"id": m.Name, "name": m.Name, "type": "CONTAINER", "status": m.State, "cpu": fmt.Sprint(m.CPUs), "memory": m.Memory, "autostart": m.Autostart, "environment": Row{}, "aliases": []any{Row{"type": "INET", "address": "192.0.2.20", "netmask": 24}},
		"image":        Row{"architecture": "amd64", "description": "Debian trixie amd64", "os": "Debian", "release": "trixie", "serial": "20261001", "type": "squashfs", "variant": "default", "secureboot": nil},
		"userns_idmap": nil, "raw": nil, "vnc_enabled": false, "vnc_port": nil, "vnc_password": nil, "secure_boot": nil, "root_disk_size": nil, "root_disk_io_bus": nil, "storage_pool": "fast"}
}

func lxc() []call.Method {
	id := model.Need("id", model.Int)
	write := []string{"CONTAINER_WRITE"}
	get := func(c *call.Call) (*nas.Machine, error) {
		if m := find(c.NAS.Containers, c.Args[0]); m != nil {
			return m, nil
		}
		return nil, fail.Missing("Container %d does not exist", c.Int(0))
	}
	set := func(c *call.Call, m *nas.Machine, to string) {
		m.State = to
		c.Emit("changed", "container.query", m.ID, lxcRow(m))
	}
	options := model.May("options", model.Object{Name: "ContainerStopOptions", Fields: []model.Arg{model.May("force", model.Bool, false), model.May("force_after_timeout", model.Bool, false)}}, nil)
	methods := append(call.Query("container", "Container", call.V26, []string{"CONTAINER_READ"}, func(c *call.Call) []Row {
		var rows []Row
		for _, m := range c.NAS.Containers {
			rows = append(rows, lxcRow(m))
		}
		return rows
	}), []call.Method{
		{Name: "container.start", From: call.V26, Roles: write, Args: []model.Arg{id}, Run: func(c *call.Call) (any, error) {
			m, err := get(c)
			if err != nil {
				return nil, err
			}
			set(c, m, "RUNNING")
			return nil, nil
		}},
		{Name: "container.stop", From: call.V26, Roles: write, Args: []model.Arg{id, options}, Job: func(c *call.Call) (*jobs.Work, error) {
			return &jobs.Work{Lock: "container_stop_" + fmt.Sprint(c.Int(0)), Do: func() (any, error) {
				m, err := get(c)
				if err != nil {
					return nil, err
				}
				set(c, m, "STOPPED")
				return nil, nil
			}}, nil
		}},
	}...)
	return methods
}

// lxcRow is ContainerEntry.
func lxcRow(m *nas.Machine) Row {
	return Row{"id": m.ID, "uuid": fmt.Sprintf("2f6c2a34-0000-4000-8000-%012d", m.ID), "name": m.Name, "description": "", "devices": []any{}, "cpuset": nil, "autostart": m.Autostart, "time": "LOCAL", "shutdown_timeout": 90, "dataset": m.Disk,
		"init": "/sbin/init", "initdir": nil, "initenv": Row{}, "inituser": nil, "initgroup": nil, "idmap": Row{"type": "DEFAULT"}, "capabilities_policy": "DEFAULT", "capabilities_state": Row{}, "default_network": "truenasbr0", "status": status(m)}
}
