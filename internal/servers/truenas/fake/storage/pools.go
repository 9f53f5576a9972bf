// Package storage has the methods about pools, disks, datasets, snapshots and shares (ref
// 2.2 table; truenas/middleware api/v25_10_2/{pool,pool_dataset,pool_snapshot,smb,nfs}.py
// and the plugins behind them). Only the fake uses it.
package storage

import (
	"fmt"
	"slices"
	"time"

	"drawbridge/internal/servers/truenas/fake/call"
	"drawbridge/internal/servers/truenas/fake/fail"
	"drawbridge/internal/servers/truenas/fake/filter"
	"drawbridge/internal/servers/truenas/fake/jobs"
	"drawbridge/internal/servers/truenas/fake/model"
	"drawbridge/internal/servers/truenas/fake/nas"
)

// Row is an entry as the wire has it.
type Row = call.Row

// Methods of all versions.
func Methods() []call.Method {
	return slices.Concat(pools(), disks(), datasets(), snapshots(), shares())
}

func pools() []call.Method {
	return append(call.Query("pool", "Pool", 0, []string{"POOL_READ"}, func(c *call.Call) []Row {
		var rows []Row
		for _, p := range c.NAS.Pools {
			rows = append(rows, poolRow(c, p))
		}
		return rows
	}), []call.Method{
		{Name: "pool.scrub.scrub", Roles: []string{"POOL_WRITE", "POOL_SCRUB_WRITE"}, Job: scrub,
			Args: []model.Arg{model.Need("name", model.Text), model.May("action", model.OneOf("START", "STOP", "PAUSE"), "START")}},
	}...)
}

// listed makes what JSON and filters need of rows.
func listed(rows []Row) []any {
	out := make([]any, len(rows))
	for i, r := range rows {
		out[i] = r
	}
	return out
}

// poolRow is PoolEntry.
func poolRow(c *call.Call, p *nas.Pool) Row {
	var code, detail any
	if p.Detail != "" {
		code, detail = "FAULTED_DEV_R", p.Detail
	}
	row := Row{
		"id": p.ID, "name": p.Name, "guid": p.GUID, "status": p.Status, "path": "/mnt/" + p.Name, "scan": scanRow(p.Scan), "expand": nil,
		"healthy": p.Status == "ONLINE", "warning": p.Detail != "", "status_code": code, "status_detail": detail,
		"size": p.Size, "allocated": p.Used, "free": p.Size - p.Used, "freeing": 0, "dedup_table_size": 0, "dedup_table_quota": "auto",
		"fragmentation": fmt.Sprint(p.Fragmented), "size_str": fmt.Sprint(p.Size), "allocated_str": fmt.Sprint(p.Used), "free_str": fmt.Sprint(p.Size - p.Used), "freeing_str": "0",
		"autotrim": Row{"parsed": "off", "rawvalue": "off", "source": "DEFAULT", "value": "off"},
		"topology": Row{"data": vdevs(p, p.Data), "log": []any{}, "cache": vdevs(p, p.Cache), "spare": vdevs(p, p.Spare), "special": []any{}, "dedup": []any{}},
	}
	if c.API < call.V26 {
		row["is_upgraded"] = true
	}
	return row
}

func scanRow(s *nas.Scan) any {
	if s == nil {
		return Row{"function": nil, "state": nil, "start_time": nil, "end_time": nil, "percentage": nil, "bytes_to_process": nil, "bytes_processed": nil, "bytes_issued": nil, "pause": nil, "errors": nil, "total_secs_left": nil}
	}
	var left, pause any
	if s.State == "SCANNING" {
		left = s.Left
	}
	if s.Paused {
		pause = call.Date(s.Started)
	}
	return Row{"function": s.Function, "state": s.State, "start_time": call.Date(s.Started), "end_time": call.Date(s.Ended), "percentage": s.Percent,
		"bytes_to_process": 1099511627776, "bytes_processed": int(s.Percent * 10995116277), "bytes_issued": int(s.Percent * 10995116277), "pause": pause, "errors": s.Errors, "total_secs_left": left}
}

func vdevs(p *nas.Pool, devs []*nas.VDev) []any {
	out := []any{}
	for i, v := range devs {
		children := []any{}
		state := "ONLINE"
		var first Row
		for _, d := range v.Disks {
			e := v.Bad[d]
			if e.Status == "" {
				e.Status = "ONLINE"
			}
			if e.Status != "ONLINE" {
				state = "DEGRADED"
			}
			first = Row{"name": d + "1", "type": "DISK", "path": "/dev/" + d + "1", "guid": "77" + p.GUID, "status": e.Status, "stats": stats(e), "children": []any{}, "device": d + "1", "disk": d, "unavail_disk": nil}
			children = append(children, first)
		}
		if v.Type == "DISK" {
			out = append(out, first)
			continue
		}
		out = append(out, Row{"name": fmt.Sprintf("%s-%d", map[string]string{"MIRROR": "mirror", "RAIDZ1": "raidz1", "RAIDZ2": "raidz2"}[v.Type], i), "type": v.Type, "path": nil, "guid": "99" + p.GUID,
			"status": state, "stats": stats(nas.Errors{}), "children": children, "unavail_disk": nil})
	}
	return out
}

