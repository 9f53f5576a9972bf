package fake_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"drawbridge/internal/servers/erpnext/fake"
)

// What is refused, with the name, code and words of it (ref 2.1, Errors).
func TestRefusals(t *testing.T) {
	t.Parallel()
	order := obj{"customer": "West View Software", "delivery_date": "2027-01-01", "items": []obj{{"item_code": "SKU001", "qty": 1}}}
	with := func(more obj) obj {
		o := obj{}
		maps.Copy(o, order)
		maps.Copy(o, more)
		return o
	}
	for name, c := range map[string]struct {
		user, method, path string
		body               any
		status             int
		kind, words        string
	}{
		"no such document":   {"", "GET", "/api/resource/Customer/Nobody", nil, 404, "DoesNotExistError", "Customer Nobody not found"},
		"no such doctype":    {"", "GET", "/api/resource/Nonsense", nil, 404, "DoesNotExistError", "DocType Nonsense not found"},
		"no such route":      {"", "GET", "/api/nonsense/x", nil, 404, "DoesNotExistError", ""},
		"no path":            {"", "GET", "/api/v1/", nil, 404, "DoesNotExistError", ""},
		"no such method":     {"", "GET", "/api/method/frappe.client.nonsense", nil, 417, "ValidationError", "Failed to get method for command frappe.client.nonsense"},
		"missing argument":   {"", "GET", "/api/method/frappe.desk.query_report.run", nil, 500, "TypeError", "missing 1 required positional argument: 'report_name'"},
		"wrong HTTP method":  {"", "GET", "/api/method/frappe.client.insert", nil, 403, "PermissionError", "Not permitted"},
		"no JSON":            {"", "POST", "/api/resource/Customer", `{"customer_name":`, 500, "JSONDecodeError", "Expecting value"},
		"filters no JSON":    {"", "GET", "/api/resource/Customer?filters=[", nil, 500, "JSONDecodeError", ""},
		"mandatory":          {"", "POST", "/api/resource/Sales%20Order", obj{"delivery_date": "2027-01-01"}, 417, "MandatoryError", "Error: Value missing for Sales Order: Customer"},
		"mandatory table":    {"", "POST", "/api/resource/Sales%20Order", obj{"customer": "Ada Lovelace"}, 417, "MandatoryError", "Error: Data missing in table Items"},
		"mandatory in a row": {"", "POST", "/api/resource/Sales%20Order", with(obj{"items": []obj{{"item_code": "SKU001"}}}), 417, "MandatoryError", "Error: <strong>Sales Order Item</strong> Row #1: Value missing for: Quantity"},
		"link":               {"", "POST", "/api/resource/Sales%20Order", with(obj{"customer": "Nobody"}), 417, "LinkValidationError", "Could not find Customer: Nobody"},
		"link in a row":      {"", "POST", "/api/resource/Sales%20Order", with(obj{"items": []obj{{"item_code": "SKU-X", "qty": 1}}}), 417, "LinkValidationError", "Could not find Row #1: Item Code: SKU-X"},
		"select":             {"", "POST", "/api/resource/Customer", obj{"customer_name": "N", "customer_type": "Dog"}, 417, "ValidationError", `Customer Type cannot be "Dog". It should be one of "Company", "Individual", "Partnership"`},
		"date":               {"", "POST", "/api/resource/Sales%20Order", with(obj{"delivery_date": "tomorrow"}), 417, "ValidationError", "is not a valid date string."},
		"table":              {"", "POST", "/api/resource/Sales%20Order", with(obj{"customer": []string{"x"}}), 417, "ValidationError", "Value for Customer cannot be a list"},
		"too long":           {"", "POST", "/api/resource/Customer", obj{"customer_name": strings.Repeat("x", 141)}, 417, "CharacterLengthExceededError", "will get truncated, as max characters allowed is 140"},
		"email":              {"", "POST", "/api/resource/Lead", obj{"first_name": "X", "email_id": "x"}, 417, "InvalidEmailAddressError", ""},
		"twice":              {"", "POST", "/api/resource/Customer", obj{"customer_name": "Ada Lovelace"}, 409, "DuplicateEntryError", "Customer <strong>Ada Lovelace</strong> already exists"},
		"disabled":           {"", "POST", "/api/resource/Sales%20Order", with(obj{"customer": "Palmer Productions"}), 417, "PartyDisabled", "Customer Palmer Productions is disabled"},
		"other company":      {"", "POST", "/api/resource/Sales%20Order", with(obj{"items": []obj{{"item_code": "SKU001", "qty": 1, "warehouse": "Stores - TT"}}}), 417, "InvalidWarehouseCompany", "Warehouse Stores - TT does not belong to company Tinker & Co"},
		"no quantity":        {"", "POST", "/api/resource/Sales%20Order", with(obj{"items": []obj{{"item_code": "SKU001", "qty": 0}}}), 417, "InvalidQtyError", "cannot be zero"},
		"delivered before":   {"", "POST", "/api/resource/Sales%20Order", with(obj{"delivery_date": "2020-01-01"}), 417, "ValidationError", "Expected Delivery Date should be after Sales Order Date"},
		"draft cancelled":    {"", "PUT", at("Quotation", "SAL-QTN-2026-00002"), obj{"docstatus": 2}, 417, "DocstatusTransitionError", "Cannot change docstatus from 0 (Draft) to 2 (Cancelled)"},
		"submitted drafted":  {"", "PUT", at("Quotation", "SAL-QTN-2026-00001"), obj{"docstatus": 0}, 417, "DocstatusTransitionError", "Cannot change docstatus from 1 (Submitted) to 0 (Draft)"},
		"after submit":       {"", "PUT", at("Sales Order", "SAL-ORD-2026-00001"), obj{"order_type": "Maintenance"}, 417, "UpdateAfterSubmitError", "Not allowed to change <strong>Order Type</strong> after submission from <strong>Sales</strong> to <strong>Maintenance</strong>"},
		"set once":           {"", "PUT", at("Company", fake.Company), obj{"abbr": "XX"}, 417, "CannotChangeConstantError", "Value cannot be changed for <strong>Abbr</strong>"},
		"stale":              {"", "PUT", at("Customer", "Ada Lovelace"), obj{"mobile_no": "1", "modified": "2020-01-01 00:00:00.000000"}, 417, "TimestampMismatchError", "Error: Document has been modified after you have opened it"},
		"submit without it":  {"", "POST", "/api/method/frappe.client.submit", obj{"doc": obj{"doctype": "Quotation", "name": "SAL-QTN-2026-00002"}}, 417, "TimestampMismatchError", ""},
		"standard field":     {"", "POST", "/api/method/frappe.client.set_value", obj{"doctype": "Customer", "name": "Ada Lovelace", "fieldname": "owner", "value": "x"}, 417, "ValidationError", "Cannot edit standard fields"},
		"submitted deleted":  {"", "DELETE", at("Sales Order", "SAL-ORD-2026-00001"), nil, 417, "ValidationError", "Submitted Record cannot be deleted"},
		"linked deleted":     {"", "DELETE", at("Customer", "Grant Plastics Ltd."), nil, 417, "LinkExistsError", "You can disable this Customer instead of deleting it."},
		"amend of a live":    {"", "POST", "/api/resource/Sales%20Order", with(obj{"amended_from": "SAL-ORD-2026-00001"}), 417, "ValidationError", "cannot be amended because it is not cancelled"},
		"child doctype":      {fake.Sales, "GET", "/api/resource/Sales%20Order%20Item", nil, 403, "PermissionError", ""},
		"false parent":       {fake.Sales, "GET", "/api/resource/Sales%20Order%20Item?parent=Customer", nil, 403, "PermissionError", ""},
		"no right to list":   {fake.Sales, "GET", "/api/resource/Payment%20Entry", nil, 403, "PermissionError", "does not have doctype access via role permission for document <strong>Payment Entry</strong>"},
		"no right to read":   {fake.Buyer, "GET", at("Sales Invoice", "ACC-SINV-2026-00001"), nil, 403, "PermissionError", "User <strong>buyer@example.com</strong> does not have access to this document"},
		"no right to create": {fake.Accounts, "POST", "/api/resource/Customer", obj{"customer_name": "N", "customer_group": "Commercial"}, 403, "PermissionError", ""},
		"link before right":  {fake.Accounts, "POST", "/api/resource/Customer", obj{"customer_name": "N", "customer_group": "None"}, 417, "LinkValidationError", ""},
		"no right to delete": {fake.Sales, "DELETE", at("Customer", "Ada Lovelace"), nil, 403, "PermissionError", ""},
		"kept to a company":  {fake.Branch, "GET", at("Sales Order", "SAL-ORD-2026-00001"), nil, 403, "PermissionError", "You are not allowed to access this Sales Order record because it is linked to Company 'Tinker & Co' in field Company"},
		"report of others":   {fake.Sales, "GET", "/api/method/frappe.desk.query_report.run?report_name=General%20Ledger", nil, 403, "PermissionError", "You don't have access to Report: General Ledger"},
		"report disabled":    {"", "GET", "/api/method/frappe.desk.query_report.run?report_name=Gross%20Profit", nil, 417, "ValidationError", "Report Gross Profit is disabled"},
		"report filter":      {"", "GET", "/api/method/frappe.desk.query_report.run?report_name=General%20Ledger", nil, 417, "ValidationError", "Company is mandatory"},
		"report filters":     {"", "GET", "/api/method/frappe.desk.query_report.run?report_name=General%20Ledger&filters=" + `{"company":"Tinker+%26+Co"}`, nil, 417, "ValidationError", "<strong>From Date</strong> and <strong>To Date</strong> are mandatory"},
		"query report":       {"", "GET", "/api/method/frappe.desk.query_report.run?report_name=Open%20Orders%20by%20Customer", nil, 500, "KeyError", "'customer'"},
		"run_method in JSON": {"", "POST", at("Quotation", "SAL-QTN-2026-00002") + "?run_method=submit", obj{}, 500, "KeyError", "'run_method'"},
		"method not listed":  {"", "POST", at("Quotation", "SAL-QTN-2026-00002") + "?run_method=save", nil, 403, "PermissionError", "is not whitelisted."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := start(t, fake.Options{})
			if c.user != "" {
				h = h.as(c.user)
			}
			before := fmt.Sprint(h.Names("Sales Order"), h.Names("Customer"), h.Doc("Quotation", "SAL-QTN-2026-00002"))
			h.do(c.method, c.path, c.body).refused(c.status, c.kind, c.words)
			if after := fmt.Sprint(h.Names("Sales Order"), h.Names("Customer"), h.Doc("Quotation", "SAL-QTN-2026-00002")); after != before {
				t.Errorf("a refused request changed\n%s\nto\n%s", before, after)
			}
		})
	}
}

