package erpnext_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/mcpwire"
	"drawbridge/internal/servers/erpnext/fake"
	"drawbridge/internal/servers/kittest"
)

type table struct {
	Columns []string
	Rows    [][]any
	Count   *int
	Next    string `json:"next_cursor"`
}

// column is the values of a column.
func (t table) column(name string) (out []string) {
	for i, c := range t.Columns {
		if c == name {
			for _, row := range t.Rows {
				out = append(out, fmt.Sprint(row[i]))
			}
		}
	}
	return out
}

// Lists come in pages whose cursor leads to the end, and count on request.
func TestList_pages(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, o fake.Options) {
		b := newBench(t, o)
		c := b.as(t, fake.Owner)
		var all []string
		cursor := ""
		for range 20 {
			var page table
			c.Must(t, "list_documents", `{"doctype":"Customer","limit":2,"order_by":"name asc","with_count":true,"cursor":`+quoted(cursor)+`}`, &page)
			all = append(all, page.column("name")...)
			if page.Count == nil || *page.Count != 5 {
				t.Fatalf("count %v", page.Count)
			}
			if cursor = page.Next; cursor == "" {
				break
			}
		}
		want := []string{"A/B Testing & Söhne", "Ada Lovelace", "Grant Plastics Ltd.", "Palmer Productions", "West View Software"}
		if diff := cmp.Diff(want, all); diff != "" {
			t.Error(diff)
		}
		var doc struct{ Name string }
		if c.Must(t, "get_document", `{"doctype":"Customer","name":"A/B Testing & Söhne"}`, &doc); doc.Name != want[0] {
			t.Errorf("%+v", doc)
		}
	})
}

// Rows of tables need the DocType around them, and the refusal says so.
func TestList_children(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, o fake.Options) {
		c := newBench(t, o).as(t, fake.Accounts)
		if text := c.Refused(t, "list_documents", `{"doctype":"Sales Invoice Item","fields":["item_code"]}`); !strings.Contains(text, "parent") {
			t.Errorf("%s", text)
		}
		var rows table
		c.Must(t, "list_documents", `{"doctype":"Sales Invoice Item","parent":"Sales Invoice","fields":["parent","item_code","qty"]}`, &rows)
		if len(rows.Rows) == 0 {
			t.Error("no rows")
		}
		if text := kittest.NewClient(c.Server, fake.Stock).Refused(t, "list_documents", `{"doctype":"Sales Invoice Item","parent":"Sales Invoice","fields":["item_code"]}`); !strings.Contains(text, "may not do this") {
			t.Errorf("somebody without rights: %s", text)
		}
	})
}

// A DocType costs a few lines; what is needed is named with the fields of tables.
func TestGetDoctype(t *testing.T) {
	t.Parallel()
	c := newBench(t, fake.Options{}).as(t, fake.Sales)
	var out struct {
		Submittable bool
		Fields      []struct{ Fieldname string }
	}
	r := c.Must(t, "get_doctype", `{"doctype":"Sales Order","required_only":true}`, &out)
	names := map[string]bool{}
	for _, f := range out.Fields {
		names[f.Fieldname] = true
	}
	if !out.Submittable || !names["customer"] || !names["items"] || !names["items[].qty"] || names["po_no"] || !strings.Contains(r.Text, `customer: Link (Customer) "Customer" required`) {
		t.Errorf("%s", r.Text)
	}
	if text := c.Must(t, "list_doctypes", `{"query":"Sales Ord"}`, nil).Text; !strings.Contains(text, "Sales Order") {
		t.Errorf("somebody who may not list DocTypes: %s", text)
	}
}

// Who may not list DocTypes finds them by a search, which is open to everybody
// (frappe/desk/search.py), as far as the operator's lists go.
func TestListDoctypes_withoutRight(t *testing.T) {
	t.Parallel()
	s := newStub(t)
	s.on("GET /api/v2/document/DocType", 403, `{"errors":[{"type":"PermissionError"}]}`)
	s.on("GET /api/v2/method/frappe.desk.search.search_link?DocType", 200, `{"data":[{"value":"Sales Order","description":"Selling"},{"value":"Salary Slip"}]}`)
	var out table
	anna(t, s.url, "doctypes_deny=Salary*").Must(t, "list_doctypes", `{"query":"Sal"}`, &out)
	if diff := cmp.Diff([]string{"Sales Order"}, out.column("name")); diff != "" {
		t.Error(diff)
	}
}

