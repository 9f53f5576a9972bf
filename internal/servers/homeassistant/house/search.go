package house

import (
	"slices"
	"strings"
	"time"
	"unicode"
)

// Filter is what a search looks for. Empty members do not count.
type Filter struct {
	Query   string
	Domains []string
	Area    string // id
	Label   string // id
	Class   string
	State   string
	Since   time.Time
	Aliases map[string][]string // of entities, where they are known
	Extra   bool                // settings, diagnoses and hidden ones, too
}

// Search finds entities, the best first.
func (h *House) Search(f Filter) []*Entity {
	words := fold(f.Query)
	type scored struct {
		e *Entity
		n int
	}
	var found []scored
	for _, e := range h.Entities {
		if !f.takes(e) {
			continue
		}
		n := 1
		if len(words) > 0 {
			n = h.score(e, words, f.Aliases[e.ID])
		}
		if n > 0 {
			found = append(found, scored{e, n})
		}
	}
	slices.SortStableFunc(found, func(a, b scored) int { return b.n - a.n })
	all := make([]*Entity, len(found))
	for i, s := range found {
		all[i] = s.e
	}
	return all
}

func (f Filter) takes(e *Entity) bool {
	switch {
	case len(f.Domains) > 0 && !slices.Contains(f.Domains, e.Domain),
		f.Area != "" && e.Area != f.Area,
		f.Label != "" && !slices.Contains(e.Labels, f.Label),
		f.Class != "" && e.Class() != f.Class,
		f.State != "" && !strings.EqualFold(string(e.State.State), f.State),
		!f.Since.IsZero() && e.State.LastChanged.Before(f.Since),
		!f.Extra && (e.Hidden || e.Extra) && f.Query == "":
		return false
	}
	return true
}

// score tells how well an entity fits words: each has to be found, in the name best,
// at the beginning of a word better than inside, or with one letter wrong.
func (h *House) score(e *Entity, words, aliases []string) int {
	places := []struct {
		worth int
		in    []string
	}{
		{12, fold(e.Name)},
		{12, fold(strings.Join(aliases, " "))},
		{8, fold(strings.ReplaceAll(strings.TrimPrefix(e.ID, e.Domain+"."), "_", " "))},
		{6, fold(h.AreaName(e.Area) + " " + h.FloorName(e.Area))},
		{4, fold(e.Domain + " " + e.Class())},
	}
	if a := h.areas[e.Area]; a != nil {
		places[3].in = append(places[3].in, fold(strings.Join(a.Aliases, " "))...)
	}
	total := 0
	for _, w := range words {
		best := 0
		for _, p := range places {
			for _, have := range p.in {
				best = max(best, p.worth*like(w, have))
			}
		}
		if best == 0 {
			return 0
		}
		total += best
	}
	if e.Hidden || e.Extra {
		total = total*3/4 + 1
	}
	return total
}

// like tells how well a word fits another: 4 the same, 3 its beginning, 2 inside of
// it, 1 with one letter wrong, 0 not.
func like(w, have string) int {
	switch {
	case w == have:
		return 4
	case strings.HasPrefix(have, w):
		return 3
	case len(w) > 2 && strings.Contains(have, w):
		return 2
	case len(w) > 3 && near(w, have):
		return 1
	case strings.TrimSuffix(w, "s") == have: // lights, lamps
		return 3
	}
	return 0
}

// near tells whether one letter was mistyped, left out, added, or swapped with its
// neighbour.
func near(a, b string) bool {
	ra, rb := []rune(a), []rune(b)
	if len(ra) > len(rb) {
		ra, rb = rb, ra
	}
	if len(rb)-len(ra) > 1 {
		return false
	}
	i := 0
	for i < len(ra) && ra[i] == rb[i] {
		i++
	}
	rest := func(x []rune, n int) string {
		if i+n > len(x) {
			return ""
		}
		return string(x[i+n:])
	}
	if len(ra) != len(rb) {
		return rest(ra, 0) == rest(rb, 1)
	}
	return rest(ra, 1) == rest(rb, 1) || i+1 < len(ra) && ra[i] == rb[i+1] && ra[i+1] == rb[i] && rest(ra, 2) == rest(rb, 2)
}

// fold makes words of a text, in lower case and without accents that are often left
// out.
func fold(text string) []string {
	text = strings.Map(func(r rune) rune {
		r = unicode.ToLower(r)
		if to, ok := plain[r]; ok {
			return to
		}
		return r
	}, text)
	return strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) })
}

// plain are letters with what people type for them.
var plain = map[rune]rune{'ä': 'a', 'ö': 'o', 'ü': 'u', 'á': 'a', 'à': 'a', 'â': 'a', 'å': 'a', 'ã': 'a', 'é': 'e', 'è': 'e', 'ê': 'e', 'ë': 'e',
	'í': 'i', 'ì': 'i', 'î': 'i', 'ï': 'i', 'ó': 'o', 'ò': 'o', 'ô': 'o', 'õ': 'o', 'ø': 'o', 'ú': 'u', 'ù': 'u', 'û': 'u', 'ñ': 'n', 'ç': 'c'}
