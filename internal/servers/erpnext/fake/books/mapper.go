package books

import (
	"cmp"
	"maps"
	"slices"

	"drawbridge/internal/servers/erpnext/fake/exc"
	"drawbridge/internal/servers/erpnext/fake/meta"
	"drawbridge/internal/servers/erpnext/fake/site"
)

// mapping is how one document becomes another (the make_ functions of ERPNext, built on
// frappe/model/mapper.py get_mapped_doc).
type mapping struct {
	From, To  string
	Submitted bool   // only what is submitted becomes the other
	LinkRow   string // field of a new row that names the source
	DetailRow string // field of a new row that names the source's row
	Done      string // field of a source row, counted against Against
	Against   string
}

// mappings are those there are, by dotted path.
func mappings() map[string]mapping {
	const sales, buy, stock = "erpnext.selling.doctype.", "erpnext.buying.doctype.", "erpnext.stock.doctype."
	return map[string]mapping{
		sales + "quotation.quotation.make_sales_order":               {From: "Quotation", To: "Sales Order", Submitted: true, LinkRow: "prevdoc_docname"},
		sales + "quotation.quotation.make_sales_invoice":             {From: "Quotation", To: "Sales Invoice", Submitted: true},
		sales + "sales_order.sales_order.make_sales_invoice":         {"Sales Order", "Sales Invoice", true, "sales_order", "so_detail", "billed_amt", "amount"},
		sales + "sales_order.sales_order.make_delivery_note":         {"Sales Order", "Delivery Note", true, "against_sales_order", "so_detail", "delivered_qty", "qty"},
		stock + "delivery_note.delivery_note.make_sales_invoice":     {From: "Delivery Note", To: "Sales Invoice", Submitted: true, LinkRow: "delivery_note", DetailRow: "dn_detail"},
		buy + "purchase_order.purchase_order.make_purchase_invoice":  {"Purchase Order", "Purchase Invoice", true, "purchase_order", "po_detail", "billed_amt", "amount"},
		"erpnext.crm.doctype.opportunity.opportunity.make_quotation": {From: "Opportunity", To: "Quotation"},
		"erpnext.crm.doctype.lead.lead.make_customer":                {From: "Lead", To: "Customer"},
		"erpnext.crm.doctype.lead.lead.make_opportunity":             {From: "Lead", To: "Opportunity"},
	}
}

// Mapped tells whether a path is one of a mapper.
func Mapped(method string) bool { _, known := mappings()[method]; return known }

// Paths are those of all mappers.
func Paths() []string { return slices.Sorted(maps.Keys(mappings())) }

// Map makes a document of another. It is not saved: __islocal says so.
func Map(s *site.Site, ss *site.Session, method, name string) (obj, error) {
	m := mappings()[method]
	source, err := s.Load(m.From, name)
	if err != nil {
		return nil, err
	}
	if err := s.Check(ss, s.Reg.Get(m.From), "read", source); err != nil {
		return nil, err
	}
	if m.Submitted && site.Int(source, "docstatus") != 1 {
		return nil, exc.Throw(exc.Validation, "", "Cannot map because following condition fails: docstatus=1")
	}
	if m.From == "Quotation" && site.Text(source, "valid_till") != "" && site.Text(source, "valid_till") < s.Today() {
		return nil, exc.Throw(exc.Validation, "", "Validity period of this quotation has ended.")
	}
	to := s.Reg.Get(m.To)
	values := obj{"doctype": m.To}
	for _, f := range to.Columns() {
		from := s.Reg.Get(m.From).Field(f.Name)
		if from != nil && !f.Is("nc") && !from.Is("nc") && f.Name != "naming_series" && source[f.Name] != nil {
			values[f.Name] = source[f.Name]
		}
	}
	rename(m, source, values)
	for _, f := range to.Tables() {
		if from := s.Reg.Get(m.From).Field(f.Name); from != nil && from.IsTable() && !f.Is("nc") {
			values[f.Name] = mapRows(s.Reg.Get(f.Options), m, source, f.Name)
		}
	}
	doc, _, err := s.Make(values)
	if err != nil {
		return nil, err
	}
	if err := s.Check(ss, to, "create", doc); err != nil {
		return nil, err
	}
	if to.Field("transaction_date") != nil {
		doc["transaction_date"] = s.Today()
	}
	if to.Field("posting_date") != nil {
		doc["posting_date"] = s.Today()
	}
	if m.To != "Customer" {
		if err := (Rules{}).fill(s, doc); err != nil {
			return nil, err
		}
	}
	doc["__islocal"], doc["__unsaved"] = 1, 1
	return doc, nil
}

