// Package httpd is the door: one listener, the checks that every request passes
// before a handler sees it, and the routes with their policies.
//
// The order is fixed: recover, path, Host, Origin, method, credential, pace. A
// route without a policy stops the program. Handlers come from outside; httpd knows
// what they may be used for, not what they do.
package httpd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/oauth"
	"drawbridge/internal/route"
	"drawbridge/internal/socket"
)

// Authenticator turns a request's credential into a principal, or refuses.
type Authenticator interface {
	// Authenticate takes a bearer credential for a protected resource, by its path;
	// "" takes one for any.
	Authenticate(r *http.Request, resource string) (account.Principal, error)
	// AuthenticateAdmin takes an admin's bearer credential or browser session.
	AuthenticateAdmin(r *http.Request) (account.Principal, error)
}

// Config is what an operator may set.
type Config struct {
	Listen         string   // host:port; port 0 takes a free one
	IssuerURL      string   // public base URL; "" is http://localhost:<port>
	AllowedHosts   []string // Host names beyond the machine's own
	AllowedOrigins []string // Origins beyond those hosts
	TrustedProxies []netip.Prefix
	AdminOnFunnel  bool // the admin pages answer to the open internet through Tailscale Funnel
	ClientRate     int  // requests a second that one grant may send; 0: 60
}

// Limits of the listener (reference: security T9, T10).
const (
	maxHeaderBytes    = 64 << 10
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 60 * time.Second
	idleTimeout       = 120 * time.Second
)

// Server is the listener with its routes.
type Server struct {
	log     *slog.Logger
	auth    Authenticator
	guard   *guard
	peers   *peers
	pace    *pace
	funnel  bool // admin routes answer to Funnel
	http    *http.Server
	ln      net.Listener
	mux     *http.ServeMux
	exact   map[string]http.HandlerFunc // paths without wildcards, which need no search
	listen  string
	issuer  string
	open    map[string]bool // patterns that take every origin
	nextID  atomic.Uint64
	drained atomic.Bool
	served  atomic.Uint64 // requests so far
}

// New builds the server. Every route must carry a policy.
func New(log *slog.Logger, auth Authenticator, cfg Config, routes []route.Route) (*Server, error) {
	if log == nil || auth == nil {
		return nil, errors.New("httpd: a dependency is missing")
	}
	s := &Server{log: log, auth: auth, mux: http.NewServeMux(), exact: map[string]http.HandlerFunc{}, open: map[string]bool{}, listen: cfg.Listen, issuer: cfg.IssuerURL}
	s.guard, s.peers, s.pace, s.funnel = newGuard(cfg), newPeers(cfg), newPace(cfg), cfg.AdminOnFunnel
	for _, r := range routes {
		if err := s.add(r); err != nil {
			return nil, err
		}
	}
	s.http = &http.Server{
		Handler:           http.HandlerFunc(s.serve),
		MaxHeaderBytes:    maxHeaderBytes,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		IdleTimeout:       idleTimeout,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ConnContext:       s.peers.connected,
		// "OPTIONS *" passes the checks like everything else.
		DisableGeneralOptionsHandler: true,
	}
	return s, nil
}

// add mounts one route behind its policy.
func (s *Server) add(r route.Route) error {
	if r.Handler == nil || len(r.Methods) == 0 || !strings.HasPrefix(r.Pattern, "/") {
		return fmt.Errorf("route %q lacks a handler, methods or a path", r.Pattern)
	}
	var enter func(w http.ResponseWriter, req *http.Request) // calls the handler if the policy lets it
	switch r.Policy {
	case route.Public, route.LiveState:
		enter = func(w http.ResponseWriter, req *http.Request) { r.Handler.ServeHTTP(w, s.peers.noted(req)) }
	case route.Bearer:
		enter = func(w http.ResponseWriter, req *http.Request) { s.bearer(w, req, r) }
	case route.Admin, route.AdminPage:
		enter = func(w http.ResponseWriter, req *http.Request) { s.admin(w, s.peers.noted(req), r) }
	default:
		return fmt.Errorf("route %q has no policy; say who may use it", r.Pattern)
	}
	if r.Resource != "" && r.Policy != route.Bearer {
		return fmt.Errorf("route %q has a resource, which only bearer routes can have", r.Pattern)
	}
	allow := strings.Join(r.Methods, ", ")
	pattern := r.Pattern
	if strings.HasSuffix(pattern, "/") {
		pattern += "{$}" // a trailing slash is that path, never a whole subtree
	}
	handler := func(w http.ResponseWriter, req *http.Request) {
		if r.AnyOrigin && openCORS(w, req) {
			return
		}
		if !slices.Contains(r.Methods, req.Method) {
			w.Header().Set("Allow", allow)
			http.Error(w, "This address does not take "+req.Method+". Use "+allow+".", http.StatusMethodNotAllowed)
			return
		}
		enter(w, req)
	}
	s.mux.HandleFunc(pattern, handler)
	if !strings.Contains(r.Pattern, "{") {
		s.exact[r.Pattern] = handler
	}
	if r.AnyOrigin {
		s.open[pattern] = true
	}
	return nil
}

