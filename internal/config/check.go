package config

import (
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"drawbridge/internal/auth"
	"drawbridge/internal/config/tree"
	"drawbridge/internal/secret"
)

// token is what RFC 9110 section 5.6.2 lets a header be called.
var token = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

// check looks at the settings beside backends and built-in servers.
func (l *loader) check(c *Config) {
	l.checkListen(c.Listen)
	l.checkIssuer(c)
	l.checkOAuth(c)
	l.checkStore(c)
	if k := c.StaticKey.Reveal(); k != "" && len(k) < auth.MinStatic {
		l.bad("static_key", "has %d characters, at least %d are needed; make one with: openssl rand -hex 32", len(k), auth.MinStatic)
	} else if strings.ContainsAny(k, " \t\r\n") {
		l.bad("static_key", "holds a space or line break, which no client can send; make one with: openssl rand -hex 32")
	}
	for i, h := range c.AllowedHosts {
		c.AllowedHosts[i] = l.hostName("allowed_hosts", h)
	}
	for i, o := range c.AllowedOrigins {
		c.AllowedOrigins[i] = strings.ToLower(strings.TrimSuffix(o, "/"))
		if u, err := url.Parse(c.AllowedOrigins[i]); err != nil || u.Scheme == "" || u.Host == "" || u.Path != "" || u.RawQuery != "" || strings.Contains(o, "*") {
			l.bad("allowed_origins", "%q is no origin; write scheme and host, such as https://chat.example.com", o)
		}
	}
	l.checkLimits(c)
}

// minPassword is the least length of a password that a person has chosen.
const minPassword = 12

// examples are passwords that stand in guides, and so in every attacker's list.
var examples = []string{"changeme", "change-me", "change_me", "password", "drawbridge", "secret", "example"}

// checkOAuth refuses what would leave the door ajar (security A22).
func (l *loader) checkOAuth(c *Config) {
	if p := c.OAuth.Password.Reveal(); p != "" {
		plain := strings.ToLower(strings.Trim(p, "0123456789!.-_ "))
		if utf8.RuneCountInString(p) < minPassword {
			l.bad("oauth.password", "has fewer than %d characters; take a longer one", minPassword)
		} else if slices.Contains(examples, plain) || strings.Count(p, p[:1]) == len(p) {
			l.bad("oauth.password", "is one that everybody tries first; take another")
		}
	}
	for i, h := range c.OAuth.HTTPRedirectHosts {
		c.OAuth.HTTPRedirectHosts[i] = l.hostName("oauth.http_redirect_hosts", h)
	}
	for i, h := range c.OAuth.ClientDocumentHosts {
		c.OAuth.ClientDocumentHosts[i] = l.hostName("oauth.client_document_hosts", h)
	}
	if c.OAuth.ClientDocuments == "allowlist" && len(c.OAuth.ClientDocumentHosts) == 0 {
		l.bad("oauth.client_documents", "is allowlist, and client_document_hosts names nobody; name the hosts, or write off")
	}
}

// hostName checks a bare host name and gives it in lower case.
func (l *loader) hostName(path, h string) string {
	if u, err := url.Parse("http://" + h); err != nil || u.Hostname() == "" || u.Path != "" || u.Port() != "" || strings.ContainsAny(h, "*@?#") {
		l.bad(path, "%q is no host name; write it without scheme, port and path, such as mcp.example.com", h)
	}
	return strings.ToLower(h)
}

