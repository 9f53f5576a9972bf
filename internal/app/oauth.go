package app

import (
	"context"
	"net/url"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/auth"
	"drawbridge/internal/config"
	"drawbridge/internal/egress"
	"drawbridge/internal/fault"
	"drawbridge/internal/gateway"
	"drawbridge/internal/oauth"
	"drawbridge/internal/oauth/authorize"
	"drawbridge/internal/oauth/clientauth"
	"drawbridge/internal/oauth/clientdoc"
	"drawbridge/internal/oauth/consent"
	"drawbridge/internal/oauth/login"
	"drawbridge/internal/oauth/metadata"
	"drawbridge/internal/oauth/register"
	"drawbridge/internal/oauth/revoke"
	"drawbridge/internal/oauth/token"
	"drawbridge/internal/route"
	"drawbridge/internal/secret"
	"drawbridge/internal/store"
)

// oauthRoutes are those of the authorization server and of signing in.
func (a *App) oauthRoutes(installation []byte, passwords *auth.Passwords) ([]route.Route, error) {
	box, err := secret.NewBox(secret.Derive(installation, "consent page"))
	if err != nil {
		return nil, err
	}
	documents, err := a.documents()
	if err != nil {
		return nil, err
	}
	clients, err := a.clientAuth()
	if err != nil {
		return nil, err
	}
	tokens, err := token.New(a.part("token"), token.Deps{
		Clients: clients, Codes: a.store, Refreshes: a.store, Machines: a.store, Audit: a.audit, Base: a.base, Now: time.Now,
	}, token.Config{AccessTTL: a.cfg.OAuth.AccessTokenTTL, RefreshTTL: a.cfg.OAuth.RefreshTokenTTL})
	if err != nil {
		return nil, err
	}
	revocation, err := revoke.New(a.part("revoke"), revoke.Deps{Clients: clients, Tokens: a.store, Audit: a.audit, Now: time.Now})
	if err != nil {
		return nil, err
	}
	registration, err := register.New(a.part("register"), register.Deps{Clients: a.store, Audit: a.audit, Now: time.Now},
		register.Config{HTTPHosts: a.cfg.OAuth.HTTPRedirectHosts})
	if err != nil {
		return nil, err
	}
	ask := &consent.Handler{Log: a.part("consent"), Base: a.base, Box: box, Passwords: passwords,
		Offers: offers{a.gateway, a.store}, Store: consented{a.store, documents}, Audit: a.audit}
	about := &metadata.Handler{Base: a.base, NoDocuments: documents.source == nil, NoRegistration: !a.cfg.OAuth.Registration}
	handlers := []interface{ Routes() []route.Route }{
		about,
		&authorize.Handler{Log: a.part("authorize"), Base: a.base, Clients: a.store, Documents: documents, Profiles: a.store, Consent: ask},
		tokens, revocation,
		&login.Handler{Log: a.part("login"), Base: a.base, Passwords: passwords, Sessions: a.store, Audit: a.audit},
	}
	if a.cfg.OAuth.Registration {
		handlers = append(handlers, registration)
	}
	var routes []route.Route
	for _, h := range handlers {
		routes = append(routes, h.Routes()...)
	}
	return routes, nil
}

// base is the public URL without a path, which is also the issuer.
func (a *App) base() string { return a.server.Base() }

// egress makes the guarded client for URLs that came from outside.
func (a *App) egress(maxBytes int64) (*egress.Client, error) {
	return egress.New(egress.Config{MaxBytes: maxBytes, Allow: a.cfg.Egress.Allow}, egress.Deps{Own: func() []string {
		own := append([]string(nil), a.cfg.AllowedHosts...)
		if u, err := url.Parse(a.base()); err == nil {
			own = append(own, u.Hostname())
		}
		return own
	}})
}

// clientAuth makes what authenticates clients at the token and revocation endpoints.
func (a *App) clientAuth() (*clientauth.Authenticator, error) {
	fetcher, err := a.egress(clientauth.MaxKeys)
	if err != nil {
		return nil, err
	}
	return clientauth.New(a.part("clientauth"), clientauth.Deps{Clients: a.store, Marks: a.store, Fetcher: fetcher, Base: a.base})
}

