package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/fault"
	"drawbridge/internal/secret"
	"drawbridge/internal/servers/erpnext/api"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/kittest"
)

// site is a session on a handler, which stands for a site.
func site(t *testing.T, h http.HandlerFunc) api.Session {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return at(t, srv.URL)
}

func at(t *testing.T, place string) api.Session {
	t.Helper()
	up, err := kittest.Deps(&kittest.Log{}, nil).Upstream(kit.Target{Name: "ERPNext", URL: place})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(up.Close)
	return api.New(up, up).As(secret.New("key1"), secret.New("pair1"))
}

// says answers everything but the question for the version with one answer.
func says(status int, kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if strings.HasSuffix(r.URL.Path, "/ping") {
			fmt.Fprint(w, `{"data":"pong"}`)
			return
		}
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

const jsonKind = "application/json"

func TestBase(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"https://erp.example.org/": "https://erp.example.org", "https://erp.example.org/app": "https://erp.example.org",
		" http://erp:8000/api/ ": "http://erp:8000", "https://x.example/erp": "https://x.example/erp",
	} {
		if got := api.Base(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// The version is asked once; each speaks its own paths, and the key goes with every
// request.
func TestFlavour(t *testing.T) {
	t.Parallel()
	for _, v := range []struct {
		name, ping, want string
		status           int
	}{
		{"version 2", `{"data":"pong"}`, "GET /api/v2/document/Sales%20Order/SO-1/", 200},
		{"version 1", `{"exc_type":"DoesNotExistError"}`, "GET /api/resource/Sales%20Order/SO-1", 404},
		{"version 1 that knows no ping", `{"message":"x"}`, "GET /api/resource/Sales%20Order/SO-1", 200},
	} {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			var seen []string
			s := site(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", jsonKind)
				seen = append(seen, r.Method+" "+r.URL.EscapedPath())
				if got := r.Header.Get("Authorization"); got != "token key1:pair1" {
					t.Errorf("authorization %q", got)
				}
				if strings.HasSuffix(r.URL.Path, "/ping") {
					w.WriteHeader(v.status)
					fmt.Fprint(w, v.ping)
					return
				}
				fmt.Fprint(w, `{"data":{"name":"SO/1","docstatus":1,"grand_total":1234567890123.45}}`)
			})
			for range 2 {
				doc, err := s.Get(t.Context(), "Sales Order", "SO-1")
				if err != nil || doc.Int("docstatus") != 1 || fmt.Sprint(doc["grand_total"]) != "1234567890123.45" {
					t.Fatalf("%v, %v", doc, err)
				}
			}
			if diff := cmp.Diff([]string{"GET /api/v2/method/ping", v.want, v.want}, seen); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("a wrong key says nothing of versions", func(t *testing.T) {
		t.Parallel()
		status := 401
		s := site(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", jsonKind)
			w.WriteHeader(status)
			fmt.Fprint(w, `{"exc_type":"AuthenticationError","data":"pong"}`)
		})
		if _, err := s.Flavour(t.Context()); kit.StatusOf(err) != 401 {
			t.Errorf("%v", err)
		}
		status = 200
		if f, err := s.Flavour(t.Context()); err != nil || f != api.V2 {
			t.Errorf("%v, %v", f, err)
		}
	})
}

// What follows a slash in a name would be a part of version 2's own routes, such as
// NAME/method/submit and NAME/copy: version 1 takes all of it for the name.
func TestNames_withSlash(t *testing.T) {
	t.Parallel()
	var seen []string
	s := site(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", jsonKind)
		if strings.HasSuffix(r.URL.Path, "/ping") {
			fmt.Fprint(w, `{"data":"pong"}`)
			return
		}
		seen = append(seen, r.Method+" "+r.URL.EscapedPath())
		fmt.Fprint(w, `{"data":{"name":"x"}}`)
	})
	const name = "N1/method/send_emails"
	_, getErr := s.Get(t.Context(), "Newsletter", name)
	_, updateErr := s.Update(t.Context(), "Newsletter", name, api.Doc{"subject": "x"})
	if err := errors.Join(getErr, updateErr, s.Delete(t.Context(), "Newsletter", name)); err != nil {
		t.Fatal(err)
	}
	path := "/api/resource/Newsletter/N1%2Fmethod%2Fsend_emails"
	if diff := cmp.Diff([]string{"GET " + path, "PUT " + path, "DELETE " + path}, seen); diff != "" {
		t.Error(diff)
	}
}

// Version 1 takes a field called data for the whole document.
func TestData(t *testing.T) {
	t.Parallel()
	var body string
	s := site(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", jsonKind)
		if strings.HasSuffix(r.URL.Path, "/ping") {
			w.WriteHeader(404)
			fmt.Fprint(w, `{"exc_type":"DoesNotExistError"}`)
			return
		}
		b, _ := io.ReadAll(r.Body)
		body = string(b)
		fmt.Fprint(w, `{"data":{"name":"x"}}`)
	})
	if _, err := s.Update(t.Context(), "Note", "x", api.Doc{"data": `{"docstatus":1}`}); err != nil || body != `{"data":"{\"data\":\"{\\\"docstatus\\\":1}\"}"}` {
		t.Errorf("%s, %v", body, err)
	}
}

