package erpnext_test

import (
	"io"
	"net/http"
	"net/url"
	"testing"

	"drawbridge/internal/servers/erpnext/fake"
	"drawbridge/internal/servers/kittest"
)

// What the tools answer costs at most a part of what the API says to the same questions,
// which is what servers pass on that only wrap the API.
func TestCost(t *testing.T) {
	t.Parallel()
	books := fake.Example()
	books.Bulk = 3 // customers more, with ten invoices each
	b := newBench(t, fake.Options{Profile: fake.V16, Seed: books})
	c := b.as(t, fake.Owner)
	invoice := b.Names("Sales Invoice")[0]
	at := "/api/v2/document/Sales%20Invoice"
	for _, call := range []struct {
		tool, args, path string
		percent          int // at most
	}{
		{"get_doctype", `{"doctype":"Sales Invoice"}`, "/api/v2/method/frappe.desk.form.load.getdoctype?doctype=Sales+Invoice", 10},
		{"list_documents", `{"doctype":"Sales Invoice"}`, at + "?fields=" + url.QueryEscape(`["*"]`), 30},
		{"get_document", `{"doctype":"Sales Invoice","name":"` + invoice + `"}`, at + "/" + invoice + "/", 70},
		{"run_report", `{"report":"General Ledger","filters":{"company":"Tinker & Co","from_date":"2026-01-01","to_date":"2026-12-31"}}`,
			"/api/v2/method/frappe.desk.query_report.run?report_name=General+Ledger&filters=" + url.QueryEscape(`{"company":"Tinker & Co","from_date":"2026-01-01","to_date":"2026-12-31"}`), 60},
	} {
		ours := kittest.Tokens(t, []byte(c.Must(t, call.tool, call.args, nil).Text))
		theirs := kittest.Tokens(t, b.raw(t, call.path))
		t.Logf("%s: %d tokens, of %d that the API said", call.tool, ours, theirs)
		if 100*ours > call.percent*theirs {
			t.Errorf("%s costs %d tokens, more than %d %% of %d", call.tool, ours, call.percent, theirs)
		}
	}
}

// raw is what the API says by itself.
func (b bench) raw(t *testing.T, path string) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", fake.Auth(fake.Owner))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %s %v", path, resp.StatusCode, body, err)
	}
	return body
}