// documents makes what reads client documents.
func (a *App) documents() (documents, error) {
	if a.cfg.OAuth.ClientDocuments == config.DocumentsOff {
		return documents{store: a.store}, nil
	}
	fetcher, err := a.egress(clientdoc.MaxBytes)
	if err != nil {
		return documents{}, err
	}
	source, err := clientdoc.New(a.part("clientdoc"), fetcher, clientdoc.Config{
		Trust: clientdoc.Trust(a.cfg.OAuth.ClientDocuments), Hosts: a.cfg.OAuth.ClientDocumentHosts, HTTPHosts: a.cfg.OAuth.HTTPRedirectHosts,
	})
	return documents{source, a.store}, err
}

// documents finds clients that describe themselves, with what an admin has decided
// about them.
type documents struct {
	source *clientdoc.Documents // nil: none are read
	store  *store.Store
}

var errNoDocuments = fault.New(fault.NotFound, "This server reads no client documents. In the program, enter a client id that an admin made, or have an admin set oauth.client_documents.")

// Client reads a client's document, or what the cache has of it.
func (d documents) Client(ctx context.Context, id string) (oauth.Client, error) {
	if d.source == nil {
		return oauth.Client{}, errNoDocuments
	}
	c, err := d.source.Client(ctx, id)
	if err != nil {
		return oauth.Client{}, err
	}
	known, err := d.store.Client(ctx, id)
	switch {
	case err == nil:
		c.MayAdmin = known.MayAdmin
	case fault.CodeOf(err) != fault.NotFound:
		return oauth.Client{}, err
	}
	return c, nil
}

// consented is the store as consent sees it: a client that describes itself is kept
// once a person has let it in, so that strangers who only ask leave nothing behind.
type consented struct {
	*store.Store
	documents documents
}

// Client finds a client of either kind.
func (s consented) Client(ctx context.Context, id string) (oauth.Client, error) {
	if !clientdoc.IsDocument(id) {
		return s.Store.Client(ctx, id)
	}
	c, err := s.documents.Client(ctx, id)
	if fault.CodeOf(err) != fault.Invalid {
		return c, err
	}
	// The page was shown a moment ago, so the document was good: it cannot be read
	// just now. What was kept when somebody let the client in before will do.
	if kept, kerr := s.Store.Client(ctx, id); kerr == nil {
		return kept, nil
	}
	return oauth.Client{}, err
}

// CreateCode keeps a code, and with it the client as it is now.
func (s consented) CreateCode(ctx context.Context, c oauth.Code) error {
	if clientdoc.IsDocument(c.Client) {
		client, err := s.Client(ctx, c.Client)
		if err != nil {
			return err
		}
		if err := s.SaveDocumentClient(ctx, client); err != nil {
			return err
		}
	}
	return s.Store.CreateCode(ctx, c)
}

// offers tells consent what the backends have to offer.
type offers struct {
	gateway *gateway.Gateway
	store   *store.Store
}

// Offer lists the backends that a profile shows; "" is all of them.
func (o offers) Offer(ctx context.Context, profile string) ([]consent.Server, error) {
	access := account.Everything()
	if profile != "" {
		p, err := o.store.Profile(ctx, profile)
		if err != nil {
			return nil, err
		}
		access = account.NewAccess(account.FullRights(), p)
	}
	var servers []consent.Server
	for _, one := range o.gateway.Offers(access) {
		servers = append(servers, consent.Server{Name: one.Backend, Title: one.Title,
			Tools: one.Read + one.Write + one.Destructive, Writes: one.Write, Dangerous: one.Destructive})
	}
	return servers, nil
}

const (
	purgeEvery   = 10 * time.Minute
	unusedClient = 24 * time.Hour // of a registration that nobody has used yet
)

// purge removes what has expired: codes, tokens, marks, browser sessions, ended
// sessions of clients, and registrations that came to nothing.
func (a *App) purge(ctx context.Context) {
	tick := time.NewTicker(purgeEvery)
	defer tick.Stop()
	for {
		now := time.Now()
		for what, remove := range map[string]func() (int64, error){
			"tokens":   func() (int64, error) { return a.store.PurgeTokens(ctx, now) },
			"sessions": func() (int64, error) { return a.store.PurgeSessions(ctx, now) },
			"clients":  func() (int64, error) { return a.store.PurgeClients(ctx, now, unusedClient) },
		} {
			if n, err := remove(); err != nil && ctx.Err() == nil {
				a.log.Warn("expired rows not removed", "what", what, "error", err)
			} else if n > 0 {
				a.log.Debug("expired rows removed", "what", what, "rows", n)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
