// Package clientdoc turns a client id that is a URL into a client, by fetching the
// metadata document that stands there (draft-ietf-oauth-client-id-metadata-document).
//
// The id comes from a stranger's query, so nothing is believed. The URL is checked
// by the letter, its host against the operator's trust, and then it goes through
// egress, which reaches no address inside. All that can go wrong until a document
// names itself looks the same from outside, in words and in time; what is wrong with
// a document that does name itself is told, for its author. Documents are kept as
// their headers ask, within bounds, and failures only for a moment.
//
// authorize calls it, and nobody else: the token and revocation endpoints work with
// the snapshot that authorize puts into the store, so that a vendor's outage stops no
// refresh.
package clientdoc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"drawbridge/internal/egress"
	"drawbridge/internal/fault"
	"drawbridge/internal/limit"
	"drawbridge/internal/oauth"
	"drawbridge/internal/route"
)

// MaxBytes is how long a document may be.
const MaxBytes = 10 << 10

const (
	maxDepth   = 5
	maxID      = 2 << 10
	keepMin    = 5 * time.Minute
	keepMax    = 24 * time.Hour
	keepFailed = 30 * time.Second
	keepCount  = 1000
	accept     = "application/json"

	// perMinute is how many new documents one network may have fetched.
	perMinute = 100
	networks  = 10_000
)

// Trust says whose documents are taken.
type Trust string

// The kinds of trust.
const (
	TrustAny       Trust = "any"       // everybody's: consent shows the host
	TrustKnown     Trust = "known"     // of the hosts in Known and those of Config
	TrustAllowlist Trust = "allowlist" // of those of Config; none are nobody's
)

// Config is what an operator may set.
type Config struct {
	Trust     Trust
	Hosts     []string      // exact names, for TrustKnown and TrustAllowlist
	HTTPHosts []string      // hosts beyond loopback that a redirect may reach by http
	Timeout   time.Duration // of one fetch, and when a failure is told; default 5 s
}

// Fetcher fetches what a client id points to. An egress.Client is one, with at least
// MaxBytes.
type Fetcher interface {
	Get(ctx context.Context, url, accept string) (egress.Response, error)
}

// Documents are the clients that describe themselves. Safe for concurrent use.
type Documents struct {
	log       *slog.Logger
	trust     Trust
	hosts     []string
	httpHosts []string
	shipped   map[string]oauth.Client
	networks  *limit.Buckets
	cache     *egress.Cache[oauth.Client]
}

// New makes Documents. It fetches nothing yet.
func New(log *slog.Logger, f Fetcher, cfg Config) (*Documents, error) {
	if log == nil || f == nil {
		return nil, errors.New("clientdoc needs a logger and a fetcher")
	}
	d := &Documents{log: log, trust: cfg.Trust, hosts: slices.Clone(cfg.Hosts), httpHosts: cfg.HTTPHosts,
		networks: limit.New(perMinute, time.Minute, perMinute, networks)}
	switch cfg.Trust {
	case TrustAny, TrustAllowlist:
	case TrustKnown:
		d.hosts = append(d.hosts, Known()...)
	default:
		return nil, fault.New(fault.Invalid, "The trust in client documents is %q. Set it to any, known or allowlist.", cfg.Trust)
	}
	for i, h := range d.hosts {
		if h == "" || strings.ContainsAny(h, "/:*@ ") {
			return nil, fault.New(fault.Invalid, "%q in the trusted hosts of client documents is not a host name. Write it like claude.ai.", h)
		}
		d.hosts[i] = strings.ToLower(h)
	}
	bounds := egress.Bounds{Min: keepMin, Max: keepMax, Failed: keepFailed, Size: keepCount,
		Timeout: cmp.Or(cfg.Timeout, egress.DefaultTimeout)}
	d.cache = egress.NewCache(f, accept, bounds, d.read, d.failed)
	var err error
	d.shipped, err = d.readShipped()
	return d, err
}

