package fake_test

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"drawbridge/internal/servers/erpnext/fake"
)

// Rows of a table are replaced as a whole; a row with its name stays the row it was, with
// only what was sent of it.
func TestDocuments_childRows(t *testing.T) {
	t.Parallel()
	h := start(t, fake.Options{})
	q := h.create(obj{"doctype": "Quotation", "party_name": "Ada Lovelace", "items": []obj{{"item_code": "SKU001", "qty": 2}, {"item_code": "SKU003", "qty": 1, "rate": 12}}})
	first, second := rows(q, "items")[0], rows(q, "items")[1]
	path := at("Quotation", q["name"].(string))
	q = h.must(200, "PUT", path, obj{"items": []obj{second, {"item_code": "SKU002", "qty": 1}}, "nonsense": 1}).data()
	got := rows(q, "items")
	if len(got) != 2 || got[0]["name"] != second["name"] || got[0]["idx"] != 1.0 || got[0]["rate"] != 12.0 || got[1]["name"] == first["name"] || q["grand_total"] != 912.0 || q["nonsense"] != nil {
		t.Errorf("rows %v, total %v", got, q["grand_total"])
	}
	h.do("PUT", path, obj{"items": []obj{{"name": second["name"], "qty": 5}}}).refused(417, "MandatoryError", "Value missing for: Item Name")
	set := as[obj](h.must(200, "POST", "/api/method/frappe.client.set_value", obj{"doctype": "Quotation Item", "name": second["name"], "fieldname": "qty", "value": 3}), "message")
	if set["doctype"] != "Quotation" || set["grand_total"] != 936.0 {
		t.Errorf("set_value of a row answers %v %v", set["doctype"], set["grand_total"])
	}

	// The document as a client holds it: its modified counts, and rows it does not have go.
	held := as[obj](h.must(200, "GET", "/api/method/frappe.client.get?doctype=Quotation&name="+q["name"].(string), nil), "message")
	if err := h.Change("Quotation", q["name"].(string), obj{"valid_till": "2027-01-01"}); err != nil {
		t.Fatal(err)
	}
	h.do("POST", "/api/method/frappe.client.save", obj{"doc": held}).refused(417, "TimestampMismatchError", held["modified"].(string)[:10])
	held = as[obj](h.must(200, "GET", "/api/method/frappe.client.get?doctype=Quotation&name="+q["name"].(string), nil), "message")
	held["items"] = held["items"].([]any)[:1]
	saved := as[obj](h.must(200, "POST", "/api/method/frappe.client.submit", obj{"doc": held}), "message")
	if saved["docstatus"] != 1.0 || len(rows(saved, "items")) != 1 || saved["modified"] == held["modified"] {
		t.Errorf("submitted %v with %d rows", saved["docstatus"], len(rows(saved, "items")))
	}
}

