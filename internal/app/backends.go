package app

import (
	"context"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/backend"
	"drawbridge/internal/backend/builtin"
	"drawbridge/internal/config"
	"drawbridge/internal/gateway"
	"drawbridge/internal/secret"
	"drawbridge/internal/servers"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/store"
)

// running is one backend at work, with the settings it was made from.
type running struct {
	name     string
	settings any // config.Backend or config.BuiltIn
	member   gateway.Member
	backend  *backend.Backend
	close    func(ctx context.Context) error // of a built-in server; nil otherwise
}

// drainTime is how long the calls of a removed backend may go on.
const drainTime = 25 * time.Second

// Reload makes the backends those of cfg and of the store. What did not change
// goes on untouched; what is new starts; what is gone finishes its calls. When
// anything cannot be built, nothing changes.
func (a *App) Reload(ctx context.Context, cfg *config.Config) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	wanted, err := a.wanted(ctx, cfg)
	if err != nil {
		return err
	}
	old := map[string]*running{}
	for _, r := range a.backends {
		old[r.name] = r
	}
	var next, fresh []*running
	for _, w := range wanted {
		if was := old[w.name]; was != nil && reflect.DeepEqual(was.settings, w.settings) {
			delete(old, w.name)
			next = append(next, was)
			continue
		}
		r, err := w.build()
		if err != nil {
			return err
		}
		next, fresh = append(next, r), append(fresh, r)
	}
	members := make([]gateway.Member, len(next))
	for i, r := range next {
		members[i] = r.member
	}
	a.cfg, a.backends = cfg, next
	a.gateway.SetMembers(ctx, members)
	for _, r := range fresh {
		r.backend.Start(context.WithoutCancel(ctx))
	}
	for _, r := range old {
		a.work.Go(func() { // ends after drainTime at the latest
			ctx, cancel := context.WithTimeout(a.patience, drainTime)
			defer cancel()
			if err := r.stop(ctx); err != nil {
				a.log.Warn("backend not stopped in order", "backend", r.name, "error", err)
			}
		})
	}
	if len(fresh)+len(old) > 0 {
		a.log.Info("backends set", "total", len(next), "started", len(fresh), "stopped", len(old))
	}
	return nil
}

// stop ends a backend once its calls have ended or ctx has.
func (r *running) stop(ctx context.Context) error {
	r.backend.Stop(ctx)
	if r.close != nil {
		return r.close(ctx)
	}
	return nil
}

// stopBackends stops all backends at once.
func (a *App) stopBackends(ctx context.Context) error {
	a.mu.Lock()
	all := a.backends
	a.backends = nil
	a.mu.Unlock()
	errs := make(chan error, len(all))
	for _, r := range all {
		go func() { errs <- r.stop(ctx) }() // awaited below
	}
	var first error
	for range all {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
	}
	return first
}

// cut ends the calls that still run. Their callers are told that it is unknown
// what came of them.
func (a *App) cut() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range a.backends {
		r.backend.Cut()
	}
}

// wish is a backend that the configuration asks for.
type wish struct {
	name     string
	settings any
	build    func() (*running, error)
}

// wanted lists the backends of the configuration, of the store, and the built-in
// servers that are on, in that order.
func (a *App) wanted(ctx context.Context, cfg *config.Config) ([]wish, error) {
	added, err := a.store.Backends(ctx)
	if err != nil {
		return nil, err
	}
	all, err := cfg.WithStored(added)
	if err != nil {
		return nil, err
	}
	var out []wish
	for _, b := range all {
		if b.Enabled {
			out = append(out, wish{b.Name, b, func() (*running, error) { return a.configured(cfg, b) }})
		}
	}
	for _, e := range servers.Table {
		s := cfg.Servers[e.Name]
		if s.On(e.On.Holds()) {
			out = append(out, wish{e.Name, s, func() (*running, error) { return a.builtIn(e, s) }})
		}
	}
	return out, nil
}

// configured builds a remote or stdio backend.
func (a *App) configured(cfg *config.Config, b config.Backend) (*running, error) {
	log := a.log.With("backend", b.Name)
	dial, transport, err := Dialer(log, cfg, a.opts, b)
	if err != nil {
		return nil, fmt.Errorf("backend %s: %w", b.Name, err)
	}
	timeout := b.Timeout
	if timeout == 0 {
		timeout = cfg.Limits.CallTimeout
	}
	sup := backend.New(log, backend.Config{
		Name: b.Name, Transport: transport, Shared: b.Shared, Timeout: timeout, Concurrency: b.Concurrency, AskTimeout: a.askTime(),
	}, dial, a.gateway)
	return &running{name: b.Name, settings: b, backend: sup,
		member: gateway.Member{Backend: sup, Prefix: b.ToolPrefix(), Disabled: b.DisabledTools,
			Trusted: b.TrustAnnotations, Tiers: tiers(b), Tasks: cfg.LegacyTasks}}, nil
}

// askTime is how long a call waits for a person. A parked one is given up by the lot
// first, which knows more of it.
func (a *App) askTime() time.Duration { return a.cfg.Limits.ParkTTL + 10*time.Second }

// own are the names and addresses of this installation.
func (a *App) own() []string {
	all := slices.Clone(a.cfg.AllowedHosts)
	if base, err := url.Parse(a.base()); err == nil {
		all = append(all, base.Host)
	}
	if addr := a.server.Addr(); addr != nil {
		all = append(all, addr.String())
	}
	return append(all, a.cfg.Listen)
}

// tiers are an operator's own words about what a backend's tools may do.
func tiers(b config.Backend) (rules []gateway.TierRule) {
	for _, one := range []struct {
		tier     account.Tier
		patterns []string
	}{{account.TierRead, b.ReadTools}, {account.TierWrite, b.WriteTools}, {account.TierDestroy, b.DestructiveTools}} {
		for _, p := range one.patterns {
			rules = append(rules, gateway.TierRule{Pattern: p, Tier: one.tier})
		}
	}
	return rules
}

// stored gives built-in servers what their users have stored.
type stored struct{ store *store.Store }

// For gives the values that a user has for a server.
func (s stored) For(ctx context.Context, user, server string) (map[string]secret.String, error) {
	return s.store.Credentials(ctx, user, server)
}

// builtIn builds a server that is compiled in.
func (a *App) builtIn(e servers.Entry, s config.BuiltIn) (*running, error) {
	srv, err := e.New(kit.Settings{Mode: kit.Mode(s.Mode), Values: s.Settings}, kit.Deps{
		Log: a.part("server " + e.Name), Now: time.Now, DB: a.store.Tables(e.Name), Version: a.opts.Version,
		Credentials: stored{a.store}, Files: a.files, Own: a.own,
	})
	if err != nil {
		return nil, fmt.Errorf("server %s: %w", e.Name, err)
	}
	hello := srv.Info()
	dial := builtin.New(a.log, e.Name, backend.Info{
		Capabilities: hello.Capabilities, ServerInfo: hello.ServerInfo, Instructions: hello.Instructions,
	}, srv, srv.Watch)
	sup := backend.New(a.log.With("backend", e.Name), backend.Config{
		Name: e.Name, Transport: backend.BuiltIn, AskTimeout: a.askTime(),
		Concurrency: kit.MaxParallel, Timeout: kit.MaxTimeout, // the kit bounds each server and tool by its own settings
	}, dial, a.gateway)
	prefix := e.Name
	if s.Prefix != nil {
		prefix = *s.Prefix
	}
	return &running{name: e.Name, settings: s, backend: sup, close: srv.Close,
		member: gateway.Member{Backend: sup, Prefix: prefix, Trusted: true}}, nil
}
