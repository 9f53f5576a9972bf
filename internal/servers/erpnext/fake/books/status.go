package books

import (
	"slices"

	"drawbridge/internal/servers/erpnext/fake/site"
)

// setStatus is set_status of the controllers.
func setStatus(s *site.Site, doc obj) {
	switch site.Int(doc, "docstatus") {
	case 0:
		doc["status"] = "Draft"
		return
	case 2:
		doc["status"] = "Cancelled"
		return
	}
	switch doc["doctype"] {
	case "Quotation":
		if doc["status"] == "Draft" || doc["status"] == nil {
			doc["status"] = "Open"
		}
	case "Sales Order":
		doc["status"] = progress(site.Num(doc, "per_delivered"), site.Num(doc, "per_billed"), "To Deliver", "To Deliver and Bill")
	case "Purchase Order":
		doc["status"] = progress(site.Num(doc, "per_received"), site.Num(doc, "per_billed"), "To Receive", "To Receive and Bill")
	case "Delivery Note":
		doc["status"] = progress(100, site.Num(doc, "per_billed"), "", "")
	case "Sales Invoice", "Purchase Invoice":
		doc["status"] = owed(s, doc)
	}
}

func progress(moved, billed float64, toMove, both string) string {
	switch {
	case moved < 100 && billed < 100:
		return both
	case moved < 100:
		return toMove
	case billed < 100:
		return "To Bill"
	}
	return "Completed"
}

func owed(s *site.Site, doc obj) string {
	left, all := site.Num(doc, "outstanding_amount"), site.Num(doc, "grand_total")
	switch {
	case left <= 0 && all > 0:
		return "Paid"
	case site.Text(doc, "due_date") < s.Today():
		return "Overdue"
	case left < all:
		return "Partly Paid"
	}
	return "Unpaid"
}

// After books what was submitted and takes back what was cancelled.
func (Rules) After(s *site.Site, ss *site.Session, doc obj, action string) error {
	if action != "submit" && action != "cancel" {
		return nil
	}
	doctype, name, sign := site.Text(doc, "doctype"), site.Text(doc, "name"), 1.0
	if action == "cancel" {
		sign = -1
		s.Set(doctype, name, obj{"status": "Cancelled"})
		unbook(s, doctype, name)
	}
	switch doctype {
	case "Sales Invoice", "Purchase Invoice":
		billed(s, doc, sign)
		if sign > 0 {
			bookInvoice(s, doc)
		}
		if site.Int(doc, "update_stock") == 1 && sign > 0 {
			return move(s, doc, map[bool]float64{true: 1, false: -1}[doctype == "Purchase Invoice"])
		}
	case "Delivery Note":
		delivered(s, doc, sign)
		if sign > 0 {
			return move(s, doc, -1)
		}
	case "Stock Entry":
		if sign > 0 {
			return moveEntry(s, doc)
		}
	case "Payment Entry":
		s.Set(doctype, name, obj{"status": map[bool]string{true: "Submitted", false: "Cancelled"}[sign > 0]})
		return paid(s, doc, sign)
	case "Sales Order":
		ordered(s, doc, sign)
	}
	return nil
}

// ordered moves quotations on (status_updater).
func ordered(s *site.Site, doc obj, sign float64) {
	for _, row := range site.Rows(doc, "items") {
		if q := site.Text(row, "prevdoc_docname"); q != "" {
			s.Set("Quotation", q, obj{"status": map[bool]string{true: "Ordered", false: "Open"}[sign > 0]})
		}
	}
}

// billed moves orders and delivery notes on when they are invoiced.
func billed(s *site.Site, doc obj, sign float64) {
	source, link, detail := "Sales Order", "sales_order", "so_detail"
	if doc["doctype"] == "Purchase Invoice" {
		source, link, detail = "Purchase Order", "purchase_order", "po_detail"
	}
	for name, rows := range bySource(doc, link) {
		order := s.Get(source, name)
		if order == nil {
			continue
		}
		done := 0.0
		for _, row := range site.Rows(order, "items") {
			for _, r := range rows {
				if r[detail] == row["name"] {
					row["billed_amt"] = money(site.Num(row, "billed_amt") + sign*site.Num(r, "amount"))
				}
			}
			done += site.Num(row, "billed_amt")
		}
		advance(s, order, "per_billed", done, site.Num(order, "net_total"))
	}
	for name := range bySource(doc, "delivery_note") {
		if note := s.Get("Delivery Note", name); note != nil {
			advance(s, note, "per_billed", max(sign, 0), 1)
		}
	}
}

// delivered moves orders on when goods leave.
func delivered(s *site.Site, doc obj, sign float64) {
	for name, rows := range bySource(doc, "against_sales_order") {
		order := s.Get("Sales Order", name)
		if order == nil {
			continue
		}
		done := 0.0
		for _, row := range site.Rows(order, "items") {
			for _, r := range rows {
				if r["so_detail"] == row["name"] {
					row["delivered_qty"] = money(site.Num(row, "delivered_qty") + sign*site.Num(r, "qty"))
				}
			}
			done += site.Num(row, "delivered_qty")
		}
		advance(s, order, "per_delivered", done, site.Num(order, "total_qty"))
	}
}

func advance(s *site.Site, doc obj, field string, done, all float64) {
	if all != 0 {
		doc[field] = money(min(100, 100*done/all))
	}
	setStatus(s, doc)
	s.Put(doc)
}

func bySource(doc obj, link string) map[string][]obj {
	found := map[string][]obj{}
	for _, row := range site.Rows(doc, "items") {
		if name := site.Text(row, link); name != "" {
			found[name] = append(found[name], row)
		}
	}
	return found
}

// unbook marks what a voucher wrote into the ledgers, and puts stock back.
func unbook(s *site.Site, doctype, name string) {
	for _, ledger := range []string{"GL Entry", "Stock Ledger Entry"} {
		var mine []obj
		s.Each(ledger, func(e obj) bool {
			if e["voucher_type"] == doctype && e["voucher_no"] == name && site.Int(e, "is_cancelled") == 0 {
				mine = append(mine, site.Copy(e))
			}
			return true
		})
		slices.Reverse(mine)
		for _, e := range mine {
			e["is_cancelled"] = 1
			s.Put(e)
			if ledger == "Stock Ledger Entry" {
				bin(s, site.Text(e, "item_code"), site.Text(e, "warehouse"), -site.Num(e, "actual_qty"), site.Num(e, "valuation_rate"))
			}
		}
	}
}
