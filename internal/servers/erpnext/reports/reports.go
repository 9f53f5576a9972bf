// Package reports has the tools about reports and the figures that people ask for
// most: what a party owes, what is in stock, which invoices are open.
//
// A report says first what it wants to know: one that lacks a filter it needs is not
// run. The erpnext server offers the tools.
package reports

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/erpnext/access"
	"drawbridge/internal/servers/erpnext/api"
	"drawbridge/internal/servers/erpnext/show"
	"drawbridge/internal/servers/kit"
)

// Tools are the tools.
type Tools struct{ *access.Desk }

// Reports are the tools about reports.
func (t Tools) Reports() []kit.Tool {
	return []kit.Tool{
		kit.Read("list_reports", "List Reports", "Find reports.", access.Told(t.listReports)),
		kit.Read("get_report_filters", "Get Report Filters", "Filters of a report, and which it needs.", access.Told(t.getFilters)),
		kit.Read("run_report", "Run Report", "Run a report.", access.Told(t.runReport)).Within(access.Slow),
	}
}

// Figures are the tools for what people ask most.
func (t Tools) Figures() []kit.Tool {
	return []kit.Tool{
		kit.Read("get_party_balance", "Get Party Balance", "What a customer owes, or is owed to a supplier (negative).", access.Told(t.partyBalance)),
		kit.Read("get_stock_balance", "Get Stock Balance", "How much of an item there is, by warehouse.", access.Told(t.stockBalance)),
		kit.Read("get_open_invoices", "Get Open Invoices", "Unpaid invoices with days overdue and sums by age.", access.Told(t.openInvoices)),
	}
}

type listReportsIn struct {
	Query   string `json:"query,omitempty" jsonschema:"Part of a name."`
	Doctype string `json:"doctype,omitempty" jsonschema:"About this DocType."`
	kit.PageIn
}

func (t Tools) listReports(ctx context.Context, c *kit.Call, in listReportsIn) (out access.Table, err error) {
	w, err := in.Window(show.Rows)
	if err != nil {
		return out, err
	}
	s, err := t.Session(ctx, c)
	if err != nil {
		return out, err
	}
	columns := []string{"name", "ref_doctype", "report_type", "module"}
	q := api.Query{Fields: columns, OrderBy: "name asc", Filters: [][]any{{"disabled", "=", 0}}, Start: w.Offset, Limit: w.Limit}
	if in.Query != "" {
		q.Filters = append(q.Filters, []any{"name", "like", "%" + in.Query + "%"})
	}
	if in.Doctype != "" {
		q.Filters = append(q.Filters, []any{"ref_doctype", "=", in.Doctype})
	}
	rows, more, err := s.List(ctx, "Report", q)
	if err != nil {
		return out, err
	}
	return access.Sifted(c, w, columns, rows, more, func(r api.Doc) bool { return t.Allows(r.Text("ref_doctype")) }), nil
}

type reportIn struct {
	Report string `json:"report" jsonschema:"Name." min:"1"`
}

type filtersOut struct {
	Report  string      `json:"report"`
	Filters []filterOut `json:"filters"`
	Whole   bool        `json:"complete" jsonschema:"false: there may be others."`

	text string
}

type filterOut struct {
	Name     string `json:"fieldname"`
	Label    string `json:"label"`
	Type     string `json:"type"`
	Options  string `json:"options,omitempty"`
	Default  string `json:"default,omitempty"`
	Required bool   `json:"required,omitempty"`
}

// Text is one line for each filter.
func (o filtersOut) Text() string { return o.text }

func (t Tools) getFilters(ctx context.Context, c *kit.Call, in reportIn) (out filtersOut, err error) {
	_, need, err := t.open(ctx, c, in.Report)
	if err != nil {
		return out, err
	}
	out = filtersOut{Report: in.Report, Whole: need.Whole}
	var lines []string
	for _, f := range need.Filters {
		one := filterOut{f.Field, show.Clip(show.Words(f.Label), 80), f.Type, choices(f), show.Clip(show.Plain(string(f.Default)), 80), bool(f.Required)}
		out.Filters = append(out.Filters, one)
		lines = append(lines, one.line())
	}
	out.text = in.Report + ": no filters declared."
	if len(lines) > 0 {
		out.text = in.Report + "\n" + c.Outside(strings.Join(lines, "\n"))
	}
	if !out.Whole {
		out.text += "\nThe report puts some filters together in the browser, so there may be others: company, from_date, to_date, fiscal_year and filter_based_on are usual."
	}
	return out, nil
}

