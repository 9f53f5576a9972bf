package session

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"time"

	"drawbridge/internal/mcpwire"
)

// ask sends a request to the client through out and waits for the answer, which
// arrives through resolve.
func (s *Session) ask(ctx context.Context, out Outlet, q mcpwire.Question) (mcpwire.Answer, error) {
	c := s.caller.Load()
	if c == nil || !c.CanAnswer(q) {
		return mcpwire.Answer{}, mcpwire.ErrCannotAsk
	}
	asker := q.Revision
	q = mcpwire.QuestionFor(c.Revision, q)
	answer := make(chan mcpwire.Answer, 1)
	id, ok := s.expect(answer)
	if !ok {
		return mcpwire.Answer{}, mcpwire.ErrCannotAsk
	}
	defer s.forget(id)
	out.Push(mcpwire.AppendRequest(nil, []byte(id), q.Method, q.Params))
	look := time.NewTicker(s.d.cfg.ResumeFor / 8)
	defer look.Stop()
	heard := time.Now()
	for {
		select {
		case a := <-answer:
			if a.Result != nil && asker != c.Revision {
				a.Result = mcpwire.AnswerFor(asker, q.Method, a.Result)
			}
			return a, nil
		case <-ctx.Done():
			withdraw(out, id)
			return mcpwire.Answer{}, context.Cause(ctx)
		case <-look.C:
			if h, ok := out.(hearer); !ok || h.Heard() {
				heard = time.Now()
			} else if time.Since(heard) >= s.d.cfg.ResumeFor {
				withdraw(out, id)
				return mcpwire.Answer{}, errUnheard
			}
		}
	}
}

// hearer is an Outlet that knows whether its client is there to read.
type hearer interface{ Heard() bool }

// errUnheard is why a question is given up whose client has gone and not come
// back to resume its stream.
var errUnheard = errors.New("the client has gone")

// withdraw tells the client that a question needs no answer any more.
func withdraw(out Outlet, id string) {
	params := append(append([]byte(`{"requestId":`), id...), `,"reason":"no longer needed"}`...)
	out.Push(mcpwire.AppendRequest(nil, nil, mcpwire.MethodCancelled, params))
}

// expect mints an id for a question; a session that has ended can ask nothing.
func (s *Session) expect(answer chan<- mcpwire.Answer) (id string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return "", false
	}
	s.serial++
	id = `"` + s.mark() + "-" + strconv.FormatUint(s.serial, 10) + `"`
	if s.asks == nil {
		s.asks = map[string]chan<- mcpwire.Answer{}
	}
	s.asks[id] = answer
	return id, true
}

func (s *Session) forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.asks, id)
}

// Resolve hands a client's response to whoever asked. One that nobody waits for
// is late, and dropped.
func (s *Session) Resolve(msg *mcpwire.Message) {
	key := idKey(msg.ID)
	s.mu.Lock()
	answer := s.asks[key]
	delete(s.asks, key)
	s.mu.Unlock()
	if answer == nil {
		return
	}
	// The message's bytes go back to their pool before the answer is used.
	if msg.ErrorRaw == nil {
		answer <- mcpwire.Answer{Result: bytes.Clone(msg.Result)}
		return
	}
	e, err := mcpwire.ParseError(bytes.Clone(msg.ErrorRaw))
	if err != nil {
		e = mcpwire.Errorf(mcpwire.CodeInternal, "The client answered with an error that cannot be read.")
	}
	answer <- mcpwire.Answer{Err: e}
}
