package access

import (
	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
)

// PageIn and PageOut are the kit's, said shorter: they stand in many tools.
type PageIn struct {
	Limit  int    `json:"limit,omitempty" jsonschema:"At most."`
	Cursor string `json:"cursor,omitempty" jsonschema:"next_cursor."`
}

// PageOut says how to go on.
type PageOut struct {
	Next string `json:"next_cursor,omitempty"`
}

// MostRows bounds a page.
const MostRows = 200

// Window reads the arguments; limit is used where none is given.
func (in PageIn) Window(limit int) (kit.Window, error) {
	if in.Limit < 0 || in.Limit > MostRows {
		return kit.Window{}, fault.New(fault.Invalid, "limit is from 1 to %d. Ask for the rest with the cursor.", MostRows)
	}
	return kit.PageIn{Limit: in.Limit, Cursor: in.Cursor}.Window(limit)
}

// Fit is kit.Fit for a page of which is known only whether another one follows.
func Fit[T any](w kit.Window, page []T, more bool) ([]T, PageOut) {
	total := w.Offset + len(page)
	if more {
		total++
	}
	page, out := kit.Fit(w, page, total)
	return page, PageOut{out.NextCursor}
}

// Cut is kit.Cut.
func Cut[T any](w kit.Window, all []T) ([]T, PageOut) {
	page, out := kit.Cut(w, all)
	return page, PageOut{out.NextCursor}
}