func TestDocuments_methods(t *testing.T) {
	t.Parallel()
	h := start(t, fake.Options{Profile: fake.V16})
	name := "SAL-QTN-2026-00002"
	if a := h.must(200, "GET", at("Quotation", name)+"?run_method=submit", nil); a.data()["docstatus"] != 1.0 {
		t.Errorf("a GET answers %v", a.data()["docstatus"])
	}
	if d := h.Doc("Quotation", name); d["docstatus"] != 0 {
		t.Errorf("a GET was kept: docstatus %v", d["docstatus"])
	}
	if a := h.must(404, "POST", at("Quotation", name)+"?run_method=nonsense", ""); !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
		t.Errorf("unknown method: %v", a.header)
	}
	done := h.must(200, "POST", "/api/v2/document/Quotation/"+name+"/method/submit", nil).json()
	if done["docs"].([]any)[0].(obj)["docstatus"] != 1.0 || done["data"].(obj)["status"] != "Open" {
		t.Errorf("submit answers %v", done)
	}
	said := h.must(200, "POST", "/api/v2/document/Quotation/"+name+"/method/add_comment", obj{"text": "hello"}).data()
	if said["content"] != "hello" || said["reference_name"] != name {
		t.Errorf("add_comment answers %v", said)
	}
	copied := h.must(200, "GET", "/api/v2/document/Quotation/"+name+"/copy", nil).data()
	for _, k := range []string{"name", "creation", "modified", "owner", "docstatus", "status"} {
		if copied[k] != nil {
			t.Errorf("a copy has %s", k)
		}
	}
	if r := rows(copied, "items"); copied["party_name"] == nil || r[0]["item_code"] == nil || r[0]["name"] != nil {
		t.Errorf("a copy is %v", copied)
	}
	if short := h.must(200, "POST", "/api/v2/method/Quotation/make_sales_order", obj{"source_name": name}).data(); short["doctype"] != "Sales Order" {
		t.Errorf("shorthand answers %v", short["doctype"])
	}
	inMemory := h.must(200, "POST", "/api/v2/method/run_doc_method", obj{"method": "cancel", "document": h.must(200, "GET", "/api/v2/document/Quotation/"+name, nil).data()}).json()
	if inMemory["docs"].([]any)[0].(obj)["docstatus"] != 2.0 {
		t.Errorf("run_doc_method answers %v", inMemory)
	}
	h.must(202, "DELETE", "/api/v2/document/Quotation/"+name, nil)
	h.must(404, "GET", "/api/v2/document/Quotation/"+name, nil)
	// The last number of a series is given out again.
	if q := h.create(obj{"doctype": "Quotation", "party_name": "Ada Lovelace", "items": []obj{{"item_code": "SKU001", "qty": 2}}}); q["name"] != name {
		t.Errorf("next is %v", q["name"])
	}
	odd := "/api/resource/Customer/A%2FB%20Testing%20%26%20S%C3%B6hne"
	if c := h.must(200, "GET", odd, nil).data(); c["name"] != "A/B Testing & Söhne" {
		t.Errorf("a name with a slash: %v", c["name"])
	}
	renamed := as[string](h.must(200, "POST", "/api/method/frappe.client.rename_doc", obj{"doctype": "Customer", "old_name": "Ada Lovelace", "new_name": "Ada King"}), "message")
	if o := h.Doc("Sales Order", "SAL-ORD-2026-00002"); renamed != "Ada King" || o["customer"] != "Ada King" {
		t.Errorf("renamed %v, order of %v", renamed, o["customer"])
	}
	many := as[[]any](h.must(200, "POST", "/api/method/frappe.client.insert_many", obj{"docs": []obj{{"doctype": "ToDo", "description": "a"}, {"doctype": "ToDo", "description": "b"}}}), "message")
	if len(many) != 2 {
		t.Errorf("insert_many %v", many)
	}
	h.do("POST", "/api/method/frappe.client.insert_many", obj{"docs": []obj{{"doctype": "ToDo", "description": "c"}, {"doctype": "ToDo"}}}).refused(417, "MandatoryError", "Description")
	if got := len(h.Names("ToDo")); got != 3 {
		t.Errorf("%d ToDos: half of a refused request was kept", got)
	}
}

