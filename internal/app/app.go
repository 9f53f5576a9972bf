// Package app is the one place that builds the parts of Drawbridge and joins
// them: store, keys, backends, gateway, endpoints, listener.
//
// New builds without side effects on the network; Start locks the store, opens
// the port and connects the backends; Reload changes the set of backends, all or
// nothing; Stop undoes Start, last first. Commands and tests are its callers.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/admin"
	"drawbridge/internal/admin/desk"
	"drawbridge/internal/admin/pages"
	"drawbridge/internal/audit"
	"drawbridge/internal/auth"
	"drawbridge/internal/config"
	"drawbridge/internal/endpoint/session"
	"drawbridge/internal/endpoint/sse"
	"drawbridge/internal/endpoint/stdio"
	"drawbridge/internal/endpoint/streamable"
	"drawbridge/internal/fault"
	"drawbridge/internal/gateway"
	"drawbridge/internal/gateway/vigil"
	"drawbridge/internal/httpd"
	"drawbridge/internal/oauth"
	"drawbridge/internal/route"
	"drawbridge/internal/secret"
	"drawbridge/internal/servers"
	"drawbridge/internal/status"
	"drawbridge/internal/store"
	"drawbridge/internal/web"
)

// Options are what a command decides, not the configuration.
type Options struct {
	Version  string
	Environ  []string  // as os.Environ gives it; children get a few harmless variables of it
	Terminal io.Writer // first secrets and how to connect go here; nil: first secrets go to a file in the state directory
}

// App is one Drawbridge.
type App struct {
	log  *slog.Logger
	opts Options

	store    *store.Store
	auth     *auth.Verifier
	audit    *audit.Recorder
	keeper   *audit.Keeper
	gateway  *gateway.Gateway
	sessions *session.Table
	streams  *vigil.Vigil // over the credentials of open streams
	server   *httpd.Server
	files    *files
	answers  []route.Route // everything it answers to
	first    store.First

	mu       sync.Mutex // guards cfg, backends and stops; held during Reload
	cfg      *config.Config
	backends []*running

	// patience is the time of backends that were removed and finish their calls; it
	// ends, by hurry, with that of Stop. It belongs to no call.
	patience context.Context
	hurry    context.CancelFunc

	stops  cleanups
	failed chan error
	work   sync.WaitGroup
}

// lookEvery is how often the credential of an open stream is looked at, beside each time
// that one has changed.
const lookEvery = 10 * time.Second

// recordTime is how long the last rows of the audit log may take.
const recordTime = 3 * time.Second

// New opens the store and builds the parts. The caller calls Stop even if it
// never calls Start.
func New(ctx context.Context, log *slog.Logger, cfg *config.Config, opts Options) (*App, error) {
	a := &App{log: log, cfg: cfg, opts: opts, failed: make(chan error, 1), files: &files{dir: cfg.StateDir}}
	a.stops.add("files", func(context.Context) error { return a.files.close() })
	a.patience, a.hurry = context.WithCancel(context.Background())
	if err := a.build(ctx); err != nil {
		return nil, errors.Join(err, a.stops.run(context.WithoutCancel(ctx)))
	}
	return a, nil
}

func (a *App) build(ctx context.Context) (err error) {
	if a.store, err = store.Open(ctx, a.part("store"), StoreConfig(a.cfg)); err != nil {
		return err
	}
	a.stops.add("store", func(context.Context) error { return a.store.Close() })
	if a.first, err = a.store.Bootstrap(ctx, a.cfg.OAuth.Password); err != nil {
		return err
	}
	debug.FreeOSMemory() // hashing a password takes tens of megabytes, once
	installation, err := a.store.InstallationSecret(ctx)
	if err != nil {
		return err
	}
	if a.auth, err = auth.New(auth.Config{Static: a.cfg.StaticKey}, auth.Deps{
		Log: a.part("auth"), Keys: a.store, Grants: a.store, Uses: a.store, Browsers: auth.NewSignIns(a.store, a.base),
	}); err != nil {
		return err
	}
	a.background("auth", a.auth.Run)
	if a.audit, err = audit.New(a.part("audit"), a.store, installation, audit.Config{}); err != nil {
		return err
	}
	a.stops.add("audit", func(ctx context.Context) error {
		// However hurried the end: what was done has to be written down.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTime)
		defer cancel()
		return a.audit.Close(ctx)
	})
	if a.keeper, err = audit.NewKeeper(a.part("audit"), a.store, installation, a.cfg.Audit.Retention); err != nil {
		return err
	}
	a.gateway, err = gateway.New(gateway.Config{
		Version: a.opts.Version, Calls: a.cfg.Limits.Concurrency, UserCalls: a.cfg.Limits.UserConcurrency,
		Think: a.cfg.Limits.ParkTTL, Parked: a.cfg.Limits.Parked, UserParked: a.cfg.Limits.ParkedPerUser,
	}, gateway.Deps{
		Log: a.part("gateway"), SealKey: secret.Derive(installation, "request state"), TaskKey: secret.Derive(installation, "task ids"),
		Shelf: shelf{a.store}, Recorder: a.audit, Now: time.Now, Alive: a.alive,
	})
	if err != nil {
		return err
	}
	sealer, err := session.NewSealer(secret.New(string(installation)))
	if err != nil {
		return err
	}
	a.streams = vigil.New(a.part("session"), a.auth.Recheck, lookEvery)
	a.sessions, err = session.NewTable(a.part("session"), a.gateway, sealer, sessions{a.store}, a.sessionConfig())
	if err != nil {
		return err
	}
	if a.answers, err = a.routes(installation); err != nil {
		return err
	}
	a.server, err = httpd.New(a.part("httpd"), a.auth, httpd.Config{
		Listen: a.cfg.Listen, IssuerURL: a.cfg.IssuerURL,
		AllowedHosts: a.cfg.AllowedHosts, AllowedOrigins: a.cfg.AllowedOrigins, TrustedProxies: a.cfg.TrustedProxies,
		AdminOnFunnel: a.cfg.Admin.Exposure == config.ExposurePublic, ClientRate: a.cfg.Limits.ClientRate,
	}, a.answers)
	return err
}