// A workflow goes its way from the one who asks to the one who approves; who asked
// cannot approve, and neither submit nor the state can be had past it.
func TestWorkflow(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, o fake.Options) {
		b := newBench(t, o)
		buyer, manager := b.as(t, fake.Buyer), b.as(t, fake.Manager)
		var po struct {
			saying
			State   string
			Actions []struct{ Action string }
		}
		id := fmt.Sprintf(`"doctype":"Purchase Order","name":%q`, b.Names("Purchase Order")[0])
		buyer.Must(t, "get_workflow_actions", `{`+id+`}`, &po)
		if po.State != "Draft" || len(po.Actions) != 1 || po.Actions[0].Action != "Send for Approval" {
			t.Fatalf("%+v", po)
		}
		at := func() string { return id + `,"expected_modified":` + quoted(po.Modified) }
		if text := buyer.Refused(t, "submit_document", `{`+at()+`}`); !strings.Contains(text, "apply_workflow_action") {
			t.Errorf("%s", text)
		}
		if text := buyer.Refused(t, "update_document", `{`+id+`,"values":{"workflow_state":"Approved"}}`); !strings.Contains(text, "apply_workflow_action") {
			t.Errorf("%s", text)
		}
		if text := buyer.Refused(t, "apply_workflow_action", `{`+at()+`,"action":"Approve"}`); !strings.Contains(text, "get_workflow_actions") {
			t.Errorf("%s", text)
		}
		buyer.Must(t, "apply_workflow_action", `{`+at()+`,"action":"Send for Approval"}`, &po)
		if po.State != "Pending Approval" || po.DocStatus != 0 {
			t.Fatalf("%+v", po)
		}
		var seen string
		person := manager.With(mcpwire.LatestModern, func(m string) string { seen = m; return kittest.Approves(m) })
		person.Must(t, "apply_workflow_action", `{`+at()+`,"action":"Approve"}`, &po)
		if po.State != "Approved" || po.DocStatus != 1 || !strings.Contains(seen, "submits the document") {
			t.Errorf("%+v; the person read %s", po, seen)
		}
	})
}

// Files go up from the kept ones and come down again, by the rights of the caller.
func TestFiles(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, o fake.Options) {
		b := newBench(t, o)
		c := b.as(t, fake.Accounts)
		invoice := b.Names("Sales Invoice")[0]
		var pdf struct{ File struct{ Ref string } }
		c.Must(t, "get_print_pdf", fmt.Sprintf(`{"doctype":"Sales Invoice","name":%q}`, invoice), &pdf)
		var up struct{ ID, URL string }
		c.Must(t, "upload_file", fmt.Sprintf(`{"file":%q,"file_name":"a/../invoice.pdf","doctype":"Sales Invoice","name":%q}`, pdf.File.Ref, invoice), &up)
		if doc := b.Doc("File", up.ID); doc["attached_to_name"] != invoice || fmt.Sprint(doc["is_private"]) != "1" || doc["file_name"] != "invoice.pdf" {
			t.Fatalf("%v", doc)
		}
		c.Must(t, "download_file", `{"file":`+quoted(up.ID)+`}`, &pdf)
		var text struct{ Text string }
		c.Must(t, "upload_file", fmt.Sprintf(`{"text":"Grüße","file_name":"n.txt","doctype":"Sales Invoice","name":%q}`, invoice), &up)
		if c.Must(t, "download_file", `{"file":`+quoted(up.ID)+`}`, &text); text.Text != "Grüße" {
			t.Errorf("%+v", text)
		}
		stock := kittest.NewClient(c.Server, fake.Stock)
		stock.Refused(t, "download_file", `{"file":`+quoted(up.ID)+`}`)
		if text := stock.Refused(t, "upload_file", `{"file":`+quoted(pdf.File.Ref)+`}`); strings.Contains(text, "ERPNext") {
			t.Errorf("the kept file of somebody else: %s", text)
		}
		var doc struct{ Attachments []map[string]any }
		if c.Must(t, "get_document", fmt.Sprintf(`{"doctype":"Sales Invoice","name":%q,"include":["attachments"]}`, invoice), &doc); len(doc.Attachments) != 2 {
			t.Errorf("%v", doc.Attachments)
		}
	})
}

