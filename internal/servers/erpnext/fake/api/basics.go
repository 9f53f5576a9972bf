package api

import (
	"fmt"
	"net/http"
	"strings"

	"drawbridge/internal/servers/erpnext/fake/exc"
	"drawbridge/internal/servers/erpnext/fake/wire"
)

// basics are the methods of the framework itself: who am I, which version, in and out.
func basics() map[string]method {
	ping := method{guest: true, run: func(*API, *wire.Call) (any, error) { return "pong", nil }}
	return map[string]method{
		"ping":        ping,
		"frappe.ping": ping,
		"version":     {guest: true, run: func(_ *API, c *wire.Call) (any, error) { return release(c), nil }},
		"frappe.auth.get_logged_user": {run: func(_ *API, c *wire.Call) (any, error) {
			return c.SS.User.Name, nil
		}},
		"login":          {guest: true, run: (*API).login},
		"logout":         {guest: true, run: (*API).logout},
		"run_doc_method": {http: "GET POST", need: "method document", run: (*API).runDocMethod},
	}
}

func release(c *wire.Call) string { return fmt.Sprintf("%d.41.2", c.Site.Version) }

// login is LoginManager.login for people with a password.
func (a *API) login(c *wire.Call) (any, error) {
	for _, u := range c.Site.Users {
		if u.Name != c.Text("usr") || u.Password == "" || u.Password != c.Text("pwd") || u.Disabled {
			continue
		}
		sid := c.Site.Hash() + c.Site.Hash()
		a.Sessions[sid] = &wire.Cookie{User: u}
		c.Header.Add("Set-Cookie", (&http.Cookie{Name: "sid", Value: sid, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: 604800}).String())
		c.Response["home_page"], c.Response["full_name"] = "/apps", u.FullName
		if u.Website {
			c.Response["home_page"] = "/me"
			return "No App", nil
		}
		return "Logged In", nil
	}
	text := "Invalid login credentials"
	if c.Text("usr") == "" || c.Text("pwd") == "" {
		text = "Incomplete login details"
	}
	e := exc.Raise(exc.Authentication, "")
	e.Answer = text
	return nil, e
}

func (a *API) logout(c *wire.Call) (any, error) {
	if sid, err := c.R.Cookie("sid"); err == nil {
		delete(a.Sessions, sid.Value)
	}
	return nil, nil
}

// page is the desk: loading it gives a browser's session the token that its later
// requests must carry.
func (a *API) page(c *wire.Call) error {
	token := "None"
	if sid, err := c.R.Cookie("sid"); err == nil && a.Sessions[sid.Value] != nil {
		s := a.Sessions[sid.Value]
		if s.CSRF == "" {
			s.CSRF = strings.Repeat(c.Site.Hash(), 5)
		}
		token = s.CSRF
	}
	c.Raw = &wire.Raw{Kind: "text/html; charset=utf-8", Content: fmt.Appendf(nil, "<!DOCTYPE html>\n<script>frappe.csrf_token = %q;</script>\n", token)}
	return nil
}

// runDocMethod is v2's: on a document that the client holds.
func (a *API) runDocMethod(c *wire.Call) (any, error) {
	if !c.V2 {
		return nil, exc.Throw(exc.Permission, "", "Not permitted")
	}
	sent, err := c.Doc("document")
	if err != nil {
		return nil, exc.Raise(exc.FrappeValue, "'document' must be a dictionary")
	}
	doc, d, err := c.Site.Make(sent)
	if err != nil {
		return nil, err
	}
	if err := c.Site.Check(c.SS, d, map[string]string{http.MethodGet: "read", http.MethodPost: "write"}[c.R.Method], doc); err != nil {
		return nil, err
	}
	status, known := map[string]int{"submit": 1, "cancel": 2}[c.Text("method")]
	if !known {
		return nil, notWhitelisted(c, "frappe.model.document."+c.Text("method"))
	}
	doc["docstatus"] = status
	saved, err := c.Site.Save(c.SS, doc)
	if err != nil {
		return nil, err
	}
	c.Docs(wire.Dict(saved, true))
	return wire.Dict(saved, true), nil
}
