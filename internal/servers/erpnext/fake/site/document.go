package site

import (
	"fmt"
	"strings"

	"drawbridge/internal/servers/erpnext/fake/exc"
	"drawbridge/internal/servers/erpnext/fake/meta"
)

// fresh is new_doc: what a document has before anybody wrote into it.
func (s *Site) fresh(d *meta.DocType) Obj {
	doc := Obj{"doctype": d.Name, "docstatus": 0, "idx": 0}
	for i := range d.Fields {
		f := &d.Fields[i]
		switch {
		case f.IsTable():
			doc[f.Name] = []Obj{}
		case f.IsColumn():
			doc[f.Name] = s.initial(f)
		}
	}
	return doc
}

func (s *Site) initial(f *meta.Field) any {
	switch {
	case f.Default == "Today":
		return s.Today()
	case f.IsWhole():
		return int(ToFloat(f.Default))
	case f.IsNumber() && f.Is("reqd") && f.Default == "":
		return nil // so that it can be missing
	case f.IsNumber():
		return meta.Float(ToFloat(f.Default))
	case f.Default != "":
		return f.Default
	case f.Type == "Select" && f.Is("reqd") && f.Options != "":
		first, _, _ := strings.Cut(f.Options, "\n")
		return orNil(first)
	}
	return nil
}

func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// Update is doc.update: fields that the doctype has are taken over, whatever else was
// sent is lost without a word, and a table is replaced as a whole.
func (s *Site) Update(d *meta.DocType, doc, values Obj) error {
	for k, v := range values {
		f := d.Field(k)
		switch {
		case f != nil && f.IsTable():
			rows, err := s.rows(f, v)
			if err != nil {
				return err
			}
			doc[k] = rows
		case f != nil && f.IsColumn():
			clean, err := s.clean(f, v)
			if err != nil {
				return err
			}
			doc[k] = clean
		case k == "docstatus" || k == "idx":
			doc[k] = int(ToFloat(v))
		case k == "name" || k == "modified" || d.Table && (k == "parent" || k == "parentfield" || k == "parenttype"):
			doc[k] = v
		}
	}
	return nil
}

func (s *Site) rows(f *meta.Field, v any) ([]Obj, error) {
	if v == nil {
		return []Obj{}, nil
	}
	list, is := v.([]any)
	if rows, done := v.([]Obj); done {
		for _, row := range rows {
			list = append(list, row)
		}
	} else if !is {
		return nil, exc.Raise(exc.Attribute, "'%s' object has no attribute 'is_new'", python(v))
	}
	child := s.Reg.Get(f.Options)
	made := []Obj{}
	for _, item := range list {
		values, is := item.(Obj)
		if !is {
			return nil, exc.Raise(exc.Value, "Document for field %q attached to child table of %q must be a dict or BaseDocument, not %s", f.Name, f.Options, python(item))
		}
		row := Obj{"doctype": child.Name}
		for i := range child.Fields {
			if cf := &child.Fields[i]; cf.IsColumn() {
				row[cf.Name] = zero(cf)
			}
		}
		if err := s.Update(child, row, values); err != nil {
			return nil, err
		}
		for _, std := range []string{"owner", "creation"} {
			if values[std] != nil {
				row[std] = values[std]
			}
		}
		made = append(made, row)
	}
	return made, nil
}

func zero(f *meta.Field) any {
	switch {
	case f.IsWhole():
		return 0
	case f.IsNumber() && !f.Is("reqd"):
		return meta.Float(0)
	}
	return nil
}

// clean is what get_valid_dict makes of a value.
func (s *Site) clean(f *meta.Field, v any) (any, error) {
	switch v.(type) {
	case []any, Obj:
		return nil, exc.Throw(exc.Validation, "", "Value for %s cannot be a list", f.Label)
	}
	switch {
	case f.Type == "Check":
		return meta.Bit(ToFloat(v) != 0), nil
	case f.Type == "Int":
		return int(ToFloat(v)), nil
	case f.IsNumber() && !(v == nil && f.Is("reqd")):
		return meta.Float(ToFloat(v)), nil
	case v == nil || v == "":
		return nil, nil
	}
	text := fmt.Sprint(v)
	if f.Type == "Date" && !isDate(text) {
		return nil, exc.Throw(exc.Validation, "Invalid Date", "%s is not a valid date string.", exc.Bold(text))
	}
	return text, nil
}

