package records

import (
	"math/bits"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Both engines get the same words: folded here, so that neither's idea of a
// word, an accent or a case decides what is found.

// maxIndexed bounds the words of one document; PostgreSQL holds 1 MB at most.
const maxIndexed = 256 << 10

// maxWord bounds a word: longer ones are data, not language.
const maxWord = 100

// accents maps Latin letters with marks to those without.
var accents = func() map[rune]string {
	m := map[rune]string{'ß': "ss", 'æ': "ae", 'œ': "oe", 'ø': "o", 'đ': "d", 'ð': "d", 'þ': "th", 'ł': "l", 'ı': "i"}
	for plain, marked := range map[string]string{
		"a": "àáâãäåāăą", "c": "çćĉċč", "d": "ď", "e": "èéêëēĕėęě", "g": "ĝğġģ", "h": "ĥħ", "i": "ìíîïĩīĭį", "j": "ĵ", "k": "ķ",
		"l": "ĺļľŀ", "n": "ñńņňŉ", "o": "òóôõöōŏő", "r": "ŕŗř", "s": "śŝşšș", "t": "ţťŧț", "u": "ùúûüũūŭůűų", "w": "ŵ", "y": "ýÿŷ", "z": "źżž",
	} {
		for _, r := range marked {
			m[r] = plain
		}
	}
	return m
}()

// fold splits text into words of lower-case letters and digits without accents.
func fold(text string) []string {
	var words []string
	size := 0
	for word := range strings.FieldsFuncSeq(text, between) {
		word = foldWord(word)
		if word == "" || len(word) > maxWord {
			continue
		}
		if size += len(word) + 1; size > maxIndexed {
			break
		}
		words = append(words, word)
	}
	return words
}

// between tells what separates words.
func between(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.Is(unicode.Mn, r)
}

func foldWord(word string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(word) {
		switch plain, ok := accents[r]; {
		case ok:
			b.WriteString(plain)
		case !unicode.Is(unicode.Mn, r): // a mark of its own, after a plain letter
			b.WriteRune(r)
		}
	}
	return b.String()
}

// phrases are the terms of a query: words, and "quoted words" that must stand
// together.
func phrases(query string) (all [][]string) {
	for i, part := range strings.Split(query, `"`) {
		words := fold(part)
		if i%2 == 1 && len(words) > 0 {
			all = append(all, words)
			continue
		}
		for _, w := range words {
			all = append(all, []string{w})
		}
	}
	return all
}

// snippetSize is about how much text a hit shows.
const snippetSize = 240

// snippet is the part of text where the most of the words stand closest together,
// marked with **.
func snippet(text string, words []string) string {
	var hits []wordAt
	for from := 0; from < len(text); {
		r, n := utf8.DecodeRuneInString(text[from:])
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			from += n
			continue
		}
		to := len(text)
		if n := strings.IndexFunc(text[from:], between); n >= 0 {
			to = from + n
		}
		if word := alike(foldWord(text[from:to]), words); word >= 0 {
			hits = append(hits, wordAt{from, to, word})
		}
		from = to
	}
	from, to := densest(hits)
	lead := max(0, min(snippetSize/4, snippetSize-(to-from)))
	start := max(0, from-lead)
	end := min(len(text), start+snippetSize)
	for start > 0 && !utf8.RuneStart(text[start]) {
		start--
	}
	for end < len(text) && !utf8.RuneStart(text[end]) {
		end++
	}
	var b strings.Builder
	if start > 0 {
		b.WriteString("...")
	}
	at := start
	for _, h := range hits {
		if h.from < at || h.to > end {
			continue
		}
		b.WriteString(text[at:h.from] + "**" + text[h.from:h.to] + "**")
		at = h.to
	}
	b.WriteString(text[at:end])
	if end < len(text) {
		b.WriteString("...")
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// wordAt is one of the words looked for, in a text.
type wordAt struct{ from, to, word int }

// densest is where the most of the words stand within a snippet, closest together.
func densest(hits []wordAt) (from, to int) {
	var best struct{ words, from, to int }
	for i, h := range hits {
		var seen uint64 // which of the words, the first 64 of them
		to := h.to
		for _, other := range hits[i:] {
			if other.to-h.from > snippetSize {
				break
			}
			if seen&(1<<other.word) == 0 {
				seen, to = seen|1<<other.word, other.to
			}
		}
		n := bits.OnesCount64(seen)
		if n > best.words || n == best.words && to-h.from < best.to-best.from {
			best.words, best.from, best.to = n, h.from, to
		}
	}
	return best.from, best.to
}

// alike gives which of words a stemmer would take word for, or -1: the engines
// keep their stems to themselves, so this only marks, it does not find.
func alike(word string, words []string) int {
	for i, w := range words {
		same := 0
		for same < len(word) && same < len(w) && word[same] == w[same] {
			same++
		}
		if same == len(word) && same == len(w) || same >= 3 && max(len(word), len(w))-same <= 3 {
			return i
		}
	}
	return -1
}
