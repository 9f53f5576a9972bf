package token

import (
	"encoding/json"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/oauth"
	"drawbridge/internal/secret"
)

// tokens are the tokens of one answer: what the client gets and what the store
// keeps of it.
type tokens struct {
	access, refresh secret.String // no refresh: an empty one
	minted          oauth.Minted
	now             time.Time
}

// mint makes tokens of a grant, narrowed to scope ("": all of it). Every client that
// a person has let in gets a refresh token, whichever grant types it registered:
// few of those that refresh say so.
func (h *Handler) mint(g account.Grant, scope string, refresh bool, now time.Time) tokens {
	t := tokens{now: now, minted: oauth.Minted{Scope: scope, AccessExpires: earliest(now.Add(h.cfg.AccessTTL), g.Expires)}}
	t.access, t.minted.Access = secret.NewToken(oauth.PrefixAccess)
	if refresh {
		t.refresh, t.minted.Refresh = secret.NewToken(oauth.PrefixRefresh)
		t.minted.RefreshExpires = earliest(now.Add(h.cfg.RefreshTTL), g.Created.Add(oauth.RefreshLimit), g.Expires)
	}
	return t
}

// earliest is the first of some times; a zero one does not count.
func earliest(first time.Time, others ...time.Time) time.Time {
	for _, t := range others {
		if !t.IsZero() && t.Before(first) {
			first = t
		}
	}
	return first
}

// answer is the body of RFC 6749, 5.1. Clients fail without expires_in and scope
// (R14, R15).
func (t tokens) answer(g account.Grant) []byte {
	body, err := json.Marshal(struct {
		Access  string `json:"access_token"`
		Type    string `json:"token_type"`
		Expires int64  `json:"expires_in"`
		Refresh string `json:"refresh_token,omitempty"`
		Scope   string `json:"scope"`
	}{t.access.Reveal(), "Bearer", int64(t.minted.AccessExpires.Sub(t.now) / time.Second), t.refresh.Reveal(), scopeOf(g, t.minted.Scope)})
	if err != nil {
		panic("encode token answer: " + err.Error()) // strings and a number only
	}
	return body
}

// scopeOf is what a grant allows, as far as scope reaches.
func scopeOf(g account.Grant, scope string) string {
	return oauth.ScopeOf(oauth.Narrow(g.Rights, g.Role, scope))
}

// sameResource refuses a request for another resource than the one that was agreed
// to (RFC 8707, 2.2). Clients that name none mean that one.
func (h *Handler) sameResource(p oauth.Params, path string) *oauth.Error {
	if len(p.All("resource")) == 0 {
		return nil
	}
	asked, e := oauth.Resource(h.deps.Base(), p.All("resource"))
	if e == nil && asked != path {
		e = oauth.Errorf("invalid_target", "The resource is not the one that was agreed to. Ask for %s%s, or leave it out.", h.deps.Base(), path)
	}
	return e
}
