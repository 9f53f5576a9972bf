package eventstream

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

// AppendEvent appends an event and the blank line that ends it. An empty id or
// name is left out. Data that holds line breaks becomes several lines, which
// the reader joins with LF; an id or name loses them, for they would start a
// field of their own.
func AppendEvent(dst []byte, id, name string, data []byte) []byte {
	if name != "" {
		dst = appendField(dst, "event: ", name)
	}
	if id != "" {
		dst = appendField(dst, "id: ", id)
	}
	for {
		line, rest, more := cutLine(data)
		dst = append(dst, "data: "...)
		dst = append(dst, line...)
		dst = append(dst, '\n')
		if !more {
			return append(dst, '\n')
		}
		data = rest
	}
}

// AppendComment appends a comment, which readers skip: a sign of life.
func AppendComment(dst []byte, text string) []byte {
	dst = appendField(dst, ": ", text)
	return append(dst, '\n')
}

// AppendRetry appends a retry field, which belongs to the event that follows.
func AppendRetry(dst []byte, d time.Duration) []byte {
	dst = append(dst, "retry: "...)
	dst = strconv.AppendInt(dst, max(d.Milliseconds(), 0), 10)
	return append(dst, '\n')
}

// appendField appends a line; what must not stand in a line is left out of it.
func appendField(dst []byte, field, value string) []byte {
	dst = append(dst, field...)
	for strings.ContainsAny(value, "\r\n\x00") {
		i := strings.IndexAny(value, "\r\n\x00")
		dst = append(dst, value[:i]...)
		value = value[i+1:]
	}
	dst = append(dst, value...)
	return append(dst, '\n')
}

// cutLine cuts data after its first line; more tells whether a line follows.
func cutLine(data []byte) (line, rest []byte, more bool) {
	i := lineEnd(data)
	if i < 0 {
		return data, nil, false
	}
	rest = data[i+1:]
	if data[i] == '\r' && len(rest) > 0 && rest[0] == '\n' {
		rest = rest[1:]
	}
	return data[:i], rest, true
}

// lineEnd is the index of the first CR or LF, or -1. It looks at ever larger
// pieces: the search for LF must not run far ahead where lines end in CR.
func lineEnd(b []byte) int {
	from := 0
	for size := 256; from < len(b); size *= 2 {
		piece := b[from:min(from+size, len(b))]
		lf := bytes.IndexByte(piece, '\n')
		if lf >= 0 {
			piece = piece[:lf]
		}
		if cr := bytes.IndexByte(piece, '\r'); cr >= 0 {
			return from + cr
		}
		if lf >= 0 {
			return from + lf
		}
		from += len(piece)
	}
	return -1
}
