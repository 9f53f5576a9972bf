// Package documents has the tools about single documents: reading, their life from
// draft to amendment, and what is made of them.
//
// A change is sent together with the version that it is made on, so that nobody's work
// is overwritten. Rows of tables are merged by name, because ERPNext replaces a table
// as a whole. Unknown fields are refused here, because ERPNext drops them without a
// word. The erpnext server offers the tools.
package documents

import (
	"drawbridge/internal/servers/erpnext/access"
	"drawbridge/internal/servers/kit"
)

// Tools are the tools.
type Tools struct{ *access.Desk }

// Reader is the tool that reads.
func (t Tools) Reader() kit.Tool {
	return kit.Read("get_document", "Get Document", "Read a document. Empty and zero fields are left out unless named in fields.", access.Told(t.GetDocument))
}

// Changers are the tools that change.
func (t Tools) Changers() []kit.Tool {
	return []kit.Tool{
		kit.WithPreview(kit.Write("create_document", "Create Document", "Create a draft. get_doctype with required_only says what is needed.", access.Told(t.create)), access.Previewed(t.previewCreate)).Undoable(),
		kit.WithPreview(kit.Write("update_document", "Update Document", "Change fields of a document.", access.Told(t.update)), access.Previewed(t.previewUpdate)).Undoable(), // not idempotent: rows may be added
		kit.WithPreview(kit.Destroy("delete_document", "Delete Document", "Delete a document for good.", access.Told(t.remove)), access.Previewed(t.previewDelete)),
		kit.WithPreview(kit.Destroy("submit_document", "Submit Document", "Submit a draft: it counts in books and stock from then on.", access.Told(t.submit)).Within(access.Slow), access.Previewed(t.previewSubmit)),
		kit.WithPreview(kit.Destroy("cancel_document", "Cancel Document", "Cancel a submitted document: its entries are reversed.", access.Told(t.cancel)).Within(access.Slow), access.Previewed(t.previewCancel)),
		kit.Write("amend_document", "Amend Document", "Make a new draft of a cancelled document.", access.Told(t.amend)).Undoable(),
		kit.Write("map_document", "Map Document", "Make the next document of one: Quotation to Sales Order to Sales Invoice to Payment Entry.", access.Told(t.mapDocument)),
	}
}
