// Package query is get_list: fields, filters, order, groups and pages over the documents
// of a site, with the permissions of whoever asks. Only the fake uses it.
//
// Sources: frappe/client.py get_list, frappe/model/db_query.py (versions up to 15),
// frappe/database/query.py (16), ref 2.1 for the operators.
package query

import (
	"fmt"
	"slices"
	"strings"

	"drawbridge/internal/servers/erpnext/fake/exc"
	"drawbridge/internal/servers/erpnext/fake/meta"
	"drawbridge/internal/servers/erpnext/fake/site"
)

// Args are those of get_list. Fields and filters come as decoded JSON.
type Args struct {
	Doctype            string
	Fields             any
	Filters, OrFilters any
	OrderBy, GroupBy   string
	Start, Limit       int // a limit of 0 is none
	Parent             string
	AsList, Free       bool // Free: whoever asks may see all of it
}

// record is a document, with one row of it where a child table is joined.
type record struct{ doc, row site.Obj }

// run is one query on its way.
type run struct {
	s     *site.Site
	d     *meta.DocType
	args  Args
	child *meta.DocType // that is joined
	table string        // the field it hangs on
}

// List answers one. The result is a list of objects, or of lists.
func List(s *site.Site, ss *site.Session, a Args) ([]any, error) {
	r, found, err := find(s, ss, a)
	if err != nil {
		return nil, err
	}
	picks, err := r.picks(ss)
	if err != nil {
		return nil, err
	}
	if found, err = r.sort(ss, found, picks); err != nil {
		return nil, err
	}
	groups, err := r.group(ss, found, picks)
	if err != nil {
		return nil, err
	}
	groups = groups[min(max(a.Start, 0), len(groups)):]
	if a.Limit > 0 {
		groups = groups[:min(a.Limit, len(groups))]
	}
	rows := []any{}
	for _, g := range groups {
		rows = append(rows, r.show(picks, g))
	}
	return rows, nil
}

// Count is how many a List without a limit has.
func Count(s *site.Site, ss *site.Session, a Args) (int, error) {
	r, found, err := find(s, ss, a)
	if err != nil {
		return 0, err
	}
	if r.child == nil {
		return len(found), nil
	}
	names := map[string]bool{}
	for _, f := range found {
		names[site.Text(f.doc, "name")] = true
	}
	return len(names), nil
}

func find(s *site.Site, ss *site.Session, a Args) (*run, []record, error) {
	d, err := s.Meta(a.Doctype)
	if err != nil {
		return nil, nil, err
	}
	r := &run{s: s, d: d, args: a}
	if err := r.admit(ss); err != nil {
		return nil, nil, err
	}
	all, err := r.conditions(ss, a.Filters)
	if err != nil {
		return nil, nil, err
	}
	some, err := r.conditions(ss, a.OrFilters)
	if err != nil {
		return nil, nil, err
	}
	r.joins()
	var found []record
	limits := s.Limits(ss.User, d)
	r.each(func(rec record) {
		if !a.Free && !s.InList(ss.User, d, rec.doc, limits) {
			return
		}
		for _, c := range all {
			if !c.holds(r, rec) {
				return
			}
		}
		if len(some) > 0 && !slices.ContainsFunc(some, func(c condition) bool { return c.holds(r, rec) }) {
			return
		}
		found = append(found, rec)
	})
	return r, found, nil
}

// admit refuses who may not list the doctype at all. A child doctype is listed with the
// rights of a parent that must be named (ref 2.1: 403 without parent).
func (r *run) admit(ss *site.Session) error {
	if r.args.Free || ss.User.Admin && !r.d.Table {
		return nil
	}
	if r.d.Table {
		parent := r.s.Reg.Get(r.args.Parent)
		if parent == nil || !slices.ContainsFunc(parent.Tables(), func(f *meta.Field) bool { return f.Options == r.d.Name }) {
			return exc.Raise(exc.Permission, "")
		}
		if ok, _ := r.s.May(ss.User, parent, "read", nil); !ok {
			return exc.Raise(exc.Permission, "")
		}
		return nil
	}
	_, whySelect := r.s.May(ss.User, r.d, "select", nil)
	ok, why := r.s.May(ss.User, r.d, "read", nil)
	if ok || whySelect == nil {
		return nil
	}
	e := exc.Raise(exc.Permission, "%s", r.d.Name)
	e.Flag = "Insufficient Permission for " + exc.Bold(r.d.Name)
	e.Messages = []exc.Message{exc.Said("%s", whySelect[0]), exc.Said("%s", why[0])}
	if r.s.Version >= 16 {
		return exc.Throw(exc.Permission, "", "Insufficient Permission for %s", exc.Bold(r.d.Name))
	}
	return e
}

