// Package show makes what came from ERPNext fit to be shown to a model: without what
// is empty or only bookkeeping, clipped, free of what tricks a reader's eye.
//
// The tools of the erpnext server use it. It knows nothing of the API's paths.
package show

import (
	"encoding/json"
	"fmt"
	"html"
	"slices"
	"sort"
	"strings"

	"drawbridge/internal/servers/erpnext/api"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/kit/pattern"
)

// Room in an answer.
const (
	Rows      = 20       // of a list or table, unless more are wanted
	CellRoom  = 300      // bytes of a text in a list
	ValueRoom = 4 << 10  // bytes of a text in a document
	WordsRoom = 1200     // bytes of what ERPNext says of a mistake
	TextRoom  = 14 << 10 // bytes of a document in one answer
)

// bookkeeping are members of a document that say nothing about it.
var bookkeeping = []string{"doctype", "idx", "owner", "creation", "modified_by", "parent", "parentfield", "parenttype", "name", "modified", "docstatus", "naming_series", "letter_head", "language", "select_print_heading", "group_same_items"}

// Document is a document as a model reads it: no empty members, no bookkeeping, no
// private members. Rows keep their names, which changes of rows need.
func Document(doc api.Doc) api.Doc {
	out := api.Doc{}
	for k, v := range doc {
		if strings.HasPrefix(k, "_") || slices.Contains(bookkeeping, k) || Empty(v) {
			continue
		}
		out[k] = Value(v, ValueRoom)
	}
	return out
}

// Row is a row of a table as a model reads it.
func Row(row api.Doc) api.Doc {
	out := Document(row)
	for _, k := range []string{"name", "idx"} {
		if !Empty(row[k]) {
			out[k] = row[k]
		}
	}
	return out
}

// Empty tells null, no text, zero, and an empty table.
func Empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case bool:
		return !v
	case []any:
		return len(v) == 0
	case json.Number:
		n, err := v.Float64()
		return err == nil && n == 0
	}
	return false
}

// Value is a value with its texts made plain and clipped.
func Value(v any, room int) any {
	switch v := v.(type) {
	case string:
		return Clip(Plain(v), room)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = Value(v[i], room)
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for k := range v {
			out[k] = Value(v[k], room)
		}
		return out
	}
	return v
}

// Cell is a value in a few words, for people.
func Cell(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case string:
		if v == "" {
			return "nothing"
		}
		return fmt.Sprintf("%q", Clip(Plain(v), CellRoom))
	case json.Number:
		return v.String()
	case []any:
		return fmt.Sprintf("%d rows", len(v))
	}
	return Clip(JSON(v), CellRoom)
}

// JSON is a value as JSON; null, too.
func JSON(v any) string {
	if v == nil {
		return "null"
	}
	return kit.Compact(v)
}

// Names are the members of a document in order.
func Names(doc api.Doc) []string {
	names := make([]string, 0, len(doc))
	for k := range doc {
		names = append(names, k)
	}
	sort.Strings(names)
	return names
}

// Clip is kit.Clip.
func Clip(text string, n int) string { return kit.Clip(text, n) }

// Plain is kit.Plain.
func Plain(text string) string { return kit.Plain(text) }

// breaks are the tags that end a line, tags are all.
var (
	breaks = pattern.New(`(?i)<(?:br|/p|/div|/li|/tr|/h[1-6])\b[^>]*>`)
	tags   = pattern.New(`<[^>]*>`)
	blanks = pattern.New(`[ \t]+`)
	lines  = pattern.New(`\s*\n\s*`)
)

// Words are a message of ERPNext without its HTML, on one line.
func Words(message string) string {
	text := tags().ReplaceAllString(breaks().ReplaceAllString(message, "\n"), "")
	text = blanks().ReplaceAllString(Plain(html.UnescapeString(text)), " ")
	return lines().ReplaceAllString(strings.TrimSpace(text), "; ")
}
