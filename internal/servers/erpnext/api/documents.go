package api

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	"drawbridge/internal/servers/kit"
)

// Doc is a document: its fields, tables as arrays of rows. Numbers are json.Number.
type Doc map[string]any

// UnmarshalJSON keeps numbers as they are written.
func (d *Doc) UnmarshalJSON(b []byte) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var m map[string]any
	if err := dec.Decode(&m); err != nil {
		return err
	}
	*d = m
	return nil
}

// Query chooses documents of a list.
type Query struct {
	Fields    []string
	Filters   [][]any
	OrFilters [][]any
	OrderBy   string
	Start     int
	Limit     int
	Parent    string // needed for the rows of a child table
}

// List reads a part of a list. It asks for one row more than wanted, which tells in
// every version whether there are more.
func (s Session) List(ctx context.Context, doctype string, q Query) (rows []Doc, more bool, err error) {
	f, err := s.Flavour(ctx)
	if err != nil {
		return nil, false, err
	}
	if q.Parent != "" {
		f = V1 // version 2 has no way to name the parent
	}
	var out envelope[[]Doc]
	if err := s.get(ctx, f.document(doctype), q.values(f), &out, "the list of "+doctype); err != nil {
		return nil, false, err
	}
	rows = out.value()
	return rows[:min(len(rows), q.Limit)], len(rows) > q.Limit, nil
}

func (q Query) values(f Flavour) url.Values {
	limit, start := strconv.Itoa(q.Limit+1), strconv.Itoa(q.Start)
	v := url.Values{"limit_page_length": {limit}, "limit_start": {start}}
	if f == V2 { // Frappe 15 reads limit and limit_start, later ones limit and start
		v = url.Values{"limit": {limit}, "start": {start}, "limit_start": {start}}
	}
	if len(q.Fields) > 0 {
		v.Set("fields", encoded(q.Fields))
	}
	if len(q.Filters) > 0 {
		v.Set("filters", encoded(q.Filters))
	}
	if len(q.OrFilters) > 0 {
		v.Set("or_filters", encoded(q.OrFilters))
	}
	if q.OrderBy != "" {
		v.Set("order_by", q.OrderBy)
	}
	if q.Parent != "" {
		v.Set("parent", q.Parent)
	}
	return v
}

// Count counts the documents that the caller may see.
func (s Session) Count(ctx context.Context, doctype string, filters [][]any) (int, error) {
	q := url.Values{"doctype": {doctype}}
	if len(filters) > 0 {
		q.Set("filters", encoded(filters))
	}
	return Read[int](ctx, s, "frappe.client.get_count", q, "the number of "+doctype)
}

// Get reads a document with its tables.
func (s Session) Get(ctx context.Context, doctype, name string) (Doc, error) {
	f, err := s.Flavour(ctx)
	if err != nil {
		return nil, err
	}
	var out envelope[Doc]
	if err := s.get(ctx, f.at(name).document(doctype, name), nil, &out, doctype+" "+name); err != nil {
		return nil, err
	}
	if out.Data == nil {
		return nil, garbage()
	}
	return *out.Data, nil
}

// Create inserts a document and gives it as it was saved.
func (s Session) Create(ctx context.Context, doctype string, values Doc) (Doc, error) {
	f, err := s.Flavour(ctx)
	if err != nil {
		return nil, err
	}
	return s.save(ctx, kit.Request{Method: http.MethodPost, Path: f.document(doctype), JSON: f.body(values), What: doctype},
		"Look with list_documents of "+doctype+", newest first (order_by creation desc), whether it is there, before you create it again.")
}

// Update changes a document. Where values has modified, the site refuses to change
// another version of it.
func (s Session) Update(ctx context.Context, doctype, name string, values Doc) (Doc, error) {
	f, err := s.Flavour(ctx)
	if err != nil {
		return nil, err
	}
	f = f.at(name)
	return s.save(ctx, kit.Request{Method: f.patch(), Path: f.document(doctype, name), JSON: f.body(values), What: doctype + " " + name},
		"Read "+doctype+" "+name+" with get_document: if modified is as before, nothing has happened.")
}

// body is a document as it is sent. Version 1 reads a field called data as the whole
// document (get_request_form_data in frappe/api/v1.py), so the whole is put there.
func (f Flavour) body(values Doc) Doc {
	if _, ok := values["data"]; ok && f == V1 {
		return Doc{"data": encoded(values)}
	}
	return values
}

func (s Session) save(ctx context.Context, req kit.Request, lookup string) (Doc, error) {
	var out envelope[Doc]
	req.Into = &out
	if err := s.change(ctx, req, lookup); err != nil {
		return nil, err
	}
	if out.Data == nil {
		return nil, undetermined(garbage(), lookup)
	}
	return *out.Data, nil
}

// Delete deletes a document.
func (s Session) Delete(ctx context.Context, doctype, name string) error {
	f, err := s.Flavour(ctx)
	if err != nil {
		return err
	}
	return s.change(ctx, kit.Request{Method: http.MethodDelete, Path: f.at(name).document(doctype, name), Into: &struct{}{}, What: doctype + " " + name},
		"Read "+doctype+" "+name+" with get_document: if it is not found, it is deleted.")
}

// Text is a field that is a text; "" for any other.
func (d Doc) Text(field string) string {
	text, _ := d[field].(string)
	return text
}

// Int is a field that is a whole number or a tick; 0 for any other.
func (d Doc) Int(field string) int {
	switch v := d[field].(type) {
	case bool:
		if v {
			return 1
		}
	case interface{ Int64() (int64, error) }:
		n, err := v.Int64()
		if err == nil {
			return int(n)
		}
	}
	return 0
}

// Float is a field that is a number; 0 for any other.
func (d Doc) Float(field string) float64 {
	if v, ok := d[field].(interface{ Float64() (float64, error) }); ok {
		n, err := v.Float64()
		if err == nil {
			return n
		}
	}
	return 0
}

// Rows are the rows of a table.
func (d Doc) Rows(field string) []Doc {
	list, _ := d[field].([]any)
	var rows []Doc
	for _, one := range list {
		if row, ok := one.(map[string]any); ok {
			rows = append(rows, row)
		}
	}
	return rows
}
