package task

import (
	"strconv"
	"time"

	"drawbridge/internal/mcpwire"
)

// The statuses that are told apart here; input_required is as good as working.
const (
	statusWorking   = "working"
	statusCompleted = "completed"
	statusFailed    = "failed"
	statusCancelled = "cancelled"
)

// state is how a task of 2025-11-25 is.
type state struct {
	status  string
	message string // of the backend's, for people; may be ""
	poll    time.Duration
}

// stateOf reads a task object. It is not ok for one without a status.
func stateOf(task []byte) (s state, ok bool) {
	if s.status, ok = mcpwire.TextMember(task, "status"); !ok {
		return s, false
	}
	s.message, _ = mcpwire.TextMember(task, "statusMessage")
	s.message = clip(s.message, maxMessage)
	s.poll = pollOf(mcpwire.Member(task, "pollInterval"))
	return s, true
}

// ended tells a status that a task never leaves.
func (s state) ended() bool {
	return s.status == statusCompleted || s.status == statusFailed || s.status == statusCancelled
}

// How often a task is looked at, whatever its backend suggests.
const (
	minPoll     = 250 * time.Millisecond
	maxPoll     = 30 * time.Second
	defaultPoll = time.Second
)

// pollOf is a pollInterval, which counts milliseconds, within bounds.
func pollOf(raw []byte) time.Duration {
	ms, ok := number(raw)
	switch {
	case !ok:
		return defaultPoll
	case ms >= float64(maxPoll/time.Millisecond):
		return maxPoll
	}
	return max(time.Duration(ms*float64(time.Millisecond)), minPoll)
}

// number reads a JSON number.
func number(raw []byte) (float64, bool) {
	n, err := strconv.ParseFloat(string(raw), 64)
	return n, err == nil
}

// maxMessage bounds what is passed on of a backend's status message.
const maxMessage = 1 << 10

// clip cuts s to at most n bytes at a character's edge.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n]
}
