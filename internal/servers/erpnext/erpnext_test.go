package erpnext_test

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"drawbridge/internal/fault"
	"drawbridge/internal/secret"
	"drawbridge/internal/servers/erpnext"
	"drawbridge/internal/servers/erpnext/fake"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/kittest"
)

// version names a document of the example by its place among those of its DocType, with
// the version that it starts with.
func version(t *testing.T, f *fake.Server, doctype string, place int) string {
	t.Helper()
	names := f.Names(doctype)
	if place >= len(names) {
		t.Fatalf("there are %d %s", len(names), doctype)
	}
	doc := f.Doc(doctype, names[place])
	return fmt.Sprintf(`"doctype":%q,"name":%q,"expected_modified":%q`, doctype, names[place], doc["modified"])
}

// named is version without the version.
func named(t *testing.T, f *fake.Server, doctype string, place int) string {
	t.Helper()
	id, _, _ := strings.Cut(version(t, f, doctype, place), `,"expected_modified"`)
	return id
}

// suite opens the server on a fake of a version, as its owner.
func suite(o fake.Options) kittest.Suite {
	return kittest.Suite{
		New: kittest.Opens(erpnext.ReadConfig, erpnext.New), Secrets: []string{"ownerkey-secret"}, Settings: map[string]string{"methods": "frappe.client.*"},
		Upstream: &kittest.Upstream{
			Fake: func(t *testing.T) http.Handler { return newFake(t, o) },
			Settings: func(url, _ string) map[string]string {
				return map[string]string{"url": url, "api_key": "ownerkey", "api_secret": "ownerkey-secret"}
			},
		},
	}
}

