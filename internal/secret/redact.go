package secret

import (
	"cmp"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// minRedact is the shortest value Redact looks for: shorter ones occur in
// ordinary text and would eat it.
const minRedact = 4

// ownToken matches what NewToken makes, of whichever kind.
var ownToken = regexp.MustCompile(`\bdb[a-z]{1,3}_[0-9A-Za-z]{20,}`)

// Redact replaces every occurrence of the secrets in text, plain or escaped as
// in a URL, and everything that looks like one of our own tokens. It is for text
// that others wrote: a child's stderr, an upstream's error.
func Redact(text string, secrets ...String) string {
	var forms []string
	for _, s := range secrets {
		if len(s.v) >= minRedact {
			forms = append(forms, s.v, url.QueryEscape(s.v), url.PathEscape(s.v))
		}
	}
	// The longest first, or a secret that contains another would show its rest.
	slices.SortFunc(forms, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for _, form := range forms {
		text = strings.ReplaceAll(text, form, Mask)
	}
	return ownToken.ReplaceAllString(text, Mask)
}
