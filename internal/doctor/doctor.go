// Package doctor finds out why a client cannot connect, and says what to do.
//
// It looks at an installation from both sides: from outside as a client does, at
// the address that clients type, and from inside at the state directory, the
// database and the backends. Each Finding names what was looked at, what was
// found, and its cure. Nothing is repaired and nothing is made: where a server
// does not run, or never has, the doctor says what it could not look at. It sends
// no credential and asks nobody but the issuer (and the name server for it).
//
// The rules are those of what clients were seen to refuse: metadata byte-equal to
// the address (RFC 8414, 3.3; RFC 9728, 3.3), a challenge with an absolute URL, no
// redirects, port 443. The command doctor is its caller.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"
)

// Level says how bad a finding is.
type Level string

// The levels.
const (
	OK   Level = "ok"
	Warn Level = "warn" // works for some, or could not be looked at
	Fail Level = "fail" // clients cannot connect, or something inside is broken
)

// Finding is one thing that was looked at.
type Finding struct {
	Level Level  `json:"level"`
	What  string `json:"what"`           // what was looked at
	Found string `json:"found"`          // what there is
	Cure  string `json:"cure,omitempty"` // what to do; never empty unless the level is ok
}

// Config is what to examine.
type Config struct {
	Issuer        string    // as configured; "": none
	URL           string    // as clients type it; "": that of the issuer
	Local         string    // base URL of the listener, as this machine reaches it
	RedirectHosts []string  // hosts that clients may be sent back to by plain http
	StateDir      string    // "": there is none to look at
	Backends      []Backend // in the order to report them
}

// Backend is a backend that can be tried.
type Backend struct {
	Name string
	Off  bool
	Try  func(ctx context.Context) (found string, err error) // connects, shakes hands, hangs up
}

// Resolver looks names up; *net.Resolver is one.
type Resolver interface {
	LookupCNAME(ctx context.Context, host string) (string, error)
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Database is the open store.
type Database interface {
	Engine() string
	Ping(ctx context.Context) error
	UseOnce(ctx context.Context, kind string, value [32]byte, until time.Time) (first bool, err error)
	Close() error
}

// Deps are what a Doctor works with.
type Deps struct {
	HTTP     *http.Client // its transport decides whom to trust; redirects are never followed
	Resolver Resolver
	Now      func() time.Time
	// Open opens the database. nil: there was no first start yet, and opening would
	// make one.
	Open func(ctx context.Context) (Database, error)
}

// Doctor examines an installation.
type Doctor struct {
	cfg  Config
	deps Deps
	http *http.Client
}

// New makes a doctor. It does nothing yet.
func New(deps Deps, cfg Config) (*Doctor, error) {
	if deps.HTTP == nil || deps.Resolver == nil || deps.Now == nil || cfg.Local == "" {
		return nil, errors.New("doctor: a dependency is missing")
	}
	client := *deps.HTTP
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Doctor{cfg: cfg, deps: deps, http: &client}, nil
}

// Examine looks at everything and gives what it found, in a fixed order. It takes
// half a minute at most.
func (d *Doctor) Examine(ctx context.Context) []Finding {
	x := &examination{Doctor: d}
	if x.address() {
		x.names(ctx)
		if x.reach(ctx) {
			x.documents(ctx)
			x.challenge(ctx)
			x.clock()
		}
	}
	x.redirects()
	x.state()
	x.database(ctx)
	x.backends(ctx)
	return x.findings
}

// Failed tells whether one of the findings is a failure.
func Failed(findings []Finding) bool {
	for _, f := range findings {
		if f.Level == Fail {
			return true
		}
	}
	return false
}

// examination is one look at everything.
type examination struct {
	*Doctor
	findings []Finding

	base string // scheme and host that clients reach: what the issuer must be
	path string // of the resource that clients type
	host string // of base, without port

	first *answer   // of the server at base
	asked time.Time // when it came
}

func (x *examination) ok(what, format string, args ...any) {
	x.findings = append(x.findings, Finding{OK, what, fmt.Sprintf(format, args...), ""})
}

func (x *examination) warn(what, found, cure string) {
	x.findings = append(x.findings, Finding{Warn, what, found, cure})
}

func (x *examination) fail(what, found, cure string) {
	x.findings = append(x.findings, Finding{Fail, what, found, cure})
}
