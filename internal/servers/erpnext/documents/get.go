package documents

import (
	"context"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/erpnext/access"
	"drawbridge/internal/servers/erpnext/api"
	"drawbridge/internal/servers/erpnext/show"
	"drawbridge/internal/servers/kit"
)

// GetIn is the input of get_document.
type GetIn struct {
	access.DocIn
	Fields  []string `json:"fields,omitempty" jsonschema:"Only these."`
	From    int      `json:"row_offset,omitempty" jsonschema:"Go on in long tables." min:"0"`
	Include []string `json:"include,omitempty" jsonschema:"attachments, comments, assignments"`
}

// GetOut is its output. More says how many rows long tables have in all.
type GetOut struct {
	access.Saved
	Document    api.Doc        `json:"document"`
	More        map[string]int `json:"more_rows,omitempty"`
	Attachments []api.Doc      `json:"attachments,omitempty"`
	Comments    []api.Doc      `json:"comments,omitempty"`
	Assignments []api.Doc      `json:"assignments,omitempty"`

	text string
}

// Text is the output as JSON, with what ERPNext holds between marks.
func (o GetOut) Text() string { return o.text }

// said writes the text.
func (o GetOut) said(c *kit.Call) GetOut {
	head := o
	head.Document, head.Attachments, head.Comments, head.Assignments = nil, nil, nil, nil
	o.text = kit.Compact(struct {
		access.Saved
		More map[string]int `json:"more_rows,omitempty"`
	}{head.Saved, head.More}) + "\n" + c.Outside(kit.Compact(o.Document))
	for _, part := range []struct {
		name string
		rows []api.Doc
	}{{"attachments", o.Attachments}, {"comments", o.Comments}, {"assignments", o.Assignments}} {
		if len(part.rows) > 0 {
			o.text += "\n" + part.name + ": " + c.Outside(kit.Compact(part.rows))
		}
	}
	return o
}

// GetDocument reads a document.
func (t Tools) GetDocument(ctx context.Context, c *kit.Call, in GetIn) (out GetOut, err error) {
	s, doc, err := t.Document(ctx, c, in.DocIn)
	if err != nil {
		return out, err
	}
	for name := range doc { // rows that the operator denies
		if rows := doc.Rows(name); len(rows) > 0 && t.Shows(rows[0].Text("doctype")) != nil {
			delete(doc, name)
		}
	}
	for _, f := range in.Fields {
		if _, ok := doc[f]; !ok {
			return out, fault.New(fault.Invalid, "%s %s has no field %q, or this key does not see it. get_doctype has the names.", in.Doctype, in.Name, show.Clip(f, 60))
		}
	}
	out = shown(in, doc)
	if err := t.around(ctx, s, in, &out); err != nil {
		return out, err
	}
	return out.said(c), nil
}

// shown is a document as it is shown: tables from a row on, as many rows as fit.
func shown(in GetIn, doc api.Doc) GetOut {
	out := GetOut{Saved: access.SavedOf(in.Doctype, doc), Document: show.Document(doc), More: map[string]int{}}
	if len(in.Fields) > 0 {
		out.Document = api.Doc{}
		for _, f := range in.Fields {
			out.Document[f] = show.Value(doc[f], show.TextRoom)
		}
	}
	most := show.Rows
	for {
		for name := range out.Document {
			table := doc.Rows(name)
			if table == nil {
				continue
			}
			from := min(in.From, len(table))
			page := table[from:min(from+most, len(table))]
			rows := make([]any, len(page))
			for i := range page {
				rows[i] = map[string]any(show.Row(page[i]))
			}
			out.Document[name] = rows
			if len(rows) < len(table) {
				out.More[name] = len(table)
			}
		}
		if most == 1 || len(kit.Compact(out.Document)) <= show.TextRoom {
			break
		}
		most = (most + 1) / 2
	}
	if len(out.More) == 0 {
		out.More = nil
	}
	return out
}

// mostAround bounds what is shown of each kind around a document.
const mostAround = 20

// around reads what stands around a document.
func (t Tools) around(ctx context.Context, s api.Session, in GetIn, out *GetOut) error {
	if len(in.Include) == 0 {
		return nil
	}
	parts := map[string]*[]api.Doc{"attachments": &out.Attachments, "comments": &out.Comments, "assignments": &out.Assignments}
	for _, part := range in.Include {
		if parts[part] == nil {
			return fault.New(fault.Invalid, "include takes attachments, comments and assignments. Leave the rest out.")
		}
	}
	all, err := s.Around(ctx, in.Doctype, in.Name)
	if err != nil {
		return err
	}
	from := map[string]struct {
		rows    []api.Doc
		members []string
	}{
		"attachments": {all.Attachments, []string{"name", "file_name", "is_private"}},
		"comments":    {all.Comments, []string{"creation", "owner", "comment_email", "content"}},
		"assignments": {all.Assignments, []string{"owner", "description", "date", "status"}},
	}
	for _, part := range in.Include {
		*parts[part] = noted(from[part].rows, from[part].members)
	}
	return nil
}

// noted are the members of rows that tell something, texts without HTML.
func noted(rows []api.Doc, members []string) []api.Doc {
	out := []api.Doc{}
	for _, row := range rows[:min(len(rows), mostAround)] {
		one := api.Doc{}
		for _, name := range members {
			if text, ok := row[name].(string); ok {
				one[name] = show.Clip(show.Words(text), show.CellRoom)
			} else if !show.Empty(row[name]) {
				one[name] = row[name]
			}
		}
		out = append(out, one)
	}
	return out
}
