package line

import (
	"bytes"
	"context"
	"net/http"

	"drawbridge/internal/backend"
	"drawbridge/internal/backend/remote/answer"
	"drawbridge/internal/backend/remote/rawhttp"
	"drawbridge/internal/eventstream"
	"drawbridge/internal/fault"
	"drawbridge/internal/jsonscan"
	"drawbridge/internal/mcpwire"
)

// Follow sends a handshake's first request. A redirect within the backend's own
// origin, as frameworks send for a missing slash at the end, is taken once and
// kept; any other is an error. No other request ever follows one.
func (l *Line) Follow(ctx context.Context, head, body []byte) (*rawhttp.Response, error) {
	target := l.Target()
	resp, err := l.Post(ctx, head, body, l.Handshake)
	if err != nil || resp.Status != http.StatusTemporaryRedirect && resp.Status != http.StatusPermanentRedirect {
		return resp, err
	}
	next, ok := l.Within(resp.Location)
	if !ok || next == target {
		return resp, nil
	}
	_ = resp.Close() // a redirect's body says nothing
	resp, err = l.http.Do(ctx, &rawhttp.Request{Method: http.MethodPost, Target: next, Header: head, Body: body, Wait: l.Handshake})
	if err == nil && resp.Status/100 != 3 {
		l.mu.Lock()
		l.target = next
		l.mu.Unlock()
		l.Log.InfoContext(ctx, "the backend redirects within itself; its other path is used from now on")
	}
	return resp, err
}

// HandshakeAnswer reads the answer to a handshake's request. An error with a JSON
// body of its own is an answer whatever its HTTP status.
func (l *Line) HandshakeAnswer(resp *rawhttp.Response, id int64) (answer.Answer, error) {
	o := answer.Options{ID: id, Max: maxHandshake}
	switch {
	case resp.Status != http.StatusOK:
		if e := answer.Error(Refusal(resp)); e != nil && resp.Status >= 400 && !IsCredential(resp.Status) {
			return answer.Answer{Err: e}, nil
		}
		return answer.Answer{}, StatusError(resp.Status)
	case resp.Type == JSON:
		return own(answer.Read(resp, o))
	case resp.Type == Events:
		defer resp.Close()
		events := eventstream.NewReader(resp, maxHandshake)
		for {
			ev, err := events.Next()
			if err != nil {
				return answer.Answer{}, err
			}
			if m, err := mcpwire.ParseBackend(ev.Data); err == nil && m.IsResponse() {
				return own(answer.Of(&m, o))
			}
		}
	}
	_ = resp.Close() // nothing in it can be understood
	return answer.Answer{}, StatusError(resp.Status)
}

// own copies an answer's result off the buffer it was read in.
func own(a answer.Answer, err error) (answer.Answer, error) {
	if err == nil && a.Result.Rest != nil {
		_ = a.Result.Rest.Close() // an introduction of this size is none
		a.Result.Rest, err = nil, answer.ErrTooLarge
	}
	a.Result.Bytes = bytes.Clone(a.Result.Bytes)
	if a.Result.Free != nil {
		a.Result.Free()
		a.Result.Free = nil
	}
	return a, err
}

// maxHandshake is the largest introduction of a server.
const maxHandshake = 1 << 20

// InitializeParams are what every legacy session begins with.
func (l *Line) InitializeParams(hello backend.Hello) []byte {
	info := hello.Info
	if info == nil {
		info = l.Self
	}
	b := []byte(`{"protocolVersion":"` + string(mcpwire.LatestLegacy) + `","capabilities":`)
	b = append(b, mcpwire.EncodeCapabilities(hello.Capabilities, mcpwire.LatestLegacy)...)
	b = append(append(b, `,"clientInfo":`...), info...)
	return append(b, '}')
}

// Introduction reads the result of initialize.
func Introduction(result []byte, t backend.Transport) (backend.Info, error) {
	info := backend.Info{Transport: t, Capabilities: []byte("{}"), ServerInfo: []byte("{}")}
	for m := range jsonscan.Members(result) {
		if jsonscan.Is(m.Key, "protocolVersion") {
			s, _ := jsonscan.Unquote(m.Value.Of(result))
			info.Revision, _ = mcpwire.ParseRevision(s)
			continue
		}
		Introduce(&info, m.Key, m.Value.Of(result))
	}
	if info.Revision == "" {
		return info, fault.New(fault.Upstream, "It speaks no revision of MCP that Drawbridge knows. Update one of the two.")
	}
	if info.Revision.Modern() {
		// Some servers say so to initialize although that revision has none; in
		// the session that follows they speak the latest legacy one.
		info.Revision = mcpwire.LatestLegacy
	}
	return info, nil
}

// Introduce takes the members that discover and initialize have in common.
func Introduce(info *backend.Info, key, value []byte) {
	switch {
	case jsonscan.Is(key, "capabilities") && mcpwire.IsObject(value):
		info.Capabilities = value
	case jsonscan.Is(key, "serverInfo") && mcpwire.IsObject(value):
		info.ServerInfo = value
	case jsonscan.Is(key, "instructions"):
		info.Instructions, _ = jsonscan.Unquote(value) // "" where it is no string
	}
}