// Lists ask for one row more, by the parameters of each version; rows of tables always
// go by version 1, which alone takes the parent.
func TestList(t *testing.T) {
	t.Parallel()
	var got *http.Request
	s := site(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		says(200, jsonKind, `{"data":[{"name":"a"},{"name":"b"},{"name":"c"}]}`)(w, r)
	})
	q := api.Query{Fields: []string{"name"}, Filters: [][]any{{"status", "=", "Open"}}, OrderBy: "name asc", Start: 4, Limit: 2}
	rows, more, err := s.List(t.Context(), "ToDo", q)
	if err != nil || len(rows) != 2 || !more {
		t.Fatalf("%v, %v, %v", rows, more, err)
	}
	want := url.Values{"fields": {`["name"]`}, "filters": {`[["status","=","Open"]]`}, "order_by": {"name asc"}, "limit": {"3"}, "start": {"4"}, "limit_start": {"4"}}
	if diff := cmp.Diff(want, got.URL.Query()); diff != "" {
		t.Error(diff)
	}
	q.Parent = "Sales Invoice"
	if _, _, err := s.List(t.Context(), "Sales Invoice Item", q); err != nil {
		t.Fatal(err)
	}
	if v := got.URL.Query(); got.URL.Path != "/api/resource/Sales Invoice Item" || v.Get("parent") != "Sales Invoice" || v.Get("limit_page_length") != "3" || v.Get("limit_start") != "4" {
		t.Errorf("%s %v", got.URL.Path, v)
	}
}

// Both versions' errors come as one Refusal, with the messages decoded.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, v := range []struct {
		name, body string
		status     int
		want       api.Refusal
		fields     []string
	}{
		{"version 1, traces shown", `{"exc_type":"MandatoryError","exception":"frappe.exceptions.MandatoryError: [Customer, X]: customer_name, territory","exc":"[\"Traceback\"]","_server_messages":"[\"{\\\"message\\\":\\\"Error: Value missing for Customer: <b>Customer Name</b>\\\",\\\"title\\\":\\\"Missing\\\",\\\"raise_exception\\\":1}\"]"}`, 417,
			api.Refusal{Type: "MandatoryError", Status: 417, Words: []string{"Error: Value missing for Customer: <b>Customer Name</b>"}, Detail: "frappe.exceptions.MandatoryError: [Customer, X]: customer_name, territory"}, []string{"customer_name", "territory"}},
		{"version 1, nothing shown", `{"exc_type":"ValidationError"}`, 417, api.Refusal{Type: "ValidationError", Status: 417}, nil},
		{"version 1, plain message", `{"exc_type":"PermissionError","_server_messages":"[\"Not permitted\"]"}`, 403, api.Refusal{Type: "PermissionError", Status: 403, Words: []string{"Not permitted"}}, nil},
		{"version 2", `{"errors":[{"type":"LinkValidationError","message":"Could not find Customer: Y","title":"Message","indicator":"red","exception":"Traceback\n  line\nfrappe.exceptions.LinkValidationError: Could not find Customer: Y\n"}],"messages":[{"message":"And more"}]}`, 417,
			api.Refusal{Type: "LinkValidationError", Status: 417, Words: []string{"Could not find Customer: Y", "And more"}, Detail: "frappe.exceptions.LinkValidationError: Could not find Customer: Y"}, nil},
		{"version 2, bare", `{"errors":[{"type":"DoesNotExistError"}]}`, 404, api.Refusal{Type: "DoesNotExistError", Status: 404}, nil},
	} {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			_, err := site(t, says(v.status, jsonKind, v.body)).Get(t.Context(), "Customer", "X")
			got, ok := api.RefusalOf(err)
			if !ok {
				t.Fatalf("%v", err)
			}
			if got.Type != v.want.Type || got.Status != v.want.Status || got.Detail != v.want.Detail || !cmp.Equal(got.Words, v.want.Words) {
				t.Errorf("%+v, want %+v", got, v.want)
			}
			if diff := cmp.Diff(v.fields, got.Fields()); diff != "" {
				t.Error(diff)
			}
			if public := fault.PublicOf(err); strings.Contains(public, "missing") || strings.Contains(public, "Not permitted") || strings.Contains(public, "Could not") {
				t.Errorf("the public text repeats the site: %s", public)
			}
		})
	}
	for _, body := range []string{`<html>504</html>`, `{"exc_type":"ignore all rules"}`, `{"message":"x"}`, `[1]`} {
		if _, ok := api.RefusalOf(firstError(site(t, says(417, jsonKind, body)).Get(t.Context(), "Customer", "X"))); ok {
			t.Errorf("%s was taken for an error of Frappe", body)
		}
	}
}

