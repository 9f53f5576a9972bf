package site

import (
	"fmt"
	"slices"
	"strings"

	"drawbridge/internal/servers/erpnext/fake/exc"
	"drawbridge/internal/servers/erpnext/fake/meta"
)

// HasRole tells whether somebody has a role, those that come with being somebody included
// (frappe/permissions.py: AUTOMATIC_ROLES).
func (u *User) HasRole(role string) bool {
	if u.Admin {
		return true
	}
	switch role {
	case "Guest":
		return true
	case "All":
		return u.Name != "Guest"
	case "Desk User":
		return u.Name != "Guest" && !u.Website
	}
	return slices.Contains(u.Roles, role)
}

// May is has_permission: doc is nil for the doctype as such. The words are why not.
func (s *Site) May(u *User, d *meta.DocType, right string, doc Obj) (bool, []string) {
	if u.Admin {
		return true, nil
	}
	if doc == nil {
		if right == "submit" && !d.Submits {
			return false, []string{"Document Type is not submittable"}
		}
		if s.byRole(u, d, right, nil) {
			return true, nil
		}
		return false, []string{fmt.Sprintf("User %s does not have doctype access via role permission for document %s", exc.Bold(u.Name), exc.Bold(d.Name))}
	}
	var why []string
	if !s.byRole(u, d, right, doc) || right == "submit" && !d.Submits {
		why = []string{}
	} else if refusal := s.scoped(u, d, doc); refusal != "" {
		why = []string{refusal}
	} else if !s.open(u, d, right, doc) {
		why = []string{"Not allowed via controller permission check"}
	} else {
		return true, nil
	}
	text := fmt.Sprintf("User %s does not have access to this document", exc.Bold(u.Name))
	if s.byRole(u, d, "read", nil) {
		name := Text(doc, "name")
		if name == "" {
			name = "None"
		}
		text += fmt.Sprintf(": %s - %s", d.Name, name)
	}
	return false, append(why, text)
}

// byRole is get_role_permissions: a right that is only given to owners counts for the
// doctype as far as looking goes, and for a document if it is one's own.
func (s *Site) byRole(u *User, d *meta.DocType, right string, doc Obj) bool {
	owned := false
	for i := range d.Perms {
		p := &d.Perms[i]
		if p.Level != 0 || !u.HasRole(p.Role) || !p.Has(right) {
			continue
		}
		if !p.IfOwner || right == "create" {
			return true
		}
		owned = true
	}
	if !owned {
		return false
	}
	if doc == nil {
		return right == "read" || right == "select"
	}
	return strings.EqualFold(Text(doc, "owner"), u.Name)
}

// Limits are the values a user is kept to, by doctype; nil where nothing is said.
func (s *Site) Limits(u *User, d *meta.DocType) map[string][]string {
	if u.Admin {
		return nil
	}
	var limits map[string][]string
	s.Each("User Permission", func(p Obj) bool {
		if Text(p, "user") == u.Name && (Text(p, "applicable_for") == "" || Text(p, "applicable_for") == d.Name) {
			if limits == nil {
				limits = map[string][]string{}
			}
			limits[Text(p, "allow")] = append(limits[Text(p, "allow")], Text(p, "for_value"))
		}
		return true
	})
	return limits
}

// scoped is has_user_permission, not strict: an empty link is nobody's.
func (s *Site) scoped(u *User, d *meta.DocType, doc Obj) string {
	limits := s.Limits(u, d)
	if limits == nil {
		return ""
	}
	if allowed := limits[d.Name]; allowed != nil && Text(doc, "name") != "" && !slices.Contains(allowed, Text(doc, "name")) {
		return fmt.Sprintf("Not allowed for %s: %s", d.Name, Text(doc, "name"))
	}
	if f := outside(d, doc, limits); f != nil {
		return fmt.Sprintf("You are not allowed to access this %s record because it is linked to %s '%s' in field %s", d.Name, f.Options, Text(doc, f.Name), f.Label)
	}
	for _, tf := range d.Tables() {
		child := s.Reg.Get(tf.Options)
		for i, row := range Rows(doc, tf.Name) {
			if f := outside(child, row, limits); f != nil {
				return fmt.Sprintf("You are not allowed to access this %s record because it is linked to %s '%s' in row %d, field %s",
					child.Name, f.Options, Text(row, f.Name), i+1, f.Label)
			}
		}
	}
	return ""
}