// IsDocument tells whether a client id claims to be a document's URL. Ids that we
// give out never do.
func IsDocument(id string) bool {
	return len(id) >= 8 && strings.EqualFold(id[:8], "https://")
}

// Client is the client that describes itself at id. The caller must not change what
// it points to. The error is a *fault.Error whose text may be shown, or that of ctx.
func (d *Documents) Client(ctx context.Context, id string) (oauth.Client, error) {
	if err := checkID(id); err != nil {
		return oauth.Client{}, err
	}
	if !d.trusts(id) {
		return oauth.Client{}, fault.New(fault.Forbidden, "Clients of %s are not trusted here. An admin can add this host to the trusted hosts of client documents.", hostOf(id))
	}
	network := limit.Network(route.PeerFrom(ctx).Addr)
	c, err := d.cache.Get(ctx, id, func() error {
		if wait, ok := d.networks.Take(network, time.Now()); !ok {
			return fault.New(fault.Limited, "Too many different clients were tried from this network. Wait %d seconds, then try again.", 1+int(wait/time.Second))
		}
		return nil
	})
	if shipped, ok := d.shipped[id]; ok && unfetched(err) {
		shipped.Created = time.Now()
		return shipped, nil
	}
	return c, err
}

// unfetched tells whether an error says nothing of the document: it was not readable,
// or not even asked for, because too many others are.
func unfetched(err error) bool {
	code := fault.CodeOf(err)
	return err != nil && (errors.Is(err, errUnreadable) || code == fault.Limited || code == fault.Unavailable)
}

func (d *Documents) trusts(id string) bool {
	return d.trust == TrustAny || slices.Contains(d.hosts, hostOf(id))
}

// hostOf is the host of an id that has been checked.
func hostOf(id string) string {
	u, err := url.Parse(id)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

var errID = fault.New(fault.Invalid,
	"The client_id is not the address of a client document: an https URL in lower case and plain ASCII, with a path, without user, query, fragment and dot segments. Update the client, or register it in another way.")

// checkID holds an id against the draft's rules for the URL, by the letter and before
// anything could normalise it. What is left to say about the host is egress's.
func checkID(id string) error {
	rest, ok := strings.CutPrefix(id, "https://")
	if !ok || len(id) > maxID {
		return errID
	}
	for i := range len(id) {
		if c := id[i]; c <= ' ' || c > '~' || strings.IndexByte("\\\"<>^`{|}?#", c) >= 0 {
			return errID
		}
	}
	authority, path, ok := strings.Cut(rest, "/")
	if !ok || path == "" || authority == "" || strings.Contains(authority, "@") || authority != strings.ToLower(authority) {
		return errID
	}
	for segment := range strings.SplitSeq(strings.ToLower(path), "/") {
		if plain := strings.ReplaceAll(segment, "%2e", "."); plain == "." || plain == ".." {
			return errID
		}
	}
	if u, err := url.Parse(id); err != nil || u.String() != id {
		return errID
	}
	return nil
}

// errUnreadable is the one answer to all that may be found at an address. It has no
// cause: nothing of it may depend on what is there.
var errUnreadable = fault.New(fault.Invalid,
	"Drawbridge could not read the client's description of itself at the address that is its client_id. Try again in a minute; if that does not help, register the client in another way, or ask an admin to look into the log.")

// failed logs why a document could not be used, once for all who asked for it, and
// gives them what they may know.
func (d *Documents) failed(id string, err error) error {
	d.log.Info("client document not usable", "client_id", id, "error", err)
	if bad, ok := errors.AsType[*badDocument](err); ok {
		return fault.New(fault.Invalid, "The client's description of itself cannot be used. %s", bad.public)
	}
	return errUnreadable
}

// badDocument is what is wrong with a document that names itself.
type badDocument struct{ public string }

func (b *badDocument) Error() string { return b.public }

func bad(format string, args ...any) error { return &badDocument{fmt.Sprintf(format, args...)} }