// fill is set_missing_values and the totals, without the checks of a save.
func (Rules) fill(s *site.Site, doc obj) error {
	if site.Rows(doc, "items") == nil || s.Reg.Get(site.Text(doc, "doctype")).Field("grand_total") == nil {
		return nil
	}
	defaults(s, doc)
	for i, row := range site.Rows(doc, "items") {
		if err := line(s, doc, row, i+1); err != nil {
			return err
		}
	}
	total(doc)
	setStatus(s, doc)
	return nil
}

// rename is the field_map of the header.
func rename(m mapping, source, values obj) {
	delete(values, "title")
	delete(values, "status")
	switch m.From + ">" + m.To {
	case "Quotation>Sales Order", "Quotation>Sales Invoice":
		values["customer"] = source["party_name"]
	case "Opportunity>Quotation":
		values["quotation_to"], values["party_name"] = source["opportunity_from"], source["party_name"]
		values["customer_name"] = source["customer_name"]
	case "Lead>Customer":
		values["customer_name"] = cmp.Or(site.Text(source, "company_name"), site.Text(source, "lead_name"))
		values["customer_type"] = map[bool]string{true: "Company", false: "Individual"}[source["company_name"] != nil]
	case "Lead>Opportunity":
		values["opportunity_from"], values["party_name"] = "Lead", source["name"]
	}
}

func mapRows(child *meta.DocType, m mapping, source obj, field string) []obj {
	rows := []obj{}
	for _, from := range site.Rows(source, field) {
		if m.Done != "" && field == "items" && site.Num(from, m.Done) >= site.Num(from, m.Against) {
			continue
		}
		row := obj{}
		for _, f := range child.Columns() {
			if v := from[f.Name]; v != nil && !f.Is("nc") {
				row[f.Name] = v
			}
		}
		if field == "items" {
			if m.LinkRow != "" {
				row[m.LinkRow] = source["name"]
			}
			if m.DetailRow != "" {
				row[m.DetailRow] = from["name"]
			}
			if m.Done == "delivered_qty" {
				row["qty"] = money(site.Num(from, "qty") - site.Num(from, m.Done))
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// PaymentFor is get_payment_entry: an unsaved payment of what is owed on an invoice.
func PaymentFor(s *site.Site, ss *site.Session, doctype, name string) (obj, error) {
	invoice, err := s.Load(doctype, name)
	if err != nil {
		return nil, err
	}
	if err := s.Check(ss, s.Reg.Get("Payment Entry"), "create", obj{"doctype": "Payment Entry"}); err != nil {
		return nil, err
	}
	company := s.Get("Company", site.Text(invoice, "company"))
	left := site.Num(invoice, "outstanding_amount")
	values := obj{"doctype": "Payment Entry", "payment_type": "Receive", "company": invoice["company"], "posting_date": s.Today(),
		"party_type": "Customer", "party": invoice["customer"], "party_name": invoice["customer"],
		"paid_from": invoice["debit_to"], "paid_to": accountOf(company, "Cash"), "paid_amount": left, "received_amount": left,
		"source_exchange_rate": 1.0, "target_exchange_rate": 1.0}
	if doctype == "Purchase Invoice" {
		values["payment_type"], values["party_type"] = "Pay", "Supplier"
		values["party"], values["party_name"] = invoice["supplier"], invoice["supplier"]
		values["paid_from"], values["paid_to"] = values["paid_to"], invoice["credit_to"]
	}
	values["references"] = []obj{{"reference_doctype": doctype, "reference_name": invoice["name"], "total_amount": invoice["grand_total"],
		"outstanding_amount": left, "allocated_amount": left}}
	doc, _, err := s.Make(values)
	if err != nil {
		return nil, err
	}
	doc["__islocal"], doc["__unsaved"] = 1, 1
	return doc, nil
}
