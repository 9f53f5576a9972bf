package legacy

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"drawbridge/internal/backend"
	"drawbridge/internal/backend/remote/answer"
	"drawbridge/internal/backend/remote/line"
	"drawbridge/internal/backend/remote/rawhttp"
	"drawbridge/internal/eventstream"
	"drawbridge/internal/mcpwire"
)

// How streams are taken up again.
const (
	maxResumes   = 5 // broken connections in a row without an event
	resumePause  = 500 * time.Millisecond
	longestPause = 30 * time.Second
	// shortestPause keeps a stream that nobody waits for from being opened all the
	// time, whatever its retry says.
	shortestPause = 100 * time.Millisecond
	maxEventID    = 1024
)

// stream reads the answer off the call's own stream. When the stream breaks after
// an event that had an id, it is taken up again where it broke (2025-11-25, basic/
// transports, "Resumability and Redelivery"); without one the outcome is unknown.
func (p *HTTP) stream(ctx context.Context, c *call, s *state, resp *rawhttp.Response) (answer.Answer, error) {
	var at position
	o := answer.Options{ID: c.ID, Max: p.l.MaxMessage}
	for broken := 0; ; {
		a, done, err := p.events(ctx, c, resp, &at, o)
		if done {
			return line.Streamed(a, resp), nil
		}
		_ = resp.Close()                      // err says more
		if !errors.Is(err, line.ErrUnknown) { // an orderly end is how a backend puts us off
			broken++
		}
		if at.moved {
			broken, at.moved = 0, false
		}
		if errors.Is(err, line.ErrUnknown) && at.id == "" && ctx.Err() == nil {
			// The backend itself ended it, in order but without an answer and without an
			// id to come back with. That breaks the protocol, so it is no tool's result.
			return answer.Answer{Err: backend.Unanswered(p.l.Name, "it ended the stream without an answer")}, nil
		}
		if !resumable(ctx, err) || at.id == "" || broken == maxResumes {
			return answer.Answer{}, err
		}
		if resp, err = p.resume(ctx, s, &at); err != nil {
			return answer.Answer{}, err
		}
	}
}

// events takes messages until the answer.
func (p *HTTP) events(ctx context.Context, c *call, resp *rawhttp.Response, at *position, o answer.Options) (a answer.Answer, done bool, err error) {
	events := eventstream.NewReader(resp, int(o.Max))
	for {
		m, err := at.next(events)
		if err != nil {
			return a, false, err
		}
		if m.IsResponse() {
			a, err = answer.Of(&m, o)
			return a, err == nil, err
		}
		p.take(ctx, &m, c)
	}
}

// position is how far a stream was read.
type position struct {
	id    string // of the last event that had one
	retry time.Duration
	moved bool // an event came since it was last looked at
}

// next is the next message, and keeps the place.
func (at *position) next(events *eventstream.Reader) (mcpwire.Message, error) {
	for {
		ev, err := events.Next()
		if errors.Is(err, io.EOF) {
			return mcpwire.Message{}, line.ErrUnknown
		}
		if err != nil {
			return mcpwire.Message{}, err
		}
		if ev.HasID && ev.ID != at.id {
			at.id, at.moved = ev.ID, true
			if _, ok := rawhttp.AppendField(nil, "Last-Event-ID", ev.ID); !ok || len(ev.ID) > maxEventID {
				at.id = "" // it could not be sent back
			}
		}
		if ev.Retry > 0 {
			at.retry = min(ev.Retry, longestPause)
		}
		if len(ev.Data) > 0 && (ev.Name == "" || ev.Name == "message") {
			at.moved = true
			return mcpwire.ParseBackend(ev.Data)
		}
	}
}

// resumable tells a stream that broke or was put off from one that said something
// wrong.
func resumable(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	if e, ok := errors.AsType[*rawhttp.Error](err); ok {
		return e.Kind == rawhttp.Broken
	}
	return errors.Is(err, line.ErrUnknown)
}

// resume opens the stream again behind the last event. Nothing of the call is
// sent: the backend is only asked for what it has already.
func (p *HTTP) resume(ctx context.Context, s *state, at *position) (*rawhttp.Response, error) {
	wait := at.retry
	if wait == 0 {
		wait = resumePause
	}
	for tries := 1; ; tries++ {
		if !pause(ctx, wait) {
			return nil, ctx.Err()
		}
		resp, err := p.l.Get(ctx, s.get(at.id), p.l.Handshake)
		switch {
		case err == nil && resp.Status == http.StatusOK && resp.Type == line.Events:
			return resp, nil
		case err == nil:
			_ = resp.Close() // the status says it all
			if resp.Status < 500 {
				return nil, line.ErrUnknown
			}
		case ctx.Err() != nil:
			return nil, err
		}
		if tries == maxResumes {
			return nil, line.ErrUnknown
		}
		wait = longer(wait)
	}
}

// longer is the pause after a pause, with some chance in it.
func longer(d time.Duration) time.Duration {
	return min(d*2-time.Duration(rand.Int64N(int64(d/2+1))), longestPause)
}

// pause waits; false where ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