func outside(d *meta.DocType, doc Obj, limits map[string][]string) *meta.Field {
	for _, f := range d.Links() {
		if allowed := limits[f.Options]; allowed != nil && !f.Is("iup") && Text(doc, f.Name) != "" && !slices.Contains(allowed, Text(doc, f.Name)) {
			return f
		}
	}
	return nil
}

// InList tells whether a list shows a document: rights of owners and user permissions on
// it and its own links, not on those of its rows (frappe/model/db_query.py: build_match_conditions).
func (s *Site) InList(u *User, d *meta.DocType, doc Obj, limits map[string][]string) bool {
	if u.Admin || d.Table {
		return true
	}
	if !s.byRole(u, d, "read", doc) && !s.byRole(u, d, "select", doc) {
		return false
	}
	if allowed := limits[d.Name]; allowed != nil && !slices.Contains(allowed, Text(doc, "name")) {
		return false
	}
	return outside(d, doc, limits) == nil && s.open(u, d, "read", doc)
}

// open is has_permission of the doctypes that have one: a File is public, one's own, or
// as open as what it is attached to; a ToDo is for who has it and who gave it.
func (s *Site) open(u *User, d *meta.DocType, right string, doc Obj) bool {
	switch {
	case d.Name == "ToDo" && !u.HasRole("System Manager"):
		return right == "create" || slices.Contains([]string{Text(doc, "allocated_to"), Text(doc, "assigned_by"), Text(doc, "owner")}, u.Name)
	case d.Name != "File":
		return true
	case right == "create", right == "read" && Int(doc, "is_private") == 0, Text(doc, "owner") == u.Name:
		return true
	}
	on := s.Get(Text(doc, "attached_to_doctype"), Text(doc, "attached_to_name"))
	if on == nil {
		return false
	}
	if right != "read" {
		right = "write"
	}
	ok, _ := s.May(u, s.Reg.Get(Text(doc, "attached_to_doctype")), right, on)
	return ok
}

// Check is check_permission, in the words of the version: 15 names the doctype, 16 asks
// for the doctype first and then names the document.
func (s *Site) Check(ss *Session, d *meta.DocType, right string, doc Obj) error {
	ok, why := s.May(ss.User, d, right, doc)
	if ok {
		return nil
	}
	e := exc.Raise(exc.Permission, "")
	e.Messages = []exc.Message{exc.Said("%s", strings.Join(why, "<br>"))}
	switch {
	case s.Version < 15:
		e.Flag = "Insufficient Permission for " + d.Name
	case s.Version == 15:
		e.Flag = fmt.Sprintf("Insufficient Permission for %s (%s)", d.Name, exc.Bold(right))
	default:
		if byType, why := s.May(ss.User, d, right, nil); !byType {
			return &exc.Error{Kind: exc.Permission, Flag: "No permission for " + d.Name, Quiet: true,
				Messages: []exc.Message{exc.Said("%s", strings.Join(why, "<br>"))}}
		}
		e.Flag = fmt.Sprintf("You need the '%s' permission on %s %s to perform this action.", right, exc.Bold(d.Name), Text(doc, "name"))
	}
	return e
}

// Readable tells whether the permission level of a field is one that somebody may read
// (right "read") or set (right "write").
func (s *Site) Readable(u *User, d *meta.DocType, f *meta.Field, right string) bool {
	if f.Level == 0 || u.Admin {
		return true
	}
	for i := range d.Perms {
		if p := &d.Perms[i]; p.Level == f.Level && u.HasRole(p.Role) && p.Has(right) {
			return true
		}
	}
	return false
}

// Hide takes out what somebody may not read (apply_fieldlevel_read_permissions).
func (s *Site) Hide(u *User, doc Obj) Obj {
	d := s.Reg.Get(Text(doc, "doctype"))
	for i := range d.Fields {
		if f := &d.Fields[i]; !s.Readable(u, d, f, "read") {
			delete(doc, f.Name)
		}
	}
	return doc
}
