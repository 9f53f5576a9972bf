package access

import (
	"strings"

	"drawbridge/internal/servers/erpnext/api"
	"drawbridge/internal/servers/erpnext/show"
	"drawbridge/internal/servers/kit"
)

// Table is a list as a model reads it: the names of the columns once, and rows.
type Table struct {
	Columns []string `json:"columns"`
	Rows    [][]any  `json:"rows"`
	Count   *int     `json:"count,omitempty"`
	PageOut

	text string
}

// Text is one line for each row.
func (t Table) Text() string { return t.text }

// Tabled makes a table of a page of rows, as many as fit an answer.
func Tabled(c *kit.Call, w kit.Window, columns []string, rows []api.Doc, more bool) Table {
	all := make([][]any, len(rows))
	for i, row := range rows {
		all[i] = make([]any, len(columns))
		for j, name := range columns {
			all[i][j] = show.Value(row[name], show.CellRoom)
		}
	}
	t := Table{Columns: columns}
	t.Rows, t.PageOut = Fit(w, all, more)
	return t.Said(c, "")
}

// Said writes the text of a table; note stands below.
func (t Table) Said(c *kit.Call, note string) Table {
	if len(t.Rows) == 0 {
		t.text = "None. " + note
		return t
	}
	lines := make([]string, len(t.Rows))
	for i, row := range t.Rows {
		lines[i] = kit.Compact(row)
	}
	t.text = strings.Join(t.Columns, ",") + "\n" + c.Outside(strings.Join(lines, "\n"))
	if note != "" {
		t.text += "\n" + note
	}
	if t.Next != "" {
		t.text += "\nnext_cursor: " + t.Next
	}
	return t
}
