package stdio

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"maps"
	"strconv"

	"drawbridge/internal/backend"
	"drawbridge/internal/jsonscan"
	"drawbridge/internal/mcpwire"
)

// readBuffer holds the lines of nearly all messages.
const readBuffer = 64 << 10

var errLine = errors.New("it sent a line that is too long")

// run reads what the process says until it ends, and then ends what waits for it.
func (p *peer) run() {
	defer close(p.read)
	err := p.lines()
	if !errors.Is(err, errLine) {
		// The output has ended, so the process has or is about to.
		p.proc.endsWithin(context.Background(), drainTime)
	}
	p.proc.kill()
	<-p.proc.exited
	why := "its process exited (" + p.proc.status + ")"
	if errors.Is(err, errLine) {
		why = errLine.Error()
	}
	p.fail(why)
	_ = p.proc.stdout.Close() // everything was read
	p.log.Debug("process ended", "status", p.proc.status, "garbage", p.garbage, "strays", p.strays)
}

// lines hands on one line after the other.
func (p *peer) lines() error {
	br := bufio.NewReaderSize(p.proc.stdout, readBuffer)
	for {
		line, err := br.ReadSlice('\n')
		if err == nil {
			p.take(line, false)
			continue
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return err // what stands before it lacks its newline and is no message
		}
		long, err := longLine(br, line)
		if err != nil {
			return err
		}
		p.take(long, true)
	}
}

// longLine reads the rest of a line into memory of its own.
func longLine(br *bufio.Reader, head []byte) ([]byte, error) {
	line := append(make([]byte, 0, 4*len(head)), head...)
	for {
		part, err := br.ReadSlice('\n')
		if len(line)+len(part) > MaxLine {
			return nil, errLine
		}
		line = append(line, part...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

// take handles one line. kept says that the line's memory is not used again.
func (p *peer) take(line []byte, kept bool) {
	line = bytes.TrimSpace(line)
	if len(line) == 0 {
		return
	}
	if line[0] == '[' { // servers of 2025-03-26 may batch
		if jsonscan.Valid(line) != nil {
			p.nonsense("not JSON")
			return
		}
		for at := range jsonscan.Elements(line) {
			p.message(at.Of(line), kept)
		}
		return
	}
	p.message(line, kept)
}

func (p *peer) message(raw []byte, kept bool) {
	m, err := mcpwire.ParseBackend(raw)
	switch {
	case err != nil:
		p.nonsense(err.Error())
	case m.IsResponse():
		p.response(m, kept)
	case m.IsRequest():
		p.request(m)
	default:
		p.notification(m)
	}
}

// nonsense counts what is not a message. Many servers print greetings and stack
// traces to the wrong stream; the first is worth a line in the log.
func (p *peer) nonsense(why string) {
	if p.garbage++; p.garbage == 1 {
		p.log.Warn("backend writes to its standard output what is not a message", "why", why)
	}
}

// stray counts answers that nobody waits for: late ones, and those never asked.
func (p *peer) stray() {
	if p.strays++; p.strays == 1 {
		p.log.Debug("backend answered what was not asked")
	}
}

func (p *peer) response(m mcpwire.Message, kept bool) {
	id, err := strconv.ParseInt(string(m.ID), 10, 64)
	if err != nil || !p.finish(id, func(c *call) mcpwire.Outcome { return p.outcome(m, kept, c) }) {
		p.stray()
	}
}

// outcome is what an answer means to its call.
func (p *peer) outcome(m mcpwire.Message, kept bool, c *call) mcpwire.Outcome {
	if m.ErrorRaw != nil {
		return p.failure(bytes.Clone(m.ErrorRaw), c)
	}
	result := m.Result
	if !kept {
		result = bytes.Clone(result)
	}
	rev := p.speaks()
	out := mcpwire.Done(rev, result)
	if !rev.Modern() {
		return out
	}
	at, has := jsonscan.Find(result, "resultType")
	if !has {
		return out
	}
	resultType, isText := jsonscan.Unquote(at.Value.Of(result))
	var ok bool
	if out.Kind, ok = backend.KindOf(c.caller, resultType); !ok || !isText {
		return backend.Broken("it answered with a result of a type that was not asked for")
	}
	return out
}

func (p *peer) failure(raw []byte, c *call) mcpwire.Outcome {
	e, err := mcpwire.ParseError(raw)
	switch {
	case err != nil:
		return backend.Broken("it answered with a malformed error")
	case c.caller == nil: // the handshake wants to know
	case e.Code == mcpwire.CodeUnsupportedVersion, e.Code == mcpwire.CodeHeaderMismatch:
		// Between us and the process; the client's own revision is fine. The next
		// dial asks again what it speaks.
		p.era.Store(int32(unknown))
		p.proc.kill()
		return backend.Broken("it no longer speaks the revision that it agreed to")
	}
	return mcpwire.Fail(e)
}

// notification hands on what wants no answer.
func (p *peer) notification(m mcpwire.Message) {
	n := mcpwire.Notification{Revision: p.speaks(), Method: m.Method, Params: m.Params}
	switch m.Method {
	case mcpwire.MethodProgress:
		p.progress(n)
	case mcpwire.MethodMessage:
		p.logged(n)
	case mcpwire.MethodElicitDone:
		if c, _ := p.cause(); c != nil {
			c.notify(n)
		} else {
			p.outside(n)
		}
	case mcpwire.MethodCancelled:
		p.withdraw(m.Params)
	case mcpwire.MethodListenAck:
		p.acknowledged(n)
	default:
		p.outside(n)
	}
}

// progress finds its call by the token, which is the call's id, and that of a call
// which became a task, the request for the task's result.
func (p *peer) progress(n mcpwire.Notification) {
	m, ok := jsonscan.Find(n.Params, "progressToken")
	if !ok {
		return
	}
	id, err := strconv.ParseInt(string(m.Value.Of(n.Params)), 10, 64)
	if err != nil {
		return
	}
	c, token := p.progressing(id)
	if c == nil || token == nil {
		return // over, or never asked for
	}
	n.Params = mcpwire.ReplaceProgressToken(n.Params, token)
	c.notify(n)
}

// progressing is the call that a progress token of ours is for, and its caller's token.
func (p *peer) progressing(id int64) (c *call, token []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c = p.calls[id]; c != nil {
		return c, c.token
	}
	task, token, ok := p.lasting.Of(id)
	if !ok {
		return nil, nil
	}
	for _, c := range p.calls {
		if c.awaits == task {
			return c, token
		}
	}
	return nil, nil
}

// cause is the client's call that makes the process ask or log, or nil where
// that cannot be told; n is how many calls of clients are in flight.
func (p *peer) cause() (c *call, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, n, ok := backend.Cause(maps.All(p.calls), func(c *call) *mcpwire.Caller {
		if !c.causes {
			return nil
		}
		return c.caller
	})
	if !ok {
		return nil, n
	}
	return c, n
}

// logged gives a log message to the call that must have caused it, if there is
// only one. Else it is for whoever watches the process, but only where that is
// one client: of a shared process it may tell one of another's calls, so it goes
// to the lines that admins see.
func (p *peer) logged(n mcpwire.Notification) {
	c, _ := p.cause()
	switch {
	case c == nil && p.cfg.Interactive:
		p.outside(n)
	case c == nil:
		p.ring.add(n.Params)
	case c.wants(n.Params):
		c.notify(n)
	}
}