func (r *run) each(see func(record)) {
	one := func(doc site.Obj) bool {
		if r.child == nil {
			see(record{doc: doc})
			return true
		}
		rows := site.Rows(doc, r.table)
		for _, row := range rows {
			see(record{doc, row})
		}
		if len(rows) == 0 { // a left join
			see(record{doc: doc})
		}
		return true
	}
	switch {
	case r.d.Table:
		r.s.EachRow(r.d.Name, one)
	case r.d.Name == "DocType":
		for _, name := range r.s.Reg.Names() {
			one(r.s.Reg.Get(name).Show(false))
		}
	default:
		r.s.Each(r.d.Name, one)
	}
}

// joins finds the child table that fields speak of.
func (r *run) joins() {
	fields, _ := r.args.Fields.([]any)
	for _, f := range fields {
		if text, is := f.(string); is {
			_, _, _ = r.locate(bare(text))
		}
	}
}

// ref is a column somewhere: of the document, of the joined row, or behind a link.
type ref struct {
	column string
	row    bool
	link   *meta.Field
}

// locate reads `tabX`.`y`, x.y and y, and joins a child table where one is meant.
func (r *run) locate(text string) (ref, *meta.DocType, bool) {
	text = strings.NewReplacer("`", "", `"`, "").Replace(strings.TrimSpace(text))
	table, column, dotted := strings.Cut(text, ".")
	if !dotted {
		return ref{column: text}, r.d, r.d.HasColumn(text)
	}
	doctype := strings.TrimPrefix(table, "tab")
	if strings.HasPrefix(table, "tab") && doctype == r.d.Name {
		return ref{column: column}, r.d, r.d.HasColumn(column)
	}
	for _, f := range r.d.Tables() {
		if f.Name == table || strings.HasPrefix(table, "tab") && f.Options == doctype {
			return r.join(f, column)
		}
	}
	if f := r.d.Field(table); f != nil && f.Type == "Link" {
		target := r.s.Reg.Get(f.Options)
		return ref{column: column, link: f}, target, target.HasColumn(column)
	}
	return ref{}, nil, false
}

func (r *run) join(f *meta.Field, column string) (ref, *meta.DocType, bool) {
	child := r.s.Reg.Get(f.Options)
	r.child, r.table = child, f.Name
	return ref{column: column, row: true}, child, child.HasColumn(column)
}

func (r *run) value(at ref, rec record) any {
	switch {
	case at.link != nil:
		if doc := r.s.Get(at.link.Options, site.Text(rec.doc, at.link.Name)); doc != nil {
			return doc[at.column]
		}
		return nil
	case at.row:
		return rec.row[at.column]
	}
	return rec.doc[at.column]
}

// unknownColumn is what MariaDB says.
func unknownColumn(name, where string) error {
	return exc.Raise(exc.Operational, `(1054, "Unknown column '%s' in '%s'")`, name, where)
}

func closed(doctype, field string) error {
	return exc.Throw(exc.Permission, "Permission Error", "You do not have permission to access field: %s", exc.Bold(doctype+"."+field))
}

// decimal makes of a number what a sum is.
func decimal(f float64) any { return meta.Float(f) }

// bare takes "as x" off.
func bare(text string) string {
	if i := strings.LastIndex(strings.ToLower(text), " as "); i > 0 {
		return text[:i]
	}
	return text
}

// plain is how a group is told from another.
func plain(v any) string { return strings.ToLower(fmt.Sprint(v)) }
