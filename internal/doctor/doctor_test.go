package doctor_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/doctor"
)

const (
	issuer   = "https://mcp.example.com"
	resource = "/.well-known/oauth-protected-resource"
	server   = "/.well-known/oauth-authorization-server"
)

func TestExamine_healthy(t *testing.T) {
	t.Parallel()
	s := healthy()
	s.between = true
	got := examine(t, s, zone{}, doctor.Config{Issuer: issuer})
	want := []doctor.Finding{
		{Level: doctor.OK, What: "issuer", Found: "https://mcp.example.com"},
		{Level: doctor.OK, What: "URL for clients", Found: "https://mcp.example.com/mcp"},
		{Level: doctor.OK, What: "port", Found: "443"},
		{Level: doctor.OK, What: "name", Found: "mcp.example.com is 8.8.4.4"},
		{Level: doctor.OK, What: "certificate", Found: "valid for mcp.example.com until 2027-01-20"},
		{Level: doctor.OK, What: "server", Found: "answers at https://mcp.example.com"},
		{Level: doctor.OK, What: "resource metadata", Found: "for https://mcp.example.com/mcp"},
		{Level: doctor.OK, What: "resource metadata at the root", Found: "for https://mcp.example.com/mcp"},
		{Level: doctor.OK, What: "server metadata", Found: "of https://mcp.example.com"},
		{Level: doctor.OK, What: "CORS", Found: "every page may read the metadata"},
		{Level: doctor.OK, What: "challenge", Found: "https://mcp.example.com/mcp asks for a credential and says where to get one"},
		{Level: doctor.OK, What: "clock", Found: "within a minute of the server's"},
		{Level: doctor.OK, What: "plain http redirects", Found: "to this machine only"},
		{Level: doctor.Warn, What: "database", Found: "there was no first start yet; not looked at", Cure: "Start drawbridge serve, which makes it, or correct --state-dir."},
	}
	if diff := cmp.Diff(want, got); diff != "" || doctor.Failed(got) {
		t.Error(diff)
	}
}

// Zero configuration: the server stands in for its own issuer, on this machine.
func TestExamine_withoutIssuer(t *testing.T) {
	t.Parallel()
	s := healthy()
	s.issuer, s.plain, s.local = "http://localhost:4444", true, true
	got := examine(t, s, zone{}, doctor.Config{})
	has(t, got, doctor.Warn, "issuer", "http://localhost:4444 stands in", "set OAUTH_ISSUER_URL")
	has(t, got, doctor.OK, "resource metadata", "http://localhost:4444/mcp", "")
	has(t, got, doctor.OK, "challenge", "", "")
	if doctor.Failed(got) {
		t.Errorf("%+v", got)
	}
	s.down = true // it listens on one address of the machine, and localhost is another
	has(t, examine(t, s, zone{}, doctor.Config{}), doctor.Fail, "server", "runs at http://127.0.0.1:4444 and says that it is at http://localhost:4444", "OAUTH_ISSUER_URL")
}

