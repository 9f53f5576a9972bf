package link

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/coder/websocket"

	"drawbridge/internal/fault"
)

// connect gives the connection there is, or opens one. One caller opens it, the
// others wait.
func (l *Link) connect(ctx context.Context) (*conn, error) {
	if c := l.current(); c != nil {
		return c, nil
	}
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return nil, waited(ctx.Err())
	case <-l.ctx.Done():
		return nil, errClosed
	}
	if c := l.current(); c != nil {
		return c, nil
	}
	if err := l.refusal(); err != nil {
		return nil, err
	}
	return l.open(ctx)
}

func waited(err error) error {
	return fault.Wrap(err, fault.Timeout, "Home Assistant could not be reached in time. Look whether it runs, and try again in a minute.")
}

func (l *Link) current() *conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.used = time.Now()
	return l.now
}

// refusal is the error of a token that was refused a moment ago.
func (l *Link) refusal() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() != nil {
		return errClosed
	}
	if l.refused != nil && time.Now().Before(l.until) {
		return l.refused
	}
	return nil
}

// open opens a connection. A Home Assistant that was there a moment ago may be
// restarting, and is waited for.
func (l *Link) open(ctx context.Context) (*conn, error) {
	l.mu.Lock()
	wait := !l.lost.IsZero() && time.Since(l.lost) < restartTime
	l.mu.Unlock()
	deadline := time.Now().Add(patience)
	for pause := firstPause; ; pause *= 2 {
		c, err := l.dial(ctx)
		if err == nil {
			return c, nil
		}
		if fault.CodeOf(err) == fault.Forbidden {
			l.mu.Lock()
			l.refused, l.until = err, time.Now().Add(refusedTime)
			l.mu.Unlock()
			return nil, err
		}
		if !wait || time.Now().Add(pause).After(deadline) {
			return nil, err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, err
		case <-l.ctx.Done():
			timer.Stop()
			return nil, errClosed
		}
	}
}

// dial opens one connection and signs in.
func (l *Link) dial(ctx context.Context) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	stop := context.AfterFunc(l.ctx, cancel)
	defer stop()
	ws, err := l.o.Dial.Socket(ctx, l.o.Path, nil)
	if err != nil {
		return nil, l.o.Refine(err)
	}
	if err := l.signIn(ctx, ws); err != nil {
		_ = ws.CloseNow()
		return nil, err
	}
	c := newConn(l, ws)
	l.mu.Lock()
	if l.ctx.Err() != nil {
		l.mu.Unlock()
		_ = ws.CloseNow()
		return nil, errClosed
	}
	l.now, l.refused = c, nil
	l.epoch++
	follows := len(l.follows) > 0
	l.tasks.Go(c.read) // ends with the connection
	l.tasks.Go(c.keep)
	l.mu.Unlock()
	// Answered by a result or, before 2022.9, by an error; both are ignored.
	if err := c.tell(Command{"type": "supported_features", "features": map[string]int{"coalesce_messages": 1}}); err != nil {
		return nil, gone(err)
	}
	if follows {
		l.revive(0)
	}
	return c, nil
}

// greeting is a message of the sign-in.
type greeting struct {
	Type    string `json:"type"`
	Version string `json:"ha_version"`
}

// signIn is the authentication phase.
func (l *Link) signIn(ctx context.Context, ws *websocket.Conn) error {
	g, err := l.hear(ctx, ws)
	if err != nil {
		return err
	}
	if g.Type == "auth_required" {
		auth, err := json.Marshal(map[string]string{"type": "auth", "access_token": l.o.Token.Reveal()})
		if err != nil {
			return err
		}
		if err := ws.Write(ctx, websocket.MessageText, auth); err != nil {
			return l.broken(err)
		}
		if g, err = l.hear(ctx, ws); err != nil {
			return err
		}
	}
	switch g.Type {
	case "auth_ok":
		return nil
	case "auth_invalid":
		return l.o.Refine(ErrToken)
	}
	return fault.New(fault.Upstream, "What answers is not Home Assistant's WebSocket API. Check that HASS_URL leads to it and not to another program.")
}

// ErrToken says that Home Assistant does not accept the token.
var ErrToken = errors.New("the token is not accepted")

func (l *Link) hear(ctx context.Context, ws *websocket.Conn) (greeting, error) {
	_, raw, err := ws.Read(ctx)
	if err != nil {
		return greeting{}, l.broken(err)
	}
	var g greeting
	if json.Unmarshal(raw, &g) != nil { // which would quote it
		g.Type = "unknown"
	}
	return g, nil
}

func (l *Link) broken(err error) error {
	return fault.Wrap(err, fault.Unavailable, "Home Assistant broke the connection off while Drawbridge signed in. Look whether it is restarting, and try again in a minute.")
}
