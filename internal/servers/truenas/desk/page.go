package desk

import (
	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
)

// PageIn and PageOut are the kit's, said shorter: they stand in many tools.
type PageIn struct {
	Limit  int    `json:"limit,omitempty" jsonschema:"At most."`
	Cursor string `json:"cursor,omitempty" jsonschema:"next_cursor"`
}

// PageOut says how to go on.
type PageOut struct {
	Total int    `json:"total"`
	Next  string `json:"next_cursor,omitempty"`
}

// Rows of a page unless more are wanted, and the most.
const (
	Rows     = 40
	mostRows = 200
)

// Cut takes the page out of all.
func Cut[T any](in PageIn, all []T) ([]T, PageOut, error) {
	if in.Limit < 0 || in.Limit > mostRows {
		return nil, PageOut{}, fault.New(fault.Invalid, "limit is from 1 to %d. Ask for the rest with the cursor.", mostRows)
	}
	w, err := kit.PageIn{Limit: in.Limit, Cursor: in.Cursor}.Window(Rows)
	if err != nil {
		return nil, PageOut{}, err
	}
	page, out := kit.Cut(w, all)
	return page, PageOut{out.Total, out.NextCursor}, nil
}
