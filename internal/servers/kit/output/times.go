package output

import (
	"time"

	"drawbridge/internal/fault"
)

// minute is how a time is written for a model.
const minute = "2006-01-02T15:04Z"

// Time is a time for a model: to the minute; "" for none.
func Time(t time.Time) string {
	if t.Year() <= 1970 { // the zero of Go, and that of a database
		return ""
	}
	return t.UTC().Format(minute)
}

// Moment reads a time that a caller sent as the argument name; "" is none.
func Moment(name, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, minute, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fault.New(fault.Invalid, "%s is not a time. Send it as 2026-01-31 or 2026-01-31T12:00:00Z.", name)
}
