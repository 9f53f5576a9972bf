package fake_test

import (
	"testing"

	"drawbridge/internal/servers/erpnext/fake"
)

const (
	orderFromQuote   = "erpnext.selling.doctype.quotation.quotation.make_sales_order"
	invoiceFromOrder = "erpnext.selling.doctype.sales_order.sales_order.make_sales_invoice"
	noteFromOrder    = "erpnext.selling.doctype.sales_order.sales_order.make_delivery_note"
)

func (h *house) mapped(method, name string) obj {
	h.t.Helper()
	doc := as[obj](h.must(200, "POST", "/api/method/frappe.model.mapper.make_mapped_doc", obj{"method": method, "source_name": name}), "message")
	if doc["__islocal"] != 1.0 || doc["name"] != nil {
		h.t.Errorf("%s made %v, want it unsaved", method, doc["name"])
	}
	return doc
}

func (h *house) create(doc obj) obj {
	h.t.Helper()
	return h.must(200, "POST", "/api/resource/"+doc["doctype"].(string), doc).data()
}

func (h *house) submit(doc obj) obj {
	h.t.Helper()
	return h.must(200, "PUT", at(doc["doctype"].(string), doc["name"].(string)), obj{"docstatus": 1}).data()
}

// From a quotation to an amended invoice, as a shop goes.
func TestJourney_quotationToAmendedInvoice(t *testing.T) {
	t.Parallel()
	h := start(t, fake.Options{})
	quote := h.create(obj{"doctype": "Quotation", "party_name": "Grant Plastics Ltd.", "items": []obj{{"item_code": "SKU001", "qty": 3}},
		"taxes": []obj{{"charge_type": "On Net Total", "account_head": "VAT - TC", "description": "VAT", "rate": 20}}})
	if quote["name"] != "SAL-QTN-2026-00003" || quote["status"] != "Draft" || quote["grand_total"] != 90.0 || quote["company"] != fake.Company {
		t.Errorf("quotation %v %v %v %v", quote["name"], quote["status"], quote["grand_total"], quote["company"])
	}
	h.do("POST", "/api/method/frappe.model.mapper.make_mapped_doc", obj{"method": orderFromQuote, "source_name": quote["name"]}).
		refused(417, "ValidationError", "Cannot map because following condition fails: docstatus=1")
	if q := h.submit(quote); q["status"] != "Open" || q["docstatus"] != 1.0 {
		t.Errorf("submitted quotation %v %v", q["status"], q["docstatus"])
	}

	order := h.mapped(orderFromQuote, quote["name"].(string))
	h.do("POST", "/api/resource/Sales Order", order).refused(417, "ValidationError", "Please enter Delivery Date")
	order["delivery_date"] = "2026-12-01"
	order = h.create(order)
	h.submit(order)
	if q := h.Doc("Quotation", quote["name"].(string)); q["status"] != "Ordered" {
		t.Errorf("quotation is %v after the order", q["status"])
	}

	invoice := h.create(h.mapped(invoiceFromOrder, order["name"].(string)))
	invoice = h.submit(invoice)
	if invoice["outstanding_amount"] != 90.0 || invoice["status"] != "Unpaid" {
		t.Errorf("invoice %v %v", invoice["outstanding_amount"], invoice["status"])
	}
	if o := h.Doc("Sales Order", order["name"].(string)); o["status"] != "To Deliver" {
		t.Errorf("order is %v after the invoice", o["status"])
	}
	if left := rows(h.mapped(invoiceFromOrder, order["name"].(string)), "items"); len(left) != 0 {
		t.Errorf("%d rows left to invoice", len(left))
	}
	h.do("POST", "/api/method/frappe.client.cancel", obj{"doctype": "Sales Order", "name": order["name"]}).
		refused(417, "LinkExistsError", "is linked with Sales Invoice <a href=\"/app/Form/Sales Invoice/"+invoice["name"].(string))
	if o := h.Doc("Sales Order", order["name"].(string)); o["docstatus"] != 1 {
		t.Errorf("a refused cancel left docstatus %v", o["docstatus"])
	}

	gone := as[obj](h.must(200, "POST", "/api/method/frappe.client.cancel", obj{"doctype": "Sales Invoice", "name": invoice["name"]}), "message")
	if gone["docstatus"] != 2.0 || gone["status"] != "Cancelled" {
		t.Errorf("cancelled invoice %v %v", gone["docstatus"], gone["status"])
	}
	h.do("PUT", at("Sales Invoice", invoice["name"].(string)), obj{"remarks": "x"}).refused(417, "ValidationError", "Cannot edit cancelled document")
	amended := obj{"doctype": "Sales Invoice", "amended_from": invoice["name"]}
	for _, k := range []string{"customer", "company", "items", "due_date"} {
		amended[k] = gone[k]
	}
	amended = h.create(amended)
	if want := invoice["name"].(string) + "-1"; amended["name"] != want || amended["docstatus"] != 0.0 {
		t.Errorf("amended is %v", amended["name"])
	}
	h.do("DELETE", at("Sales Invoice", invoice["name"].(string)), nil).refused(417, "LinkExistsError", "is linked with")
}

func TestJourney_goodsAndMoney(t *testing.T) {
	t.Parallel()
	h := start(t, fake.Options{Profile: fake.V16})
	note := h.mapped(noteFromOrder, "SAL-ORD-2026-00001")
	note = h.submit(h.create(note))
	if got := h.InStock("SKU001", "Stores - TC"); got != 96 {
		t.Errorf("in stock %v, want 96", got)
	}
	if o := h.Doc("Sales Order", "SAL-ORD-2026-00001"); o["status"] != "To Bill" {
		t.Errorf("order is %v", o["status"])
	}
	stock := h.must(200, "GET", "/api/method/erpnext.stock.utils.get_stock_balance?item_code=SKU001&warehouse=Stores%20-%20TC", nil)
	if stock.text != `{"message":96.0}` {
		t.Errorf("balance %s", stock.text)
	}
	h.must(200, "POST", "/api/v2/document/Delivery%20Note/"+note["name"].(string)+"/method/cancel", nil)
	if got := h.InStock("SKU001", "Stores - TC"); got != 100 {
		t.Errorf("in stock %v after cancelling", got)
	}
	tooMuch := h.create(obj{"doctype": "Stock Entry", "stock_entry_type": "Material Issue", "from_warehouse": "Stores - TC",
		"items": []obj{{"item_code": "SKU002", "qty": 6}}})
	h.do("PUT", at("Stock Entry", tooMuch["name"].(string)), obj{"docstatus": 1}).refused(417, "NegativeStockError", "1 units of <strong>Item SKU002</strong>")
	if d := h.Doc("Stock Entry", tooMuch["name"].(string)); d["docstatus"] != 0 {
		t.Errorf("a refused submit left docstatus %v", d["docstatus"])
	}

	owed := func() string {
		return h.must(200, "GET", "/api/method/erpnext.accounts.utils.get_balance_on?party_type=Customer&party=Grant%20Plastics%20Ltd.", nil).text
	}
	if owed() != `{"message":1080.0}` {
		t.Errorf("owed %s", owed())
	}
	pay := as[obj](h.must(200, "POST", "/api/method/erpnext.accounts.doctype.payment_entry.payment_entry.get_payment_entry",
		obj{"dt": "Sales Invoice", "dn": "ACC-SINV-2026-00001"}), "message")
	h.submit(h.create(pay))
	if i := h.Doc("Sales Invoice", "ACC-SINV-2026-00001"); i["status"] != "Paid" || owed() != `{"message":0.0}` {
		t.Errorf("after paying %v, owed %s", i["status"], owed())
	}
}
