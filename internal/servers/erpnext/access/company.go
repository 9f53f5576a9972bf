package access

import (
	"context"
	"slices"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/erpnext/api"
	"drawbridge/internal/servers/kit"
)

// companyField is how documents name their company.
const companyField = "company"

// Within refuses a document of another company than the operator's.
func (d *Desk) Within(doctype string, doc api.Doc) error {
	if d.Company == "" {
		return nil
	}
	has, told := doc[companyField]
	if strings.EqualFold(doctype, "Company") {
		has, told = doc["name"], true
	}
	if !told || has == nil || has == "" || has == d.Company {
		return nil
	}
	return d.elsewhere()
}

func (d *Desk) elsewhere() error {
	return fault.New(fault.Forbidden, "This is of another company than %s, which the operator scopes this server to. Take one of that company, or ask the operator to change ERPNEXT_COMPANY.", d.Company)
}

// Scope adds the company to the filters of a list. Rows of a DocType stand in tables of
// many others, so only those of the one that is named are asked for.
func (d *Desk) Scope(ctx context.Context, c *kit.Call, s api.Session, doctype, parent string, filters [][]any) ([][]any, error) {
	if parent != "" {
		filters = append(slices.Clone(filters), []any{"parenttype", "=", parent})
	}
	if !d.narrowed() {
		return filters, nil
	}
	if strings.EqualFold(doctype, "File") {
		return nil, fault.New(fault.Forbidden, "Files hang on documents, not all of which this server may touch. list_files has those of one that it may.")
	}
	if strings.EqualFold(doctype, "Company") && d.Company != "" {
		return append(filters, []any{"name", "=", d.Company}), nil
	}
	if parent != "" {
		b, err := d.Meta(ctx, c, s, parent)
		if err != nil {
			return nil, err
		}
		if _, ok := b.Field(companyField); ok && d.Company != "" {
			return nil, fault.New(fault.Forbidden, "This server is scoped to the company %s, so rows of %s are read with the document they stand in. Use get_document.", d.Company, parent)
		}
		return filters, nil
	}
	b, err := d.Meta(ctx, c, s, doctype)
	if err != nil {
		return nil, err
	}
	if bool(b.Table) {
		return nil, fault.New(fault.Forbidden, "%s are rows of documents, not all of which this server may touch. Name the DocType of those documents in parent of list_documents, or use get_document.", doctype)
	}
	if _, ok := b.Field(companyField); ok && d.Company != "" {
		filters = append(filters, []any{companyField, "=", d.Company})
	}
	return filters, nil
}

// Owned sets the company of a new document, and refuses another one. changed says
// that the values are those of a change, to which nothing is added.
func (d *Desk) Owned(b *api.Bundle, values api.Doc, changed bool) error {
	if d.Company == "" {
		return nil
	}
	if b.Name == "Company" && !changed {
		return d.elsewhere()
	}
	if _, ok := b.Field(companyField); !ok {
		return nil
	}
	switch given, told := values[companyField]; {
	case told && given != d.Company:
		return d.elsewhere()
	case !told && !changed:
		values[companyField] = d.Company
	}
	return nil
}
