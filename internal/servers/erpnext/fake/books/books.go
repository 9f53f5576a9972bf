// Package books is what ERPNext adds to documents: defaults, totals, statuses, stock,
// ledgers, what one document becomes next, and reports. It is as much of it as a client
// can tell from the real one by using it for a day; taxes that build on each other,
// several currencies in one ledger and landed costs are not in it. Only the fake uses it.
//
// Sources: erpnext/controllers (accounts, selling, stock, taxes_and_totals,
// status_updater), the doctypes' own controllers, for the order of steps and the words.
package books

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"drawbridge/internal/servers/erpnext/fake/exc"
	"drawbridge/internal/servers/erpnext/fake/meta"
	"drawbridge/internal/servers/erpnext/fake/site"
)

type obj = site.Obj

// Rules are ERPNext's.
type Rules struct{}

// vouchers are the doctypes with items and totals.
func vouchers() []string {
	return []string{"Quotation", "Sales Order", "Delivery Note", "Sales Invoice", "Purchase Order", "Purchase Invoice"}
}

func buying(doctype string) bool { return doctype == "Purchase Order" || doctype == "Purchase Invoice" }

// Name names warehouses and accounts after their company.
func (Rules) Name(s *site.Site, doc obj) string {
	company := s.Get("Company", site.Text(doc, "company"))
	if company == nil {
		return ""
	}
	switch doc["doctype"] {
	case "Warehouse":
		return fmt.Sprintf("%s - %s", doc["warehouse_name"], company["abbr"])
	case "Account":
		return fmt.Sprintf("%s - %s", doc["account_name"], company["abbr"])
	}
	return ""
}

// Validate fills in, adds up and refuses, as the controllers' validate does.
func (Rules) Validate(s *site.Site, ss *site.Session, doc, before obj) error {
	doctype := site.Text(doc, "doctype")
	d := s.Reg.Get(doctype)
	if f := d.Field("company"); f != nil && doc["company"] == nil && f.Is("reqd") {
		doc["company"] = defaultCompany(s, ss, d)
	}
	if slices.Contains(vouchers(), doctype) {
		return voucher(s, doc, before)
	}
	switch doctype {
	case "Item":
		doc["item_name"] = cmp.Or(site.Text(doc, "item_name"), site.Text(doc, "item_code"))
	case "Lead":
		if doc["first_name"] == nil && doc["company_name"] == nil && doc["email_id"] == nil {
			return exc.Throw(exc.Mandatory, "", "A Lead requires either a person's name or an organization's name")
		}
		doc["lead_name"] = cmp.Or(site.Text(doc, "first_name"), site.Text(doc, "company_name"), site.Text(doc, "email_id"))
		doc["title"] = cmp.Or(site.Text(doc, "company_name"), site.Text(doc, "lead_name"))
	case "Opportunity":
		return opportunity(s, doc)
	case "User":
		doc["full_name"] = site.Text(doc, "first_name")
	case "Payment Entry":
		return payment(s, doc)
	case "Stock Entry":
		return stockEntry(s, doc)
	}
	return nil
}

// defaultCompany is the one somebody is kept to, or the site's.
func defaultCompany(s *site.Site, ss *site.Session, d *meta.DocType) any {
	if only := s.Limits(ss.User, d)["Company"]; len(only) == 1 {
		return only[0]
	}
	if g := s.Get("Global Defaults", "Global Defaults"); g != nil {
		return g["default_company"]
	}
	return nil
}

func opportunity(s *site.Site, doc obj) error {
	party := s.Get(site.Text(doc, "opportunity_from"), site.Text(doc, "party_name"))
	if party != nil {
		doc["customer_name"] = cmp.Or(site.Text(party, "customer_name"), site.Text(party, "company_name"), site.Text(party, "lead_name"))
		doc["title"] = cmp.Or(site.Text(doc, "title"), site.Text(doc, "customer_name"))
	}
	for _, row := range site.Rows(doc, "items") {
		row["amount"] = money(site.Num(row, "qty") * site.Num(row, "rate"))
	}
	return nil
}

// voucher is the validate of everything with items.
func voucher(s *site.Site, doc, before obj) error {
	if err := party(s, doc); err != nil {
		return err
	}
	defaults(s, doc)
	if err := dates(doc); err != nil {
		return err
	}
	for i, row := range site.Rows(doc, "items") {
		if err := line(s, doc, row, i+1); err != nil {
			return err
		}
	}
	total(doc)
	if s.Reg.Get(site.Text(doc, "doctype")).Field("outstanding_amount") != nil && (before == nil || site.Int(before, "docstatus") == 0) {
		doc["outstanding_amount"] = doc["grand_total"]
	}
	if site.Text(doc, "title") == "" && doc["title"] == nil {
		doc["title"] = cmp.Or(site.Text(doc, "customer_name"), site.Text(doc, "supplier_name"))
	}
	setStatus(s, doc)
	return nil
}

