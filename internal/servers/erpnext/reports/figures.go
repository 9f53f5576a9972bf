package reports

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"slices"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/erpnext/access"
	"drawbridge/internal/servers/erpnext/api"
	"drawbridge/internal/servers/erpnext/show"
	"drawbridge/internal/servers/kit"
)

type balanceIn struct {
	Kind    string `json:"party_type" jsonschema:"Customer, Supplier, Employee." min:"1"`
	Party   string `json:"party" jsonschema:"Name." min:"1"`
	Company string `json:"company,omitempty" jsonschema:"Of this one."`
	Date    string `json:"date,omitempty" jsonschema:"As of: 2026-01-31." pattern:"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"`
}

type balanceOut struct {
	Balance float64 `json:"balance"`
}

// company is the one asked for within the operator's scope.
func (t Tools) company(wanted string) (string, error) {
	if t.Company == "" {
		return wanted, nil
	}
	if wanted != "" && wanted != t.Company {
		return "", fault.New(fault.Forbidden, "This server is scoped to the company %s. Ask for that one, or let the operator change ERPNEXT_COMPANY.", t.Company)
	}
	return t.Company, nil
}

func (t Tools) partyBalance(ctx context.Context, c *kit.Call, in balanceIn) (out balanceOut, err error) {
	s, err := t.Open(ctx, c, in.Kind)
	if err == nil {
		err = t.Shows("GL Entry") // which it is the sum of
	}
	if err != nil {
		return out, err
	}
	company, err := t.company(in.Company)
	if err != nil {
		return out, err
	}
	q := url.Values{"party_type": {in.Kind}, "party": {in.Party}}
	if company != "" {
		q.Set("company", company)
	}
	if in.Date != "" {
		q.Set("date", in.Date)
	}
	out.Balance, err = number(api.Read[any](ctx, s, "erpnext.accounts.utils.get_balance_on", q, in.Kind+" "+in.Party))
	return out, err
}

// number is a figure that a function answers; nothing is zero, as in Python.
func number(v any, err error) (float64, error) {
	if n, ok := v.(json.Number); ok && err == nil {
		return n.Float64()
	}
	if list, ok := v.([]any); ok && len(list) > 0 { // with a rate behind it
		return number(list[0], err)
	}
	return 0, err
}

type stockIn struct {
	Item      string `json:"item_code" jsonschema:"Item." min:"1"`
	Warehouse string `json:"warehouse,omitempty" jsonschema:"Only there."`
	Date      string `json:"posting_date,omitempty" jsonschema:"As of, with warehouse: 2026-01-31." pattern:"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"`
	kit.PageIn
}

// stockBalance reads the bins of an item, or what a warehouse had at a time.
func (t Tools) stockBalance(ctx context.Context, c *kit.Call, in stockIn) (out access.Table, err error) {
	w, err := in.Window(show.Rows)
	if err != nil {
		return out, err
	}
	s, err := t.Open(ctx, c, "Item")
	if err == nil {
		err = t.Check("Bin")
	}
	if err != nil {
		return out, err
	}
	if in.Warehouse != "" && t.Company != "" {
		if _, _, err := t.Document(ctx, c, access.DocIn{DoctypeIn: access.DoctypeIn{Doctype: "Warehouse"}, Name: in.Warehouse}); err != nil {
			return out, err
		}
	}
	if in.Date != "" {
		if in.Warehouse == "" {
			return out, fault.New(fault.Invalid, "A balance at a time is of one warehouse. Add the warehouse, or leave posting_date out.")
		}
		n, err := number(api.Read[any](ctx, s, "erpnext.stock.utils.get_stock_balance", url.Values{"item_code": {in.Item}, "warehouse": {in.Warehouse}, "posting_date": {in.Date}}, "item "+in.Item))
		if err != nil {
			return out, err
		}
		return access.Tabled(c, w, []string{"warehouse", "actual_qty"}, []api.Doc{{"warehouse": in.Warehouse, "actual_qty": n}}, false), nil
	}
	return t.bins(ctx, c, s, w, in)
}

func (t Tools) bins(ctx context.Context, c *kit.Call, s api.Session, w kit.Window, in stockIn) (out access.Table, err error) {
	columns := []string{"warehouse", "actual_qty", "reserved_qty", "ordered_qty", "projected_qty", "stock_value"}
	q := api.Query{Fields: columns, Filters: [][]any{{"item_code", "=", in.Item}}, OrderBy: "warehouse asc", Start: w.Offset, Limit: w.Limit}
	if in.Warehouse != "" {
		q.Filters = append(q.Filters, []any{"warehouse", "=", in.Warehouse})
	}
	rows, more, err := s.List(ctx, "Bin", q)
	if err == nil && len(rows) == 0 && w.Offset == 0 { // an item without stock, or no item?
		_, err = s.Get(ctx, "Item", in.Item)
	}
	if err != nil {
		return out, err
	}
	own, err := t.ownWarehouses(ctx, s, rows)
	if err != nil {
		return out, err
	}
	return access.Sifted(c, w, columns, rows, more, func(r api.Doc) bool { return own == nil || own[r.Text("warehouse")] }), nil
}