// What the addresses alone show, without anybody to ask.
func TestExamine_addresses(t *testing.T) {
	t.Parallel()
	const own, net = "https://mcp.example.com", "https://box.tail1234.ts.net"
	for name, c := range map[string]struct {
		issuer, url string
		zone        zone
		level       doctor.Level
		what        string
		found, cure string
	}{
		"no address":            {issuer: "mcp.example.com", level: doctor.Fail, what: "issuer", found: "no http or https address", cure: "https://mcp.example.com"},
		"other scheme":          {issuer: "ftp://mcp.example.com", level: doctor.Fail, what: "issuer", found: "no http or https address", cure: "OAUTH_ISSUER_URL"},
		"path":                  {issuer: own + "/gate", level: doctor.Fail, what: "issuer", found: "has a path", cure: "Set OAUTH_ISSUER_URL to https://mcp.example.com:"},
		"query":                 {issuer: own + "?a=b", level: doctor.Fail, what: "issuer", found: "more than scheme and host", cure: own},
		"trailing slash":        {issuer: own + "/", level: doctor.Warn, what: "issuer", found: "ends in a slash", cure: "byte by byte"},
		"plain http":            {issuer: "http://mcp.example.com", level: doctor.Fail, what: "issuer", found: "plain http", cure: "certificate"},
		"plain http at home":    {issuer: "http://192.168.1.5:4444", level: doctor.Warn, what: "issuer", found: "plain http", cure: "claude.ai"},
		"plain http, .local":    {issuer: "http://box.local:4444", level: doctor.Warn, what: "issuer", found: "plain http", cure: "claude.ai"},
		"plain http, loopback":  {issuer: "http://127.0.0.1:4444", level: doctor.OK, what: "issuer"},
		"typed: nothing":        {issuer: own, url: "mcp.example.com", level: doctor.Fail, what: "URL for clients", found: "no http or https address", cure: "/mcp"},
		"typed: other path":     {issuer: own, url: own + "/sse", level: doctor.Warn, what: "URL for clients", found: "not where MCP is served", cure: own + "/mcp"},
		"typed: plain http":     {url: "http://mcp.example.com/mcp", level: doctor.Fail, what: "issuer", found: "plain http", cure: "https"},
		"typed: other host":     {issuer: own, url: "https://other.example.com/mcp", level: doctor.Fail, what: "URL for clients", found: "not the configured issuer", cure: "or give clients https://mcp.example.com/mcp"},
		"typed: mix-up":         {issuer: own, url: net + "/mcp", level: doctor.Fail, what: "URL for clients", found: "not the configured issuer", cure: "*.ts.net"},
		"typed: mix-up, turned": {issuer: net, url: own + "/mcp", level: doctor.Fail, what: "URL for clients", found: "not the configured issuer", cure: "*.ts.net"},
		"port":                  {issuer: own + ":8443", level: doctor.Warn, what: "port", found: "8443 is not 443", cure: "claude.ai"},
		"Funnel on 443":         {issuer: net, level: doctor.OK, what: "port", found: "443"},
		"Funnel on 8443":        {issuer: net + ":8443", level: doctor.Fail, what: "port", found: "claude.ai reaches port 443 only", cure: "--https=443"},
		"Funnel on 10000":       {issuer: net + ":10000", level: doctor.Fail, what: "port", found: "claude.ai reaches port 443 only", cure: "set OAUTH_ISSUER_URL to https://box.tail1234.ts.net."},
		"Funnel on none":        {issuer: net + ":4444", level: doctor.Fail, what: "port", found: "none that Funnel serves", cure: "--https=443"},
		"own name at Funnel":    {issuer: own, zone: zone{cname: map[string]string{"mcp.example.com": "box.tail1234.ts.net."}}, level: doctor.Fail, what: "name", found: "box.tail1234.ts.net", cure: "*.ts.net"},
		"tailnet only":          {issuer: net, zone: zone{addrs: map[string]string{"box.tail1234.ts.net": "100.101.102.103 fd7a:115c:a1e0::1"}}, level: doctor.Warn, what: "name", found: "whether Funnel is on", cure: "tailscale funnel status"},
		"private address":       {issuer: own, zone: zone{addrs: map[string]string{"mcp.example.com": "10.1.2.3"}}, level: doctor.Warn, what: "name", found: "10.1.2.3, inside a network", cure: "claude.ai"},
		"address alone":         {issuer: "https://192.168.1.5", level: doctor.Warn, what: "name", found: "inside a network", cure: "claude.ai"},
		"no record":             {issuer: own, zone: zone{addrs: map[string]string{"mcp.example.com": ""}}, level: doctor.Fail, what: "name", found: "has no address", cure: "DNS record"},
		"unknown name":          {issuer: own, zone: zone{err: &noSuchHost}, level: doctor.Fail, what: "name", found: "has no address", cure: "DNS record"},
		"name server gone":      {issuer: own, zone: zone{err: errors.New("i/o timeout")}, level: doctor.Warn, what: "name", found: "could not be looked up", cure: "name server"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := healthy()
			s.down = true
			got := examine(t, s, c.zone, doctor.Config{Issuer: c.issuer, URL: c.url})
			has(t, got, c.level, c.what, c.found, c.cure)
			for _, f := range got {
				if f.Level != doctor.OK && f.Cure == "" {
					t.Errorf("no cure: %+v", f)
				}
			}
		})
	}
}

var noSuchHost = net.DNSError{Err: "no such host", Name: "mcp.example.com", IsNotFound: true}

