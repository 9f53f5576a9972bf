package access

import (
	"errors"
	"maps"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/erpnext/api"
	"drawbridge/internal/servers/kit"
)

// What was created under a key is known for a day, in this process: a call that is
// repeated because its answer was lost makes no second document.
const (
	onceTime = 24 * time.Hour
	mostOnce = 2000
	userOnce = 300 // of one user, so that nobody uses up the room of all
)

type onceKey struct{ user, doctype, key string }

type made struct {
	name  string // "" while nobody knows what became of the call
	until time.Time
}

// Once begins to create under a key. before is the document that was created under it
// already; else done is to be called with what became of it.
func (d *Desk) Once(c *kit.Call, doctype, key string) (done func(name string, err error), before string, err error) {
	if key == "" {
		return func(string, error) {}, "", nil
	}
	k, now := onceKey{c.User(), doctype, key}, d.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	if was, ok := d.once[k]; ok && now.Before(was.until) {
		if was.name == "" {
			return nil, "", fault.New(fault.Conflict, "A call with this idempotency_key has begun, and it is undetermined whether it created a document. Look with list_documents of %s, newest first; if it is not there, call with another key.", doctype)
		}
		return nil, was.name, nil
	}
	if !d.room(k.user, now) {
		return nil, "", fault.New(fault.Limited, "Too many keys are remembered already. Create it without idempotency_key.")
	}
	d.once[k] = made{until: now.Add(onceTime)}
	return func(name string, err error) { d.became(k, name, err) }, "", nil
}

func (d *Desk) became(k onceKey, name string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, lost := errors.AsType[*api.Undetermined](err); lost {
		return
	}
	if err != nil {
		delete(d.once, k)
		return
	}
	d.once[k] = made{name, d.once[k].until}
}

// room forgets what is old and tells whether there is room. d.mu is held.
func (d *Desk) room(user string, now time.Time) bool {
	if d.once == nil {
		d.once = map[onceKey]made{}
	}
	maps.DeleteFunc(d.once, func(_ onceKey, was made) bool { return !now.Before(was.until) })
	own := 0
	for k := range d.once {
		if k.user == user {
			own++
		}
	}
	return own < userOnce && len(d.once) < mostOnce
}
