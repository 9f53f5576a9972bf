package find

import (
	"context"
	"slices"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/erpnext/access"
	"drawbridge/internal/servers/erpnext/api"
	"drawbridge/internal/servers/erpnext/show"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/kit/pattern"
)

// ListDoctypesIn is the input of list_doctypes.
type ListDoctypesIn struct {
	Query    string `json:"query,omitempty" jsonschema:"Part of a name."`
	Module   string `json:"module,omitempty" jsonschema:"Selling, Stock, Accounts, CRM."`
	Children bool   `json:"include_child,omitempty" jsonschema:"Row types of tables, too."`
	kit.PageIn
}

// ListDoctypes lists DocTypes. Most users may not list them, but everybody may search
// them.
func (t Tools) ListDoctypes(ctx context.Context, c *kit.Call, in ListDoctypesIn) (access.Table, error) {
	w, err := in.Window(show.Rows)
	if err != nil {
		return access.Table{}, err
	}
	s, err := t.Session(ctx, c)
	if err != nil {
		return access.Table{}, err
	}
	columns := []string{"name", "module", "is_submittable", "istable"}
	q := api.Query{Fields: columns, OrderBy: "name asc", Start: w.Offset, Limit: w.Limit}
	if in.Query != "" {
		q.Filters = append(q.Filters, []any{"name", "like", "%" + in.Query + "%"})
	}
	if in.Module != "" {
		q.Filters = append(q.Filters, []any{"module", "=", in.Module})
	}
	if !in.Children {
		q.Filters = append(q.Filters, []any{"istable", "=", 0})
	}
	rows, more, err := s.List(ctx, "DocType", q)
	if api.Is(err, "PermissionError") {
		return t.searchDoctypes(ctx, c, s, in.Query)
	}
	if err != nil {
		return access.Table{}, err
	}
	return access.Sifted(c, w, columns, rows, more, func(r api.Doc) bool { return t.Allows(r.Text("name")) }), nil
}

func (t Tools) searchDoctypes(ctx context.Context, c *kit.Call, s api.Session, query string) (access.Table, error) {
	found, err := s.Search(ctx, "DocType", query, nil, kit.MostItems)
	if err != nil {
		return access.Table{}, err
	}
	var rows []api.Doc
	for _, f := range found {
		if t.Allows(f.Value) {
			rows = append(rows, api.Doc{"name": f.Value})
		}
	}
	return access.Tabled(c, kit.Window{Limit: kit.MostItems}, []string{"name"}, rows, false), nil
}

type filtersIn struct {
	Filters [][]any `json:"filters,omitempty" jsonschema:"[[field, operator, value]]: = != > < >= <= like in, between, is set."`
}

type listIn struct {
	access.DoctypeIn
	Fields []string `json:"fields,omitempty" jsonschema:"Instead of the usual columns."`
	filtersIn
	Or     [][]any `json:"or_filters,omitempty" jsonschema:"One of these must hold, too."`
	Order  string  `json:"order_by,omitempty" jsonschema:"creation desc"`
	Parent string  `json:"parent,omitempty" jsonschema:"For rows of a table: DocType of the document around them."`
	Count  bool    `json:"with_count,omitempty" jsonschema:"Count all."`
	kit.PageIn
}

func (t Tools) listDocuments(ctx context.Context, c *kit.Call, in listIn) (out access.Table, err error) {
	w, err := in.Window(show.Rows)
	if err != nil {
		return out, err
	}
	s, err := t.Open(ctx, c, in.Doctype)
	if err != nil {
		return out, err
	}
	if in.Parent != "" {
		if err := t.Check(in.Parent); err != nil {
			return out, err
		}
	}
	if in.Count && (in.Parent != "" || len(in.Or) > 0) {
		return out, fault.New(fault.Invalid, "ERPNext counts neither rows of tables nor with or_filters. Leave with_count out.")
	}
	q := api.Query{Fields: in.Fields, OrFilters: in.Or, OrderBy: in.Order, Start: w.Offset, Limit: w.Limit, Parent: in.Parent}
	if err := t.checkQuery(ctx, c, s, in); err != nil {
		return out, err
	}
	if q.Filters, err = t.Scope(ctx, c, s, in.Doctype, in.Parent, in.Filters); err != nil {
		return out, err
	}
	if len(q.Fields) == 0 {
		if q.Fields, err = t.columns(ctx, c, s, in.Doctype); err != nil {
			return out, err
		}
	}
	rows, more, err := s.List(ctx, in.Doctype, q)
	if err != nil {
		return out, t.childHint(ctx, c, s, in, err)
	}
	out = access.Tabled(c, w, columnsOf(q.Fields, rows), rows, more)
	if in.Count {
		n, err := s.Count(ctx, in.Doctype, q.Filters)
		if err != nil {
			return out, err
		}
		out.Count = &n
	}
	return out, nil
}

// mostColumns bounds the columns of a list where none are named.
const mostColumns = 9

// columns are what lists of a DocType show by themselves.
func (t Tools) columns(ctx context.Context, c *kit.Call, s api.Session, doctype string) ([]string, error) {
	b, err := t.Meta(ctx, c, s, doctype)
	if err != nil {
		return nil, err
	}
	names := []string{"name"}
	add := func(field string) {
		if f, ok := b.Field(field); ok && !f.IsTable() && len(names) < mostColumns && !slices.Contains(names, field) {
			names = append(names, field)
		}
	}
	add(string(b.TitleField))
	for _, f := range b.Fields {
		if f.InList {
			add(f.Name)
		}
	}
	for _, field := range []string{"status", "company", "grand_total", "currency"} {
		add(field)
	}
	if b.Submittable {
		names = append(names, "docstatus")
	}
	return append(names, "modified"), nil
}