// What stands in front of a gateway, or the gateway itself, answers wrongly.
func TestExamine_answers(t *testing.T) {
	t.Parallel()
	mcp := func(f http.HandlerFunc) func(*site) { return func(s *site) { s.broken["/mcp"] = f } }
	path := func(path string, f http.HandlerFunc) func(*site) { return func(s *site) { s.broken[path] = f } }
	all := func(f http.HandlerFunc) func(*site) {
		return func(s *site) {
			for _, p := range []string{"/livez", "/mcp", resource, resource + "/mcp", server} {
				s.broken[p] = f
			}
		}
	}
	for name, c := range map[string]struct {
		damage      func(*site)
		level       doctor.Level
		what        string
		found, cure string
	}{
		"wrong issuer":              {func(s *site) { s.issuer = "https://other.example.com" }, doctor.Fail, "server metadata", `of the issuer "https://other.example.com"`, "Set OAUTH_ISSUER_URL to https://mcp.example.com and start again, or give clients https://other.example.com/mcp"},
		"http issuer":               {func(s *site) { s.issuer = "http://mcp.example.com" }, doctor.Fail, "resource metadata", `clients come to "https://mcp.example.com/mcp"`, "Set OAUTH_ISSUER_URL to https://mcp.example.com"},
		"no issuer set":             {func(s *site) { s.issuer = "http://localhost:4444" }, doctor.Fail, "challenge", `"http://localhost:4444/.well-known`, "Set OAUTH_ISSUER_URL to https://mcp.example.com and start again."},
		"issuer is the ts.net name": {func(s *site) { s.issuer = "https://box.tail1234.ts.net" }, doctor.Fail, "server metadata", "box.tail1234.ts.net", "*.ts.net"},
		"issuer with a slash": {path(server, text("application/json", `{"issuer":"https://mcp.example.com/","authorization_endpoint":"https://mcp.example.com/a","token_endpoint":"https://mcp.example.com/t","code_challenge_methods_supported":["S256"]}`)),
			doctor.Fail, "server metadata", `"https://mcp.example.com/"`, "without the slash"},
		"endpoints elsewhere": {path(server, text("application/json", `{"issuer":"https://mcp.example.com","authorization_endpoint":"http://10.0.0.1/a","token_endpoint":"https://mcp.example.com/t","code_challenge_methods_supported":["S256"]}`)),
			doctor.Fail, "server metadata", "http://10.0.0.1/a", "nothing in front changes"},
		"another server": {path(server, text("application/json", `{"issuer":"https://mcp.example.com","authorization_endpoint":"https://mcp.example.com/a","token_endpoint":"https://mcp.example.com/t"}`)),
			doctor.Fail, "server metadata", "PKCE", "not another server"},
		"other authorization server": {path(resource+"/mcp", text("application/json", `{"resource":"https://mcp.example.com/mcp","authorization_servers":["https://login.example.com"]}`)),
			doctor.Fail, "resource metadata", "https://login.example.com", "OAUTH_ISSUER_URL"},
		"no authorization server": {path(resource+"/mcp", text("application/json", `{"resource":"https://mcp.example.com/mcp"}`)),
			doctor.Fail, "resource metadata", "sends clients to sign in at []", "not another server"},
		"garbage for a resource": {path(resource, text("application/json", `{"resource":"::"}`)),
			doctor.Fail, "resource metadata at the root", `is for "::"`, "not another server"},
		"page for a document":     {path(resource, text("text/html; charset=utf-8", "<!doctype html><title>App</title>")), doctor.Fail, "resource metadata at the root", "200 with a web page instead of JSON", "forwards to, all paths included"},
		"page called JSON":        {path(server, text("application/json", "  <!DOCTYPE html>")), doctor.Fail, "server metadata", "web page", "forwards to"},
		"document of other kind":  {path(server, text("text/plain", "{}")), doctor.Fail, "server metadata", "is not JSON", "Content-Type"},
		"document is no JSON":     {path(server, text("application/json", "{")), doctor.Fail, "server metadata", "is not JSON", "as it is"},
		"document missing":        {path(server, http.NotFound), doctor.Fail, "server metadata", "answers 404", "with all paths forwarded"},
		"document redirected":     {path(resource+"/mcp", redirect(301, "https://www.example.com/")), doctor.Fail, "resource metadata", "301, to https://www.example.com/", "do not follow redirects"},
		"documents not for pages": {func(s *site) { s.broken[server] = without(s, "Access-Control-Allow-Origin") }, doctor.Warn, "CORS", "may not read", "Access-Control-Allow-Origin"},
		"host name not known":     {all(status(421)), doctor.Fail, "challenge", "421", "allowed_hosts"},
		"redirect of /mcp":        {mcp(redirect(307, "/mcp/")), doctor.Fail, "challenge", "307, to /mcp/", "lose their credential"},
		"redirect of /mcp/":       {path("/mcp/", redirect(308, "/mcp")), doctor.Fail, "challenge", "https://mcp.example.com/mcp/ answers 308, to /mcp", "slash too many"},
		"anybody comes in":        {mcp(text("application/json", `{}`)), doctor.Fail, "challenge", "without a credential", "lets everybody in"},
		"bare refusal":            {mcp(status(403)), doctor.Fail, "challenge", "403: something in front refuses", "bot rules"},
		"too many requests":       {mcp(status(429)), doctor.Fail, "challenge", "429: something in front refuses", "firewall"},
		"method refused":          {mcp(status(405)), doctor.Fail, "challenge", "answers 405, not 401", "all paths"},
		"no header":               {func(s *site) { s.broken["/mcp"] = without(s, "WWW-Authenticate") }, doctor.Fail, "challenge", "without WWW-Authenticate", "pass the header on"},
		"login of the proxy": {mcp(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", `Basic realm="intern"`)
			w.WriteHeader(401)
		}), doctor.Fail, "challenge", `Basic realm="intern"`, "login of the proxy"},
		"relative URL": {mcp(func(w http.ResponseWriter, _ *http.Request) { challenge(w, resource+"/mcp") }),
			doctor.Fail, "challenge", "not an absolute URL", "Drawbridge sends https://mcp.example.com/.well-known"},
		"other URL": {mcp(func(w http.ResponseWriter, _ *http.Request) { challenge(w, issuer+resource) }),
			doctor.Fail, "challenge", "not \"https://mcp.example.com/.well-known/oauth-protected-resource/mcp\"", ""},
		"nothing behind the proxy":  {all(status(502)), doctor.Fail, "server", "502: what is in front answers, Drawbridge behind it does not", "Start drawbridge serve"},
		"nothing behind Cloudflare": {all(status(530)), doctor.Fail, "server", "530: what is in front answers", "forwards to"},
		"only some paths":           {path("/livez", http.NotFound), doctor.Warn, "server", "/livez answers 404", "all paths"},
		"clock behind":              {func(s *site) { s.date = now.Add(61 * time.Second) }, doctor.Fail, "clock", "1m1s apart", "NTP"},
		"clock ahead":               {func(s *site) { s.date = now.Add(-2 * time.Hour) }, doctor.Fail, "clock", "2h0m0s apart", "NTP"},
		"clock a little off":        {func(s *site) { s.date = now.Add(-59 * time.Second) }, doctor.OK, "clock", "", ""},
		"no date": {path("/livez", func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Date"] = nil
			reply(w, map[string]any{"status": "ok"})
		}), doctor.Warn, "clock", "no date", "by hand"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := healthy()
			c.damage(s)
			has(t, examine(t, s, zone{}, doctor.Config{Issuer: issuer}), c.level, c.what, c.found, c.cure)
		})
	}
}

