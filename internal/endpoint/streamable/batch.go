package streamable

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"

	"drawbridge/internal/account"
	"drawbridge/internal/endpoint/session"
	"drawbridge/internal/endpoint/session/stream"
	"drawbridge/internal/jsonscan"
	"drawbridge/internal/mcpwire"
)

// maxBatch bounds the messages of a batch, batchParallel how many of its
// requests run at once, heldBytes each of their answers and heldTogether all.
const (
	maxBatch      = 100
	batchParallel = 8
	heldBytes     = 8 << 20
	heldTogether  = 32 << 20
)

// item is one request of a batch.
type item struct {
	msg mcpwire.Message
	req *mcpwire.Request
	bad *mcpwire.Error
	ctx context.Context // of the call, between Enter and Settle
	key string
}

// batch serves an array of messages, which only 2025-03-26 and before allow.
func (e *Endpoint) batch(w http.ResponseWriter, r *http.Request, p account.Principal, body []byte) {
	if err := mcpwire.CheckBody(body); err != nil {
		stream.WriteError(w, http.StatusBadRequest, nil, err)
		return
	}
	if h := r.Header.Get(headerRevision); h >= string(mcpwire.Rev20250618) {
		e.refuse(w, http.StatusBadRequest, noBatch)
		return
	}
	if r.Header.Get(headerSession) == "" {
		e.refuse(w, http.StatusBadRequest, noSession)
		return
	}
	s := e.acquire(w, r, p, nil)
	if s == nil {
		return
	}
	defer s.Release()
	if s.Revision() >= mcpwire.Rev20250618 {
		e.refuse(w, http.StatusBadRequest, noBatch)
		return
	}
	msgs, err := split(body)
	if err != nil {
		stream.WriteError(w, http.StatusBadRequest, nil, err)
		return
	}
	e.serveBatch(w, r, s, msgs)
}

const noBatch = "Batches were removed with revision 2025-06-18. Send each message in a request of its own."

// split takes a checked array apart.
func split(body []byte) ([]mcpwire.Message, *mcpwire.Error) {
	var msgs []mcpwire.Message
	for span := range jsonscan.Elements(body) {
		if len(msgs) == maxBatch {
			return nil, mcpwire.Errorf(mcpwire.CodeInvalidRequest, "A batch may hold at most %d messages. Split it.", maxBatch)
		}
		msg, err := mcpwire.ParseChecked(span.Of(body))
		if err != nil {
			return nil, err
		}
		if _, modern := session.Version(msg.Params); modern || msg.Method == mcpwire.MethodInitialize {
			return nil, mcpwire.Errorf(mcpwire.CodeInvalidRequest, "initialize and requests of 2026-07-28 cannot be part of a batch. Send them alone.")
		}
		msgs = append(msgs, msg)
	}
	if len(msgs) == 0 {
		return nil, mcpwire.Errorf(mcpwire.CodeInvalidRequest, "The batch is empty.")
	}
	return msgs, nil
}

// serveBatch takes what needs no answer, then runs the requests.
func (e *Endpoint) serveBatch(w http.ResponseWriter, r *http.Request, s *session.Session, msgs []mcpwire.Message) {
	var items []*item
	defer func() {
		for _, it := range items {
			s.Settle(it.key)(nil)
		}
	}()
	for i := range msgs {
		if !msgs[i].IsRequest() {
			continue
		}
		it := &item{msg: msgs[i]}
		var ok bool
		if it.ctx, it.key, ok = s.Enter(r.Context(), it.msg.ID); !ok {
			stream.WriteError(w, http.StatusBadRequest, it.msg.ID, session.ErrTwice)
			return
		}
		it.req, it.bad = mcpwire.NewRequest(it.msg.Method, "", it.msg.Params)
		items = append(items, it)
	}
	for i := range msgs {
		switch {
		case msgs[i].IsNotification():
			e.table.Notified(r.Context(), s, s.Caller(), &msgs[i])
		case msgs[i].IsResponse():
			s.Resolve(&msgs[i])
		}
	}
	if len(items) == 0 {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	x := e.newExchange(w, r, s, nil)
	e.runBatch(s, x, items)
	x.finishBatch()
}

// runBatch runs the requests of a batch and waits for all of them.
func (e *Endpoint) runBatch(s *session.Session, x *exchange, items []*item) {
	var wg sync.WaitGroup
	var left atomic.Int64
	left.Store(heldTogether)
	slots := make(chan struct{}, batchParallel)
	for _, it := range items {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			o := mcpwire.Fail(it.bad)
			if it.bad == nil {
				o = e.table.Serve(it.ctx, s, it.req, x)
			}
			frame := stream.HeldAnswer(it.msg.ID, &o, int(max(0, min(heldBytes, left.Load()))))
			left.Add(-int64(len(frame)))
			o.Close()
			x.answered(frame)
		})
	}
	wg.Wait()
}

// answered takes one answer of a batch.
func (x *exchange) answered(frame []byte) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.state == holding {
		x.early = append(x.early, frame)
		return
	}
	x.stream.Push(frame)
}

// finishBatch writes the answers as an array, or ends the event stream they are
// on.
func (x *exchange) finishBatch() {
	if x.close() != holding {
		x.stream.End(nil)
		<-x.pumped
		return
	}
	stream.JSONHeader(x.w.Header())
	out := []byte{'['}
	for i, frame := range x.early {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, frame...)
	}
	_, _ = x.w.Write(append(out, ']')) // a client that is gone needs no answer
}
