package books

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"drawbridge/internal/servers/erpnext/fake/exc"
	"drawbridge/internal/servers/erpnext/fake/site"
)

// Result is what a script report returns.
type Result struct {
	Columns []any // objects, or "Label:Type/Options:Width" as older reports have it
	Rows    []any // objects, or lists where columns are texts
	Message any
	Chart   any
	Summary any
}

// Execute runs a report of ERPNext. The words of what is missing are each report's own,
// and none of them is a MandatoryError.
func Execute(s *site.Site, ss *site.Session, report string, filters obj) (*Result, error) {
	switch report {
	case "General Ledger":
		return generalLedger(s, filters)
	case "Accounts Receivable":
		return receivable(s, filters)
	case "Stock Balance":
		return stockReport(s, filters)
	case "Item Prices":
		return itemPrices(s)
	}
	return &Result{Columns: []any{}, Rows: []any{}}, nil
}

func column(label, fieldname, fieldtype, options string, width int) obj {
	c := obj{"label": label, "fieldname": fieldname, "fieldtype": fieldtype, "width": width}
	if options != "" {
		c["options"] = options
	}
	return c
}

// generalLedger has the texts of validate_filters in general_ledger.py.
func generalLedger(s *site.Site, filters obj) (*Result, error) {
	if site.Text(filters, "company") == "" {
		return nil, exc.Throw(exc.Validation, "", "%s is mandatory", "Company")
	}
	from, to := site.Text(filters, "from_date"), site.Text(filters, "to_date")
	if from == "" && to == "" {
		return nil, exc.Throw(exc.Validation, "", "%s and %s are mandatory", exc.Bold("From Date"), exc.Bold("To Date"))
	}
	if from > to {
		return nil, exc.Throw(exc.Validation, "", "From Date must be before To Date")
	}
	r := &Result{Columns: []any{column("Posting Date", "posting_date", "Date", "", 120), column("Account", "account", "Link", "Account", 180),
		column("Debit (EUR)", "debit", "Currency", "currency", 130), column("Credit (EUR)", "credit", "Currency", "currency", 130),
		column("Balance (EUR)", "balance", "Currency", "currency", 130), column("Voucher Type", "voucher_type", "", "", 120),
		column("Voucher No", "voucher_no", "Dynamic Link", "voucher_type", 180), column("Party Type", "party_type", "", "", 100), column("Party", "party", "", "", 100)}}
	balance, debit, credit := 0.0, 0.0, 0.0
	r.Rows = []any{obj{"account": "'Opening'", "debit": money(0), "credit": money(0), "balance": money(0)}}
	s.Each("GL Entry", func(e obj) bool {
		day := site.Text(e, "posting_date")
		if e["company"] != filters["company"] || site.Int(e, "is_cancelled") == 1 || day < from || day > to || !wanted(filters["party"], site.Text(e, "party")) {
			return true
		}
		debit, credit = debit+site.Num(e, "debit"), credit+site.Num(e, "credit")
		balance += site.Num(e, "debit") - site.Num(e, "credit")
		r.Rows = append(r.Rows, obj{"posting_date": day, "account": e["account"], "debit": e["debit"], "credit": e["credit"], "balance": money(balance),
			"voucher_type": e["voucher_type"], "voucher_no": e["voucher_no"], "party_type": e["party_type"], "party": e["party"], "gl_entry": e["name"]})
		return true
	})
	r.Rows = append(r.Rows, obj{"account": "'Total'", "debit": money(debit), "credit": money(credit), "balance": money(balance)},
		obj{"account": "'Closing (Opening + Total)'", "debit": money(debit), "credit": money(credit), "balance": money(balance)})
	return r, nil
}

func wanted(filter any, value string) bool {
	switch f := filter.(type) {
	case []any:
		return len(f) == 0 || slices.Contains(f, any(value))
	case string:
		return f == "" || f == value
	}
	return true
}

