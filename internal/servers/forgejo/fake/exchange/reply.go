package exchange

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
)

// Obj is a JSON object.
type Obj = map[string]any

// PlainText is a content type.
const PlainText = "text/plain; charset=utf-8"

// Reply is an answer before it is written.
type Reply struct {
	Status int
	Body   any // JSON; nil for none
	Header http.Header
	Kind   string // content type of Raw
	Raw    []byte
}

// Encoded has the body as JSON in Raw, so that it no longer depends on any state.
func (p Reply) Encoded() Reply {
	if p.Body == nil {
		return p
	}
	text, err := json.Marshal(p.Body)
	if err != nil { // a shape that is no JSON
		panic(err)
	}
	p.Body, p.Kind, p.Raw = nil, "application/json;charset=utf-8", append(text, '\n')
	return p
}

// Write sends an answer that is encoded.
func (p Reply) Write(w http.ResponseWriter, _ *http.Request) {
	maps.Copy(w.Header(), p.Header)
	w.Header().Set("Cache-Control", "max-age=0, private, must-revalidate, no-transform")
	if p.Kind != "" {
		w.Header().Set("Content-Type", p.Kind)
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(p.Raw) // a client that hung up is no fault of ours
}

// Ranged serves bytes as RFC 9110 section 14 has it, for one range.
func (c *Call) Ranged(kind, content string, header http.Header) Reply {
	header.Set("Accept-Ranges", "bytes")
	want, given := strings.CutPrefix(c.R.Header.Get("Range"), "bytes=")
	if !given {
		return Reply{Status: http.StatusOK, Kind: kind, Raw: []byte(content), Header: header}
	}
	first, last := 0, len(content)-1
	var n int
	switch from, to, _ := strings.Cut(want, "-"); from {
	case "": // the last n bytes
		_, _ = fmt.Sscan(to, &n)
		first = max(0, len(content)-n)
	default:
		_, _ = fmt.Sscan(from, &first)
		if _, err := fmt.Sscan(to, &n); err == nil {
			last = min(last, n)
		}
	}
	if first > last {
		header.Set("Content-Range", fmt.Sprintf("bytes */%d", len(content)))
		return Reply{Status: http.StatusRequestedRangeNotSatisfiable, Kind: PlainText, Raw: []byte("invalid range\n"), Header: header}
	}
	header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, last, len(content)))
	return Reply{Status: http.StatusPartialContent, Kind: kind, Raw: []byte(content[first : last+1]), Header: header}
}
