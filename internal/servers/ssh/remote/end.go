package remote

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/crypto/ssh"
)

// How long ending a command may take, after its own time.
const (
	endTime  = 15 * time.Second
	endGrace = 5 * time.Second
)

// ender asks a process group to end, waits up to two seconds, and makes it end. It
// says whether anything is left. kill -0 sees zombies too, so ps decides where it
// can. dash takes no -- after a signal.
const ender = `left() { kill -0 -"$1" 2>/dev/null || return 1; p=$(ps -e -o pgid= -o stat= 2>/dev/null) || return 0; ` +
	`printf '%s\n' "$p" | awk -v g="$1" '$1 == g && $2 !~ /^Z/ { f = 1 } END { exit !f }'; }; ` +
	`kill -TERM -"$1" 2>/dev/null; i=0; while left "$1" && [ $i -lt 20 ]; do sleep 0.1; i=$((i+1)); done; ` +
	`if left "$1"; then kill -KILL -"$1" 2>/dev/null; sleep 0.2; fi; if left "$1"; then echo left; else echo gone; fi`

// end ends what a command started, after its time or when its caller has gone. It
// tells whether all of it is gone. The session is over afterwards.
func (c Conn) end(ctx context.Context, r *running, s *ssh.Session, over <-chan struct{}) bool {
	grace := time.NewTimer(endGrace)
	defer grace.Stop()
	select {
	case <-r.ready: // its output may be here before the launcher's line is
	case <-over:
		return true
	case <-grace.C:
	}
	r.mu.Lock()
	group := r.group
	r.mu.Unlock()
	gone := false
	if group > 1 && !r.cmd.ends {
		// The caller's time is over; what it started must be ended all the same.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTime)
		defer cancel()
		gone = c.endGroup(ctx, group, r.cmd.Sudo)
	}
	grace.Reset(endGrace)
	select {
	case <-over:
		return gone
	case <-grace.C:
	}
	c.hangUp(s, over) // output that somebody else holds open is not waited for
	return gone
}

// hangUp closes a session, and the connection if the host does not answer to that.
func (c Conn) hangUp(s *ssh.Session, over <-chan struct{}) {
	_ = s.Close() // the connection may be gone already
	grace := time.NewTimer(endGrace)
	defer grace.Stop()
	select {
	case <-over:
	case <-grace.C:
		c.Close()
		<-over
	}
}

func (c Conn) endGroup(ctx context.Context, group int, sudo bool) bool {
	res, err := c.Run(ctx, Command{Text: fmt.Sprintf("set -- %d; %s", group, ender), Sudo: sudo, Timeout: endTime - time.Second, Keep: 1024, ends: true})
	return err == nil && res.Stdout.Text == "gone\n"
}
