package matrix_test

import (
	"maps"
	"testing"

	"drawbridge/test/harness"
)

// backend is one row of the matrix: a revision over a transport, as a program
// speaks it.
type backend struct {
	revision, transport string
	program             string
	probes              map[feature]probe
	slow                []feature // tried with one client program of each door only
	// start gives the entries of the configuration, and what notes what reaches them.
	start func(t testing.TB) (entries harness.Servers, main, tasks *ledger)
}

// The entries of a configuration.
const (
	mainEntry  = "main"
	tasksEntry = "tasks"
)

// backends are all rows.
func backends() []*backend {
	var out []*backend
	for _, b := range []struct{ revision, transport string }{
		{r2024, overStdio}, {r2024, overSSE},
		{r0326, overStdio}, {r0326, overHTTP},
		{r0618, overStdio}, {r0618, overHTTP},
		{r1125, overStdio}, {r1125, overHTTP},
		{r2026, overStdio}, {r2026, overHTTP},
	} {
		out = append(out, fixtureBackend(b.revision, b.transport, false))
	}
	out = append(out, fixtureBackend(r1125, overStdio, true))
	return append(out, samples()...)
}

// fixtureBackend is the fixture of a revision, with the tasks fixture beside it
// where the revision has tasks. An interactive one has a process for every client.
func fixtureBackend(revision, transport string, interactive bool) *backend {
	b := &backend{revision: revision, transport: transport, program: "fixture (Go SDK 1.8.0)", probes: ofFixture}
	if interactive {
		b.program += ", interactive"
		// The gateway lists what its own process offers, not what another one adds.
		b.probes = maps.Clone(ofFixture)
		delete(b.probes, listChanges)
	}
	b.start = func(t testing.TB) (harness.Servers, *ledger, *ledger) {
		l := newLedger()
		entries := harness.Servers{mainEntry: entry(t, transport, spec{Revision: revision}, l)}
		if interactive {
			entries[mainEntry]["interactive"] = true
		}
		if revision < r1125 {
			return entries, l, nil
		}
		lt := newLedger()
		entries[tasksEntry] = entry(t, transport, spec{Revision: revision, Tasks: true}, lt)
		return entries, l, lt
	}
	return b
}

// entry starts a fixture, or says how it is started, and is its configuration.
func entry(t testing.TB, transport string, s spec, l *ledger) map[string]any {
	out := map[string]any{}
	switch {
	case transport == overStdio:
		s.Ledger = l.url(t)
		out = s.stdio(t)
	case s.Tasks:
		out["url"] = newTaskFixture(s.Revision).http(t, l.write)
	default:
		out["url"] = (&fixture{revision: s.Revision, note: l.write}).http(t)
	}
	out["prefix"] = "" // tools keep their names
	return out
}
