// Package approval seals what a person is asked to approve, so that what runs is
// what was shown.
//
// A ticket travels through the client as requestState. It is bound to the server,
// the tool, the arguments however they are spelled, the caller and what the person
// was shown; it expires, and it is good for one answer. The key lives as long as
// the process: tickets of a process that has ended are worth nothing, which keeps
// "once" true without a table. Package kit asks and reads the answers.
package approval

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"drawbridge/internal/secret"
)

// TTL is how long a person has to answer.
const TTL = 10 * time.Minute

// maxSpent bounds the tickets of one user that are remembered as used. They are
// forgotten when they expire, and never before: beyond it no more of the user's are
// taken, while those of others are.
const maxSpent = 2000

// The ways in which a ticket is not good.
var (
	ErrForeign = errors.New("the ticket is not one of this process")
	ErrExpired = errors.New("the ticket has expired")
	ErrOther   = errors.New("the ticket is for another call")
	ErrSpent   = errors.New("the ticket was used before")
	ErrFull    = errors.New("too many approvals of the user at once")
	ErrChanged = errors.New("what was shown is not so any more")
)

// Act is what is to be approved.
type Act struct {
	Owner string // who calls, see account.Principal.Owner
	Tool  string
	Args  []byte // raw JSON object; nil for none
	Shown []byte // what the person is shown, see Question.Digest; nil binds to nothing
}

// Desk gives out tickets and takes them back. Safe for concurrent use.
type Desk struct {
	box *secret.Box
	now func() time.Time

	mu    sync.Mutex // guards spent and of
	spent map[string]use
	of    map[string]int // how many in spent are of a user
}

// use is one ticket that was used.
type use struct {
	user  string
	until time.Time // the ticket has expired by then
}

// NewDesk makes a desk with a key of its own.
func NewDesk(now func() time.Time) (*Desk, error) {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails (crypto/rand)
	box, err := secret.NewBox(key)
	if err != nil {
		return nil, err
	}
	return &Desk{box: box, now: now, spent: map[string]use{}, of: map[string]int{}}, nil
}

// ticket is what is sealed.
type ticket struct {
	ID      string `json:"i"`
	Owner   string `json:"o"`
	Tool    string `json:"t"`
	Digest  []byte `json:"d"`
	Shown   []byte `json:"s,omitempty"`
	Expires int64  `json:"e"` // Unix seconds
}

var label = []byte("drawbridge approval 1")

// Issue makes a ticket for an act.
func (d *Desk) Issue(a Act) (string, error) {
	plain, err := json.Marshal(ticket{rand.Text(), a.Owner, a.Tool, digest(a.Args), a.Shown, d.now().Add(TTL).Unix()})
	if err != nil {
		return "", fmt.Errorf("encode ticket: %w", err)
	}
	return d.box.Seal(plain, label), nil
}

// Check tells whether a ticket is good for an act, without using it. What was shown
// is not compared: it may not be known yet.
func (d *Desk) Check(sealed string, a Act) error {
	_, err := d.open(sealed, a)
	return err
}

// Spend takes a ticket back: of all that bring the same one, one gets nil. ErrChanged
// says that the person was shown something else; the ticket is not used then.
func (d *Desk) Spend(sealed string, a Act) error {
	t, err := d.open(sealed, a)
	if err != nil {
		return err
	}
	if !bytes.Equal(t.Shown, a.Shown) {
		return ErrChanged
	}
	return d.use(t)
}

// Drop takes back a ticket for what the person has declined, whatever was shown.
func (d *Desk) Drop(sealed string, a Act) error {
	t, err := d.open(sealed, a)
	if err != nil {
		return err
	}
	return d.use(t)
}

// use notes a ticket as used. What cannot be noted is not taken.
func (d *Desk) use(t ticket) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	for id, old := range d.spent {
		if !now.After(old.until) {
			continue
		}
		delete(d.spent, id)
		if d.of[old.user]--; d.of[old.user] == 0 {
			delete(d.of, old.user)
		}
	}
	user, _, _ := strings.Cut(t.Owner, "\x00") // whatever the credential and profile
	switch _, used := d.spent[t.ID]; {
	case used:
		return ErrSpent
	case d.of[user] >= maxSpent:
		return ErrFull
	}
	d.spent[t.ID] = use{user, time.Unix(t.Expires, 0).Add(time.Second)}
	d.of[user]++
	return nil
}

func (d *Desk) open(sealed string, a Act) (t ticket, err error) {
	plain, err := d.box.Open(sealed, label)
	if err != nil || json.Unmarshal(plain, &t) != nil {
		return t, ErrForeign
	}
	switch {
	case d.now().Unix() > t.Expires:
		return t, ErrExpired
	case t.Owner != a.Owner || t.Tool != a.Tool || !bytes.Equal(t.Digest, digest(a.Args)):
		return t, ErrOther
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, used := d.spent[t.ID]; used {
		return t, ErrSpent
	}
	return t, nil
}

// digest identifies arguments by their value: members in any order, any spacing.
func digest(args []byte) []byte {
	if len(args) == 0 {
		args = []byte("{}")
	}
	dec := json.NewDecoder(bytes.NewReader(args))
	dec.UseNumber()
	canonical := args
	var v any
	if dec.Decode(&v) == nil {
		if b, err := json.Marshal(v); err == nil {
			canonical = b
		}
	}
	sum := sha256.Sum256(canonical)
	return sum[:]
}
