package park

import (
	"bytes"
	"context"
	"strconv"
	"sync"
	"time"

	"drawbridge/internal/backend"
	"drawbridge/internal/mcpwire"
)

const (
	// gather is how long the first question waits for others that were put with it,
	// so that a person is asked once.
	gather = 10 * time.Millisecond
	// lastWord is how long a backend may take to end a call by itself whose question
	// was declined for lack of an answer, before the call is cancelled.
	lastWord = 2 * time.Second

	maxOpen       = 32       // questions of one call that wait for their answers
	maxQuestion   = 64 << 10 // the params of one
	maxHeard      = 64       // notifications kept of a parked call
	maxHeardBytes = 16 << 10 // of their params
)

// call is one call at its backend. It is the sink of the backend's call.
type call struct {
	lot *Lot
	req *mcpwire.Request
	end context.CancelCauseFunc // of the backend's call

	mu     sync.Mutex     // guards what follows
	caller mcpwire.Caller // of the present request: what it can be asked counts by request
	info   Info           // its times are the lot's to set
	at     *visit         // the client's request that waits for the call; nil while parked
	open   []*question    // put by the backend and not answered
	serial int            // of the questions
	round  int            // of the tickets given out
	heard  []mcpwire.Notification
	size   int // of heard
	timer  *time.Timer
	over   bool // out is set, and nobody has taken it
	out    mcpwire.Outcome
	gone   bool          // released: what the backend still says is for nobody
	left   bool          // the backend's call has ended
	ended  chan struct{} // closed then; nil while nobody waits for it

	answered bool           // a retry has brought what the present round asked
	cut      *mcpwire.Error // what ended the call in place of its backend; nil for nothing

	leave func() // called once nothing of the call is left; nil where nobody wants to know
}

// question is one that the backend waits for.
type question struct {
	mcpwire.Asked
	asker  mcpwire.Revision    // what the backend speaks
	answer chan mcpwire.Answer // holds one
	shown  bool                // the client has it
}

// visit is a client's request that waits for a call.
type visit struct {
	sink  mcpwire.Sink
	token []byte // its progress token; nil for none
	wake  chan struct{}
}

// signal wakes who waits for the call. The caller holds mu.
func (p *call) signal() {
	if p.at == nil {
		return
	}
	select {
	case p.at.wake <- struct{}{}:
	default:
	}
}

// wait stays with the call until it ends or asks.
func (p *call) wait(ctx context.Context, v *visit) (mcpwire.Outcome, []mcpwire.Asked, Ticket) {
	var together <-chan time.Time
	for {
		select {
		case <-ctx.Done(): // the end of a request's stream is how this revision cancels
			return p.abandon(ctx), nil, Ticket{}
		case <-v.wake:
			if out, ok := p.take(ctx); ok {
				return out, nil, Ticket{}
			}
			if together == nil {
				together = time.After(gather)
			}
		case <-together:
			together = nil
			if ctx.Err() != nil { // both are ready, and nobody would have the ticket
				return p.abandon(ctx), nil, Ticket{}
			}
			if out, ok := p.take(ctx); ok {
				return out, nil, Ticket{}
			}
			if asked, t, ok := p.parked(); ok {
				return mcpwire.Outcome{Kind: mcpwire.InputRequired, Revision: mcpwire.LatestModern}, asked, t
			}
		}
	}
}

// parked lets the client's request end with the questions that are open. ok is
// false where none is, or where no more calls may be parked; then the backend is
// told that nobody answers, and goes on.
func (p *call) parked() (asked []mcpwire.Asked, t Ticket, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.open) == 0 || p.cut != nil {
		return nil, t, false // it was taken back, or the call ends
	}
	if !p.lot.park(p) {
		p.lot.log.Warn("question declined: as many calls are parked as may be (limits.parked, limits.parked_per_user)", "backend", p.info.Backend)
		p.decline()
		return nil, t, false
	}
	p.at = nil
	p.answered = false
	p.round++
	for _, q := range p.open {
		q.shown = true
	}
	round := p.round
	p.timer = time.AfterFunc(p.lot.cfg.TTL, func() { p.release("expired", round) })
	return p.shown(), Ticket{ID: p.info.ID, Round: round}, true
}

// shown are the questions that the client has. The caller holds mu.
func (p *call) shown() []mcpwire.Asked {
	var list []mcpwire.Asked
	for _, q := range p.open {
		if q.shown {
			list = append(list, q.Asked)
		}
	}
	return list
}

// decline answers the open questions for nobody. The caller holds mu.
func (p *call) decline() {
	for _, q := range p.open {
		q.answer <- backend.Decline(q.Method)
	}
	p.open = nil
}

