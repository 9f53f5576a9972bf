// Package house is the state of the fake: entities and their past, the registries, the
// event bus, users. What happens in it has contexts and times as in Home Assistant's
// core.py. Only the fake uses it.
//
// Whoever calls a method holds the lock of the House, except for After, whose callbacks
// get it themselves.
package house

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"drawbridge/internal/servers/kittest/upstreamtest"
)

// Map is a JSON object.
type Map = map[string]any

// House is one installation.
type House struct {
	sync.Mutex // guards all that follows

	Clock   *upstreamtest.Clock
	Version string // "2026.9.1"
	Zone    *time.Location
	Lag     time.Duration // devices are this late: their state follows the answer of a call

	States  map[string]*State
	Past    map[string][]State // the recorder, oldest first, the present included
	Journal []Row              // logbook rows that are no states: automations that ran
	Calls   map[string]Map     // context id -> what caused it, for the logbook

	Registry
	Items
	Users   []*User
	Running string // state of the core: RUNNING, NOT_RUNNING, STARTING, STOPPING

	OnRestart func() // what homeassistant.restart sets off

	listeners map[int]listener
	lastEar   int
	random    *rand.Rand
}

// User is somebody with a token.
type User struct {
	ID, Name, Token string
	Admin           bool
	ReadOnly        bool // the group system-read-only: sees everything, controls nothing
}

// Context tells what caused a change.
type Context struct {
	ID     string  `json:"id"`
	Parent *string `json:"parent_id"`
	User   *string `json:"user_id"`
}

// State is an entity as it is or was.
type State struct {
	EntityID, State            string
	Attributes                 Map
	Changed, Reported, Updated time.Time
	Context                    Context
}

// Event is one on the bus.
type Event struct {
	Type    string
	Data    Map
	Origin  string
	Fired   time.Time
	Context Context

	Old, New *State // of state_changed
}

type listener struct {
	kind string
	hear func(Event)
}

// New makes an empty house.
func New(c *upstreamtest.Clock, version string, zone *time.Location) *House {
	return &House{
		Clock: c, Version: version, Zone: zone, Running: "RUNNING",
		States: map[string]*State{}, Past: map[string][]State{}, Calls: map[string]Map{},
		listeners: map[int]listener{}, Registry: newRegistry(), Items: newItems(),
		random: rand.New(rand.NewPCG(20260801, 9)),
	}
}

// Modern tells 2026.9 from 2026.8: child devices, and how devices are removed.
func (h *House) Modern() bool { return !strings.HasPrefix(h.Version, "2026.8") }

// After runs f with the lock, in d; at once if d is zero or less.
func (h *House) After(d time.Duration, f func()) {
	if d <= 0 {
		f()
		return
	}
	h.Clock.After(d, func() {
		h.Lock()
		defer h.Unlock()
		f()
	})
}

// Listen subscribes to one type of event, or to all with "*".
func (h *House) Listen(kind string, hear func(Event)) (stop func()) {
	h.lastEar++
	ear := h.lastEar
	h.listeners[ear] = listener{kind, hear}
	return func() { delete(h.listeners, ear) }
}

// Fire puts an event on the bus.
func (h *House) Fire(kind string, data Map, c Context) {
	h.emit(Event{Type: kind, Data: data, Context: c})
}

func (h *House) emit(e Event) {
	e.Fired = h.Clock.Now()
	if e.Origin == "" {
		e.Origin = "LOCAL"
	}
	for _, ear := range slices.Sorted(maps.Keys(h.listeners)) {
		if l, there := h.listeners[ear]; there && (l.kind == "*" || l.kind == e.Type) {
			l.hear(e)
		}
	}
}

// NewContext is what a call of a user, or nobody, gets.
func (h *House) NewContext(u *User, parent string) Context {
	c := Context{ID: h.ULID()}
	if u != nil {
		c.User = &u.ID
	}
	if parent != "" {
		c.Parent = &parent
	}
	return c
}

const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// ULID is an id whose order is that of time.
func (h *House) ULID() string {
	id := make([]byte, 26)
	ms := h.Clock.Now().UnixMilli()
	for i := 9; i >= 0; i-- {
		id[i] = crockford[ms&31]
		ms >>= 5
	}
	for i := 10; i < 26; i++ {
		id[i] = crockford[h.random.IntN(32)]
	}
	return string(id)
}

// Hex is an id of 32 digits.
func (h *House) Hex() string { return fmt.Sprintf("%016x%016x", h.random.Uint64(), h.random.Uint64()) }

// Set writes a state: an event follows unless nothing changed (core.py, StateMachine.async_set).
func (h *House) Set(id, value string, attrs Map, c Context) *State {
	now, old := h.Clock.Now(), h.States[id]
	s := &State{EntityID: id, State: value, Attributes: attrs, Changed: now, Reported: now, Updated: now, Context: c}
	if old != nil {
		if old.State == value {
			s.Changed = old.Changed
			if same(old.Attributes, attrs) {
				old.Reported = now
				return old
			}
		}
	}
	h.States[id] = s
	h.Past[id] = append(h.Past[id], *s)
	h.emit(Event{Type: "state_changed", Context: c, Old: old, New: s, Data: Map{"entity_id": id, "old_state": Full(old), "new_state": Full(s)}})
	return s
}

// Drop takes a state away.
func (h *House) Drop(id string, c Context) bool {
	old := h.States[id]
	if old == nil {
		return false
	}
	delete(h.States, id)
	h.emit(Event{Type: "state_changed", Context: c, Old: old, Data: Map{"entity_id": id, "old_state": Full(old), "new_state": nil}})
	return true
}

func same(a, b Map) bool { return fmt.Sprint(a) == fmt.Sprint(b) }

// Change sets some attributes, or removes those that are nil, and the state unless "".
func (h *House) Change(id, value string, attrs Map, c Context) *State {
	old := h.States[id]
	if old == nil {
		return nil
	}
	all := maps.Clone(old.Attributes)
	for k, v := range attrs {
		if all[k] = v; v == nil {
			delete(all, k)
		}
	}
	if value == "" {
		value = old.State
	}
	return h.Set(id, value, all, c)
}

// Name is what people call an entity.
func (h *House) Name(id string) string {
	if s := h.States[id]; s != nil {
		if n, ok := s.Attributes["friendly_name"].(string); ok {
			return n
		}
	}
	_, object, _ := strings.Cut(id, ".")
	return strings.ReplaceAll(object, "_", " ")
}

// Domain is the part of an entity id ahead of the dot.
func Domain(id string) string { d, _, _ := strings.Cut(id, "."); return d }

// Features is the bit set of what an entity can do.
func (h *House) Features(id string) int {
	if s := h.States[id]; s != nil {
		n, _ := s.Attributes["supported_features"].(int)
		return n
	}
	return 0
}

var notSlug = regexp.MustCompile(`[^a-z0-9]+`)

// Slug makes an id of a name.
func Slug(name string) string {
	s := strings.Trim(notSlug.ReplaceAllString(strings.ToLower(name), "_"), "_")
	if s == "" {
		return "unknown"
	}
	return s
}

// Free adds a number to a wish until nobody has it.
func Free(wish string, taken func(string) bool) string {
	id := wish
	for n := 2; taken(id); n++ {
		id = fmt.Sprintf("%s_%d", wish, n)
	}
	return id
}

// User is the one with a token.
func (h *House) User(token string) *User {
	for _, u := range h.Users {
		if token != "" && u.Token == token {
			return u
		}
	}
	return nil
}
