package api

import (
	"context"
	"encoding/json"
	"maps"
	"strconv"
	"strings"

	"drawbridge/internal/servers/homeassistant/link"
)

// State is the state of an entity.
type State struct {
	ID          string     `json:"entity_id"`
	State       Text       `json:"state"`
	Attributes  Attributes `json:"attributes"`
	LastChanged Moment     `json:"last_changed"`
	LastUpdated Moment     `json:"last_updated"`
	Context     Context    `json:"context"`
}

// Context says what a change came from.
type Context struct {
	ID     Text `json:"id"`
	Parent Text `json:"parent_id"`
	User   Text `json:"user_id"`
}

// Attributes are the attributes of a state, each as it came.
type Attributes map[string]json.RawMessage

// UnmarshalJSON never fails.
func (a *Attributes) UnmarshalJSON(raw []byte) error {
	var m map[string]json.RawMessage
	if json.Unmarshal(raw, &m) != nil {
		m = nil
	}
	*a = m
	return nil
}

// Text is an attribute that is text or a number; "" where it is not.
func (a Attributes) Text(name string) string {
	var t Text
	_ = t.UnmarshalJSON(a[name]) // never fails
	return string(t)
}

// Texts is an attribute that is a list of texts.
func (a Attributes) Texts(name string) []string {
	var t Texts
	_ = t.UnmarshalJSON(a[name]) // never fails
	return t
}

// Number is an attribute that is a number.
func (a Attributes) Number(name string) (float64, bool) {
	raw := a[name]
	if len(raw) == 0 {
		return 0, false
	}
	n, err := strconv.ParseFloat(string(raw), 64)
	return n, err == nil
}

// DomainOf is the part of an entity's id before the dot.
func DomainOf(id string) string {
	domain, _, _ := strings.Cut(id, ".")
	return domain
}

// States are the states of all entities that the token's owner may see.
func (s Session) States(ctx context.Context) ([]State, error) {
	return list[State](ctx, s, link.Command{"type": "get_states"}, "the states")
}

// Watch follows the states of entities in the present connection: first all of them,
// then changes. tell gets whole states, and lost once when the connection ends. It
// must not block.
func (s Session) Watch(ctx context.Context, ids []string, tell func(changed map[string]State), lost func()) (stop func(), err error) {
	seen := seen{}
	stop, err = s.held.link.Subscribe(ctx, entities(ids), seen.reader(tell, lost))
	return stop, refine2(err)
}

// Follow is Watch for as long as stop is not called, over any number of connections.
// No ids are all entities.
func (s Session) Follow(ids []string, tell func(changed map[string]State)) (stop func()) {
	seen := seen{}
	return s.held.link.Follow(entities(ids), seen.reader(tell, func() {}))
}

func refine2(err error) error {
	if err == nil {
		return nil
	}
	return refine(err, "following states")
}

func entities(ids []string) link.Command {
	cmd := link.Command{"type": "subscribe_entities"}
	if len(ids) > 0 {
		cmd["entity_ids"] = ids
	}
	return cmd
}

// seen are the states as the events so far make them.
type seen map[string]State

// brief is a state as subscribe_entities sends it. Members that are missing have not
// changed; lu is missing where it equals lc.
type brief struct {
	State      *Text           `json:"s"`
	Attributes Attributes      `json:"a"`
	Context    json.RawMessage `json:"c"`
	Changed    *Moment         `json:"lc"`
	Updated    *Moment         `json:"lu"`
}

type change struct {
	Plus  brief `json:"+"`
	Minus struct {
		Attributes Texts `json:"a"`
	} `json:"-,"` //nolint:staticcheck // its name is "-"
}

// reader makes whole states of events.
func (m seen) reader(tell func(map[string]State), lost func()) func([]byte) {
	return func(raw []byte) {
		if raw == nil {
			lost()
			return
		}
		var e struct {
			Added   map[string]brief  `json:"a"`
			Changed map[string]change `json:"c"`
			Removed Texts             `json:"r"`
		}
		if json.Unmarshal(raw, &e) != nil {
			return
		}
		news := map[string]State{}
		for id, b := range e.Added {
			news[id] = b.over(State{ID: id})
		}
		for id, c := range e.Changed {
			s := c.Plus.over(m[id])
			s.ID = id
			for _, name := range c.Minus.Attributes {
				delete(s.Attributes, name)
			}
			news[id] = s
		}
		for _, id := range e.Removed {
			news[id] = State{ID: id}
		}
		maps.Copy(m, news)
		tell(news)
	}
}

// over is a state with what is new. The old state stays as it is.
func (b brief) over(s State) State {
	if b.State != nil {
		s.State = *b.State
	}
	attributes := make(Attributes, len(s.Attributes)+len(b.Attributes))
	maps.Copy(attributes, s.Attributes)
	maps.Copy(attributes, b.Attributes)
	s.Attributes = attributes
	if b.Changed != nil {
		s.LastChanged, s.LastUpdated = *b.Changed, *b.Changed
	}
	if b.Updated != nil {
		s.LastUpdated = *b.Updated
	}
	if len(b.Context) > 0 && b.Context[0] == '"' { // the id alone, where there is nothing else
		_ = s.Context.ID.UnmarshalJSON(b.Context)
	} else if len(b.Context) > 0 {
		_ = json.Unmarshal(b.Context, &s.Context)
	}
	return s
}
