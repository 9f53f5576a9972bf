package gatewaytest_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"drawbridge/internal/account"
	"drawbridge/internal/gatewaytest"
)

// Threat T9: one user has so many calls running that nobody else gets one. A user
// beyond the own bound is told so at once, while others are served.
func TestT9_callsAtOnce(t *testing.T) {
	t.Parallel()
	f := gatewaytest.NewFake("l", gatewaytest.R2026)
	g := gatewaytest.Run(t, fmt.Sprintf(`{"mcpServers":{"l":{"url":%q}},"limits":{"concurrency":6,"user_concurrency":2}}`, f.HTTP(t)))
	g.WaitTools("l_slow")
	s := beside(t, g)
	if err := s.CreateUser(t.Context(), account.User{ID: "anna", Name: "Anna", Role: account.RoleMember}); err != nil {
		t.Fatal(err)
	}
	_, key, err := s.CreateKey(t.Context(), account.KeyRequest{Name: "k", User: "anna", Role: account.RoleMember, Rights: account.FullRights()})
	if err != nil {
		t.Fatal(err)
	}
	greedy, anna := g.Dial(gatewaytest.R2026), gatewaytest.Dial(t, g.Base, key.Reveal(), gatewaytest.R2026)
	const quick = `{"name":"l_echo","arguments":{"text":"x"}}`
	g.WaitFor("the key to be known", func() bool { return anna.Call("tools/call", quick).Status == 200 })

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan gatewaytest.Answer, 2)
	for range 2 {
		go func() { done <- greedy.CallContext(ctx, "tools/call", `{"name":"l_slow","arguments":{"ms":60000}}`) }() // awaited below
	}
	g.WaitFor("two calls to run", func() bool { return callsAt(t, g.Base) == 2 })
	if a := greedy.Call("tools/call", quick); !strings.Contains(a.Result(), `"isError":true`) || !strings.Contains(a.Result(), "user_concurrency") {
		t.Errorf("one call too many: %s", a.Message)
	}
	if a := anna.Call("tools/call", quick); strings.Contains(a.Result(), "isError") || a.Result() == "" {
		t.Errorf("somebody else: %s", a.Message)
	}
	cancel()
	for range 2 {
		<-done
	}
	g.WaitFor("the places to be given back", func() bool { return !strings.Contains(greedy.Call("tools/call", quick).Message, "user_concurrency") })
}
