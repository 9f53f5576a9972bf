package site

import (
	"fmt"
	"maps"
	"strings"

	"drawbridge/internal/servers/erpnext/fake/exc"
	"drawbridge/internal/servers/erpnext/fake/meta"
)

// Workflow is the active one of a doctype, or nil.
func (s *Site) Workflow(doctype string) Obj {
	var found Obj
	s.Each("Workflow", func(w Obj) bool {
		if Text(w, "document_type") == doctype && Int(w, "is_active") == 1 {
			found = w
		}
		return found == nil
	})
	return found
}

// Transitions are what somebody may do next with a document (get_transitions).
func (s *Site) Transitions(ss *Session, doc Obj) ([]Obj, error) {
	d := s.Reg.Get(Text(doc, "doctype"))
	if err := s.Check(ss, d, "read", doc); err != nil {
		return nil, err
	}
	w := s.Workflow(d.Name)
	if w == nil { // upstream looks for the Workflow "None"
		return nil, exc.Missing("Workflow", "None")
	}
	state := Text(doc, Text(w, "workflow_state_field"))
	if state == "" {
		return nil, exc.Throw(exc.WorkflowState, "", "Workflow State not set")
	}
	found := []Obj{}
	for _, t := range Rows(w, "transitions") {
		if Text(t, "state") == state && ss.User.HasRole(Text(t, "allowed")) && holds(Text(t, "condition"), doc) {
			found = append(found, Copy(t))
		}
	}
	return found, nil
}

// holds understands conditions like "doc.grand_total > 1000".
func holds(condition string, doc Obj) bool {
	parts := strings.Fields(condition)
	if len(parts) != 3 {
		return true
	}
	have, want := Num(doc, strings.TrimPrefix(parts[0], "doc.")), ToFloat(parts[2])
	switch parts[1] {
	case ">":
		return have > want
	case "<=":
		return have <= want
	}
	return have == want
}

// ApplyWorkflow is apply_workflow.
func (s *Site) ApplyWorkflow(ss *Session, doc Obj, action string) (Obj, error) {
	steps, err := s.Transitions(ss, doc)
	if err != nil {
		return nil, err
	}
	var step Obj
	for _, t := range steps {
		if Text(t, "action") == action {
			step = t
		}
	}
	if step == nil {
		return nil, exc.Throw(exc.WorkflowMove, "", "Not a valid Workflow Action")
	}
	if Int(step, "allow_self_approval") == 0 && !ss.User.Admin && ss.User.Name == Text(doc, "owner") {
		return nil, exc.Throw(exc.Validation, "", "Self approval is not allowed")
	}
	w := s.Workflow(Text(doc, "doctype"))
	next := stateOf(w, Text(step, "next_state"))
	doc[Text(w, "workflow_state_field")] = next["state"]
	if field := Text(next, "update_field"); field != "" {
		doc[field] = next["update_value"]
	}
	from, to := Int(doc, "docstatus"), Int(next, "doc_status")
	if from == 1 && to == 0 || from == 0 && to == 2 || from == 2 {
		return nil, exc.Throw(exc.Validation, "", "Illegal Document Status for %s", next["state"])
	}
	doc["docstatus"] = to
	saved, err := s.Save(ss, doc)
	if err != nil {
		return nil, err
	}
	s.Comment(ss, "Workflow", Text(doc, "doctype"), Text(doc, "name"), Text(next, "state"))
	return saved, nil
}

func stateOf(w Obj, state string) Obj {
	for _, row := range Rows(w, "states") {
		if Text(row, "state") == state {
			return row
		}
	}
	return nil
}

// checkWorkflow is validate_workflow.
func (s *Site) checkWorkflow(ss *Session, d *meta.DocType, doc, before Obj) error {
	w := s.Workflow(d.Name)
	if w == nil {
		return nil
	}
	field, first := Text(w, "workflow_state_field"), Text(Rows(w, "states")[0], "state")
	if Text(doc, field) == "" {
		doc[field] = first
	}
	from, to := first, Text(doc, field)
	if before != nil && Text(before, field) != "" {
		from = Text(before, field)
	}
	if stateOf(w, from) == nil {
		return exc.Throw(exc.Validation, "", "%s is not a valid Workflow State. Please update your Workflow and try again.", exc.Bold(from))
	}
	if from == to {
		return nil
	}
	refused := exc.Throw(exc.WorkflowDenied, "", "Workflow State transition not allowed from %s to %s", exc.Bold(from), exc.Bold(to))
	if before == nil {
		return refused
	}
	steps, err := s.Transitions(ss, before)
	if err != nil {
		return err
	}
	for _, t := range steps {
		if Text(t, "next_state") == to {
			return nil
		}
	}
	return refused
}

// workflowFollows sets the state that goes with a deed (set_workflow_state_on_action).
func (s *Site) workflowFollows(d *meta.DocType, doc Obj, action string) error {
	w := s.Workflow(d.Name)
	if w == nil || action == "save" {
		return nil
	}
	field, status := Text(w, "workflow_state_field"), Int(doc, "docstatus")
	if now := stateOf(w, Text(doc, field)); now != nil && Int(now, "doc_status") == status {
		return nil
	}
	for _, row := range Rows(w, "states") {
		if Int(row, "doc_status") == status {
			doc[field] = row["state"]
			return nil
		}
	}
	return nil
}

// Comment adds to the timeline of a document; no right is asked for.
func (s *Site) Comment(ss *Session, kind, doctype, name, content string) Obj {
	return s.Record(ss, "Comment", Obj{"comment_type": kind, "reference_doctype": doctype, "reference_name": name, "content": content,
		"comment_email": ss.User.Name, "comment_by": ss.User.FullName})
}

// Record makes a document that the system writes for somebody: no right is asked for
// (insert with ignore_permissions).
func (s *Site) Record(ss *Session, doctype string, values Obj) Obj {
	doc, now := s.fresh(s.Reg.Get(doctype)), s.Stamp()
	maps.Copy(doc, values)
	doc["name"], doc["owner"], doc["modified_by"], doc["creation"], doc["modified"] = s.Hash(), ss.User.Name, ss.User.Name, now, now
	s.Put(doc)
	return doc
}

// version keeps what a save changed (Version.update_version_info).
func (s *Site) version(ss *Session, d *meta.DocType, doc, before Obj) {
	if !d.TrackChanges {
		return
	}
	var changed []string
	for _, f := range d.Columns() {
		if was, is := Text(before, f.Name), Text(doc, f.Name); was != is {
			changed = append(changed, fmt.Sprintf("[%q, %q, %q]", f.Name, was, is))
		}
	}
	if was, is := Int(before, "docstatus"), Int(doc, "docstatus"); was != is {
		changed = append(changed, fmt.Sprintf("[%q, %d, %d]", "docstatus", was, is))
	}
	if changed == nil {
		return
	}
	s.Record(ss, "Version", Obj{"ref_doctype": d.Name, "docname": doc["name"],
		"data": fmt.Sprintf(`{"changed": [%s], "added": [], "removed": [], "row_changed": []}`, strings.Join(changed, ", "))})
}