func isDate(text string) bool {
	if len(text) > 10 {
		text = text[:10] // a Datetime will do
	}
	parts := strings.Split(text, "-")
	if len(parts) != 3 || len(parts[0]) != 4 {
		return false
	}
	var y, m, d int
	n, _ := fmt.Sscanf(text, "%d-%d-%d", &y, &m, &d)
	return n == 3 && m >= 1 && m <= 12 && d >= 1 && d <= 31
}

// python is the name of a value's type there.
func python(v any) string {
	switch v.(type) {
	case nil:
		return "NoneType"
	case string:
		return "str"
	case bool:
		return "bool"
	case float64, meta.Float:
		return "float"
	case int:
		return "int"
	case []any:
		return "list"
	}
	return "dict"
}

// Make is get_doc of a dict: a document that is not in the database, or not yet.
func (s *Site) Make(values Obj) (Obj, *meta.DocType, error) {
	doctype, is := values["doctype"].(string)
	if !is {
		return nil, nil, exc.Raise(exc.Key, "'doctype'")
	}
	d, err := s.Meta(doctype)
	if err != nil {
		return nil, nil, err
	}
	doc := Obj{"doctype": doctype, "docstatus": 0, "idx": 0}
	for i := range d.Fields {
		switch f := &d.Fields[i]; {
		case f.IsTable():
			doc[f.Name] = []Obj{}
		case f.IsColumn():
			doc[f.Name] = zero(f)
		}
	}
	return doc, d, s.Update(d, doc, values)
}

// Insert makes a document of what was sent, in the order of checks of Document.insert:
// links come ahead of permissions, and those ahead of what is missing.
func (s *Site) Insert(ss *Session, doctype string, values Obj) (Obj, error) {
	d, err := s.Meta(doctype)
	if err != nil {
		return nil, err
	}
	doc := s.fresh(d)
	if err := s.Update(d, doc, values); err != nil {
		return nil, err
	}
	for _, f := range d.Tables() { // rows have their defaults, too
		child := s.Reg.Get(f.Options)
		for _, row := range Rows(doc, f.Name) {
			delete(row, "name")
			for i := range child.Fields {
				if cf := &child.Fields[i]; cf.IsColumn() && row[cf.Name] == nil {
					row[cf.Name] = s.initial(cf)
				}
			}
		}
	}
	return s.insert(ss, d, doc)
}

func (s *Site) insert(ss *Session, d *meta.DocType, doc Obj) (Obj, error) {
	doc["modified"], doc["modified_by"] = s.Stamp(), ss.User.Name
	doc["creation"], doc["owner"] = doc["modified"], ss.User.Name
	action, err := s.transition(ss, d, doc, 0)
	if err != nil {
		return nil, err
	}
	if err := s.checkLinks(d, doc); err != nil {
		return nil, err
	}
	asked := Copy(doc)
	if d.AutoName != "prompt" {
		delete(asked, "name") // a new document has none yet, whatever was sent
	}
	if err := s.Check(ss, d, "create", asked); err != nil {
		return nil, err
	}
	if err := s.setName(d, doc); err != nil {
		return nil, err
	}
	s.guardLevels(ss, d, doc, nil)
	if err := s.Rules.Validate(s, ss, doc, nil); err != nil {
		return nil, err
	}
	if err := s.validate(ss, d, doc, nil, action); err != nil {
		return nil, err
	}
	if s.Get(d.Name, Text(doc, "name")) != nil {
		e := exc.Raise(exc.Duplicate, `('%s', '%s', IntegrityError(1062, "Duplicate entry '%s' for key 'PRIMARY'"))`, d.Name, doc["name"], doc["name"])
		e.Messages = []exc.Message{{Message: fmt.Sprintf("%s %s already exists", d.Name, exc.Bold(Text(doc, "name"))), Title: "Duplicate Name", Indicator: "red"}}
		return nil, e
	}
	s.tie(d, doc)
	s.Put(doc)
	return s.after(ss, d, doc, action)
}

