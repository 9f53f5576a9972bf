package books

import (
	"fmt"
	"maps"

	"drawbridge/internal/servers/erpnext/fake/exc"
	"drawbridge/internal/servers/erpnext/fake/meta"
	"drawbridge/internal/servers/erpnext/fake/site"
)

// entry writes one line of a ledger. Ledgers are submitted as they are written.
func entry(s *site.Site, ledger string, values obj) {
	d := s.Reg.Get(ledger)
	doc := obj{"doctype": ledger, "name": s.Hash(), "docstatus": 1, "idx": 0, "owner": "Administrator", "modified_by": "Administrator",
		"creation": s.Stamp(), "modified": s.Stamp()}
	for _, f := range d.Columns() {
		doc[f.Name] = nil
		if f.IsNumber() {
			doc[f.Name] = meta.Float(0)
		}
		if f.IsWhole() {
			doc[f.Name] = 0
		}
	}
	maps.Copy(doc, values)
	s.Put(doc)
}

// bookInvoice writes an invoice into the general ledger: what is owed on one side, what
// it is owed for on the other.
func bookInvoice(s *site.Site, doc obj) {
	kind, party, account, side, other := "Customer", "customer", "debit_to", "debit", "credit"
	field := "income_account"
	if doc["doctype"] == "Purchase Invoice" {
		kind, party, account, side, other = "Supplier", "supplier", "credit_to", "credit", "debit"
		field = "expense_account"
	}
	base := obj{"posting_date": doc["posting_date"], "company": doc["company"], "voucher_type": doc["doctype"], "voucher_no": doc["name"]}
	write := func(values obj) {
		maps.Copy(values, base)
		entry(s, "GL Entry", values)
	}
	write(obj{"account": doc[account], "party_type": kind, "party": doc[party], side: doc["base_grand_total"], "against_voucher": doc["name"]})
	for _, row := range site.Rows(doc, "items") {
		write(obj{"account": row[field], other: row["base_amount"]})
	}
	for _, row := range site.Rows(doc, "taxes") {
		write(obj{"account": row["account_head"], other: row["tax_amount"]})
	}
}

// payment is the validate of a Payment Entry.
func payment(s *site.Site, doc obj) error {
	for _, f := range []string{"source_exchange_rate", "target_exchange_rate"} {
		if site.Num(doc, f) == 0 {
			doc[f] = meta.Float(1)
		}
	}
	if doc["party_name"] == nil {
		if p := s.Get(site.Text(doc, "party_type"), site.Text(doc, "party")); p != nil {
			doc["party_name"] = p["name"]
		}
	}
	if doc["received_amount"] == nil {
		doc["received_amount"] = doc["paid_amount"]
	}
	allocated := 0.0
	for i, row := range site.Rows(doc, "references") {
		target := s.Get(site.Text(row, "reference_doctype"), site.Text(row, "reference_name"))
		if target == nil {
			continue
		}
		row["total_amount"], row["outstanding_amount"] = target["grand_total"], target["outstanding_amount"]
		if site.Int(target, "docstatus") != 1 {
			return exc.Throw(exc.Validation, "", "%s %s must be submitted", row["reference_doctype"], row["reference_name"])
		}
		if site.Num(row, "allocated_amount") > site.Num(target, "outstanding_amount") {
			return exc.Throw(exc.Validation, "", "Row #%d: Allocated Amount cannot be greater than outstanding amount.", i+1)
		}
		allocated += site.Num(row, "allocated_amount")
	}
	doc["unallocated_amount"] = money(site.Num(doc, "paid_amount") - allocated)
	doc["title"] = doc["party_name"]
	if site.Int(doc, "docstatus") == 0 {
		doc["status"] = "Draft"
	}
	return nil
}

// paid books a payment and takes it off what is owed.
func paid(s *site.Site, doc obj, sign float64) error {
	for _, row := range site.Rows(doc, "references") {
		doctype, name := site.Text(row, "reference_doctype"), site.Text(row, "reference_name")
		target := s.Get(doctype, name)
		if target == nil {
			continue
		}
		target["outstanding_amount"] = money(site.Num(target, "outstanding_amount") - sign*site.Num(row, "allocated_amount"))
		setStatus(s, target)
		s.Put(target)
	}
	if sign < 0 {
		return nil
	}
	base := obj{"posting_date": doc["posting_date"], "company": doc["company"], "voucher_type": doc["doctype"], "voucher_no": doc["name"]}
	write := func(account any, side string, isParty bool) {
		values := obj{"account": account, side: doc["paid_amount"]}
		if isParty {
			values["party_type"], values["party"] = doc["party_type"], doc["party"]
		}
		maps.Copy(values, base)
		entry(s, "GL Entry", values)
	}
	write(doc["paid_to"], "debit", doc["payment_type"] == "Pay")
	write(doc["paid_from"], "credit", doc["payment_type"] == "Receive")
	return nil
}

