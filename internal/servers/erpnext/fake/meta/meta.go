// Package meta knows what documents look like: doctypes with fields, child tables and
// permissions, read from a text that people can edit, and shown as Frappe shows a
// DocType. Only the fake uses it.
//
// The text has one block per doctype:
//
//	= Sales Order | Selling | autoname=naming_series: submit title=customer_name search=status,customer
//	: Sales User | read write create submit cancel amend delete report
//	+ selling
//	customer | Link | Customer | Customer | reqd list
//
// where ":" is a permission, "+" takes in a group that an earlier "@ selling" block
// defined, and a field is fieldname | fieldtype | options | label | flags. Options of a
// Select are separated by "/".
package meta

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Field is a DocField.
type Field struct {
	Name, Type, Options, Label string
	Default, FetchFrom         string
	Level                      int
	flags                      []string
}

// Is reads a flag: reqd, ro, list, aos (allow on submit), nc (no copy), once (set only
// once), nn (non negative), iup (ignore user permissions), hidden, unique.
func (f *Field) Is(flag string) bool { return slices.Contains(f.flags, flag) }

// IsTable tells fields with rows from fields with values.
func (f *Field) IsTable() bool { return f.Type == "Table" || f.Type == "Table MultiSelect" }

// IsColumn tells fields that are stored from those that only lay out a form.
func (f *Field) IsColumn() bool {
	return !f.IsTable() && !slices.Contains([]string{"Section Break", "Column Break", "Tab Break", "HTML", "Button"}, f.Type)
}

// IsNumber tells fields that hold a number with a fraction.
func (f *Field) IsNumber() bool {
	return f.Type == "Float" || f.Type == "Currency" || f.Type == "Percent"
}

// IsWhole tells fields that hold a number without one.
func (f *Field) IsWhole() bool { return f.Type == "Int" || f.Type == "Check" }

// Perm is a DocPerm.
type Perm struct {
	Role    string
	Level   int
	IfOwner bool
	rights  []string
}

// Has tells whether the rule gives a right.
func (p *Perm) Has(right string) bool {
	return slices.Contains(p.rights, right) || right == "select" && slices.Contains(p.rights, "read")
}

// DocType is one.
type DocType struct {
	Name, Module, AutoName  string
	Title, Search, TreeOf   string // title_field, search_fields, field of the parent in a tree
	Table, Single, Submits  bool
	ShowTitle, TrackChanges bool
	Fields                  []Field
	Perms                   []Perm
}

// Field finds a field, or nil.
func (d *DocType) Field(name string) *Field {
	for i := range d.Fields {
		if d.Fields[i].Name == name {
			return &d.Fields[i]
		}
	}
	return nil
}

// Label is get_label.
func (d *DocType) Label(name string) string {
	if f := d.Field(name); f != nil {
		return f.Label
	}
	return name
}

// Tables are the fields with rows.
func (d *DocType) Tables() []*Field { return d.where((*Field).IsTable) }

// Links are the Link fields.
func (d *DocType) Links() []*Field {
	return d.where(func(f *Field) bool { return f.Type == "Link" })
}

// Columns are the fields that are stored.
func (d *DocType) Columns() []*Field { return d.where((*Field).IsColumn) }

func (d *DocType) where(keep func(*Field) bool) []*Field {
	var found []*Field
	for i := range d.Fields {
		if keep(&d.Fields[i]) {
			found = append(found, &d.Fields[i])
		}
	}
	return found
}

// Standard are the columns of every table, Child those of rows beside.
func Standard() []string {
	return []string{"name", "creation", "modified", "modified_by", "owner", "docstatus", "idx",
		"_user_tags", "_comments", "_assign", "_liked_by"}
}

// Child are the columns that tie a row to its document.
func Child() []string { return []string{"parent", "parentfield", "parenttype"} }