// Save keeps a document that was loaded and changed, or made of what a client sent.
func (s *Site) Save(ss *Session, doc Obj) (Obj, error) {
	d, err := s.Meta(Text(doc, "doctype"))
	if err != nil {
		return nil, err
	}
	if Text(doc, "name") == "" && !d.Single {
		return s.insert(ss, d, doc)
	}
	if err := s.Check(ss, d, "write", doc); err != nil {
		return nil, err
	}
	before, err := s.Load(d.Name, Text(doc, "name"))
	if err != nil {
		return nil, err
	}
	sent := Text(doc, "modified")
	doc["modified"], doc["modified_by"] = s.Stamp(), ss.User.Name
	if sent != Text(before, "modified") && !d.Single {
		e := exc.Throw(exc.Timestamp, "", "Error: Document has been modified after you have opened it (%s, %s). Please refresh to get the latest document.",
			Text(before, "modified"), Text(doc, "modified"))
		return nil, e
	}
	action, err := s.transition(ss, d, doc, Int(before, "docstatus"))
	if err != nil {
		return nil, err
	}
	for _, k := range []string{"creation", "owner", "_assign", "_comments", "_user_tags"} {
		doc[k] = before[k]
	}
	s.guardLevels(ss, d, doc, before)
	if action != "cancel" {
		if err := s.checkLinks(d, doc); err != nil {
			return nil, err
		}
		if err := s.Rules.Validate(s, ss, doc, before); err != nil {
			return nil, err
		}
		if err := s.validate(ss, d, doc, before, action); err != nil {
			return nil, err
		}
	}
	if action == "update_after_submit" {
		if err := s.unchanged(d, doc, before); err != nil {
			return nil, err
		}
	}
	if err := s.workflowFollows(d, doc, action); err != nil {
		return nil, err
	}
	s.tie(d, doc)
	s.Put(doc)
	s.version(ss, d, doc, before)
	return s.after(ss, d, doc, action)
}

func (s *Site) after(ss *Session, d *meta.DocType, doc Obj, action string) (Obj, error) {
	if err := s.Rules.After(s, ss, doc, action); err != nil {
		return nil, err
	}
	if action == "cancel" {
		if err := s.unlinked(d, doc, "Cancel"); err != nil {
			return nil, err
		}
	}
	return s.Get(d.Name, Text(doc, "name")), nil
}

// tie gives rows what ties them to their document.
func (s *Site) tie(d *meta.DocType, doc Obj) {
	if d.Single {
		doc["name"] = d.Name
	}
	for _, f := range d.Tables() {
		for i, row := range Rows(doc, f.Name) {
			if Text(row, "name") == "" {
				row["name"] = s.Hash()
			}
			if row["creation"] == nil {
				row["creation"], row["owner"] = doc["modified"], doc["modified_by"]
			}
			row["idx"], row["docstatus"], row["modified"], row["modified_by"] = i+1, doc["docstatus"], doc["modified"], doc["modified_by"]
			row["parent"], row["parentfield"], row["parenttype"] = doc["name"], f.Name, d.Name
		}
	}
}

// transition is check_docstatus_transition.
func (s *Site) transition(ss *Session, d *meta.DocType, doc Obj, from int) (action string, err error) {
	to := Int(doc, "docstatus")
	switch {
	case to < 0 || to > 2:
		return "", exc.Raise(exc.Validation, "('Invalid docstatus', %d)", to)
	case from == 0 && to == 0:
		return "save", nil
	case from == 0 && to == 1:
		return "submit", s.Check(ss, d, "submit", doc)
	case from == 0:
		return "", exc.Raise(exc.Docstatus, "Cannot change docstatus from 0 (Draft) to 2 (Cancelled)")
	case from == 1 && to == 1:
		return "update_after_submit", s.Check(ss, d, "submit", doc)
	case from == 1 && to == 2:
		return "cancel", s.Check(ss, d, "cancel", doc)
	case from == 1:
		return "", exc.Raise(exc.Docstatus, "Cannot change docstatus from 1 (Submitted) to 0 (Draft)")
	}
	return "", exc.Raise(exc.Validation, "Cannot edit cancelled document")
}

// guardLevels puts back what somebody may not set (validate_higher_perm_levels).
func (s *Site) guardLevels(ss *Session, d *meta.DocType, doc, before Obj) {
	for i := range d.Fields {
		f := &d.Fields[i]
		if s.Readable(ss.User, d, f, "write") {
			continue
		}
		doc[f.Name] = s.initial(f)
		if before != nil {
			doc[f.Name] = before[f.Name]
		}
	}
}
