package auth

import (
	"net/http"
	"strings"
)

const maxToken = 512 // bytes; ours have 53

// bearer takes the token out of the one Authorization header.
func bearer(h http.Header) (string, error) {
	values := h["Authorization"] // net/http has canonical names only
	switch len(values) {
	case 0:
		return "", ErrNoCredential
	case 1:
	default: // Get would silently take the first
		return "", ErrMalformed
	}
	scheme, token, ok := strings.Cut(values[0], " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") || !wellFormed(token) {
		return "", ErrMalformed
	}
	return token, nil
}

// wellFormed tells whether a token may be looked up: bounded, visible ASCII, and
// no comma, which would join two credentials (RFC 9110, section 11.6.2).
func wellFormed(token string) bool {
	if token == "" || len(token) > maxToken {
		return false
	}
	for i := range len(token) {
		if c := token[i]; c <= ' ' || c > '~' || c == ',' {
			return false
		}
	}
	return true
}
