// Package mcpheader is what a request of 2026-07-28 repeats of its body in HTTP
// headers, so that proxies can route it without reading it: how a value is
// written in a header, and which arguments of a tool have one.
//
// The endpoint reads and the backend writes Mcp-Name; the gateway, which knows
// the tools' schemas, checks and fills the Mcp-Param-* headers. The package sends
// nothing.
package mcpheader

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// The marks around a header value that is written in base64.
const (
	sentinelStart = "=?base64?"
	sentinelEnd   = "?="
)

// Encode writes s as the value of an Mcp-Name or Mcp-Param-* header
// (2026-07-28, Streamable HTTP, "Value Encoding"): as it is where a header can
// carry it, otherwise in base64 between marks. The empty string is marked too,
// for proxies drop empty headers.
func Encode(s string) string {
	if plain(s) {
		return s
	}
	return sentinelStart + base64.StdEncoding.EncodeToString([]byte(s)) + sentinelEnd
}

func plain(s string) bool {
	if s == "" || s[0] == ' ' || s[len(s)-1] == ' ' {
		return false
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return !strings.HasPrefix(s, sentinelStart) || !strings.HasSuffix(s, sentinelEnd)
}

// Decode reads the value of an Mcp-Name or Mcp-Param-* header. It is
// not ok when the value holds characters that no header may, or when what stands
// between the marks is not the base64 of UTF-8.
func Decode(s string) (string, bool) {
	for i := range len(s) {
		if (s[i] < ' ' || s[i] > '~') && s[i] != '\t' {
			return "", false
		}
	}
	marked, ok := strings.CutPrefix(s, sentinelStart)
	if !ok {
		return s, true
	}
	if marked, ok = strings.CutSuffix(marked, sentinelEnd); !ok {
		return s, true
	}
	text, err := base64.StdEncoding.Strict().DecodeString(marked)
	if err != nil || !utf8.Valid(text) {
		return "", false
	}
	return string(text), true
}
