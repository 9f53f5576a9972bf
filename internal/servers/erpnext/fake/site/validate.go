package site

import (
	"fmt"
	"slices"
	"strings"

	"drawbridge/internal/servers/erpnext/fake/exc"
	"drawbridge/internal/servers/erpnext/fake/meta"
)

// checkLinks is _validate_links, which also fetches what hangs on a link.
func (s *Site) checkLinks(d *meta.DocType, doc Obj) error {
	var lost, dead []string
	see := func(d *meta.DocType, doc Obj, submits bool, row int) error {
		for i := range d.Fields {
			f := &d.Fields[i]
			name := Text(doc, f.Name)
			if f.Type != "Link" && f.Type != "Dynamic Link" || name == "" {
				continue
			}
			target := f.Options
			if f.Type == "Dynamic Link" {
				if target = Text(doc, f.Options); target == "" {
					return exc.Throw(exc.Validation, "", "%s must be set first", d.Label(f.Options))
				}
			}
			text := fmt.Sprintf("%s: %s", f.Label, name)
			if row > 0 {
				text = fmt.Sprintf("Row #%d: %s", row, text)
			}
			found := s.Get(target, name)
			if target == "DocType" && s.Reg.Get(name) != nil {
				found = Obj{"name": name}
			}
			switch _, err := s.Meta(target); {
			case err != nil:
				return err
			case found == nil:
				lost = append(lost, text)
				continue
			}
			doc[f.Name] = found["name"]
			s.fetch(d, doc, f.Name, found)
			if f.Name != "amended_from" && submits && s.Reg.Get(target).Submits && Int(found, "docstatus") == 2 {
				dead = append(dead, text)
			}
		}
		return nil
	}
	if err := see(d, doc, d.Submits, 0); err != nil {
		return err
	}
	for _, f := range d.Tables() {
		for i, row := range Rows(doc, f.Name) {
			if err := see(s.Reg.Get(f.Options), row, d.Submits, i+1); err != nil {
				return err
			}
		}
	}
	if lost != nil {
		return exc.Throw(exc.LinkValidation, "", "Could not find %s", strings.Join(lost, ", "))
	}
	if dead != nil {
		return exc.Throw(exc.CancelledLink, "", "Cannot link cancelled document: %s", strings.Join(dead, ", "))
	}
	return nil
}

func (s *Site) fetch(d *meta.DocType, doc Obj, link string, found Obj) {
	for i := range d.Fields {
		from, field, _ := strings.Cut(d.Fields[i].FetchFrom, ".")
		if from == link && Int(doc, "docstatus") != 1 {
			doc[d.Fields[i].Name] = found[field]
		}
	}
}

// validate is _validate: what is missing first, all of it at once.
func (s *Site) validate(ss *Session, d *meta.DocType, doc, before Obj, action string) error {
	if err := s.mandatory(d, doc); err != nil {
		return err
	}
	if err := s.values(d, doc, 0); err != nil {
		return err
	}
	if err := s.checkWorkflow(ss, d, doc, before); err != nil {
		return err
	}
	for _, f := range d.Tables() {
		for i, row := range Rows(doc, f.Name) {
			if err := s.values(s.Reg.Get(f.Options), row, i+1); err != nil {
				return err
			}
		}
	}
	if before == nil || action != "save" {
		return nil
	}
	for i := range d.Fields {
		f := &d.Fields[i]
		if f.Is("once") && Text(doc, f.Name) != Text(before, f.Name) {
			return exc.Throw(exc.Constant, "", "Value cannot be changed for %s", exc.Bold(f.Label))
		}
	}
	return nil
}

