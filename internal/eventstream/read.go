package eventstream

import (
	"bytes"
	"io"
	"strings"
	"time"
)

const (
	firstBuffer = 4 << 10
	leastRead   = 512      // space below which a read is not worth it
	keptBuffer  = 64 << 10 // a larger one is given up after its event
	maxLine     = 64 << 10 // of a field other than data
	emptyReads  = 100
)

// Reader takes events from a stream. It holds one event at a time, in one buffer:
// the data gathered so far in front, what was read and not yet looked at behind.
type Reader struct {
	r        io.Reader
	maxEvent int
	err      error // of r, kept until the buffer is used up
	failed   error // what Next returned last

	buf      []byte
	from, to int // gathered data: buf[from:to]
	next     int // first byte not yet taken
	searched int // no line ends in buf[next:searched]
	end      int // end of what was read

	event   Event
	hasData bool
	started bool // the place of the byte order mark is behind us
	afterCR bool // an LF now belongs to the line before
	comment bool // inside a comment whose beginning is gone
}

// NewReader returns a Reader that refuses events with more than maxEvent bytes
// of data.
func NewReader(r io.Reader, maxEvent int) *Reader {
	return &Reader{r: r, maxEvent: maxEvent}
}

// Reset makes the reader ready for another stream and keeps its buffer: for
// readers in a pool. Data of the last event is no longer valid.
func (r *Reader) Reset(from io.Reader) {
	*r = Reader{r: from, maxEvent: r.maxEvent, buf: r.buf}
}

// Next returns the next event. Its data is valid until the call after. At the
// end it returns io.EOF, for an event that is too large ErrTooLarge, otherwise
// the error of the underlying reader; there is no going on after an error.
func (r *Reader) Next() (Event, error) {
	if r.failed != nil {
		return Event{}, r.failed
	}
	r.reset()
	e, err := r.read()
	r.failed = err
	return e, err
}

func (r *Reader) read() (Event, error) {
	for {
		line, ok := r.line()
		if !ok {
			if err := r.room(); err != nil {
				return Event{}, err
			}
			if err := r.fill(); err != nil {
				return Event{}, err
			}
			continue
		}
		if len(line) > 0 {
			if err := r.field(line); err != nil {
				return Event{}, err
			}
			continue
		}
		if !r.hasData && !r.event.HasID && r.event.Retry == 0 {
			r.event = Event{} // a lone name means nothing
			continue
		}
		if r.hasData {
			r.event.Data = r.buf[r.from:r.to:r.to]
		}
		return r.event, nil
	}
}

func (r *Reader) reset() {
	r.event, r.hasData = Event{}, false
	r.from, r.to = r.next, r.next
	if len(r.buf) > keptBuffer && r.next > 0 && r.end-r.next < firstBuffer {
		r.buf = append(make([]byte, 0, firstBuffer), r.buf[r.next:r.end]...)[:firstBuffer]
		r.searched -= r.next
		r.end -= r.next
		r.from, r.to, r.next = 0, 0, 0
	}
}

// line takes a line off the buffer if a whole one is there.
func (r *Reader) line() ([]byte, bool) {
	if r.afterCR && r.next < r.end {
		r.afterCR = false
		if r.buf[r.next] == '\n' {
			r.next++
		}
	}
	if !r.started && r.end-r.next >= len(byteOrderMark) {
		r.started = true
		if bytes.HasPrefix(r.buf[r.next:r.end], byteOrderMark) {
			r.next += len(byteOrderMark)
		}
	}
	r.searched = max(r.searched, r.next)
	i := lineEnd(r.buf[r.searched:r.end])
	if i < 0 {
		r.searched = r.end
		return nil, false
	}
	line := r.buf[r.next : r.searched+i]
	r.next = r.searched + i + 1
	r.afterCR = r.buf[r.next-1] == '\r'
	r.started = true
	if r.comment {
		r.comment = false
		return commentLine, true
	}
	return line, true
}

var (
	byteOrderMark = []byte("\ufeff")
	commentLine   = []byte(":")
)

// field takes one line that is not empty.
func (r *Reader) field(line []byte) error {
	name, value, _ := bytes.Cut(line, commentLine)
	if len(value) > 0 && value[0] == ' ' {
		value = value[1:]
	}
	switch string(name) {
	case "data":
		return r.data(value)
	case "event":
		r.event.Name = string(value)
	case "id":
		if bytes.IndexByte(value, 0) < 0 {
			r.event.ID, r.event.HasID = string(value), true
		}
	case "retry":
		r.event.Retry = retry(string(value))
	}
	return nil
}

// data adds a line of data. The bytes stay in the buffer; of several lines the
// later ones are moved up behind the first.
func (r *Reader) data(value []byte) error {
	if !r.hasData {
		r.hasData = true
		r.from = r.next - 1 - len(value) // value ends before its line end
		r.to = r.from + len(value)
	} else {
		r.buf[r.to] = '\n' // at least "data" and a line end stood here
		r.to += 1 + copy(r.buf[r.to+1:], value)
	}
	if r.to-r.from > r.maxEvent {
		return ErrTooLarge
	}
	return nil
}

// retry reads milliseconds; 0 when it is not only digits.
func retry(s string) time.Duration {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0
	}
	var ms time.Duration
	for i := range len(s) {
		if ms = ms*10 + time.Duration(s[i]-'0'); ms > maxRetry/time.Millisecond {
			return maxRetry
		}
	}
	return ms * time.Millisecond
}

// room makes room behind the bytes that were read, in the buffer or in a larger
// one. It drops what came of a comment and refuses lines that grow too long.
func (r *Reader) room() error {
	pending := r.buf[r.next:r.end]
	if r.comment || len(pending) > 0 && pending[0] == ':' {
		r.comment = true
		r.next, r.searched = r.end, r.end
		pending = nil
	}
	limit := maxLine
	if bytes.HasPrefix(pending, []byte("data:")) {
		limit = r.maxEvent - (r.to - r.from) + len("data: ")
	}
	if len(pending) > limit {
		return ErrTooLarge
	}
	free := len(r.buf) - r.end
	if r.from > 0 && free >= len(r.buf)/2 || r.from == 0 && free >= leastRead {
		return nil
	}
	gathered := r.to - r.from
	used := gathered + len(pending)
	to := r.buf
	if len(to)-used < leastRead {
		to = make([]byte, max(2*len(to), firstBuffer))
	}
	copy(to, r.buf[r.from:r.to])
	copy(to[gathered:], pending)
	r.buf = to
	r.from, r.to, r.next, r.searched, r.end = 0, gathered, gathered, used, used
	return nil
}

func (r *Reader) fill() error {
	if r.err != nil {
		return r.err
	}
	for range emptyReads {
		n, err := r.r.Read(r.buf[r.end:])
		r.end += n
		r.err = err
		if n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}
