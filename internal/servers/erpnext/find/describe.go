package find

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

// GetDoctypeIn is the input of get_doctype.
type GetDoctypeIn struct {
	access.DoctypeIn
	Required bool     `json:"required_only,omitempty" jsonschema:"Only fields that need a value, with those of tables."`
	Include  []string `json:"include,omitempty" jsonschema:"permissions, workflow, links"`
}

// GetDoctypeOut is its output.
type GetDoctypeOut struct {
	Doctype     string       `json:"doctype"`
	Module      string       `json:"module"`
	Submittable bool         `json:"submittable,omitempty"`
	Table       bool         `json:"table,omitempty"`
	Single      bool         `json:"single,omitempty"`
	Fields      []fieldOut   `json:"fields"`
	Permissions []string     `json:"permissions,omitempty"`
	Workflow    *workflowOut `json:"workflow,omitempty"`
	Links       []string     `json:"links,omitempty"`

	text string
}

// fieldOut is a field; marks are required, read_only, list, after_submit.
type fieldOut struct {
	Name    string   `json:"fieldname"`
	Label   string   `json:"label"`
	Type    string   `json:"type"`
	Options string   `json:"options,omitempty"`
	Marks   []string `json:"marks,omitempty"`
}

type workflowOut struct {
	Name        string   `json:"name"`
	Field       string   `json:"field"`
	Transitions []string `json:"transitions"`
}

// Text is one line for each field.
func (o GetDoctypeOut) Text() string { return o.text }

// GetDoctype tells what a DocType is made of.
func (t Tools) GetDoctype(ctx context.Context, c *kit.Call, in GetDoctypeIn) (out GetDoctypeOut, err error) {
	for _, part := range in.Include {
		if part != "permissions" && part != "workflow" && part != "links" && part != "fields" {
			return out, fault.New(fault.Invalid, "include takes permissions, workflow and links. Leave the rest out.")
		}
	}
	s, err := t.Open(ctx, c, in.Doctype)
	if err != nil {
		return out, err
	}
	b, err := t.Meta(ctx, c, s, in.Doctype)
	if err != nil {
		return out, err
	}
	out = GetDoctypeOut{Doctype: b.Name, Module: b.Module, Submittable: bool(b.Submittable), Table: bool(b.Table), Single: bool(b.Single)}
	for _, f := range b.Fields {
		if !in.Required || bool(f.Required) || f.RequiredIf != "" {
			out.Fields = append(out.Fields, fieldOf("", f))
		}
		if child := b.Child(f.Name); in.Required && child != nil {
			for _, below := range child.Fields {
				if bool(below.Required && !below.ReadOnly) {
					out.Fields = append(out.Fields, fieldOf(f.Name+"[].", below))
				}
			}
		}
	}
	out.include(b, in.Include)
	out.text = out.lines(c)
	return out, nil
}

// optionsRoom bounds the options of one field.
const optionsRoom = 160

func fieldOf(prefix string, f api.Field) fieldOut {
	o := fieldOut{Name: prefix + f.Name, Label: show.Clip(show.Words(f.Label), 80), Type: f.Type}
	if f.Type != "Code" && f.Type != "JSON" {
		o.Options = show.Clip(show.Plain(strings.ReplaceAll(strings.TrimSpace(string(f.Options)), "\n", "|")), optionsRoom)
	}
	for _, m := range []struct {
		holds bool
		name  string
	}{{bool(f.Required), "required"}, {f.RequiredIf != "" && !bool(f.Required), "sometimes_required"}, {bool(f.ReadOnly), "read_only"}, {bool(f.InList), "list"}, {bool(f.AfterSubmit), "after_submit"}} {
		if m.holds {
			o.Marks = append(o.Marks, m.name)
		}
	}
	return o
}

func (o *GetDoctypeOut) include(b *api.Bundle, parts []string) {
	if slices.Contains(parts, "permissions") {
		for _, p := range b.Permissions {
			var may []string
			for _, r := range []struct {
				holds api.Flag
				name  string
			}{{p.Read, "read"}, {p.Write, "write"}, {p.Create, "create"}, {p.Delete, "delete"}, {p.Submit, "submit"}, {p.Cancel, "cancel"}, {p.Amend, "amend"}, {p.Owner, "if owner"}} {
				if r.holds {
					may = append(may, r.name)
				}
			}
			o.Permissions = append(o.Permissions, fmt.Sprintf("%s (level %d): %s", show.Words(p.Role), p.Level, strings.Join(may, ", ")))
		}
	}
	if w := b.Workflow(); w != nil && slices.Contains(parts, "workflow") {
		o.Workflow = &workflowOut{Name: show.Words(w.Name), Field: w.StateField}
		for _, x := range w.Transitions {
			o.Workflow.Transitions = append(o.Workflow.Transitions, show.Words(fmt.Sprintf("%s: %s → %s (%s)", x.Action, x.State, x.Next, x.Allowed)))
		}
	}
	if slices.Contains(parts, "links") {
		for _, l := range b.Links {
			o.Links = append(o.Links, show.Words(l.Doctype+"."+l.Field))
		}
	}
}

// lines are the text: what a model needs, a line for each field.
func (o *GetDoctypeOut) lines(c *kit.Call) string {
	var b strings.Builder
	for _, f := range o.Fields {
		fmt.Fprintf(&b, "%s: %s", f.Name, f.Type)
		if f.Options != "" {
			fmt.Fprintf(&b, " (%s)", f.Options)
		}
		if f.Label != "" {
			fmt.Fprintf(&b, " %q", f.Label)
		}
		if len(f.Marks) > 0 {
			fmt.Fprintf(&b, " %s", strings.Join(f.Marks, ","))
		}
		b.WriteByte('\n')
	}
	for _, part := range []struct {
		name  string
		lines []string
	}{{"Permissions", o.Permissions}, {"Linked from", o.Links}} {
		if len(part.lines) > 0 {
			b.WriteString(part.name + ":\n" + strings.Join(part.lines, "\n") + "\n")
		}
	}
	if o.Workflow != nil {
		fmt.Fprintf(&b, "Workflow %s, in the field %s:\n%s\n", o.Workflow.Name, o.Workflow.Field, strings.Join(o.Workflow.Transitions, "\n"))
	}
	head := o.Doctype + " (" + o.Module + ")"
	for _, one := range []struct {
		holds bool
		text  string
	}{{o.Submittable, ", can be submitted"}, {o.Table, ", rows of a table"}, {o.Single, ", there is one"}} {
		if one.holds {
			head += one.text
		}
	}
	if b.Len() == 0 {
		return head + ": no fields."
	}
	return head + "\n" + c.Outside(strings.TrimSuffix(b.String(), "\n"))
}