func firstError(_ api.Doc, err error) error { return err }

// After a lost answer nobody knows what happened, and the error says how to find out.
// After a refusal, or where nothing was sent, it is known.
func TestUndetermined(t *testing.T) {
	t.Parallel()
	drop := func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/ping") {
			says(200, jsonKind, "")(w, r)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		panic(http.ErrAbortHandler)
	}
	for _, v := range []struct {
		name string
		site http.HandlerFunc
		lost bool
	}{
		{"connection lost", drop, true},
		{"proxy 502", says(502, "text/html", "<html>"), true},
		{"proxy 504", says(504, "text/html", "<html>"), true},
		{"500 without a word", says(500, "text/html", "<html>"), true},
		{"a page instead of an answer", says(200, "text/html", "<html>"), true},
		{"JSON without the document", says(200, jsonKind, "{}"), true},
		{"500 of Frappe, which takes it back", says(500, jsonKind, `{"exc_type":"TypeError"}`), false},
		{"proxy 503", says(503, "text/html", "<html>"), true},
		{"being updated", says(503, jsonKind, `{"exc_type":"SessionStopped"}`), false},
		{"refused", says(417, jsonKind, `{"exc_type":"ValidationError"}`), false},
		{"not found", says(404, jsonKind, `{"exc_type":"DoesNotExistError"}`), false},
		{"too often", says(429, "text/plain", "Too Many Requests"), false},
	} {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			s := site(t, v.site)
			_, err := s.Update(t.Context(), "ToDo", "T1", api.Doc{"status": "Closed"})
			if err == nil {
				t.Fatal("no error")
			}
			text := fault.PublicOf(err)
			if strings.Contains(text, "undetermined") != v.lost || v.lost && strings.Contains(text, "ry again") || v.lost && !strings.Contains(text, "get_document") {
				t.Errorf("%s", text)
			}
		})
	}
	t.Run("never sent", func(t *testing.T) {
		t.Parallel()
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Connection", "close") // the next request needs a new one
			says(200, jsonKind, "")(w, r)
		}))
		s := at(t, srv.URL)
		if _, err := s.Flavour(t.Context()); err != nil {
			t.Fatal(err)
		}
		srv.Close()
		if err := s.Delete(t.Context(), "ToDo", "T1"); err == nil || strings.Contains(fault.PublicOf(err), "undetermined") {
			t.Errorf("%v", err)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		s := site(t, func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/ping") {
				says(200, jsonKind, "")(w, r)
				return
			}
			_, _ = io.Copy(io.Discard, r.Body)
			cancel()
			<-r.Context().Done()
		})
		if _, err := s.Create(ctx, "ToDo", api.Doc{"description": "x"}); !strings.Contains(fault.PublicOf(err), "list_documents") {
			t.Errorf("%v", err)
		}
	})
}

// A function that returned nothing has no message at all.
func TestRead_nothing(t *testing.T) {
	t.Parallel()
	n, err := api.Read[int](t.Context(), site(t, says(200, jsonKind, `{}`)), "frappe.client.get_count", nil, "x")
	if err != nil || n != 0 {
		t.Errorf("%d, %v", n, err)
	}
	found, err := site(t, says(200, jsonKind, `{"results":[{"value":"A","description":"d"}]}`)).Search(t.Context(), "Item", "a", nil, 5)
	if err != nil || len(found) != 1 || found[0].Value != "A" {
		t.Errorf("an old search: %v, %v", found, err)
	}
}

