package stdio

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"sync"

	"drawbridge/internal/backend"
	"drawbridge/internal/backend/talk"
	"drawbridge/internal/mcpwire"
)

// peer is one process with which the handshake was done.
type peer struct {
	log  *slog.Logger
	cfg  *Config
	ring *ring
	era  interface{ Store(int32) } // of the Dialer, forgotten when it turns out wrong
	proc *process
	out  *writer
	info backend.Info // set by the handshake under mu, before anybody but the reading goroutine sees the peer
	lost chan struct{}
	read chan struct{} // closed when the reading goroutine has ended

	lasting  talk.Lasting
	leveling sync.Mutex // held while the log level is being set

	mu      sync.Mutex // guards what follows
	calls   map[int64]*call
	quiet   map[int64]*call // our own that last or do not matter; a nil call is ignored
	watches []*watch
	asking  map[string]context.CancelFunc // by the process's own id of the question
	early   talk.Early[held]
	lastID  int64
	dead    string // why there is nobody to call any more; "" while there is
	level   string // what logging/setLevel was last sent; "" for never

	strays, garbage int // messages that made no sense; only the reading goroutine counts
}

// call is one request that the process has not answered yet.
type call struct {
	id     int64
	rev    mcpwire.Revision // the caller's
	caller *mcpwire.Caller  // nil for our own requests
	causes bool             // what the process asks or logs may be this call's
	token  []byte           // the caller's progress token, raw; nil for none
	awaits string           // the task whose result it is for; "" for none
	answer chan mcpwire.Outcome
	ear
}

func newPeer(d *Dialer, proc *process) *peer {
	p := &peer{
		log: d.log, cfg: &d.cfg, ring: d.stderr, era: &d.era, proc: proc,
		lost: make(chan struct{}), read: make(chan struct{}),
		calls: map[int64]*call{}, quiet: map[int64]*call{}, asking: map[string]context.CancelFunc{},
	}
	p.out = newWriter(proc.stdin, proc.kill)
	go p.run() // ends with the process; Close waits for it
	return p
}

func (p *peer) Info() backend.Info { return p.info }

// speaks is the revision, for the reading goroutine: while the handshake lasts, an
// answer to server/discover may come late and change what is known.
func (p *peer) speaks() mcpwire.Revision {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.info.Revision
}

func (p *peer) Lost() <-chan struct{} { return p.lost }

// Close ends the process and waits until nothing of it is left.
func (p *peer) Close(ctx context.Context) error {
	p.fail("it is being stopped")
	p.proc.stop(ctx, p.cfg.Grace)
	p.out.close()
	<-p.read
	<-p.proc.stderr
	return nil
}

// Serve sends one request and waits for its answer.
func (p *peer) Serve(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
	c := &call{
		// The reader may still look at the token when the request's bytes have gone
		// back to their pool.
		rev: req.Revision, caller: req.Caller, causes: backend.MayAsk(req.Method), token: bytes.Clone(req.ProgressToken()),
		awaits: talk.Awaits(req), answer: make(chan mcpwire.Outcome, 1), ear: ear{life: ctx, sink: sink},
	}
	if why := p.add(c); why != "" {
		return backend.Broken(why)
	}
	p.wantLevel(ctx, req.Caller)
	if why := p.write(c.id, req); why != "" {
		p.remove(c.id)
		return backend.Broken(why)
	}
	select {
	case out := <-c.answer:
		c.asks.Wait()
		if out.Kind == mcpwire.Complete {
			p.lasting.Made(c.id, req, out.Result.Bytes)
			p.lasting.Done(req)
		}
		return out
	case <-ctx.Done():
	}
	if p.remove(c.id) {
		p.cancelled(c.id)
	}
	c.close()
	c.asks.Wait()
	return backend.Broken("the call was cancelled")
}

