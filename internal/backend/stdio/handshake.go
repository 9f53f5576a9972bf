package stdio

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"drawbridge/internal/backend"
	"drawbridge/internal/mcpwire"
)

// errDiedProbing says that the process ended while it was asked for its era.
var errDiedProbing = errors.New("process ended at server/discover")

// declared is what a shared legacy process is told its client can do; who cannot
// answer declines (protocol reference 2.6).
var declared = mcpwire.Capabilities{Elicitation: true, ElicitationURL: true, Sampling: true, SamplingTools: true, Roots: true}

// handshake learns the era of the process and, of a legacy one, initialises it.
// It asks first: a legacy server may well answer other requests uninitialised,
// so an answer to those proves nothing (protocol reference 2.1).
func (p *peer) handshake(ctx context.Context, hello backend.Hello, known era) error {
	if known == legacy {
		err := p.initialize(ctx, hello, nil)
		if refused := (*mcpwire.Error)(nil); !errors.As(err, &refused) {
			return err
		}
		// It may have been replaced by one that is modern only.
	}
	discover, err := p.begin(ctx, mcpwire.MethodDiscover, p.discoverParams())
	if err != nil {
		return err
	}
	select {
	case out := <-discover.answer:
		if p.isModern(&out) {
			return nil
		}
		if p.ended() {
			return errors.Join(errDiedProbing, p.exit())
		}
		return p.initialize(ctx, hello, nil)
	case <-time.After(p.cfg.ProbeTimeout):
		return p.initialize(ctx, hello, discover)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// initialize does the legacy handshake. discover, if not nil, is a probe without
// an answer yet: of a process that is only slow to start it may still come, and
// before that to initialize.
func (p *peer) initialize(ctx context.Context, hello backend.Hello, discover *call) error {
	can := declared
	if p.cfg.Interactive {
		can = hello.Capabilities
		p.mu.Lock()
		p.early.Begin(ctx)
		p.mu.Unlock()
	}
	info := hello.Info
	if info == nil {
		info = p.cfg.ClientInfo
	}
	params := fmt.Appendf(nil, `{"protocolVersion":%q,"capabilities":%s,"clientInfo":%s}`,
		mcpwire.LatestLegacy, mcpwire.EncodeCapabilities(can, mcpwire.LatestLegacy), info)
	c, err := p.begin(ctx, mcpwire.MethodInitialize, params)
	if err != nil {
		return err
	}
	var late <-chan mcpwire.Outcome
	if discover != nil {
		late = discover.answer
		defer p.remove(discover.id)
	}
	for {
		select {
		case out := <-late:
			if p.isModern(&out) {
				p.remove(c.id)
				return nil
			}
			late = nil
		case out := <-c.answer:
			return p.initialized(&out)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// initialized takes the answer to initialize.
func (p *peer) initialized(out *mcpwire.Outcome) error {
	if out.Kind != mcpwire.Complete {
		return p.refusal(out)
	}
	result := out.Result.Bytes
	version, _ := mcpwire.TextMember(result, "protocolVersion")
	rev, known := mcpwire.ParseRevision(version)
	switch {
	case !known:
		return &mcpwire.Error{Code: mcpwire.CodeUnsupportedVersion, Message: "initialize answered with an unknown revision"}
	case rev.Modern():
		rev = mcpwire.LatestLegacy // some name it here, where it does not exist, and behave like this one
	}
	p.introduced(rev, result, mcpwire.ObjectMember(result, "serverInfo"))
	p.line(mcpwire.AppendRequest(nil, nil, mcpwire.MethodInitialized, nil))
	return nil
}

// isModern tells whether an answer to server/discover is that of a server that
// speaks our modern revision, and takes its word. A server that only answers
// discover and lists legacy revisions is legacy.
func (p *peer) isModern(out *mcpwire.Outcome) bool {
	if out.Kind != mcpwire.Complete {
		return false
	}
	result := out.Result.Bytes
	if raw := mcpwire.Member(result, "supportedVersions"); raw != nil {
		if versions, _ := mcpwire.Texts(raw); !slices.Contains(versions, string(mcpwire.LatestModern)) {
			return false
		}
	}
	server := mcpwire.ObjectMember(result, "serverInfo")
	if server == nil {
		server = mcpwire.ObjectMember(mcpwire.Member(result, "_meta"), mcpwire.MetaServerInfo)
	}
	p.introduced(mcpwire.LatestModern, result, server)
	return true
}

// introduced takes what both handshakes tell in the same words.
func (p *peer) introduced(rev mcpwire.Revision, result, server []byte) {
	instructions, _ := mcpwire.TextMember(result, "instructions")
	p.mu.Lock()
	defer p.mu.Unlock()
	p.info = backend.Info{
		Transport:    backend.Stdio,
		Revision:     rev,
		Capabilities: mcpwire.ObjectMember(result, "capabilities"),
		ServerInfo:   server,
		Instructions: instructions,
	}
}

func (p *peer) discoverParams() []byte {
	return fmt.Appendf(nil, `{"_meta":{%q:%q,%q:%s,%q:{}}}`, mcpwire.MetaVersion, mcpwire.LatestModern,
		mcpwire.MetaClientInfo, p.cfg.ClientInfo, mcpwire.MetaCapabilities)
}

// begin sends a request of our own; its answer comes on the call's channel.
func (p *peer) begin(ctx context.Context, method string, params []byte) (*call, error) {
	c := &call{answer: make(chan mcpwire.Outcome, 1), ear: ear{life: ctx}}
	why := p.add(c)
	if why == "" {
		why = p.line(mcpwire.AppendRequest(nil, fmt.Append(nil, c.id), method, params))
	}
	if why != "" {
		p.remove(c.id)
		return nil, p.exit()
	}
	return c, nil
}

// own sends a modern request of our own under an id that is registered.
func (p *peer) own(id int64, method string, params []byte) string {
	req, err := mcpwire.NewRequest(method, mcpwire.LatestLegacy, params)
	if err != nil {
		return err.Message
	}
	return p.write(id, req)
}

// ended tells whether the process is gone.
func (p *peer) ended() bool {
	select {
	case <-p.lost:
		return true
	default:
		return false
	}
}

// exit is the error of a process that is no longer there.
func (p *peer) exit() error {
	p.proc.kill()
	<-p.proc.exited
	return &exitError{p.proc.status}
}

// refusal is the error of an answer that is none.
func (p *peer) refusal(out *mcpwire.Outcome) error {
	if out.Err != nil && out.Err.Raw != nil {
		return out.Err
	}
	return p.exit()
}
