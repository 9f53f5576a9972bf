package token

import (
	"context"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/oauth"
	"drawbridge/internal/secret"
)

// Codes is what the store does with codes.
type Codes interface {
	// RedeemCode makes a grant of a code, once, with the tokens that mint gives. An
	// error of check burns the code; a second redemption revokes the grant.
	RedeemCode(ctx context.Context, hash [32]byte, now time.Time, check func(oauth.Code) error, mint func(account.Grant) oauth.Minted) (account.Grant, error)
}

// redeem is the grant authorization_code (OAuth 2.1, 4.1.3).
func (h *Handler) redeem(ctx context.Context, q request) (issued, *oauth.Error) {
	code := q.params.Get("code")
	switch {
	case code == "":
		return issued{}, oauth.Errorf("invalid_request", "code is missing. Send the one from the authorization response.")
	case !secret.WellFormed(oauth.PrefixCode, code):
		return issued{}, oauth.Errorf("invalid_grant", "This is no code of this server. Start again with an authorization request.")
	}
	var made tokens
	grant, err := h.deps.Codes.RedeemCode(ctx, secret.Hash(code), q.now,
		func(c oauth.Code) error {
			if e := h.checkCode(q, c); e != nil {
				return e
			}
			return nil
		},
		func(g account.Grant) oauth.Minted {
			made = h.mint(g, "", true, q.now)
			return made.minted
		})
	if err != nil {
		return issued{}, oauth.FromFault(err)
	}
	return issued{grant, made.answer(grant)}, nil
}

// checkCode holds a request against the one that the code is of. The redirect URI
// may be left out, as OAuth 2.1 does since PKCE takes its place; older clients send
// it.
func (h *Handler) checkCode(q request, c oauth.Code) *oauth.Error {
	switch {
	case c.Client != q.client.ID:
		return oauth.Errorf("invalid_grant", "The code was given to another client. Start again with an authorization request.")
	case q.params.Has("redirect_uri") && q.params.Get("redirect_uri") != c.RedirectURI:
		return oauth.Errorf("invalid_grant", "The redirect_uri is not that of the authorization request. Start again and send the same one twice.")
	case !oauth.Verify(c.Challenge, q.params.Get("code_verifier")):
		return oauth.Errorf("invalid_grant", "The code_verifier is missing or does not fit the code_challenge. Start again with an authorization request.")
	}
	return h.sameResource(q.params, c.Resource)
}
