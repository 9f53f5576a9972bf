package gateway_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"drawbridge/internal/account"
	"drawbridge/internal/gateway"
	"drawbridge/internal/mcpwire"
)

// hearing notes what is told to a backend.
type hearing struct {
	*fakeBackend
	mu    sync.Mutex // guards heard
	heard []string
}

func (h *hearing) Tell(_ context.Context, _ *mcpwire.Caller, n mcpwire.Notification) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.heard = append(h.heard, n.Method)
}

// A request without an id is a notification by its form only: as one it must not
// reach a backend past the policy and the audit log.
func TestT13_requestAsNotification(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &hearing{fakeBackend: full("lamp")}
		g := newGateway(t, gateway.Config{}, &memShelf{}, gateway.Member{Backend: b})
		synctest.Wait()
		read := account.Principal{User: "u", Credential: "k", Access: account.NewAccess(account.ReadRights())}
		ctx := account.WithPrincipal(t.Context(), read)
		g.Tell(ctx, modern, mcpwire.Notification{Method: mcpwire.MethodToolsCall, Params: []byte(`{"name":"wipe"}`)})
		g.Tell(ctx, modern, mcpwire.Notification{Method: "notifications/roots/list_changed"})
		if got := strings.Join(b.heard, " "); got != "notifications/roots/list_changed" {
			t.Errorf("the backend was told %q", got)
		}
	})
}

// Methods of an extension can do anything: who may only look must not call them.
func TestT13_extensionOfAReader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t, gateway.Config{}, &memShelf{}, gateway.Member{Backend: full("lamp")})
		synctest.Wait()
		for what, access := range map[string]*account.Access{
			"a reader": account.NewAccess(account.ReadRights()),
			"a profile of one tool": account.NewAccess(account.FullRights(), account.Profile{Name: "p", Title: "p", Backends: []string{"lamp"},
				Allow: []string{"look"}, Tier: account.TierRead}),
		} {
			p := account.Principal{User: "u", Credential: "k", Access: access}
			if out := askAs(t, g, modern, p, "lamp/wipe", `{}`); out.Kind == mcpwire.Complete {
				t.Errorf("%s called lamp/wipe", what)
			}
		}
	})
}
