// Package lenient reads JSON that another program's next version may write otherwise:
// a member of an unexpected type is none, and hides nothing beside it.
//
// Package api reads what Home Assistant sends with it.
package lenient

import (
	"encoding/json"
	"strings"
	"time"
)

// Text is a member that should be text. Whatever else stands there is read as none,
// numbers as they are written.
type Text string

// UnmarshalJSON never fails.
func (t *Text) UnmarshalJSON(raw []byte) error {
	var s string
	switch {
	case json.Unmarshal(raw, &s) == nil:
		*t = Text(s)
	case len(raw) > 0 && (raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9'):
		*t = Text(raw)
	default:
		*t = ""
	}
	return nil
}

// Texts is a member that should be a list of texts.
type Texts []string

// UnmarshalJSON never fails.
func (t *Texts) UnmarshalJSON(raw []byte) error {
	*t = nil
	var one string
	if json.Unmarshal(raw, &one) == nil {
		if one != "" {
			*t = Texts{one}
		}
		return nil
	}
	var all []json.RawMessage
	if json.Unmarshal(raw, &all) != nil {
		return nil
	}
	for _, r := range all {
		if string(r) != "null" && json.Unmarshal(r, &one) == nil {
			*t = append(*t, one)
		}
	}
	return nil
}

// Moment is a time as Home Assistant writes it: ISO 8601, or seconds since 1970.
type Moment struct{ time.Time }

// UnmarshalJSON never fails; what is no time is the zero.
func (m *Moment) UnmarshalJSON(raw []byte) error {
	m.Time = time.Time{}
	var seconds float64
	if json.Unmarshal(raw, &seconds) == nil && len(raw) > 0 && raw[0] != 'n' {
		m.Time = Seconds(seconds)
		return nil
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		m.Time = ParseTime(text)
	}
	return nil
}

// Seconds is a time from seconds since 1970.
func Seconds(s float64) time.Time { return time.UnixMicro(int64(s * 1e6)).UTC() }

// ParseTime reads a time that Home Assistant wrote; the zero where it is none.
func ParseTime(text string) time.Time {
	text = strings.Replace(text, " ", "T", 1)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t
		}
	}
	return time.Time{}
}
