package api

import (
	"context"
	"net/url"
	"slices"
	"strings"
)

// Report is the result of a report. Rows are objects by the columns' fields, or
// arrays in the order of the columns.
type Report struct {
	Columns  []Column
	Rows     []any
	Summary  []Doc
	Chart    Doc
	Message  string
	Total    bool // the last row is the total
	Prepared string
	Missing  bool // a prepared report of which there is no result
}

// Column is one column of a report.
type Column struct {
	Field   string `json:"fieldname"`
	Label   string `json:"label"`
	Type    string `json:"fieldtype"`
	Options Text   `json:"options"`
}

// rawReport is a report as it comes.
type rawReport struct {
	Columns  []any `json:"columns"`
	Result   []any `json:"result"`
	Summary  []Doc `json:"report_summary"`
	Chart    any   `json:"chart"`
	Message  any   `json:"message"`
	Total    Flag  `json:"add_total_row"`
	Prepared Flag  `json:"prepared_report"`
	Doc      any   `json:"doc"`
}

// RunReport runs a report. fresh has a report that is prepared in the background run
// at once.
func (s Session) RunReport(ctx context.Context, name string, filters Doc, fresh bool) (Report, error) {
	// A report of somebody's own would be run with the filters kept in it instead.
	q := url.Values{"report_name": {name}, "filters": {encoded(filters)}, "are_default_filters": {"false"}}
	if fresh {
		q.Set("ignore_prepared_report", "1")
	}
	raw, err := Read[rawReport](ctx, s, "frappe.desk.query_report.run", q, "the report "+name)
	if err != nil {
		return Report{}, err
	}
	r := Report{Rows: raw.Result, Summary: raw.Summary, Total: bool(raw.Total)}
	for _, c := range raw.Columns {
		r.Columns = append(r.Columns, columnOf(c))
	}
	r.Chart, _ = raw.Chart.(map[string]any)
	r.Message, _ = raw.Message.(string)
	if raw.Prepared {
		doc, _ := raw.Doc.(map[string]any)
		r.Prepared = Doc(doc).Text("creation")
		r.Missing = len(raw.Columns) == 0
	}
	return r, nil
}

// columnOf reads a column: an object, or "Label:Type/Options:Width".
func columnOf(raw any) Column {
	switch v := raw.(type) {
	case map[string]any:
		d := Doc(v)
		c := Column{d.Text("fieldname"), d.Text("label"), d.Text("fieldtype"), Text(d.Text("options"))}
		if c.Field == "" {
			c.Field = scrub(c.Label)
		}
		return c
	case string:
		parts := strings.SplitN(v, ":", 3)
		c := Column{Field: scrub(parts[0]), Label: parts[0], Type: "Data"}
		if len(parts) > 1 && parts[1] != "" {
			kind, options, _ := strings.Cut(parts[1], "/")
			c.Type, c.Options = kind, Text(options)
		}
		return c
	}
	return Column{}
}

// scrub makes the name of a field of a label, as Frappe does.
func scrub(label string) string {
	return strings.ToLower(strings.NewReplacer(" ", "_", "-", "_").Replace(label))
}

// Filter is one filter of a report.
type Filter struct {
	Field    string `json:"fieldname"`
	Label    string `json:"label"`
	Type     string `json:"fieldtype"`
	Options  Text   `json:"options"`
	Default  Text   `json:"default"`
	Required Flag   `json:"mandatory"`
}

// Requirements are what a report wants to know.
type Requirements struct {
	Filters []Filter
	// Whole says that the list is all there is: some reports put filters together by
	// a program that only a browser runs.
	Whole bool
}

// Requires reads the filters of a report: those kept with it, and those that its
// script declares.
func (s Session) Requires(ctx context.Context, name string) (Requirements, error) {
	out, err := Read[struct {
		Script  string   `json:"script"`
		Filters []Filter `json:"filters"`
	}](ctx, s, "frappe.desk.query_report.get_script", url.Values{"report_name": {name}}, "the report "+name)
	if err != nil {
		return Requirements{}, err
	}
	declared, whole := scriptFilters(out.Script)
	r := Requirements{Filters: slices.DeleteFunc(out.Filters, func(f Filter) bool { return f.Field == "" }), Whole: whole}
	for _, f := range declared {
		if !slices.ContainsFunc(r.Filters, func(have Filter) bool { return have.Field == f.Field }) {
			r.Filters = append(r.Filters, f)
		}
	}
	return r, nil
}