func (l *loader) checkLimits(c *Config) {
	for key, v := range map[string]int64{
		"oauth.access_token_ttl": int64(c.OAuth.AccessTokenTTL), "oauth.refresh_token_ttl": int64(c.OAuth.RefreshTokenTTL),
		"limits.request_body": int64(c.Limits.RequestBody), "limits.answer_event": int64(c.Limits.AnswerEvent),
		"limits.sessions": int64(c.Limits.Sessions), "limits.ring_bytes": int64(c.Limits.RingBytes),
		"limits.concurrency": int64(c.Limits.Concurrency), "limits.user_concurrency": int64(c.Limits.UserConcurrency),
		"limits.park_ttl": int64(c.Limits.ParkTTL), "limits.parked": int64(c.Limits.Parked), "limits.parked_per_user": int64(c.Limits.ParkedPerUser),
		"limits.client_rate": int64(c.Limits.ClientRate), "audit.retention": int64(c.Audit.Retention), "limits.call_timeout": int64(c.Limits.CallTimeout),
	} {
		if v <= 0 && !l.failed(key) {
			l.bad(key, "must be more than nothing; leave it out for the default")
		}
	}
	if c.Limits.CallTimeout > 290*time.Second {
		l.d.Notef(l.placeOf("limits.call_timeout"), "limits.call_timeout", "claude.ai ends calls after 300 seconds, whatever is set here")
	}
}

// bad reports a fault of a setting at the place that set it.
func (l *loader) bad(path, format string, args ...any) {
	l.d.Failf(l.placeOf(path), path, format, args...)
}

// placeOf is where the winner of a setting stands.
func (l *loader) placeOf(path string) Place {
	n := l.root
	for key := range strings.SplitSeq(path, ".") {
		if n = n.Get(key); n == nil {
			return Place{Layer: LayerDefault}
		}
	}
	return n.At
}

func (l *loader) failed(path string) bool {
	for _, f := range l.d.Faults {
		if f.Path == path {
			return true
		}
	}
	return false
}

func (l *loader) checkListen(listen string) {
	host, port, err := net.SplitHostPort(listen)
	if err == nil {
		if n, bad := strconv.Atoi(port); bad != nil || n < 0 || n > 65535 {
			l.bad("listen", "%q has no port between 0 and 65535; write for example 127.0.0.1:4444", listen)
			return
		}
	}
	if err != nil || strings.ContainsAny(host, "/@ ") {
		if !l.failed("listen") {
			l.bad("listen", "%q is not HOST:PORT; write for example 127.0.0.1:4444", listen)
		}
	}
}

// checkIssuer holds the issuer to an origin: with a path the well-known documents
// would move, and clients disagree where to.
func (l *loader) checkIssuer(c *Config) {
	if c.IssuerURL == "" || l.failed("issuer_url") {
		return
	}
	u, err := url.Parse(c.IssuerURL)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https":
		l.bad("issuer_url", "is no http or https address; write for example https://mcp.example.com")
		return
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.Path != "" && u.Path != "/":
		l.bad("issuer_url", "must be scheme and host alone; write %s://%s", u.Scheme, u.Host)
		return
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) {
		if !c.OAuth.AllowHTTPIssuer {
			l.bad("issuer_url", "is plain http beyond this machine; use https, or set oauth.allow_http_issuer if nobody else can listen on the network")
			return
		}
		l.d.Notef(l.placeOf("issuer_url"), "issuer_url", "is plain http: passwords and tokens cross the network readably; use https where others can listen")
	}
	c.IssuerURL = u.Scheme + "://" + strings.ToLower(u.Host)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

func (l *loader) checkStore(c *Config) {
	text := c.Store.Reveal()
	scheme, rest, ok := strings.Cut(text, ":")
	switch {
	case text == "" || l.failed("store"):
	case ok && (scheme == "postgres" || scheme == "postgresql"):
		if u, err := url.Parse(text); err != nil || u.Host == "" && u.RawQuery == "" {
			l.bad("store", "is no PostgreSQL address; write postgres://USER:PASSWORD@HOST/DATABASE")
		}
	case ok && scheme == "sqlite" && strings.TrimLeft(rest, "/") != "":
		if strings.HasPrefix(rest, "//") {
			rest = "/" + strings.TrimLeft(rest, "/")
		}
		c.Store = secret.New("sqlite:" + filepath.Clean(tree.Absolute(rest, l.dir)))
	default:
		l.bad("store", "is neither postgres://USER:PASSWORD@HOST/DATABASE nor sqlite:PATH; write one of them, or leave it out for SQLite in the state directory")
	}
}
