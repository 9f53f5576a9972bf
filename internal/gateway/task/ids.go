package task

import (
	"fmt"
	"strings"

	"drawbridge/internal/secret"
)

// maxID bounds a backend's task id: what is made of it travels in a header.
const maxID = 1 << 10

// Ids seals the task ids that clients get to see. A sealed id names its backend
// and opens for its owner alone; whoever picks it up elsewhere has nothing. Safe
// for concurrent use.
type Ids struct{ box *secret.Steady }

// NewIds takes a key of 32 bytes that is used for nothing else.
func NewIds(key []byte) (*Ids, error) {
	box, err := secret.NewSteady(key)
	if err != nil {
		return nil, fmt.Errorf("seal task ids: %w", err)
	}
	return &Ids{box}, nil
}

// label keeps a sealed task id from being taken for anything else, and binds it
// to its owner.
func label(owner string) []byte { return []byte("drawbridge task id 1\x00" + owner) }

// Wrap is the id under which owner (account.Principal.Owner) knows a backend's
// task. It is the same each time: official clients compare it. An id of more than 1 KiB
// becomes "", which opens for nobody.
func (i *Ids) Wrap(backend, owner, id string) string {
	if len(id) > maxID {
		return ""
	}
	return i.box.Seal([]byte(backend+"\x00"+id), label(owner))
}

// Open leads a sealed id back. It is not ok for one that was given to somebody
// else, or by nobody.
func (i *Ids) Open(text, owner string) (backend, id string, ok bool) {
	plain, err := i.box.Open(text, label(owner))
	if err != nil {
		return "", "", false
	}
	return strings.Cut(string(plain), "\x00") // a backend's name has no NUL
}
