package wire

import (
	"encoding/base64"
	"net/http"
	"strings"

	"drawbridge/internal/servers/erpnext/fake/exc"
	"drawbridge/internal/servers/erpnext/fake/site"
)

// Cookie is a browser's session.
type Cookie struct {
	User *site.User
	CSRF string // "" until a page of the desk was loaded
}

// Authenticate finds out who sent a request, a browser's session first, then the header
// (auth.py: HTTPRequest, validate_auth). A header that is not two words is not seen.
func (c *Call) Authenticate(sessions map[string]*Cookie) error {
	if err := c.cookie(sessions); err != nil {
		return err
	}
	kind, value, two := strings.Cut(c.R.Header.Get("Authorization"), " ")
	if !two || strings.Contains(value, " ") {
		return nil
	}
	u, err := c.byHeader(strings.ToLower(kind), value)
	if err != nil {
		return err
	}
	if u != nil && c.SS.User.Name == "Guest" {
		c.SS.User = u
	}
	if c.SS.User.Name == "Guest" { // whoever shows something must be somebody
		return exc.Raise(exc.Authentication, "")
	}
	return nil
}

func (c *Call) cookie(sessions map[string]*Cookie) error {
	sid, err := c.R.Cookie("sid")
	if err != nil || sessions[sid.Value] == nil {
		return nil
	}
	s := sessions[sid.Value]
	c.SS.User = s.User
	if s.CSRF == "" || c.R.Method == http.MethodGet || c.R.Method == http.MethodHead || c.R.Header.Get("X-Frappe-CSRF-Token") == s.CSRF {
		return nil
	}
	e := exc.Throw(exc.CSRF, "", "Invalid Request")
	e.Quiet = true
	return e
}

func (c *Call) byHeader(kind, value string) (*site.User, error) {
	switch kind {
	case "bearer":
		for _, u := range c.Site.Users {
			if u.Bearer != "" && u.Bearer == value && !u.Disabled {
				return u, nil
			}
		}
		return nil, nil
	case "basic":
		plain, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			return nil, exc.Throw(exc.BadToken, "", "Failed to decode token, please provide a valid base64-encoded token.")
		}
		value = string(plain)
	case "token":
	default:
		return nil, nil
	}
	parts := strings.Split(value, ":")
	if len(parts) != 2 { // does not unpack, which nobody hears of
		return nil, nil
	}
	for _, u := range c.Site.Users {
		if u.Key != "" && u.Key == parts[0] && u.Secret == parts[1] && !u.Disabled {
			return u, nil
		}
	}
	return nil, exc.Raise(exc.Authentication, "")
}
