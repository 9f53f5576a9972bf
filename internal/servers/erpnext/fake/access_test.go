package fake_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"drawbridge/internal/servers/erpnext/fake"
)

func TestAccess_headers(t *testing.T) {
	t.Parallel()
	h := start(t, fake.Options{})
	pair := base64.StdEncoding.EncodeToString([]byte("saleskey:saleskey-secret"))
	for header, want := range map[string]string{
		"token saleskey:saleskey-secret": "200 " + fake.Sales,
		"Token saleskey:saleskey-secret": "200 " + fake.Sales,
		"Basic " + pair:                  "200 " + fake.Sales,
		"Bearer made-up-oauth-token":     "200 " + fake.Owner,
		"token saleskey:wrong":           "401 AuthenticationError",
		"token nobody:x":                 "401 AuthenticationError",
		"token saleskey":                 "401 AuthenticationError",
		"Bearer wrong":                   "401 AuthenticationError",
		"Basic !":                        "400 InvalidAuthorizationToken",
		"token leftkey:leftkey-secret":   "401 AuthenticationError",
		"saleskey:saleskey-secret":       "403 PermissionError", // one word is not seen
		"":                               "403 PermissionError",
	} {
		r := h.request("GET", "/api/method/frappe.auth.get_logged_user", nil)
		r.Header.Set("Authorization", header)
		a, err := h.send(r)
		if err != nil {
			t.Fatal(err)
		}
		who, is := a.json()["message"]
		if !is {
			who = a.json()["exc_type"]
		}
		if got := fmt.Sprintf("%d %v", a.status, who); got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
	guest := h.as("")
	guest.must(200, "GET", "/api/method/ping", nil)
	guest.do("GET", "/api/resource/Customer", nil).refused(403, "PermissionError", "User <strong>Guest</strong> does not have doctype access")
	guest.do("GET", "/api/method/frappe.client.get_list?doctype=Customer", nil).refused(403, "PermissionError", "Login to access")
	h.Revoke(fake.Sales, "")
	h.as(fake.Sales).do("GET", "/api/method/frappe.auth.get_logged_user", nil).refused(401, "AuthenticationError", "")
}

// A browser's session must show its token from the moment a page gave it one.
func TestAccess_csrf(t *testing.T) {
	t.Parallel()
	h := start(t, fake.Options{}).as("")
	h.do("POST", "/api/method/login", obj{"usr": fake.Sales, "pwd": "wrong"}).refused(401, "AuthenticationError", "")
	in := h.must(200, "POST", "/api/method/login", obj{"usr": fake.Sales, "pwd": "made-up-password"})
	if in.json()["message"] != "Logged In" || in.json()["full_name"] != "Sam Sales" {
		t.Errorf("login %s", in.text)
	}
	cookie, _, _ := strings.Cut(in.header.Get("Set-Cookie"), ";")
	send := func(method, path, token string) answer {
		var body any
		if method == "POST" {
			body = obj{"description": "x"}
		}
		r := h.request(method, path, body)
		r.Header.Set("Cookie", cookie)
		r.Header.Set("X-Frappe-CSRF-Token", token)
		a, err := h.send(r)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	if a := send("POST", "/api/resource/ToDo", ""); a.status != 200 {
		t.Errorf("before a page was loaded: %d %s", a.status, a.text)
	}
	page := send("GET", "/app", "").text
	_, token, _ := strings.Cut(page, `csrf_token = "`)
	token, _, _ = strings.Cut(token, `"`)
	send("POST", "/api/resource/ToDo", "").refused(400, "CSRFTokenError", "Invalid Request")
	send("GET", "/api/resource/ToDo", "")
	if a := send("POST", "/api/resource/ToDo", token); a.status != 200 {
		t.Errorf("with the token: %d %s", a.status, a.text)
	}
}

// Somebody who is kept to a company sees, finds and makes nothing of the other.
func TestAccess_userPermissions(t *testing.T) {
	t.Parallel()
	h := start(t, fake.Options{}).as(fake.Branch)
	if got := as[[]any](h.must(200, "GET", "/api/resource/Sales%20Order?fields=[\"name\",\"company\"]", nil), "data"); len(got) != 1 || got[0].(obj)["company"] != fake.OtherCompany {
		t.Errorf("sees %v", got)
	}
	if got := h.must(200, "GET", "/api/method/frappe.client.get_count?doctype=Sales%20Order", nil).text; got != `{"message":1}` {
		t.Errorf("counts %s", got)
	}
	if got := as[[]any](h.must(200, "GET", "/api/resource/Company", nil), "data"); len(got) != 1 {
		t.Errorf("companies %v", got)
	}
	found := as[[]any](h.must(200, "POST", "/api/method/frappe.desk.search.search_link", obj{"doctype": "Warehouse", "txt": "stores"}), "message")
	if len(found) != 1 || found[0].(obj)["value"] != "Stores - TT" {
		t.Errorf("warehouses %v", found)
	}
	made := h.create(obj{"doctype": "Quotation", "party_name": "Ada Lovelace", "items": []obj{{"item_code": "SKU003", "qty": 1}}})
	if made["company"] != fake.OtherCompany {
		t.Errorf("made in %v", made["company"])
	}
	h.do("POST", "/api/resource/Quotation", obj{"party_name": "Ada Lovelace", "company": fake.Company, "items": []obj{{"item_code": "SKU003", "qty": 1}}}).
		refused(403, "PermissionError", "linked to Company 'Tinker & Co'")
	h.Roles(fake.Branch)
	h.do("GET", "/api/resource/Sales%20Order", nil).refused(403, "PermissionError", "")
}

// A field of a higher level is for those who may: others neither see nor set it.
func TestAccess_permissionLevels(t *testing.T) {
	t.Parallel()
	h := start(t, fake.Options{})
	who := at("Customer", "Grant Plastics Ltd.")
	if c := h.as(fake.Manager).must(200, "GET", who, nil).data(); c["credit_limit"] != 5000.0 {
		t.Errorf("manager sees %v", c["credit_limit"])
	}
	if c := h.as(fake.Sales).must(200, "GET", who, nil).data(); c["credit_limit"] != nil {
		t.Errorf("sales sees %v", c["credit_limit"])
	}
	if c := h.as(fake.Sales).must(200, "PUT", who, obj{"credit_limit": 9, "mobile_no": "1"}).data(); c["credit_limit"] != 5000.0 || c["mobile_no"] != "1" {
		t.Errorf("sales set %v", c)
	}
	if c := h.Doc("Customer", "Grant Plastics Ltd."); c["mobile_no"] != "1" || fmt.Sprint(c["credit_limit"]) != "5000" {
		t.Errorf("stored %v %v", c["mobile_no"], c["credit_limit"])
	}
	rows := as[[]any](h.as(fake.Sales).must(200, "GET", `/api/resource/Customer?fields=["name","credit_limit","nonsense"]&limit=1`, nil), "data")
	if got := rows[0].(obj); len(got) != 1 {
		t.Errorf("list shows %v", got)
	}
}

func TestAccess_rateLimit(t *testing.T) {
	t.Parallel()
	h := start(t, fake.Options{RateLimit: fake.RateLimit{Limit: time.Second, Window: time.Hour, Cost: 600 * time.Millisecond}})
	a := h.must(200, "GET", "/api/method/ping", nil)
	if a.header.Get("X-Ratelimit-Limit") != "1000000" || a.header.Get("X-Ratelimit-Remaining") != "1000000" || a.header.Get("X-Ratelimit-Used") != "600000" {
		t.Errorf("headers %v", a.header)
	}
	h.must(200, "GET", "/api/method/ping", nil)
	a = h.do("GET", "/api/method/ping", nil)
	a.refused(429, "TooManyRequestsError", "")
	if s := a.header.Get("Retry-After"); s == "" || s != a.header.Get("X-Ratelimit-Reset") {
		t.Errorf("Retry-After %q", s)
	}
	r := h.request("GET", "/api/method/ping", nil)
	r.Header.Set("Accept", "text/plain")
	if a, err := h.send(r); err != nil || a.text != "Too Many Requests" {
		t.Errorf("for people: %q %v", a.text, err)
	}
	h.Advance(time.Hour)
	h.must(200, "GET", "/api/method/ping", nil)
}
