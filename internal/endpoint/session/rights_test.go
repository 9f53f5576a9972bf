package session_test

import (
	"testing"

	"drawbridge/internal/account"
	"drawbridge/internal/endpoint/session/sessiontest"
	"drawbridge/internal/fault"
	"drawbridge/internal/mcpwire"
)

// A session that was begun at one address must not go on at another (account.Principal.Owner):
// asleep it is refused there, awake it has to be, too.
func TestT14_sessionAtAnotherProfile(t *testing.T) {
	t.Parallel()
	hub, store := sessiontest.NewHub(), sessiontest.NewStore()
	table := sessiontest.NewTable(t, hub, store)
	id := create(t, table, hello)
	elsewhere := alice
	elsewhere.Profile = "narrow"
	s, err := table.Acquire(t.Context(), elsewhere, id)
	if fault.CodeOf(err) != fault.NotFound || err == nil {
		t.Errorf("awake: found at another profile (%v)", err)
	}
	if s != nil {
		s.Release()
	}
	table.Close()
	if _, err := sessiontest.NewTable(t, hub, store).Acquire(t.Context(), elsewhere, id); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("asleep: %v", err)
	}
}

// A session lives longer than the rights it began with: what it hears outside of
// calls follows them.
func TestOpenWatch_followsRights(t *testing.T) {
	t.Parallel()
	hub := sessiontest.NewHub()
	table := sessiontest.NewTable(t, hub, sessiontest.NewStore())
	id := create(t, table, hello)
	s, err := table.Acquire(t.Context(), alice, id)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Release()
	open := func(a *account.Access) mcpwire.Watch {
		t.Helper()
		p := alice
		p.Access = a
		if err := s.OpenWatch(account.WithPrincipal(t.Context(), p)); err != nil {
			t.Fatal(err)
		}
		watches := hub.Watches()
		if len(watches) != 1 {
			t.Fatalf("%d watches", len(watches))
		}
		return watches[0]
	}
	first := open(account.Everything())
	if open(account.NewAccess(account.FullRights())) != first {
		t.Error("the same rights opened another watch")
	}
	if open(account.NewAccess(account.ReadRights())) == first {
		t.Error("the watch still has the rights of before")
	}
}
