package remote

import (
	"context"
	"errors"
	"net/http"

	"drawbridge/internal/backend/remote/answer"
	"drawbridge/internal/backend/remote/line"
	"drawbridge/internal/eventstream"
	"drawbridge/internal/jsonscan"
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
			told = acknowledged(m.Params)
			ready(told)
		default:
			sink.Notify(mcpwire.Notification{Revision: mcpwire.LatestModern, Method: m.Method, Params: withoutSubscription(m.Params)})
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
	params := []byte(`{"notifications":{`)
	add := func(name, value string) {
		if params[len(params)-1] != '{' {
			params = append(params, ',')
		}
		params = append(append(append(params, '"'), name...), `":`...)
		params = append(params, value...)
	}
	for _, list := range []struct {
		name   string
		wanted bool
	}{
		{"toolsListChanged", f.ToolsChanged}, {"promptsListChanged", f.PromptsChanged}, {"resourcesListChanged", f.ResourcesChanged},
	} {
		if list.wanted {
			add(list.name, "true")
		}
	}
	if len(f.Resources) > 0 {
		list := []byte{'['}
		for i, uri := range f.Resources {
			if i > 0 {
				list = append(list, ',')
			}
			list = mcpwire.AppendString(list, uri)
		}
		add("resourceSubscriptions", string(append(list, ']')))
	}
	req := &mcpwire.Request{Method: mcpwire.MethodListen, Revision: mcpwire.LatestLegacy, Params: append(params, '}', '}')}
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
	case told.ToolsChanged || told.PromptsChanged || told.ResourcesChanged || len(told.Resources) > 0:
		return errors.New("the backend ended the subscription")
	}
	return p.Wait(ctx)
}

// acknowledged reads what the backend honours of the filter.
func acknowledged(params []byte) (f mcpwire.Filter) {
	if params == nil {
		return f
	}
	m, ok := jsonscan.Find(params, "notifications")
	if !ok || !line.IsObject(m.Value.Of(params)) {
		return f
	}
	obj := m.Value.Of(params)
	for m := range jsonscan.Members(obj) {
		value := m.Value.Of(obj)
		switch yes := string(value) == "true"; {
		case jsonscan.Is(m.Key, "toolsListChanged"):
			f.ToolsChanged = yes
		case jsonscan.Is(m.Key, "promptsListChanged"):
			f.PromptsChanged = yes
		case jsonscan.Is(m.Key, "resourcesListChanged"):
			f.ResourcesChanged = yes
		case jsonscan.Is(m.Key, "resourceSubscriptions"):
			f.Resources = line.Texts(value)
		}
	}
	return f
}

// withoutSubscription drops the id of our listen from a notification, and the
// _meta it stood in when nothing else does.
func withoutSubscription(params []byte) []byte {
	if params == nil {
		return nil
	}
	meta, ok := jsonscan.Find(params, "_meta")
	if !ok || !line.IsObject(meta.Value.Of(params)) {
		return params
	}
	obj := meta.Value.Of(params)
	if _, ok := jsonscan.Find(obj, mcpwire.MetaSubscriptionID); !ok {
		return params
	}
	kept := without(obj, func(m jsonscan.Member) bool { return jsonscan.Is(m.Key, mcpwire.MetaSubscriptionID) })
	if len(kept) == len("{}") {
		return without(params, func(m jsonscan.Member) bool { return m.Whole == meta.Whole })
	}
	out := append([]byte(nil), params[:meta.Value.From]...)
	return append(append(out, kept...), params[meta.Value.To:]...)
}

// without is an object without some members.
func without(obj []byte, drop func(jsonscan.Member) bool) []byte {
	out := []byte{'{'}
	for m := range jsonscan.Members(obj) {
		if drop(m) {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(out, m.Whole.Of(obj)...)
	}
	return append(out, '}')
}
