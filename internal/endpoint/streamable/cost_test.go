package streamable_test

import (
	"context"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"drawbridge/internal/mcpwire"
)

// quietTool scripts a hub's part of a call that allocates nothing.
func quietTool(d *door, result string) {
	b := []byte(result)
	d.hub.On("quiet", func(_ context.Context, req *mcpwire.Request, _ mcpwire.Sink) mcpwire.Outcome {
		return mcpwire.Done(req.Revision, b)
	})
}

// discard is an answer that nobody reads.
type discard struct{ h http.Header }

func (d *discard) Header() http.Header         { return d.h }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}

// replay sends the same request again and again without allocating.
type replay struct {
	r    *http.Request
	body *strings.Reader
	text string
	w    discard
	h    http.Handler
}

func newReplay(d *door, body string, pairs ...string) *replay {
	p := &replay{text: body, body: strings.NewReader(body), w: discard{h: http.Header{}}, h: d}
	p.r = newRequest(alice, "POST", body, pairs...)
	p.r.Body = io.NopCloser(p.body)
	return p
}

func (p *replay) once() {
	p.body.Reset(p.text)
	clear(p.w.h)
	p.h.ServeHTTP(&p.w, p.r)
}

// The endpoint's share of a call, without net/http's and the hub's.
func TestCost_allocationsPerCall(t *testing.T) {
	d := newDoor(t)
	id := d.initialize("2025-11-25")
	quietTool(d, `{"resultType":"complete","content":[{"type":"text","text":"hello"}]}`)
	for name, p := range map[string]struct {
		most float64
		*replay
	}{
		"legacy": {12, newReplay(d, call(`"name":"quiet","arguments":{"text":"hello"}`), "Mcp-Session-Id", id, "Mcp-Protocol-Version", "2025-11-25")},
		"modern": {12, newReplay(d, call(`"name":"quiet","arguments":{"text":"hello"},`+modernMeta), "Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", "quiet")},
	} {
		p.once()
		if n := testing.AllocsPerRun(200, p.once); n > p.most {
			t.Errorf("%s: %.0f allocations per call, at most %.0f", name, n, p.most)
		} else {
			t.Logf("%s: %.0f allocations per call", name, n)
		}
	}
}

// A session that does nothing must cost little: there may be thousands.
func TestCost_idleSession(t *testing.T) {
	d := newDoor(t)
	const n = 2000
	before := heap()
	for range n {
		id := d.initialize("2025-11-25", `{"roots":{"listChanged":true},"sampling":{},"elicitation":{}}`)
		d.do("POST", call(`"name":"echo"`), "Mcp-Session-Id", id)
	}
	per := (heap() - before) / n
	if d.table.Live() != n || per > 6<<10 {
		t.Errorf("%d sessions, %d bytes each", d.table.Live(), per)
	}
	t.Logf("%d bytes per session", per)
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func BenchmarkLegacyCall(b *testing.B) {
	d := newDoor(b)
	id := d.initialize("2025-11-25")
	quietTool(d, `{"content":[{"type":"text","text":"hello"}]}`)
	p := newReplay(d, call(`"name":"quiet","arguments":{"text":"hello"}`), "Mcp-Session-Id", id, "Mcp-Protocol-Version", "2025-11-25")
	b.ReportAllocs()
	for b.Loop() {
		p.once()
	}
}

func BenchmarkModernCall(b *testing.B) {
	d := newDoor(b)
	quietTool(d, `{"resultType":"complete","content":[{"type":"text","text":"hello"}]}`)
	p := newReplay(d, call(`"name":"quiet","arguments":{"text":"hello"},`+modernMeta), "Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", "quiet")
	b.ReportAllocs()
	for b.Loop() {
		p.once()
	}
}
