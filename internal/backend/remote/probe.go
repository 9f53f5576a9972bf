package remote

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"drawbridge/internal/backend"
	"drawbridge/internal/backend/remote/legacy"
	"drawbridge/internal/backend/remote/line"
	"drawbridge/internal/backend/remote/rawhttp"
	"drawbridge/internal/jsonscan"
	"drawbridge/internal/mcpwire"
)

// era is what is known of a backend.
type era int

const (
	eraUnknown era = iota
	eraModern
	eraLegacy
	eraSSE
)

// Dial opens a session (protocol reference 2.1, "Backend probing"). What the
// backend was the last time is asked first; if that is wrong, everything is.
func (d *Dialer) Dial(ctx context.Context, hello backend.Hello) (backend.Peer, error) {
	e := d.known()
	peer, err := d.dial(ctx, hello, e)
	if err != nil && e != eraUnknown && refused(err) && d.cfg.Transport != backend.HTTPSSE {
		d.forget()
		peer, err = d.dial(ctx, hello, eraUnknown)
	}
	if err != nil {
		return nil, d.line.Fault(err)
	}
	return peer, nil
}

func (d *Dialer) dial(ctx context.Context, hello backend.Hello, e era) (backend.Peer, error) {
	if e == eraUnknown || e == eraModern {
		info, modern, err := d.discover(ctx, hello)
		if err != nil {
			return nil, err
		}
		if modern {
			d.remember(eraModern)
			return newModern(d.line, info), nil
		}
	}
	if e != eraSSE {
		p, err := legacy.OpenHTTP(ctx, d.line, hello)
		if err == nil {
			d.remember(eraLegacy)
			return p, nil
		}
		if !postRefused(err) {
			return nil, err
		}
		old, sseErr := legacy.OpenSSE(ctx, d.line, hello)
		if sseErr != nil {
			d.log.DebugContext(ctx, "no HTTP+SSE either", "error", sseErr)
			return nil, err
		}
		d.remember(eraSSE)
		return old, nil
	}
	return legacy.OpenSSE(ctx, d.line, hello)
}

// refused tells the errors after which another era is worth a try.
func refused(err error) bool {
	if s, ok := errors.AsType[line.StatusError](err); ok {
		return !line.IsCredential(int(s)) && s < 500
	}
	return errors.Is(err, line.ErrChanged) || errors.Is(err, mcpwire.ErrBadFrame)
}

// postRefused tells the answers of a server that has nothing at this address but
// an event stream.
func postRefused(err error) bool {
	s, ok := errors.AsType[line.StatusError](err)
	return ok && (s == http.StatusBadRequest || s == http.StatusNotFound || s == http.StatusMethodNotAllowed)
}

// discover asks the modern way. modern is false where the backend has to be asked
// the legacy way; an error says that nothing else is worth asking.
func (d *Dialer) discover(ctx context.Context, hello backend.Hello) (info backend.Info, modern bool, err error) {
	req := &mcpwire.Request{Method: mcpwire.MethodDiscover, Revision: mcpwire.LatestLegacy, Caller: &mcpwire.Caller{Info: hello.Info}}
	c := d.line.NewCall(req, nil)
	body := d.line.AppendCall(nil, mcpwire.LatestModern, &c, req)
	resp, err := d.line.Follow(ctx, modernHead(nil, req), body)
	if err != nil {
		if e, ok := errors.AsType[*rawhttp.Error](err); ok && e.Sent && ctx.Err() == nil {
			return info, false, nil // a legacy server may stay silent, or worse, before initialize
		}
		return info, false, err
	}
	a, err := d.line.HandshakeAnswer(resp, c.ID)
	switch s, isStatus := errors.AsType[line.StatusError](err); {
	case isStatus && (line.IsCredential(int(s)) || s >= 300 && s < 400):
		return info, false, err
	case err != nil:
		return info, false, nil
	case a.Err != nil:
		return d.discoverError(resp.Status, a.Err)
	}
	versions, rest, ok := discovery(a.Result.Bytes)
	if !ok || !slices.Contains(versions, string(mcpwire.LatestModern)) {
		return info, false, nil // a stateful go-sdk server answers, and lists legacy revisions only
	}
	return rest, true, nil
}

// discoverError tells from an error in which era the backend lives.
func (d *Dialer) discoverError(status int, e *mcpwire.Error) (info backend.Info, modern bool, err error) {
	switch e.Code {
	case mcpwire.CodeUnsupportedVersion:
		supported, _ := mcpwire.Texts(mcpwire.Member(e.Data, "supported"))
		modern = slices.Contains(supported, string(mcpwire.LatestModern)) // else all it speaks is older, or newer than we
	case mcpwire.CodeHeaderMismatch, mcpwire.CodeMissingCapability:
		modern = true
	case mcpwire.CodeMethodNotFound:
		modern = status == http.StatusNotFound
	}
	// A modern server that does not say what it has is asked for everything.
	return backend.Info{
		Transport: backend.StreamableHTTP, Revision: mcpwire.LatestModern,
		Capabilities: []byte(`{"tools":{},"prompts":{},"resources":{}}`), ServerInfo: []byte("{}"),
	}, modern, nil
}

// discovery reads a discover result.
func discovery(result []byte) (versions []string, info backend.Info, ok bool) {
	info = backend.Info{Transport: backend.StreamableHTTP, Revision: mcpwire.LatestModern, Capabilities: []byte("{}"), ServerInfo: []byte("{}")}
	for m := range jsonscan.Members(result) {
		value := m.Value.Of(result)
		switch {
		case jsonscan.Is(m.Key, "supportedVersions"):
			versions, _ = mcpwire.Texts(value)
			ok = true
		case jsonscan.Is(m.Key, "_meta") && mcpwire.IsObject(value):
			if server := mcpwire.ObjectMember(value, mcpwire.MetaServerInfo); server != nil {
				info.ServerInfo = server
			}
		default:
			line.Introduce(&info, m.Key, value)
		}
	}
	return versions, info, ok
}
