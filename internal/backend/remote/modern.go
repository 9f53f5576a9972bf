package remote

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"

	"drawbridge/internal/backend"
	"drawbridge/internal/backend/remote/answer"
	"drawbridge/internal/backend/remote/line"
	"drawbridge/internal/backend/remote/rawhttp"
	"drawbridge/internal/eventstream"
	"drawbridge/internal/mcpheader"
	"drawbridge/internal/mcpwire"
)

// modern is a backend of 2026-07-28. It keeps nothing between calls; Lost only
// says that the backend has become something else.
type modern struct {
	*line.Loss
	l    *line.Line
	info backend.Info
}

var _ backend.Peer = (*modern)(nil)

func newModern(l *line.Line, info backend.Info) *modern {
	return &modern{Loss: line.NewLoss(), l: l, info: info}
}

// Info is what server/discover told.
func (p *modern) Info() backend.Info { return p.info }

// Close has nothing to end.
func (p *modern) Close(context.Context) error {
	p.Lose()
	return nil
}

// modernHead writes the headers that mirror the body.
func modernHead(dst []byte, req *mcpwire.Request) []byte {
	dst = append(dst, line.PostLines+"MCP-Protocol-Version: "+string(mcpwire.LatestModern)+"\r\n"...)
	dst, _ = rawhttp.AppendField(dst, "Mcp-Method", mcpheader.Encode(req.Method))
	switch req.Method {
	case mcpwire.MethodToolsCall, mcpwire.MethodPromptsGet, mcpwire.MethodResourcesRead:
		dst, _ = rawhttp.AppendField(dst, "Mcp-Name", mcpheader.Encode(req.Target))
	default:
		if strings.HasPrefix(req.Method, "tasks/") && req.Target != "" {
			dst, _ = rawhttp.AppendField(dst, "Mcp-Name", mcpheader.Encode(req.Target))
		}
	}
	for name, value := range req.ParamHeaders {
		if len(name) > len(mcpheader.Prefix) && strings.EqualFold(name[:len(mcpheader.Prefix)], mcpheader.Prefix) {
			dst, _ = rawhttp.AppendField(dst, name, value) // what cannot stand in a header did not come in one
		}
	}
	return dst
}

// Serve sends one call. Ending ctx closes its stream, which is how this revision
// cancels.
func (p *modern) Serve(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
	c := p.l.NewCall(req, sink)
	s := line.NewScratch()
	s.Head = modernHead(s.Head[:0], req)
	s.Body = p.l.AppendCall(s.Body[:0], mcpwire.LatestModern, &c, req)
	resp, err := p.l.Post(ctx, s.Head, s.Body, p.l.FirstByte)
	s.Free()
	if err != nil {
		return p.l.Failed(ctx, err)
	}
	a, err := p.answer(ctx, &c, resp)
	if err != nil {
		return p.fail(ctx, err)
	}
	return p.outcome(ctx, req, a)
}

// fail ends a call, and the session where the backend has changed.
func (p *modern) fail(ctx context.Context, err error) mcpwire.Outcome {
	if errors.Is(err, line.ErrChanged) {
		p.l.Changed()
		p.Lose()
	}
	return p.l.Failed(ctx, err)
}

// answer reads what came, in whichever form.
func (p *modern) answer(ctx context.Context, c *line.Call, resp *rawhttp.Response) (answer.Answer, error) {
	o := answer.Options{ID: c.ID, Max: p.l.MaxMessage, NeedType: true}
	switch {
	case resp.Status != http.StatusOK:
		return p.refused(resp)
	case resp.Type == line.JSON:
		return answer.Read(resp, o)
	case resp.Type == line.Events:
		events := eventstream.NewReader(resp, int(p.l.MaxMessage))
		for {
			a, done, err := p.event(ctx, events, c, o)
			if err != nil {
				_ = resp.Close() // err says more
				return answer.Answer{}, err
			}
			if done {
				return line.Streamed(a, resp), nil
			}
		}
	}
	_ = resp.Close() // nothing in it can be understood
	return answer.Answer{}, line.StatusError(resp.Status)
}

// refused reads an HTTP error. One that says nothing of MCP, from a backend that
// used to speak it, is a backend that has changed.
func (p *modern) refused(resp *rawhttp.Response) (answer.Answer, error) {
	b := line.Refusal(resp)
	if e := answer.Error(b); e != nil && resp.Status >= 400 && !line.IsCredential(resp.Status) {
		return answer.Answer{Err: e}, nil
	}
	switch resp.Status {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusGone:
		return answer.Answer{}, line.ErrChanged
	}
	return answer.Answer{}, line.StatusError(resp.Status)
}

// event takes one event of the answer's stream.
func (p *modern) event(ctx context.Context, events *eventstream.Reader, c *line.Call, o answer.Options) (a answer.Answer, done bool, err error) {
	m, err := next(events)
	if err != nil {
		return a, false, err
	}
	switch {
	case m.IsResponse():
		a, err = answer.Of(&m, o)
		return a, err == nil, err
	case m.IsRequest():
		// This revision asks by input_required; nobody could be asked here.
		p.l.Log.DebugContext(ctx, "request from a modern backend ignored", "method", m.Method)
	case m.Method == mcpwire.MethodProgress:
		if token, ok := line.ProgressToken(m.Params); ok && token == c.ID && c.Token != nil {
			c.Sink.Notify(mcpwire.Notification{
				Revision: mcpwire.LatestModern, Method: m.Method, Params: mcpwire.ReplaceProgressToken(m.Params, c.Token),
			})
		}
	default:
		c.Sink.Notify(mcpwire.Notification{Revision: mcpwire.LatestModern, Method: m.Method, Params: m.Params})
	}
	return a, false, nil
}

// next is the next message of a stream. An end before the answer is a lost one.
func next(events *eventstream.Reader) (mcpwire.Message, error) {
	for {
		ev, err := events.Next()
		switch {
		case errors.Is(err, io.EOF):
			return mcpwire.Message{}, line.ErrUnknown
		case err != nil:
			return mcpwire.Message{}, err
		case len(ev.Data) > 0 && (ev.Name == "" || ev.Name == "message"):
			return mcpwire.ParseBackend(ev.Data)
		}
	}
}

// outcome sorts an answer by its resultType.
func (p *modern) outcome(ctx context.Context, req *mcpwire.Request, a answer.Answer) mcpwire.Outcome {
	if a.Err != nil {
		switch a.Err.Code {
		case mcpwire.CodeUnsupportedVersion:
			return p.fail(ctx, line.ErrChanged)
		case mcpwire.CodeHeaderMismatch:
			return p.fail(ctx, line.ErrHeaders)
		}
		return mcpwire.Fail(a.Err)
	}
	o := mcpwire.Outcome{Kind: mcpwire.Complete, Revision: mcpwire.LatestModern, Result: a.Result}
	var ok bool
	if o.Kind, ok = backend.KindOf(req.Caller, a.Type); !ok || a.Type == "invalid" {
		o.Close()
		return p.fail(ctx, mcpwire.ErrBadFrame)
	}
	return o
}