// cases are for any fake of a version.
func cases(t *testing.T, f *fake.Server) []kittest.Case {
	t.Helper()
	const todo = `{"doctype":"ToDo","values":{"description":"Call"}}`
	draft, other := version(t, f, "Quotation", 1), version(t, f, "Purchase Order", 0)
	sent, paid := version(t, f, "Sales Invoice", 0), version(t, f, "Sales Invoice", 1)
	fresh, made, fileAt := version(t, f, "Quotation", 2), named(t, f, "ToDo", 1), len(f.Names("File"))-1
	return []kittest.Case{
		{Tool: "list_doctypes", Good: `{"query":"Sales"}`, Bad: `{"limit":1000}`},
		{Tool: "get_doctype", Good: `{"doctype":"Purchase Order","include":["permissions","workflow","links"]}`, Bad: `{"doctype":"Sales Order","include":["everything"]}`},
		{Tool: "list_documents", Good: `{"doctype":"Sales Invoice","filters":[["docstatus","=",1]],"with_count":true}`, Bad: `{"doctype":"Sales Invoice Item"}`},
		{Tool: "get_document", Good: `{` + named(t, f, "Sales Invoice", 0) + `,"include":["attachments","comments","assignments"]}`, Bad: `{"doctype":"Customer","name":"Nobody"}`},
		{Tool: "search_link", Good: `{"doctype":"Customer","text":"West"}`, Bad: `{"doctype":"No Such Thing","text":"x"}`},
		{Tool: "count_documents", Good: `{"doctype":"Customer","filters":[["customer_group","=","Commercial"]]}`, Bad: `{"doctype":"Customer","filters":[["customer_group"]]}`},
		{Tool: "create_document", Good: todo, Bad: `{"doctype":"ToDo","values":{"subject":"x"}}`,
			Asks:  `{"doctype":"Quotation","submit":true,"values":{"quotation_to":"Customer","party_name":"Ada Lovelace","items":[{"item_code":"SKU001","qty":1}]}}`,
			Other: `{"doctype":"Quotation","submit":true,"values":{"quotation_to":"Customer","party_name":"Ada Lovelace","items":[{"item_code":"SKU001","qty":2}]}}`},
		{Tool: "update_document", Good: `{` + draft + `,"values":{"valid_till":"2026-12-24"}}`, Bad: `{` + sent + `,"values":{"customer":"Ada Lovelace"}}`},
		{Tool: "delete_document", Good: `{` + version(t, f, "ToDo", 0) + `}`, Bad: `{` + sent + `}`, Other: `{` + draft + `}`},
		{Tool: "submit_document", Good: `{` + fresh + `}`, Bad: `{` + sent + `}`, Other: `{` + draft + `}`},
		{Tool: "cancel_document", Good: `{` + sent + `}`, Bad: `{` + draft + `}`, Other: `{` + paid + `}`},
		{Tool: "amend_document", Before: []kittest.Step{{Tool: "cancel_document", Args: `{` + paid + `}`}}, Good: `{` + named(t, f, "Sales Invoice", 1) + `}`, Bad: `{` + named(t, f, "Quotation", 1) + `}`},
		{Tool: "map_document", Good: `{` + named(t, f, "Quotation", 0) + `,"target":"Sales Order","values":{"delivery_date":"2026-12-20"}}`, Bad: `{` + named(t, f, "Quotation", 0) + `,"target":"Customer"}`},
		{Tool: "get_workflow_actions", Good: `{` + named(t, f, "Purchase Order", 0) + `}`, Bad: `{"doctype":"Customer","name":"Ada Lovelace"}`},
		{Tool: "apply_workflow_action", Good: `{` + other + `,"action":"Send for Approval"}`, Bad: `{` + other + `,"action":"Approve"}`, Other: `{` + other + `,"action":"Revoke"}`},
		{Tool: "list_reports", Good: `{"query":"Ledger"}`, Bad: `{"cursor":"x"}`},
		{Tool: "get_report_filters", Good: `{"report":"General Ledger"}`, Bad: `{"report":"None"}`},
		{Tool: "run_report", Good: `{"report":"General Ledger","filters":{"company":"Tinker & Co","from_date":"2026-01-01","to_date":"2026-12-31"}}`, Bad: `{"report":"General Ledger"}`},
		{Tool: "get_party_balance", Good: `{"party_type":"Customer","party":"Grant Plastics Ltd."}`, Bad: `{"party_type":"Customer","party":""}`},
		{Tool: "get_stock_balance", Good: `{"item_code":"SKU001"}`, Bad: `{"item_code":"SKU001","posting_date":"2026-11-01"}`},
		{Tool: "get_open_invoices", Good: `{}`, Bad: `{"party_type":"Nobody"}`},
		{Tool: "upload_file", Good: `{"text":"hello","file_name":"a.txt",` + named(t, f, "Sales Invoice", 0) + `}`, Bad: `{"text":"hello"}`,
			Asks: `{"text":"hello","file_name":"a.txt","public":true}`, Other: `{"text":"hello","file_name":"b.txt","public":true}`},
		{Tool: "list_files", Good: `{}`, Bad: `{"limit":-1}`},
		{Tool: "add_comment", Good: `{` + made + `,"text":"a < b"}`, Bad: `{` + made + `,"text":""}`},
		{Tool: "assign", Good: `{` + named(t, f, "Sales Invoice", 0) + `,"users":["sales@example.com"],"description":"look"}`, Bad: `{` + made + `,"users":[]}`},
		{Tool: "add_tag", Good: `{` + named(t, f, "Sales Invoice", 0) + `,"tag":"urgent"}`, Bad: `{` + made + `,"tag":"a,b"}`},
		{Tool: "download_file", Good: `{"file":"` + f.Names("File")[fileAt] + `"}`, Bad: `{"file":"none"}`},
		{Tool: "get_print_pdf", Good: `{` + named(t, f, "Sales Invoice", 0) + `}`, Bad: `{"doctype":"Customer","name":"Nobody"}`},
		{Tool: "call_method", Good: `{"method":"frappe.client.get_count","args":{"doctype":"Customer"}}`, Bad: `{"method":"frappe.desk.query_report.run"}`, Other: `{"method":"frappe.client.get_count","args":{"doctype":"Item"}}`},
	}
}

// Not parallel: it looks for goroutines that a server leaves behind, and other tests
// have servers of their own.
func TestContract(t *testing.T) {
	o := fake.Options{Profile: fake.V16}
	s := suite(o)
	s.Cases = cases(t, newFake(t, o))
	kittest.Run(t, s)
}