// receivable ages what is owed (accounts_receivable.py).
func receivable(s *site.Site, filters obj) (*Result, error) {
	r := &Result{Rows: []any{}, Columns: []any{column("Posting Date", "posting_date", "Date", "", 120), column("Party Type", "party_type", "Data", "", 100),
		column("Party", "party", "Dynamic Link", "party_type", 180), column("Voucher Type", "voucher_type", "Data", "", 120),
		column("Voucher No", "voucher_no", "Dynamic Link", "voucher_type", 180), column("Due Date", "due_date", "Date", "", 120),
		column("Invoiced Amount", "invoiced", "Currency", "currency", 120), column("Outstanding Amount", "outstanding", "Currency", "currency", 120),
		column("Age (Days)", "age", "Int", "", 80), column("0-30", "range1", "Currency", "currency", 120), column("31-60", "range2", "Currency", "currency", 120),
		column("Above 60", "range3", "Currency", "currency", 120)}}
	today := cmp.Or(site.Text(filters, "report_date"), s.Today())
	if g := s.Get("Global Defaults", "Global Defaults"); filters["company"] == nil && g != nil {
		filters["company"] = g["default_company"]
	}
	sum := 0.0
	s.Each("Sales Invoice", func(i obj) bool {
		left := site.Num(i, "outstanding_amount")
		if i["company"] != filters["company"] || site.Int(i, "docstatus") != 1 || left == 0 || !wanted(filters["party"], site.Text(i, "customer")) {
			return true
		}
		age := days(site.Text(i, "due_date"), today)
		row := obj{"posting_date": i["posting_date"], "party_type": "Customer", "party": i["customer"], "voucher_type": "Sales Invoice", "voucher_no": i["name"],
			"due_date": i["due_date"], "invoiced": i["grand_total"], "outstanding": i["outstanding_amount"], "age": age, "currency": i["currency"],
			"range1": money(0), "range2": money(0), "range3": money(0)}
		switch {
		case age <= 30:
			row["range1"] = money(left)
		case age <= 60:
			row["range2"] = money(left)
		default:
			row["range3"] = money(left)
		}
		sum += left
		r.Rows = append(r.Rows, row)
		return true
	})
	r.Chart = obj{"data": obj{"labels": []any{"0-30", "31-60", "Above 60"}, "datasets": []any{}}, "type": "percentage"}
	r.Summary = []any{obj{"label": "Outstanding", "value": money(sum), "datatype": "Currency", "indicator": "Blue"}}
	return r, nil
}

func days(from, to string) int {
	number := func(day string) int {
		var y, m, d int
		_, _ = fmt.Sscanf(day, "%d-%d-%d", &y, &m, &d)
		m = (m + 9) % 12
		y -= m / 10
		return 365*y + y/4 - y/100 + y/400 + (m*306+5)/10 + d - 1
	}
	if from == "" || to == "" {
		return 0
	}
	return number(to) - number(from)
}

// stockReport: its form asks for dates, its server goes without (stock_balance.py).
func stockReport(s *site.Site, filters obj) (*Result, error) {
	r := &Result{Rows: []any{}, Columns: []any{column("Item", "item_code", "Link", "Item", 100), column("Warehouse", "warehouse", "Link", "Warehouse", 100),
		column("Balance Qty", "bal_qty", "Float", "", 100), column("Balance Value", "bal_val", "Currency", "", 100)}}
	s.Each("Bin", func(b obj) bool {
		w := s.Get("Warehouse", site.Text(b, "warehouse"))
		if w == nil || filters["company"] != nil && w["company"] != filters["company"] || !wanted(filters["warehouse"], site.Text(b, "warehouse")) {
			return true
		}
		qty := StockBalance(s, site.Text(b, "item_code"), site.Text(b, "warehouse"), site.Text(filters, "to_date"))
		r.Rows = append(r.Rows, obj{"item_code": b["item_code"], "warehouse": b["warehouse"], "bal_qty": money(qty), "bal_val": money(qty * site.Num(b, "valuation_rate"))})
		return true
	})
	return r, nil
}

// itemPrices has its columns as texts and its rows as lists (ref 2.1).
func itemPrices(s *site.Site) (*Result, error) {
	r := &Result{Rows: []any{}, Columns: []any{"Item:Link/Item:100", "Item Name::150", "Price List:Link/Price List:120", "Rate:Currency:100"}}
	s.Each("Item Price", func(p obj) bool {
		r.Rows = append(r.Rows, []any{p["item_code"], p["item_name"], p["price_list"], p["price_list_rate"]})
		return true
	})
	return r, nil
}

// ColumnDict is get_column_as_dict: since version 14 texts become objects on the way out.
func ColumnDict(c any) obj {
	text, is := c.(string)
	if !is {
		return c.(obj)
	}
	parts := append(strings.Split(text, ":"), "", "")
	kind, options, _ := strings.Cut(parts[1], "/")
	d := obj{"label": parts[0], "fieldname": strings.ToLower(strings.ReplaceAll(parts[0], " ", "_")), "fieldtype": cmp.Or(kind, "Data")}
	if options != "" {
		d["options"] = options
	}
	if parts[2] != "" {
		d["width"] = int(site.ToFloat(parts[2]))
	}
	return d
}
