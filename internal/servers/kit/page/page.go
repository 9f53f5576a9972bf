// Package page cuts lists into pages: a cursor in, the next one out, and no page
// larger than the output budget. Package kit gives it to the tools of servers.
package page

import (
	"cmp"
	"encoding/base64"
	"strconv"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit/output"
)

// In are the arguments of a tool that answers in pages: embed it in an input. They
// stand in many tools, so they are said in few words and their bounds are not listed.
type In struct {
	Limit  int    `json:"limit,omitempty" jsonschema:"Up to 200."`
	Cursor string `json:"cursor,omitempty" jsonschema:"next_cursor."`
}

// Next is the part of an output that says how to go on, where nobody knows how many
// there are in all: embed it.
type Next struct {
	NextCursor string `json:"next_cursor,omitempty"`
}

// Out is Next where that is known.
type Out struct {
	Total int `json:"total"`
	Next
}

// Most is how many items a page can have.
const Most = 200

// Window is a part of a list.
type Window struct{ Offset, Limit int }

const cursorPrefix = "o"

// Window reads the arguments; limit is used where none is given.
func (in In) Window(limit int) (Window, error) {
	if in.Limit < 0 || in.Limit > Most {
		return Window{}, fault.New(fault.Invalid, "limit is from 1 to %d. Ask for the rest with the cursor.", Most)
	}
	w := Window{Limit: cmp.Or(in.Limit, limit)}
	if in.Cursor == "" {
		return w, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(in.Cursor)
	if err != nil {
		return w, errCursor()
	}
	digits, ok := strings.CutPrefix(string(raw), cursorPrefix)
	offset, err := strconv.Atoi(digits)
	if !ok || err != nil || offset < 0 {
		return w, errCursor()
	}
	w.Offset = offset
	return w, nil
}

func errCursor() error {
	return fault.New(fault.Invalid, "The cursor is not one of this tool. Send next_cursor of the answer before, or none to start again.")
}

func cursorAt(offset int) string {
	return base64.RawURLEncoding.EncodeToString([]byte(cursorPrefix + strconv.Itoa(offset)))
}

// Cut takes the window out of all, and less of it where the items would not fit
// the output budget. At least one item is kept.
func Cut[T any](w Window, all []T) ([]T, Out) {
	start := min(w.Offset, len(all))
	page := all[start:min(start+w.Limit, len(all))]
	return Fit(w, page, len(all))
}

// Fit is Cut for items that were read with the window's offset and limit; total
// is how many there are in all.
func Fit[T any](w Window, page []T, total int) ([]T, Out) {
	const roomForRest = 1 << 10
	size := 0
	for i := range page {
		b, err := output.Compact(page[i])
		if err != nil {
			break // the tool's own encoding will report it
		}
		if size += len(b) + 1; size > output.TextBudget-roomForRest && i > 0 {
			page = page[:i]
			break
		}
	}
	out := Out{Total: total}
	if end := w.Offset + len(page); end < total && len(page) > 0 {
		out.NextCursor = cursorAt(end)
	}
	return page, out
}

// FitMore is Fit for items of which is known only whether others follow.
func FitMore[T any](w Window, page []T, more bool) ([]T, Next) {
	total := w.Offset + len(page)
	if more {
		total++
	}
	page, out := Fit(w, page, total)
	return page, out.Next
}

// Plain is Cut without a budget, for the protocol's own lists.
func (w Window) Plain(all []any) (page []any, next string) {
	start := min(w.Offset, len(all))
	end := min(start+w.Limit, len(all))
	if end < len(all) {
		next = cursorAt(end)
	}
	return all[start:end], next
}
