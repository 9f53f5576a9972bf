package doctor

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
)

const (
	askTime   = 10 * time.Second
	maxAnswer = 1 << 20

	// stranger is a page that nobody has allowed anything.
	stranger = "https://doctor.invalid"
)

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
	tls    *tls.ConnectionState
}

// ask sends one request and reads the answer whole. origin is the page that asks;
// "" is a program.
func (x *examination) ask(ctx context.Context, method, url, body, origin string) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "drawbridge-doctor")
	req.Header.Set("Accept", "application/json")
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "application/json, text/event-stream")
	}
	if origin != "" {
		req.Header.Set("Origin", origin)
	}
	resp, err := x.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	return &answer{resp.StatusCode, resp.Header, content, resp.TLS}, nil
}

// is tells whether the content is of a type.
func (a *answer) is(kind string) bool {
	got, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	return err == nil && got == kind
}

// page tells whether a page for people came instead.
func (a *answer) page() bool {
	start := bytes.ToLower(bytes.TrimSpace(a.body[:min(len(a.body), 512)]))
	return a.is("text/html") || bytes.HasPrefix(start, []byte("<!doctype")) || bytes.HasPrefix(start, []byte("<html"))
}

// gateway tells whether what is in front says that there is nothing behind it. The
// numbers from 520 on are Cloudflare's.
func (a *answer) gateway() bool {
	return a.status == http.StatusBadGateway || a.status == http.StatusServiceUnavailable || a.status == http.StatusGatewayTimeout ||
		a.status >= 520 && a.status <= 530
}

// unexpected says what an answer that is not the expected one shows, and its cure.
func (a *answer) unexpected(base string) (found, cure string) {
	switch {
	case a.status >= 300 && a.status < 400:
		return fmt.Sprintf("%d, to %s", a.status, a.header.Get("Location")),
			"Make the proxy or tunnel in front answer there itself: clients do not follow redirects, or lose their credential on the way. Check the address for a scheme or slash too many."
	case a.status == http.StatusMisdirectedRequest:
		return "421: the server does not answer to the host name it was asked by",
			"Set OAUTH_ISSUER_URL to " + base + ", or add the name to allowed_hosts, and have the proxy pass the Host header on."
	case a.gateway():
		return fmt.Sprintf("%d: what is in front answers, Drawbridge behind it does not", a.status),
			"Start drawbridge serve, and check where the proxy or tunnel forwards to."
	case a.status == http.StatusForbidden || a.status == http.StatusTooManyRequests:
		return fmt.Sprintf("%d: something in front refuses", a.status),
			"Look for bot rules, a firewall or a login in front of Drawbridge, and except this address from them."
	case a.page():
		return fmt.Sprintf("%d with a web page instead of JSON", a.status),
			"Something else answers at this address. Check where the proxy or tunnel forwards to, all paths included."
	}
	return fmt.Sprintf("%d", a.status), "Check that it is Drawbridge that answers at " + base + ", of this version, with all paths forwarded to it."
}

// reach finds out whether the server answers, and looks at its certificate. It
// tells whether the rest can be looked at.
func (x *examination) reach(ctx context.Context) bool {
	const what = "server"
	a, err := x.ask(ctx, http.MethodGet, x.base+probe, "", "")
	x.first, x.asked = a, x.deps.Now()
	switch {
	case err != nil && x.brokenTLS(err):
		x.warn(what, notLooked+"clock", "Correct the certificate, then run the doctor again.")
		return false
	case err != nil:
		x.unreached(ctx, err)
		return false
	}
	x.certificate()
	if a.status == http.StatusOK && a.is("application/json") {
		x.ok(what, "answers at %s", x.base)
		return true
	}
	found, cure := a.unexpected(x.base)
	if a.gateway() {
		x.fail(what, x.base+" answers "+found+"; "+notLooked+"clock", cure)
		return false
	}
	x.warn(what, x.base+probe+" answers "+found, cure) // what counts are the addresses below
	return true
}

const (
	probe     = "/livez"
	notLooked = "not looked at: metadata, challenge, CORS, "
)

// unreached reports that nothing answered. Whether that is a fault depends on
// whether there is a server at all.
func (x *examination) unreached(ctx context.Context, err error) {
	const what = "server"
	reason, cure := unreachable(err)
	here, lerr := x.ask(ctx, http.MethodGet, x.cfg.Local+probe, "", "")
	running := lerr == nil && here.status == http.StatusOK && here.is("application/json")
	switch {
	case running && x.cfg.Issuer == "" && x.cfg.URL == "":
		x.fail(what, "runs at "+x.cfg.Local+" and says that it is at "+x.base+", which "+reason, issuerHint)
	case running:
		x.fail(what, "runs here at "+x.cfg.Local+", but "+x.base+" "+reason,
			cure+" Some routers do not let a machine reach its own public address: then run drawbridge doctor --url "+x.base+x.path+" elsewhere.")
	case x.cfg.URL != "":
		x.fail(what, x.base+" "+reason+"; "+notLooked+"clock", cure)
	default:
		x.warn(what, x.base+" "+reason+"; "+notLooked+"certificate, clock", "Start drawbridge serve, then run the doctor again.")
	}
}

// unreachable says why nothing came back.
func unreachable(err error) (reason, cure string) {
	_, dns := errors.AsType[*net.DNSError](err)
	timeout, isNet := errors.AsType[net.Error](err)
	switch {
	case dns:
		return "cannot be looked up", "Make a DNS record for the name, or correct OAUTH_ISSUER_URL."
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refuses the connection", "Start what listens there: the reverse proxy or tunnel, and behind it drawbridge serve."
	case errors.Is(err, context.DeadlineExceeded) || isNet && timeout.Timeout():
		return "does not answer in time", "Open the port in the firewall and forward it to this machine, or check that the tunnel is up."
	}
	return "cannot be reached (" + cause(err) + ")", "Check the reverse proxy or tunnel in front of Drawbridge."
}

// cause is the innermost text of an error.
func cause(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}

// clock compares this machine's clock with the server's.
func (x *examination) clock() {
	const what, most = "clock", time.Minute
	date, err := http.ParseTime(x.first.header.Get("Date"))
	if err != nil {
		x.warn(what, "the server's answers have no date to compare with", "Compare the clocks of this machine and of the server by hand.")
		return
	}
	off := x.asked.Sub(date).Round(time.Second)
	if off.Abs() > most {
		x.fail(what, fmt.Sprintf("this machine and the server are %s apart", off.Abs()), "Switch on time synchronisation (NTP) on both: signed assertions and certificates are refused when clocks are more than a minute off.")
		return
	}
	x.ok(what, "within a minute of the server's")
}
