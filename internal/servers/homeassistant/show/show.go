// Package show makes what came from a house fit to be shown to a model: states in a
// few words, times of the house, text that is clipped and free of what tricks a
// reader.
//
// The tools of the homeassistant server use it. It asks nobody.
package show

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/homeassistant/api"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/kit/pattern"
)

// Room in an answer, in bytes.
const (
	Rows     = 50
	TextRoom = 14 << 10
	Word     = 120 // of a name or a state
)

// Zone is the time zone of a house; UTC where this machine does not know it.
func Zone(c api.Config) *time.Location {
	if zone, err := time.LoadLocation(string(c.TimeZone)); err == nil {
		return zone
	}
	return time.UTC
}

// Time is a time in a zone, to the minute; "" for none.
func Time(t time.Time, zone *time.Location) string {
	if t.Year() <= 1970 {
		return ""
	}
	return t.In(zone).Format("2006-01-02T15:04Z07:00")
}

// Exact is Time to the second.
func Exact(t time.Time, zone *time.Location) string {
	if t.Year() <= 1970 {
		return ""
	}
	return t.In(zone).Format("2006-01-02T15:04:05Z07:00")
}

// Moment reads a time that a caller sent: a time, a day, a time of day of the house,
// or how long ago, such as -2h or -3d. "" is otherwise.
func Moment(name, text string, now, otherwise time.Time, zone *time.Location) (time.Time, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return otherwise, nil
	}
	if text == "now" {
		return now, nil
	}
	if ago, ok := strings.CutPrefix(text, "-"); ok {
		if days, ok := strings.CutSuffix(ago, "d"); ok {
			if n, err := strconv.Atoi(days); err == nil && n >= 0 && n <= 3650 {
				return now.AddDate(0, 0, -n), nil
			}
		}
		if d, err := time.ParseDuration(ago); err == nil {
			return now.Add(-d), nil
		}
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			return t, nil
		}
	}
	if t, err := time.ParseInLocation("15:04", text, zone); err == nil {
		today := now.In(zone)
		return time.Date(today.Year(), today.Month(), today.Day(), t.Hour(), t.Minute(), 0, 0, zone), nil
	}
	return now, fault.New(fault.Invalid, "%s is not a time. Send it as 2026-01-31, 2026-01-31T18:30, 18:30 (today in the house), or -2h, -3d.", name)
}

// Clip is the beginning of a text, at most n bytes and whole runes, on one line.
func Clip(text string, n int) string {
	return kit.Clip(Plain(strings.NewReplacer("\n", " ", "\t", " ", "|", "/").Replace(text)), n)
}

// Plain is kit.Plain.
func Plain(text string) string { return kit.Plain(text) }

// tokenRule finds what opens a picture or a stream in an address: its token, or user
// and password.
var tokenRule = pattern.New(`(?i)\b((?:(?:access_?)?token|authsig|password|api_?key)=)[^&"'\s\\]+|(://)[^/@"'\s]+@`)

// Hide is text without what opens something in addresses.
func Hide(text string) string { return tokenRule().ReplaceAllString(text, "$1$2***") }

// Row joins cells to a line of a table; empty ones at the end are left out.
func Row(cells ...string) string {
	for len(cells) > 0 && cells[len(cells)-1] == "" {
		cells = cells[:len(cells)-1]
	}
	return strings.Join(cells, " | ")
}

// Number is a number with as many digits as people read.
func Number(f float64) string {
	if a := math.Abs(f); a >= 100 || a == math.Trunc(a) {
		f = math.Round(f*10) / 10
	} else {
		f = math.Round(f*100) / 100
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

// State is a state with what matters of its attributes: "on 80%", "21.5 °C",
// "heat 19.5->21".
func State(s api.State) string {
	state, a := Clip(string(s.State), Word), s.Attributes
	if unit := a.Text("unit_of_measurement"); unit != "" {
		return state + " " + Clip(unit, 20)
	}
	var more []string
	add := func(format string, args ...any) { more = append(more, fmt.Sprintf(format, args...)) }
	switch api.DomainOf(s.ID) {
	case "light":
		if b, ok := a.Number("brightness"); ok {
			add("%d%%", Percent(b))
		}
		if k, ok := a.Number("color_temp_kelvin"); ok {
			add("%dK", int(k))
		}
	case "fan":
		if p, ok := a.Number("percentage"); ok && s.State == "on" {
			add("%s%%", Number(p))
		}
	case "cover", "valve":
		if p, ok := a.Number("current_position"); ok {
			add("%s%%", Number(p))
		}
	case "climate", "water_heater", "humidifier":
		more = append(more, climate(a)...)
	case "media_player":
		if v, ok := a.Number("volume_level"); ok {
			add("volume %d%%", int(math.Round(v*100)))
		}
		if source := a.Text("source"); source != "" {
			add("source %s", Clip(source, 40))
		}
		if title := a.Text("media_title"); title != "" {
			add("playing %s", Clip(title, 60))
		}
	}
	return strings.Join(append([]string{state}, more...), " ")
}

func climate(a api.Attributes) (more []string) {
	for _, pair := range [][2]string{{"current_temperature", "temperature"}, {"current_humidity", "humidity"}} {
		is, measured := a.Number(pair[0])
		want, set := a.Number(pair[1])
		switch {
		case measured && set:
			more = append(more, Number(is)+"->"+Number(want))
		case set:
			more = append(more, "->"+Number(want))
		case measured:
			more = append(more, Number(is))
		}
	}
	if action := a.Text("hvac_action"); action != "" {
		more = append(more, "("+Clip(action, 20)+")")
	}
	return more
}

// Percent is a brightness of 0 to 255 as Home Assistant shows it.
func Percent(brightness float64) int { return int(math.Round(brightness / 255 * 100)) }

// Since is how long something has been so: "3m", "5h", "12d".
func Since(t, now time.Time) string {
	if t.Year() <= 1970 {
		return ""
	}
	return Span(now.Sub(t))
}

// Span is a time in one unit.
func Span(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return strconv.Itoa(int(d.Seconds())) + "s"
	case d < 2*time.Hour:
		return strconv.Itoa(int(d.Minutes())) + "m"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d.Hours())) + "h"
	}
	return strconv.Itoa(int(d.Hours())/24) + "d"
}

// Cut is the beginning of a text of several lines, at most n bytes and whole runes.
func Cut(text string, n int) string {
	text = Plain(text)
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + "..."
}

// Fit joins as many lines as an answer holds.
func Fit(lines []string) string {
	size := 0
	for i, l := range lines {
		if size += len(l) + 1; size > TextRoom {
			return strings.Join(lines[:i], "\n") + "\n... more: ask for less at once"
		}
	}
	return strings.Join(lines, "\n")
}