// The two envelopes, member by member (frappe/utils/response.py).
func TestRefusals_envelopes(t *testing.T) {
	t.Parallel()
	order := obj{"delivery_date": "2027-01-01", "customer": ""}
	v1 := start(t, fake.Options{}).must(417, "POST", "/api/resource/Sales%20Order", order)
	o := v1.json()
	if o["exception"] != "frappe.exceptions.MandatoryError: [Sales Order, SAL-ORD-2026-00003]: customer, items" {
		t.Errorf("exception %v", o["exception"])
	}
	if exc, is := o["exc"].(string); !is || !strings.HasPrefix(exc, `["Traceback (most recent call last):\n`) {
		t.Errorf("exc %v", o["exc"])
	}
	if m := v1.messages(); len(m) != 2 || m[0]["title"] != "Message" || m[0]["raise_exception"] != nil {
		t.Errorf("messages %v", m)
	}

	for _, p := range []fake.Profile{fake.V15, fake.V16} {
		h := start(t, fake.Options{Profile: p})
		v2 := h.must(417, "POST", "/api/v2/document/Sales%20Order", order).json()
		e := v2["errors"].([]any)[0].(obj)
		if e["type"] != "MandatoryError" || e["message"] != "Error: Value missing for Sales Order: Customer" || !strings.Contains(e["exception"].(string), "Traceback") {
			t.Errorf("errors %v", e)
		}
		if m := v2["messages"].([]any); len(m) != 1 || m[0].(obj)["message"] != "Error: Data missing in table Items" {
			t.Errorf("messages %v", v2["messages"])
		}
		if v2["exc_type"] != nil || v2["_server_messages"] != nil {
			t.Errorf("v2 has members of v1: %v", v2)
		}
		thrown := h.must(417, "PUT", "/api/v2/document/Sales%20Order/SAL-ORD-2026-00001", obj{"docstatus": 0, "customer": "Nobody"}).json()
		if e := thrown["errors"].([]any)[0].(obj); e["type"] != "DocstatusTransitionError" || e["message"] != nil {
			t.Errorf("a bare exception has %v", e)
		}
		linked := h.must(417, "POST", "/api/v2/document/Sales%20Order", obj{"customer": "Nobody"}).json()
		if e := linked["errors"].([]any)[0].(obj); e["message"] != "Could not find Customer: Nobody" || e["indicator"] != "red" || e["raise_exception"] != nil || linked["messages"] != nil {
			t.Errorf("a thrown exception has %v and %v beside", e, linked["messages"])
		}
		missing := h.must(404, "DELETE", "/api/v2/document/ToDo/nothing", nil).json()
		if e := missing["errors"].([]any)[0].(obj); len(e) != 1 || e["type"] != "DoesNotExistError" {
			t.Errorf("missing %v", e)
		}
		bare := h.as(fake.Sales).must(403, "GET", "/api/v2/document/Sales%20Order%20Item", nil).json()
		if e := bare["errors"].([]any)[0].(obj); e["message"] != nil || bare["messages"] != nil {
			t.Errorf("child doctype %v", bare)
		}
	}
}

