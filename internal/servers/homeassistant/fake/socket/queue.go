package socket

import (
	"bytes"
	"context"

	"github.com/coder/websocket"
)

// push queues a message, which is JSON by then: the state may change again.
func (l *line) push(msg map[string]any) { l.send(encode(msg)) }

// send queues bytes. A client that does not read is thrown out (http.py, _send_message).
func (l *line) send(data []byte) {
	l.mu.Lock()
	if l.ending {
		l.mu.Unlock()
		return
	}
	if len(l.queue) >= maxPending {
		l.mu.Unlock()
		l.stop()
		return
	}
	before := len(l.queue)
	l.queue = append(l.queue, data)
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
	l.watch(before)
}

// watch starts the clock when the queue is over its peak. Pushes that may get there come
// with the house's lock held.
func (l *line) watch(before int) {
	switch {
	case before <= peak && l.uncheck != nil:
		l.uncheck()
		l.uncheck = nil
	case before > peak && l.uncheck == nil:
		l.uncheck = l.host.House.Clock.After(peakTime, func() {
			l.mu.Lock()
			slow := len(l.queue) >= peak
			l.mu.Unlock()
			if slow {
				l.stop()
			}
		})
	}
}

// end lets the writer finish what is queued.
func (l *line) end() {
	l.mu.Lock()
	l.ending = true
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// write sends what is queued: one by one, or all in an array if the client can take that.
func (l *line) write() {
	for {
		l.mu.Lock()
		n := min(1, len(l.queue))
		if l.coalesce {
			n = len(l.queue)
		}
		batch, ending := l.queue[:n:n], l.ending
		l.queue = l.queue[n:]
		l.mu.Unlock()
		switch n {
		case 0:
			if ending {
				return
			}
			<-l.wake
			continue
		case 1:
		default:
			batch = [][]byte{append(append([]byte("["), bytes.Join(batch, []byte(","))...), ']')}
		}
		if l.conn.Write(context.Background(), websocket.MessageText, batch[0]) != nil {
			_ = l.conn.CloseNow() // the reader hears of it
			l.end()
			return
		}
	}
}
