package office

import (
	"drawbridge/internal/servers/erpnext/fake/books"
	"drawbridge/internal/servers/erpnext/fake/exc"
	"drawbridge/internal/servers/erpnext/fake/meta"
	"drawbridge/internal/servers/erpnext/fake/site"
	"drawbridge/internal/servers/erpnext/fake/wire"
)

// apps are the methods of ERPNext, and the one of Frappe that maps documents with them.
func (o *Office) apps() map[string]wire.Method {
	m := map[string]wire.Method{
		"frappe.model.mapper.make_mapped_doc":   {Need: "method source_name", Run: o.mapDoc},
		"erpnext.accounts.utils.get_balance_on": {Run: o.balanceOn},
		"erpnext.stock.utils.get_stock_balance": {Need: "item_code warehouse", Run: o.stockBalance},
		"erpnext.accounts.doctype.payment_entry.payment_entry.get_payment_entry": {Need: "dt dn", Run: func(c *wire.Call) (any, error) {
			return unsaved(books.PaymentFor(c.Site, c.SS, c.Text("dt"), c.Text("dn")))
		}},
	}
	for _, path := range books.Paths() {
		m[path] = wire.Method{Need: "source_name", Run: func(c *wire.Call) (any, error) {
			return unsaved(books.Map(c.Site, c.SS, path, c.Text("source_name")))
		}}
	}
	return m
}

func unsaved(doc obj, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return wire.Dict(doc, true), nil
}

func (o *Office) mapDoc(c *wire.Call) (any, error) {
	path := c.Text("method")
	if books.Mapped(path) {
		return unsaved(books.Map(c.Site, c.SS, path, c.Text("source_name")))
	}
	if _, known := o.Methods()[path]; known {
		return nil, exc.Raise(exc.Type, "%s() missing 1 required positional argument", path)
	}
	return nil, exc.Raise(exc.Attribute, "module has no attribute '%s'", path)
}

// balanceOn is get_balance_on: what a party owes, or what an account holds.
func (o *Office) balanceOn(c *wire.Call) (any, error) {
	match := obj{}
	for from, to := range map[string]string{"account": "account", "party_type": "party_type", "party": "party", "company": "company"} {
		if v := c.Text(from); v != "" {
			match[to] = v
		}
	}
	right := "Account"
	if c.Text("party") != "" {
		right = c.Text("party_type")
	}
	d, err := c.Site.Meta(right)
	if err != nil {
		return nil, err
	}
	doc := c.Site.Get(right, wire.Or(c.Form["party"], c.Text("account")).(string))
	if doc == nil && right == "Account" && c.Text("account") != "" {
		return nil, exc.Missing("Account", c.Text("account"))
	}
	if err := c.Site.Check(c.SS, d, "read", doc); err != nil {
		return nil, err
	}
	return meta.Float(books.BalanceOn(c.Site, match, c.Text("date"))), nil
}

func (o *Office) stockBalance(c *wire.Call) (any, error) {
	if err := c.Site.Check(c.SS, c.Site.Reg.Get("Item"), "read", nil); err != nil {
		return nil, err
	}
	qty := books.StockBalance(c.Site, c.Text("item_code"), c.Text("warehouse"), c.Text("posting_date"))
	if c.Bool("with_valuation_rate") {
		return []any{meta.Float(qty), meta.Float(site.Num(c.Site.Get("Item", c.Text("item_code")), "valuation_rate"))}, nil
	}
	return meta.Float(qty), nil
}
