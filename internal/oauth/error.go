package oauth

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"drawbridge/internal/fault"
)

// Error is what an OAuth endpoint answers: a word of the specifications and a
// sentence for whoever reads the client's log. The sentence never comes from Err.
type Error struct {
	Word   string // such as invalid_grant
	Public string
	Status int           // of the JSON answer; 0: 400
	After  time.Duration // Retry-After; 0: none
	Err    error         // for the log
}

// Errorf makes an error with a word and a public sentence, answered with 400.
func Errorf(word, format string, args ...any) *Error {
	return &Error{Word: word, Public: fmt.Sprintf(format, args...)}
}

// Error is the text for logs.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.Word + ": " + e.Public
	}
	return e.Word + ": " + e.Public + ": " + e.Err.Error()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// FromFault gives any error an OAuth word: an *Error stays, a fault gets the word
// for its code, everything else is server_error.
func FromFault(err error) *Error {
	if e, ok := err.(*Error); ok { //nolint:errorlint // an Error that was wrapped has become something else
		return e
	}
	e := &Error{Word: "server_error", Public: fault.PublicOf(err), Status: fault.Status(fault.CodeOf(err)), Err: err}
	switch fault.CodeOf(err) {
	case fault.Invalid:
		e.Word = "invalid_request"
	case fault.Unauthenticated:
		e.Word = "invalid_client"
	case fault.Forbidden:
		e.Word = "access_denied"
	case fault.Limited:
		e.Word, e.After = "temporarily_unavailable", time.Minute
	case fault.Unavailable, fault.Timeout:
		e.Word, e.Status, e.After = "temporarily_unavailable", http.StatusServiceUnavailable, 5*time.Second
	}
	return e
}

// WriteError answers with an error as JSON (RFC 6749, 5.2). A client that tried
// HTTP Basic is told the scheme with invalid_client.
func WriteError(w http.ResponseWriter, r *http.Request, e *Error) {
	status := e.Status
	switch {
	case status == 0 && e.Word == "invalid_client":
		status = http.StatusUnauthorized
	case status == 0:
		status = http.StatusBadRequest
	}
	if e.Word == "invalid_client" && r.Header.Get("Authorization") != "" {
		w.Header().Set("WWW-Authenticate", `Basic realm="drawbridge"`)
	}
	if e.After > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((e.After+time.Second-1)/time.Second)))
	}
	WriteJSON(w, status, struct {
		Error string `json:"error"`
		Text  string `json:"error_description,omitempty"`
	}{e.Word, e.Public})
}

// WriteJSON answers with JSON that nobody may keep.
func WriteJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"error":"server_error"}`)
	}
	WriteBody(w, status, body)
}

// WriteBody answers with JSON that is encoded already.
func WriteBody(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that is gone needs no answer
}
