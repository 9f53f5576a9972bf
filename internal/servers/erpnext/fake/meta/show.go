package meta

import (
	"strconv"
	"strings"
)

// Obj is a JSON object: a document, a row, a shape.
type Obj = map[string]any

// Float is a number of a Float, Currency or Percent field. Python writes 5.0 where Go
// would write 5, and a client must be able to read that.
type Float float64

// MarshalJSON writes it with a point.
func (f Float) MarshalJSON() ([]byte, error) {
	s := strconv.FormatFloat(float64(f), 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return []byte(s), nil
}

// Bit is a Check.
func Bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Show is the DocType as a document (frappe/core/doctype/doctype, docfield, docperm:
// the members that are always there). noNulls leaves out what is not set.
func (d *DocType) Show(noNulls bool) Obj {
	o := Obj{"doctype": "DocType", "name": d.Name, "owner": "Administrator", "creation": "2024-01-15 10:00:00.000000",
		"modified": "2026-06-01 09:30:00.000000", "modified_by": "Administrator", "docstatus": 0, "idx": 0,
		"module": d.Module, "istable": Bit(d.Table), "issingle": Bit(d.Single), "is_submittable": Bit(d.Submits),
		"is_tree": Bit(d.TreeOf != ""), "is_virtual": 0, "custom": 0, "autoname": text(d.AutoName), "title_field": text(d.Title),
		"search_fields": text(d.Search), "show_title_field_in_link": Bit(d.ShowTitle), "track_changes": Bit(d.TrackChanges),
		"naming_rule": text(d.namingRule()), "nsm_parent_field": text(d.TreeOf), "sort_field": "modified", "sort_order": "DESC",
		"engine": "InnoDB", "allow_import": 1, "quick_entry": 0, "editable_grid": Bit(d.Table), "document_type": nil,
		"description": nil, "image_field": nil, "default_print_format": nil}
	fields, perms := []any{}, []any{}
	for i := range d.Fields {
		fields = append(fields, d.Fields[i].show(d.Name, i+1, noNulls))
	}
	for i := range d.Perms {
		perms = append(perms, d.Perms[i].show(d.Name, i+1))
	}
	o["fields"], o["permissions"], o["actions"], o["links"], o["states"] = fields, perms, []any{}, []any{}, []any{}
	return nulls(o, noNulls)
}

func (d *DocType) namingRule() string {
	switch {
	case strings.HasPrefix(d.AutoName, "naming_series"):
		return `By "Naming Series" field`
	case strings.HasPrefix(d.AutoName, "field:"):
		return "By fieldname"
	case d.AutoName == "prompt":
		return "Set by user"
	case d.AutoName == "hash":
		return "Random"
	}
	return ""
}

func (f *Field) show(parent string, idx int, noNulls bool) Obj {
	o := Obj{"doctype": "DocField", "name": strings.ToLower(strings.ReplaceAll(parent, " ", "")) + strconv.Itoa(idx),
		"parent": parent, "parentfield": "fields", "parenttype": "DocType", "idx": idx, "docstatus": 0,
		"fieldname": f.Name, "fieldtype": f.Type, "label": text(f.Label), "options": text(f.Options),
		"reqd": Bit(f.Is("reqd")), "read_only": Bit(f.Is("ro")), "hidden": Bit(f.Is("hidden")), "in_list_view": Bit(f.Is("list")),
		"in_standard_filter": 0, "in_global_search": 0, "in_preview": 0, "in_filter": 0, "bold": 0, "collapsible": 0,
		"allow_on_submit": Bit(f.Is("aos")), "no_copy": Bit(f.Is("nc")), "set_only_once": Bit(f.Is("once")),
		"non_negative": Bit(f.Is("nn")), "unique": Bit(f.Is("unique")), "search_index": 0, "permlevel": f.Level,
		"ignore_user_permissions": Bit(f.Is("iup")), "ignore_xss_filter": 0, "allow_bulk_edit": 0, "allow_in_quick_entry": 0,
		"print_hide": 0, "report_hide": 0, "remember_last_selected_value": 0, "translatable": 0, "hide_border": 0, "hide_days": 0,
		"hide_seconds": 0, "length": 0, "columns": 0, "default": text(f.Default), "fetch_from": text(f.FetchFrom), "fetch_if_empty": 0,
		"description": nil, "depends_on": nil, "mandatory_depends_on": nil, "read_only_depends_on": nil, "precision": "",
		"width": nil, "oldfieldname": nil, "oldfieldtype": nil, "placeholder": nil, "is_virtual": 0}
	return nulls(o, noNulls)
}

func (p *Perm) show(parent string, idx int) Obj {
	o := Obj{"doctype": "DocPerm", "name": "perm" + strconv.Itoa(idx), "parent": parent, "parentfield": "permissions",
		"parenttype": "DocType", "idx": idx, "docstatus": 0, "role": p.Role, "permlevel": p.Level, "if_owner": Bit(p.IfOwner)}
	for _, right := range Rights() {
		o[right] = Bit(p.Has(right))
	}
	return o
}

// Rights are those of frappe/permissions.py.
func Rights() []string {
	return []string{"select", "read", "write", "create", "delete", "submit", "cancel", "amend", "print", "email", "report", "import", "export", "share"}
}

func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func nulls(o Obj, drop bool) Obj {
	for k, v := range o {
		if drop && v == nil {
			delete(o, k)
		}
	}
	return o
}