func TestDesk_workflow(t *testing.T) {
	t.Parallel()
	h := start(t, fake.Options{}).as(fake.Buyer)
	po := h.Doc("Purchase Order", "PUR-ORD-2026-00001")
	doc := obj{"doctype": "Purchase Order", "name": po["name"]}
	actions := func(h *house) string {
		var names []string
		for _, a := range as[[]any](h.must(200, "POST", "/api/method/frappe.model.workflow.get_transitions", obj{"doc": doc}), "message") {
			names = append(names, a.(obj)["action"].(string))
		}
		return strings.Join(names, ",")
	}
	apply := func(h *house, action string) answer {
		return h.do("POST", "/api/method/frappe.model.workflow.apply_workflow", obj{"doc": doc, "action": action})
	}
	if got := actions(h); got != "Send for Approval" {
		t.Errorf("a buyer may %s", got)
	}
	apply(h, "Approve").refused(417, "WorkflowTransitionError", "Not a valid Workflow Action")
	h.do("PUT", at("Purchase Order", "PUR-ORD-2026-00001"), obj{"workflow_state": "Approved"}).
		refused(417, "WorkflowPermissionError", "Workflow State transition not allowed from <strong>Draft</strong> to <strong>Approved</strong>")
	if a := apply(h, "Send for Approval"); a.status != 200 || as[obj](a, "message")["workflow_state"] != "Pending Approval" {
		t.Fatalf("send for approval: %s", a.text)
	}
	if got := actions(h); got != "" {
		t.Errorf("a buyer may %s of what is pending", got)
	}
	boss := h.as(fake.Manager)
	if got := actions(boss); got != "Approve,Reject" {
		t.Errorf("a manager may %s", got)
	}
	if a := apply(boss, "Approve"); a.status != 200 || as[obj](a, "message")["docstatus"] != 1.0 {
		t.Fatalf("approve: %s", a.text)
	}
	if a := apply(boss, "Revoke"); a.status != 200 || as[obj](a, "message")["docstatus"] != 2.0 {
		t.Fatalf("revoke: %s", a.text)
	}
	own := boss.create(obj{"doctype": "Purchase Order", "supplier": "Summit Traders", "schedule_date": "2027-01-01", "items": []obj{{"item_code": "SKU001", "qty": 1}}})
	doc["name"] = own["name"]
	apply(boss, "Send for Approval")
	apply(boss, "Approve").refused(417, "ValidationError", "Self approval is not allowed")
	doc = obj{"doctype": "Quotation", "name": "SAL-QTN-2026-00002"}
	boss.do("POST", "/api/method/frappe.model.workflow.get_transitions", obj{"doc": doc}).refused(404, "DoesNotExistError", "Workflow None not found")
}

func TestDesk_timeline(t *testing.T) {
	t.Parallel()
	h := start(t, fake.Options{}).as(fake.Sales)
	on := obj{"doctype": "Customer", "name": "Ada Lovelace"}
	h.must(500, "POST", "/api/method/frappe.desk.form.utils.add_comment", obj{"reference_doctype": "Customer", "reference_name": "Ada Lovelace", "content": "x"})
	c := as[obj](h.must(200, "POST", "/api/method/frappe.desk.form.utils.add_comment", obj{"reference_doctype": "Customer", "reference_name": "Ada Lovelace", "content": "<p>called</p>",
		"comment_email": fake.Sales, "comment_by": "Sam Sales"}), "message")
	if c["comment_type"] != "Comment" || c["owner"] != fake.Sales {
		t.Errorf("comment %v", c)
	}
	assign := obj{"doctype": "Customer", "name": "Ada Lovelace", "assign_to": `["` + fake.Manager + `"]`, "description": "look"}
	if got := as[[]any](h.must(200, "POST", "/api/method/frappe.desk.form.assign_to.add", assign), "message"); len(got) != 1 || got[0].(obj)["owner"] != fake.Manager {
		t.Errorf("assigned %v", got)
	}
	if again := h.must(200, "POST", "/api/method/frappe.desk.form.assign_to.add", assign); !strings.Contains(again.messages()[0]["message"].(string), "Already in the following Users ToDo list:") {
		t.Errorf("twice: %s", again.text)
	}
	h.do("POST", "/api/method/frappe.desk.form.assign_to.add", obj{"doctype": "Customer", "name": "Ada Lovelace", "assign_to": []string{"nobody@example.com"}}).refused(417, "LinkValidationError", "Could not find Allocated To: nobody@example.com")
	h.must(200, "POST", "/api/method/frappe.desk.doctype.tag.tag.add_tag", obj{"tag": "vip", "dt": "Customer", "dn": "Ada Lovelace"})
	h.must(200, "PUT", at("Customer", "Ada Lovelace"), obj{"mobile_no": "42"})
	info := h.must(200, "POST", "/api/method/frappe.desk.form.load.getdoc", on).json()["docinfo"].(obj)
	if len(rows(info, "comments")) != 1 || len(rows(info, "assignments")) != 1 || info["tags"] != "vip" || info["permissions"].(obj)["delete"] != 0.0 {
		t.Errorf("docinfo %v", info)
	}
	if v := rows(info, "versions"); len(v) != 1 || !strings.Contains(v[0]["data"].(string), `["mobile_no", "", "42"]`) {
		t.Errorf("versions %v", v)
	}
	if got := h.as(fake.Manager).list("ToDo", obj{"fields": []string{"reference_name"}}); got != "Ada Lovelace" {
		t.Errorf("manager's list: %s", got)
	}
	h.must(200, "POST", "/api/method/frappe.desk.form.assign_to.remove", obj{"doctype": "Customer", "name": "Ada Lovelace", "assign_to": fake.Manager})
	if d := h.Doc("Customer", "Ada Lovelace"); d["_assign"] != "[]" || d["_user_tags"] != ",vip" {
		t.Errorf("kept %v %v", d["_assign"], d["_user_tags"])
	}
}