// background runs f until the part is stopped.
func (a *App) background(name string, f func(ctx context.Context)) {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); f(ctx) }() // ends with stop
	a.stops.add(name, func(context.Context) error { stop(); <-done; return nil })
}

// part is the log of one part.
func (a *App) part(name string) *slog.Logger { return a.log.With("component", name) }

// routes is everything Drawbridge answers to.
func (a *App) routes(installation []byte) ([]route.Route, error) {
	passwords, err := auth.NewPasswords(a.part("passwords"), a.store, a.audit)
	if err != nil {
		return nil, err
	}
	signIn, err := a.oauthRoutes(installation, passwords)
	if err != nil {
		return nil, err
	}
	admin, err := a.adminRoutes(passwords)
	if err != nil {
		return nil, err
	}
	probes := &status.Handler{Source: a.gateway, Lot: a.gateway, Ready: a.ready, Version: a.opts.Version}
	return slices.Concat(
		streamable.New(a.part("streamable"), a.sessions, oauth.DefaultResource).Routes(),
		sse.New(a.part("sse"), a.sessions.Dispatcher, "/sse").Routes(),
		probes.Routes(), signIn, admin, web.Routes(),
	), nil
}

// adminRoutes are the pages and the API for admins.
func (a *App) adminRoutes(passwords *auth.Passwords) ([]route.Route, error) {
	d, err := desk.New(a.part("admin"), desk.Deps{
		Users: a.store, Keys: a.store, Clients: a.store, Grants: a.store, Profiles: a.store, Audit: a.audit,
		Credentials: a.store, Own: servers.Own(),
		Hash: passwords.Hash, HTTPHosts: a.cfg.OAuth.HTTPRedirectHosts,
	})
	if err != nil {
		return nil, err
	}
	api, err := admin.New(a.part("admin"), d, a.store, a.opts.Version)
	if err != nil {
		return nil, err
	}
	forms, err := pages.New(a.part("pages"), pages.Deps{Desk: d, Backends: a.gateway, Base: a.base})
	if err != nil {
		return nil, err
	}
	board := &status.Dashboard{Log: a.part("dashboard"), Source: a.gateway, Guests: a.store,
		Version: a.opts.Version, Started: time.Now(), Base: a.base}
	return slices.Concat(api.Routes(), forms.Routes(), board.Routes()), nil
}

// ready is nil while this process can serve.
func (a *App) ready(ctx context.Context) error {
	if a.server.Drained() {
		return fault.New(fault.Unavailable, "The server is shutting down. Try again in a moment.")
	}
	return a.store.Ping(ctx)
}

// Start locks the store, opens the port, connects the backends and serves.
func (a *App) Start(ctx context.Context) error {
	if err := a.server.Listen(ctx); err != nil {
		return err
	}
	if err := a.startBackends(ctx); err != nil {
		return err
	}
	a.stops.add("sessions", func(context.Context) error { a.sessions.Close(); a.streams.Close(); return nil })
	a.stops.add("listener", func(ctx context.Context) error { return a.server.Shutdown(ctx, a.cut) })
	a.stops.add("streams", func(context.Context) error { a.server.Drain(); a.sessions.Drain(); return nil })
	a.background("memory", a.tidy)
	a.background("purge", a.purge)
	a.background("retention", a.keeper.Run)
	// Whoever tries the printed line at once shall find what it calls.
	settle, cancel := context.WithTimeout(ctx, settleTime)
	a.gateway.AwaitBuiltIn(settle)
	cancel()
	if err := a.greet(); err != nil { // before anybody is served: what is shown once must not be lost
		return err
	}
	a.work.Go(func() { // ends with Shutdown
		if err := a.server.Serve(); err != nil {
			a.fail(err)
		}
	})
	return nil
}

