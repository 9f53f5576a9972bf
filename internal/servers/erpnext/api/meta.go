package api

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"drawbridge/internal/fault"
)

// Flag is a tick: 0 or 1, which some versions write as a truth value or a text.
type Flag bool

// UnmarshalJSON takes whatever is true in Python.
func (f *Flag) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case "0", "null", "false", `""`, `"0"`, "0.0":
		*f = false
	default:
		*f = true
	}
	return nil
}

// Text is a text; numbers are taken as they are written, and anything else is none.
type Text string

// UnmarshalJSON never fails.
func (t *Text) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) == nil {
		*t = Text(text)
		return nil
	}
	if len(b) > 0 && strings.IndexByte("-0123456789", b[0]) >= 0 {
		*t = Text(b)
	}
	return nil
}

// Field is one field of a DocType.
type Field struct {
	Name          string `json:"fieldname"`
	Label         string `json:"label"`
	Type          string `json:"fieldtype"`
	Options       Text   `json:"options"`
	Default       Text   `json:"default"`
	Required      Flag   `json:"reqd"`
	ReadOnly      Flag   `json:"read_only"`
	Hidden        Flag   `json:"hidden"`
	InList        Flag   `json:"in_list_view"`
	NoCopy        Flag   `json:"no_copy"`
	AfterSubmit   Flag   `json:"allow_on_submit"`
	RequiredIf    Text   `json:"mandatory_depends_on"`
	FetchFrom     Text   `json:"fetch_from"`
	PermissionTop int    `json:"permlevel"`
}

// IsTable tells a table of child rows.
func (f Field) IsTable() bool { return f.Type == "Table" || f.Type == "Table MultiSelect" }

// layout are the fields that only draw a form.
var layout = []string{"Section Break", "Column Break", "Tab Break", "HTML", "Button", "Fold", "Heading", "Image"}

// Meta is what a DocType is made of.
type Meta struct {
	Name        string  `json:"name"`
	Module      string  `json:"module"`
	Autoname    Text    `json:"autoname"`
	TitleField  Text    `json:"title_field"`
	Table       Flag    `json:"istable"`
	Single      Flag    `json:"issingle"`
	Submittable Flag    `json:"is_submittable"`
	Fields      []Field `json:"fields"`
	Permissions []struct {
		Role   string `json:"role"`
		Level  int    `json:"permlevel"`
		Read   Flag   `json:"read"`
		Write  Flag   `json:"write"`
		Create Flag   `json:"create"`
		Delete Flag   `json:"delete"`
		Submit Flag   `json:"submit"`
		Cancel Flag   `json:"cancel"`
		Amend  Flag   `json:"amend"`
		Owner  Flag   `json:"if_owner"`
	} `json:"permissions"`
	Links []struct {
		Doctype string `json:"link_doctype"`
		Field   string `json:"link_fieldname"`
	} `json:"links"`
	Workflows []Workflow `json:"__workflow_docs"`
}

// Workflow is one that documents of a DocType go through.
type Workflow struct {
	Doctype    string `json:"doctype"`
	Name       string `json:"name"`
	Active     Flag   `json:"is_active"`
	StateField string `json:"workflow_state_field"`
	States     []struct {
		State     string `json:"state"`
		DocStatus Text   `json:"doc_status"`
		Role      string `json:"allow_edit"`
	} `json:"states"`
	Transitions []Transition `json:"transitions"`
}

// Field finds a field.
func (m *Meta) Field(name string) (Field, bool) {
	i := slices.IndexFunc(m.Fields, func(f Field) bool { return f.Name == name })
	if i < 0 {
		return Field{}, false
	}
	return m.Fields[i], true
}

// Workflow is the active one; nil for none.
func (m *Meta) Workflow() *Workflow {
	for i := range m.Workflows {
		if w := &m.Workflows[i]; w.StateField != "" && bool(w.Active) && (w.Doctype == "" || w.Doctype == "Workflow") {
			return w
		}
	}
	return nil
}

// Bundle is a DocType with those of its tables.
type Bundle struct {
	Meta
	Children map[string]*Meta
}

// Child is the DocType of a table's rows; nil where the field is no table or its
// DocType did not come along.
func (b *Bundle) Child(field string) *Meta {
	f, ok := b.Field(field)
	if !ok || !f.IsTable() {
		return nil
	}
	return b.Children[string(f.Options)]
}

// Describe reads what a DocType is made of. Fields that only draw are left out.
func (s Session) Describe(ctx context.Context, doctype string) (*Bundle, error) {
	f, err := s.Flavour(ctx)
	if err != nil {
		return nil, err
	}
	var out struct {
		Docs []Meta `json:"docs"`
	}
	err = s.get(ctx, f.method("frappe.desk.form.load.getdoctype"), url.Values{"doctype": {doctype}, "with_parent": {"0"}}, &out, "the DocType "+doctype)
	if err != nil {
		return nil, err
	}
	b := &Bundle{Children: map[string]*Meta{}}
	for i := range out.Docs {
		m := &out.Docs[i]
		m.Fields = slices.DeleteFunc(m.Fields, func(f Field) bool { return f.Name == "" || slices.Contains(layout, f.Type) })
		if m.Name == doctype {
			b.Meta = *m
			continue
		}
		b.Children[m.Name] = m
	}
	if b.Name == "" {
		return nil, fault.New(fault.NotFound, "ERPNext does not describe the DocType %s. list_doctypes has the names.", doctype)
	}
	return b, nil
}
