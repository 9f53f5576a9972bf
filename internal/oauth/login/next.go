package login

import (
	"net/url"
	"strings"
)

// home is where a sign-in leads that was not on the way to anything.
const home = "/admin"

const maxNext = 2 << 10

// next is where to go after a sign-in: the path asked for if it is one of ours, else
// /admin. No reading of it, decoded or not, may name a host (T25).
func next(asked string) string {
	if len(asked) > maxNext {
		return home
	}
	for plain, i := asked, 0; ; i++ {
		if !ownPath(plain) {
			return home
		}
		decoded, err := url.PathUnescape(plain)
		if err != nil || i > 3 {
			return home
		}
		if decoded == plain {
			break
		}
		plain = decoded
	}
	if path, _, _ := strings.Cut(asked, "?"); path == "/login" || path == "/logout" {
		return home
	}
	return asked
}

// ownPath tells whether a browser reads s as a path on this host: it drops control
// characters, and takes a backslash for a slash.
func ownPath(s string) bool {
	if !strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//") || strings.Contains(s, `\`) {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}