// A profile has an address, metadata and a challenge of its own.
func TestExamine_profile(t *testing.T) {
	t.Parallel()
	got := examine(t, healthy(), zone{}, doctor.Config{URL: issuer + "/mcp/kitchen/"})
	has(t, got, doctor.OK, "issuer", issuer, "")
	has(t, got, doctor.OK, "resource metadata", "for https://mcp.example.com/mcp/kitchen", "")
	has(t, got, doctor.OK, "challenge", "https://mcp.example.com/mcp/kitchen", "")
	if doctor.Failed(got) {
		t.Errorf("%+v", got)
	}
}

func TestExamine_certificates(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		damage      func(*site)
		level       doctor.Level
		found, cure string
	}{
		"expired":            {func(s *site) { s.to = now.AddDate(0, 0, -1) }, doctor.Fail, "ended on 2026-11-19", "Renew"},
		"not yet valid":      {func(s *site) { s.from = now.Add(time.Hour) }, doctor.Fail, "valid only from 2026-11-20 13:00:00 UTC on", "clock"},
		"ends soon":          {func(s *site) { s.to = now.AddDate(0, 0, 5) }, doctor.Warn, "ends on 2026-11-25", "Renewal"},
		"lives short":        {func(s *site) { s.from, s.to = now.AddDate(0, 0, -2), now.AddDate(0, 0, 4) }, doctor.OK, "until 2026-11-24", ""},
		"wrong name":         {func(s *site) { s.names = []string{"www.example.com", "example.com"} }, doctor.Fail, "is for www.example.com, example.com, not for mcp.example.com", "certificate for mcp.example.com"},
		"name of Tailscale":  {func(s *site) { s.names = []string{"box.tail1234.ts.net"} }, doctor.Fail, "is for box.tail1234.ts.net", "*.ts.net"},
		"no name":            {func(s *site) { s.names = nil }, doctor.Fail, "no name at all", "certificate for mcp.example.com"},
		"self-signed":        {func(s *site) { s.selfSigned, s.unknown = true, true }, doctor.Fail, "signed by itself", "Let's Encrypt"},
		"chain not complete": {func(s *site) { s.between, s.incomplete = true, true }, doctor.Fail, "without the certificate of its issuer (Test Intermediate)", "fullchain.pem"},
		"unknown authority":  {func(s *site) { s.between, s.unknown = true, true }, doctor.Fail, "does not trust (Test Intermediate)", "Let's Encrypt"},
		"no TLS":             {func(s *site) { s.plain = true }, doctor.Fail, "does not speak TLS", "serves plain http"},
		"name refused":       {func(s *site) { s.refuse = true }, doctor.Fail, "no certificate for mcp.example.com", "*.ts.net"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := healthy()
			c.damage(s)
			got := examine(t, s, zone{}, doctor.Config{Issuer: issuer})
			has(t, got, c.level, "certificate", c.found, c.cure)
			if c.level == doctor.Fail {
				has(t, got, doctor.Warn, "server", "not looked at: metadata, challenge, CORS, clock", "certificate")
			}
		})
	}
}

