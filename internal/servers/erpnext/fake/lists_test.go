package fake_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"drawbridge/internal/servers/erpnext/fake"
)

// list asks v1 and joins the values of the first field.
func (h *house) list(doctype string, params obj) string {
	h.t.Helper()
	q := url.Values{}
	for k, v := range params {
		text, is := v.(string)
		if !is {
			raw, err := json.Marshal(v)
			if err != nil {
				h.t.Fatal(err)
			}
			text = string(raw)
		}
		q.Set(k, text)
	}
	q.Set("as_dict", "0")
	var found []string
	for _, r := range as[[]any](h.must(200, "GET", "/api/resource/"+url.PathEscape(doctype)+"?"+q.Encode(), nil), "data") {
		raw, err := json.Marshal(r.([]any)[0])
		if err != nil {
			h.t.Fatal(err)
		}
		found = append(found, strings.Trim(string(raw), `"`))
	}
	return strings.Join(found, " ")
}

func TestLists_filters(t *testing.T) {
	t.Parallel()
	h := start(t, fake.Options{})
	for want, params := range map[string]obj{
		"SKU001 SKU002 SKU003":                   {"filters": obj{"is_stock_item": 1, "disabled": 0}, "order_by": "name"},
		"SKU002 SKU001":                          {"filters": [][]any{{"standard_rate", ">=", 25}, {"is_stock_item", "=", 1}}, "order_by": "standard_rate desc"},
		"SKU003":                                 {"filters": [][]any{{"Item", "item_name", "like", "%boo%"}}},
		"SKU-OLD":                                {"filters": [][]any{{"item_name", "=", "camera, OLD"}}},
		"SKU001 SKU003":                          {"filters": [][]any{{"name", "in", []string{"sku001", "SKU003", "x"}}}, "order_by": "name asc"},
		"SKU003 SRV-SETUP":                       {"filters": [][]any{{"name", "not in", "SKU001,SKU002,SKU-OLD"}}, "order_by": "name asc"},
		"SKU001 SKU002":                          {"or_filters": [][]any{{"name", "=", "SKU001"}, {"name", "=", "SKU002"}}, "order_by": "name"},
		"SKU-OLD SKU001":                         {"order_by": "name", "limit_page_length": "2"},
		"SKU002 SKU003":                          {"order_by": "name", "limit_page_length": "2", "limit_start": "2"},
		"SKU-OLD SKU001 SKU002 SKU003 SRV-SETUP": {"order_by": "name", "limit_page_length": "0"},
		"SKU002":                                 {"filters": obj{"standard_rate": []any{"between", []int{100, 1000}}}},
	} {
		if got := h.list("Item", params); got != want {
			t.Errorf("%v: %s, want %s", params, got, want)
		}
	}
	for want, params := range map[string]obj{
		"Vienna Germany Austria":          {"filters": [][]any{{"name", "descendants of", "All Territories"}}, "order_by": "name desc"},
		"Vienna":                          {"filters": [][]any{{"name", "descendants of", "Austria"}}},
		"All Territories Austria":         {"filters": [][]any{{"name", "ancestors of", "Vienna"}}, "order_by": "name"},
		"All Territories Austria Germany": {"filters": [][]any{{"name", "not descendants of", "Austria"}}, "order_by": "name"},
		"All Territories":                 {"filters": [][]any{{"parent_territory", "is", "not set"}}},
	} {
		if got := h.list("Territory", params); got != want {
			t.Errorf("%v: %s, want %s", params, got, want)
		}
	}
	if got := h.list("Customer", obj{"filters": [][]any{{"territory", "descendants of", "Austria"}}, "order_by": "name"}); got != "Ada Lovelace Grant Plastics Ltd." {
		t.Errorf("customers below Austria: %s", got)
	}
	if got := h.list("Sales Order", obj{"filters": [][]any{{"Sales Order Item", "item_code", "=", "SKU001"}, {"transaction_date", "Timespan", "today"}}, "order_by": "name"}); got != "SAL-ORD-2026-00001 SAL-ORD-2026-00002" {
		t.Errorf("by a row: %s", got)
	}
	if got := h.list("Sales Order", obj{"fields": []string{"items.item_code", "name"}, "order_by": "name"}); got != "SKU001 SKU001" {
		t.Errorf("a field of rows: %s", got)
	}
	if got := h.list("Sales Order", obj{"fields": []string{"customer.territory"}, "order_by": "name"}); got != "Germany Vienna" {
		t.Errorf("a field behind a link: %s", got)
	}
	if got := h.as(fake.Sales).list("Sales Order Item", obj{"fields": []string{"`tabSales Order Item`.`qty` as n"}, "parent": "Sales Order", "order_by": "parent"}); got != "4 1" {
		t.Errorf("rows by themselves: %s", got)
	}
}

