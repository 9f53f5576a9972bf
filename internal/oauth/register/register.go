// Package register lets clients register themselves (RFC 7591). The protocol has
// deprecated that in favour of client documents; most clients still need it.
//
// Nothing that such a client says of itself is checked but its form, so it gets
// no rights: a person has to let it in each time. It cannot register for
// client_credentials, nor ask for the scope admin. Unknown members are ignored (R9).
// Registrations are counted by network, by site and altogether, and the store keeps a
// bounded number of them, of a bounded length (A15). app mounts the routes.
package register

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/limit"
	"drawbridge/internal/oauth"
	"drawbridge/internal/route"
	"drawbridge/internal/secret"
)

// Clients keeps clients.
type Clients interface {
	// RegisterClient keeps a client that registered itself, at most limit of them:
	// beyond, the oldest that nobody uses gives way.
	RegisterClient(ctx context.Context, c oauth.Client, limit int) error
}

// Recorder takes records for the audit log.
type Recorder interface{ Call(account.Record) }

// Deps are what the endpoint works with. All are needed.
type Deps struct {
	Clients Clients
	Audit   Recorder
	Now     func() time.Time
}

// Config is what an operator may set.
type Config struct {
	HTTPHosts []string // OAUTH_ALLOW_HTTP_REDIRECT_HOSTS: hosts that redirects may reach by http
}

const (
	maxBody    = 16 << 10
	maxClients = 5000
	remembered = 10_000 // networks that are counted at a time

	// maxMetadata is how long what is kept of a client may be, as JSON. A flood gets 300
	// registrations through at once and 50 more in ten minutes: 350 * 8 KiB = 2.8 MiB,
	// of the 10 MB that A15 allows; all that there can ever be is 5,000 * 8 KiB = 39 MiB.
	// Clients that exist send less than 1 KiB, and a key with its certificates has 2.
	maxMetadata = 8 << 10
)

// Handler answers at the registration endpoint. Safe for concurrent use.
type Handler struct {
	log  *slog.Logger
	deps Deps
	cfg  Config

	crowd   *limit.Buckets // registrations of a network
	sites   *limit.Buckets // of a site, far fewer than of all
	all     *limit.Buckets // of all networks, but for the next
	service *limit.Buckets // of a network that registers for many people
}

// New makes the endpoint.
func New(log *slog.Logger, deps Deps, cfg Config) (*Handler, error) {
	if log == nil || deps.Clients == nil || deps.Audit == nil || deps.Now == nil {
		return nil, errors.New("register: a dependency is missing")
	}
	return &Handler{log: log, deps: deps, cfg: cfg,
		crowd:   limit.New(20, time.Hour, 20, remembered),
		sites:   limit.New(40, time.Hour, 40, remembered),
		all:     limit.New(300, time.Hour, 300, 1),
		service: limit.New(600, time.Hour, 300, 1),
	}, nil
}

// Routes are the endpoint's routes; the second one is for clients that do not read
// the server's metadata (R19).
func (h *Handler) Routes() []route.Route {
	var routes []route.Route
	for _, pattern := range []string{"/oauth/register", "/register"} {
		routes = append(routes, route.Route{Pattern: pattern, Methods: []string{http.MethodPost}, Policy: route.Public,
			AnyOrigin: true, Handler: http.HandlerFunc(h.serve)})
	}
	return routes
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request) {
	out, e := h.register(w, r)
	if e == nil {
		oauth.WriteJSON(w, http.StatusCreated, out)
		return
	}
	if e.Status >= http.StatusInternalServerError && r.Context().Err() == nil {
		h.log.Error("client not registered", "error", e)
	}
	oauth.WriteError(w, r, e)
}

// answer is RFC 7591, 3.2.1. Members without a value are left out: clients refuse
// null and "" (R8).
type answer struct {
	ID      string `json:"client_id"`
	Issued  int64  `json:"client_id_issued_at"`
	Secret  string `json:"client_secret,omitempty"`
	Expires *int64 `json:"client_secret_expires_at,omitempty"`
	oauth.Metadata
}

