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
	kit.PageNext

	text string
}

// Text is one line for each row.
func (t Table) Text() string { return t.text }

// Tabled makes a table of a page of rows, as many as fit an answer.
func Tabled(c *kit.Call, w kit.Window, columns []string, rows []api.Doc, more bool) Table {
	return Sifted(c, w, columns, rows, more, func(api.Doc) bool { return true })
}

// Sifted is Tabled without the rows that keep leaves out. The cursor counts them, too:
// the site does.
func Sifted(c *kit.Call, w kit.Window, columns []string, rows []api.Doc, more bool, keep func(api.Doc) bool) Table {
	all := make([][]any, len(rows))
	for i, row := range rows {
		all[i] = make([]any, len(columns))
		for j, name := range columns {
			all[i][j] = show.Value(row[name], show.CellRoom)
		}
	}
	t := Table{Columns: columns}
	page, next := kit.FitMore(w, all, more)
	t.Rows, t.PageNext = [][]any{}, next
	for i, row := range page {
		if keep(rows[i]) {
			t.Rows = append(t.Rows, row)
		}
	}
	return t.Said(c, "")
}

// Said writes the text of a table; note stands below.
func (t Table) Said(c *kit.Call, note string) Table {
	lines := make([]string, len(t.Rows))
	for i, row := range t.Rows {
		lines[i] = kit.Compact(row)
	}
	t.text = "None."
	if len(lines) > 0 {
		t.text = strings.Join(t.Columns, ",") + "\n" + c.Outside(strings.Join(lines, "\n"))
	}
	if note != "" {
		t.text += "\n" + note
	}
	if t.NextCursor != "" {
		t.text += "\nnext_cursor: " + t.NextCursor
	}
	return t
}