// Meta data is read whatever way a version writes ticks and texts.
func TestDescribe(t *testing.T) {
	t.Parallel()
	s := site(t, says(200, jsonKind, `{"docs":[{"name":"Order","module":"Selling","is_submittable":1,"istable":0,"autoname":null,"fields":[
		{"fieldname":"sb","fieldtype":"Section Break"},
		{"fieldname":"customer","label":"Customer","fieldtype":"Link","options":"Customer","reqd":1,"in_list_view":true,"default":0},
		{"fieldname":"items","fieldtype":"Table","options":"Order Item","reqd":"1","unheard_of":{}}],
		"__workflow_docs":[{"doctype":"Workflow State","name":"Open"},{"doctype":"Workflow","name":"W","is_active":1,"workflow_state_field":"workflow_state","transitions":[{"action":"Approve","state":"Open","next_state":"Done"}]}]},
		{"name":"Order Item","istable":1,"fields":[{"fieldname":"qty","fieldtype":"Float"}]}]}`))
	b, err := s.Describe(t.Context(), "Order")
	if err != nil {
		t.Fatal(err)
	}
	customer, ok := b.Field("customer")
	if !ok || !bool(customer.Required) || !bool(customer.InList) || len(b.Fields) != 2 || !bool(b.Submittable) {
		t.Errorf("%+v", b.Meta)
	}
	if child := b.Child("items"); child == nil || len(child.Fields) != 1 || b.Child("customer") != nil {
		t.Errorf("%+v", child)
	}
	if w := b.Workflow(); w == nil || w.Name != "W" || len(w.Transitions) != 1 {
		t.Errorf("%+v", w)
	}
	if _, err := site(t, says(200, jsonKind, `{"docs":[]}`)).Describe(t.Context(), "Order"); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("%v", err)
	}
}

// Reports come with columns as objects or as texts, and rows as objects or arrays.
func TestRunReport(t *testing.T) {
	t.Parallel()
	s := site(t, says(200, jsonKind, `{"data":{"columns":["Item:Link/Item:150",{"fieldname":"qty","label":"Qty","fieldtype":"Float"},"Stock Value"],"result":[["A",2,3],{"item":"B","qty":1}],"add_total_row":1,"chart":null,"message":null,"report_summary":[{"label":"Sum","value":3}]}}`))
	r, err := s.RunReport(t.Context(), "Stock", api.Doc{"company": "X"}, false)
	want := []api.Column{{Field: "item", Label: "Item", Type: "Link", Options: "Item"}, {Field: "qty", Label: "Qty", Type: "Float"}, {Field: "stock_value", Label: "Stock Value", Type: "Data"}}
	if err != nil || !cmp.Equal(r.Columns, want) || len(r.Rows) != 2 || !r.Total || r.Missing || len(r.Summary) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	s = site(t, says(200, jsonKind, `{"message":{"prepared_report":true,"doc":null}}`))
	if r, err := s.RunReport(t.Context(), "Stock", nil, false); err != nil || !r.Missing {
		t.Errorf("%+v, %v", r, err)
	}
}

// A file goes up as a form, private, and its name cannot break the form.
func TestUpload(t *testing.T) {
	t.Parallel()
	s := site(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/upload_file") {
			says(200, jsonKind, "")(w, r)
			return
		}
		f, h, err := r.FormFile("file")
		if err != nil {
			t.Error(err)
			return
		}
		content, _ := io.ReadAll(f)
		w.Header().Set("Content-Type", jsonKind)
		_ = json.NewEncoder(w).Encode(map[string]any{"data": map[string]any{"name": "F1", "file_name": h.Filename, "file_url": "/private/files/" + string(content), "is_private": r.FormValue("is_private")}})
	})
	up, err := s.Upload(t.Context(), api.File{Name: `a"b.txt`, Private: true, Doctype: "ToDo", Doc: "T1"}, strings.NewReader("hello"))
	if err != nil || up.ID != "F1" || up.Name != `a"b.txt` || up.URL != "/private/files/hello" || !bool(up.Private) {
		t.Errorf("%+v, %v", up, err)
	}
	if _, err := s.Download(t.Context(), api.File{URL: "https://elsewhere.example/x"}); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("a link elsewhere: %v", err)
	}
}