// bearer calls the handler for whoever brings a credential for the route's resource.
func (s *Server) bearer(w http.ResponseWriter, r *http.Request, to route.Route) {
	r = s.peers.forwarded(r)
	resource := resourceOf(to.Resource, r)
	p, err := s.auth.Authenticate(r, resource)
	if err == nil {
		err = s.pace.admit(p, r.Method)
	}
	if err != nil {
		s.refuse(w, r, resource, err)
		return
	}
	to.Handler.ServeHTTP(w, r.WithContext(account.WithPrincipal(r.Context(), p)))
}

// admin calls the handler for an admin. Through Funnel, which is the open internet,
// there are no such pages unless the operator wants them there (security T6).
func (s *Server) admin(w http.ResponseWriter, r *http.Request, to route.Route) {
	if !s.funnel && route.PeerFrom(r.Context()).Funnel {
		http.NotFound(w, r)
		return
	}
	p, err := s.auth.AuthenticateAdmin(r)
	switch {
	case err == nil && p.Role != account.RoleAdmin: // the last word is ours
		err = fault.New(fault.Forbidden, "This needs an admin's credential. Ask an admin, or use an admin key.")
	case err != nil && to.Policy == route.AdminPage && fault.CodeOf(err) == fault.Unauthenticated &&
		len(r.Header["Authorization"]) == 0 && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		w.Header().Set("Cache-Control", "no-store")
		http.Redirect(w, r, "/login?next="+url.QueryEscape(r.URL.Path), http.StatusSeeOther)
		return
	}
	if err == nil {
		err = s.pace.admit(p, r.Method)
	}
	if err != nil {
		s.refuse(w, r, "", err)
		return
	}
	to.Handler.ServeHTTP(w, r.WithContext(account.WithPrincipal(r.Context(), p)))
}

// resourceOf fills the wildcards of a resource.
func resourceOf(pattern string, r *http.Request) string {
	head, name, ok := strings.Cut(pattern, "{")
	if !ok {
		return pattern
	}
	return head + r.PathValue(strings.TrimSuffix(name, "}"))
}

// serve is what every request passes first.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	defer s.recover(w, r)
	s.served.Add(1)
	if why := badPath(r); why != "" {
		http.Error(w, why, http.StatusBadRequest)
		return
	}
	if !s.guard.host(r.Host) {
		http.Error(w, "This server does not answer to that host name. Add it to allowed_hosts, or use the issuer's.", http.StatusMisdirectedRequest)
		return
	}
	if origin := strings.Join(r.Header["Origin"], ", "); origin != "" && !s.anyOrigin(r) { // two of them are none that is allowed
		if !s.guard.origin(origin, r.Host) {
			http.Error(w, "This origin may not use the server. Add it to allowed_origins if it should.", http.StatusForbidden)
			return
		}
		if cors(w, r, origin) {
			return
		}
	}
	if s.drained.Load() && r.URL.Path != "/health" && r.URL.Path != "/livez" && r.URL.Path != "/readyz" {
		w.Header().Set("Retry-After", "5")
		w.Header().Set("Connection", "close")
		http.Error(w, "The server is shutting down. Try again in a moment.", http.StatusServiceUnavailable)
		return
	}
	if handler := s.exact[r.URL.Path]; handler != nil {
		handler(w, r)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// anyOrigin tells whether the route of a request is open to pages of every origin.
func (s *Server) anyOrigin(r *http.Request) bool {
	_, pattern := s.mux.Handler(r)
	return s.open[pattern]
}

// maxParameters of a query; nothing here takes more than a handful.
const maxParameters = 1000

// badPath refuses what two hops might read as different paths (security T2), and
// queries made to be slow to read (T9). The mux would redirect some of these
// paths; nothing here ever redirects.
func badPath(r *http.Request) string {
	if strings.Count(r.URL.RawQuery, "&") >= maxParameters {
		return "The query has too many parameters. Nothing here needs more than a few."
	}
	p := r.URL.Path
	if p == "" || p[0] != '/' {
		return plainPath
	}
	if r.URL.RawPath != "" {
		return "The path cannot be used. Write it without needless percent-encoding."
	}
	if strings.Contains(p, "//") || strings.Contains(p, "/./") || strings.Contains(p, "/../") ||
		strings.HasSuffix(p, "/.") || strings.HasSuffix(p, "/..") || strings.ContainsAny(p, "\\\x00") {
		return plainPath
	}
	return ""
}

const plainPath = "The path cannot be used. Write it from the first slash on, without doubled slashes, dot segments and backslashes."

// recover turns a panic into a 500 for that request alone.
func (s *Server) recover(w http.ResponseWriter, r *http.Request) {
	v := recover()
	if v == nil {
		return
	}
	if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(v) // the way to cut a connection whose answer went wrong midway
	}
	id := s.requestID()
	s.log.Error("handler panicked", "request_id", id, "path", r.URL.Path, "panic", v, "stack", string(debug.Stack()))
	w.Header().Set("X-Request-Id", id)
	http.Error(w, fault.PublicInternal, http.StatusInternalServerError)
}

