package erpnext_test

import (
	"strings"
	"testing"

	"drawbridge/internal/mcpwire"
	"drawbridge/internal/servers/kittest"
)

const userPath = "/api/v2/document/User/ben/"

func userSite(t *testing.T) *stub {
	t.Helper()
	s := newStub(t)
	s.describes("User", `"fields":[{"fieldname":"enabled","fieldtype":"Check"}]`)
	s.on("GET "+userPath, 200, `{"data":{"name":"ben","enabled":0,"modified":"m1"}}`)
	s.on("PATCH "+userPath, 200, `{"data":{"name":"ben","enabled":1,"modified":"m3"}}`)
	return s
}

// A person who approves a change of the machinery reads what it was and what it will be;
// what has changed since is shown anew, and what has not runs once after one question.
func TestApprove_machinery(t *testing.T) {
	t.Parallel()
	for name, moves := range map[string]bool{"quiet": false, "changed while the person reads": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := userSite(t)
			var seen []string
			c := anna(t, s.url, "mode=write").With(mcpwire.LatestModern, func(message string) string {
				if seen = append(seen, message); moves && len(seen) == 1 {
					s.on("GET "+userPath, 200, `{"data":{"name":"ben","enabled":null,"modified":"m2"}}`)
				}
				return kittest.Approves(message)
			})
			c.Must(t, "update_document", `{"doctype":"User","name":"ben","values":{"enabled":1}}`, nil)
			want := map[bool]int{false: 1, true: 2}[moves]
			if len(seen) != want || len(s.sent()) != 1 {
				t.Fatalf("asked %d times, sent %v", len(seen), s.sent())
			}
			if !strings.Contains(seen[0], "enabled: 0 → 1") || moves && !strings.Contains(seen[1], "enabled: nothing → 1") {
				t.Errorf("the person read %q", seen)
			}
			if v := decoded(t, s.sent()[0].body)["modified"]; v != map[bool]string{false: "m1", true: "m2"}[moves] {
				t.Errorf("the change is made on %v", v)
			}
		})
	}
}

// What a person reads before a submission stands between marks that are new each time;
// the approval stands on what they hold.
func TestApprove_marks(t *testing.T) {
	t.Parallel()
	s := newStub(t)
	saved(s, strings.Replace(order, `"docstatus":0`, `"docstatus":1`, 1))
	var seen string
	asked := 0
	c := anna(t, s.url).With(mcpwire.LatestModern, func(m string) string {
		seen = m
		if asked++; asked == 1 { // a value that the version does not tell of
			s.on("GET "+orderPath, 200, `{"data":`+strings.Replace(order, `"grand_total":30.0`, `"grand_total":3000.0`, 1)+`}`)
		}
		return kittest.Approves(m)
	})
	c.Must(t, "submit_document", `{"doctype":"Sales Order","name":"SO-1","expected_modified":"2026-11-29 10:00:00.000001"}`, nil)
	if asked != 2 || !strings.Contains(seen, "3000.0") || !strings.Contains(seen, "[outside-") || len(s.sent()) != 1 {
		t.Errorf("asked %d times, last %q, sent %v", asked, seen, s.sent())
	}
}

// A file is not made public, nor given another's content, without a person.
func TestApprove_files(t *testing.T) {
	t.Parallel()
	s := newStub(t)
	s.describes("File", `"fields":[{"fieldname":"is_private","fieldtype":"Check"},{"fieldname":"file_url","fieldtype":"Code"},{"fieldname":"content","fieldtype":"Code"}]`)
	s.on("GET /api/v2/document/File/F1/", 200, `{"data":{"name":"F1","is_private":1,"modified":"m1"}}`)
	c := anna(t, s.url, "mode=write").With(mcpwire.LatestModern, kittest.Declines)
	for tool, args := range map[string]string{
		"create_document": `{"doctype":"File","values":{"content":"x","is_private":0}}`,
		"update_document": `{"doctype":"File","name":"F1","values":{"file_url":"/private/files/salaries.pdf"}}`,
	} {
		if text := c.Refused(t, tool, args); !strings.Contains(text, "upload_file") {
			t.Errorf("%s: %s", tool, text)
		}
	}
	if text := c.Refused(t, "update_document", `{"doctype":"File","name":"F1","values":{"is_private":0}}`); !strings.Contains(text, "did not approve") || len(s.sent()) > 0 {
		t.Errorf("%s, sent %v", text, s.sent())
	}
}

// One question has all that a person must know: that it counts, and that it is machinery.
func TestApprove_once(t *testing.T) {
	t.Parallel()
	s := newStub(t)
	s.describes("Stock Settings", `"is_submittable":1,"fields":[{"fieldname":"limit","fieldtype":"Int"}]`)
	s.on("POST /api/v2/document/Stock Settings", 200, `{"data":{"name":"S","docstatus":0,"modified":"m"}}`)
	s.drops("PATCH /api/v2/document/Stock Settings/S/")
	var seen string
	c := anna(t, s.url).With(mcpwire.LatestModern, func(m string) string { seen = m; return kittest.Approves(m) })
	text := c.Refused(t, "create_document", `{"doctype":"Stock Settings","values":{"limit":1},"submit":true}`)
	if c.Asked() != 1 || !strings.Contains(seen, "books and stock") || !strings.Contains(seen, "how ERPNext itself works") {
		t.Errorf("asked %d times: %s", c.Asked(), seen)
	}
	if !strings.Contains(text, "may be submitted") || !strings.Contains(text, "undetermined") || strings.Contains(text, "is not submitted") {
		t.Errorf("an answer that was lost: %s", text)
	}
}

// Without a version there is nothing that a person could approve.
func TestApprove_version(t *testing.T) {
	t.Parallel()
	s := newStub(t)
	s.on("GET "+orderPath, 200, `{"data":{"name":"SO-1","docstatus":0}}`)
	c := anna(t, s.url)
	if text := c.Refused(t, "delete_document", `{"doctype":"Sales Order","name":"SO-1","expected_modified":""}`); !strings.Contains(text, "has changed") || c.Asked() != 0 {
		t.Errorf("%s", text)
	}
}

// The steps of a workflow are those of now, not of a minute ago: what a step does is
// what a person approves.
func TestApprove_workflow(t *testing.T) {
	t.Parallel()
	s := newStub(t)
	meta := func(docstatus string) {
		s.describes("Sales Order", `"is_submittable":1,"fields":[],"__workflow_docs":[{"name":"W","is_active":1,"workflow_state_field":"state","states":[{"state":"Done","doc_status":"`+docstatus+`"}]}]`)
	}
	meta("0")
	s.on("GET /api/v2/method/frappe.model.workflow.get_transitions", 200, `{"data":[{"action":"Finish","state":"Open","next_state":"Done"}]}`)
	s.on("POST /api/v2/method/frappe.model.workflow.apply_workflow", 200, `{}`)
	var seen []string
	c := anna(t, s.url).With(mcpwire.LatestModern, func(m string) string {
		if seen = append(seen, m); len(seen) == 1 {
			meta("1")
		}
		return kittest.Approves(m)
	})
	c.Must(t, "get_doctype", `{"doctype":"Sales Order"}`, nil)
	c.Must(t, "apply_workflow_action", `{"doctype":"Sales Order","name":"SO-1","expected_modified":"2026-11-29 10:00:00.000001","action":"Finish"}`, nil)
	if len(seen) != 2 || strings.Contains(seen[0], "submits") || !strings.Contains(seen[1], "submits") || len(s.sent()) != 1 {
		t.Errorf("the person read %q, sent %v", seen, s.sent())
	}
}
