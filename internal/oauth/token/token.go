// Package token is the token endpoint: it exchanges authorization codes and refresh
// tokens for tokens, and gives tokens to machines that an admin has entered. One
// file per grant type. The rules are those of OAuth 2.1 (draft 13), 3.2 and 4, RFC
// 8707 and RFC 9700.
//
// It decides nothing about rights: those are in the code, the grant or the client,
// and only ever shrink here. What it issues it keeps nowhere; the store has hashes.
// An answer is written after the store has committed. A refresh token that is of no
// use is answered with invalid_grant however often it comes, since a client that
// is told to wait instead comes back for ever (R11). app mounts the routes.
package token

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/limit"
	"drawbridge/internal/oauth"
	"drawbridge/internal/route"
)

// Authenticator finds out which client a request comes from.
type Authenticator interface {
	Authenticate(ctx context.Context, r *http.Request, p oauth.Params) (oauth.Client, *oauth.Error)
}

// Recorder takes records for the audit log.
type Recorder interface{ Call(account.Record) }

// Deps are what the endpoint works with. All are needed.
type Deps struct {
	Clients   Authenticator
	Codes     Codes
	Refreshes Refreshes
	Machines  Machines
	Audit     Recorder
	Base      func() string // public URL without a path
	Now       func() time.Time
}

// Config is what an operator may set.
type Config struct {
	AccessTTL  time.Duration // OAUTH_ACCESS_TOKEN_TTL
	RefreshTTL time.Duration // OAUTH_REFRESH_TOKEN_TTL, from one refresh to the next
}

// Handler answers at the token endpoint. Safe for concurrent use.
type Handler struct {
	log  *slog.Logger
	deps Deps
	cfg  Config

	crowd   *limit.Buckets // requests of a network, by grant type
	sites   *limit.Buckets // of a site, by grant type
	service *limit.Buckets // of a network that calls for many people, by grant type
	refresh *limit.Buckets // exchanges of refresh tokens of a grant

	refusals refusals
}

// refusals are those that are recorded, so that strangers cannot fill the audit log:
// at most a thousand an hour, whoever they are.
type refusals struct{ network, site, all *limit.Buckets }

func (r refusals) take(q request) bool {
	if _, ok := r.network.Take(q.network, q.now); !ok {
		return false
	}
	if _, ok := r.site.Take(q.site, q.now); !ok {
		return false
	}
	_, ok := r.all.Take("", q.now)
	return ok
}

const (
	remembered = 10_000 // networks, sites or grants that are counted at a time
	grantTypes = 3
)

// New makes the endpoint.
func New(log *slog.Logger, deps Deps, cfg Config) (*Handler, error) {
	if log == nil || deps.Clients == nil || deps.Codes == nil || deps.Refreshes == nil || deps.Machines == nil ||
		deps.Audit == nil || deps.Base == nil || deps.Now == nil {
		return nil, errors.New("token: a dependency is missing")
	}
	if cfg.AccessTTL < time.Second || cfg.RefreshTTL < time.Second {
		return nil, errors.New("token: a lifetime is below a second")
	}
	return &Handler{log: log, deps: deps, cfg: cfg,
		crowd:    limit.New(120, time.Minute, 60, remembered),
		sites:    limit.New(480, time.Minute, 240, remembered),
		service:  limit.New(1200, time.Minute, 600, grantTypes),
		refresh:  limit.New(30, time.Minute, 30, remembered),
		refusals: refusals{limit.New(60, time.Hour, 20, remembered), limit.New(180, time.Hour, 60, remembered), limit.New(1000, time.Hour, 300, 1)},
	}, nil
}

// Routes are the endpoint's routes; the second one is for clients that do not read
// the server's metadata (R19).
func (h *Handler) Routes() []route.Route {
	var routes []route.Route
	for _, pattern := range []string{"/oauth/token", "/token"} {
		routes = append(routes, route.Route{Pattern: pattern, Methods: []string{http.MethodPost}, Policy: route.Public,
			AnyOrigin: true, Handler: http.HandlerFunc(h.serve)})
	}
	return routes
}

