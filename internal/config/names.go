package config

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

var namePattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*$`)

// Names of tools are shortened beyond 40 characters; a longer backend name would
// leave nothing of the tool's own.
const maxName = 32

// CheckName says what is wrong with the name or prefix of a backend, or nil.
func CheckName(name string) error {
	switch {
	case !namePattern.MatchString(name):
		if fixed := CleanName(name); fixed != "" {
			return fmt.Errorf("%q is no usable name: use letters, digits, _ and -, a letter first; write for example %s", name, fixed)
		}
		return fmt.Errorf("%q is no usable name: use letters, digits, _ and -, a letter first", name)
	case len(name) > maxName:
		return fmt.Errorf("%q has %d characters; shorten it to %d", name, len(name), maxName)
	}
	return nil
}

// CleanName makes a usable name of any text, or "".
func CleanName(name string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) || r == '_' || r == '-':
			return r
		}
		return '_'
	}, name)
	clean = strings.TrimLeftFunc(clean, func(r rune) bool { return !unicode.IsLetter(r) })
	for strings.Contains(clean, "__") {
		clean = strings.ReplaceAll(clean, "__", "_")
	}
	return strings.TrimRight(clean[:min(len(clean), maxName)], "_-")
}

// didYouMean is " (did you mean x?)" for a known word close to name, or "".
func didYouMean(name string, known []string) string {
	best, distance := "", max(1, len(name)/3)+1
	for _, k := range known {
		if d := editDistance(squash(name), squash(k)); d < distance {
			best, distance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %s?)", best)
}

// squash makes stateDir, state-dir and state_dir the same.
func squash(s string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(s))
}

// editDistance is Levenshtein's, in bytes.
func editDistance(a, b string) int {
	a, b = a[:min(len(a), 64)], b[:min(len(b), 64)]
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