// HasColumn tells whether a name may stand in a query.
func (d *DocType) HasColumn(name string) bool {
	f := d.Field(name)
	return f != nil && f.IsColumn() || slices.Contains(Standard(), name) || d.Table && slices.Contains(Child(), name)
}

// Registry is all doctypes there are.
type Registry struct {
	byName map[string]*DocType
	names  []string
}

// Get finds a doctype, or nil.
func (r *Registry) Get(name string) *DocType { return r.byName[name] }

// Names are those of all doctypes, in the order of the text.
func (r *Registry) Names() []string { return r.names }

// Parse reads the text.
func Parse(text string) (*Registry, error) {
	r := &Registry{byName: map[string]*DocType{}}
	groups := map[string][]Field{}
	var d *DocType
	group := ""
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		rest := strings.TrimSpace(line[1:])
		switch line[0] {
		case '=':
			d, group = parseDocType(rest), ""
			r.byName[d.Name] = d
			r.names = append(r.names, d.Name)
		case '@':
			group = rest
		case ':':
			d.Perms = append(d.Perms, parsePerm(rest))
		case '+':
			if groups[rest] == nil {
				return nil, fmt.Errorf("line %d: no group %q", i+1, rest)
			}
			d.Fields = append(d.Fields, groups[rest]...)
		default:
			f, err := parseField(line)
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", i+1, err)
			}
			if group != "" {
				groups[group] = append(groups[group], f)
				continue
			}
			d.Fields = append(d.Fields, f)
		}
	}
	return r, r.check()
}

func (r *Registry) check() error {
	for _, name := range r.names {
		for _, f := range r.byName[name].Fields {
			if (f.Type == "Link" || f.IsTable()) && r.byName[f.Options] == nil {
				return fmt.Errorf("%s.%s: no doctype %q", name, f.Name, f.Options)
			}
		}
	}
	return nil
}

func cut(line string) []string {
	parts := strings.Split(line, "|")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return append(parts, make([]string, 5)...)
}

func parseDocType(line string) *DocType {
	parts := cut(line)
	d := &DocType{Name: parts[0], Module: parts[1]}
	for word := range strings.FieldsSeq(parts[2]) {
		key, value, _ := strings.Cut(word, "=")
		value = strings.ReplaceAll(value, "~", " ")
		switch key {
		case "autoname":
			d.AutoName = value
		case "title":
			d.Title = value
		case "search":
			d.Search = value
		case "tree":
			d.TreeOf = value
		case "table":
			d.Table = true
		case "single":
			d.Single = true
		case "submit":
			d.Submits = true
		case "showtitle":
			d.ShowTitle = true
		case "track":
			d.TrackChanges = true
		}
	}
	return d
}

func parsePerm(line string) Perm {
	parts := cut(line)
	p := Perm{Role: parts[0]}
	for word := range strings.FieldsSeq(parts[1]) {
		switch {
		case word == "owner":
			p.IfOwner = true
		case strings.HasPrefix(word, "level"):
			p.Level, _ = strconv.Atoi(word[len("level"):])
		default:
			p.rights = append(p.rights, word)
		}
	}
	return p
}

func parseField(line string) (Field, error) {
	parts := cut(line)
	f := Field{Name: parts[0], Type: parts[1], Options: parts[2], Label: parts[3]}
	if f.Type == "" {
		return f, fmt.Errorf("field %q without a type", f.Name)
	}
	if f.Type == "Select" {
		f.Options = strings.ReplaceAll(f.Options, "/", "\n")
	}
	for word := range strings.FieldsSeq(parts[4]) {
		key, value, given := strings.Cut(word, "=")
		value = strings.ReplaceAll(value, "~", " ")
		switch {
		case !given:
			f.flags = append(f.flags, key)
		case key == "def":
			f.Default = value
		case key == "from":
			f.FetchFrom = value
		case key == "level":
			f.Level, _ = strconv.Atoi(value)
		default:
			return f, fmt.Errorf("field %q: what is %q", f.Name, word)
		}
	}
	return f, nil
}