// Rights are worded by version, and 16 does not tell who may not read what is not there.
func TestRefusals_versions(t *testing.T) {
	t.Parallel()
	for p, want := range map[fake.Profile][2]string{
		fake.V14: {"Insufficient Permission for Customer", "404"},
		fake.V15: {"Insufficient Permission for Customer (<strong>delete</strong>)", "404"},
		fake.V16: {"No permission for Customer", "403"},
	} {
		h := start(t, fake.Options{Profile: p}).as(fake.Sales)
		if got := h.must(403, "DELETE", at("Customer", "Ada Lovelace"), nil).json()["_error_message"]; got != want[0] {
			t.Errorf("%v: _error_message %v", p, got)
		}
		if a := h.do("GET", at("Payment Entry", "nothing"), nil); fmt.Sprint(a.status) != want[1] {
			t.Errorf("%v: missing is %d, want %s", p, a.status, want[1])
		}
		if a := h.do("GET", "/api/v2/method/ping", nil); (a.status == 200) != (p != fake.V14) {
			t.Errorf("%v: v2 ping %d %s", p, a.status, a.text)
		}
		if a := h.do("PATCH", at("Customer", "Ada Lovelace"), obj{}); a.status != 405 || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
			t.Errorf("%v: PATCH of v1 %d %v", p, a.status, a.header)
		}
	}
	h := start(t, fake.Options{HideTracebacks: true})
	if o := h.must(417, "POST", "/api/resource/Customer", obj{}).json(); o["exc"] != nil || o["exception"] != nil || o["exc_type"] == nil {
		t.Errorf("hidden tracebacks: %v", o)
	}
}
