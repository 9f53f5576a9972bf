package storage

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"drawbridge/internal/servers/truenas/fake/call"
	"drawbridge/internal/servers/truenas/fake/nas"
)

// datasetRows are all datasets, flat unless extra.flat is false, with their children in
// them unless extra.retrieve_children is.
func datasetRows(c *call.Call) []Row {
	spaces := c.NAS.Spaces()
	rows := make([]Row, len(c.NAS.Datasets))
	for i, d := range c.NAS.Datasets {
		rows[i] = datasetRow(c, d, spaces[d.ID])
	}
	if c.Extra("retrieve_children") != false {
		graft(rows)
	}
	if c.Extra("flat") == false {
		rows = slices.DeleteFunc(rows, func(r Row) bool { return strings.Contains(r["id"].(string), "/") })
	}
	return rows
}

// graft puts rows into the children of their parents. Parents come before their children.
func graft(rows []Row) {
	by := map[string]Row{}
	for _, r := range rows {
		id := r["id"].(string)
		by[id] = r
		if i := strings.LastIndexByte(id, '/'); i > 0 {
			if parent := by[id[:i]]; parent != nil {
				parent["children"] = append(parent["children"].([]any), r)
			}
		}
	}
}

// prop is a property of ZFS as the wire has it.
func prop(raw string, parsed any, value, source string) Row {
	return Row{"parsed": parsed, "rawvalue": raw, "value": value, "source": source, "source_info": nil}
}

func bytes(n int64, source string) Row { return prop(fmt.Sprint(n), n, human(n), source) }

// human is a size as ZFS writes it.
func human(n int64) string {
	f, units := float64(n), "BKMGTP"
	i := 0
	for f >= 1024 && i < len(units)-1 {
		f, i = f/1024, i+1
	}
	if i == 0 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%.3g%c", f, units[i])
}

// defaults of properties that a dataset may have been given.
var defaults = map[string]string{"compression": "LZ4", "readonly": "OFF", "atime": "OFF", "sync": "STANDARD", "deduplication": "OFF", "exec": "ON", "checksum": "ON", "copies": "1", "snapdir": "HIDDEN", "recordsize": "128K", "acltype": "POSIX", "aclmode": "DISCARD"}

// datasetRow is PoolDatasetEntry.
func datasetRow(c *call.Call, d *nas.Dataset, sp *nas.Space) Row {
	pool, _, _ := strings.Cut(d.ID, "/")
	row := Row{"id": d.ID, "name": d.ID, "pool": pool, "type": "FILESYSTEM", "encrypted": d.Encrypted, "encryption_root": nil, "key_loaded": nil, "locked": d.Locked, "children": []any{}, "user_properties": Row{}, "mountpoint": "/mnt/" + d.ID}
	if d.Encrypted {
		row["encryption_root"], row["key_loaded"] = d.ID, !d.Locked
	}
	props := Row{"used": bytes(sp.Used(), "NONE"), "available": bytes(sp.Available, "NONE"), "usedbydataset": bytes(sp.Own, "NONE"), "usedbysnapshots": bytes(sp.Snapshots, "NONE"), "usedbychildren": bytes(sp.Children, "NONE"), "usedbyrefreservation": bytes(0, "NONE"),
		"compressratio": prop("1.12", "1.12", "1.12x", "NONE"), "creation": prop(fmt.Sprint(d.Created.Unix()), call.Date(d.Created), d.Created.Format("Mon Jan 2 15:04 2006"), "NONE"), "origin": prop(d.Origin, d.Origin, d.Origin, "NONE")}
	for _, name := range []string{"quota", "refquota", "reservation", "refreservation"} {
		n, _ := strconv.ParseInt(d.Props[name], 10, 64)
		if props[name] = bytes(n, "LOCAL"); n == 0 {
			props[name] = prop("0", nil, "", "DEFAULT")
		}
	}
	for name, def := range defaults {
		value, source := d.Props[name], "LOCAL"
		if value == "" {
			value, source = def, "DEFAULT"
		}
		props[name] = prop(strings.ToLower(value), parsed(value), value, source)
	}
	for _, name := range []string{"comments", "quota_warning", "quota_critical", "refquota_warning", "refquota_critical", "managedby"} {
		if v := d.Props[name]; v != "" {
			props[name] = prop(v, v, v, "LOCAL")
		}
	}
	if d.Volume {
		n, _ := strconv.ParseInt(d.Props["volsize"], 10, 64)
		row["type"], row["mountpoint"] = "VOLUME", nil
		props["volsize"], props["volblocksize"] = bytes(n, "LOCAL"), prop("16384", 16384, "16K", "DEFAULT")
		for _, no := range []string{"recordsize", "quota", "refquota", "atime", "acltype", "aclmode"} {
			delete(props, no)
		}
	}
	wanted, chosen := c.Extra("properties").([]any)
	for name, p := range props {
		if !chosen || slices.Contains(wanted, any(name)) {
			row[name] = p
		}
	}
	return row
}

func parsed(value string) any {
	switch value {
	case "ON":
		return true
	case "OFF":
		return false
	}
	return strings.ToLower(value)
}
