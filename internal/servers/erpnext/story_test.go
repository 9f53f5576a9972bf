package erpnext_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"drawbridge/internal/servers/erpnext/fake"
	"drawbridge/internal/servers/kittest"
)

// The tests named TestHouse show what the server is for, from one end to the other.

// bench is a site, and a server on it for people who have keys of their own.
type bench struct {
	*fake.Server
	url string
}

func newBench(t *testing.T, o fake.Options) bench {
	t.Helper()
	f, err := fake.New(o)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	return bench{f, srv.URL}
}

// people are the keys of those in the example.
func people() own {
	keys := own{}
	for _, user := range []string{fake.Owner, fake.Sales, fake.Manager, fake.Accounts, fake.Buyer, fake.Stock, fake.Branch, fake.Portal, fake.Left} {
		keys[user] = strings.TrimPrefix(fake.Auth(user), "token ")
	}
	return keys
}

// as is a client of one of them, with a person behind it who approves.
func (b bench) as(t *testing.T, user string, settings ...string) *kittest.Client {
	t.Helper()
	return kittest.NewClient(serve(t, b.url, people(), settings...), user).Approving()
}

// each runs a test on every version.
func each(t *testing.T, f func(t *testing.T, o fake.Options)) {
	t.Helper()
	for name, p := range map[string]fake.Profile{"14": fake.V14, "15": fake.V15, "16": fake.V16} {
		t.Run("version "+name, func(t *testing.T) {
			t.Parallel()
			f(t, fake.Options{Profile: p})
		})
	}
}

type saying struct {
	Doctype, Name, Modified, Status string
	DocStatus                       int
}

// step calls a tool about the version of a document that was seen last.
func (s saying) step(t *testing.T, c *kittest.Client, tool string) (out saying) {
	t.Helper()
	c.Must(t, tool, fmt.Sprintf(`{"doctype":%q,"name":%q,"expected_modified":%q}`, s.Doctype, s.Name, s.Modified), &out)
	return out
}

// next makes the next document of one.
func (s saying) next(t *testing.T, c *kittest.Client, target, values string) (out saying) {
	t.Helper()
	c.Must(t, "map_document", fmt.Sprintf(`{"doctype":%q,"name":%q,"target":%q,"save":true,"values":%s}`, s.Doctype, s.Name, target, values), &out)
	return out
}

// Quotation, order, invoice, payment, cancelled, amended: through the tools alone, on
// every version.
func TestHouse_QuotationToAmendment(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, o fake.Options) {
		b := newBench(t, o)
		c := b.as(t, fake.Owner)
		var q saying
		c.Must(t, "create_document", `{"doctype":"Quotation","values":{"quotation_to":"Customer","party_name":"Ada Lovelace","company":"Tinker & Co","items":[{"item_code":"SKU001","qty":3},{"item_code":"SRV-SETUP","qty":2}]}}`, &q)
		q = q.step(t, c, "submit_document")
		order := q.next(t, c, "Sales Order", `{"delivery_date":"2026-12-20","items":[{"idx":1,"warehouse":"Stores - TC"}]}`)
		c.Must(t, "update_document", fmt.Sprintf(`{"doctype":"Sales Order","name":%q,"expected_modified":%q,"values":{"items":[{"idx":2,"qty":1}]}}`, order.Name, order.Modified), &order)
		order = order.step(t, c, "submit_document")
		invoice := order.next(t, c, "Sales Invoice", `{}`)
		if invoice.Doctype != "Sales Invoice" || invoice.DocStatus != 0 {
			t.Fatalf("%+v", invoice)
		}
		invoice = invoice.step(t, c, "submit_document")
		if invoice.DocStatus != 1 || len(b.Names("GL Entry")) == 0 {
			t.Fatalf("%+v", invoice)
		}
		total := b.Doc("Sales Invoice", invoice.Name)["grand_total"]
		if fmt.Sprint(total) != "155" { // 3 shirts of 25 and one hour of 80
			t.Errorf("the invoice is over %v", total)
		}
		invoice = invoice.step(t, c, "cancel_document")
		if invoice.DocStatus != 2 {
			t.Fatalf("%+v", invoice)
		}
		var amended saying
		c.Must(t, "amend_document", fmt.Sprintf(`{"doctype":"Sales Invoice","name":%q}`, invoice.Name), &amended)
		if amended.Name != invoice.Name+"-1" || amended.DocStatus != 0 {
			t.Fatalf("%+v", amended)
		}
		var doc struct{ Document map[string]any }
		c.Must(t, "get_document", fmt.Sprintf(`{"doctype":"Sales Invoice","name":%q}`, amended.Name), &doc)
		if doc.Document["amended_from"] != invoice.Name || len(doc.Document["items"].([]any)) != 2 || doc.Document["grand_total"] != 155.0 {
			t.Errorf("%v", doc.Document)
		}
		amended = amended.step(t, c, "submit_document")
		payment := amended.next(t, c, "Payment Entry", `{"reference_no":"7","reference_date":"2026-11-02"}`)
		if payment.Doctype != "Payment Entry" || payment.DocStatus != 0 {
			t.Errorf("%+v", payment)
		}
		if c.Asked() != 5 {
			t.Errorf("a person was asked %d times, want once for each of 4 submissions and the cancellation", c.Asked())
		}
	})
}