func (h *Handler) register(w http.ResponseWriter, r *http.Request) (*answer, *oauth.Error) {
	body, e := read(w, r)
	if e != nil {
		return nil, e
	}
	metadata, e := decode(body)
	if e != nil {
		return nil, e
	}
	if slices.Contains(metadata.GrantTypes, oauth.GrantMachine) {
		return nil, oauth.Errorf("invalid_client_metadata", "client_credentials is not for clients that register themselves. Ask an admin to enter the client.")
	}
	if e := metadata.Complete(oauth.AuthNone, h.cfg.HTTPHosts); e != nil {
		return nil, e
	}
	if !slices.Contains(metadata.GrantTypes, oauth.GrantCode) {
		return nil, oauth.Errorf("invalid_client_metadata", "grant_types lacks authorization_code. Add it.")
	}
	if e := checkLength(metadata); e != nil {
		return nil, e
	}
	now, addr := h.deps.Now(), route.PeerFrom(r.Context()).Addr
	if e := h.admit(addr, now); e != nil {
		return nil, e
	}
	return h.keep(r.Context(), metadata, limit.Network(addr), now)
}

func checkLength(m oauth.Metadata) *oauth.Error {
	kept, err := json.Marshal(m)
	if err != nil {
		return oauth.FromFault(err)
	}
	if len(kept) > maxMetadata {
		return invalid("The members are too long together. Send less than 8 KiB, and keys as jwks_uri.")
	}
	return nil
}

// admit counts a registration that is in order; others cost nothing that lasts.
func (h *Handler) admit(addr netip.Addr, now time.Time) *oauth.Error {
	network := limit.Network(addr)
	if network == limit.Anthropic {
		return taken(h.service.Take(network, now))
	}
	if e := taken(h.crowd.Take(network, now)); e != nil {
		return e
	}
	if e := taken(h.sites.Take(limit.Site(addr), now)); e != nil {
		return e
	}
	return taken(h.all.Take("", now))
}

func taken(wait time.Duration, ok bool) *oauth.Error {
	if ok {
		return nil
	}
	return &oauth.Error{Word: "temporarily_unavailable", Status: http.StatusTooManyRequests, After: max(wait, time.Second),
		Public: "There were too many registrations. Wait as long as Retry-After says, or ask an admin to enter the client."}
}

func (h *Handler) keep(ctx context.Context, metadata oauth.Metadata, network string, now time.Time) (*answer, *oauth.Error) {
	id, _ := secret.NewToken(oauth.PrefixClient)
	c := oauth.Client{ID: id.Reveal(), Kind: oauth.Registered, Metadata: metadata, Created: now, Source: network}
	out := &answer{ID: c.ID, Issued: now.Unix(), Metadata: metadata}
	if metadata.AuthMethod == oauth.AuthPost || metadata.AuthMethod == oauth.AuthBasic {
		var s secret.String
		s, c.SecretHash = secret.NewToken(oauth.PrefixSecret)
		out.Secret, out.Expires = s.Reveal(), new(int64) // 0: never
	}
	if err := h.deps.Clients.RegisterClient(ctx, c, maxClients); err != nil {
		return nil, oauth.FromFault(err)
	}
	// A client that named no scope is told which it may ask for: Open WebUI asks
	// for none at all if it is told none (C8).
	if out.Scope == "" {
		out.Scope = strings.Join([]string{oauth.ScopeRead, oauth.ScopeWrite, oauth.ScopeDestroy}, " ")
	}
	h.deps.Audit.Call(account.Record{Time: now, Client: c.ID, Method: "oauth/register", Target: c.ID,
		Decision: account.Allowed, Outcome: account.Succeeded})
	return out, nil
}

// read reads the body, which has to be JSON.
func read(w http.ResponseWriter, r *http.Request) ([]byte, *oauth.Error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return nil, invalid("The body must be JSON. Send Content-Type: application/json.")
	}
	if len(r.Header["Content-Encoding"]) > 0 {
		e := invalid("Compressed bodies are not taken. Send the body without Content-Encoding.")
		e.Status = http.StatusUnsupportedMediaType
		return nil, e
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		e := invalid("The body is too large. Send less than 16 KiB.")
		e.Status = http.StatusRequestEntityTooLarge
		return nil, e
	}
	if err != nil {
		return nil, invalid("The body did not arrive whole. Send the request again.")
	}
	return body, nil
}

func invalid(public string) *oauth.Error {
	return oauth.Errorf("invalid_client_metadata", "%s", public)
}