// mandatory is _validate_mandatory: a message for each field, and an exception that
// lists their names.
func (s *Site) mandatory(d *meta.DocType, doc Obj) error {
	var names []string
	var said []exc.Message
	see := func(d *meta.DocType, doc Obj, row int) {
		for i := range d.Fields {
			f := &d.Fields[i]
			if !f.Is("reqd") || f.Type == "Check" || !empty(doc[f.Name]) {
				continue
			}
			names = append(names, f.Name)
			switch {
			case f.IsTable():
				said = append(said, exc.Said("Error: Data missing in table %s", f.Label))
			case row > 0:
				said = append(said, exc.Said("Error: %s Row #%d: Value missing for: %s", exc.Bold(d.Name), row, f.Label))
			default:
				said = append(said, exc.Said("Error: Value missing for %s: %s", d.Name, f.Label))
			}
		}
	}
	see(d, doc, 0)
	for _, f := range d.Tables() {
		for i, row := range Rows(doc, f.Name) {
			see(s.Reg.Get(f.Options), row, i+1)
		}
	}
	if names == nil {
		return nil
	}
	e := exc.Raise(exc.Mandatory, "[%s, %s]: %s", d.Name, Text(doc, "name"), strings.Join(names, ", "))
	e.Messages = said
	return e
}

// empty is not has_content: a number that is there is content, be it 0.
func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return strings.TrimSpace(v) == ""
	case []Obj:
		return len(v) == 0
	}
	return false
}

// values checks what stands in a document or a row.
func (s *Site) values(d *meta.DocType, doc Obj, row int) error {
	at := ""
	if row > 0 {
		at = fmt.Sprintf("Row #%d:", row)
	}
	for i := range d.Fields {
		f := &d.Fields[i]
		text := Text(doc, f.Name)
		switch {
		case text == "":
		case f.Type == "Select" && f.Name != "naming_series" && strings.Trim(f.Options, "\n") != "" && !slices.Contains(strings.Split(f.Options, "\n"), text):
			return exc.Throw(exc.Validation, "", `%s %s cannot be "%s". It should be one of "%s"`, at, f.Label, text, strings.Join(strings.Split(strings.Trim(f.Options, "\n"), "\n"), `", "`))
		case f.Options == "Email" && f.Type == "Data" && !strings.Contains(text, "@"):
			return exc.Throw("InvalidEmailAddressError", "Invalid Email", "%s is not a valid Email Address", exc.Bold(text))
		case f.Is("nn") && Num(doc, f.Name) < 0:
			return exc.Throw(exc.NonNegative, "Negative Value", "Value cannot be negative for %s: %s", d.Name, exc.Bold(f.Label))
		case slices.Contains([]string{"Data", "Link", "Select", "Dynamic Link"}, f.Type) && len([]rune(text)) > 140:
			where := d.Name + " " + Text(doc, "name")
			if row > 0 {
				where = fmt.Sprintf("%s, Row %d", d.Name, row)
			}
			return exc.Throw("CharacterLengthExceededError", "Value too big", "%s: '%s' (%s) will get truncated, as max characters allowed is 140", where, exc.Bold(f.Label), text)
		}
	}
	return nil
}

// unchanged is validate_update_after_submit.
func (s *Site) unchanged(d *meta.DocType, doc, before Obj) error {
	if err := same(d, doc, before, ""); err != nil {
		return err
	}
	for _, f := range d.Tables() {
		old := map[string]Obj{}
		for _, row := range Rows(before, f.Name) {
			old[Text(row, "name")] = row
		}
		for i, row := range Rows(doc, f.Name) {
			was := old[Text(row, "name")]
			if was == nil && f.Is("aos") {
				continue
			}
			if was == nil {
				was = Obj{}
			}
			if err := same(s.Reg.Get(f.Options), row, was, fmt.Sprintf("Row #%d:", i+1)); err != nil {
				return err
			}
		}
	}
	return nil
}

func same(d *meta.DocType, doc, before Obj, at string) error {
	for i := range d.Fields {
		f := &d.Fields[i]
		is, was := Text(doc, f.Name), Text(before, f.Name)
		if f.IsTable() { // as many rows as before: what is in them is looked at one by one
			is, was = fmt.Sprint(len(Rows(doc, f.Name))), fmt.Sprint(len(Rows(before, f.Name)))
		}
		if f.Is("aos") || is == was || f.IsNumber() && ToFloat(is) == ToFloat(was) || f.Is("ro") && at == "" {
			continue
		}
		return exc.Throw(exc.AfterSubmit, "Cannot Update After Submit", "%s Not allowed to change %s after submission from %s to %s",
			at, exc.Bold(f.Label), exc.Bold(was), exc.Bold(is))
	}
	return nil
}