// StartQuiet connects the backends without opening a port, for commands that
// need the gateway in their own process. It does not lock the store.
func (a *App) StartQuiet(ctx context.Context) error { return a.connect(ctx) }

// ServeStdio is the gateway over a pair of streams, for desktop clients; it
// returns when in ends.
func (a *App) ServeStdio(ctx context.Context, in io.Reader, out io.Writer) error {
	if err := a.startBackends(ctx); err != nil {
		return err
	}
	// A desktop client lists once, right after the start: it should see everything.
	a.Settle(ctx)
	return stdio.Serve(ctx, a.part("stdio"), in, out, a.gateway, account.Local())
}

// settleTime bounds the wait for slow backends.
const settleTime = 10 * time.Second

// Settle waits until every backend has said what it offers or that it cannot, for
// those who ask once and right after the start.
func (a *App) Settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	a.gateway.Await(ctx)
}

// startBackends takes the lock of serve, connects, and follows the store.
func (a *App) startBackends(ctx context.Context) error {
	release, err := a.store.Lock(ctx)
	if err != nil {
		return err
	}
	a.stops.add("lock", func(context.Context) error { release(); return nil })
	if err := a.connect(ctx); err != nil {
		return err
	}
	a.background("follower", a.follow)
	return nil
}

// connect builds and starts the backends.
func (a *App) connect(ctx context.Context) error {
	a.stops.add("backends", a.stopBackends)
	a.stops.add("gateway", func(context.Context) error { a.gateway.Stop(); return nil })
	return a.Reload(ctx, a.cfg)
}

// alive tells whether the credential of a call that runs has not ended. Whoever
// started this process has none that could.
func (a *App) alive(ctx context.Context, p account.Principal) error {
	if p == account.Local() {
		return nil
	}
	return a.auth.Alive(ctx, p)
}

// follow reloads when backends are added or removed beside this process, ends what
// runs for credentials that have ended, and fails when the store does.
func (a *App) follow(ctx context.Context) {
	changes := a.store.Changes(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.store.Down():
			a.fail(a.store.Err())
			return
		case c, ok := <-changes:
			if !ok {
				return
			}
			if c.Topic == store.Keys {
				a.gateway.Recheck()
				a.streams.Look()
			}
			if c.Topic != store.Backends {
				continue
			}
			a.mu.Lock()
			cfg := a.cfg
			a.mu.Unlock()
			if err := a.Reload(ctx, cfg); err != nil {
				a.log.Error("backends not reloaded; the running ones go on", "error", err)
			}
		}
	}
}

func (a *App) fail(err error) {
	select {
	case a.failed <- err:
	default: // the first failure is the one that counts
	}
}

// Wait delivers the error that ends the program, if one does.
func (a *App) Wait() <-chan error { return a.failed }

// Addr is where the server listens.
func (a *App) Addr() net.Addr { return a.server.Addr() }

// URL is the address of the MCP endpoint for clients.
func (a *App) URL() string { return a.server.Base() + "/mcp" }

// Routes are everything that this Drawbridge answers to, each with its policy.
func (a *App) Routes() []route.Route { return slices.Clone(a.answers) }

// Gateway is the merged view of the backends.
func (a *App) Gateway() *gateway.Gateway { return a.gateway }

// Stop lets calls in flight finish until ctx ends, then stops everything, last
// first. It may be called more than once.
func (a *App) Stop(ctx context.Context) error {
	defer a.hurry()
	defer context.AfterFunc(ctx, a.hurry)()
	err := a.stops.run(ctx)
	a.work.Wait()
	if err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	return nil
}

// StoreConfig says where the store of a configuration is; config has checked the
// form.
func StoreConfig(c *config.Config) store.Config {
	s := store.Config{StateDir: c.StateDir}
	if path, ok := strings.CutPrefix(c.Store.Reveal(), "sqlite:"); ok {
		s.Path = path
	} else {
		s.URL = c.Store
	}
	return s
}

// sessionConfig is the part of the configuration that concerns client sessions.
func (a *App) sessionConfig() session.Config {
	s := session.DefaultConfig()
	s.MaxBody = int64(a.cfg.Limits.RequestBody)
	s.MaxLive = a.cfg.Limits.Sessions
	s.RingBytes = int(a.cfg.Limits.RingBytes)
	s.Watch = a.streams.Watch
	return s
}