// Aggregates are written one way up to version 15 and another after it.
func TestLists_versions(t *testing.T) {
	t.Parallel()
	text, dict := obj{"fields": []string{"sum(grand_total) as total", "company"}, "group_by": "company", "order_by": "company"},
		obj{"fields": []any{obj{"SUM": "grand_total", "as": "total"}, "company"}, "group_by": "company", "order_by": "company"}
	old, now := start(t, fake.Options{}), start(t, fake.Options{Profile: fake.V16})
	if a, b := old.list("Sales Invoice", text), now.list("Sales Invoice", dict); a != b || a != "1080 30" {
		t.Errorf("sums %q and %q", a, b)
	}
	q := func(p obj) string {
		raw, _ := json.Marshal(p["fields"])
		return "/api/resource/Sales%20Invoice?fields=" + url.QueryEscape(string(raw))
	}
	old.do("GET", q(dict), nil).refused(500, "TypeError", "unhashable type: 'dict'")
	now.do("GET", q(text), nil).refused(417, "ValidationError", "SQL functions are not allowed as strings in SELECT: sum(grand_total) as total")
	unknown := "/api/resource/Customer?filters=" + url.QueryEscape(`{"nonsense":1}`)
	old.do("GET", unknown, nil).refused(500, "OperationalError", `(1054, "Unknown column 'nonsense' in 'where clause'")`)
	now.do("GET", unknown, nil).refused(403, "PermissionError", "You do not have permission to access field: <strong>Customer.nonsense</strong>")
	old.do("GET", "/api/resource/Customer?filters="+url.QueryEscape(`[["name","~","x"]]`), nil).refused(417, "ValidationError", "Operator must be one of =, !=")

	// v2: 15 does not know "start", 16 tells whether there is more.
	page := "/api/v2/document/Item?order_by=name&limit=2&start=2"
	a, b := old.must(200, "GET", page, nil), now.must(200, "GET", page, nil)
	if a.text != `{"data":[{"name":"SKU-OLD"},{"name":"SKU001"}]}` {
		t.Errorf("15: %s", a.text)
	}
	if b.text != `{"data":[{"name":"SKU002"},{"name":"SKU003"}],"has_next_page":true}` {
		t.Errorf("16: %s", b.text)
	}
	now.must(417, "GET", "/api/v2/document/Item?fields="+url.QueryEscape(`{"a":1}`), nil)
	if n := now.must(200, "GET", "/api/v2/doctype/Item/count", nil).text; n != `{"data":5}` {
		t.Errorf("count %s", n)
	}
}

func TestLists_values(t *testing.T) {
	t.Parallel()
	h := start(t, fake.Options{})
	for want, path := range map[string]string{
		`{"message":{"territory":"Vienna"}}`:                       `frappe.client.get_value?doctype=Customer&filters=Ada%20Lovelace&fieldname=territory`,
		`{"message":{"name":"Ada Lovelace","territory":"Vienna"}}`: `frappe.client.get_value?doctype=Customer&filters={"customer_type":"Individual"}&fieldname=["name","territory"]`,
		`{"message":{}}`:                      `frappe.client.get_value?doctype=Customer&filters=Nobody&fieldname=territory`,
		`{"message":"Standard Selling"}`:      `frappe.client.get_single_value?doctype=Selling%20Settings&field=selling_price_list`,
		`{"message":2}`:                       `frappe.client.get_count?doctype=Sales%20Invoice&filters={"docstatus":1}`,
		`{"message":{"has_permission":true}}`: `frappe.client.has_permission?doctype=Customer&docname=Ada%20Lovelace&perm_type=write`,
		`{"message":{"name":"Ada Lovelace"}}`: `frappe.client.validate_link?doctype=Customer&docname=ada%20lovelace`,
		`{"message":[{"description":"SKU002, <div>Laptop</div>, Products","label":"Laptop","value":"SKU002"}]}`: `frappe.desk.search.search_link?doctype=Item&txt=lapt`,
		`{"message":[]}`: `frappe.desk.search.search_link?doctype=Customer&txt=palmer`, // disabled
		`{"message":[{"description":"Grant Plastics Ltd., Commercial, Vienna","value":"Grant Plastics Ltd."}]}`: `frappe.desk.search.search_link?doctype=Customer&txt=grant`,
	} {
		path, query, _ := strings.Cut(path, "?")
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if got := h.must(200, "GET", "/api/method/"+path+"?"+q.Encode(), nil).text; got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	kinds := as[[]any](h.as(fake.Sales).must(200, "POST", "/api/method/frappe.desk.search.search_link", obj{"doctype": "DocType", "txt": "sales ord", "filters": obj{"istable": 0}}), "message")
	if len(kinds) != 1 || kinds[0].(obj)["value"] != "Sales Order" {
		t.Errorf("doctypes found by somebody who may not list them: %v", kinds)
	}
	h.as(fake.Sales).do("GET", "/api/resource/DocType", nil).refused(403, "PermissionError", "")
	old := start(t, fake.Options{Profile: fake.V14})
	if a := old.must(200, "GET", "/api/method/frappe.desk.search.search_link?doctype=Customer&txt=grant", nil).json(); a["results"] == nil || a["message"] != nil {
		t.Errorf("14: %v", a)
	}
}
