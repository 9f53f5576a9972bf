package fake_test

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"drawbridge/internal/servers/erpnext/fake"
)

// What public samples and sources show of the real one's answers.
func TestShapes(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/shapes.json")
	if err != nil {
		t.Fatal(err)
	}
	var shapes map[string]struct {
		Members               []string
		Name, Creation, Title string
		Fields                map[string][2]any
		Roles                 []string
	}
	if err := json.Unmarshal(raw, &shapes); err != nil {
		t.Fatal(err)
	}
	has := func(shape string, o obj) {
		t.Helper()
		for _, m := range shapes[shape].Members {
			if _, there := o[m]; !there {
				t.Errorf("%s has no %q: %v", shape, m, o)
			}
		}
	}
	h := start(t, fake.Options{Profile: fake.V16})

	row := rows(h.must(200, "GET", at("Sales Order", "SAL-ORD-2026-00001"), nil).data(), "items")[0]
	has("child row", row)
	for member, want := range map[string]string{"name": shapes["child row"].Name, "creation": shapes["child row"].Creation} {
		if !regexp.MustCompile(want).MatchString(row[member].(string)) {
			t.Errorf("%s of a row is %v", member, row[member])
		}
	}

	missing := h.must(404, "GET", at("Customer", "Nobody"), nil)
	has("error of a missing document", missing.json())
	if len(missing.json()) != len(shapes["error of a missing document"].Members) {
		t.Errorf("more than it should say: %s", missing.text)
	}
	has("message of a version 16 site", missing.messages()[0])
	if got := missing.messages()[0]["title"]; got != shapes["message of a version 16 site"].Title {
		t.Errorf("title %v", got)
	}

	form := h.must(200, "GET", "/api/method/frappe.desk.form.load.getdoc?doctype=Sales%20Order&name=SAL-ORD-2026-00001", nil).json()
	has("docinfo", form["docinfo"].(obj))
	if form["message"] != nil || len(form["docs"].([]any)) != 1 {
		t.Errorf("a form has message %v and %d docs", form["message"], len(form["docs"].([]any)))
	}
	has("report", as[obj](h.must(200, "POST", "/api/method/frappe.desk.query_report.run", obj{"report_name": "Item Prices"}), "message"))
	has("script", as[obj](h.must(200, "POST", "/api/method/frappe.desk.query_report.get_script", obj{"report_name": "Item Prices"}), "message"))

	docs := as[[]any](h.must(200, "GET", "/api/method/frappe.desk.form.load.getdoctype?doctype=Comment", nil), "docs")
	comment, found := docs[0].(obj), map[string][2]any{}
	for _, f := range rows(comment, "fields") {
		found[f["fieldname"].(string)] = [2]any{f["fieldtype"], f["reqd"]}
	}
	for name, want := range shapes["comment fields"].Fields {
		if found[name] != want {
			t.Errorf("Comment.%s is %v, want %v", name, found[name], want)
		}
	}
	for _, p := range rows(comment, "permissions") {
		if !slices.Contains(shapes["comment fields"].Roles, p["role"].(string)) {
			t.Errorf("Comment has a rule for %v", p["role"])
		}
	}
}

// Nulls and points: what JSON looks like by version and route.
func TestShapes_nullsAndNumbers(t *testing.T) {
	t.Parallel()
	for p, wantNull := range map[fake.Profile]bool{fake.V15: false, fake.V16: true} {
		h := start(t, fake.Options{Profile: p})
		v1 := h.must(200, "GET", at("Customer", "Ada Lovelace"), nil)
		if strings.Contains(v1.text, "null") || !strings.Contains(v1.text, `"credit_limit":0.0`) || !strings.Contains(v1.text, `"docstatus":0,`) {
			t.Errorf("%v v1: %s", p, v1.text)
		}
		v2 := h.must(200, "GET", "/api/v2/document/Customer/Ada%20Lovelace", nil)
		if strings.Contains(v2.text, `"website":null`) != wantNull {
			t.Errorf("%v v2: %s", p, v2.text)
		}
		got := h.must(200, "GET", "/api/method/frappe.client.get?doctype=Customer&name=Ada%20Lovelace", nil)
		if !strings.Contains(got.text, `"website":null`) {
			t.Errorf("%v client.get: %s", p, got.text)
		}
		if none := h.must(200, "POST", "/api/method/frappe.client.delete", obj{"doctype": "ToDo", "name": h.Names("ToDo")[0]}); none.text != "{}" {
			t.Errorf("None is %s", none.text)
		}
	}
}

// A doctype with everything a client needs to write one of its documents.
func TestShapes_meta(t *testing.T) {
	t.Parallel()
	h := start(t, fake.Options{})
	docs := as[[]any](h.as(fake.Buyer).must(200, "GET", "/api/method/frappe.desk.form.load.getdoctype?doctype=Purchase%20Order&with_parent=1", nil), "docs")
	if len(docs) != 3 {
		t.Fatalf("%d docs, want the doctype and its two children", len(docs))
	}
	po := docs[0].(obj)
	if po["is_submittable"] != 1.0 || po["title_field"] != "supplier_name" || len(po["__workflow_docs"].([]any)) != 6 {
		t.Errorf("Purchase Order %v %v", po["is_submittable"], po["title_field"])
	}
	var mandatory []string
	for _, f := range rows(po, "fields") {
		if f["reqd"] == 1.0 {
			mandatory = append(mandatory, f["fieldname"].(string))
		}
	}
	if want := "naming_series supplier transaction_date company currency conversion_rate items status"; strings.Join(mandatory, " ") != want {
		t.Errorf("mandatory %v", mandatory)
	}
	meta := h.as(fake.Buyer).must(200, "GET", "/api/v2/doctype/Purchase%20Order/meta", nil).data()
	if meta["name"] != "Purchase Order" || len(rows(meta, "fields")) != len(rows(po, "fields")) {
		t.Errorf("v2 meta differs")
	}
	h.as("").must(403, "GET", "/api/v2/doctype/Purchase%20Order/meta", nil)
}