// ownWarehouses are those of bins that are of the operator's company; nil is all. They
// are asked for by a few at a time, as a request line takes about 4 KB.
func (t Tools) ownWarehouses(ctx context.Context, s api.Session, bins []api.Doc) (map[string]bool, error) {
	if t.Company == "" {
		return nil, nil
	}
	own := map[string]bool{}
	for some := range slices.Chunk(bins, 20) {
		var names []string
		for _, bin := range some {
			names = append(names, bin.Text("warehouse"))
		}
		found, _, err := s.List(ctx, "Warehouse", api.Query{Fields: []string{"name"}, Filters: [][]any{{"company", "=", t.Company}, {"name", "in", names}}, Limit: len(names)})
		if err != nil {
			return nil, err
		}
		for _, one := range found {
			own[access.NameOf(one)] = true
		}
	}
	return own, nil
}

type openIn struct {
	Kind    string `json:"party_type,omitempty" jsonschema:"Customer without it." enum:"Customer,Supplier"`
	Party   string `json:"party,omitempty" jsonschema:"Of this one."`
	Company string `json:"company,omitempty" jsonschema:"Of this one."`
	kit.PageIn
}

type openOut struct {
	access.Table
	Ages []age `json:"by_age"`
}

// age is what is open in one currency, by days overdue.
type age struct {
	Currency string  `json:"currency"`
	NotDue   float64 `json:"not_due"`
	To30     float64 `json:"days_1_30"`
	To60     float64 `json:"days_31_60"`
	To90     float64 `json:"days_61_90"`
	Over     float64 `json:"over_90"`
}

// mostOpen bounds the invoices that are looked at for the sums.
const mostOpen = 1000

func (t Tools) openInvoices(ctx context.Context, c *kit.Call, in openIn) (out openOut, err error) {
	w, err := in.Window(show.Rows)
	if err != nil {
		return out, err
	}
	doctype, party := "Sales Invoice", "customer"
	if in.Kind == "Supplier" {
		doctype, party = "Purchase Invoice", "supplier"
	}
	s, err := t.Open(ctx, c, doctype)
	if err != nil {
		return out, err
	}
	company, err := t.company(in.Company)
	if err != nil {
		return out, err
	}
	q := api.Query{Fields: []string{"name", party, "posting_date", "due_date", "grand_total", "outstanding_amount", "currency"}, OrderBy: "due_date asc", Limit: mostOpen,
		Filters: [][]any{{"docstatus", "=", 1}, {"outstanding_amount", "!=", 0}}}
	for _, f := range []struct{ field, value string }{{party, in.Party}, {"company", company}} {
		if f.value != "" {
			q.Filters = append(q.Filters, []any{f.field, "=", f.value})
		}
	}
	rows, cut, err := s.List(ctx, doctype, q)
	if err != nil {
		return out, err
	}
	out.Ages = t.ages(rows)
	page := rows[min(w.Offset, len(rows)):min(w.Offset+w.Limit, len(rows))]
	note := "by_age: " + c.Outside(kit.Compact(out.Ages))
	if cut {
		note += fmt.Sprintf("\nThere are more than %d open invoices: the sums are of the oldest %d.", mostOpen, mostOpen)
	}
	out.Table = access.Tabled(c, w, append(q.Fields, "days_overdue"), page, w.Offset+len(page) < len(rows)).Said(c, note)
	n := len(rows)
	out.Count = &n
	return out, nil
}

// ages sums up by currency, and puts the days overdue into the rows.
func (t Tools) ages(rows []api.Doc) []age {
	today, err := time.Parse(time.DateOnly, t.Now().Format(time.DateOnly))
	sums, order := map[string]*age{}, []string{}
	for _, row := range rows {
		currency := row.Text("currency")
		if sums[currency] == nil {
			sums[currency], order = &age{Currency: currency}, append(order, currency)
		}
		due, dueErr := time.Parse(time.DateOnly, row.Text("due_date"))
		days := 0
		if err == nil && dueErr == nil {
			days = max(0, int(today.Sub(due).Hours()/24))
		}
		row["days_overdue"] = days
		amount := row.Float("outstanding_amount")
		*bucket(sums[currency], days) += amount
	}
	out := []age{}
	for _, currency := range order {
		a := sums[currency]
		for _, v := range []*float64{&a.NotDue, &a.To30, &a.To60, &a.To90, &a.Over} {
			*v = math.Round(*v*100) / 100
		}
		out = append(out, *a)
	}
	return out
}

func bucket(a *age, days int) *float64 {
	switch {
	case days == 0:
		return &a.NotDue
	case days <= 30:
		return &a.To30
	case days <= 60:
		return &a.To60
	case days <= 90:
		return &a.To90
	}
	return &a.Over
}