func choices(f api.Filter) string {
	return show.Clip(show.Plain(strings.ReplaceAll(strings.TrimSpace(string(f.Options)), "\n", "|")), 160)
}

func (f filterOut) line() string {
	line := f.Name + ": " + f.Type
	if f.Options != "" {
		line += " (" + f.Options + ")"
	}
	if f.Label != "" {
		line += fmt.Sprintf(" %q", f.Label)
	}
	if f.Default != "" {
		line += " default " + f.Default
	}
	if f.Required {
		line += " required"
	}
	return line
}

// open reads a report that the operator lets the server run, and what it wants.
func (t Tools) open(ctx context.Context, c *kit.Call, name string) (s api.Session, need api.Requirements, err error) {
	if err := t.Shows("Report"); err != nil {
		return s, need, err
	}
	if s, err = t.Session(ctx, c); err != nil {
		return s, need, err
	}
	if len(t.Doctypes.Allow)+len(t.Doctypes.Deny) > 0 {
		doc, err := s.Get(ctx, "Report", name)
		if err != nil {
			return s, need, err
		}
		if err := t.Check(doc.Text("ref_doctype")); err != nil {
			return s, need, err
		}
	}
	need, err = s.Requires(ctx, name)
	return s, need, err
}

type runIn struct {
	reportIn
	Filters api.Doc  `json:"filters,omitempty" jsonschema:"By fieldname."`
	Columns []string `json:"columns,omitempty" jsonschema:"Only these."`
	kit.PageIn
}

type runOut struct {
	Columns  []string  `json:"columns"`
	Rows     [][]any   `json:"rows"`
	Sum      []any     `json:"total_row,omitempty"`
	Summary  []sumItem `json:"summary,omitempty"`
	Chart    string    `json:"chart,omitempty"`
	Prepared string    `json:"prepared,omitempty"`
	kit.PageOut

	text string
}

type sumItem struct {
	Label string `json:"label"`
	Value any    `json:"value"`
}

// Text is one line for each row.
func (o runOut) Text() string { return o.text }

func (t Tools) runReport(ctx context.Context, c *kit.Call, in runIn) (out runOut, err error) {
	w, err := in.Window(50)
	if err != nil {
		return out, err
	}
	s, need, err := t.open(ctx, c, in.Report)
	if err != nil {
		return out, err
	}
	filters, err := t.filters(in, need)
	if err != nil {
		return out, err
	}
	r, err := s.RunReport(ctx, in.Report, filters, false)
	if err == nil && r.Missing { // nobody has prepared it: it is run now, as long as that takes
		r, err = s.RunReport(ctx, in.Report, filters, true)
	}
	if err != nil {
		return out, err
	}
	if r.Missing {
		return out, fault.New(fault.Unavailable, "The report %s is made in the background, and there is no result with these filters. Let somebody run it in ERPNext with the same filters, then call again.", in.Report)
	}
	return t.shown(c, w, in, r)
}

// filters are those of a call with the company that the operator scopes the server to.
// One that is needed and missing keeps the report from being run.
func (t Tools) filters(in runIn, need api.Requirements) (api.Doc, error) {
	if _, ok := in.Filters["prepared_report_name"]; ok { // whatever filters that was made with
		return nil, fault.New(fault.Invalid, "A prepared report is found by its filters. Leave prepared_report_name out.")
	}
	filters := api.Doc{}
	maps.Copy(filters, in.Filters)
	if t.Company != "" && filters["company"] == nil { // also where the report does not declare it
		filters["company"] = t.Company
	}
	var lacking []string
	for _, f := range need.Filters {
		_, given := filters[f.Field]
		if !given && f.Default != "" {
			filters[f.Field], given = string(f.Default), true
		}
		if bool(f.Required) && (!given || show.Empty(filters[f.Field])) {
			lacking = append(lacking, fmt.Sprintf("%s (%s, %s)", f.Field, show.Clip(show.Words(f.Label), 80), f.Type))
		}
	}
	if t.Company != "" && filters["company"] != t.Company {
		return nil, fault.New(fault.Forbidden, "This server is scoped to the company %s. Run the report for that one, or ask the operator to change ERPNEXT_COMPANY.", t.Company)
	}
	if len(lacking) > 0 {
		return nil, fault.New(fault.Invalid, "The report %s was not run, because it needs these filters: %s. Add them and call again; get_report_filters has all.", in.Report, strings.Join(lacking, ", "))
	}
	return filters, nil
}
