// Package show makes what came from a Forgejo fit to be shown to a model: clipped,
// free of what tricks a terminal or a reader's eye, cut where an answer ends.
//
// The tools of the forgejo server use it. It knows nothing of the API.
package show

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
)

// Room in an answer, in bytes.
const (
	Rows     = 20       // of a list, unless more are wanted
	TextRoom = 14 << 10 // of raw text in one answer
	BodyRoom = 4 << 10  // of a description
	NoteRoom = 2 << 10  // of one comment
)

// Clip is the beginning of outside text, at most n bytes and whole runes.
func Clip(text string, n int) kit.Untrusted { return kit.Untrusted(kit.Clip(text, n)) }

// Within keeps as many items as fit n bytes, but at least one.
func Within[T any](items []T, n int) []T {
	size := 0
	for i := range items {
		if size += len(kit.Compact(items[i])); size > n && i > 0 {
			return items[:i]
		}
	}
	return items
}

// Lines is the lines of a text from one on (0 is the first) that fit an answer,
// and the line to go on from, or 0.
func Lines(text string, from int) (part string, next int, err error) {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if from >= len(lines) && from > 0 {
		return "", 0, fault.New(fault.Invalid, "There are only %d lines. Ask with a smaller offset.", len(lines))
	}
	var b strings.Builder
	for i := from; i < len(lines); i++ {
		line := string(Clip(lines[i], NoteRoom))
		if b.Len()+len(line) > TextRoom {
			return b.String(), i, nil
		}
		b.WriteString(line + "\n")
	}
	return b.String(), 0, nil
}

// Short is the beginning of a commit's id, as people write it.
func Short(sha string) string { return sha[:min(len(sha), 10)] }

// IsText tells text from bytes that only a program can read.
func IsText(content []byte) bool { return utf8.Valid(content) && !bytes.ContainsRune(content, 0) }

// Join is names or lines of outside text as one text, as many as fit n bytes: one
// text costs its marks once.
func Join(all []string, separator string, n int) kit.Untrusted {
	var b strings.Builder
	for i, one := range all {
		one = string(Clip(Plain(one), n/2))
		if b.Len()+len(one) > n {
			b.WriteString("...")
			break
		}
		if i > 0 {
			b.WriteString(separator)
		}
		b.WriteString(one)
	}
	return kit.Untrusted(b.String())
}

// Ref is the name of a branch, tag or workflow. Git lets it hold neither blanks nor
// control characters, so that it is shown as it is.
func Ref(name string) string { return string(Clip(Plain(name), 200)) }

// Plain is kit.Plain.
func Plain(text string) string { return kit.Plain(text) }
