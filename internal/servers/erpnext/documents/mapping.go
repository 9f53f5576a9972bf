package documents

import (
	"context"
	"maps"
	"net/url"
	"slices"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/erpnext/access"
	"drawbridge/internal/servers/erpnext/api"
	"drawbridge/internal/servers/erpnext/show"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/kit/pattern"
)

// mapper makes the next document of one.
type mapper struct{ from, to, method string }

// mappers are those of ERPNext itself; apps may have others.
var mappers = []mapper{
	{"Lead", "Opportunity", "erpnext.crm.doctype.lead.lead.make_opportunity"},
	{"Lead", "Customer", "erpnext.crm.doctype.lead.lead.make_customer"},
	{"Lead", "Quotation", "erpnext.crm.doctype.lead.lead.make_quotation"},
	{"Opportunity", "Quotation", "erpnext.crm.doctype.opportunity.opportunity.make_quotation"},
	{"Quotation", "Sales Order", "erpnext.selling.doctype.quotation.quotation.make_sales_order"},
	{"Quotation", "Sales Invoice", "erpnext.selling.doctype.quotation.quotation.make_sales_invoice"},
	{"Sales Order", "Delivery Note", "erpnext.selling.doctype.sales_order.sales_order.make_delivery_note"},
	{"Sales Order", "Sales Invoice", "erpnext.selling.doctype.sales_order.sales_order.make_sales_invoice"},
	{"Sales Order", "Material Request", "erpnext.selling.doctype.sales_order.sales_order.make_material_request"},
	{"Delivery Note", "Sales Invoice", "erpnext.stock.doctype.delivery_note.delivery_note.make_sales_invoice"},
	{"Sales Invoice", "Delivery Note", "erpnext.accounts.doctype.sales_invoice.sales_invoice.make_delivery_note"},
	{"Material Request", "Purchase Order", "erpnext.stock.doctype.material_request.material_request.make_purchase_order"},
	{"Supplier Quotation", "Purchase Order", "erpnext.buying.doctype.supplier_quotation.supplier_quotation.make_purchase_order"},
	{"Purchase Order", "Purchase Receipt", "erpnext.buying.doctype.purchase_order.purchase_order.make_purchase_receipt"},
	{"Purchase Order", "Purchase Invoice", "erpnext.buying.doctype.purchase_order.purchase_order.make_purchase_invoice"},
	{"Purchase Receipt", "Purchase Invoice", "erpnext.stock.doctype.purchase_receipt.purchase_receipt.make_purchase_invoice"},
	{"Sales Order", "Payment Entry", paymentEntry},
	{"Sales Invoice", "Payment Entry", paymentEntry},
	{"Purchase Order", "Payment Entry", paymentEntry},
	{"Purchase Invoice", "Payment Entry", paymentEntry},
}

// paymentEntry takes other arguments than mappers do.
const paymentEntry = "erpnext.accounts.doctype.payment_entry.payment_entry.get_payment_entry"

// mapperRule is what a mapper of an app can be called. Frappe runs any function that it
// is given here, on a document of whatever DocType has the name, so those that are not
// of the table must be allowed by the operator, as for call_method.
var mapperRule = pattern.New(`^[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*){2,8}\.make_[a-z0-9_]+$`)

type mapIn struct {
	access.DocIn
	Target string  `json:"target,omitempty" jsonschema:"DocType to make."`
	Method string  `json:"method,omitempty" jsonschema:"Instead of target: a mapper, app.module.make_x."`
	Save   bool    `json:"save,omitempty" jsonschema:"Save it as a draft."`
	Values api.Doc `json:"values,omitempty" jsonschema:"Fields to set; rows by idx."`
}

// mapOut is the draft as it was saved, or the document as it would be.
type mapOut struct {
	access.Saved
	Document api.Doc `json:"document,omitempty"`

	text string
}

// Text is what was saved, or the document between marks.
func (o mapOut) Text() string { return o.text }

