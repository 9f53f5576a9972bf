package token

import (
	"context"
	"slices"
	"strings"

	"drawbridge/internal/account"
	"drawbridge/internal/oauth"
	"drawbridge/internal/secret"
)

// Refreshes is what the store does with refresh tokens.
type Refreshes interface {
	// RefreshToken finds a refresh token, used or not.
	RefreshToken(ctx context.Context, hash [32]byte) (oauth.Refresh, error)
	// Rotate exchanges it, once. replay is what an earlier exchange has left for
	// a client that did not get its answer.
	Rotate(ctx context.Context, rotation oauth.Rotation) (replay []byte, err error)
}

// errDead is all that is told of a refresh token that is of no use: it was never
// one, has expired, was revoked, was used, or belongs to another client.
func errDead() *oauth.Error {
	return oauth.Errorf("invalid_grant", "The refresh token is unknown, expired, used or revoked. Start again with an authorization request.")
}

// rotate is the grant refresh_token (OAuth 2.1, 4.3). Each token is good for one
// exchange. A client that lost the answer, or whose processes raced for it, gets
// the same answer again for a while: it is kept sealed with a key that only the
// presented token gives, so the store alone cannot open it.
func (h *Handler) rotate(ctx context.Context, q request) (issued, *oauth.Error) {
	token := q.params.Get("refresh_token")
	switch {
	case token == "":
		return issued{}, oauth.Errorf("invalid_request", "refresh_token is missing. Send the one from the last answer.")
	case !secret.WellFormed(oauth.PrefixRefresh, token):
		return issued{}, errDead()
	}
	found, err := h.deps.Refreshes.RefreshToken(ctx, secret.Hash(token))
	if err != nil {
		return issued{}, oauth.FromFault(err)
	}
	grant := found.Grant
	if grant.Client != q.client.ID || !grant.Live(q.now) || !q.now.Before(found.Expires) {
		return issued{}, errDead()
	}
	if e := h.sameResource(q.params, grant.Resource); e != nil {
		return issued{}, e
	}
	scope, e := narrowed(q, found)
	if e != nil {
		return issued{}, e
	}
	// A used token is decided by the store: it may be a dead one.
	if wait, full := h.refresh.Full(grant.ID, q.now); full && !found.Used {
		return issued{}, tooOften(wait)
	}
	return h.exchange(ctx, q, token, grant, scope)
}

// exchange makes the answer before the store has decided, since the store keeps it
// with the decision.
func (h *Handler) exchange(ctx context.Context, q request, token string, grant account.Grant, scope string) (issued, *oauth.Error) {
	hash := secret.Hash(token)
	made := h.mint(grant, scope, true, q.now)
	envelope, err := newEnvelope(token, q)
	if err != nil {
		return issued{}, oauth.FromFault(err)
	}
	body := made.answer(grant)
	replay, err := h.deps.Refreshes.Rotate(ctx, oauth.Rotation{Presented: hash, Client: q.client.ID, Minted: made.minted,
		Replay: envelope.seal(body), Now: q.now})
	if err != nil {
		return h.refused(ctx, q, hash, err)
	}
	if replay == nil {
		h.refresh.Take(grant.ID, q.now) // the same answer once more made nothing, and is not counted
		return issued{grant, body}, nil
	}
	if body, err = envelope.open(replay); err != nil {
		return issued{}, errDead() // asked for something else than the first time
	}
	return issued{grant, body}, nil
}

// refused tells what became of a token that was found, but not exchanged. Presented a
// second time it has ended its grant, and that is to be seen in the audit log.
func (h *Handler) refused(ctx context.Context, q request, hash [32]byte, err error) (issued, *oauth.Error) {
	e := oauth.FromFault(err)
	after, err := h.deps.Refreshes.RefreshToken(ctx, hash)
	if e.Word != "invalid_grant" || err != nil || after.Grant.Live(q.now) {
		return issued{}, e
	}
	return issued{grant: after.Grant}, e
}

// narrowed is the scope of the tokens to come. A client may ask for less than it
// has, and then has less from there on. Asking for more is refused (RFC 6749, 6),
// but for what it registered with: LibreChat sends that with each refresh,
// whatever it was granted. It never gets more.
func narrowed(q request, found oauth.Refresh) (string, *oauth.Error) {
	has := strings.Fields(scopeOf(found.Grant, found.Scope))
	var asked []string
	for scope := range strings.FieldsSeq(oauth.Known(q.params.Get("scope"))) {
		switch {
		case slices.Contains(has, scope):
			asked = append(asked, scope)
		case scope == oauth.ScopeOffline, oauth.HasScope(q.client.Metadata.Scope, scope):
		default:
			return "", oauth.Errorf("invalid_scope", "The scope is more than was granted. Leave it out, or start again with an authorization request.")
		}
	}
	if len(asked) == 0 || len(asked) == len(has) {
		return found.Scope, nil // nothing that tells it apart from what it has
	}
	return strings.Join(asked, " "), nil
}

// envelope seals an answer for whoever presents the same token with the same
// request.
type envelope struct {
	box   *secret.Box
	bound []byte
}

func newEnvelope(token string, q request) (envelope, error) {
	box, err := secret.NewBox(secret.Derive([]byte(token), "refresh answer"))
	return envelope{box, []byte(q.client.ID + "\x00" + oauth.Known(q.params.Get("scope")))}, err
}

func (v envelope) seal(body []byte) []byte { return []byte(v.box.Seal(body, v.bound)) }

func (v envelope) open(sealed []byte) ([]byte, error) { return v.box.Open(string(sealed), v.bound) }
