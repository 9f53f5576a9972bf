package upstreamtest

import (
	"cmp"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Plan holds faults of one kind. Its owner locks it.
type Plan[F any] struct{ faults []*planned[F] }

type planned[F any] struct {
	fault       F
	skip, times int
}

// Add appends a fault. So many requests that it is for pass first, and so many suffer it;
// 0 for all from then on.
func (p *Plan[F]) Add(f F, skip, times int) {
	if times == 0 {
		times = -1
	}
	p.faults = append(p.faults, &planned[F]{f, skip, times})
}

// Due is the first that is for a request and not used up, or nil. It counts as used.
func (p *Plan[F]) Due(is func(*F) bool) *F {
	for _, f := range p.faults {
		switch {
		case f.times == 0 || !is(&f.fault):
			continue
		case f.skip > 0:
			f.skip--
			continue
		case f.times > 0:
			f.times--
		}
		found := f.fault
		return &found
	}
	return nil
}

// Clear takes all faults away.
func (p *Plan[F]) Clear() { p.faults = nil }

// Fault is what goes wrong with some HTTP requests. One that says nothing else only delays
// the answer to what was carried out.
type Fault struct {
	Method string // "" for any
	Path   string // part of the path; "" for any
	Skip   int    // so many matching requests pass first
	Times  int    // how often it happens; 0 for ever

	Late   bool          // the request is carried out first: only its answer suffers
	Delay  time.Duration // ahead of the answer or what there is instead, by the stand-in's clock
	Drop   bool          // the connection ends without an answer
	Silent bool          // there never is an answer

	Status     int // answered instead
	Body       string
	Kind       string // content type of Body; "" for text/html, which proxies send
	RetryAfter int    // seconds, in the header of that name
	Location   string // of a redirect
	Cut        int    // the body ends after so many bytes, and the connection with it
}

// BadGateway is nginx without anything behind it.
func BadGateway(times int) Fault {
	return Fault{Times: times, Status: http.StatusBadGateway,
		Body: "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"}
}

// TooMany is the 429 of a proxy.
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

// Before is whether a request does not happen at all.
func (f *Fault) Before() bool { return !f.Late && (f.Drop || f.Silent || f.Status != 0) }

// Faults are those of a stand-in that speaks nothing but HTTP.
type Faults struct{ Plan[Fault] }

// Add appends a fault.
func (p *Faults) Add(f Fault) { p.Plan.Add(f, f.Skip, f.Times) }

// For is the first that is due for a request, or nil.
func (p *Faults) For(method, path string) *Fault {
	return p.Due(func(f *Fault) bool { return (f.Method == "" || f.Method == method) && strings.Contains(path, f.Path) })
}

// Act answers in place of answer, or spoils what answer writes.
func (f *Fault) Act(w http.ResponseWriter, r *http.Request, c *Clock, answer func(http.ResponseWriter)) {
	switch {
	case !c.Wait(r.Context(), f.Delay):
		return
	case f.Drop:
		panic(http.ErrAbortHandler)
	case f.Silent:
		<-r.Context().Done()
		return
	}
	if f.Cut > 0 {
		w = &cutter{ResponseWriter: w, left: f.Cut}
	}
	if f.Status == 0 {
		answer(w)
		return
	}
	f.Write(w)
}

// Write writes what is answered instead.
func (f *Fault) Write(w http.ResponseWriter) {
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
