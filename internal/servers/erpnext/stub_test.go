package erpnext_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"drawbridge/internal/secret"
	"drawbridge/internal/servers/erpnext"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/kit/filestore"
	"drawbridge/internal/servers/kittest"
)

// stub answers by a script: what the real site says at a moment that a fake with state
// does not get to.
type stub struct {
	url string

	mu      sync.Mutex // guards what follows
	answers map[string]answer
	asked   []asked
}

type answer struct {
	status int
	body   string
	drop   bool // the connection breaks off instead
}

type asked struct {
	what, body, key string
	query           url.Values
}

const jsonKind = "application/json"

// newStub is a site of version 2 with an order of two rows. An answer is found by
// method and path; what has none is not there.
func newStub(t *testing.T) *stub {
	t.Helper()
	s := &stub{answers: map[string]answer{
		"GET /api/v2/method/ping": {200, `{"data":"pong"}`, false},
		"GET /api/v2/method/frappe.desk.form.load.getdoctype?Sales Order": {200, orderMeta, false},
		"GET /api/v2/document/Sales Order/SO-1/":                          {200, `{"data":` + order + `}`, false},
	}}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	s.url = srv.URL
	return s
}

const (
	order = `{"doctype":"Sales Order","name":"SO-1","docstatus":0,"modified":"2026-11-29 10:00:00.000001","modified_by":"ben@example.org","owner":"ben@example.org","company":"Acme","customer":"Anna","status":"Draft","po_no":"7","grand_total":30.0,
	"items":[{"name":"r1","idx":1,"doctype":"Sales Order Item","parent":"SO-1","item_code":"BOLT","qty":10.0,"rate":2.0,"warehouse":"Stores"},{"name":"r2","idx":2,"doctype":"Sales Order Item","parent":"SO-1","item_code":"NUT","qty":10.0,"rate":1.0,"warehouse":"Stores"}]}`
	orderMeta = `{"docs":[{"doctype":"DocType","name":"Sales Order","module":"Selling","is_submittable":1,"fields":[
		{"fieldname":"customer","label":"Customer","fieldtype":"Link","options":"Customer","reqd":1,"in_list_view":1},
		{"fieldname":"company","label":"Company","fieldtype":"Link","options":"Company","reqd":1},
		{"fieldname":"delivery_date","label":"Delivery Date","fieldtype":"Date"},
		{"fieldname":"po_no","label":"Customer's Purchase Order","fieldtype":"Data","allow_on_submit":1},
		{"fieldname":"status","label":"Status","fieldtype":"Select","options":"\nDraft\nClosed","read_only":1,"no_copy":1},
		{"fieldname":"grand_total","label":"Grand Total","fieldtype":"Currency","read_only":1},
		{"fieldname":"items","label":"Items","fieldtype":"Table","options":"Sales Order Item","reqd":1}]},
		{"doctype":"DocType","name":"Sales Order Item","istable":1,"fields":[
		{"fieldname":"item_code","label":"Item Code","fieldtype":"Link","options":"Item","reqd":1},
		{"fieldname":"qty","label":"Quantity","fieldtype":"Float","reqd":1},
		{"fieldname":"rate","label":"Rate","fieldtype":"Currency"},
		{"fieldname":"warehouse","label":"Delivery Warehouse","fieldtype":"Link","options":"Warehouse"}]}]}`
)

func (s *stub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	what := r.Method + " " + r.URL.Path
	s.mu.Lock()
	s.asked = append(s.asked, asked{what, string(body), r.Header.Get("Authorization"), r.URL.Query()})
	a, ok := s.answers[what+"?"+r.URL.Query().Get("doctype")]
	if !ok {
		a, ok = s.answers[what]
	}
	s.mu.Unlock()
	if !ok {
		a = answer{404, `{"errors":[{"type":"DoesNotExistError","message":"not in the script"}]}`, false}
	}
	if a.drop {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", jsonKind)
	w.WriteHeader(a.status)
	fmt.Fprint(w, a.body)
}

// on sets an answer.
func (s *stub) on(what string, status int, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[what] = answer{status, body, false}
}

func (s *stub) drops(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[what] = answer{drop: true}
}

// sent are the requests that change something.
func (s *stub) sent() (out []asked) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.asked {
		if !strings.HasPrefix(a.what, "GET ") {
			out = append(out, a)
		}
	}
	return out
}

// of are the requests for a path, by any method.
func (s *stub) of(path string) (out []asked) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.asked {
		if strings.HasSuffix(a.what, " "+path) {
			out = append(out, a)
		}
	}
	return out
}

// describes sets what a DocType is made of; members are those of its description.
func (s *stub) describes(doctype, members string) {
	s.on("GET /api/v2/method/frappe.desk.form.load.getdoctype?"+doctype, 200, `{"docs":[{"name":`+quoted(doctype)+`,`+members+`}]}`)
}

// own are the keys of users.
type own map[string]string

func (o own) For(_ context.Context, user, _ string) (map[string]secret.String, error) {
	if key, ok := o[user]; ok {
		k, pair, _ := strings.Cut(key, ":")
		return map[string]secret.String{"api_key": secret.New(k), "api_secret": secret.New(pair)}, nil
	}
	return nil, nil
}

// serve opens the server on a site, with settings beside the URL; keys are those of
// users, beside the operator's.
func serve(t *testing.T, url string, keys own, settings ...string) *kit.Server {
	t.Helper()
	values := map[string]secret.String{"url": secret.New(url), "toolsets": secret.New("all"), "api_key": secret.New("operatorkey"), "api_secret": secret.New("operatorpair")}
	mode := kit.ModeAll
	for _, one := range settings {
		k, v, _ := strings.Cut(one, "=")
		if k == "mode" {
			mode = kit.Mode(v)
			continue
		}
		values[k] = secret.New(v)
	}
	deps := kittest.Deps(&kittest.Log{}, nil)
	deps.Now = func() time.Time { return time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC) }
	if keys != nil {
		deps.Credentials = keys
	}
	files, err := filestore.Open(t.TempDir(), filestore.DefaultLimits(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	deps.Files = files
	srv, err := kittest.Opens(erpnext.ReadConfig, erpnext.New)(kit.Settings{Mode: mode, Values: values}, deps)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if err := files.Close(); err != nil {
			t.Error(err)
		}
	})
	return srv
}

func anna(t *testing.T, url string, settings ...string) *kittest.Client {
	t.Helper()
	return kittest.NewClient(serve(t, url, nil, settings...), "anna").Approving()
}

func quoted(text string) string {
	b, _ := json.Marshal(text) // a string always encodes
	return string(b)
}

func decoded(t *testing.T, body string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return m
}
