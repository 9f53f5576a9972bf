// Package show makes what TrueNAS says fit to be shown to a model: sizes and times in
// few characters, HTML as text, lines clipped and free of what tricks a reader.
//
// The tools of the truenas server use it. It knows nothing of the API.
package show

import (
	"fmt"
	"html"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/kit/pattern"
)

// Room in an answer, in bytes.
const (
	TextRoom = 14 << 10 // of raw text in one answer
	NoteRoom = 400      // of an alert or an error
)

// Bytes is a size as people read it: 1.5 TiB.
func Bytes(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	f, i := float64(n), -1
	for f >= unit && i < len(units)-1 {
		f, i = f/unit, i+1
	}
	text := fmt.Sprintf("%.1f", f)
	if f >= 100 {
		text = fmt.Sprintf("%.0f", f)
	}
	return strings.TrimSuffix(text, ".0") + " " + units[i]
}

var units = []string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}

// Percent is part of whole in percent, 0 of nothing.
func Percent(part, whole int64) float64 {
	if whole <= 0 {
		return 0
	}
	return float64(part*1000/whole) / 10
}

// Long is a span of time in its two largest units: 3d 4h.
func Long(d time.Duration) string {
	switch minutes := int(d.Minutes()); {
	case minutes >= 24*60:
		return fmt.Sprintf("%dd %dh", minutes/60/24, minutes/60%24)
	case minutes >= 60:
		return fmt.Sprintf("%dh %dm", minutes/60, minutes%60)
	case minutes > 0:
		return fmt.Sprintf("%dm", minutes)
	}
	return fmt.Sprintf("%ds", int(d.Seconds()))
}

// tag matches HTML tags; TrueNAS puts links and breaks into alerts.
var (
	tag    = pattern.New(`</?[A-Za-z][^<>]{0,300}>`)
	broken = pattern.New(`(?i)<(br|p|li|div)\b[^<>]{0,200}>`)
)

// FromHTML is HTML as a text.
func FromHTML(text string) string {
	text = tag().ReplaceAllString(broken().ReplaceAllString(text, "\n"), "")
	return strings.TrimSpace(Plain(html.UnescapeString(text)))
}

// Note is a line or two of outside text.
func Note(text string) kit.Untrusted {
	return kit.Untrusted(Clip(strings.TrimSpace(Plain(text)), NoteRoom))
}

// Name is the name of something in TrueNAS: of a kind that TrueNAS restricts to harmless
// characters, and without any others.
func Name(text string) string {
	return Clip(strings.Map(func(r rune) rune {
		if r < ' ' || r == utf8.RuneError || unicode.IsControl(r) || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text), 255)
}

// Clip is kit.Clip.
func Clip(text string, n int) string { return kit.Clip(text, n) }

// Plain is kit.Plain.
func Plain(text string) string { return kit.Plain(text) }

// Few is the first of many names, and how many more there are.
func Few(names []string, most int) string {
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
