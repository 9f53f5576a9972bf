// Package find has the tools that find things: kinds of documents and what they are made
// of, documents by filters, names by a few letters.
//
// A query names nothing but fields, and leads to no DocType that the operator does not
// let the server touch. The erpnext server offers the tools.
package find

import (
	"drawbridge/internal/servers/erpnext/access"
	"drawbridge/internal/servers/kit"
)

// Tools are the tools.
type Tools struct{ *access.Desk }

// Finders are the tools that are always there.
func (t Tools) Finders() []kit.Tool {
	return []kit.Tool{
		kit.Read("list_doctypes", "List DocTypes", "Find kinds of documents.", access.Told(t.ListDoctypes)),
		kit.Read("get_doctype", "Get DocType", "Fields of a DocType: what documents of it take.", access.Told(t.GetDoctype)),
		kit.Read("list_documents", "List Documents", "List documents of a DocType.", access.Told(t.listDocuments)),
		kit.Read("search_link", "Search Names", "Find the names of documents by a part of name or title, for link fields.", access.Told(t.searchLink)),
	}
}

// Counter is the tool that only counts.
func (t Tools) Counter() kit.Tool {
	return kit.Read("count_documents", "Count Documents", "Count documents.", access.Told(t.countDocuments))
}
