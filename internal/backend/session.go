package backend

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/backend/watching"
	"drawbridge/internal/fault"
	"drawbridge/internal/mcpwire"
)

// closeTime is enough for a child process to be asked, told and killed.
const closeTime = 8 * time.Second

// session is one live Peer with its Watch.
type session struct {
	peer  Peer
	info  Info
	who   account.Principal // on whose behalf it was opened
	owner string            // who.Owner; "" for the main session
	slot  *slot             // its place in the pool; nil for the main session

	served atomic.Bool // a call got its answer: it was more than a crash loop

	mu      sync.Mutex         // guards what follows
	watcher *watching.Watcher  // nil until somebody wants to hear
	unwatch context.CancelFunc // ends it
}

// open dials a session on behalf of a principal.
func (b *Backend) open(ctx context.Context, who account.Principal, can mcpwire.Capabilities) (*session, error) {
	ctx, cancel := context.WithTimeout(account.WithPrincipal(ctx, who), b.cfg.DialTimeout)
	defer cancel()
	peer, err := b.dialer.Dial(ctx, Hello{Capabilities: can})
	if err != nil {
		if ctx.Err() != nil && fault.CodeOf(err) == fault.Internal {
			err = fault.Wrap(err, fault.Timeout, "The backend did not finish its handshake within %s.", b.cfg.DialTimeout)
		}
		return nil, err
	}
	return &session{peer: peer, info: peer.Info(), who: who}, nil
}

// client is the only client that the session is for; "" where there may be several.
func (s *session) client() string {
	if s.slot == nil {
		return ""
	}
	return s.slot.key.client
}

// lost tells a session that is of no more use.
func (s *session) lost() bool {
	select {
	case <-s.peer.Lost():
		return true
	default:
		return false
	}
}

// close ends the session and what it started. It outlives ctx, because it is
// most often called when ctx has ended.
func (s *session) close(ctx context.Context) {
	s.mu.Lock()
	w, unwatch := s.watcher, s.unwatch
	s.mu.Unlock()
	if w != nil {
		unwatch()
		<-w.Done()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
	defer cancel()
	_ = s.peer.Close(ctx) // nobody is left to tell, and the peer logs what it could not end
}

// ping asks for any answer at all.
func (s *session) ping(ctx context.Context, limit time.Duration) error {
	method := mcpwire.MethodPing
	if s.info.Revision.Modern() {
		method = mcpwire.MethodDiscover
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	_, err := s.request(ctx, method, nil, 1<<20)
	if err != nil && err.Raw == nil {
		return fault.Wrap(err, fault.Unavailable, "The backend does not answer.")
	}
	return nil
}

// request makes a request of the gateway's own and reads its whole result, up to
// a size.
func (s *session) request(ctx context.Context, method string, params []byte, limit int64) ([]byte, *mcpwire.Error) {
	// The legacy shape has nothing a peer would have to take out again.
	req, bad := mcpwire.NewRequest(method, mcpwire.LatestLegacy, params)
	if bad != nil {
		return nil, bad
	}
	req.Caller = &mcpwire.Caller{}
	out := s.peer.Serve(account.WithPrincipal(ctx, s.who), req, deaf{})
	defer out.Close()
	switch out.Kind {
	case mcpwire.Failed:
		return nil, out.Err
	case mcpwire.Complete:
		return whole(&out, limit)
	}
	return nil, mcpwire.Errorf(mcpwire.CodeInternal, "it asked a question where none can be answered")
}

// whole copies a result that may still be streaming.
func whole(o *mcpwire.Outcome, limit int64) ([]byte, *mcpwire.Error) {
	result := bytes.Clone(o.Result.Bytes)
	if o.Result.Rest != nil {
		rest, err := io.ReadAll(io.LimitReader(o.Result.Rest, limit))
		if err != nil {
			return nil, mcpwire.Errorf(mcpwire.CodeInternal, "its answer broke off")
		}
		result = append(result, rest...)
	}
	if int64(len(result)) >= limit {
		return nil, mcpwire.Errorf(mcpwire.CodeInternal, "its answer is larger than %d MiB", limit>>20)
	}
	return result, nil
}

// deaf is the sink of the gateway's own requests.
type deaf struct{}

func (deaf) Notify(mcpwire.Notification) {}

func (deaf) Ask(context.Context, mcpwire.Question) (mcpwire.Answer, error) {
	return mcpwire.Answer{}, fmt.Errorf("the gateway asked for itself: %w", mcpwire.ErrCannotAsk)
}
