// Package pages is the admin pages: users, keys, clients, grants and profiles, as
// plain HTML that works without JavaScript.
//
// It shows what internal/admin/desk gives and sends it what forms ask for; the rules
// are the desk's. A form carries a token that only a page of ours could have, and no
// field that its page does not have. What cannot be taken back asks for a name to be
// typed. After a form the browser is sent on to a page with a fixed message; a
// secret is on the answer to the form that made it, once, and in no address.
// Whatever clients and backends say about themselves is text.
//
// app mounts the routes, all of which need an admin; httpd has checked that before,
// and sends browsers that are not signed in to the sign-in.
package pages

import (
	"errors"
	"log/slog"
	"net/http"

	"drawbridge/internal/account"
	"drawbridge/internal/admin/desk"
	"drawbridge/internal/auth"
	"drawbridge/internal/backend"
	"drawbridge/internal/fault"
	"drawbridge/internal/route"
	"drawbridge/internal/secret"
	"drawbridge/internal/web"
)

// Backends is what the gateway merges.
type Backends interface {
	Statuses() []backend.Status
	Refused() []string // catalogue entries that are left out, with what to set
}

// Deps are what the pages are made of. All are needed.
type Deps struct {
	Desk     *desk.Desk
	Backends Backends
	Base     func() string // public URL without a path
}

// Pages serves the admin pages.
type Pages struct {
	log *slog.Logger
	Deps
}

// New makes the pages.
func New(log *slog.Logger, d Deps) (*Pages, error) {
	if log == nil || d.Desk == nil || d.Backends == nil || d.Base == nil {
		return nil, errors.New("the admin pages lack a dependency")
	}
	return &Pages{log, d}, nil
}

// Routes are the pages' routes.
func (p *Pages) Routes() []route.Route {
	return []route.Route{
		p.page("/admin", p.home, nil),
		p.page("/admin/users", p.users, actions{"create": p.createUser}),
		p.page("/admin/users/{id}", p.user, actions{"change": p.changeUser, "disable": p.disableUser, "enable": p.enableUser,
			"password": p.setPassword, "sign-out": p.signOutUser, "delete": p.deleteUser,
			"store-credential": p.putCredential, "remove-credential": p.deleteCredential}),
		p.page("/admin/keys", p.keys, actions{"create": p.createKey}),
		p.page("/admin/keys/{id}", p.key, actions{"revoke": p.revokeKey}),
		p.page("/admin/clients", p.clients, actions{"create": p.createClient}),
		p.page("/admin/clients/client", p.client, actions{"change": p.changeClient, "secret": p.newSecret, "delete": p.deleteClient}),
		p.page("/admin/grants", p.grants, nil),
		p.page("/admin/grants/{id}", p.grant, actions{"change": p.changeGrant, "revoke": p.revokeGrant}),
		p.page("/admin/profiles", p.profiles, actions{"create": p.createProfile}),
		p.page("/admin/profiles/{name}", p.profile, actions{"change": p.changeProfile, "delete": p.deleteProfile}),
	}
}

// Frame is what every page has.
type Frame struct {
	web.Bar
	By      string // whose credential it is
	Done    string // what a form has just done
	Problem string // why a form has done nothing
	Form    form   // what was sent, for showing it again
}

// view makes a page: the name of its template, and its data.
type view func(r *http.Request, f Frame) (name string, data any, err error)

// actions are what the forms of a page can do, by the value of their button.
type actions map[string]func(r *http.Request, f *form) (answer, error)

// answer is what comes after a form: a secret to show, or a page to go to, with the
// name of what was done.
type answer struct {
	secret *shown
	to     string
	done   string
}

// shown is a secret on its only page.
type shown struct {
	Title  string
	Text   string
	Labels []label
	Back   string // path of the page to go on to
}

type label struct{ Name, Value string }

// page makes the route of a page.
func (p *Pages) page(path string, v view, does actions) route.Route {
	methods := []string{http.MethodGet, http.MethodHead}
	if does != nil {
		methods = append(methods, http.MethodPost)
	}
	return route.Route{Pattern: path, Methods: methods, Policy: route.AdminPage, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f := p.frame(r, path)
		if r.Method != http.MethodPost {
			f.Done = doings[r.URL.Query().Get("done")]
			p.show(w, r, http.StatusOK, v, f)
			return
		}
		sent, a, err := submit(w, r, does)
		if err == nil {
			p.answer(w, r, f, a)
			return
		}
		if sent != nil {
			f.Form = *sent
		}
		p.logged(r, err)
		f.Problem = secret.MaskTokens(fault.PublicOf(err))
		p.show(w, r, fault.Status(fault.CodeOf(err)), v, f)
	})}
}

