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
