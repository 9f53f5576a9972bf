package web

import (
	"net/http"
	"net/url"
	"strings"

	"drawbridge/internal/route"
)

// SignInCookie holds the browser session of the admin pages.
const SignInCookie = "drawbridge"

// hostPrefix makes browsers take a cookie only from this very host, over https.
const hostPrefix = "__Host-"

// FromOwnPage tells whether a request that changes something was sent by a page of
// ours. A browser says so in Sec-Fetch-Site, or, where it does not trust the
// connection enough for that, in Origin. A request with neither did not come from a
// page, or its origin was hidden. base is the public URL.
func FromOwnPage(r *http.Request, base string) bool {
	site, origin := r.Header["Sec-Fetch-Site"], r.Header["Origin"]
	switch {
	case len(site) > 1 || len(origin) > 1:
		return false
	case len(site) == 1:
		return site[0] == "same-origin"
	case len(origin) == 1:
		return ownOrigin(r, origin[0], base)
	}
	return false
}

// ownOrigin tells whether an origin is the public URL's, or that of the host which
// the request itself names. httpd has checked that host.
func ownOrigin(r *http.Request, origin, base string) bool {
	scheme := "http://"
	if route.PeerFrom(r.Context()).HTTPS {
		scheme = "https://"
	}
	return origin != "" && strings.EqualFold(origin, baseOrigin(base)) || r.Host != "" && strings.EqualFold(origin, scheme+r.Host)
}

// baseOrigin writes a public URL as a browser writes its origin: without the
// scheme's own port.
func baseOrigin(base string) string {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return base
	}
	host := u.Host
	switch u.Scheme {
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	}
	return u.Scheme + "://" + host
}

// Secure tells whether the browser's own connection is encrypted: httpd says so, or
// it asked for the public URL, which is https. The latter is for proxies that are
// not among the trusted ones; whoever asks for that host over http gets cookies
// that the browser will not keep.
func Secure(r *http.Request, base string) bool {
	return route.PeerFrom(r.Context()).HTTPS || strings.EqualFold("https://"+r.Host, baseOrigin(base))
}

// Plain tells whether others may read what the browser sends: the connection is
// not encrypted, and leaves this machine. For a warning, no more.
func Plain(r *http.Request, base string) bool {
	if Secure(r, base) {
		return false
	}
	u, err := url.Parse("http://" + r.Host)
	return err != nil || u.Hostname() != "localhost" && u.Hostname() != "127.0.0.1" && u.Hostname() != "::1"
}

// Cookie is the value of a cookie of ours, "" where there is none. One that has
// its prefix wins, and over https nothing else counts: without it, a neighbour on
// the same domain or host could have set the cookie. Two of one name are none.
func Cookie(r *http.Request, name string) string {
	cookies := r.CookiesNamed(hostPrefix + name)
	if len(cookies) == 0 && !route.PeerFrom(r.Context()).HTTPS {
		cookies = r.CookiesNamed(name)
	}
	if len(cookies) != 1 {
		return ""
	}
	return cookies[0].Value
}

// SetCookie sets a cookie that scripts cannot read, and that other sites' forms do
// not bring along. It ends with the browser.
func SetCookie(w http.ResponseWriter, r *http.Request, base, name, value string) {
	http.SetCookie(w, cookie(r, base, name, value))
}

// DropCookie makes the browser forget a cookie.
func DropCookie(w http.ResponseWriter, r *http.Request, base, name string) {
	c := cookie(r, base, name, "")
	c.MaxAge = -1
	http.SetCookie(w, c)
}

func cookie(r *http.Request, base, name, value string) *http.Cookie {
	c := &http.Cookie{Name: name, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if Secure(r, base) {
		c.Name, c.Secure = hostPrefix+name, true
	}
	return c
}

// SeeOther sends the browser on to a URI, with parameters added to its query, and
// by GET whatever it has just sent (RFC 9700, 4.12). The rest of the URI stays as
// it is. The caller has checked where it leads.
func SeeOther(w http.ResponseWriter, uri string, add url.Values) {
	if query := add.Encode(); query != "" {
		join := "?"
		if strings.Contains(uri, "?") {
			join = "&"
		}
		uri += join + query
	}
	h := w.Header()
	h.Set("Location", uri)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(http.StatusSeeOther)
}
