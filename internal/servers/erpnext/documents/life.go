package documents

import (
	"context"
	"fmt"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/erpnext/access"
	"drawbridge/internal/servers/erpnext/api"
	"drawbridge/internal/servers/erpnext/show"
	"drawbridge/internal/servers/kit"
)

// Where a document stands.
const (
	draft     = 0
	submitted = 1
	cancelled = 2
)

var standing = map[int]string{draft: "a draft", submitted: "submitted", cancelled: "cancelled"}

// standsAt refuses a document that does not stand where a step begins.
func standsAt(in access.DocIn, doc api.Doc, want int, next string) error {
	if at := doc.Int("docstatus"); at != want {
		return fault.New(fault.Conflict, "%s %s is %s, and only one that is %s can be %s. get_document shows it.", in.Doctype, in.Name, standing[at], standing[want], next)
	}
	return nil
}

// forSubmit reads a draft that can be submitted.
func (t Tools) forSubmit(ctx context.Context, c *kit.Call, in access.VersionIn) (api.Session, api.Doc, error) {
	s, doc, err := t.Version(ctx, c, in)
	if err != nil {
		return s, doc, err
	}
	b, err := t.Meta(ctx, c, s, in.Doctype)
	switch {
	case err != nil:
		return s, doc, err
	case !bool(b.Submittable):
		return s, doc, fault.New(fault.Invalid, "%s is no DocType whose documents are submitted: it counts as soon as it is saved.", in.Doctype)
	case b.Workflow() != nil:
		return s, doc, fault.New(fault.Conflict, "%s goes through a workflow. get_workflow_actions shows the next step, apply_workflow_action takes it.", in.Doctype)
	}
	return s, doc, standsAt(in.DocIn, doc, draft, "submitted")
}

func (t Tools) submit(ctx context.Context, c *kit.Call, in access.VersionIn) (out access.Saved, err error) {
	s, doc, err := t.forSubmit(ctx, c, in)
	if err != nil {
		return out, err
	}
	done, err := s.Update(ctx, in.Doctype, in.Name, api.Doc{"docstatus": submitted, "modified": in.Expected})
	if err != nil {
		return out, t.needs(ctx, c, s, in.Doctype, doc, err)
	}
	return access.SavedOf(in.Doctype, done), nil
}

func (t Tools) previewSubmit(ctx context.Context, c *kit.Call, in access.VersionIn) (kit.Preview, error) {
	_, doc, err := t.forSubmit(ctx, c, in)
	return preview(c, in.DocIn, "Submits the draft: it counts in books and stock from then on, and can only be cancelled.", doc), err
}

func (t Tools) cancel(ctx context.Context, c *kit.Call, in access.VersionIn) (out access.Saved, err error) {
	s, doc, err := t.Version(ctx, c, in)
	if err != nil {
		return out, err
	}
	if err := standsAt(in.DocIn, doc, submitted, "cancelled"); err != nil {
		return out, err
	}
	done, err := s.Update(ctx, in.Doctype, in.Name, api.Doc{"docstatus": cancelled, "modified": in.Expected})
	return access.SavedOf(in.Doctype, done), err
}

func (t Tools) previewCancel(ctx context.Context, c *kit.Call, in access.VersionIn) (kit.Preview, error) {
	_, doc, err := t.Version(ctx, c, in)
	if err == nil {
		err = standsAt(in.DocIn, doc, submitted, "cancelled")
	}
	return preview(c, in.DocIn, "Cancels the document for good: its entries in books and stock are reversed.", doc), err
}

type deletedOut struct {
	Deleted string `json:"deleted"`
}

func (t Tools) remove(ctx context.Context, c *kit.Call, in access.VersionIn) (out deletedOut, err error) {
	s, doc, err := t.Version(ctx, c, in)
	if err != nil {
		return out, err
	}
	if err := deletable(in.DocIn, doc); err != nil {
		return out, err
	}
	return deletedOut{in.Doctype + " " + in.Name}, s.Delete(ctx, in.Doctype, in.Name)
}

