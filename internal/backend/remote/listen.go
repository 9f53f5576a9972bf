package remote

import (
	"context"
	"errors"
	"net/http"

	"drawbridge/internal/backend/remote/answer"
	"drawbridge/internal/backend/remote/line"
	"drawbridge/internal/eventstream"
	"drawbridge/internal/mcpwire"
)

// Watch holds a subscriptions/listen open until ctx ends. It returns an error when
// the stream breaks; its caller opens the next, because what changed in between
// has to be looked at anyway. Another filter is another Watch.
func (p *modern) Watch(ctx context.Context, f mcpwire.Filter, sink mcpwire.Sink, ready func(mcpwire.Filter)) error {
	head, body, id := p.listenRequest(f)
	resp, err := p.l.Post(ctx, head, body, p.l.Handshake)
	if err != nil {
		return ended(ctx, err)
	}
	if resp.Status != http.StatusOK || resp.Type != line.Events {
		e := answer.Error(line.Refusal(resp))
		if e != nil && (e.Code == mcpwire.CodeMethodNotFound || e.Code == mcpwire.CodeInvalidParams) {
			ready(mcpwire.Filter{}) // it has nothing to tell
			return p.Wait(ctx)
		}
		return line.StatusError(resp.Status)
	}
	defer resp.Close()
	events := eventstream.NewReader(resp, int(p.l.MaxMessage))
	told := mcpwire.Filter{}
	for {
		m, err := next(events)
		switch {
		case err != nil:
			return ended(ctx, err)
		case m.IsResponse():
			return p.listenEnded(ctx, &m, id, told, ready)
		case m.IsRequest():
			p.l.Log.DebugContext(ctx, "request from a modern backend ignored", "method", m.Method)
		case m.Method == mcpwire.MethodListenAck:
			told, _, _ = mcpwire.FilterOf(m.Params)
			ready(told)
		default:
			sink.Notify(mcpwire.Notification{Revision: mcpwire.LatestModern, Method: m.Method, Params: mcpwire.WithoutMeta(m.Params, mcpwire.MetaSubscriptionID)})
		}
	}
}

// ended is nil where ctx is why.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (p *modern) listenRequest(f mcpwire.Filter) (head, body []byte, id int64) {
	req := &mcpwire.Request{Method: mcpwire.MethodListen, Revision: mcpwire.LatestLegacy, Params: append(f.Append([]byte(`{"notifications":`)), '}')}
	c := p.l.NewCall(req, nil)
	return modernHead(nil, req), p.l.AppendCall(nil, mcpwire.LatestModern, &c, req), c.ID
}

// listenEnded takes the end that the backend gave. One that honoured nothing ends
// the listen at once and will never have anything to tell.
func (p *modern) listenEnded(ctx context.Context, m *mcpwire.Message, id int64, told mcpwire.Filter, ready func(mcpwire.Filter)) error {
	a, err := answer.Of(m, answer.Options{ID: id})
	switch {
	case err != nil:
		return err
	case a.Err != nil && a.Err.Code != mcpwire.CodeMethodNotFound && a.Err.Code != mcpwire.CodeInvalidParams:
		return a.Err
	case a.Err != nil:
		ready(mcpwire.Filter{})
		return p.Wait(ctx)
	case !told.Empty():
		return errors.New("the backend ended the subscription")
	}
	return p.Wait(ctx)
}
