package rpc

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"
)

// mostEvents is how many events wait for a subscriber. Those that come when there is no
// room are dropped: whoever counts on them asks for the state, too.
const mostEvents = 1024

// Event is one notification of a subscription.
type Event struct {
	Kind   string          `json:"msg"` // added, changed or removed
	Name   string          `json:"collection"`
	ID     json.RawMessage `json:"id"`
	Fields json.RawMessage `json:"fields"`
}

// Subscription gets the events of one collection. Events is closed when the server or
// the connection ends it.
type Subscription struct {
	Events <-chan Event

	conn   *Conn
	name   string
	events chan Event
	over   bool // guarded by conn.mu
}

// end closes Events, once. conn.mu is held.
func (s *Subscription) end() {
	if !s.over {
		s.over = true
		close(s.events)
	}
}

// subscribeTime bounds the making and ending of a subscription, for which others wait.
const subscribeTime = 10 * time.Second

// Subscribe listens to a collection, such as core.get_jobs, until Close. One with
// arguments begins anew for each subscriber; of others they share one.
func (c *Conn) Subscribe(ctx context.Context, name string) (*Subscription, error) {
	ctx, cancel := context.WithTimeout(ctx, subscribeTime)
	defer cancel()
	if err := c.take(ctx); err != nil {
		return nil, err
	}
	defer func() { <-c.turn }()
	events := make(chan Event, mostEvents)
	c.mu.Lock()
	if c.broken {
		c.mu.Unlock()
		return nil, ErrUnsent
	}
	// The server tells subscriptions apart by the text alone, and reads over blanks.
	for strings.Contains(name, ":") && (c.heard[name] != nil || c.ids[name] != "") {
		name += " "
	}
	s := &Subscription{Events: events, conn: c, name: name, events: events}
	c.heard[name] = append(c.heard[name], s)
	there := len(c.heard[name]) > 1 || c.ids[name] != "" // the latter of one whose end could not be told
	c.mu.Unlock()
	if there {
		return s, nil
	}
	var id string
	err := c.Call(ctx, "core.subscribe", []any{name}, &id)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.drop(s)
		return nil, err
	}
	c.ids[name] = id
	return s, nil
}

// take waits for the turn to change subscriptions.
func (c *Conn) take(ctx context.Context) error {
	select {
	case c.turn <- struct{}{}:
		return nil
	case <-c.ended:
		return ErrUnsent
	case <-ctx.Done():
		return errors.Join(ErrUnsent, ctx.Err())
	}
}

// Close ends the subscription. Where ctx is over the server is not told, which costs it
// some messages until the connection ends.
func (s *Subscription) Close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, subscribeTime)
	defer cancel()
	c := s.conn
	if c.take(ctx) != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.drop(s)
		return
	}
	defer func() { <-c.turn }()
	c.mu.Lock()
	c.drop(s)
	id, told := c.ids[s.name]
	last := len(c.heard[s.name]) == 0
	c.mu.Unlock()
	if !last || !told || errors.Is(c.Call(ctx, "core.unsubscribe", []any{id}, nil), ErrUnsent) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.ids, s.name)
}

// drop removes a subscriber. mu is held.
func (c *Conn) drop(s *Subscription) {
	c.heard[s.name] = slices.DeleteFunc(c.heard[s.name], func(other *Subscription) bool { return other == s })
	if len(c.heard[s.name]) == 0 {
		delete(c.heard, s.name)
	}
	s.end()
}

// notify hands a notification to its subscribers.
func (c *Conn) notify(method string, params json.RawMessage) {
	var e Event
	if json.Unmarshal(params, &e) != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch method {
	case "collection_update":
		for _, s := range c.heard[e.Name] {
			select {
			case s.events <- e:
			default:
			}
		}
	case "notify_unsubscribed":
		for _, s := range c.heard[e.Name] {
			s.end()
		}
		delete(c.heard, e.Name)
		delete(c.ids, e.Name)
	}
}
