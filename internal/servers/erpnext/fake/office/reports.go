package office

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"drawbridge/internal/servers/erpnext/fake/books"
	"drawbridge/internal/servers/erpnext/fake/exc"
	"drawbridge/internal/servers/erpnext/fake/site"
	"drawbridge/internal/servers/erpnext/fake/wire"
)

// reports are the methods of frappe/desk/query_report.py.
func (o *Office) reports() map[string]wire.Method {
	const p = "frappe.desk.query_report."
	return map[string]wire.Method{
		p + "run":                    {Need: "report_name", Run: o.runReport},
		p + "get_script":             {Need: "report_name", Run: o.reportScript},
		p + "background_enqueue_run": {Need: "report_name", Until: 15, Run: o.enqueueReport},
		"frappe.core.doctype.prepared_report.prepared_report.make_prepared_report": {Need: "report_name", Run: o.enqueueReport},
	}
}

// report is get_report_doc: roles, the right to report on its doctype, not disabled.
func report(c *wire.Call) (obj, error) {
	doc, err := c.Site.Load("Report", c.Text("report_name"))
	if err != nil {
		return nil, err
	}
	roles := site.Rows(doc, "roles")
	if len(roles) > 0 && !slices.ContainsFunc(roles, func(r obj) bool { return c.SS.User.HasRole(site.Text(r, "role")) }) {
		return nil, exc.Throw(exc.Permission, "", "You don't have access to Report: %s", doc["name"])
	}
	d := c.Site.Reg.Get(site.Text(doc, "ref_doctype"))
	if ok, why := c.Site.May(c.SS.User, d, "report", nil); !ok {
		e := exc.Throw(exc.Permission, "", "You don't have permission to get a report on: %s", d.Name)
		e.Messages = append([]exc.Message{exc.Said("%s", why[0])}, e.Messages...)
		return nil, e
	}
	if site.Int(doc, "disabled") == 1 {
		return nil, exc.Throw(exc.Validation, "", "Report %s is disabled", doc["name"])
	}
	return doc, nil
}

// asked is a report and what it is filtered by.
func asked(c *wire.Call) (doc, filters obj, err error) {
	if doc, err = report(c); err != nil {
		return nil, nil, err
	}
	v, err := c.JSON("filters")
	if err != nil {
		return nil, nil, err
	}
	filters, is := v.(obj)
	if !is {
		filters = obj{}
	}
	return doc, filters, nil
}

func (o *Office) runReport(c *wire.Call) (any, error) {
	doc, filters, err := asked(c)
	if err != nil {
		return nil, err
	}
	if site.Int(doc, "prepared_report") == 1 && !c.Bool("ignore_prepared_report") {
		return o.preparedResult(c, doc, filters)
	}
	return o.execute(c, doc, filters)
}

func (o *Office) execute(c *wire.Call, doc, filters obj) (obj, error) {
	if doc["report_type"] == "Query Report" {
		return o.queryReport(c, filters)
	}
	r, err := books.Execute(c.Site, c.SS, site.Text(doc, "name"), filters)
	if err != nil {
		return nil, err
	}
	columns, rows := []any{}, []any{}
	for _, col := range r.Columns {
		columns = append(columns, books.ColumnDict(col))
	}
	for _, row := range r.Rows {
		list, is := row.([]any)
		if !is {
			rows = append(rows, row)
			continue
		}
		o := obj{}
		for i, v := range list {
			o[columns[i].(obj)["fieldname"].(string)] = v
		}
		rows = append(rows, o)
	}
	if site.Int(doc, "add_total_row") == 1 && len(rows) > 0 {
		rows = append(rows, totalRow(columns, rows))
	}
	return obj{"result": rows, "columns": columns, "message": r.Message, "chart": r.Chart, "report_summary": r.Summary, "skip_total_row": 0,
		"status": nil, "execution_time": 0.05, "add_total_row": site.Int(doc, "add_total_row") == 1}, nil
}

// totalRow is add_total_row: a list, though the rows above it are objects.
func totalRow(columns, rows []any) any {
	total := []any{}
	for i, col := range columns {
		name := col.(obj)["fieldname"].(string)
		kind, sum := col.(obj)["fieldtype"], 0.0
		for _, row := range rows {
			sum += site.Num(row.(obj), name)
		}
		switch {
		case kind == "Currency" || kind == "Float" || kind == "Int":
			total = append(total, sum)
		case i == 0:
			total = append(total, "Total")
		default:
			total = append(total, "")
		}
	}
	return total
}