// party checks who it is for.
func party(s *site.Site, doc obj) error {
	kind, name := "Customer", site.Text(doc, "customer")
	if buying(site.Text(doc, "doctype")) {
		kind, name = "Supplier", site.Text(doc, "supplier")
	}
	if doc["doctype"] == "Quotation" {
		kind, name = site.Text(doc, "quotation_to"), site.Text(doc, "party_name")
	}
	p := s.Get(kind, name)
	if p == nil {
		return nil // what is missing is said with all that is
	}
	if site.Int(p, "disabled") == 1 {
		return exc.Throw("PartyDisabled", "", "%s %s is disabled", kind, name)
	}
	if doc["doctype"] == "Quotation" {
		doc["customer_name"] = cmp.Or(site.Text(p, "customer_name"), site.Text(p, "company_name"), site.Text(p, "lead_name"))
	}
	return nil
}

// defaults are set_missing_values: currency, price list, accounts.
func defaults(s *site.Site, doc obj) {
	company := s.Get("Company", site.Text(doc, "company"))
	if company == nil {
		return
	}
	if doc["currency"] == nil {
		doc["currency"] = company["default_currency"]
	}
	if site.Num(doc, "conversion_rate") == 0 {
		doc["conversion_rate"] = meta.Float(1)
	}
	list := "selling_price_list"
	if buying(site.Text(doc, "doctype")) {
		list = "buying_price_list"
	}
	if doc[list] == nil {
		doc[list] = "Standard Selling"
		if buying(site.Text(doc, "doctype")) {
			doc[list] = "Standard Buying"
		}
	}
	for field, account := range map[string]string{"debit_to": "Debtors", "credit_to": "Creditors"} {
		if d := s.Reg.Get(site.Text(doc, "doctype")); d.Field(field) != nil && doc[field] == nil {
			doc[field] = accountOf(company, account)
		}
	}
}

func accountOf(company obj, name string) string { return fmt.Sprintf("%s - %s", name, company["abbr"]) }

// dates are checked by the controllers one by one; ISO dates compare as text.
func dates(doc obj) error {
	day := func(f string) string { return site.Text(doc, f) }
	rows := site.Rows(doc, "items")
	switch doc["doctype"] {
	case "Quotation":
		if day("valid_till") != "" && day("valid_till") < day("transaction_date") {
			return exc.Throw(exc.Validation, "", "Valid till date cannot be before transaction date")
		}
	case "Sales Order":
		for _, row := range rows {
			if row["delivery_date"] == nil {
				row["delivery_date"] = doc["delivery_date"]
			}
			if doc["delivery_date"] == nil {
				doc["delivery_date"] = row["delivery_date"]
			}
			if at := site.Text(row, "delivery_date"); at != "" && at < day("transaction_date") {
				return exc.Throw(exc.Validation, "", "Expected Delivery Date should be after Sales Order Date")
			}
		}
		if doc["delivery_date"] == nil && doc["order_type"] == "Sales" && len(rows) > 0 {
			return exc.Throw(exc.Validation, "", "Please enter Delivery Date")
		}
	case "Purchase Order":
		for _, row := range rows {
			if row["schedule_date"] == nil {
				row["schedule_date"] = doc["schedule_date"]
			}
			if doc["schedule_date"] == nil {
				doc["schedule_date"] = row["schedule_date"]
			}
		}
		if doc["schedule_date"] == nil && len(rows) > 0 {
			return exc.Throw(exc.Validation, "", "Please enter Reqd by Date")
		}
	case "Sales Invoice", "Purchase Invoice":
		if doc["due_date"] == nil {
			doc["due_date"] = doc["posting_date"]
		}
		if day("due_date") < day("posting_date") {
			return exc.Throw(exc.Validation, "", "Due Date cannot be before Posting / Supplier Invoice Date")
		}
	}
	return nil
}

