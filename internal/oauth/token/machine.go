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
	asked := oauth.Known(q.params.Get("scope"))
	var made tokens
	grant, err := h.deps.Machines.MachineToken(ctx, q.client, resource, q.now, func(g account.Grant) oauth.Minted {
		made = h.mint(g, shared(scopeOf(g, ""), asked), false, q.now)
		return made.minted
	})
	if err != nil {
		return issued{}, oauth.FromFault(err)
	}
	return issued{grant, made.answer(grant)}, nil
}

// shared is what two lists of scopes have in common: what is asked for beyond what
// there is does no harm (R16). "" is all there is.
func shared(has, asked string) string {
	var both []string
	for scope := range strings.FieldsSeq(asked) {
		if oauth.HasScope(has, scope) {
			both = append(both, scope)
		}
	}
	return strings.Join(both, " ")
}