func (t Tools) mapDocument(ctx context.Context, c *kit.Call, in mapIn) (out mapOut, err error) {
	method, err := t.methodOf(in)
	if err != nil {
		return out, err
	}
	s, _, err := t.Document(ctx, c, in.DocIn)
	if err != nil {
		return out, err
	}
	q := url.Values{"method": {method}, "source_name": {in.Name}}
	call := api.Mapper
	if method == paymentEntry {
		call, q = paymentEntry, url.Values{"dt": {in.Doctype}, "dn": {in.Name}}
	}
	made, err := s.Mapped(ctx, call, q, in.Doctype+" "+in.Name)
	if err != nil {
		return out, err
	}
	doctype := made.Text("doctype")
	if err := t.Check(doctype); err != nil {
		return out, err
	}
	b, err := t.Meta(ctx, c, s, doctype)
	if err != nil {
		return out, err
	}
	doc := unsaved(made)
	if err := t.apply(b, doc, in.Values); err != nil {
		return out, err
	}
	if err := t.Owned(b, doc, false); err != nil {
		return out, err
	}
	if in.Save {
		return t.saveMapped(ctx, c, s, doctype, doc)
	}
	out.Doctype, out.Document = doctype, shown(GetIn{}, doc).Document
	out.text = doctype + ", not saved:\n" + c.Outside(kit.Compact(out.Document))
	return out, nil
}

func (t Tools) saveMapped(ctx context.Context, c *kit.Call, s api.Session, doctype string, doc api.Doc) (out mapOut, err error) {
	if guarded(doctype) {
		if err := c.Approve(kit.Question{Target: doctype, Effect: "Creates a document of this DocType. " + why}); err != nil {
			return out, err
		}
	}
	saved, err := s.Create(ctx, doctype, doc)
	if err != nil {
		return out, t.needs(ctx, c, s, doctype, doc, err)
	}
	out.Saved = access.SavedOf(doctype, saved)
	out.text = kit.Compact(out.Saved)
	return out, nil
}

// apply sets values on a document that is not saved yet.
func (t Tools) apply(b *api.Bundle, doc, values api.Doc) error {
	if len(values) == 0 {
		return nil
	}
	if err := t.check(b, values); err != nil {
		return err
	}
	for name, value := range values {
		change, ok := value.([]any)
		if !ok {
			doc[name] = value
			continue
		}
		rows := doc.Rows(name)
		for i := range rows {
			rows[i] = maps.Clone(rows[i])
			rows[i]["idx"] = i + 1
		}
		var err error
		if doc[name], err = merged(name, rows, change); err != nil {
			return err
		}
	}
	return nil
}

// methodOf chooses the mapper.
func (t Tools) methodOf(in mapIn) (string, error) {
	if (in.Target == "") == (in.Method == "") {
		return "", fault.New(fault.Invalid, "Say what to make: target, a DocType, or method. From %s there is: %s.", in.Doctype, targets(in.Doctype))
	}
	if in.Method != "" {
		if !mapperRule().MatchString(in.Method) {
			return "", fault.New(fault.Invalid, "The method is not the dotted name of a mapper, whose last part begins with make_. Name a target instead.")
		}
		own := slices.ContainsFunc(mappers, func(m mapper) bool { return m.method == in.Method && m.from == in.Doctype })
		if own {
			return in.Method, nil
		}
		return in.Method, t.Function(in.Method)
	}
	i := slices.IndexFunc(mappers, func(m mapper) bool {
		return strings.EqualFold(m.from, in.Doctype) && strings.EqualFold(m.to, in.Target)
	})
	if i < 0 {
		return "", fault.New(fault.Invalid, "There is no known way from %s to %s. There is: %s. Apps have others: name one in method.", in.Doctype, show.Clip(in.Target, 60), targets(in.Doctype))
	}
	return mappers[i].method, nil
}

func targets(from string) string {
	var all []string
	for _, m := range mappers {
		if strings.EqualFold(m.from, from) {
			all = append(all, m.to)
		}
	}
	if len(all) == 0 {
		return "nothing"
	}
	return strings.Join(all, ", ")
}