// upload sends a file as the desk does.
func (h *house) upload(name, content string, fields map[string]string) answer {
	h.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for k, v := range fields {
		_ = w.WriteField(k, v)
	}
	if name != "" {
		part, err := w.CreateFormFile("file", name)
		if err != nil {
			h.t.Fatal(err)
		}
		_, _ = part.Write([]byte(content))
	}
	_ = w.Close()
	r := h.request("POST", "/api/method/upload_file", nil)
	full, err := http.NewRequestWithContext(h.t.Context(), "POST", r.URL.String(), &b)
	if err != nil {
		h.t.Fatal(err)
	}
	full.Header = r.Header
	full.Header.Set("Content-Type", w.FormDataContentType())
	a, err := h.send(full)
	if err != nil {
		h.t.Fatal(err)
	}
	return a
}

func TestFiles(t *testing.T) {
	t.Parallel()
	h := start(t, fake.Options{MaxFile: 100}).as(fake.Accounts)
	on := map[string]string{"doctype": "Sales Invoice", "docname": "ACC-SINV-2026-00001", "is_private": "1", "file_name": "ignored.txt"}
	f := as[obj](h.upload("offer.txt", "hello", on), "message")
	if f["file_url"] != "/private/files/offer.txt" || f["is_private"] != 1.0 || f["file_size"] != 5.0 || f["folder"] != "Home" || f["content_hash"] != "5d41402abc4b2a76b9719d911017c592" {
		t.Errorf("file %v", f)
	}
	other := as[obj](h.upload("offer.txt", "other", on), "message")
	if other["file_url"] == f["file_url"] || !strings.HasPrefix(other["file_url"].(string), "/private/files/offer") {
		t.Errorf("another of that name is at %v", other["file_url"])
	}
	for user, want := range map[string]int{fake.Accounts: 200, fake.Sales: 200, fake.Buyer: 403, "": 403} {
		if a := h.as(user).do("GET", "/private/files/offer.txt", nil); a.status != want || want == 200 && a.text != "hello" {
			t.Errorf("%q gets %d %q", user, a.status, a.text)
		}
	}
	if a := h.as(fake.Buyer).do("GET", "/private/files/nothing.txt", nil); a.status != 403 {
		t.Errorf("what is not there: %d", a.status)
	}
	a := h.must(200, "GET", "/api/method/frappe.core.doctype.file.file.download_file?file_url=/private/files/offer.txt", nil)
	if a.text != "hello" || a.header.Get("Content-Disposition") != "attachment; filename=offer.txt" {
		t.Errorf("download %q %v", a.text, a.header)
	}
	h.as(fake.Buyer).upload("x.txt", "x", on).refused(403, "PermissionError", "")
	h.as("").upload("x.txt", "x", nil).refused(403, "PermissionError", "")
	h.upload("big.txt", strings.Repeat("x", 101), nil).refused(413, "MaxFileSizeReachedError", "File size exceeded the maximum allowed size of")
	h.upload("", "", nil).refused(417, "ValidationError", "Please attach a file or set a URL")
	h.as(fake.Portal).upload("x.exe", "x", nil).refused(417, "ValidationError", "You can only upload")
	if got := h.list("File", obj{"filters": obj{"attached_to_name": "ACC-SINV-2026-00001"}, "fields": []string{"file_name"}, "order_by": "creation"}); got != "offer.txt offer.txt" {
		t.Errorf("attached %s", got)
	}
	public := as[obj](h.upload("logo.svg", "<svg/>", map[string]string{"is_private": "0"}), "message")
	if a := h.as("").must(200, "GET", public["file_url"].(string), nil); a.header.Get("Content-Disposition") == "" {
		t.Errorf("an SVG comes without disposition")
	}
	if pdf := h.must(200, "GET", "/api/method/frappe.utils.print_format.download_pdf?doctype=Sales%20Invoice&name=ACC-SINV-2026-00001&no_letterhead=0", nil); pdf.header.Get("Content-Type") != "application/pdf" || !strings.HasPrefix(pdf.text, "%PDF-") {
		t.Errorf("pdf %v", pdf.header)
	}
}