// add registers a call. It returns why it cannot be made, or "".
func (p *peer) add(c *call) string {
	p.mu.Lock()
	if why := p.dead; why != "" {
		p.mu.Unlock()
		return why
	}
	p.lastID++
	c.id = p.lastID
	p.calls[c.id] = c
	var early []held
	if c.causes {
		early = p.early.Call(c.caller)
	}
	p.mu.Unlock()
	for _, h := range early {
		p.put(h, c, 1)
	}
	return ""
}

// remove forgets a call and tells whether it was there.
func (p *peer) remove(id int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, was := p.calls[id]
	delete(p.calls, id)
	return was
}

// finish gives a call its outcome, if the call still waits.
func (p *peer) finish(id int64, out func(*call) mcpwire.Outcome) bool {
	p.mu.Lock()
	c, known := p.calls[id]
	if !known {
		c, known = p.quiet[id]
	}
	delete(p.calls, id)
	delete(p.quiet, id)
	p.mu.Unlock()
	if c != nil {
		c.close()
		c.answer <- out(c)
	}
	return known
}

// frames are buffers for lines on their way out.
var frames = sync.Pool{New: func() any { return new([]byte) }}

// maxPooled keeps one large request from staying in memory.
const maxPooled = 64 << 10

// write sends a request under an id. It returns why it could not be, or "".
func (p *peer) write(id int64, req *mcpwire.Request) string {
	buf := frames.Get().(*[]byte)
	var scratch [20]byte
	raw := strconv.AppendInt(scratch[:0], id, 10)
	var token []byte
	if req.ProgressToken() != nil {
		token = raw // ids are unique here, so they serve as tokens too
	}
	b := append((*buf)[:0], `{"jsonrpc":"2.0","id":`...)
	b = append(b, raw...)
	b = append(b, `,"method":`...)
	b = mcpwire.AppendString(b, req.Method)
	b = append(b, `,"params":`...)
	b = req.AppendParams(b, backend.EditFor(p.info.Revision, req, p.cfg.ClientInfo, token))
	b = append(b, '}')
	why := p.line(b)
	if cap(b) <= maxPooled {
		*buf = b
		frames.Put(buf)
	}
	return why
}

// line sends one message. It returns why it could not be, or "". b may change.
func (p *peer) line(b []byte) string {
	if len(b) >= MaxLine {
		return "the message is larger than a line may be"
	}
	// A line break outside of strings is lawful JSON, but would end the line.
	for i := bytes.IndexAny(b, "\r\n"); i >= 0 && i < len(b); i++ {
		if b[i] == '\n' || b[i] == '\r' {
			b[i] = ' '
		}
	}
	if err := p.out.send(append(b, '\n')); err != nil {
		return "it does not read its input"
	}
	return ""
}

// cancelled tells the process to stop working on a request. On stdio both eras
// do it with this notification.
func (p *peer) cancelled(id int64) {
	params := strconv.AppendInt([]byte(`{"requestId":`), id, 10)
	p.line(mcpwire.AppendRequest(nil, nil, mcpwire.MethodCancelled, append(params, '}')))
}

// Tell passes a client's notification to the process, or sets its log level.
func (p *peer) Tell(ctx context.Context, caller *mcpwire.Caller, n mcpwire.Notification) {
	switch {
	case n.Method == mcpwire.MethodSetLevel:
		p.wantLevel(ctx, caller)
	case p.info.Revision.Legacy():
		p.line(mcpwire.AppendRequest(nil, nil, n.Method, n.Params))
	}
}

// fail ends everything that still waits for the process. The first reason counts.
func (p *peer) fail(why string) {
	p.mu.Lock()
	if p.dead != "" {
		p.mu.Unlock()
		return
	}
	p.dead = why
	p.early.End()
	ids := slices.AppendSeq(slices.Collect(maps.Keys(p.calls)), maps.Keys(p.quiet))
	p.mu.Unlock()
	for _, id := range ids {
		p.finish(id, func(*call) mcpwire.Outcome { return backend.Broken(why) })
	}
	close(p.lost)
}