// request is one request at the endpoint.
type request struct {
	params  oauth.Params
	grant   string // type
	client  oauth.Client
	network string
	site    string
	now     time.Time
}

// issued is how a request ended well: tokens of a grant.
type issued struct {
	grant account.Grant
	body  []byte
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request) {
	addr := route.PeerFrom(r.Context()).Addr
	q := request{network: limit.Network(addr), site: limit.Site(addr), now: h.deps.Now()}
	out, e := h.answer(w, r, &q)
	h.record(q, out.grant, e)
	if e == nil {
		oauth.WriteBody(w, http.StatusOK, out.body)
		return
	}
	if e.Status >= http.StatusInternalServerError && r.Context().Err() == nil {
		h.log.Error("token request failed", "grant_type", q.grant, "client", q.client.ID, "error", e)
	}
	oauth.WriteError(w, r, e)
}

// answer fills in q as it goes. A grant with an error is one that the request has
// ended.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request, q *request) (issued, *oauth.Error) {
	var e *oauth.Error
	if q.params, e = oauth.ReadForm(w, r); e != nil {
		return issued{}, e
	}
	var exchange func(context.Context, request) (issued, *oauth.Error)
	switch grant := q.params.Get("grant_type"); grant {
	case oauth.GrantCode:
		q.grant, exchange = grant, h.redeem
	case oauth.GrantRefresh:
		q.grant, exchange = grant, h.rotate
	case oauth.GrantMachine:
		q.grant, exchange = grant, h.machine
	case "":
		return issued{}, oauth.Errorf("invalid_request", "grant_type is missing. Send authorization_code or refresh_token.")
	default:
		return issued{}, oauth.Errorf("unsupported_grant_type", "This grant_type is not supported. Use authorization_code or refresh_token.")
	}
	if e = h.admit(q); e != nil {
		return issued{}, e
	}
	client, e := h.deps.Clients.Authenticate(r.Context(), r, q.params)
	if e != nil {
		return issued{}, e
	}
	q.client = client
	return exchange(r.Context(), *q)
}

// admit counts a request, but for refreshes: those are counted once it is clear
// that the token is good. One with an assertion is counted all the same, since the
// assertion is marked as used, in the database, before anybody looks at the token.
func (h *Handler) admit(q *request) *oauth.Error {
	if q.grant == oauth.GrantRefresh && !q.params.Has("client_assertion") {
		return nil
	}
	if q.network == limit.Anthropic {
		return taken(h.service.Take(q.grant, q.now))
	}
	if e := taken(h.crowd.Take(q.grant+" "+q.network, q.now)); e != nil {
		return e
	}
	return taken(h.sites.Take(q.grant+" "+q.site, q.now))
}

func taken(wait time.Duration, ok bool) *oauth.Error {
	if ok {
		return nil
	}
	return tooOften(wait)
}

func tooOften(wait time.Duration) *oauth.Error {
	return &oauth.Error{Word: "temporarily_unavailable", Status: http.StatusTooManyRequests, After: max(wait, time.Second),
		Public: "There were too many requests of this kind. Wait as long as Retry-After says."}
}

// record notes what was issued, and what was refused. Of refusals that ended no
// grant only so many are noted, since a stranger can cause any number.
func (h *Handler) record(q request, grant account.Grant, e *oauth.Error) {
	row := account.Record{Time: q.now, User: grant.User, Credential: grant.ID, Client: q.client.ID, Method: "oauth/token",
		Target: q.grant, Decision: account.Allowed, Outcome: account.Succeeded}
	switch {
	case e == nil:
	case e.Status == http.StatusTooManyRequests || e.Status >= http.StatusInternalServerError || q.client.ID == "":
		return // nothing was decided, or nobody is known to have asked
	default:
		if !h.refusals.take(q) && grant.ID == "" {
			return
		}
		row.Decision, row.Outcome = account.Denied, account.Failed
	}
	h.deps.Audit.Call(row)
}
