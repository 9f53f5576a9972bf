package scenarios_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"drawbridge/internal/servers/erpnext/fake"
	"drawbridge/internal/servers/kittest/upstreamtest"
)

// pair is the key and the secret of somebody in the example.
func pair(user string) (key, secret string) {
	key, secret, _ = strings.Cut(strings.TrimPrefix(fake.Auth(user), "token "), ":")
	return key, secret
}

// shop starts an ERPNext and a gateway on it. The operator's key is the owner's.
func shop(t *testing.T, era string) (*fake.Server, *stage) {
	t.Helper()
	f, err := fake.New(fake.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f.Start()
	t.Cleanup(f.Close)
	key, secret := pair(fake.Owner)
	s := open(t, era, "erpnext", map[string]string{"url": f.URL(), "api_key": key, "api_secret": secret, "mode": "all"})
	s.g.WaitTools("erpnext_submit_document")
	return f, s
}

// changes counts the requests that reached the site to change something.
func changes(f *fake.Server) (n int) {
	for _, r := range f.Requests() {
		if r.Method != http.MethodGet {
			n++
		}
	}
	return n
}

// paper is a document as the tools tell of it.
type paper struct {
	Doctype, Name, Modified string
	DocStatus               int
}

// named is the document in whatever version, args in the one that was read.
func (p paper) named() string { return fmt.Sprintf(`{"doctype":%q,"name":%q}`, p.Doctype, p.Name) }
func (p paper) args() string {
	return fmt.Sprintf(`{"doctype":%q,"name":%q,"expected_modified":%q}`, p.Doctype, p.Name, p.Modified)
}

// step calls a tool that a person has to approve, and looks that the site is not
// touched before the answer.
func (p paper) step(v *guest, f *fake.Server, tool string) (next paper) {
	t := v.s.t
	t.Helper()
	before := changes(f)
	v.will(func(question string) bool {
		has(t, "the question of "+tool, question, p.Name)
		is(t, "changes before the answer to "+tool, changes(f), before)
		return true
	})
	v.must(tool, p.args(), &next)
	is(t, "questions of "+tool, len(v.questions()), 1)
	is(t, "changes by "+tool, changes(f), before+1)
	v.will(nil)
	return next
}

// becomes makes the document that follows.
func (p paper) becomes(v *guest, target, values string) (next paper) {
	v.s.t.Helper()
	v.must("map_document", fmt.Sprintf(`{"doctype":%q,"name":%q,"target":%q,"save":true,"values":%s}`, p.Doctype, p.Name, target, values), &next)
	return next
}

// From a quotation to an order to an invoice, which is wrong, cancelled, and made anew.
func trade(t *testing.T, era string) {
	f, s := shop(t, era)
	v := s.admit()
	has(t, "the customer", v.must("search_link", `{"doctype":"Customer","text":"Ada"}`, nil).Text, "Ada Lovelace")
	var quotation paper
	v.must("create_document", `{"doctype":"Quotation","values":{"quotation_to":"Customer","party_name":"Ada Lovelace","company":"Tinker & Co","items":[{"item_code":"SKU001","qty":3},{"item_code":"SRV-SETUP","qty":2}]}}`, &quotation)
	v.will(no)
	v.refused("submit_document", quotation.args(), "did not approve")
	is(t, "the quotation after a no", status(f, quotation), "0")
	quotation = quotation.step(v, f, "submit_document")
	order := quotation.becomes(v, "Sales Order", `{"delivery_date":"2026-12-20","items":[{"idx":1,"warehouse":"Stores - TC"}]}`)
	order = order.step(v, f, "submit_document")
	invoice := order.becomes(v, "Sales Invoice", `{}`)
	is(t, "the ledger before the invoice is submitted", ledger(f, invoice), 0)
	invoice = invoice.step(v, f, "submit_document")
	is(t, "the invoice", status(f, invoice), "1")
	is(t, "its total", fmt.Sprint(f.Doc("Sales Invoice", invoice.Name)["grand_total"]), "235")
	if ledger(f, invoice) == 0 {
		t.Error("nothing is in the ledger")
	}
	v.refused("update_document", fmt.Sprintf(`{"doctype":"Sales Invoice","name":%q,"values":{"customer":"West View Software"}}`, invoice.Name))
	is(t, "the customer of what is submitted", fmt.Sprint(f.Doc("Sales Invoice", invoice.Name)["customer"]), "Ada Lovelace")
	invoice = invoice.step(v, f, "cancel_document")
	is(t, "the invoice once it is cancelled", status(f, invoice), "2")
	var amended paper
	v.must("amend_document", invoice.named(), &amended)
	is(t, "the new one", amended.Name, invoice.Name+"-1")
	is(t, "the new one is made from", fmt.Sprint(f.Doc("Sales Invoice", amended.Name)["amended_from"]), invoice.Name)
	amended = amended.step(v, f, "submit_document")
	is(t, "the new one", status(f, amended), "1")
}

// status is the docstatus of a document as the site has it.
func status(f *fake.Server, p paper) string { return fmt.Sprint(f.Doc(p.Doctype, p.Name)["docstatus"]) }

// ledger counts the entries of a document.
func ledger(f *fake.Server, p paper) (n int) {
	for _, name := range f.Names("GL Entry") {
		if fmt.Sprint(f.Doc("GL Entry", name)["voucher_no"]) == p.Name {
			n++
		}
	}
	return n
}

// Anna and Ben change the same quotation. Who is second reads both values, and decides.
func conflict(t *testing.T, era string) {
	f, s := shop(t, era)
	anna, ben := s.admit(), s.as(s.member("ben"))
	draft := paper{Doctype: "Quotation", Name: f.Names("Quotation")[1]}
	read := func(v *guest) paper { v.s.t.Helper(); p := draft; v.must("get_document", draft.named(), &p); return p }
	till := func() string { return fmt.Sprint(f.Doc("Quotation", draft.Name)["valid_till"]) }
	wish := func(p paper, date string) string {
		return strings.TrimSuffix(p.args(), "}") + `,"values":{"valid_till":"` + date + `"}}`
	}
	annas, bens := read(anna), read(ben)
	ben.must("update_document", wish(bens, "2026-12-01"), nil)
	before := changes(f)
	anna.refused("update_document", wish(annas, "2026-12-24"), `valid_till is "2026-12-01" now, and you want "2026-12-24"`, "nothing was saved")
	is(t, "changes by who was second", changes(f), before)
	is(t, "what Ben wrote", till(), "2026-12-01")
	anna.must("update_document", wish(read(anna), "2026-12-24"), nil)
	is(t, "what Anna wrote once she knew", till(), "2026-12-24")

	// While Anna reads what she is to submit, Ben changes it.
	submit := read(anna)
	anna.will(func(string) bool { ben.must("update_document", wish(read(ben), "2026-12-31"), nil); return true })
	anna.refused("submit_document", submit.args(), "changed since")
	is(t, "questions", len(anna.questions()), 1)
	is(t, "the quotation", status(f, draft), "0")
	anna.will(nil)
	read(anna).step(anna, f, "submit_document")
	is(t, "the quotation", status(f, draft), "1")
	is(t, "what was submitted", till(), "2026-12-31")
}

// Somebody wants the ledger, does not say which, and the site is away for a moment.
func report(t *testing.T, era string) {
	f, s := shop(t, era)
	v := s.admit()
	run := func() (n int) {
		for _, r := range f.Requests() {
			if strings.Contains(r.Path, "query_report.run") && r.Done {
				n++
			}
		}
		return n
	}
	has(t, "the reports", v.must("list_reports", `{"query":"Ledger"}`, nil).Text, "General Ledger")
	v.refused("run_report", `{"report":"General Ledger","filters":{"company":"Tinker & Co"}}`, "from_date (From Date, Date)", "to_date (To Date, Date)")
	is(t, "runs without filters", run(), 0)
	has(t, "the filters", v.must("get_report_filters", `{"report":"General Ledger"}`, nil).Text, "from_date", "to_date", "company")
	const wish = `{"report":"General Ledger","filters":{"company":"Tinker & Co","from_date":"2026-01-01","to_date":"2026-12-31"},"columns":["posting_date","account","debit","credit"]}`
	f.Break(upstreamtest.BadGateway(0))
	v.refused("run_report", wish, "502")
	f.Mend()
	var out struct {
		Columns []string
		Rows    [][]any
	}
	v.must("run_report", wish, &out)
	if len(out.Columns) != 4 || len(out.Rows) == 0 {
		t.Errorf("%+v", out)
	}
	is(t, "runs", run(), 1)
	is(t, "changes by looking", changes(f), 0)
}

// Everybody stores a key of their own and can do what that can, and no more; without
// one they work with the operator's.
func colleagues(t *testing.T, era string) {
	f, s := shop(t, era)
	britta, stan := s.as(s.member("britta")), s.as(s.member("stan"))
	lists := func(v *guest, doctype string) (rows string) {
		v.s.t.Helper()
		var out struct{ Rows [][]any }
		v.must("list_documents", `{"doctype":"`+doctype+`"}`, &out)
		return fmt.Sprint(out.Rows)
	}
	has(t, "Britta with the operator's key", lists(britta, "Sales Order"), fake.Company, fake.OtherCompany)
	for name, user := range map[string]string{"britta": fake.Branch, "stan": fake.Stock} {
		key, secret := pair(user)
		s.stores(name, "api_key", key, "api_secret", s.g.Secret("secret of "+name, secret))
	}
	if rows := lists(britta, "Sales Order"); strings.Contains(rows, fake.Company) || !strings.Contains(rows, fake.OtherCompany) {
		t.Errorf("Britta with her own: %s", rows)
	}
	stan.refused("list_documents", `{"doctype":"Quotation"}`, "may not")
	before := len(f.Names("Quotation"))
	stan.refused("create_document", `{"doctype":"Quotation","values":{"quotation_to":"Customer","party_name":"Ada Lovelace","company":"Tinker & Co","items":[{"item_code":"SKU001","qty":1}]}}`)
	is(t, "quotations", len(f.Names("Quotation")), before)
	britta.must("create_document", `{"doctype":"ToDo","values":{"description":"Call Ada"}}`, nil)
	all := f.Names("ToDo")
	is(t, "who made it, to ERPNext", fmt.Sprint(f.Doc("ToDo", all[len(all)-1])["owner"]), fake.Branch)

	f.Revoke(fake.Branch, "made-up-new-secret") // in the middle of the day
	britta.refused("list_documents", `{"doctype":"Sales Order"}`, "401")
	has(t, "the operator meanwhile", lists(s.admit(), "Sales Order"), fake.Company)
	s.admin("DELETE", "/users/britta/credentials", `{"server":"erpnext"}`)
	has(t, "Britta without one of her own", lists(britta, "Sales Order"), fake.Company)
}

// Somebody leaves out what is needed, and then the answer to the right call is lost.
func neededField(t *testing.T, era string) {
	f, s := shop(t, era)
	v := s.admit()
	count := func() int { return len(f.Names("Quotation")) }
	before := count()
	const head = `{"doctype":"Quotation","values":{"quotation_to":"Customer","party_name":"Ada Lovelace","company":"Tinker & Co","items":[`
	v.refused("create_document", `{"doctype":"ToDo","values":{"status":"Open"}}`, "needs description (Description)")
	v.refused("create_document", head+`{"qty":1}]}}`, "items row 1", "(Item Name)")
	v.refused("create_document", head+`{"item_code":"SKU001","quantity":1}]}}`, "qty")
	is(t, "quotations after mistakes", count(), before)
	has(t, "what is needed", v.must("get_doctype", `{"doctype":"ToDo","required_only":true}`, nil).Text, "description")
	sent := changes(f)
	const whole = head + `{"item_code":"SKU001","qty":1}]}`
	has(t, "the dry run", v.must("create_document", whole+`,"dry_run":true}`, nil).Text, "Dry run")
	is(t, "changes by a dry run", changes(f), sent)
	f.Break(fake.Fault{Method: http.MethodPost, Path: "Quotation", Times: 1, Late: true, Drop: true})
	const keyed = whole + `,"idempotency_key":"for Ada"}`
	v.refused("create_document", keyed, "undetermined", "list_documents")
	v.refused("create_document", keyed, "undetermined") // by its key: not sent again
	is(t, "quotations sent", changes(f), sent+1)
	is(t, "quotations", count(), before+1)
	all := f.Names("Quotation")
	has(t, "finding out", v.must("list_documents", `{"doctype":"Quotation","filters":[["party_name","=","Ada Lovelace"]]}`, nil).Text, all[len(all)-1])
}