// frame is what a page has before anything is known about it.
func (p *Pages) frame(r *http.Request, path string) Frame {
	by, _ := account.PrincipalFrom(r.Context())
	f := Frame{By: by.User, Bar: web.Bar{At: section(path), FormToken: auth.FormToken(r), Plain: web.Plain(r, p.Base())}}
	if f.FormToken != "" { // a browser session, which can be ended
		f.User = by.User
	}
	return f
}

// section is the entry of the navigation that a path belongs to: its first two
// elements.
func section(path string) string {
	slashes := 0
	for i := range len(path) {
		if path[i] != '/' {
			continue
		}
		if slashes++; slashes == 3 {
			return path[:i]
		}
	}
	return path
}

// submit reads a form and does what it asks for. The form is given back as soon as it
// could be read.
func submit(w http.ResponseWriter, r *http.Request, does actions) (*form, answer, error) {
	if err := checkQuery(r); err != nil {
		return nil, answer{}, err
	}
	f, err := readForm(w, r)
	if err != nil {
		return nil, answer{}, err
	}
	do := does[f.text("do")]
	if do == nil {
		return f, answer{}, fault.New(fault.Invalid, "The form cannot be understood. Open the page anew and use its buttons.")
	}
	a, err := do(r, f)
	return f, a, err
}

// answer goes on after a form that did what it should.
func (p *Pages) answer(w http.ResponseWriter, r *http.Request, f Frame, a answer) {
	if a.secret == nil {
		web.SeeOther(w, a.to, map[string][]string{"done": {a.done}})
		return
	}
	p.render(w, r, http.StatusOK, "admin_secret", struct {
		Frame
		*shown
	}{f, a.secret})
}

// show answers with a page. One that cannot be made says why.
func (p *Pages) show(w http.ResponseWriter, r *http.Request, status int, v view, f Frame) {
	var name string
	var data any
	err := checkQuery(r)
	if err == nil {
		name, data, err = v(r, f)
	}
	if err == nil {
		p.render(w, r, status, name, data)
		return
	}
	p.logged(r, err)
	code := fault.CodeOf(err)
	if code == fault.Unavailable {
		w.Header().Set("Retry-After", "5")
	}
	f.Problem = ""
	p.render(w, r, fault.Status(code), "admin_failed", struct {
		Frame
		Text string
	}{f, secret.MaskTokens(fault.PublicOf(err))})
}

// checkQuery refuses an address that nothing here can have led to.
func checkQuery(r *http.Request) error {
	for _, list := range r.URL.Query() {
		for _, one := range list {
			if !plain(one) {
				return fault.New(fault.Invalid, "The address has a character that no text has. Follow a link of these pages instead.")
			}
		}
	}
	return nil
}

func (p *Pages) render(w http.ResponseWriter, r *http.Request, status int, name string, data any) {
	if err := web.Render(w, status, name, web.FormSelf, data); err != nil {
		p.log.Error("page not rendered", "path", secret.MaskTokens(r.URL.Path), "error", err)
		http.Error(w, fault.PublicInternal, http.StatusInternalServerError)
	}
}

// logged writes down what whoever looks at the page may not see.
func (p *Pages) logged(r *http.Request, err error) {
	if fault.Status(fault.CodeOf(err)) >= http.StatusInternalServerError {
		p.log.Error("admin page failed", "method", r.Method, "path", secret.MaskTokens(r.URL.Path), "error", err)
	}
}

// doings are the messages after a form. They are fixed, since anybody can write an
// address that names one.
var doings = map[string]string{
	"user-saved":         "The user is saved.",
	"user-disabled":      "The user is shut out: its keys and clients are refused from their next use on.",
	"user-enabled":       "The user may come in again.",
	"credential-stored":  "The credential is stored. It is sealed and cannot be read here.",
	"credential-removed": "The credential is removed.",
	"password-set":       "The password is set. Browsers and clients of this user have to sign in again.",
	"signed-out":         "The user is signed out everywhere. Its keys still work.",
	"user-deleted":       "The user is deleted, with its keys and grants.",
	"key-revoked":        "The key is revoked. It is refused from its next use on.",
	"client-saved":       "The client is saved.",
	"client-deleted":     "The client is deleted, and its grants are revoked.",
	"grant-saved":        "The grant is saved. It counts from the next call on.",
	"grant-revoked":      "The grant is revoked. The client has to ask again.",
	"profile-saved":      "The profile is saved.",
	"profile-deleted":    "The profile is deleted.",
}
