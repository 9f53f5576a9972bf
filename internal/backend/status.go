package backend

import (
	"sync/atomic"

	"drawbridge/internal/fault"
)

// counts is what the latest lists held.
type counts struct{ tools, prompts, resources atomic.Int64 }

// Status is how the backend is now.
func (b *Backend) Status() Status {
	s := Status{
		Name:      b.cfg.Name,
		Transport: b.cfg.Transport,
		Tools:     int(b.counts.tools.Load()),
		Prompts:   int(b.counts.prompts.Load()),
		Resources: int(b.counts.resources.Load()),
		LatencyMS: b.latency.Millis(),
		InFlight:  b.gate.Running(),
		Sessions:  b.pool.size(),
		Restarts:  b.link.restarts.Load(),
	}
	b.link.status(&s)
	if d, ok := b.dialer.(interface{ Stderr() []string }); ok {
		s.Stderr = d.Stderr()
	}
	return s
}

// status fills in what the link knows.
func (l *link) status(s *Status) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.State = l.state
	if l.info.Transport != "" {
		s.Transport = l.info.Transport
	}
	s.Revision = l.info.Revision
	switch {
	case l.info.Revision.Modern():
		s.Era = "modern"
	case l.info.Revision.Legacy():
		s.Era = "legacy"
	}
	if l.session != nil {
		s.Sessions++
	}
	if l.lastErr != nil {
		s.LastError = fault.PublicOf(l.lastErr)
	}
}