func deletable(in access.DocIn, doc api.Doc) error {
	if doc.Int("docstatus") == submitted {
		return fault.New(fault.Conflict, "%s %s is submitted, and only drafts and cancelled documents can be deleted. Cancel it first.", in.Doctype, in.Name)
	}
	return nil
}

func (t Tools) previewDelete(ctx context.Context, c *kit.Call, in access.VersionIn) (kit.Preview, error) {
	_, doc, err := t.Version(ctx, c, in)
	if err == nil {
		err = deletable(in.DocIn, doc)
	}
	return preview(c, in.DocIn, "Deletes the document for good, with its rows and comments.", doc), err
}

// telling are the fields by which a person knows a document.
var telling = []string{"title", "customer", "customer_name", "supplier", "party_name", "party", "company", "posting_date", "transaction_date", "due_date", "delivery_date", "grand_total", "paid_amount", "total_debit", "currency", "status", "amended_from", "subject", "item_name", "email_id"}

// preview is what a person reads before a document is submitted, cancelled, deleted.
func preview(c *kit.Call, in access.DocIn, effect string, doc api.Doc) kit.Preview {
	var all []string
	for _, name := range telling {
		if !show.Empty(doc[name]) {
			all = append(all, name+": "+show.Cell(doc[name]))
		}
	}
	for _, name := range show.Names(doc) {
		rows := doc.Rows(name)
		for i, row := range rows {
			if i == 8 {
				all = append(all, fmt.Sprintf("%s: and %d more rows", name, len(rows)-i))
				break
			}
			if line := rowLine(row); line != "" {
				all = append(all, fmt.Sprintf("%s %d: %s", name, i+1, line))
			}
		}
	}
	return access.Seen(c, in.Doctype+" "+in.Name, effect, all)
}

// rowLine is a row in a few words.
func rowLine(row api.Doc) string {
	var parts []string
	for _, name := range []string{"item_code", "item_name", "account", "reference_name", "description", "qty", "rate", "amount", "debit", "credit", "allocated_amount"} {
		if name == "description" && len(parts) > 0 || show.Empty(row[name]) {
			continue
		}
		parts = append(parts, name+" "+show.Clip(show.Words(show.Cell(row[name])), 80))
	}
	return strings.Join(parts, ", ")
}

// amend copies a cancelled document into a draft that says so. ERPNext names it after
// the one it amends.
func (t Tools) amend(ctx context.Context, c *kit.Call, in access.DocIn) (out access.Saved, err error) {
	s, doc, err := t.Document(ctx, c, in)
	if err != nil {
		return out, err
	}
	if err := standsAt(in, doc, cancelled, "amended"); err != nil {
		return out, err
	}
	b, err := t.Meta(ctx, c, s, in.Doctype)
	if err != nil {
		return out, err
	}
	copied := unsaved(doc)
	copied["amended_from"] = in.Name
	if f, ok := b.Field("status"); ok && (bool(f.NoCopy) || bool(f.ReadOnly)) {
		delete(copied, "status") // it says cancelled
	}
	if w := b.Workflow(); w != nil {
		delete(copied, w.StateField) // begins anew
	}
	made, err := s.Create(ctx, in.Doctype, copied)
	if err != nil {
		return out, t.needs(ctx, c, s, in.Doctype, copied, err)
	}
	out = access.SavedOf(in.Doctype, made)
	c.Undo("delete_document", access.VersionIn{DocIn: access.DocIn{DoctypeIn: in.DoctypeIn, Name: out.Name}, Expected: out.Modified})
	return out, nil
}

// unsaved is a document without what only a saved one has, in its rows, too.
func unsaved(doc api.Doc) api.Doc {
	out := api.Doc{}
	for name, value := range doc {
		if strings.HasPrefix(name, "_") || value == nil || name == "name" || name == "idx" {
			continue
		}
		switch name {
		case "docstatus", "owner", "creation", "modified", "modified_by", "amended_from", "doctype", "parent", "parenttype", "parentfield":
			continue
		}
		list, ok := value.([]any)
		if !ok {
			out[name] = value
			continue
		}
		rows := []any{}
		for _, one := range list {
			if row, ok := one.(map[string]any); ok {
				rows = append(rows, map[string]any(unsaved(row)))
			}
		}
		out[name] = rows
	}
	return out
}
