// Package revoke is the revocation endpoint (RFC 7009). A token that a client gives
// back takes its whole grant along, whichever kind it is.
//
// What the client may not revoke, or what is no token, is answered like success and
// changes nothing. app mounts the routes.
package revoke

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/limit"
	"drawbridge/internal/oauth"
	"drawbridge/internal/route"
	"drawbridge/internal/secret"
)

// Authenticator finds out which client a request comes from.
type Authenticator interface {
	Authenticate(ctx context.Context, r *http.Request, p oauth.Params) (oauth.Client, *oauth.Error)
}

// Tokens is what the store does with tokens.
type Tokens interface {
	LiveToken(ctx context.Context, access [32]byte) (account.LiveToken, error)
	RefreshToken(ctx context.Context, hash [32]byte) (oauth.Refresh, error)
	// RevokeToken revokes the grant of a token of a client. It is no error if there
	// is no such token.
	RevokeToken(ctx context.Context, hash [32]byte, client string) error
}

// Recorder takes records for the audit log.
type Recorder interface{ Call(account.Record) }

// Deps are what the endpoint works with. All are needed.
type Deps struct {
	Clients Authenticator
	Tokens  Tokens
	Audit   Recorder
	Now     func() time.Time
}

// Handler answers at the revocation endpoint. Safe for concurrent use.
type Handler struct {
	log   *slog.Logger
	deps  Deps
	crowd *limit.Buckets // requests of a network
}

// New makes the endpoint.
func New(log *slog.Logger, deps Deps) (*Handler, error) {
	if log == nil || deps.Clients == nil || deps.Tokens == nil || deps.Audit == nil || deps.Now == nil {
		return nil, errors.New("revoke: a dependency is missing")
	}
	return &Handler{log: log, deps: deps, crowd: limit.New(600, time.Minute, 300, 10_000)}, nil
}

// Routes are the endpoint's routes; the second one is for clients that do not read
// the server's metadata (R19).
func (h *Handler) Routes() []route.Route {
	var routes []route.Route
	for _, pattern := range []string{"/oauth/revoke", "/revoke"} {
		routes = append(routes, route.Route{Pattern: pattern, Methods: []string{http.MethodPost}, Policy: route.Public,
			AnyOrigin: true, Handler: http.HandlerFunc(h.serve)})
	}
	return routes
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request) {
	e := h.revoke(w, r)
	if e == nil {
		oauth.WriteBody(w, http.StatusOK, []byte("{}"))
		return
	}
	if e.Status >= http.StatusInternalServerError && r.Context().Err() == nil {
		h.log.Error("token not revoked", "error", e)
	}
	oauth.WriteError(w, r, e)
}

func (h *Handler) revoke(w http.ResponseWriter, r *http.Request) *oauth.Error {
	ctx, now := r.Context(), h.deps.Now()
	if wait, ok := h.crowd.Take(limit.Network(route.PeerFrom(ctx).Addr), now); !ok {
		return &oauth.Error{Word: "temporarily_unavailable", Status: http.StatusTooManyRequests, After: max(wait, time.Second),
			Public: "There were too many requests. Wait as long as Retry-After says."}
	}
	p, e := oauth.ReadForm(w, r)
	if e != nil {
		return e
	}
	client, e := h.deps.Clients.Authenticate(ctx, r, p)
	if e != nil {
		return e
	}
	token := p.Get("token")
	if token == "" {
		return oauth.Errorf("invalid_request", "token is missing. Send the one to revoke.")
	}
	// token_type_hint is not needed: a token says itself of which kind it is.
	access, refresh := secret.WellFormed(oauth.PrefixAccess, token), secret.WellFormed(oauth.PrefixRefresh, token)
	if !access && !refresh {
		return nil
	}
	hash := secret.Hash(token)
	grant, err := h.grantOf(ctx, hash, access)
	if err == nil {
		err = h.deps.Tokens.RevokeToken(ctx, hash, client.ID)
	}
	if err != nil {
		return oauth.FromFault(err)
	}
	// What ended nothing is not noted: a stranger can cause any number of those.
	if grant.ID != "" && grant.Client == client.ID && grant.Live(now) {
		h.deps.Audit.Call(account.Record{Time: now, User: grant.User, Credential: grant.ID, Client: client.ID,
			Method: "oauth/revoke", Target: grant.ID, Decision: account.Allowed, Outcome: account.Succeeded})
	}
	return nil
}

// grantOf is the grant of a token, for the audit log; none where the token is
// unknown or, being an access token, is no longer live.
func (h *Handler) grantOf(ctx context.Context, hash [32]byte, access bool) (account.Grant, error) {
	if access {
		live, err := h.deps.Tokens.LiveToken(ctx, hash)
		if fault.CodeOf(err) == fault.NotFound {
			return account.Grant{}, nil
		}
		return live.Grant, err
	}
	found, err := h.deps.Tokens.RefreshToken(ctx, hash)
	if e, ok := errors.AsType[*oauth.Error](err); ok && e.Word == "invalid_grant" {
		return account.Grant{}, nil
	}
	return found.Grant, err
}
