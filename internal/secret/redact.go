package secret

import (
	"cmp"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// minRedact is the shortest value a Redactor looks for: shorter ones occur in
// ordinary words and would black them out.
const minRedact = 6

// ownToken matches what NewToken makes, of whichever kind.
var ownToken = regexp.MustCompile(`\bdb[a-z]{1,3}_[0-9A-Za-z]{20,}`)

// Redactor takes secrets out of text that others wrote, such as a child's
// standard error. Safe for concurrent use.
type Redactor struct{ hide *strings.Replacer }

// NewRedactor looks for each line of the secrets, plain or escaped as in a URL.
func NewRedactor(secrets ...String) *Redactor {
	var forms []string
	for _, s := range secrets {
		for line := range strings.Lines(s.v) {
			if line = strings.TrimSpace(line); len(line) >= minRedact {
				forms = append(forms, line, url.QueryEscape(line), url.PathEscape(line))
			}
		}
	}
	// The longest first, or a secret that contains another would show its rest.
	slices.SortFunc(forms, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	var pairs []string
	for _, form := range forms {
		pairs = append(pairs, form, Mask)
	}
	return &Redactor{strings.NewReplacer(pairs...)}
}

// Redact masks the secrets in text, and everything that looks like one of our own
// tokens.
func (r *Redactor) Redact(text string) string {
	return MaskTokens(r.hide.Replace(text))
}

// MaskTokens masks everything in text that looks like one of our own tokens: people
// paste a key where its name is asked for.
func MaskTokens(text string) string { return ownToken.ReplaceAllString(text, Mask) }
