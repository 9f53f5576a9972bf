package mcpwire

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

// EncodeHeaderValue writes s as the value of an Mcp-Name or Mcp-Param-* header
// (2026-07-28, Streamable HTTP, "Value Encoding"): as it is where a header can
// carry it, otherwise in base64 between marks. The empty string is marked too,
// for proxies drop empty headers.
func EncodeHeaderValue(s string) string {
	if plainHeaderValue(s) {
		return s
	}
	return sentinelStart + base64.StdEncoding.EncodeToString([]byte(s)) + sentinelEnd
}

func plainHeaderValue(s string) bool {
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

// DecodeHeaderValue reads the value of an Mcp-Name or Mcp-Param-* header. It is
// not ok when the value holds characters that no header may, or when what stands
// between the marks is not the base64 of UTF-8.
func DecodeHeaderValue(s string) (string, bool) {
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
