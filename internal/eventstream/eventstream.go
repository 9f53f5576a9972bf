// Package eventstream reads and writes the event stream format of the HTML
// standard (section 9.2, server-sent events), byte by byte as it says: a byte
// order mark at the start, lines that end in CR, LF or CRLF, comments, data of
// several lines. An event that the end of the stream cuts off is dropped.
//
// It neither reconnects nor keeps a last event id; the transports and endpoints
// that call it do. Data is not checked to be UTF-8 or JSON.
package eventstream

import (
	"errors"
	"time"
)

// ErrTooLarge says that one event is larger than the reader allows.
var ErrTooLarge = errors.New("event too large")

// Event is one block of fields. A block without a data field is no event to a
// browser; it is returned all the same when it holds an id or retry, with Data nil.
type Event struct {
	ID    string
	Name  string // "" means "message"
	HasID bool   // tells an empty id, which resets the last event id, from none
	Data  []byte // empty but not nil for an empty data field
	Retry time.Duration
}

// maxRetry caps what a server may ask for in a retry field.
const maxRetry = 24 * time.Hour