func TestReports(t *testing.T) {
	t.Parallel()
	h := start(t, fake.Options{Profile: fake.V16, PrepareFor: time.Minute})
	run := func(report string, filters obj, more ...string) obj {
		args := obj{"report_name": report, "filters": filters}
		for _, m := range more {
			args[m] = 1
		}
		return as[obj](h.must(200, "POST", "/api/method/frappe.desk.query_report.run", args), "message")
	}
	gl := run("General Ledger", obj{"company": fake.Company, "from_date": "2026-01-01", "to_date": "2026-12-31", "party": []string{"Grant Plastics Ltd."}})
	if r := rows(gl, "result"); len(r) != 4 || r[0]["account"] != "'Opening'" || r[1]["debit"] != 1080.0 || r[3]["balance"] != 1080.0 {
		t.Errorf("ledger %v", r)
	}
	owed := run("Accounts Receivable", obj{})
	list := owed["result"].([]any)
	if first := list[0].(obj); first["voucher_no"] != "ACC-SINV-2026-00001" || first["age"] != 31.0 || first["range2"] != 1080.0 {
		t.Errorf("receivable %v", first)
	}
	if total, is := list[len(list)-1].([]any); !is || total[0] != "Total" || owed["add_total_row"] != true {
		t.Errorf("total row %v", list[len(list)-1])
	}
	prices := run("Item Prices", obj{})
	if c := rows(prices, "columns")[0]; c["fieldname"] != "item" || c["fieldtype"] != "Link" || c["options"] != "Item" || rows(prices, "result")[0]["item"] != "SKU001" {
		t.Errorf("prices %v", c)
	}
	script := as[obj](h.must(200, "GET", "/api/method/frappe.desk.query_report.get_script?report_name=General%20Ledger", nil), "message")
	if s := script["script"].(string); !strings.Contains(s, "fieldname: \"company\",\n\t\t\tlabel: __(\"Company\"),\n\t\t\tfieldtype: \"Link\"") || !strings.Contains(s, "reqd: 1") {
		t.Errorf("script %s", s)
	}
	stored := as[obj](h.must(200, "GET", "/api/method/frappe.desk.query_report.get_script?report_name=Open%20Orders%20by%20Customer", nil), "message")
	if f := rows(stored, "filters"); len(f) != 1 || f[0]["mandatory"] != 1.0 {
		t.Errorf("stored filters %v", f)
	}

	filters := obj{"company": fake.Company, "to_date": "2026-12-31"}
	if r := run("Stock Balance", filters); r["prepared_report"] != true || r["doc"] != nil || r["columns"] != nil {
		t.Errorf("not prepared: %v", r)
	}
	if r := run("Stock Balance", filters, "ignore_prepared_report"); len(rows(r, "result")) == 0 {
		t.Errorf("at once: %v", r)
	}
	const make = "/api/method/frappe.core.doctype.prepared_report.prepared_report.make_prepared_report"
	name := as[obj](h.must(200, "POST", make, obj{"report_name": "Stock Balance", "filters": filters}), "message")["name"]
	if got := h.must(200, "GET", at("Prepared Report", fmt.Sprint(name)), nil).data()["status"]; got != "Started" {
		t.Errorf("status %v", got)
	}
	h.Advance(time.Minute)
	r := run("Stock Balance", filters)
	if r["doc"].(obj)["name"] != name || len(rows(r, "result")) != 2 {
		t.Errorf("prepared: %v", r)
	}
	h.do("POST", "/api/method/frappe.desk.query_report.background_enqueue_run", obj{"report_name": "Stock Balance"}).refused(417, "ValidationError", "Failed to get method")
	start(t, fake.Options{}).must(200, "POST", "/api/method/frappe.desk.query_report.background_enqueue_run", obj{"report_name": "Stock Balance"})
}
