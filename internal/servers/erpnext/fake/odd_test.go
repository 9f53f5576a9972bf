package fake_test

import (
	"net/url"
	"testing"

	"drawbridge/internal/servers/erpnext/fake"
)

// Whatever is sent, there is an answer, and the site goes on.
func TestOddRequests(t *testing.T) {
	t.Parallel()
	for _, p := range []fake.Profile{fake.V15, fake.V16} {
		h := start(t, fake.Options{Profile: p})
		for _, path := range []string{"/", "/api", "/api/", "/api//", "/api/v1", "/api/v2", "/api/v2/", "/api/v2/document", "/api/v2/document/Item/", "/api/v2/document//x",
			"/api/v2/method/", "/api/v2/method/a/b/c", "/api/v2/method/Item/x", "/api/v2/doctype/Item", "/api/v2/doctype/None/meta", "/api/v2/document/Item/x/method/",
			"/api/resource", "/api/resource/", "/api/resource/Item/", "/api/resource/Item/SKU001/x/y", "/api/method", "/api/method/", "/api/method/x", "/private/files/", "/files/", "/app"} {
			for _, method := range []string{"GET", "POST", "PATCH", "DELETE"} {
				h.do(method, path, nil)
				h.do(method, path, `[]`)
			}
		}
		for _, q := range []string{"fields=5", `fields={"a":1}`, `fields=[1,null]`, `fields=["","*","a.b","` + "`" + `"]`, "filters=5", `filters=[1]`, `filters=[[]]`, `filters=[["a"]]`,
			`filters=[["name","in",{}]]`, `filters=[["name","between",5]]`, `filters=["name","=","x"]`, `filters={"name":[]}`, `filters=[["items","=","x"]]`, `filters=[["Nothing","a","=","x"]]`,
			"or_filters=x", "order_by=,", "order_by=a b c", "group_by=,", "limit_start=-5", "limit_page_length=-5", "limit=x", "as_dict=x", `fields=["count(name)"]`, `fields=[{"COUNT":5}]`,
			`fields=["name as"]`, `fields=[" as x"]`, "parent=x"} {
			values, err := url.ParseQuery(q)
			if err != nil {
				t.Fatal(err)
			}
			h.do("GET", "/api/resource/Sales%20Order?"+values.Encode(), nil)
			h.do("GET", "/api/v2/document/Sales%20Order?"+values.Encode(), nil)
			h.do("GET", "/api/method/frappe.client.get_list?doctype=Sales%20Order&"+values.Encode(), nil)
		}
		for _, body := range []string{`5`, `"x"`, `null`, `{}`, `{"items":5}`, `{"items":[5]}`, `{"items":[null]}`, `{"items":[[]]}`, `{"name":5,"docstatus":"x"}`, `{"docstatus":7}`, `{"modified":5}`,
			`{"doctype":5}`, `{"data":"x"}`, `{"data":{}}`, `{"doc":5}`, `{"doc":{}}`, `{"doc":{"doctype":"Sales Order"}}`, `{"docs":5}`, `{"docs":[5]}`, `{"document":5,"method":5}`,
			`{"quotation_to":"Nothing","party_name":"x"}`, `{"company":["x"]}`, `{"doctype":"Customer","name":"Ada Lovelace","assign_to":5,"fieldname":5,"dt":"x","dn":"y","tag":"z"}`} {
			for _, path := range []string{"/api/resource/Sales%20Order", "/api/resource/Quotation", "/api/v2/document/Sales%20Order", "/api/v2/method/run_doc_method", "/api/method/login",
				"/api/method/frappe.client.insert", "/api/method/frappe.client.insert_many", "/api/method/frappe.client.save", "/api/method/frappe.client.submit", "/api/method/frappe.client.set_value",
				"/api/method/frappe.model.workflow.apply_workflow", "/api/method/frappe.model.workflow.get_transitions", "/api/method/frappe.desk.form.assign_to.add", "/api/method/frappe.client.get_value",
				"/api/method/frappe.desk.doctype.tag.tag.add_tag", "/api/method/upload_file", "/api/method/frappe.desk.query_report.run", "/api/method/erpnext.accounts.utils.get_balance_on"} {
				h.do("POST", path, body)
			}
			h.do("PUT", at("Quotation", "SAL-QTN-2026-00002"), body)
		}
		h.must(200, "GET", "/api/method/ping", nil)
	}
}
