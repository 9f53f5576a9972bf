package access

import (
	"context"
	"slices"
	"strings"
	"unicode"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/erpnext/api"
	"drawbridge/internal/servers/kit"
)

// shadows are DocTypes that keep what documents of any other DocType and company held,
// or said of themselves. A server that is kept to some of them reads no shadows, unless
// the operator names them in full.
var shadows = []string{"Version", "Deleted Document", "Comment", "Communication", "Prepared Report", "Access Log", "Activity Log", "View Log", "Route History", "Error Log", "Error Snapshot", "Transaction Log",
	"Notification Log", "Email Queue", "Data Export", "Data Import", "Data Import Log", "Bulk Update", "Auto Email Report", "Tag Link", "DocShare", "Document Follow", "Document Share Key", "Workflow Action",
	"Integration Request", "Webhook Request Log", "Submission Queue", "Personal Data Download Request", "Global Search DocType"}

// narrowed tells whether the operator keeps the server to some DocTypes or a company.
func (d *Desk) narrowed() bool { return d.Company != "" || d.listed() }

func (d *Desk) listed() bool { return len(d.Doctypes.Allow)+len(d.Doctypes.Deny) > 0 }

// shadowed refuses a DocType through which others would be read.
func (d *Desk) shadowed(doctype string) error {
	same := func(name string) bool { return strings.EqualFold(name, doctype) }
	if !d.narrowed() || !slices.ContainsFunc(shadows, same) || slices.ContainsFunc(d.Doctypes.Allow, same) {
		return nil
	}
	return fault.New(fault.Forbidden, "%s repeats what documents of every kind and company hold, so it is closed while the operator keeps this server to some of them. Read those documents, or ask the operator to name %s in ERPNEXT_DOCTYPES.", doctype, doctype)
}

// spelled refuses another spelling of a DocType than ERPNext's own: its database takes
// "é" for "e", the operator's lists do not.
func (d *Desk) spelled(ctx context.Context, c *kit.Call, s api.Session, doctype string) error {
	if !d.narrowed() || strings.IndexFunc(doctype, func(r rune) bool { return r > unicode.MaxASCII }) < 0 {
		return nil
	}
	_, err := d.Meta(ctx, c, s, doctype)
	return err
}

// held refuses a row or a file of a document that may not be touched: both are as
// secret as what they belong to.
func (d *Desk) held(ctx context.Context, s api.Session, doctype string, doc api.Doc) error {
	kind, name := "parenttype", "parent"
	if strings.EqualFold(doctype, "File") {
		kind, name = "attached_to_doctype", "attached_to_name"
	} else if !d.narrowed() {
		return nil
	}
	to := doc.Text(kind)
	if to == "" {
		return nil
	}
	if err := d.Check(to); err != nil {
		return err
	}
	at := NameOf(api.Doc{"name": doc[name]})
	if at == "" { // of a DocType, and of no document
		return nil
	}
	around, err := s.Get(ctx, to, at)
	if err != nil {
		return err
	}
	return d.Within(to, around)
}

// Shows refuses a table whose rows the operator denies, in documents that may be read.
func (d *Desk) Shows(rows string) error {
	return kit.Targets{Deny: d.Doctypes.Deny, Setting: d.Doctypes.Setting}.Check("DocType", rows)
}

// Reaches checks the DocType that a field with a dot leads to: a linked document may be
// of another company, and of a DocType that may not be touched.
func (d *Desk) Reaches(ctx context.Context, c *kit.Call, s api.Session, doctype, field string) error {
	if table, ok := strings.CutPrefix(field, "`tab"); ok {
		table, _, _ = strings.Cut(table, "`")
		return d.Check(table)
	}
	link, _, dotted := strings.Cut(field, ".")
	if !dotted || !d.narrowed() {
		return nil
	}
	b, err := d.Meta(ctx, c, s, doctype)
	if err != nil {
		return err
	}
	f, ok := b.Field(link)
	switch {
	case !ok || f.Type == "Dynamic Link":
		return fault.New(fault.Forbidden, "Fields of other documents can only be read here where it is clear which they are. Take %q out of the fields.", field)
	case f.IsTable():
		return d.Shows(string(f.Options))
	}
	to := string(f.Options)
	if err := d.Check(to); err != nil || d.Company == "" {
		return err
	}
	if b, err = d.Meta(ctx, c, s, to); err != nil {
		return err
	}
	if _, ok := b.Field(companyField); ok || b.Name == "Company" {
		return fault.New(fault.Forbidden, "%q may lead to a document of another company than %s, which the operator scopes this server to. Read the linked document with get_document.", field, d.Company)
	}
	return nil
}

// Function refuses a function that the operator does not name.
func (d *Desk) Function(method string) error {
	if len(d.Methods.Allow) == 0 {
		return fault.New(fault.Forbidden, "No function may be called by name. The operator can allow some in ERPNEXT_METHODS.")
	}
	return d.Methods.Check("function", method)
}
