package token

import (
	"context"
	"strings"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/oauth"
)

// Machines is what the store does for clients that act without a person.
type Machines interface {
	// MachineToken makes tokens of the client's one grant for a resource, which has
	// to exist.
	MachineToken(ctx context.Context, c oauth.Client, resource string, now time.Time, mint func(account.Grant) oauth.Minted) (account.Grant, error)
}

// machine is the grant client_credentials (OAuth 2.1, 4.2), for clients that an
// admin has entered with whom they act for. They can ask again at any time, so
// there is no refresh token.
func (h *Handler) machine(ctx context.Context, q request) (issued, *oauth.Error) {
	m := q.client.Metadata.AuthMethod
	if q.client.Kind != oauth.Static || q.client.MachineUser == "" || m == oauth.AuthNone || m == "" {
		return issued{}, oauth.Errorf("unauthorized_client", "This client cannot act by itself. Ask an admin to enter one for that, with a secret or a key.")
	}
	resource, e := oauth.Resource(h.deps.Base(), q.params.All("resource"))
	if e != nil {
		return issued{}, e
	}
	var made tokens
	grant, err := h.deps.Machines.MachineToken(ctx, q.client, resource, q.now, func(g account.Grant) oauth.Minted {
		made = h.mint(g, shared(scopeOf(g, ""), q.params.Get("scope")), false, q.now)
		return made.minted
	})
	if err != nil {
		return issued{}, oauth.FromFault(err)
	}
	return issued{grant, made.answer(grant)}, nil
}

// shared is what a client gets of what it has: what it asks for beyond does no harm
// (R16). One that asks for nothing gets all, as ""; one that asks only for what it
// does not have gets the least there is, and never more than it asked for.
func shared(has, asked string) string {
	if strings.TrimSpace(asked) == "" {
		return ""
	}
	var both []string
	for scope := range strings.FieldsSeq(oauth.Known(asked)) {
		if oauth.HasScope(has, scope) {
			both = append(both, scope)
		}
	}
	if len(both) == 0 {
		return oauth.ScopeRead
	}
	return strings.Join(both, " ")
}
