package kit

import "drawbridge/internal/servers/kit/page"

// PageIn are the arguments of a tool that answers in pages: embed it, and ask its
// Window first. PageOut is the part of the output that says how to go on, PageNext the
// same where nobody knows how many there are in all: embed one of them. A Window is a
// part of a list.
type (
	PageIn   = page.In
	PageOut  = page.Out
	PageNext = page.Next
	Window   = page.Window
)

// MostItems is how many items a page can have.
const MostItems = page.Most

// Cut takes the window out of all, and less of it where the items would not fit
// the output budget. At least one item is kept.
func Cut[T any](w Window, all []T) ([]T, PageOut) { return page.Cut(w, all) }

// Fit is Cut for items that were read with the window's offset and limit; total
// is how many there are in all.
func Fit[T any](w Window, items []T, total int) ([]T, PageOut) { return page.Fit(w, items, total) }

// FitMore is Fit for items of which is known only whether others follow.
func FitMore[T any](w Window, items []T, more bool) ([]T, PageNext) {
	return page.FitMore(w, items, more)
}
