package web

import (
	"fmt"
	"time"
)

// ago is a time as a person says it, relative to now.
func ago(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	d := time.Since(t)
	suffix := " ago"
	if d < 0 {
		d, suffix = -d, " from now"
	}
	switch {
	case d < time.Minute:
		if suffix == " ago" {
			return "just now"
		}
		return "in a moment"
	case d < time.Hour:
		return count(int(d.Minutes()), "minute") + suffix
	case d < 48*time.Hour:
		return count(int(d.Hours()), "hour") + suffix
	}
	return count(int(d.Hours()/24), "day") + suffix
}

// when is the exact time, for a title.
func when(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
