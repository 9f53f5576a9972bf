package streamable

import (
	"net/http"
	"sync"
	"sync/atomic"

	"drawbridge/internal/account"
	"drawbridge/internal/endpoint/session"
	"drawbridge/internal/endpoint/session/stream"
	"drawbridge/internal/life"
	"drawbridge/internal/mcpwire"
)

// batchParallel is how many requests of a batch run at once; heldBytes bounds each
// of their answers, heldTogether all of them.
const (
	batchParallel = 8
	heldBytes     = 8 << 20
	heldTogether  = 32 << 20
)

// item is one request of a batch.
type item struct {
	msg  mcpwire.Message
	req  *mcpwire.Request
	bad  *mcpwire.Error
	call *life.Life // between Enter and Settle
	key  string
}

// batch serves an array of messages, which only 2025-03-26 and before allow.
func (e *Endpoint) batch(w http.ResponseWriter, r *http.Request, p account.Principal, body []byte) {
	if err := mcpwire.CheckBody(body); err != nil {
		stream.WriteError(w, http.StatusBadRequest, nil, err)
		return
	}
	if h := header(r, headerRevision); session.NoBatches(mcpwire.Revision(h)) {
		e.refuse(w, http.StatusBadRequest, noBatch)
		return
	}
	if header(r, headerSession) == "" {
		e.refuse(w, http.StatusBadRequest, noSession)
		return
	}
	s := e.acquire(w, r, p, nil)
	if s == nil {
		return
	}
	defer s.Release()
	if session.NoBatches(s.Revision()) {
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

// split takes a checked array apart. What needs a header of its own cannot be in it.
func split(body []byte) ([]mcpwire.Message, *mcpwire.Error) {
	msgs, err := session.SplitBatch(body)
	for i := range msgs {
		if _, modern := session.Version(msgs[i].Params); modern || msgs[i].Method == mcpwire.MethodInitialize {
			return nil, mcpwire.Errorf(mcpwire.CodeInvalidRequest, "initialize and requests of 2026-07-28 cannot be part of a batch. Send them alone.")
		}
	}
	return msgs, err
}

// serveBatch takes what needs no answer, then runs the requests.
func (e *Endpoint) serveBatch(w http.ResponseWriter, r *http.Request, s *session.Session, msgs []mcpwire.Message) {
	var items []*item
	defer func() {
		for _, it := range items {
			s.Settle(it.key)
			it.call.End(nil)
		}
	}()
	for i := range msgs {
		if !msgs[i].IsRequest() {
			continue
		}
		it := &item{msg: msgs[i]}
		var ok bool
		if it.call, it.key, ok = s.Enter(r.Context(), it.msg.ID); !ok {
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
				o = e.table.Serve(it.call, s, it.req, x)
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
