package session

import (
	"fmt"
	"math"
	"strconv"
	"sync"
	"time"

	"drawbridge/internal/jsonscan"
	"drawbridge/internal/mcpwire"
)

// pulseStep is by how much a pulse raises the progress: enough to rise, as the
// specification asks (basic/utilities/progress), and too little to say anything.
const (
	pulseStep   = 1e-6
	pulseDigits = 6
	maxPulse    = 1e9 // beyond it a step is lost in rounding; such a backend counts bytes, and speaks
)

// pulse tells a client that wants progress that its call still runs while the
// backend says nothing: many clients give a silent call up after 60 seconds, and
// wait on as long as there is progress. It claims no more than the time that has
// passed.
type pulse struct {
	c     *call
	every time.Duration
	begun time.Time

	mu    sync.Mutex // guards what follows
	timer *time.Timer
	heard bool    // the backend has spoken since the last beat
	last  float64 // the greatest progress sent
	total []byte  // raw, as the backend named it last
	beats int
}

func newPulse(c *call, every time.Duration) *pulse {
	p := &pulse{c: c, every: every, begun: time.Now()}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer = time.AfterFunc(every, p.beat)
	return p
}

func (p *pulse) stop() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer.Stop()
}

// beat says something if the backend did not.
func (p *pulse) beat() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.c.over.Load() {
		return
	}
	p.timer.Reset(p.every)
	if p.heard || p.last > maxPulse {
		p.heard = false
		return
	}
	p.beats++
	p.raise()
	params := append([]byte(`{"progressToken":`), p.c.token...)
	params = strconv.AppendFloat(append(params, `,"progress":`...), p.last, 'f', pulseDigits, 64)
	if p.total != nil {
		params = append(append(params, `,"total":`...), p.total...)
	}
	if p.c.caller.Revision >= mcpwire.Rev20250326 { // which brought the message
		text := fmt.Sprintf("Still running, %d s so far.", int(time.Since(p.begun).Seconds()))
		params = mcpwire.AppendString(append(params, `,"message":`...), text)
	}
	p.c.out.Push(mcpwire.AppendRequest(nil, nil, mcpwire.MethodProgress, append(params, '}')))
}

// raise makes the progress the next higher number of those that are written with a
// few digits. The caller holds mu.
func (p *pulse) raise() {
	p.last = max(math.Round((p.last+pulseStep)/pulseStep)*pulseStep, math.Nextafter(p.last, math.Inf(1)))
}

// note takes what the backend says. Progress that would fall behind a beat is
// raised above it; all else stays as it is.
func (p *pulse) note(n mcpwire.Notification) []byte {
	if p == nil {
		return n.Params
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.heard = true
	if n.Method != mcpwire.MethodProgress {
		return n.Params
	}
	if total := mcpwire.Member(n.Params, "total"); total != nil {
		p.total = append(p.total[:0], total...)
	}
	at, ok := jsonscan.Find(n.Params, "progress")
	if !ok {
		return n.Params
	}
	value, err := strconv.ParseFloat(string(at.Value.Of(n.Params)), 64)
	if err != nil {
		return n.Params
	}
	if p.beats == 0 || value > p.last || p.last > maxPulse {
		p.last = max(p.last, value)
		return n.Params
	}
	p.raise()
	out := append([]byte{}, n.Params[:at.Value.From]...)
	out = strconv.AppendFloat(out, p.last, 'f', pulseDigits, 64)
	return append(out, n.Params[at.Value.To:]...)
}
