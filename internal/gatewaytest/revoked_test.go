package gatewaytest_test

import (
	"log/slog"
	"testing"

	"drawbridge/internal/gatewaytest"
	"drawbridge/internal/store"
)

// The attack: a key leaks, its thief opens streams, and the owner revokes the key
// with the command line. The next call is refused, and what is open ends within
// seconds, while the streams of another key go on.
func TestRevokedKey_endsItsStreams(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Run(t, `{}`)
	g.WaitTools("sequentialthinking")
	all := keys(t, g, 2)
	thief, other := all[0], all[1]
	for _, key := range all {
		g.WaitFor("the key to be known", func() bool {
			return gatewaytest.Dial(t, g.Base, key, gatewaytest.R2026).Call("tools/list", "").Status == 200
		})
	}
	const filter = `{"toolsListChanged":true}`
	streams := []<-chan string{
		gatewaytest.Dial(t, g.Base, thief, gatewaytest.R1125).Stream(),
		gatewaytest.Dial(t, g.Base, thief, gatewaytest.R2026).Listen(filter),
	}
	good := gatewaytest.Dial(t, g.Base, other, gatewaytest.R2026).Listen(filter)

	s, err := store.Open(t.Context(), slog.New(slog.DiscardHandler), store.Config{StateDir: g.Dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.RevokeKey(t.Context(), "p0"); err != nil {
		t.Fatal(err)
	}
	for _, stream := range streams {
		for range stream { // the test's time is up if it does not end
		}
	}
	if status := gatewaytest.Dial(t, g.Base, thief, gatewaytest.R2026).Call("tools/list", "").Status; status != 401 {
		t.Errorf("a call with the revoked key: %d", status)
	}
	for {
		select {
		case _, open := <-good:
			if !open {
				t.Fatal("the stream of another key ended too")
			}
			continue
		default:
		}
		break
	}
}
