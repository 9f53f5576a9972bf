package oauth

import (
	"cmp"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const maxURI = 2 << 10

// forbiddenSchemes would run or show something instead of going somewhere.
var forbiddenSchemes = []string{
	"javascript", "data", "file", "vbscript", "blob", "about", "filesystem", "view-source", "mailto", "tel", "sms", "ws", "wss", "ftp", "chrome", "resource", "jar", "intent", "search", "shell",
}

// forbiddenFamilies are those of Windows that open its settings, its search and its
// tools with arguments of the caller's choice: ms-msdt, ms-settings, search-ms.
var forbiddenFamilies = []string{"ms-", "search-"}

func forbidden(scheme string) bool {
	return slices.Contains(forbiddenSchemes, scheme) ||
		slices.ContainsFunc(forbiddenFamilies, func(family string) bool { return strings.HasPrefix(scheme, family) })
}

// CheckRedirect says what is wrong with a redirect URI that a client registers:
// https, http on loopback, or the client's own scheme (RFC 8252), in plain ASCII
// that no two readers understand differently. httpHosts are further hosts that may
// be reached by http, which an operator has named.
func CheckRedirect(uri string, httpHosts []string) *Error {
	bad := func(why string) *Error {
		return Errorf("invalid_redirect_uri", "A redirect URI %s. Register https, http on localhost, or the program's own scheme.", why)
	}
	if uri == "" || len(uri) > maxURI {
		return bad("is empty or too long")
	}
	for i := range len(uri) {
		if c := uri[i]; c <= ' ' || c > '~' || strings.IndexByte("\\\"<>^`{|}*", c) >= 0 {
			return bad("has a character that does not belong into a URI")
		}
	}
	u, err := url.Parse(uri)
	if err != nil || u.Scheme == "" || u.Opaque != "" {
		return bad("cannot be read")
	}
	switch {
	case u.User != nil || strings.Contains(u.Host, "@"):
		return bad("has a user name")
	case !plainHost(u):
		return bad("has a host or port that can be read in two ways")
	case strings.Contains(uri, "#"):
		return bad("has a fragment")
	case dotted(u.EscapedPath()):
		return bad("has dot segments")
	case !strings.HasPrefix(uri, u.Scheme+":"):
		return bad("has a scheme in capital letters")
	}
	switch u.Scheme {
	case "https":
		if u.Hostname() == "" {
			return bad("has no host")
		}
	case "http":
		if !isLoopback(u.Hostname()) && !slices.Contains(httpHosts, strings.ToLower(u.Hostname())) {
			return bad("uses http beyond this machine")
		}
	default:
		if forbidden(u.Scheme) {
			return bad("has a scheme that is not allowed")
		}
		if u.Host == "" && u.Path == "" {
			return bad("goes nowhere")
		}
	}
	return nil
}

// plainHost tells whether a host is what a browser makes of it: a name of letters,
// digits, hyphens, underscores and dots, or an address in its usual form. Browsers
// decode percent signs, and take 127.1 and 0x7f000001 for 127.0.0.1.
func plainHost(u *url.URL) bool {
	host := u.Hostname()
	if _, err := strconv.ParseUint(cmp.Or(u.Port(), "0"), 10, 16); err != nil || strings.HasSuffix(u.Host, ":") {
		return false
	}
	if strings.HasPrefix(u.Host, "[") {
		addr, err := netip.ParseAddr(host)
		return err == nil && addr.Is6() && addr.Zone() == ""
	}
	for i := range len(host) {
		if c := host[i]; (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	_, err := netip.ParseAddr(host)
	return err == nil || !endsInNumber(host)
}

// endsInNumber tells whether browsers read a host as an IPv4 address (WHATWG URL,
// "ends in a number").
func endsInNumber(host string) bool {
	last := strings.TrimSuffix(strings.ToLower(host), ".")
	last = last[strings.LastIndexByte(last, '.')+1:]
	return last != "" && (strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x"))
}

// dotted tells whether a path has a segment . or .., written out or encoded.
func dotted(path string) bool {
	for seg := range strings.SplitSeq(strings.ToLower(path), "/") {
		switch strings.ReplaceAll(seg, "%2e", ".") {
		case ".", "..":
			return true
		}
	}
	return false
}

// isLoopback tells the names of this machine by the letter. Other spellings of the
// same addresses are other hosts.
func isLoopback(host string) bool {
	return host == "localhost" || host == "127.0.0.1" || host == "::1"
}

// MatchRedirect tells whether a client that registered these URIs may be sent to
// asked: the very string, or, for http on loopback, the same but for the port (RFC
// 8252, 7.3; localhost too, which programs use all the same).
func MatchRedirect(registered []string, asked string) bool {
	if slices.Contains(registered, asked) {
		return true
	}
	host, rest, ok := splitLoopback(asked)
	return ok && slices.ContainsFunc(registered, func(one string) bool {
		h, r, ok := splitLoopback(one)
		return ok && h == host && r == rest
	})
}

// splitLoopback takes an http URI on loopback apart: its host, and what comes after
// the port, unchanged.
func splitLoopback(uri string) (host, rest string, ok bool) {
	after, ok := strings.CutPrefix(uri, "http://")
	if !ok || len(uri) > maxURI {
		return "", "", false
	}
	for _, host := range []string{"localhost", "127.0.0.1", "[::1]"} {
		tail, ok := strings.CutPrefix(after, host)
		if !ok {
			continue
		}
		if port, ok := strings.CutPrefix(tail, ":"); ok {
			n := 0
			for n < len(port) && port[n] >= '0' && port[n] <= '9' {
				n++
			}
			if n == 0 || n > 5 || len(port[:n]) == 5 && port[:n] > "65535" {
				return "", "", false
			}
			tail = port[n:]
		}
		if tail != "" && tail[0] != '/' && tail[0] != '?' || CheckRedirect(uri, nil) != nil {
			return "", "", false
		}
		return host, tail, true
	}
	return "", "", false
}

// OnlyLoopback tells whether all of a client's redirects stay on the user's own
// machine: any program there could stand behind them, which consent has to say.
func OnlyLoopback(registered []string) bool {
	return !slices.ContainsFunc(registered, func(uri string) bool {
		_, _, ok := splitLoopback(uri)
		return !ok
	})
}