// Nothing answers. That is a fault only if there is a server that should.
func TestExamine_unreachable(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		damage      func(*site)
		url         string
		level       doctor.Level
		found, cure string
	}{
		"not started":       {func(s *site) { s.down = true }, "", doctor.Warn, "refuses the connection; not looked at: metadata, challenge, CORS, certificate, clock", "Start drawbridge serve"},
		"started, no proxy": {func(s *site) { s.down, s.local = true, true }, "", doctor.Fail, "runs here at http://127.0.0.1:4444, but https://mcp.example.com refuses the connection", "--url https://mcp.example.com/mcp"},
		"asked for":         {func(s *site) { s.down = true }, issuer + "/mcp", doctor.Fail, "refuses the connection", "reverse proxy"},
		"firewall":          {func(s *site) { s.dial, s.local = context.DeadlineExceeded, true }, "", doctor.Fail, "does not answer in time", "firewall"},
		"no name":           {func(s *site) { s.dial, s.local = &net.DNSError{Err: "no such host", IsNotFound: true}, true }, "", doctor.Fail, "cannot be looked up", "DNS record"},
		"no route":          {func(s *site) { s.dial, s.local = errors.New("no route to host"), true }, "", doctor.Fail, "cannot be reached (no route to host)", "tunnel"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := healthy()
			c.damage(s)
			got := examine(t, s, zone{}, doctor.Config{Issuer: issuer, URL: c.url})
			has(t, got, c.level, "server", c.found, c.cure)
			if doctor.Failed(got) != (c.level == doctor.Fail) {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestExamine_showsRedirectHosts(t *testing.T) {
	t.Parallel()
	s := healthy()
	got := examine(t, s, zone{}, doctor.Config{Issuer: issuer, RedirectHosts: []string{"openwebui.lan", "n8n.lan"}})
	has(t, got, doctor.OK, "plain http redirects", "openwebui.lan, n8n.lan", "")
}

func TestNew_refuses(t *testing.T) {
	t.Parallel()
	whole := doctor.Deps{HTTP: http.DefaultClient, Resolver: zone{}, Now: time.Now}
	for what, d := range map[string]doctor.Deps{
		"client": {Resolver: whole.Resolver, Now: whole.Now}, "resolver": {HTTP: whole.HTTP, Now: whole.Now}, "clock": {HTTP: whole.HTTP, Resolver: whole.Resolver},
	} {
		if _, err := doctor.New(d, doctor.Config{Local: "http://127.0.0.1:4444"}); err == nil || !strings.Contains(err.Error(), "dependency") {
			t.Errorf("without %s: %v", what, err)
		}
	}
	if _, err := doctor.New(whole, doctor.Config{}); err == nil {
		t.Error("without an address of the listener")
	}
}
