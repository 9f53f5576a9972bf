package auth

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"drawbridge/internal/account"
)

const flushEvery = 30 * time.Second // last uses are written this often

// Uses is where last uses are written.
type Uses interface {
	TouchKeys(ctx context.Context, uses []account.Use) error
	TouchGrants(ctx context.Context, uses []account.Use) error
}

// use is when a credential was last used, in Unix milliseconds.
type use struct {
	at      atomic.Int64
	written int64 // the value of at that the store has; guarded by ledger.flushing
	grant   bool
}

// ledger keeps last uses beside what is read from the store, which is replaced with
// every change there.
type ledger struct {
	mu       sync.Mutex // guards byID
	byID     map[string]*use
	flushing sync.Mutex // held while uses are written
}

// of finds the use of a credential, or begins it with what the store knows.
func (l *ledger) of(id string, grant bool, last time.Time) *use {
	l.mu.Lock()
	defer l.mu.Unlock()
	if u := l.byID[id]; u != nil {
		return u
	}
	if l.byID == nil {
		l.byID = map[string]*use{}
	}
	u := &use{grant: grant, written: max(0, last.UnixMilli())} // never used is before 1970
	l.byID[id] = u
	return u
}

// Run writes last uses from time to time, until ctx ends; then once more.
func (v *Verifier) Run(ctx context.Context) {
	ticker := time.NewTicker(flushEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			v.Flush(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadLimit)
			defer cancel()
			v.Flush(last)
			return
		}
	}
}

// Flush writes the last uses that the store does not have yet. What fails is
// tried again the next time.
func (v *Verifier) Flush(ctx context.Context) {
	l := &v.ledger
	l.flushing.Lock()
	defer l.flushing.Unlock()
	keys, grants := l.due(false), l.due(true)
	l.write(ctx, v, keys, v.deps.Uses.TouchKeys)
	l.write(ctx, v, grants, v.deps.Uses.TouchGrants)
}

// due are the uses that are not written yet. The caller holds flushing.
func (l *ledger) due(grants bool) (due []account.Use) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, u := range l.byID {
		if at := u.at.Load(); u.grant == grants && at > u.written {
			due = append(due, account.Use{ID: id, At: time.UnixMilli(at)})
		}
	}
	return due
}

func (l *ledger) write(ctx context.Context, v *Verifier, uses []account.Use, touch func(context.Context, []account.Use) error) {
	if len(uses) == 0 {
		return
	}
	if err := touch(ctx, uses); err != nil {
		v.deps.Log.Warn("last uses were not written", "credentials", len(uses), "error", err)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, one := range uses {
		l.byID[one.ID].written = one.At.UnixMilli()
	}
}
