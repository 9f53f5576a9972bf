package documents

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/erpnext/access"
	"drawbridge/internal/servers/erpnext/api"
	"drawbridge/internal/servers/erpnext/show"
	"drawbridge/internal/servers/kit"
)

// own are members that ERPNext sets itself.
var own = []string{"docstatus", "owner", "creation", "modified", "modified_by", "doctype", "parent", "parenttype", "parentfield", "amended_from"}

// check refuses values that ERPNext would drop or that other tools are for.
func (t Tools) check(b *api.Bundle, values api.Doc) error {
	if len(values) == 0 {
		return fault.New(fault.Invalid, "There are no values. get_doctype with required_only says what %s needs.", b.Name)
	}
	for _, name := range show.Names(values) {
		if err := t.checkField(b, name, values[name]); err != nil {
			return err
		}
	}
	return nil
}

func (t Tools) checkField(b *api.Bundle, name string, value any) error {
	w := b.Workflow()
	switch {
	case slices.Contains(own, name):
		return fault.New(fault.Invalid, "%s is set by ERPNext itself. Leave it out; submit_document, cancel_document and amend_document change where a document stands.", name)
	case name == api.Dispatch:
		return fault.New(fault.Invalid, "%s cannot be set here: Frappe takes it for the name of a function to call. Leave it out.", name)
	case b.Name == "File" && (name == "file_url" || strings.HasPrefix(name, "attached_to_")):
		return fault.New(fault.Invalid, "%s says whose content a file is. Leave it out, and upload the file anew with upload_file.", name)
	case w != nil && name == w.StateField:
		return fault.New(fault.Invalid, "%s is the state of a workflow. Leave it out; apply_workflow_action changes it.", name)
	case name == "name", name == "naming_series":
		return nil
	}
	f, ok := b.Field(name)
	if !ok {
		return unknown(&b.Meta, name)
	}
	if !f.IsTable() {
		switch value.(type) {
		case []any, map[string]any:
			return fault.New(fault.Invalid, "%s (%s) takes one value and not a list or an object. Send it as ERPNext shows it.", name, f.Type)
		}
		return nil
	}
	if err := t.Shows(string(f.Options)); err != nil {
		return err
	}
	return checkRows(f, b.Child(name), value)
}

func checkRows(f api.Field, child *api.Meta, value any) error {
	list, ok := value.([]any)
	if !ok {
		return fault.New(fault.Invalid, "%s is a table. Send a list of rows, each an object of fields.", f.Name)
	}
	for i, one := range list {
		row, ok := one.(map[string]any)
		if !ok {
			return fault.New(fault.Invalid, "Row %d of %s is no object. Send an object of fields.", i+1, f.Name)
		}
		if child == nil {
			continue
		}
		for _, name := range show.Names(row) {
			if _, ok := child.Field(name); !ok && name != "name" && name != "idx" && name != deleteMark {
				return unknown(child, name)
			}
		}
	}
	return nil
}

// unknown names the fields that come near, because models guess.
func unknown(m *api.Meta, name string) error {
	var near []string
	for _, f := range m.Fields {
		if len(near) < 5 && (strings.Contains(f.Name, name) || strings.Contains(name, f.Name) || strings.EqualFold(f.Label, strings.ReplaceAll(name, "_", " "))) {
			near = append(near, f.Name)
		}
	}
	hint := "get_doctype has the names."
	if len(near) > 0 {
		hint = "Did you mean " + strings.Join(near, ", ") + "? " + hint
	}
	return fault.New(fault.Invalid, "%s has no field %q, so nothing was sent. %s", m.Name, show.Clip(name, 60), hint)
}

// missing are the fields that need a value and have none, as far as they are known
// here: ERPNext fills many in itself.
func missing(b *api.Bundle, values api.Doc) []string {
	var out []string
	for _, f := range b.Fields {
		value, given := values[f.Name]
		if bool(f.Required) && f.Default == "" && f.FetchFrom == "" && f.Name != "naming_series" && (!given || show.Empty(value)) {
			out = append(out, titled(f))
			continue
		}
		child := b.Child(f.Name)
		if child == nil {
			continue
		}
		for i, row := range values.Rows(f.Name) {
			for _, below := range child.Fields {
				if bool(below.Required) && !bool(below.ReadOnly) && below.Default == "" && below.FetchFrom == "" && show.Empty(row[below.Name]) {
					out = append(out, fmt.Sprintf("%s row %d: %s", f.Name, i+1, titled(below)))
				}
			}
		}
	}
	return out
}

// titled is a field by its name and its label.
func titled(f api.Field) string {
	if f.Label == "" {
		return f.Name
	}
	return fmt.Sprintf("%s (%s)", f.Name, show.Clip(show.Words(f.Label), 80))
}

// needs turns a MandatoryError into the fields it is about, by name and label. ERPNext
// tells the names only where it shows traces, and else the labels in its messages.
func (t Tools) needs(ctx context.Context, c *kit.Call, s api.Session, doctype string, values api.Doc, err error) error {
	if !api.Is(err, "MandatoryError") {
		return err
	}
	b, metaErr := t.Meta(ctx, c, s, doctype)
	if metaErr != nil {
		return err
	}
	r, _ := api.RefusalOf(err)
	named := byName(b, r.Fields())
	if labels := byLabel(b, r.Words); len(labels) >= len(named) {
		named = labels
	}
	if len(named) == 0 && len(r.Words) == 0 {
		named = missing(b, values)
	}
	if len(named) == 0 { // a rule of its own, which its words tell
		return err
	}
	return access.Say(err, fault.Invalid, "%s needs %s, so nothing was saved. Give a value and call again.%s", doctype, strings.Join(named, ", "), access.Quote(c, r))
}

func byName(b *api.Bundle, names []string) (out []string) {
	for _, name := range names {
		f, ok := b.Field(name)
		for _, child := range b.Children {
			if !ok {
				f, ok = child.Field(name)
			}
		}
		if ok {
			out = append(out, titled(f))
		}
	}
	return out
}

// byLabel reads messages such as "Error: Value missing for Customer: Customer Name",
// "... Row #2: Value missing for: Item Code" and "Data missing in table: Items": the
// label stands last, in every language.
func byLabel(b *api.Bundle, words []string) (out []string) {
	for _, one := range words {
		text := show.Words(one)
		label := strings.TrimSpace(text[strings.LastIndexByte(text, ':')+1:])
		row := ""
		if _, after, ok := strings.Cut(text, "#"); ok {
			row, _, _ = strings.Cut(after, ":")
		}
		if found := labelled(b, label, strings.TrimSpace(row)); found != "" && !slices.Contains(out, found) {
			out = append(out, found)
		}
	}
	return out
}

func labelled(b *api.Bundle, label, row string) string {
	same := func(f api.Field) bool { return label != "" && strings.EqualFold(show.Words(f.Label), label) }
	if row == "" {
		if i := slices.IndexFunc(b.Fields, same); i >= 0 {
			return titled(b.Fields[i])
		}
		return ""
	}
	for _, table := range b.Fields {
		if child := b.Child(table.Name); child != nil {
			if i := slices.IndexFunc(child.Fields, same); i >= 0 {
				return fmt.Sprintf("%s row %s: %s", table.Name, show.Clip(row, 10), titled(child.Fields[i]))
			}
		}
	}
	return ""
}
