package catalogue

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Lengths of exposed names. Model APIs allow 64 characters with the client's own
// prefix in them (protocol reference 5, "Tool names").
const (
	maxName     = 64
	maxPrefixed = 40
	hashChars   = 6
)

// exposedName is the name under which clients see a backend's tool or prompt. It
// depends on nothing but the backend's prefix and the original name, so it never
// changes because another backend joins.
func exposedName(prefix, original string) string {
	limit := maxName
	full := original
	if prefix != "" && original != prefix && !strings.HasPrefix(original, prefix+"_") {
		full, limit = prefix+"_"+original, maxPrefixed
	}
	name := sanitise(full)
	if len(name) <= limit {
		return name
	}
	sum := sha256.Sum256([]byte(full))
	return name[:limit-hashChars-1] + "_" + hex.EncodeToString(sum[:])[:hashChars]
}

// sanitise makes a name fit ^[A-Za-z][A-Za-z0-9_-]*$.
func sanitise(s string) string {
	fit := true
	for i := range len(s) {
		fit = fit && fits(s[i], i == 0)
	}
	if fit && s != "" {
		return s
	}
	out := []byte(s)
	for i, c := range out {
		if !fits(c, false) {
			out[i] = '_'
		}
	}
	if len(out) == 0 || !fits(out[0], true) {
		return "x" + string(out)
	}
	return string(out)
}

func fits(c byte, head bool) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
		return true
	case c >= '0' && c <= '9', c == '_', c == '-':
		return !head
	}
	return false
}
