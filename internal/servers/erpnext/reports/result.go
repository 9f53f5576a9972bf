package reports

import (
	"slices"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/erpnext/access"
	"drawbridge/internal/servers/erpnext/api"
	"drawbridge/internal/servers/erpnext/show"
	"drawbridge/internal/servers/kit"
)

// shown is a page of a report's result.
func (t Tools) shown(c *kit.Call, w kit.Window, in runIn, r api.Report) (out runOut, err error) {
	columns, err := chosen(c, r.Columns, in.Columns)
	if err != nil {
		return out, err
	}
	for _, at := range columns {
		out.Columns = append(out.Columns, r.Columns[at].Field)
	}
	rows, elsewhere := t.rows(r, columns)
	if r.Total && len(rows) > 0 {
		out.Sum, rows = rows[len(rows)-1], rows[:len(rows)-1]
	}
	if elsewhere { // they are over all companies
		out.Sum, r.Summary, r.Chart, r.Message = nil, nil, nil, ""
	}
	out.Rows, out.PageOut = kit.Cut(w, rows)
	for _, one := range r.Summary {
		out.Summary = append(out.Summary, sumItem{show.Words(one.Text("label")), show.Value(one["value"], show.CellRoom)})
	}
	if kind, ok := r.Chart["type"].(string); ok {
		out.Chart = show.Clip(show.Words(kind), 40)
	}
	out.Prepared = show.Clip(show.Plain(r.Prepared), 40)
	out.said(c, show.Clip(show.Words(r.Message), show.CellRoom))
	return out, nil
}

// chosen are the places of the columns that are wanted.
func chosen(c *kit.Call, all []api.Column, wanted []string) (out []int, err error) {
	for i := range all {
		if len(wanted) == 0 && all[i].Field != "" {
			out = append(out, i)
		}
	}
	for _, name := range wanted {
		i := slices.IndexFunc(all, func(c api.Column) bool { return c.Field == name || strings.EqualFold(c.Label, name) })
		if i < 0 {
			var names []string
			for _, column := range all {
				names = append(names, column.Field)
			}
			return nil, fault.New(fault.Invalid, "The report has no column %q. It has%s.", show.Clip(name, 60), access.Data(c, show.Clip(show.Plain(strings.Join(names, ", ")), show.WordsRoom)))
		}
		out = append(out, i)
	}
	return out, nil
}

// rows are the rows in the order of the columns. Those of another company than the
// operator's are left out, which elsewhere tells, and so are empty lines.
func (t Tools) rows(r api.Report, columns []int) (out [][]any, elsewhere bool) {
	for _, raw := range r.Rows {
		cells := make([]any, len(columns))
		filled, other := false, false
		for i, at := range columns {
			cells[i] = show.Value(cellOf(raw, r.Columns[at], at), show.CellRoom)
			filled = filled || cells[i] != nil && cells[i] != ""
		}
		for at, column := range r.Columns {
			if company, ok := cellOf(raw, column, at).(string); ok && t.Company != "" && (column.Field == "company" || column.Options == "Company") {
				other = other || company != "" && company != t.Company
			}
		}
		elsewhere = elsewhere || other
		if filled && !other {
			out = append(out, cells)
		}
	}
	return out, elsewhere
}

// cellOf is a cell of a row that is an object or an array.
func cellOf(row any, column api.Column, at int) any {
	switch v := row.(type) {
	case map[string]any:
		if cell, ok := v[column.Field]; ok {
			return cell
		}
		return v[column.Label]
	case []any:
		if at < len(v) {
			return v[at]
		}
	}
	return nil
}

func (o *runOut) said(c *kit.Call, message string) {
	lines := []string{strings.Join(o.Columns, ",")}
	for _, row := range o.Rows {
		lines = append(lines, kit.Compact(row))
	}
	if o.Sum != nil {
		lines = append(lines, "total: "+kit.Compact(o.Sum))
	}
	if len(o.Summary) > 0 {
		lines = append(lines, "summary: "+kit.Compact(o.Summary))
	}
	if message != "" {
		lines = append(lines, "message: "+message)
	}
	o.text = c.Outside(strings.Join(lines, "\n"))
	if o.Prepared != "" {
		o.text += "\nPrepared in the background at " + o.Prepared + "."
	}
	if len(o.Rows) == 0 {
		o.text += "\nNo rows."
	}
	if o.NextCursor != "" {
		o.text += "\nnext_cursor: " + o.NextCursor
	}
}