// enter makes v the request that waits, if it brings every answer. Else it tells
// which questions are open, or what is wrong.
func (p *call) enter(round int, req *mcpwire.Request, v *visit) (missing []mcpwire.Asked, _ *mcpwire.Error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.answered || round != p.round:
		return nil, ErrAnswered
	case p.gone:
		return nil, ErrGone
	}
	inputs := req.Inputs()
	for _, q := range p.open {
		if !q.shown {
			continue
		}
		answer := mcpwire.Member(inputs, q.Key)
		if answer == nil {
			return p.shown(), nil
		}
		if why := mcpwire.CheckAnswer(q.Method, answer); why != "" {
			return nil, mcpwire.Errorf(mcpwire.CodeInvalidParams, "The answer to %q does not fit its question: %s. Correct it and send the same retry again.", q.Key, why)
		}
	}
	p.timer.Stop()
	p.answered = true
	p.lot.answered(p)
	p.at = v
	p.caller = mcpwire.Caller{Revision: req.Caller.Revision, Can: req.Caller.Can}
	p.deliver(inputs)
	for _, n := range p.heard {
		p.tell(n)
	}
	p.heard, p.size = nil, 0
	if p.over || len(p.open) > 0 {
		p.signal()
	}
	return nil, nil
}

// deliver answers the questions that the client had; others came since and are
// put next. The caller holds mu.
func (p *call) deliver(inputs []byte) {
	var left []*question
	for _, q := range p.open {
		switch {
		case !q.shown && p.caller.CanAnswer(q.Question):
			left = append(left, q)
			continue
		case !q.shown: // the retry declares less than the request that the backend saw
			q.answer <- backend.Decline(q.Method)
			continue
		}
		answer := bytes.Clone(mcpwire.Member(inputs, q.Key))
		q.answer <- mcpwire.Answer{Result: mcpwire.AnswerFor(q.asker, q.Method, answer)}
	}
	p.open = left
}

// Notify passes on what the backend says, or keeps it while nobody waits.
func (p *call) Notify(n mcpwire.Notification) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.gone:
	case p.at != nil:
		p.tell(n)
	default:
		p.keep(n)
	}
}

// tell gives a notification to the request that waits. The caller holds mu, so that
// the request does not end meanwhile.
func (p *call) tell(n mcpwire.Notification) {
	if n.Method == mcpwire.MethodProgress {
		if p.at.token == nil {
			return
		}
		n.Params = mcpwire.ReplaceProgressToken(n.Params, p.at.token)
	}
	p.at.sink.Notify(n)
}

// keep remembers a notification; the oldest go first. The caller holds mu.
func (p *call) keep(n mcpwire.Notification) {
	if len(n.Params) > maxHeardBytes {
		return // the others are worth more
	}
	n.Params = bytes.Clone(n.Params)
	p.heard = append(p.heard, n)
	p.size += len(n.Params)
	for len(p.heard) > maxHeard || p.size > maxHeardBytes {
		p.size -= len(p.heard[0].Params)
		p.heard = p.heard[1:]
	}
}

// Ask holds the call until a retry brings the answer.
func (p *call) Ask(ctx context.Context, q mcpwire.Question) (mcpwire.Answer, error) {
	mine, ok := p.put(q)
	if !ok {
		return mcpwire.Answer{}, mcpwire.ErrCannotAsk
	}
	select {
	case a := <-mine.answer:
		return a, nil
	case <-ctx.Done():
		p.takeBack(mine)
		return mcpwire.Answer{}, context.Cause(ctx)
	}
}

// put opens a question. One that comes while the call is parked already waits for
// the next round.
func (p *call) put(q mcpwire.Question) (*question, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone || !mcpwire.MayAsk(p.req.Method) || !p.caller.CanAnswer(q) {
		return nil, false
	}
	if len(p.open) >= maxOpen || len(q.Params) > maxQuestion {
		p.lot.log.Warn("question declined: it is too large, or one too many", "backend", p.info.Backend, "bytes", len(q.Params), "open", len(p.open))
		return nil, false
	}
	p.serial++
	mine := &question{
		Asked: mcpwire.Asked{Key: "question-" + strconv.Itoa(p.serial), Question: mcpwire.QuestionFor(mcpwire.LatestModern, q)},
		asker: q.Revision, answer: make(chan mcpwire.Answer, 1),
	}
	p.open = append(p.open, mine)
	p.signal()
	return mine, true
}

func (p *call) takeBack(mine *question) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, q := range p.open {
		if q == mine {
			p.open = append(p.open[:i:i], p.open[i+1:]...)
			return
		}
	}
}
