package gatewaytest_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"drawbridge/internal/gatewaytest"
	"drawbridge/internal/store"
)

// The attack: a key leaks, its thief opens streams, and the owner revokes the key
// with the command line. The next call is refused, and what is open ends within
// seconds, while the streams of another key go on.
func TestA20_keyEndsItsStreams(t *testing.T) {
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

// The attack: a backend collects what clients send the gateway, and uses it there:
// no key, session id or header of a client may reach one.
func TestKey_isNotPassedOn(t *testing.T) {
	t.Parallel()
	old, modern := gatewaytest.NewAsking("l", gatewaytest.R1125), gatewaytest.NewAsking("m", gatewaytest.R2026)
	g := gatewaytest.Run(t, fmt.Sprintf(`{"mcpServers":{"l":{"url":%q,"token":"token-of-the-backend"},"m":{"url":%q}}}`, old.HTTP(t), modern.HTTP(t)))
	g.WaitTools("l_params", "m_params")
	for _, revision := range []string{gatewaytest.R1125, gatewaytest.R2026} {
		c := g.Dial(revision).With(map[string]string{"Cookie": "canary=1", "X-Forwarded-For": "canary", "Proxy-Authorization": "canary"})
		for _, tool := range []string{"l_params", "m_params"} {
			if a := c.Call("tools/call", `{"name":"`+tool+`","arguments":{}}`); a.Result() == "" {
				t.Fatalf("%s: %+v", tool, a)
			}
		}
		for _, f := range []*gatewaytest.Fake{old, modern} {
			heard := f.Heard("tools/call")
			if len(heard) == 0 {
				t.Fatal("the backend was not called")
			}
			for _, h := range heard {
				all := fmt.Sprint(h.Header) + h.Raw
				if strings.Contains(all, gatewaytest.Key) || strings.Contains(all, "canary") || c.Session != "" && strings.Contains(all, c.Session) {
					t.Errorf("a backend got %s", all)
				}
			}
		}
	}
	if a := old.Heard("tools/call")[0].Header.Get("Authorization"); a != "Bearer token-of-the-backend" {
		t.Errorf("the backend's own credential: %q", a)
	}
}
