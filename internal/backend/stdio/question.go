package stdio

import (
	"bytes"
	"errors"

	"drawbridge/internal/backend"
	"drawbridge/internal/mcpwire"
)

// maxAsking is how many questions of one process may be open. A parked
// call keeps its own open for minutes.
const maxAsking = 256

// request answers a request of the process, now or when a person has.
func (p *peer) request(m mcpwire.Message) {
	switch m.Method {
	case mcpwire.MethodPing:
		p.reply(m.ID, []byte("{}"))
	case mcpwire.MethodElicit, mcpwire.MethodSample, mcpwire.MethodRootsList:
		p.question(m)
	default:
		p.refuse(m.ID, mcpwire.Errorf(mcpwire.CodeMethodNotFound, "The client does not offer %s.", m.Method))
	}
}

// question routes a question to the call it comes from. Without a call it is for
// the client that watches its own process; of a shared process, or with calls of
// several clients, nobody can tell whom it is for.
func (p *peer) question(m mcpwire.Message) {
	h := held{bytes.Clone(m.ID), mcpwire.Question{Revision: p.speaks(), Method: m.Method, Params: bytes.Clone(m.Params)}}
	if p.hold(h) {
		return
	}
	c, n := p.cause()
	p.put(h, c, n)
}

// held is a question with the process's own id of it.
type held struct {
	id []byte
	q  mcpwire.Question
}

// hold keeps a question back that came before the first call.
func (p *peer) hold(h held) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.early.Hold(h.q.Method, h, func() {
		p.mu.Lock()
		late := p.early.End()
		p.mu.Unlock()
		for _, h := range late {
			c, n := p.cause()
			p.put(h, c, n)
		}
	})
}

// put puts a question through a call of the n that run, or without one.
func (p *peer) put(h held, c *call, n int) {
	switch {
	case c != nil && !c.caller.CanAnswer(h.q):
		p.refuse(h.id, errCannotAnswer)
		return
	case c != nil && p.ask(h.id, h.q, &c.ear, true):
		return
	case n == 0 && p.cfg.Interactive:
		if w := p.latest(); w != nil && p.ask(h.id, h.q, &w.ear, false) {
			return
		}
	}
	p.decline(h.id, h.q.Method)
}

var errCannotAnswer = mcpwire.Errorf(mcpwire.CodeMethodNotFound, "The client of this call cannot answer this.")

// ask hands a question on and the answer back. It tells whether it could. called says
// that it is put through a call, whose client has to declare what it can answer.
func (p *peer) ask(id []byte, q mcpwire.Question, to *ear, called bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead != "" || len(p.asking) >= maxAsking {
		return false
	}
	cancel := to.ask(q, func(answer mcpwire.Answer, err error) {
		p.mu.Lock()
		_, wanted := p.asking[string(id)]
		delete(p.asking, string(id))
		p.mu.Unlock()
		switch {
		case !wanted: // the process has taken it back
		case err != nil && to.closed():
			p.again(id, q)
		case errors.Is(err, mcpwire.ErrCannotAsk) && called:
			p.refuse(id, errCannotAnswer)
		case err != nil:
			p.decline(id, q.Method)
		default:
			p.answer(id, answer)
		}
	})
	if cancel != nil {
		p.asking[string(id)] = cancel
	}
	return cancel != nil
}

// again puts a question whose call has ended: it was only attributed to that one,
// where a client has several.
func (p *peer) again(id []byte, q mcpwire.Question) {
	if c, _ := p.cause(); c == nil || !c.caller.CanAnswer(q) || !p.ask(id, q, &c.ear, true) {
		p.decline(id, q.Method)
	}
}

// withdraw ends a question that the process no longer asks.
func (p *peer) withdraw(params []byte) {
	id := string(mcpwire.Member(params, "requestId"))
	p.mu.Lock()
	cancel := p.asking[id]
	delete(p.asking, id)
	p.early.Drop(func(h held) bool { return string(h.id) == id })
	p.mu.Unlock()
	if cancel != nil {
		cancel()
	}
}

// decline answers for a client that is not there or cannot.
func (p *peer) decline(id []byte, method string) { p.answer(id, backend.Decline(method)) }

func (p *peer) answer(id []byte, a mcpwire.Answer) {
	if a.Err != nil {
		p.refuse(id, a.Err)
		return
	}
	p.reply(id, a.Result)
}

func (p *peer) reply(id, result []byte) {
	b := mcpwire.AppendResultHead(nil, id)
	p.line(append(append(b, result...), '}'))
}

func (p *peer) refuse(id []byte, e *mcpwire.Error) {
	p.line(mcpwire.AppendErrorResponse(nil, id, e))
}
