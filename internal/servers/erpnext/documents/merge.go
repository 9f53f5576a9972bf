package documents

import (
	"fmt"
	"maps"
	"slices"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/erpnext/api"
)

// deleteMark in a row takes the row away.
const deleteMark = "__delete"

// merged are the rows of a table after a change. ERPNext replaces a table as a whole
// and forgets what a row does not say, so every row goes back whole. A row is known by
// its name, or by idx; one with neither is added.
func merged(table string, have []api.Doc, change []any) ([]any, error) {
	rows := make([]api.Doc, len(have))
	for i := range have {
		rows[i] = maps.Clone(have[i])
	}
	gone := map[int]bool{}
	for n, one := range change {
		wanted, _ := one.(map[string]any) // checked before
		at, err := rowOf(table, have, wanted, n)
		if err != nil {
			return nil, err
		}
		drop, _ := wanted[deleteMark].(bool)
		switch {
		case at < 0 && drop:
			return nil, fault.New(fault.Invalid, "Row %d of %s is to be deleted and says neither name nor idx. get_document shows both.", n+1, table)
		case drop:
			gone[at] = true
		case at < 0:
			rows = append(rows, without(wanted, deleteMark))
		default:
			maps.Copy(rows[at], without(wanted, deleteMark, "idx"))
		}
	}
	out := []any{}
	for i, row := range rows {
		if !gone[i] {
			delete(row, "idx") // counted anew by ERPNext
			out = append(out, map[string]any(row))
		}
	}
	return out, nil
}

// rowOf finds the row that a change is about; -1 is a new one.
func rowOf(table string, have []api.Doc, wanted api.Doc, n int) (int, error) {
	if name := wanted.Text("name"); name != "" {
		at := slices.IndexFunc(have, func(r api.Doc) bool { return r.Text("name") == name })
		if at < 0 {
			return 0, fault.New(fault.Conflict, "%s has no row of the name that row %d of the change gives. Read the document again with get_document.", table, n+1)
		}
		return at, nil
	}
	if _, ok := wanted["idx"]; !ok {
		return -1, nil
	}
	idx := fmt.Sprint(wanted["idx"])
	at := slices.IndexFunc(have, func(r api.Doc) bool { return fmt.Sprint(r["idx"]) == idx })
	if at < 0 {
		return 0, fault.New(fault.Conflict, "%s has no row with the idx that row %d of the change gives. Read the document again with get_document, or leave idx out to add a row.", table, n+1)
	}
	return at, nil
}

func without(row api.Doc, names ...string) api.Doc {
	out := maps.Clone(row)
	for _, name := range names {
		delete(out, name)
	}
	return out
}
