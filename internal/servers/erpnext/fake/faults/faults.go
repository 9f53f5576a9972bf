// Package faults is what may go wrong between a client and the fake: dropped, slow, cut
// and garbled answers, and what the proxy in front of a bench says instead. Only the
// fake uses it.
package faults

import (
	"cmp"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Fault is what goes wrong with some requests. A fault that says nothing else only
// delays the answer to what was carried out.
type Fault struct {
	Method string // "" for any
	Path   string // part of the path; "" for any
	Skip   int    // so many matching requests pass first
	Times  int    // how often it happens; 0 for ever

	Late  bool          // the request is carried out first: only its answer suffers
	Delay time.Duration // waited for before anything else, or until the client leaves
	Drop  bool          // the connection ends without an answer

	Status     int // answered instead
	Body       string
	Kind       string // content type of Body; "" for text/html, which proxies send
	RetryAfter int    // seconds, in the header of that name
	Location   string // of a redirect
	Cut        int    // the body ends after so many bytes, and the connection with it
}

// BadGateway is nginx without a bench behind it (ref 2.1: HTML on 502/503).
func BadGateway(times int) Fault {
	return Fault{Times: times, Status: http.StatusBadGateway,
		Body: "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"}
}

// TooMany is the 429 of a proxy; the bench's own comes with Options.RateLimit.
func TooMany(times, seconds int) Fault {
	return Fault{Times: times, Status: http.StatusTooManyRequests, Body: "Too Many Requests", Kind: "text/plain; charset=utf-8", RetryAfter: seconds}
}

// Garbage is an answer that calls itself JSON and is none.
func Garbage(times int) Fault {
	return Fault{Times: times, Status: http.StatusOK, Body: `{"data": <html>`, Kind: "application/json"}
}

// Oversize is an answer of n bytes that is JSON.
func Oversize(times, n int) Fault {
	return Fault{Times: times, Status: http.StatusOK, Body: `{"data": "` + strings.Repeat("x", max(0, n-12)) + `"}`, Kind: "application/json"}
}

// Plan holds faults. Its owner locks it.
type Plan struct{ faults []*Fault }

// Add appends a fault.
func (p *Plan) Add(f Fault) {
	if f.Times == 0 {
		f.Times = -1
	}
	p.faults = append(p.faults, &f)
}

// For is the first fault that is due for a request, or nil.
func (p *Plan) For(method, path string) *Fault {
	for _, f := range p.faults {
		if f.Times == 0 || f.Method != "" && f.Method != method || !strings.Contains(path, f.Path) {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		if f.Times > 0 {
			f.Times--
		}
		found := *f
		found.Late = f.Late || !f.Drop && f.Status == 0 // a slow or cut answer is one to a deed
		return &found
	}
	return nil
}

// Act answers in place of answer, or spoils what answer, of a late fault, writes.
func (f *Fault) Act(w http.ResponseWriter, r *http.Request, answer func(http.ResponseWriter)) {
	if f.Delay > 0 {
		t := time.NewTimer(f.Delay)
		defer t.Stop()
		select {
		case <-t.C:
		case <-r.Context().Done():
			return
		}
	}
	if f.Drop {
		panic(http.ErrAbortHandler)
	}
	if f.Cut > 0 {
		w = &cutter{ResponseWriter: w, left: f.Cut}
	}
	if f.Status == 0 {
		answer(w)
		return
	}
	w.Header().Set("Content-Type", cmp.Or(f.Kind, "text/html"))
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
	}
	if f.Location != "" {
		w.Header().Set("Location", f.Location)
	}
	w.WriteHeader(f.Status)
	_, _ = io.WriteString(w, f.Body) // a client that hung up is no fault of ours
}

// cutter ends the connection in the middle of a body.
type cutter struct {
	http.ResponseWriter
	left int
}

func (c *cutter) Write(p []byte) (int, error) {
	if len(p) < c.left {
		c.left -= len(p)
		return c.ResponseWriter.Write(p)
	}
	_, _ = c.ResponseWriter.Write(p[:c.left])
	_ = http.NewResponseController(c.ResponseWriter).Flush() // what was written must arrive
	panic(http.ErrAbortHandler)
}