func (s *Server) requestID() string { return "r" + strconv.FormatUint(s.nextID.Add(1), 36) }

// refuse answers a request whose credential was not accepted. The text says what
// to do; it is the same whether or not the path exists.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, resource string, err error) {
	code := fault.CodeOf(err)
	switch code {
	case fault.Unauthenticated:
		challenge := s.challenge(resource) + `, scope="` + oauth.ScopeRead + `"`
		if len(r.Header["Authorization"]) > 0 { // RFC 6750, 3: only if one was sent
			challenge += `, error="invalid_token"`
		}
		w.Header().Set("WWW-Authenticate", challenge)
	case fault.Forbidden:
		if len(r.Header["Authorization"]) > 0 {
			w.Header().Set("WWW-Authenticate", s.challenge(resource)+`, scope="`+oauth.ScopeAdmin+`", error="insufficient_scope"`)
		}
	case fault.Internal, fault.Unavailable:
		s.log.Error("credential not checked", "path", r.URL.Path, "error", err)
		w.Header().Set("Retry-After", "5")
	case fault.Limited:
		w.Header().Set("Retry-After", "1")
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, fault.PublicOf(err), fault.Status(code))
}

// challenge names the metadata of a protected resource (RFC 9728, 5.1).
func (s *Server) challenge(resource string) string {
	return `Bearer resource_metadata="` + s.Base() + `/.well-known/oauth-protected-resource` + resource + `"`
}

// Listen opens the port. Start must follow.
func (s *Server) Listen(ctx context.Context) error {
	lc := net.ListenConfig{Control: socket.Control}
	ln, err := lc.Listen(ctx, "tcp", s.listen)
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "Cannot listen on %s. Another program may use the port; choose one with --listen.", s.listen)
	}
	s.ln = newCrowd(ln)
	return nil
}

// Serve answers until Shutdown.
func (s *Server) Serve() error {
	if err := s.http.Serve(s.ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// Addr is where the server listens, nil before Listen: the gateway also works
// without a port.
func (s *Server) Addr() net.Addr {
	if s.ln == nil {
		return nil
	}
	return s.ln.Addr()
}

// Base is the public URL without a path.
func (s *Server) Base() string {
	if s.issuer != "" {
		return strings.TrimSuffix(s.issuer, "/")
	}
	if s.ln == nil {
		return "http://" + s.listen
	}
	_, port, _ := net.SplitHostPort(s.ln.Addr().String()) // a listener's address always splits
	return "http://localhost:" + port
}

// Served counts the requests so far.
func (s *Server) Served() uint64 { return s.served.Load() }

// Drain makes the server refuse new work while calls in flight go on.
func (s *Server) Drain() { s.drained.Store(true) }

// Drained tells whether Drain was called; /readyz answers by it.
func (s *Server) Drained() bool { return s.drained.Load() }

// lastWords is how long calls that were ended have to say so to their clients.
const lastWords = 2 * time.Second

// Shutdown waits for calls in flight until ctx ends. Then it calls cut, which must
// end those that are left, and still lets their answers out.
func (s *Server) Shutdown(ctx context.Context, cut func()) error {
	s.Drain()
	if s.http.Shutdown(ctx) == nil {
		return nil
	}
	cut()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		_ = s.http.Close() // such as a client that takes no answer
		return fmt.Errorf("drain: %w", err)
	}
	return nil
}
