package store

import (
	"sync"
	"time"
)

const (
	youngFor = 2 * time.Minute // longer than a code lives, or a lost answer is given again
	maxYoung = 10_000
)

// young remembers when this process made codes and exchanged refresh tokens in the
// last minutes, by the clock that nobody can set: a time.Time that came from time.Now
// has a reading of it, which the database does not keep. So neither a code's life nor
// the time in which a lost answer is given again changes when somebody sets the
// machine's clock (A24). What another process did is judged by the database's times.
type young struct {
	mu sync.Mutex // guards at
	at map[[32]byte]time.Time
}

// note keeps a time of what has this hash.
func (y *young) note(hash [32]byte, t time.Time) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if len(y.at) >= maxYoung {
		for h, old := range y.at {
			if t.Sub(old) > youngFor {
				delete(y.at, h)
			}
		}
	}
	if len(y.at) >= maxYoung {
		clear(y.at) // the database's times have to do
	}
	if y.at == nil {
		y.at = map[[32]byte]time.Time{}
	}
	y.at[hash] = t
}

// of is the time that was noted, or else the one that was stored.
func (y *young) of(hash [32]byte, stored time.Time) time.Time {
	y.mu.Lock()
	defer y.mu.Unlock()
	if t, ok := y.at[hash]; ok {
		return t
	}
	return stored
}
