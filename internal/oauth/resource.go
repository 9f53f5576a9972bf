package oauth

import (
	"net/url"
	"strings"

	"drawbridge/internal/account"
)

// DefaultResource is the path of the protected resource that is meant where none
// is named.
const DefaultResource = "/mcp"

// Resource finds which protected resource a request is for (RFC 8707): the path of
// one of ours. base is the issuer. Clients send the URL they were given, its
// origin, a slash too many, or nothing at all (R20).
func Resource(base string, asked []string) (string, *Error) {
	path := ""
	for _, one := range asked {
		p, ok := resourcePath(base, one)
		if !ok || path != "" && p != path {
			return "", Errorf("invalid_target", "The resource is not one of this server. Ask for %s%s, or leave it out.", base, DefaultResource)
		}
		path = p
	}
	if path == "" {
		return DefaultResource, nil
	}
	return path, nil
}

func resourcePath(base, asked string) (string, bool) {
	if asked == "" {
		return DefaultResource, true
	}
	u, err := url.Parse(asked)
	ours, berr := url.Parse(base)
	if err != nil || berr != nil || u.Fragment != "" || strings.Contains(asked, "#") || u.User != nil || u.Opaque != "" || u.RawPath != "" ||
		!strings.EqualFold(u.Scheme, ours.Scheme) || !sameHost(u, ours) {
		return "", false
	}
	switch path := strings.TrimSuffix(u.Path, "/"); {
	case path == "" || path == DefaultResource:
		return DefaultResource, true
	case strings.HasPrefix(path, DefaultResource+"/"):
		return path, account.CheckProfileName(path[len(DefaultResource)+1:]) == nil
	}
	return "", false
}

// sameHost compares hosts. The names of loopback are one host to whoever runs
// without a public address.
func sameHost(a, b *url.URL) bool {
	if strings.EqualFold(a.Host, b.Host) || defaultPort(a) == defaultPort(b) && strings.EqualFold(a.Hostname(), b.Hostname()) {
		return true
	}
	return defaultPort(a) == defaultPort(b) && isLoopback(a.Hostname()) && isLoopback(b.Hostname())
}

func defaultPort(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if strings.EqualFold(u.Scheme, "https") {
		return "443"
	}
	return "80"
}

// ProfileOf is the profile of a resource path; "" for the default resource.
func ProfileOf(path string) string {
	name, _ := strings.CutPrefix(path, DefaultResource+"/")
	if name == path {
		return ""
	}
	return name
}