// What is written to a document is text, and cannot become markup.
func TestComment(t *testing.T) {
	t.Parallel()
	b := newBench(t, fake.Options{})
	c := b.as(t, fake.Sales)
	at := `"doctype":"Customer","name":"Ada Lovelace"`
	c.Must(t, "add_comment", `{`+at+`,"text":"1 < 2\n<script>x</script>"}`, nil)
	var doc struct{ Comments []struct{ Content string } }
	c.Must(t, "get_document", `{`+at+`,"include":["comments"]}`, &doc)
	if len(doc.Comments) != 1 || doc.Comments[0].Content != "1 < 2; <script>x</script>" {
		t.Errorf("%+v", doc)
	}
	if got := fmt.Sprint(b.Doc("Comment", b.Names("Comment")[len(b.Names("Comment"))-1])["content"]); strings.Contains(got, "<script>") {
		t.Errorf("%s", got)
	}
}

// Figures are those of the books, within the company where the operator sets one.
func TestFigures(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, o fake.Options) {
		b := newBench(t, o)
		c := b.as(t, fake.Owner)
		var balance struct{ Balance float64 }
		c.Must(t, "get_party_balance", `{"party_type":"Customer","party":"Grant Plastics Ltd."}`, &balance)
		invoice := b.Doc("Sales Invoice", b.Names("Sales Invoice")[0])
		if fmt.Sprint(balance.Balance) != fmt.Sprint(invoice["outstanding_amount"]) {
			t.Errorf("%v, want %v", balance.Balance, invoice["outstanding_amount"])
		}
		var stock table
		c.Must(t, "get_stock_balance", `{"item_code":"SKU001"}`, &stock)
		if diff := cmp.Diff([]string{"Stores - TC", "Stores - TT"}, stock.column("warehouse")); diff != "" || stock.column("actual_qty")[0] != fmt.Sprint(b.InStock("SKU001", "Stores - TC")) {
			t.Errorf("%+v", stock)
		}
		scoped := b.as(t, fake.Owner, "company="+fake.OtherCompany)
		scoped.Must(t, "get_stock_balance", `{"item_code":"SKU001"}`, &stock)
		if diff := cmp.Diff([]string{"Stores - TT"}, stock.column("warehouse")); diff != "" {
			t.Error(diff)
		}
		if text := scoped.Refused(t, "get_stock_balance", `{"item_code":"SKU001","warehouse":"Stores - TC"}`); !strings.Contains(text, "ERPNEXT_COMPANY") {
			t.Errorf("%s", text)
		}
		if text := c.Refused(t, "get_stock_balance", `{"item_code":"NONE"}`); !strings.Contains(text, "no such document") {
			t.Errorf("an item that there is not: %s", text)
		}
		var open struct {
			table
			Ages []map[string]any `json:"by_age"`
		}
		c.Must(t, "get_open_invoices", `{}`, &open)
		days := open.column("days_overdue")
		if len(days) != 2 || days[0] == "0" || open.Ages[0]["currency"] != "EUR" {
			t.Errorf("%+v", open)
		}
		scoped.Must(t, "get_open_invoices", `{}`, &open)
		if diff := cmp.Diff([]string{"Ada Lovelace"}, open.column("customer")); diff != "" {
			t.Error(diff)
		}
	})
}

