package desk

import (
	"slices"
	"sync"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
)

// mostSeen bounds what is remembered of previews.
const mostSeen = 500

// seen is what previews have shown, by who saw which: what comes while a person reads
// was not approved. The zero value is ready.
type seen struct {
	mu    sync.Mutex // guards what follows
	order []string   // keys, oldest first
	shown map[string][]string
}

func keyOf(c *kit.Call, what string) string { return c.User() + "\x00" + c.Tool + "\x00" + what }

// Show remembers what a preview has shown the caller. what names the arguments.
func (d *Desk) Show(c *kit.Call, what string, things []string) {
	s := &d.seen
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shown == nil {
		s.shown = map[string][]string{}
	}
	key := keyOf(c, what)
	if _, known := s.shown[key]; !known {
		s.order = append(s.order, key)
	}
	s.shown[key] = slices.Clone(things)
	if len(s.order) > mostSeen {
		delete(s.shown, s.order[0])
		s.order = s.order[1:]
	}
}

// Shown refuses to destroy things that the approved preview has not shown.
func (d *Desk) Shown(c *kit.Call, what string, things []string) error {
	s := &d.seen
	s.mu.Lock()
	defer s.mu.Unlock()
	shown, known := s.shown[keyOf(c, what)]
	if !known {
		return fault.New(fault.Conflict, "It is not known any more what the person who approved this was shown. Nothing was changed; call again to ask anew.")
	}
	for _, thing := range things {
		if !slices.Contains(shown, thing) {
			return fault.New(fault.Conflict, "Something came while the person read who approved this, such as %s, so nothing was changed. Call again to ask with what is there now.", thing)
		}
	}
	return nil
}
