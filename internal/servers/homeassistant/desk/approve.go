package desk

import (
	"crypto/sha256"
	"strings"
	"sync"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/homeassistant/show"
	"drawbridge/internal/servers/kit"
)

// questions are what people were asked lately: the kit binds an approval to the
// arguments of a call, and this to what they stood for when the person read them.
type questions struct {
	mu  sync.Mutex // guards all
	all map[[sha256.Size]byte]question
}

type question struct {
	about [sha256.Size]byte
	until time.Time
}

// Bounds on what is remembered.
const (
	mostQuestions = 1000
	questionTime  = 20 * time.Minute
)

// Approve asks a person, once. bound is what the approval is for: the entities, the
// action, what is set. If it has become something else by the time the person has
// answered, nothing is done. in are the arguments.
func (v *Visit) Approve(in any, bound string, q kit.Question, reasons []string) error {
	return v.desk.Approve(v.Call, in, bound, q, reasons)
}

// Approve is Visit.Approve for calls that see no house.
func (d *Desk) Approve(c *kit.Call, in any, bound string, q kit.Question, reasons []string) error {
	id, about := sha256.Sum256([]byte(key(c, in))), sha256.Sum256([]byte(bound))
	if !c.Confirmed() {
		for _, r := range reasons { // all of them; the kit refuses what cannot be shown whole
			q.Effect += "\n- " + show.Clip(r, 300)
		}
		q.Effect = strings.TrimSpace(q.Effect)
		d.questions.add(id, question{about, d.Now().Add(questionTime)}, d.Now())
		return kit.Ask(q)
	}
	if was, ok := d.questions.find(id); !ok || was.about != about {
		return fault.New(fault.Conflict, "Not done: what this call stands for has changed since the person was asked. Call it again, so that they see what it is now.")
	}
	return nil
}

func (q *questions) add(id [sha256.Size]byte, one question, now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.all == nil {
		q.all = map[[sha256.Size]byte]question{}
	}
	for k, old := range q.all {
		if now.After(old.until) || len(q.all) >= mostQuestions {
			delete(q.all, k)
		}
	}
	q.all[id] = one
}

func (q *questions) find(id [sha256.Size]byte) (question, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	one, ok := q.all[id]
	return one, ok
}