// queryReport is SQL with %(customer)s in it: without a value the database says no.
func (o *Office) queryReport(c *wire.Call, filters obj) (obj, error) {
	customer, given := filters["customer"]
	if !given {
		return nil, exc.Raise(exc.Key, "'customer'")
	}
	rows := []any{}
	c.Site.Each("Sales Order", func(o obj) bool {
		if o["customer"] == customer && site.Int(o, "docstatus") == 1 && o["status"] != "Completed" {
			rows = append(rows, obj{"sales_order": o["name"], "grand_total": o["grand_total"]})
		}
		return true
	})
	columns := []any{books.ColumnDict("Sales Order:Link/Sales Order:160"), books.ColumnDict("Grand Total:Currency:120")}
	return obj{"result": rows, "columns": columns, "message": nil, "chart": nil, "report_summary": nil, "skip_total_row": 0, "status": nil,
		"execution_time": 0.01, "add_total_row": false}, nil
}

// reportScript answers with the form's JavaScript: which filters a script report wants
// is written there and nowhere else.
func (o *Office) reportScript(c *wire.Call) (any, error) {
	doc, err := report(c)
	if err != nil {
		return nil, err
	}
	script := site.Text(doc, "javascript")
	if script == "" {
		script = fmt.Sprintf("frappe.query_reports['%s']={}", doc["name"])
	}
	filters := []any{}
	for _, f := range site.Rows(doc, "filters") {
		filters = append(filters, wire.Dict(f, true))
	}
	return obj{"script": script + fmt.Sprintf("\n\n//# sourceURL=%s.js", wire.Scrub(site.Text(doc, "name"))), "html_format": nil, "execution_time": 0,
		"filters": filters, "custom_report_name": nil}, nil
}

// enqueueReport puts a prepared report to work (make_prepared_report; up to version 15 it
// answers under its older name, too). Who waits looks at its status, or runs the report.
func (o *Office) enqueueReport(c *wire.Call) (any, error) {
	doc, filters, err := asked(c)
	if err != nil {
		return nil, err
	}
	made := c.Site.Record(c.SS, "Prepared Report", obj{"report_name": doc["name"], "filters": string(wire.Encode(filters)), "status": "Queued", "job_id": c.Site.Hash()})
	return obj{"name": made["name"]}, nil
}

// Work moves prepared reports on as time goes by; it is called ahead of each request.
func (o *Office) Work(s *site.Site) {
	var due []obj
	s.Each("Prepared Report", func(p obj) bool {
		if p["status"] == "Queued" || p["status"] == "Started" {
			due = append(due, site.Copy(p))
		}
		return true
	})
	for _, p := range due {
		begun, err := time.Parse("2006-01-02 15:04:05.000000", site.Text(p, "creation"))
		now, nerr := time.Parse("2006-01-02 15:04:05.000000", s.Stamp())
		if err != nil || nerr != nil {
			continue
		}
		p["status"] = "Started"
		if now.Sub(begun) >= o.Prepared {
			p["status"], p["report_end_time"] = "Completed", s.Stamp()
		}
		s.Put(p)
	}
	s.Commit()
}

// preparedResult is get_prepared_report_result: the one that is named, or the last that
// was made for the same filters; without one there are neither columns nor rows.
func (o *Office) preparedResult(c *wire.Call, doc, filters obj) (any, error) {
	name := site.Text(filters, "prepared_report_name")
	delete(filters, "prepared_report_name")
	asked := string(wire.Encode(filters))
	var found obj
	c.Site.Each("Prepared Report", func(p obj) bool {
		if name != "" && p["name"] == name || name == "" && p["report_name"] == doc["name"] && p["filters"] == asked && p["status"] == "Completed" && p["owner"] == c.SS.User.Name {
			found = p
		}
		return true
	})
	if found == nil && name != "" {
		return nil, exc.Missing("Prepared Report", name)
	}
	result := obj{"prepared_report": true, "doc": nil, "add_total_row": site.Int(doc, "add_total_row") == 1}
	if found == nil {
		return result, nil
	}
	if found["status"] != "Completed" {
		c.SS.Say(exc.Said("Prepared report render failed: %s", strings.ToLower(site.Text(found, "status"))))
		return result, nil
	}
	kept, err := wire.Parse(site.Text(found, "filters"))
	if err != nil {
		return nil, err
	}
	r, err := o.execute(c, doc, kept.(obj))
	if err != nil {
		return nil, err
	}
	r["prepared_report"], r["doc"] = true, wire.Dict(found, true)
	return r, nil
}