// Every tool does on every version what it does on one.
func TestVersions(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, o fake.Options) {
		f := newFake(t, o)
		srv := httptest.NewServer(f)
		t.Cleanup(srv.Close)
		c := anna(t, srv.URL, "api_key=ownerkey", "api_secret=ownerkey-secret", "methods=frappe.client.*")
		for _, cs := range cases(t, f) {
			for _, step := range cs.Before {
				c.Must(t, step.Tool, step.Args, nil)
			}
			c.Must(t, cs.Tool, cs.Good, nil)
			if text := c.Refused(t, cs.Tool, cs.Bad); text == "" || strings.Contains(text, fault.PublicInternal) {
				t.Errorf("%s %s: %s", cs.Tool, cs.Bad, text)
			}
		}
		for _, r := range f.Requests() {
			if o.Profile == fake.V14 && strings.HasPrefix(r.Path, "/api/v2/") && !strings.HasSuffix(r.Path, "/ping") {
				t.Errorf("version 14 was asked %s %s", r.Method, r.Path)
			}
			if r.Status == http.StatusInternalServerError {
				t.Errorf("%s %s?%s failed inside of the site", r.Method, r.Path, r.Query)
			}
		}
	})
}

// newFake is a fake with a file in it, and with a quotation and a thing to do that no
// case but one touches. Their names are the same in every fake.
func newFake(t *testing.T, o fake.Options) *fake.Server {
	t.Helper()
	f, err := fake.New(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range []struct {
		doctype string
		values  fake.Obj
	}{
		{"Quotation", fake.Obj{"quotation_to": "Customer", "party_name": "Ada Lovelace", "company": fake.Company, "items": []any{fake.Obj{"item_code": "SKU001", "qty": 1.0}}}},
		{"ToDo", fake.Obj{"description": "Water the plants"}},
	} {
		if _, err := f.Add(doc.doctype, doc.values); err != nil {
			t.Fatal(err)
		}
	}
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", "note.txt")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(part, "Read me.")
	form.Close()
	req := httptest.NewRequest(http.MethodPost, "/api/method/upload_file", &body)
	req.Header.Set("Content-Type", form.FormDataContentType())
	req.Header.Set("Authorization", fake.Auth(fake.Owner))
	rec := httptest.NewRecorder()
	if f.ServeHTTP(rec, req); rec.Code != http.StatusOK {
		t.Fatalf("upload: %d %s", rec.Code, rec.Body)
	}
	return f
}

func TestReadConfig(t *testing.T) {
	t.Parallel()
	if _, err := erpnext.ReadConfig(kit.Settings{}); err == nil || !strings.Contains(err.Error(), "ERPNEXT_URL") {
		t.Errorf("%v", err)
	}
	set := func(pairs ...string) kit.Settings {
		values := map[string]secret.String{"url": secret.New("https://erp.example.org/app")}
		for i := 0; i < len(pairs); i += 2 {
			values[pairs[i]] = secret.New(pairs[i+1])
		}
		return kit.Settings{Values: values}
	}
	if _, err := erpnext.ReadConfig(set("api_key", "k")); err == nil || !strings.Contains(err.Error(), "ERPNEXT_API_SECRET") {
		t.Errorf("%v", err)
	}
	cfg, err := erpnext.ReadConfig(set("company", "Acme, Ltd", "doctypes", "Sales*, Item", "doctypes_deny", "Sales Person", "methods", "a.b"))
	if err != nil || cfg.Mode != kit.ModeWrite || cfg.Company != "Acme, Ltd" || !cfg.Doctypes.Allows("sales order") || cfg.Doctypes.Allows("Sales Person") || len(cfg.Methods.Allow) != 1 {
		t.Errorf("%+v, %v", cfg, err)
	}
	if _, err := erpnext.New(erpnext.Config{URL: "erp.example.org"}, kittest.Deps(&kittest.Log{}, nil)); err == nil || !strings.Contains(err.Error(), "http") {
		t.Errorf("a URL without a scheme: %v", err)
	}
}