// stockEntry is the validate of a Stock Entry.
func stockEntry(s *site.Site, doc obj) error {
	doc["purpose"] = doc["stock_entry_type"]
	sum := 0.0
	for i, row := range site.Rows(doc, "items") {
		if item := s.Get("Item", site.Text(row, "item_code")); item != nil {
			row["item_name"], row["stock_uom"] = item["item_name"], item["stock_uom"]
			if row["uom"] == nil {
				row["uom"] = item["stock_uom"]
			}
			if site.Num(row, "basic_rate") == 0 {
				row["basic_rate"] = item["valuation_rate"]
			}
		}
		row["conversion_factor"] = meta.Float(1)
		for field, from := range map[string]string{"s_warehouse": "from_warehouse", "t_warehouse": "to_warehouse"} {
			if row[field] == nil {
				row[field] = doc[from]
			}
		}
		purpose := site.Text(doc, "purpose")
		if purpose != "Material Receipt" && row["s_warehouse"] == nil {
			return exc.Throw(exc.Validation, "", "Source warehouse is mandatory for row %d", i+1)
		}
		if purpose != "Material Issue" && row["t_warehouse"] == nil {
			return exc.Throw(exc.Validation, "", "Target warehouse is mandatory for row %d", i+1)
		}
		row["amount"] = money(site.Num(row, "qty") * site.Num(row, "basic_rate"))
		sum += site.Num(row, "amount")
	}
	doc["total_amount"] = money(sum)
	return nil
}

func moveEntry(s *site.Site, doc obj) error {
	for _, row := range site.Rows(doc, "items") {
		for field, sign := range map[string]float64{"s_warehouse": -1, "t_warehouse": 1} {
			if row[field] != nil {
				if err := shift(s, doc, row, site.Text(row, field), sign); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// move lets what a voucher lists leave (-1) or come in (1).
func move(s *site.Site, doc obj, sign float64) error {
	for i, row := range site.Rows(doc, "items") {
		item := s.Get("Item", site.Text(row, "item_code"))
		if item == nil || site.Int(item, "is_stock_item") == 0 {
			continue
		}
		if row["warehouse"] == nil {
			return exc.Throw(exc.Validation, "", "Warehouse required for stock Item %s at row no %d", item["name"], i+1)
		}
		if err := shift(s, doc, row, site.Text(row, "warehouse"), sign); err != nil {
			return err
		}
	}
	return nil
}

func shift(s *site.Site, doc, row obj, warehouse string, sign float64) error {
	item := site.Text(row, "item_code")
	qty := sign * site.Num(row, "qty")
	if have := StockBalance(s, item, warehouse, ""); have+qty < 0 {
		return exc.Throw(exc.NegativeStock, "Insufficient Stock", "%v units of %s needed in %s on %s %s for %s to complete this transaction.",
			-(have + qty), exc.Bold("Item "+item), exc.Bold("Warehouse "+warehouse), doc["posting_date"], "12:00:00",
			fmt.Sprintf(`<a href="/app/%s">%s</a>`, site.Text(doc, "name"), site.Text(doc, "name")))
	}
	rate := site.Num(s.Get("Item", item), "valuation_rate")
	bin(s, item, warehouse, qty, rate)
	entry(s, "Stock Ledger Entry", obj{"item_code": item, "warehouse": warehouse, "posting_date": doc["posting_date"], "actual_qty": meta.Float(qty),
		"qty_after_transaction": meta.Float(StockBalance(s, item, warehouse, "") + qty), "valuation_rate": money(rate), "voucher_type": doc["doctype"],
		"voucher_no": doc["name"], "company": doc["company"]})
	return nil
}

// bin keeps the sum per item and warehouse.
func bin(s *site.Site, item, warehouse string, qty, rate float64) {
	var found obj
	s.Each("Bin", func(b obj) bool {
		if b["item_code"] == item && b["warehouse"] == warehouse {
			found = site.Copy(b)
		}
		return found == nil
	})
	if found == nil {
		found = obj{"doctype": "Bin", "name": s.Hash(), "docstatus": 0, "idx": 0, "owner": "Administrator", "modified_by": "Administrator",
			"creation": s.Stamp(), "item_code": item, "warehouse": warehouse, "reserved_qty": meta.Float(0)}
	}
	found["actual_qty"] = money(site.Num(found, "actual_qty") + qty)
	found["valuation_rate"], found["stock_value"] = money(rate), money(site.Num(found, "actual_qty")*rate)
	found["modified"] = s.Stamp()
	s.Put(found)
}

// StockBalance is get_stock_balance: what the ledger says up to a day, "" for all of it.
func StockBalance(s *site.Site, item, warehouse, until string) float64 {
	sum := 0.0
	s.Each("Stock Ledger Entry", func(e obj) bool {
		if e["item_code"] == item && e["warehouse"] == warehouse && site.Int(e, "is_cancelled") == 0 && (until == "" || site.Text(e, "posting_date") <= until) {
			sum += site.Num(e, "actual_qty")
		}
		return true
	})
	return sum
}

// BalanceOn is get_balance_on for a party or an account.
func BalanceOn(s *site.Site, match obj, until string) float64 {
	sum := 0.0
	s.Each("GL Entry", func(e obj) bool {
		if site.Int(e, "is_cancelled") == 1 || until != "" && site.Text(e, "posting_date") > until {
			return true
		}
		for k, v := range match {
			if e[k] != v {
				return true
			}
		}
		sum += site.Num(e, "debit") - site.Num(e, "credit")
		return true
	})
	return float64(money(sum))
}
