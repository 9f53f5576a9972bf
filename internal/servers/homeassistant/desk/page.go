package desk

import (
	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
)

// PageIn and PageOut are the kit's, said shorter: they stand in a dozen tools.
type PageIn struct {
	Limit  int    `json:"limit,omitempty" jsonschema:"At most."`
	Cursor string `json:"cursor,omitempty" jsonschema:"next_cursor."`
}

// PageOut says how to go on.
type PageOut struct {
	Total int    `json:"total"`
	Next  string `json:"next_cursor,omitempty"`
}

// mostRows bounds a page.
const mostRows = 200

// Window reads the arguments; limit is used where none is given.
func (in PageIn) Window(limit int) (kit.Window, error) {
	if in.Limit < 0 || in.Limit > mostRows {
		return kit.Window{}, fault.New(fault.Invalid, "limit is from 1 to %d. Ask for the rest with the cursor.", mostRows)
	}
	return kit.PageIn{Limit: in.Limit, Cursor: in.Cursor}.Window(limit)
}

// Cut is kit.Cut.
func Cut[T any](w kit.Window, all []T) ([]T, PageOut) {
	all, out := kit.Cut(w, all)
	return all, PageOut{out.Total, out.NextCursor}
}

// InSet puts tools into a toolset.
func InSet(set string, all ...kit.Tool) []kit.Tool {
	for i := range all {
		all[i] = all[i].InSet(set)
	}
	return all
}
