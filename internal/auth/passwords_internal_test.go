package auth

// Inside the package: how many hashes run at once, and what is remembered, cannot
// be seen from outside.

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/secret"
)

type silent struct{}

func (silent) Call(account.Record)                                {}
func (silent) User(context.Context, string) (account.User, error) { return account.User{}, nil }
func (silent) Users(context.Context) ([]account.User, error)      { return nil, nil }

func newSilent(t *testing.T) *Passwords {
	t.Helper()
	p, err := NewPasswords(slog.New(slog.DiscardHandler), silent{}, silent{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A14: two hashes at once, sixteen wait, and whoever comes then is told so.
func TestPasswords_A14_hashesAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newSilent(t)
		done, running := make(chan struct{}), make(chan struct{}, 100)
		answers := make(chan error, 100)
		hash := func(ctx context.Context) {
			answers <- p.turn(ctx, func() { running <- struct{}{}; <-done })
		}
		for range 17 {
			go hash(t.Context()) // ends with done, awaited below
		}
		synctest.Wait()
		ctx, hangUp := context.WithCancel(t.Context())
		go hash(ctx) // as above; it can only wait
		synctest.Wait()
		if len(running) != 2 {
			t.Errorf("%d run at once, want 2", len(running))
		}
		if err := p.turn(t.Context(), func() { t.Error("the nineteenth ran") }); fault.CodeOf(err) != fault.Limited {
			t.Errorf("the nineteenth: %v", err)
		}
		hangUp()
		if err := <-answers; fault.CodeOf(err) != fault.Unavailable {
			t.Errorf("one that hung up: %v", err)
		}
		close(done)
		for range 17 {
			if err := <-answers; err != nil {
				t.Error(err)
			}
		}
		if err := p.turn(t.Context(), func() {}); err != nil || len(running) != 17 {
			t.Errorf("after it all: %v, %d ran", err, len(running))
		}
	})
}

// A14: memory is bounded, and what goes is the oldest.
func TestPasswords_A14_boundedMemory(t *testing.T) {
	t.Parallel()
	p := newSilent(t)
	now := time.Now()
	const networks = maxPairs + 50
	for i := range networks {
		who := pair{fmt.Sprint("network ", i), "admin"}
		p.welcome(who, now.Add(time.Duration(i)))
		if err := p.admit(who, who.network, now.Add(time.Duration(i))); err != nil {
			t.Fatal(err)
		}
	}
	if len(p.known) != maxPairs || len(p.tries) != maxPairs {
		t.Errorf("%d known, %d tries; want %d", len(p.known), len(p.tries), maxPairs)
	}
	if _, ok := p.known[pair{fmt.Sprint("network ", networks-1), "admin"}]; !ok {
		t.Error("the newest is forgotten")
	}
	if _, ok := p.known[pair{"network 0", "admin"}]; ok {
		t.Error("the oldest is kept")
	}
}

// A14: the hash that stands for nobody's costs what everybody's does.
func TestPasswords_A14_nobodysHash(t *testing.T) {
	t.Parallel()
	real := strings.Split(secret.HashPassword(secret.New("x")), "$")
	nobodys := strings.Split(nobodysHash, "$")
	if strings.Join(real[:4], "$") != strings.Join(nobodys[:4], "$") || len(real[4]) != len(nobodys[4]) || len(real[5]) != len(nobodys[5]) {
		t.Errorf("%q is not like %q", nobodysHash, real)
	}
	if secret.CheckPassword(nobodysHash, secret.New("")) {
		t.Error("nobody has a password")
	}
}