func stats(e nas.Errors) Row {
	return Row{"timestamp": 0, "read_errors": e.Read, "write_errors": e.Write, "checksum_errors": e.Checksum, "ops": []any{0, 0}, "bytes": []any{0, 0}, "size": 0, "allocated": 0, "fragmentation": 0, "self_healed": 0, "configured_ashift": 12, "logical_ashift": 12, "physical_ashift": 12}
}

// scrub is a job that runs as long as the scrub does, and may be aborted, which stops it.
func scrub(c *call.Call) (*jobs.Work, error) {
	p := c.NAS.Pool(c.Text(0))
	action := c.Text(1)
	w := &jobs.Work{Description: "Scrub of pool " + fmt.Sprintf("%q", c.Text(0)), Lock: "pool.scrub." + c.Text(0), Abortable: true, Do: func() (any, error) { return nil, nil }}
	if p == nil || p.Name != c.Text(0) {
		w.Do = func() (any, error) { return nil, fail.Missing("Pool %s does not exist", c.Text(0)) }
		return w, nil
	}
	if action != "START" {
		w.Lock = "" // it must not wait for the one it stops
		w.Do = func() (any, error) {
			if p.Scan == nil || p.Scan.State != "SCANNING" {
				return nil, fail.Call(fail.EFAULT, "Failed to %s scrub of %s: there is no active scrub", action, p.Name)
			}
			p.Scan.Paused = action == "PAUSE"
			if action == "STOP" {
				p.Scan.State, p.Scan.Ended = "CANCELED", c.Now
			}
			return nil, nil
		}
		return w, nil
	}
	w.Steps = []string{"Scrubbing"}
	w.Begin = func() { p.Scan = &nas.Scan{Function: "SCRUB", State: "SCANNING", Started: c.Now, Left: 3600} }
	w.Do = func() (any, error) {
		p.Scan.State, p.Scan.Percent, p.Scan.Left, p.Scan.Ended = "FINISHED", 100, 0, c.Now.Add(time.Hour)
		return nil, nil
	}
	w.Undo = func() { p.Scan.State, p.Scan.Ended = "CANCELED", c.Now }
	return w, nil
}

func disks() []call.Method {
	names := model.May("name", model.List{Of: model.Text}, []any{})
	query := call.Query("disk", "Disk", 0, []string{"DISK_READ"}, diskRows)
	query[1].Run = func(c *call.Call) (any, error) { // its id is called identifier
		options := c.Map(1)
		options["get"] = true
		found, err := filter.Query(diskRows(c), []any{[]any{[]any{"identifier", "=", c.Args[0]}}, options})
		if err != nil {
			return nil, fail.Missing("Disk %v does not exist", c.Args[0])
		}
		return found, nil
	}
	return append(query, []call.Method{
		{Name: "disk.temperatures", Roles: []string{"REPORTING_READ"}, Args: []model.Arg{names, model.May("include_thresholds", model.Bool, false)}, Run: func(c *call.Call) (any, error) {
			out := Row{}
			for _, d := range chosen(c) {
				out[d.Name] = d.Celsius
				if c.Args[1] == true {
					out[d.Name] = Row{"temp_c": d.Celsius, "crit": 70, "max": nil}
				}
			}
			return out, nil
		}},
	}...)
}

// chosen are the disks of the first argument, all for none.
func chosen(c *call.Call) []*nas.Disk {
	names, _ := c.Args[0].([]any)
	if len(names) == 0 {
		return c.NAS.Disks
	}
	return slices.DeleteFunc(slices.Clone(c.NAS.Disks), func(d *nas.Disk) bool { return !slices.Contains(names, any(d.Name)) })
}

func diskRows(c *call.Call) (rows []Row) {
	for i, d := range c.NAS.Disks {
		rows = append(rows, diskRow(c, i, d))
	}
	return rows
}

// diskRow is DiskEntry. The pool is only looked up when extra.pools asks for it.
func diskRow(c *call.Call, i int, d *nas.Disk) Row {
	var pool, rotation, guid any
	if d.Pool != "" && c.Extra("pools") == true {
		pool = d.Pool
	}
	if d.Pool != "" {
		guid = fmt.Sprintf("77%018d", i)
	}
	if d.Type == "HDD" {
		rotation = 7200
	}
	bus := "ATA"
	if d.Name[0] == 'n' {
		bus = "NVME"
	}
	row := Row{"identifier": "{serial_lunid}" + d.Serial + "_5000c500", "name": d.Name, "subsystem": "scsi", "number": 2048 + i, "serial": d.Serial, "lunid": "5000c500", "size": d.Size, "description": "", "transfermode": "Auto",
		"hddstandby": "ALWAYS ON", "advpowermgmt": "DISABLED", "expiretime": nil, "model": d.Model, "rotationrate": rotation, "type": d.Type, "zfs_guid": guid, "bus": bus, "devname": d.Name, "enclosure": nil, "pool": pool}
	if c.API < call.V2510 {
		row["togglesmart"], row["smartoptions"] = true, ""
	}
	if c.API >= call.V26 {
		row["sed"] = false
	}
	return row
}
