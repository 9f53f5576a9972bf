package rawhttp

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// head is what readHead learns of the framing.
type head struct {
	length   int64 // of Content-Length; -1 without
	chunked  bool
	close    bool
	keep     bool // "Connection: keep-alive" was said
	oldHTTP  bool // HTTP/1.0
	timeout  time.Duration
	hasLimit bool
}

func malformed(format string, args ...any) error {
	return &Error{Kind: Malformed, Sent: true, Err: fmt.Errorf(format, args...)}
}

// readHead reads the head of the answer, passing over interim ones.
func (x *exchange) readHead(method string) error {
	for range 8 {
		x.resp = Response{Length: -1, body: &x.body}
		h := head{length: -1}
		if err := x.readFields(&h); err != nil {
			return err
		}
		if x.resp.Status >= 200 {
			return x.frame(&h, method)
		}
		if x.resp.Status == 101 {
			return malformed("the backend switches to another protocol")
		}
	}
	return malformed("too many interim answers")
}

// readFields reads the status line and the header lines.
func (x *exchange) readFields(h *head) error {
	line, whole, err := x.body.cn.line()
	if err != nil {
		return err
	}
	if !whole || !x.statusLine(line, h) {
		return malformed("no HTTP status line")
	}
	for left := MaxHead; ; {
		line, whole, err := x.body.cn.line()
		if err != nil {
			return err
		}
		left -= len(line)
		if len(line) == 0 && whole {
			return nil
		}
		if err := x.field(line, whole, h); err != nil {
			return err
		}
		for !whole { // a long line that nobody here wants to know
			if line, whole, err = x.body.cn.line(); err != nil {
				return err
			}
			left -= len(line)
			if left < 0 {
				break
			}
		}
		if left < 0 {
			return malformed("the head is larger than %d bytes", MaxHead)
		}
	}
}

// line reads up to the end of a line, which it cuts off. whole is false where
// the line goes on beyond the buffer. The bytes are valid until the next read.
func (cn *conn) line() (line []byte, whole bool, err error) {
	line, err = cn.br.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return line, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	line = line[:len(line)-1]
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line, true, nil
}

// statusLine reads "HTTP/1.1 200 OK".
func (x *exchange) statusLine(line []byte, h *head) bool {
	if len(line) < 12 || line[8] != ' ' || len(line) > 12 && line[12] != ' ' {
		return false
	}
	switch string(line[:8]) {
	case "HTTP/1.1":
	case "HTTP/1.0":
		h.oldHTTP = true
	default:
		return false
	}
	for _, c := range line[9:12] {
		if c < '0' || c > '9' {
			return false
		}
		x.resp.Status = x.resp.Status*10 + int(c-'0')
	}
	return x.resp.Status >= 100
}

// field takes one header line. It keeps the few fields somebody needs.
func (x *exchange) field(line []byte, whole bool, h *head) error {
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 {
		return malformed("a header line without a name")
	}
	name, value := line[:colon], bytes.Trim(line[colon+1:], " \t")
	for _, c := range name {
		if !isToken(c) {
			return malformed("a header name with a forbidden character")
		}
	}
	known, err := framing(name, value, h)
	if err != nil {
		return err
	}
	if !known {
		known = x.content(name, value)
	}
	if known && (!whole || bytes.IndexByte(value, '\r') >= 0 || bytes.IndexByte(value, 0) >= 0) {
		return malformed("a header value too long or with a forbidden character")
	}
	return nil
}

// framing takes the fields that say where the body ends and what then.
func framing(name, value []byte, h *head) (known bool, err error) {
	switch {
	case is(name, "content-length"):
		n, err := strconv.ParseUint(string(value), 10, 63)
		if err != nil || h.length >= 0 && h.length != int64(n) {
			return true, malformed("Content-Length is unusable")
		}
		h.length = int64(n)
	case is(name, "transfer-encoding"):
		if h.chunked || !is(value, "chunked") {
			return true, malformed("a Transfer-Encoding other than chunked")
		}
		h.chunked = true
	case is(name, "connection"):
		h.close = h.close || hasWord(value, "close")
		h.keep = h.keep || hasWord(value, "keep-alive")
	case is(name, "keep-alive"):
		h.timeout, h.hasLimit = keepAlive(value)
	case is(name, "content-encoding"):
		if len(value) > 0 && !is(value, "identity") {
			return true, malformed("the answer is compressed although we asked for none")
		}
	default:
		return false, nil
	}
	return true, nil
}

// content takes the fields that the caller wants.
func (x *exchange) content(name, value []byte) (known bool) {
	switch {
	case is(name, "content-type"):
		x.resp.Type = mediaType(value)
	case is(name, "mcp-session-id"):
		x.resp.Session = string(value)
	case is(name, "location"):
		x.resp.Location = string(value)
	default:
		return false
	}
	return true
}

// frame decides where the body ends (RFC 9112, section 6.3) and whether the
// connection can be used after it.
func (x *exchange) frame(h *head, method string) error {
	b := &x.body
	switch {
	case h.chunked && (h.length >= 0 || h.oldHTTP):
		return malformed("Transfer-Encoding together with Content-Length or HTTP/1.0")
	case method == "HEAD" || x.resp.Status == 204 || x.resp.Status == 304:
		b.mode, b.left, x.resp.Length = byLength, 0, 0
	case h.chunked:
		b.mode = byChunks
	case h.length >= 0:
		b.mode, b.left, x.resp.Length = byLength, h.length, h.length
	default:
		b.mode = byClose
	}
	b.cn.rest = idleTime
	if h.hasLimit {
		b.cn.rest = h.timeout
	}
	if h.close || h.oldHTTP && !h.keep || b.mode == byClose {
		b.cn.rest = 0
	}
	return nil
}

// keepAlive reads "timeout=5, max=100" and gives the time after which we drop
// the connection: a margin before the backend does. Zero is at once.
func keepAlive(value []byte) (rest time.Duration, ok bool) {
	for part := range bytes.SplitSeq(value, []byte{','}) {
		key, val, _ := bytes.Cut(bytes.TrimSpace(part), []byte{'='})
		if !is(key, "timeout") {
			continue
		}
		n, err := strconv.Atoi(strings.Trim(string(val), `" `))
		if err != nil || n < 0 {
			continue
		}
		limit := time.Duration(min(n, 60)) * time.Second
		return limit - min(idleMargin, limit/2), true
	}
	return 0, false
}

// is compares an ASCII name with one in lower case.
func is(name []byte, lower string) bool {
	if len(name) != len(lower) {
		return false
	}
	for i, c := range name {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

func hasWord(value []byte, word string) bool {
	for part := range bytes.SplitSeq(value, []byte{','}) {
		if is(bytes.TrimSpace(part), word) {
			return true
		}
	}
	return false
}

// mediaType is the type without its parameters, in lower case. Those of MCP cost
// no allocation.
func mediaType(value []byte) string {
	t, _, _ := bytes.Cut(value, []byte{';'})
	t = bytes.TrimSpace(t)
	switch {
	case is(t, "application/json"):
		return "application/json"
	case is(t, "text/event-stream"):
		return "text/event-stream"
	}
	return strings.ToLower(string(t))
}