// Two people change the same order: the second one is refused with both values, and
// nothing of the first one's work is lost.
func TestHouse_ConflictShowsBothValues(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, o fake.Options) {
		b := newBench(t, o)
		c := b.as(t, fake.Owner)
		name := b.Names("Quotation")[1] // the draft
		var before struct {
			Modified string
		}
		c.Must(t, "get_document", fmt.Sprintf(`{"doctype":"Quotation","name":%q}`, name), &before)
		if err := b.Change("Quotation", name, fake.Obj{"valid_till": "2026-12-01"}); err != nil {
			t.Fatal(err)
		}
		args := fmt.Sprintf(`{"doctype":"Quotation","name":%q,"values":{"valid_till":"2026-12-24"},"expected_modified":%q}`, name, before.Modified)
		text := c.Refused(t, "update_document", args)
		for _, part := range []string{`valid_till is "2026-12-01" now, and you want "2026-12-24"`, "nothing was saved", "Administrator"} {
			if !strings.Contains(text, part) {
				t.Errorf("%q is missing in: %s", part, text)
			}
		}
		if got := b.Doc("Quotation", name)["valid_till"]; got != "2026-12-01" {
			t.Errorf("valid_till is %v", got)
		}
	})
}

// A field that is needed is named by its name and its label, whether the site shows
// traces or not.
func TestHouse_MandatoryNamesFieldAndLabel(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, o fake.Options) {
		for _, hidden := range []bool{false, true} {
			o.HideTracebacks = hidden
			b := newBench(t, o)
			c := b.as(t, fake.Owner)
			for args, want := range map[string]string{
				`{"doctype":"ToDo","values":{"status":"Open"}}`:                                                                "ToDo needs description (Description), so nothing was saved",
				`{"doctype":"Quotation","values":{"quotation_to":"Customer","party_name":"Ada Lovelace","items":[{"qty":1}]}}`: "items row 1: item_name (Item Name)",
				`{"doctype":"Lead","values":{"status":"Lead"}}`:                                                                "either a person's name or an organization's name", // a rule without a field
			} {
				if text := c.Refused(t, "create_document", args); !strings.Contains(text, want) {
					t.Errorf("traces hidden %v: %s", hidden, text)
				}
			}
		}
	})
}

// A report that needs filters says which, and is not run; with them it runs.
func TestHouse_ReportSaysWhichFilters(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, o fake.Options) {
		b := newBench(t, o)
		c := b.as(t, fake.Owner)
		before := len(b.Requests())
		text := c.Refused(t, "run_report", `{"report":"General Ledger","filters":{"company":"Tinker & Co"}}`)
		for _, part := range []string{"from_date (From Date, Date)", "to_date (To Date, Date)"} {
			if !strings.Contains(text, part) || strings.Contains(text, "company (") {
				t.Errorf("%q: %s", part, text)
			}
		}
		for _, r := range b.Requests()[before:] {
			if strings.Contains(r.Path, "query_report.run") {
				t.Error("it was run")
			}
		}
		if text := c.Refused(t, "run_report", `{"report":"Open Orders by Customer"}`); !strings.Contains(text, "customer (Customer, Link)") {
			t.Errorf("filters kept with the report: %s", text)
		}
		var out struct {
			Columns []string
			Rows    [][]any
		}
		c.Must(t, "run_report", `{"report":"General Ledger","filters":{"company":"Tinker & Co","from_date":"2026-01-01","to_date":"2026-12-31"}}`, &out)
		if len(out.Rows) == 0 || len(out.Columns) == 0 {
			t.Errorf("%+v", out)
		}
	})
}

// Everybody has the rights of their own key and no others, also in what is only
// listed, and the operator's key is not lent to those who have one.
func TestHouse_PermissionsOfTheCaller(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, o fake.Options) {
		b := newBench(t, o)
		srv := serve(t, b.url, people(), "api_key=ownerkey", "api_secret=ownerkey-secret")
		as := func(user string) *kittest.Client { return kittest.NewClient(srv, user).Approving() }
		invoices := `{"doctype":"Sales Invoice"}`
		var all, branch struct{ Rows [][]any }
		as("somebody without a key").Must(t, "list_documents", invoices, &all)
		if len(all.Rows) < 2 {
			t.Errorf("with the operator's key: %v", all.Rows)
		}
		as(fake.Branch).Must(t, "list_documents", `{"doctype":"Sales Order"}`, &branch)
		for _, row := range branch.Rows {
			if !strings.Contains(fmt.Sprint(row), fake.OtherCompany) {
				t.Errorf("a row of the other company: %v", row)
			}
		}
		for user, tool := range map[string][2]string{
			fake.Sales:  {"create_document", `{"doctype":"Purchase Order","values":{"supplier":"Summit Traders","company":"Tinker & Co","schedule_date":"2026-12-01","items":[{"item_code":"SKU003","qty":1}]}}`},
			fake.Stock:  {"list_documents", `{"doctype":"Quotation"}`},
			fake.Portal: {"list_documents", `{"doctype":"Customer"}`},
		} {
			if text := as(user).Refused(t, tool[0], tool[1]); !strings.Contains(text, "ERPNext user of this key may not do this") {
				t.Errorf("%s %s: %s", user, tool[0], text)
			}
		}
		if text := as(fake.Left).Refused(t, "list_documents", invoices); !strings.Contains(text, "401") {
			t.Errorf("a disabled user: %s", text)
		}
	})
}
