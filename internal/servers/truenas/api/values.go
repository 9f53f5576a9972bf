package api

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// Time is a time as the middleware writes it: {"$date": milliseconds}, or a text. null
// is the zero time.
type Time struct{ time.Time }

// UnmarshalJSON reads every form of it, and nothing from others.
func (t *Time) UnmarshalJSON(raw []byte) error {
	var wrapped struct {
		Date *int64 `json:"$date"`
	}
	var text string
	switch {
	case json.Unmarshal(raw, &wrapped) == nil && wrapped.Date != nil:
		t.Time = time.UnixMilli(*wrapped.Date)
	case json.Unmarshal(raw, &text) == nil:
		t.Time, _ = time.Parse(time.RFC3339, text) // the zero time where it is another form
	}
	return nil
}

// Property is a property of ZFS.
type Property struct {
	Parsed json.RawMessage `json:"parsed"`
	Raw    *string         `json:"rawvalue"`
	Value  *string         `json:"value"`
	Source string          `json:"source"`
}

// Text is the value as people read it; "" for none.
func (p Property) Text() string {
	if p.Value == nil {
		return ""
	}
	return *p.Value
}

// Bytes is the value as a number; 0 for none.
func (p Property) Bytes() int64 {
	if p.Raw != nil {
		if n, err := strconv.ParseInt(*p.Raw, 10, 64); err == nil {
			return n
		}
	}
	var f float64
	if json.Unmarshal(p.Parsed, &f) == nil {
		return int64(f)
	}
	return 0
}

// Seconds is the value as a time: seconds since 1970, or one of the middleware's.
func (p Property) Seconds() time.Time {
	if p.Raw != nil {
		if n, err := strconv.ParseInt(*p.Raw, 10, 64); err == nil {
			return time.Unix(n, 0)
		}
	}
	var t Time
	_ = json.Unmarshal(p.Parsed, &t) // never fails
	return t.Time
}

// Number is an integer that the middleware writes as a number or as a text.
type Number int64

// UnmarshalJSON reads both; anything else is 0.
func (n *Number) UnmarshalJSON(raw []byte) error {
	f, err := strconv.ParseFloat(strings.Trim(string(raw), `"`), 64)
	if err == nil {
		*n = Number(f)
	}
	return nil
}

// ID is an identifier that is a number in some releases and a text in others: the JSON
// of it.
type ID string

// UnmarshalJSON keeps what there is.
func (id *ID) UnmarshalJSON(raw []byte) error {
	*id = ID(raw)
	return nil
}

// Param is the identifier as a parameter, of the type it came as.
func (id ID) Param() any { return json.RawMessage(id) }