// line fills in and adds up one row.
func line(s *site.Site, doc, row obj, n int) error {
	item := s.Get("Item", site.Text(row, "item_code"))
	if item != nil {
		if site.Int(item, "disabled") == 1 {
			return exc.Throw(exc.Validation, "", "Item %s is disabled", item["name"])
		}
		for field, from := range map[string]string{"item_name": "item_name", "description": "description", "uom": "stock_uom", "stock_uom": "stock_uom"} {
			if row[field] == nil {
				row[field] = item[from]
			}
		}
		if row["description"] == nil {
			row["description"] = item["item_name"]
		}
	}
	if row["conversion_factor"] == nil || site.Num(row, "conversion_factor") == 0 {
		row["conversion_factor"] = meta.Float(1)
	}
	if row["qty"] != nil && site.Num(row, "qty") == 0 {
		return exc.Throw("InvalidQtyError", "Invalid Quantity", "Row #%d: Quantity for Item %s cannot be zero.", n, exc.Bold(site.Text(row, "item_code")))
	}
	price(s, doc, row, item)
	row["amount"] = money(site.Num(row, "qty") * site.Num(row, "rate"))
	row["base_rate"] = money(site.Num(row, "rate") * site.Num(doc, "conversion_rate"))
	row["base_amount"] = money(site.Num(row, "amount") * site.Num(doc, "conversion_rate"))
	return place(s, doc, row)
}

func price(s *site.Site, doc, row, item obj) {
	list := cmp.Or(site.Text(doc, "selling_price_list"), site.Text(doc, "buying_price_list"))
	if site.Num(row, "price_list_rate") == 0 && item != nil {
		s.Each("Item Price", func(p obj) bool {
			if site.Text(p, "item_code") == site.Text(item, "name") && site.Text(p, "price_list") == list {
				row["price_list_rate"] = p["price_list_rate"]
			}
			return true
		})
	}
	if site.Num(row, "rate") == 0 {
		row["rate"] = money(site.Num(row, "price_list_rate") * (1 - site.Num(row, "discount_percentage")/100))
	}
}

// place finds warehouse and account of a row, and refuses those of another company.
func place(s *site.Site, doc, row obj) error {
	d := s.Reg.Get(site.Text(row, "doctype"))
	if d.Field("warehouse") != nil && row["warehouse"] == nil {
		row["warehouse"] = doc["set_warehouse"]
	}
	company := s.Get("Company", site.Text(doc, "company"))
	if company == nil {
		return nil
	}
	if d.Field("income_account") != nil && row["income_account"] == nil {
		row["income_account"] = accountOf(company, "Sales")
	}
	if d.Field("expense_account") != nil && row["expense_account"] == nil {
		row["expense_account"] = accountOf(company, "Cost of Goods Sold")
	}
	for _, f := range []string{"warehouse", "income_account", "expense_account"} {
		kind := "Account"
		if f == "warehouse" {
			kind = "Warehouse"
		}
		if other := s.Get(kind, site.Text(row, f)); other != nil && other["company"] != company["name"] {
			return exc.Throw("InvalidWarehouseCompany", "", "%s %s does not belong to company %s", kind, other["name"], company["name"])
		}
	}
	return nil
}

// total is calculate_taxes_and_totals.
func total(doc obj) {
	qty, net := 0.0, 0.0
	for _, row := range site.Rows(doc, "items") {
		qty += site.Num(row, "qty")
		net += site.Num(row, "amount")
	}
	taxes, running := 0.0, net
	for _, row := range site.Rows(doc, "taxes") {
		switch row["charge_type"] {
		case "On Net Total":
			row["tax_amount"] = money(net * site.Num(row, "rate") / 100)
		case "On Previous Row Total":
			row["tax_amount"] = money(running * site.Num(row, "rate") / 100)
		}
		taxes += site.Num(row, "tax_amount")
		running += site.Num(row, "tax_amount")
		row["total"] = money(running)
	}
	grand := net + taxes
	if p := site.Num(doc, "additional_discount_percentage"); p != 0 {
		doc["discount_amount"] = money(grand * p / 100)
	}
	grand -= site.Num(doc, "discount_amount")
	rate := site.Num(doc, "conversion_rate")
	for k, v := range map[string]float64{"total_qty": qty, "total": net, "net_total": net, "base_total": net * rate,
		"total_taxes_and_charges": taxes, "grand_total": grand, "base_grand_total": grand * rate, "rounded_total": math.Round(grand)} {
		doc[k] = money(v)
	}
	doc["in_words"] = fmt.Sprintf("%s %.2f only.", site.Text(doc, "currency"), math.Round(grand))
}

// money has two digits.
func money(f float64) meta.Float { return meta.Float(math.Round(f*100) / 100) }