// columnsOf are the columns of what came: those asked for, and those behind a star.
func columnsOf(fields []string, rows []api.Doc) []string {
	if !slices.Contains(fields, "*") {
		out := make([]string, len(fields))
		for i, f := range fields {
			out[i] = strings.Trim(f[strings.LastIndexByte(f, '.')+1:], "`")
		}
		return out
	}
	var out []string
	for _, row := range rows {
		for _, name := range show.Names(show.Document(row)) {
			if !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return append([]string{"name"}, out...)
}

// childHint says what lists of rows need.
func (t Tools) childHint(ctx context.Context, c *kit.Call, s api.Session, in listIn, err error) error {
	if in.Parent != "" || !api.Is(err, "PermissionError") {
		return err
	}
	b, metaErr := t.Meta(ctx, c, s, in.Doctype)
	if metaErr != nil || !bool(b.Table) {
		return err
	}
	return access.Say(err, fault.Invalid, "%s are rows of other documents. Name the DocType of those documents in parent, or read a document with get_document.", in.Doctype)
}

// Rules of what a query may name: fields, fields of linked documents and of tables.
var (
	fieldRule = pattern.New("^(?:\\*|[A-Za-z_][A-Za-z0-9_]*|[a-z_][a-z0-9_]*\\.[a-z_][a-z0-9_]*|`tab[^`]{1,140}`\\.`?[a-z_][a-z0-9_]*`?)$")
	orderRule = pattern.New("^[a-zA-Z_][A-Za-z0-9_]*(?: (?i:asc|desc))?(?:, ?[a-zA-Z_][A-Za-z0-9_]*(?: (?i:asc|desc))?)*$")
)

// checkQuery refuses what is no field, and what would lead to a DocType that the
// operator does not let the server touch.
func (t Tools) checkQuery(ctx context.Context, c *kit.Call, s api.Session, in listIn) error {
	if in.Order != "" && !orderRule().MatchString(in.Order) {
		return fault.New(fault.Invalid, "order_by is not of the form: creation desc. Name fields, each with asc or desc.")
	}
	fields := slices.Clone(in.Fields)
	for _, f := range slices.Concat(in.Filters, in.Or) {
		if len(f) != 3 && len(f) != 4 {
			return fault.New(fault.Invalid, `A filter is not of the form ["status", "=", "Open"]. Give field, operator and value.`)
		}
		if len(f) == 4 {
			doctype, _ := f[0].(string)
			if err := t.Check(doctype); err != nil {
				return err
			}
		}
		field, _ := f[len(f)-3].(string)
		fields = append(fields, field)
	}
	for _, f := range fields {
		if !fieldRule().MatchString(f) {
			return fault.New(fault.Invalid, "%q is not the name of a field. get_doctype has the names.", show.Clip(f, 60))
		}
		if err := t.Reaches(ctx, c, s, in.Doctype, f); err != nil {
			return err
		}
	}
	return nil
}

type countIn struct {
	access.DoctypeIn
	filtersIn
}

type countOut struct {
	Count int `json:"count"`
}

func (t Tools) countDocuments(ctx context.Context, c *kit.Call, in countIn) (out countOut, err error) {
	s, err := t.Open(ctx, c, in.Doctype)
	if err != nil {
		return out, err
	}
	if err := t.checkQuery(ctx, c, s, listIn{DoctypeIn: in.DoctypeIn, filtersIn: in.filtersIn}); err != nil {
		return out, err
	}
	filters, err := t.Scope(ctx, c, s, in.Doctype, "", in.Filters)
	if err != nil {
		return out, err
	}
	out.Count, err = s.Count(ctx, in.Doctype, filters)
	return out, err
}

type searchIn struct {
	access.DoctypeIn
	Text string `json:"text,omitempty" jsonschema:"What to find; empty for some."`
	filtersIn
	Limit int `json:"limit,omitempty" jsonschema:"At most." min:"1" max:"50"`
}

func (t Tools) searchLink(ctx context.Context, c *kit.Call, in searchIn) (out access.Table, err error) {
	s, err := t.Open(ctx, c, in.Doctype)
	if err != nil {
		return out, err
	}
	if err := t.checkQuery(ctx, c, s, listIn{DoctypeIn: in.DoctypeIn, filtersIn: in.filtersIn}); err != nil {
		return out, err
	}
	filters, err := t.Scope(ctx, c, s, in.Doctype, "", in.Filters)
	if err != nil {
		return out, err
	}
	limit := in.Limit
	if limit == 0 {
		limit = 10
	}
	found, err := s.Search(ctx, in.Doctype, in.Text, filters, limit)
	if err != nil {
		return out, err
	}
	var rows []api.Doc
	for _, f := range found[:min(len(found), limit)] {
		rows = append(rows, api.Doc{"value": f.Value, "label": f.Label, "description": show.Words(f.Description)})
	}
	return access.Tabled(c, kit.Window{Limit: limit}, []string{"value", "label", "description"}, rows, false), nil
}
