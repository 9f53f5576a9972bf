package auth

import (
	"context"
	"net/http"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/oauth"
	"drawbridge/internal/secret"
	"drawbridge/internal/web"
)

// browserCredential is the credential of whoever is signed in with a browser.
const browserCredential = "web"

// The reasons why a browser is refused; each is a *fault.Error.
var (
	ErrSignedOut = fault.New(fault.Unauthenticated, "You are not signed in any more. Sign in again at /login.")
	ErrOtherPage = fault.New(fault.Forbidden, "This request did not come from a page of Drawbridge. Open the page itself and try again there.")
)

// Sessions is what SignIns needs of the store: the browser session of a hash, or
// fault.NotFound when it ended, expired, was idle for too long, or its user is shut
// out.
type Sessions interface {
	SignIn(ctx context.Context, hash [32]byte, now time.Time) (account.SignIn, error)
}

// SignIns finds the admin who is signed in with a browser. Safe for concurrent use.
type SignIns struct {
	sessions Sessions
	base     func() string
}

// NewSignIns makes it. base is the public URL.
func NewSignIns(sessions Sessions, base func() string) *SignIns {
	return &SignIns{sessions, base}
}

// Authenticate finds the admin behind the cookie of a request. A browser sends the
// cookie along whoever made it do so, so a request that changes something has to
// come from a page of ours. The error is a *fault.Error: ErrNoCredential,
// ErrSignedOut, ErrNotAdmin, ErrOtherPage, or Unavailable.
func (s *SignIns) Authenticate(r *http.Request) (account.Principal, error) {
	token := web.Cookie(r, web.SignInCookie)
	if token == "" {
		return account.Principal{}, ErrNoCredential
	}
	if !secret.WellFormed(oauth.PrefixSignIn, token) {
		return account.Principal{}, ErrSignedOut
	}
	if !safe(r.Method) && !web.FromOwnPage(r, s.base()) {
		return account.Principal{}, ErrOtherPage
	}
	in, err := s.sessions.SignIn(r.Context(), secret.Hash(token), time.Now())
	switch {
	case fault.CodeOf(err) == fault.NotFound:
		return account.Principal{}, ErrSignedOut
	case err != nil:
		return account.Principal{}, unavailable(err)
	case in.User == "":
		return account.Principal{}, ErrSignedOut
	case in.Role != account.RoleAdmin:
		return account.Principal{}, ErrNotAdmin
	}
	return account.Principal{User: in.User, Credential: browserCredential, Role: in.Role, Access: account.Everything()}, nil
}

// safe tells whether a method changes nothing (RFC 9110, 9.2.1).
func safe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}