// A company keeps lists, searches, reports and rows to itself.
func TestCompany_everywhere(t *testing.T) {
	t.Parallel()
	b := newBench(t, fake.Options{Profile: fake.V16})
	c := b.as(t, fake.Owner, "company="+fake.Company)
	var list table
	c.Must(t, "list_documents", `{"doctype":"Sales Invoice","fields":["company"],"with_count":true}`, &list)
	for _, company := range list.column("company") {
		if company != fake.Company {
			t.Errorf("a document of %s", company)
		}
	}
	if *list.Count != len(list.Rows) || len(list.Rows) == 0 {
		t.Errorf("count %d of %d rows", *list.Count, len(list.Rows))
	}
	c.Must(t, "list_documents", `{"doctype":"Company"}`, &list)
	if diff := cmp.Diff([]string{fake.Company}, list.column("name")); diff != "" {
		t.Error(diff)
	}
	if text := c.Must(t, "search_link", `{"doctype":"Warehouse","text":""}`, nil).Text; strings.Contains(text, " - TT") || !strings.Contains(text, " - TC") {
		t.Errorf("%s", text)
	}
	for tool, args := range map[string]string{
		"run_report":        `{"report":"General Ledger","filters":{"company":"Tinker Trading","from_date":"2026-01-01","to_date":"2026-12-31"}}`,
		"get_party_balance": `{"party_type":"Customer","party":"Ada Lovelace","company":"Tinker Trading"}`,
		"list_documents":    `{"doctype":"Sales Invoice Item","parent":"Sales Invoice"}`,
	} {
		if text := c.Refused(t, tool, args); !strings.Contains(text, "scoped") {
			t.Errorf("%s: %s", tool, text)
		}
	}
	c.Must(t, "run_report", `{"report":"General Ledger","filters":{"from_date":"2026-01-01","to_date":"2026-12-31"}}`, &list)
	if len(list.Rows) == 0 {
		t.Error("the company was not put into the filters")
	}
}

// A report that is made in the background is shown as it was made, or made at once.
func TestReport_prepared(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, o fake.Options) {
		b := newBench(t, o)
		var out struct {
			table
			Total int
		}
		b.as(t, fake.Owner).Must(t, "run_report", `{"report":"Stock Balance","filters":{"from_date":"2026-01-01","to_date":"2026-12-31"},"columns":["item_code","bal_qty"]}`, &out)
		if out.Total == 0 || len(out.Columns) != 2 {
			t.Errorf("%+v", out)
		}
	})
}

// A thing done is taken back by the call that its answer names.
func TestUndo(t *testing.T) {
	t.Parallel()
	b := newBench(t, fake.Options{})
	c := b.as(t, fake.Owner)
	undo := func(r kittest.Result) (string, string) {
		var out struct {
			Undo struct {
				Tool      string
				Arguments json.RawMessage
			}
		}
		if err := json.Unmarshal(r.Structured, &out); err != nil {
			t.Fatal(err)
		}
		return out.Undo.Tool, string(out.Undo.Arguments)
	}
	name := b.Names("Quotation")[1]
	before := fmt.Sprint(b.Doc("Quotation", name)["valid_till"])
	tool, args := undo(c.Must(t, "update_document", fmt.Sprintf(`{"doctype":"Quotation","name":%q,"values":{"valid_till":"2026-12-24"}}`, name), nil))
	c.Must(t, tool, args, nil)
	if got := fmt.Sprint(b.Doc("Quotation", name)["valid_till"]); got != before {
		t.Errorf("%s, was %s", got, before)
	}
	tool, args = undo(c.Must(t, "create_document", `{"doctype":"ToDo","values":{"description":"x"}}`, nil))
	count := len(b.Names("ToDo"))
	if c.Must(t, tool, args, nil); len(b.Names("ToDo")) != count-1 {
		t.Error("it is still there")
	}
}

// A dry run finds what would go wrong, and changes nothing.
func TestDryRun(t *testing.T) {
	t.Parallel()
	b := newBench(t, fake.Options{})
	c := b.as(t, fake.Owner)
	text := c.Must(t, "create_document", `{"doctype":"Quotation","dry_run":true,"values":{"quotation_to":"Customer","party_name":"Nobody","company":"Nowhere","order_type":"Sails","items":[{"item_code":"SKU001"}]}}`, nil).Text
	for _, part := range []string{`no Company "Nowhere"`, `"Sails" is none of the choices`, "items row 1: qty"} {
		if !strings.Contains(text, part) {
			t.Errorf("%q is missing in %s", part, text)
		}
	}
	text = c.Must(t, "update_document", fmt.Sprintf(`{"doctype":"Quotation","name":%q,"dry_run":true,"values":{"valid_till":"2026-12-24"}}`, b.Names("Quotation")[1]), nil).Text
	if !strings.Contains(text, `→ "2026-12-24"`) {
		t.Errorf("%s", text)
	}
	for _, r := range b.Requests() {
		if r.Method != "GET" {
			t.Errorf("%s %s was sent", r.Method, r.Path)
		}
	}
}
