package site

import (
	"fmt"
	"slices"

	"drawbridge/internal/servers/erpnext/fake/exc"
	"drawbridge/internal/servers/erpnext/fake/meta"
)

// Delete is delete_doc.
func (s *Site) Delete(ss *Session, doctype, name string) error {
	d, err := s.Meta(doctype)
	if err != nil {
		return err
	}
	doc := s.Get(doctype, name)
	if doc == nil { // raised bare upstream, so there is no message
		return &exc.Error{Kind: exc.NotFound, Doctype: doctype}
	}
	if err := s.Check(ss, d, "delete", doc); err != nil {
		return err
	}
	name = Text(doc, "name")
	if d.Submits && Int(doc, "docstatus") == 1 {
		return exc.Throw(exc.Validation, "", "%s %s: Submitted Record cannot be deleted. You must %s Cancel %s it first.", doctype, name,
			"<a href='https://docs.erpnext.com//docs/user/manual/en/setting-up/articles/delete-submitted-document' target='_blank'>", "</a>")
	}
	if err := s.unlinked(d, doc, "Delete"); err != nil {
		if d.Field("disabled") == nil && d.Field("enabled") == nil {
			return err
		}
		first := exc.From(err)
		e := exc.Throw(exc.LinkExists, "", "You can disable this %s instead of deleting it.", doctype)
		e.Messages = append(first.Messages, e.Messages...)
		return e
	}
	s.revertSeries(d, doc)
	s.drop(doctype, name)
	s.forget(doctype, name)
	return nil
}

// forget removes what only says something about a document that is gone.
func (s *Site) forget(doctype, name string) {
	for _, about := range [][3]string{{"ToDo", "reference_type", "reference_name"}, {"Comment", "reference_doctype", "reference_name"},
		{"Version", "ref_doctype", "docname"}, {"File", "attached_to_doctype", "attached_to_name"}} {
		var gone []string
		s.Each(about[0], func(doc Obj) bool {
			if Text(doc, about[1]) == doctype && Text(doc, about[2]) == name {
				gone = append(gone, Text(doc, "name"))
			}
			return true
		})
		for _, n := range gone {
			s.drop(about[0], n)
		}
	}
}

// unlinked is check_if_doc_is_linked and check_if_doc_is_dynamically_linked.
func (s *Site) unlinked(d *meta.DocType, doc Obj, method string) error {
	for _, name := range s.Reg.Names() {
		from := s.Reg.Get(name)
		if from.Table || ignored(name, method) {
			continue
		}
		var found error
		s.Each(name, func(other Obj) bool {
			found = s.points(from, other, from, other, d, doc, method)
			for _, f := range from.Tables() {
				for _, row := range Rows(other, f.Name) {
					if found == nil {
						found = s.points(s.Reg.Get(f.Options), row, from, other, d, doc, method)
					}
				}
			}
			return found == nil
		})
		if found != nil {
			return found
		}
	}
	return nil
}

// ignored are the hooks ignore_links_on_delete and what ERPNext's vouchers ignore when
// they are cancelled.
func ignored(doctype, method string) bool {
	if slices.Contains([]string{"ToDo", "Comment", "Version", "File", "User Permission", "Report", "Bin"}, doctype) {
		return true
	}
	return method == "Cancel" && (doctype == "GL Entry" || doctype == "Stock Ledger Entry")
}

// points looks for a link from holder, a document or a row of other, to doc.
func (s *Site) points(hd *meta.DocType, holder Obj, od *meta.DocType, other Obj, d *meta.DocType, doc Obj, method string) error {
	if od.Name == d.Name && Text(other, "name") == Text(doc, "name") {
		return nil
	}
	state := Int(other, "docstatus")
	for i := range hd.Fields {
		f := &hd.Fields[i]
		dynamic := f.Type == "Dynamic Link" && Text(holder, f.Options) == d.Name
		if !dynamic && (f.Type != "Link" || f.Options != d.Name) || Text(holder, f.Name) != Text(doc, "name") {
			continue
		}
		switch {
		case method == "Cancel" && (state != 1 || f.Name == "amended_from"):
		case dynamic && method == "Delete" && state == 2:
		default:
			row := ""
			if dynamic && hd.Table {
				row = fmt.Sprintf("at Row: %d", Int(holder, "idx"))
			}
			return exc.Throw(exc.LinkExists, "", "Cannot delete or cancel because %s %s is linked with %s %s %s",
				d.Name, formLink(d.Name, Text(doc, "name")), od.Name, formLink(od.Name, Text(other, "name")), row)
		}
	}
	return nil
}

func formLink(doctype, name string) string {
	return fmt.Sprintf(`<a href="/app/Form/%s/%s">%s</a>`, doctype, name, name)
}

// Rename is rename_doc without merge.
func (s *Site) Rename(ss *Session, doctype, old, name string) (string, error) {
	d, err := s.Meta(doctype)
	if err != nil {
		return "", err
	}
	doc, err := s.Load(doctype, old)
	if err != nil {
		return "", err
	}
	if err := s.Check(ss, d, "write", doc); err != nil {
		return "", err
	}
	if s.Get(doctype, name) != nil {
		return "", exc.Throw(exc.Validation, "", "Another %s with name %s exists, select another name", doctype, exc.Bold(name))
	}
	s.drop(doctype, old)
	doc["name"], doc["modified"] = name, s.Stamp()
	s.tie(d, doc)
	s.Put(doc)
	s.repoint(doctype, old, name)
	return name, nil
}

func (s *Site) repoint(doctype, old, name string) {
	for _, dt := range s.Reg.Names() {
		d := s.Reg.Get(dt)
		if d.Table {
			continue
		}
		var changed []Obj
		s.Each(dt, func(doc Obj) bool {
			c := Copy(doc)
			hit := swap(d, c, doctype, old, name)
			for _, f := range d.Tables() {
				for _, row := range Rows(c, f.Name) {
					hit = swap(s.Reg.Get(f.Options), row, doctype, old, name) || hit
				}
			}
			if hit {
				changed = append(changed, c)
			}
			return true
		})
		for _, doc := range changed {
			s.Put(doc)
		}
	}
}

func swap(d *meta.DocType, doc Obj, doctype, old, name string) (hit bool) {
	for i := range d.Fields {
		f := &d.Fields[i]
		if (f.Type == "Link" && f.Options == doctype || f.Type == "Dynamic Link" && Text(doc, f.Options) == doctype) && Text(doc, f.Name) == old {
			doc[f.Name], hit = name, true
		}
	}
	return hit
}
