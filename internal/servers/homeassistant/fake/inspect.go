package fake

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"drawbridge/internal/servers/homeassistant/fake/command"
	"drawbridge/internal/servers/homeassistant/fake/faults"
	"drawbridge/internal/servers/homeassistant/fake/house"
	"drawbridge/internal/servers/homeassistant/fake/socket"
)

// Phase is what the house does.
type Phase int

// The phases of a restart, in their order.
const (
	Running Phase = iota
	Stopping
	Down
	Proxy
	Starting
)

// Fault is what goes wrong with some requests or commands.
type Fault = faults.Fault

// Break adds a fault. Of several that match the first one added acts.
func (s *Server) Break(f Fault) {
	s.house.Lock()
	defer s.house.Unlock()
	s.faults.Add(f)
}

// Mend takes all faults away.
func (s *Server) Mend() {
	s.house.Lock()
	defer s.house.Unlock()
	s.faults.Clear()
}

// Calls are all requests and commands that arrived, oldest first.
func (s *Server) Calls() []Call { return s.calls.All() }

// Services counts the calls of one service that were carried out, by either way.
func (s *Server) Services(domain, name string) int {
	return s.calls.Count(func(c Call) bool {
		var body struct{ Domain, Service string }
		if c.Command == "call_service" {
			_ = json.Unmarshal([]byte(c.Body), &body) // it was valid when it came
		}
		path, _, _ := strings.Cut(c.Path, "?")
		return c.Done && (body.Domain == domain && body.Service == name || c.Method == "POST" && path == "/api/services/"+domain+"/"+name)
	})
}

// Await waits until a call has arrived that is looked for; false if ctx ended before.
func (s *Server) Await(ctx context.Context, is func(Call) bool) bool { return s.calls.Await(ctx, is) }

func (s *Server) recordCommand(r socket.Record) {
	body, _ := json.Marshal(r.Body)
	if r.Command == "auth" {
		body = nil
	}
	s.calls.Add(Call{Socket: r.Line, Command: r.Command, Body: string(body), User: r.User, Code: r.Code, Done: r.Done})
}

// Sockets is how many WebSocket connections are open.
func (s *Server) Sockets() int { return s.hub.Open() }

// Look gives a function the house, with its lock held, to read or to change.
func (s *Server) Look(f func(h *house.House)) {
	s.house.Lock()
	defer s.house.Unlock()
	f(s.house)
}

// State is an entity's state, "" if there is none.
func (s *Server) State(id string) (value string) {
	s.Look(func(h *house.House) {
		if x := h.States[id]; x != nil {
			value = x.State
		}
	})
	return value
}

// Attribute is one of an entity's attributes.
func (s *Server) Attribute(id, name string) (value any) {
	s.Look(func(h *house.House) {
		if x := h.States[id]; x != nil {
			value = x.Attributes[name]
		}
	})
	return value
}

// Press changes an entity from outside: somebody at the wall switch. Attributes that are
// nil go.
func (s *Server) Press(id, state string, attributes house.Map) {
	s.Look(func(h *house.House) { h.Change(id, state, attributes, h.NewContext(nil, "")) })
}

// Advance pushes the time, and what was due by then happens before it returns.
func (s *Server) Advance(d time.Duration) { s.house.Clock.Advance(d) }

// Now is the house's time.
func (s *Server) Now() time.Time { return s.house.Clock.Now() }

// Revoke ends a token and the connections that came with it.
func (s *Server) Revoke(token string) {
	s.Look(func(h *house.House) {
		if u := h.User(token); u != nil {
			u.Token = ""
			s.hub.CloseOf(u)
		}
	})
}

// Banned tells whether an address is.
func (s *Server) Banned(address string) bool {
	s.house.Lock()
	defer s.house.Unlock()
	return s.banned[address]
}

// Unplug breaks all WebSocket connections without a word, as a pulled cable does.
func (s *Server) Unplug() { s.hub.Break() }

// Phase is where the house is; To brings it somewhere.
func (s *Server) Phase() Phase {
	s.house.Lock()
	defer s.house.Unlock()
	return s.phase
}

// To leaves one phase for another. Leaving Running closes the sockets with code 1000.
func (s *Server) To(p Phase) {
	s.house.Lock()
	was := s.phase
	s.phase = p
	s.house.Running = map[Phase]string{Running: "RUNNING", Stopping: "STOPPING", Down: "STOPPED", Proxy: "STOPPED", Starting: "STARTING"}[p]
	switch {
	case p == Starting && was != Starting:
		s.sleep()
	case p == Running:
		s.wake()
	}
	s.house.Unlock()
	if was == Running && p != Running {
		s.hub.Close()
	}
	s.listen(p == Down)
}

// listen opens or closes the listener of a started server. A port is taken from nobody:
// whoever got it meanwhile keeps it for that moment.
func (s *Server) listen(down bool) {
	if down {
		s.shut()
	} else if s.front.Reopen(context.Background()) != nil {
		s.house.Clock.After(10*time.Millisecond, func() { s.listen(s.Phase() == Down) })
	}
}

func (s *Server) shut() {
	if err := s.front.Shut(); err != nil {
		panic(err) // nothing but Shut ends it
	}
}

// Restart goes through the phases. It returns when the sockets are being closed; the rest
// follows by the clock.
func (s *Server) Restart(r Restart) {
	steps := []struct {
		phase Phase
		takes time.Duration
	}{{Stopping, r.Stopping}, {Down, r.Down}, {Proxy, r.Proxy}, {Starting, r.Starting}}
	var from func(i int)
	from = func(i int) {
		for ; i < len(steps); i++ {
			if steps[i].takes > 0 {
				s.To(steps[i].phase)
				s.house.Clock.After(steps[i].takes, func() { from(i + 1) })
				return
			}
		}
		if s.Phase() == Running { // nothing took time: the sockets close all the same
			s.To(Stopping)
		}
		s.To(Running)
	}
	from(0)
}

// sleep makes the entities of integrations unavailable, as they are until those are set up.
// Called with the lock held.
func (s *Server) sleep() {
	h, at := s.house, s.house.NewContext(nil, "")
	s.before = map[string]house.State{}
	for _, id := range slices.Sorted(maps.Keys(h.States)) {
		if e := h.Entity(id); e != nil && h.States[id].State != "unavailable" {
			s.before[id] = *h.States[id]
			attrs := house.Map{"restored": true}
			for _, k := range []string{"friendly_name", "supported_features", "device_class"} {
				if v, has := h.States[id].Attributes[k]; has {
					attrs[k] = v
				}
			}
			h.Set(id, "unavailable", attrs, at)
		}
	}
}

// wake brings them back.
func (s *Server) wake() {
	h, at := s.house, s.house.NewContext(nil, "")
	for _, id := range slices.Sorted(maps.Keys(s.before)) {
		if h.States[id] != nil {
			h.Set(id, s.before[id].State, s.before[id].Attributes, at)
		}
	}
	if s.before != nil {
		h.Fire("homeassistant_started", house.Map{}, at)
	}
	s.before = nil
}

// Commands are the types that a version knows.
func Commands(p Profile) []string { return slices.Collect(maps.Keys(command.All(p == V2026_9))) }
