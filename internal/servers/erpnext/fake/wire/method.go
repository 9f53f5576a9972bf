package wire

import (
	"strings"

	"drawbridge/internal/servers/erpnext/fake/meta"
	"drawbridge/internal/servers/erpnext/fake/site"
)

// Method is a whitelisted function.
type Method struct {
	Guest bool
	HTTP  string // allowed methods, with spaces between; "" for all
	Need  string // arguments without a default
	Until int    // the last version that has it, 0 for none
	Run   func(*Call) (any, error)
}

// Dict is as_dict: child tables as lists, and without what is null where asked.
func Dict(doc site.Obj, noNulls bool) site.Obj {
	o := site.Obj{}
	for k, v := range doc {
		switch v := v.(type) {
		case []site.Obj:
			rows := []any{}
			for _, row := range v {
				rows = append(rows, Dict(row, noNulls))
			}
			o[k] = rows
		case nil:
			if !noNulls {
				o[k] = nil
			}
		default:
			if k != "_assign" && k != "_comments" {
				o[k] = v
			}
		}
	}
	return o
}

// Load is get_doc with a right, "" for none.
func (c *Call) Load(doctype, name, right string) (site.Obj, *meta.DocType, error) {
	doc, err := c.Site.Load(doctype, name)
	if err != nil {
		return nil, nil, err
	}
	d := c.Site.Reg.Get(doctype)
	if right != "" {
		err = c.Site.Check(c.SS, d, right, doc)
	}
	return doc, d, err
}

// Or is v, or what stands in for nothing.
func Or(v any, otherwise any) any {
	if v == nil || v == "" || v == 0.0 {
		return otherwise
	}
	return v
}

// Scrub makes a module's name of a doctype's.
func Scrub(s string) string { return strings.ToLower(strings.ReplaceAll(s, " ", "_")) }
