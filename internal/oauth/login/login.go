// Package login signs people in to the admin pages with a browser, and out again.
//
// A session is an opaque cookie that the store knows by its hash; each sign-in makes
// a new one and ends the one before it, so that nobody can hand another person a
// session (A7). It opens the admin pages and nothing else: a member gets none, and
// clients come in through consent, which asks for the password itself. The way back
// after a sign-in is a path of ours, or /admin (T25).
package login

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/oauth"
	"drawbridge/internal/route"
	"drawbridge/internal/secret"
	"drawbridge/internal/web"
)

// Passwords finds out who signs in.
type Passwords interface {
	// SignIn fails with Unauthenticated, Limited or Unavailable.
	SignIn(ctx context.Context, name string, password secret.String) (account.User, error)
	// OnlyAdmin tells that nobody but the user admin could sign in.
	OnlyAdmin(ctx context.Context) (bool, error)
}

// Sessions keeps browser sessions.
type Sessions interface {
	// CreateSignIn fails with Conflict if the user has got another password than s says.
	CreateSignIn(ctx context.Context, s account.SignIn) error
	EndSignIn(ctx context.Context, hash [32]byte) error
}

// Recorder takes the audit rows.
type Recorder interface{ Call(r account.Record) }

// Handler serves the sign-in page. All fields are needed.
type Handler struct {
	Log       *slog.Logger
	Base      func() string // public URL without a path
	Passwords Passwords
	Sessions  Sessions
	Audit     Recorder
}

const (
	sessionLife = 12 * time.Hour // however much it is used; the store ends idle ones earlier
	maxForm     = 16 << 10       // bytes
)

// Routes are signing in, and signing out of a session that is still there.
func (h *Handler) Routes() []route.Route {
	return []route.Route{
		{Pattern: "/login", Methods: []string{http.MethodGet, http.MethodHead, http.MethodPost}, Policy: route.Public, Handler: http.HandlerFunc(h.serve)},
		{Pattern: "/logout", Methods: []string{http.MethodPost}, Policy: route.AdminPage, Handler: http.HandlerFunc(h.signOut)},
	}
}

// view is what the template shows.
type view struct {
	Next     string
	Problem  string
	Plain    bool // the connection can be read by others
	NeedUser bool
	User     string
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		h.signIn(w, r)
		return
	}
	h.show(w, r, http.StatusOK, view{Next: next(r.URL.Query().Get("next"))})
}

// show answers with the page.
func (h *Handler) show(w http.ResponseWriter, r *http.Request, status int, v view) {
	only, err := h.Passwords.OnlyAdmin(r.Context())
	if err != nil {
		h.fail(w, err)
		return
	}
	v.NeedUser, v.Plain = !only, web.Plain(r, h.Base())
	h.sent(w, web.Render(w, status, "login", web.FormSelf, v))
}

func (h *Handler) signIn(w http.ResponseWriter, r *http.Request) {
	if !web.FromOwnPage(r, h.Base()) {
		h.refuse(w)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		h.show(w, r, http.StatusBadRequest, view{Next: next(""), Problem: "The form did not arrive whole. Send it again."})
		return
	}
	v := view{Next: next(r.PostForm.Get("next")), User: r.PostForm.Get("user")}
	user, err := h.find(r.Context(), v.User, secret.New(r.PostForm.Get("password")))
	if err != nil {
		h.again(w, r, v, err)
		return
	}
	if user.Role != account.RoleAdmin {
		h.sent(w, web.Say(w, http.StatusForbidden, web.Notice{
			Title: "These pages are for admins", Text: "The password is right, but " + user.Name + " is no admin. You are not signed in.",
			Next: "Nothing is missing for using Drawbridge: connect your programs to " + h.Base() + oauth.DefaultResource + ". For these pages, ask an admin.",
			Link: "/login", LinkText: "Sign in as somebody else",
		}))
		return
	}
	err = h.open(w, r, user)
	if fault.CodeOf(err) == fault.Conflict {
		h.again(w, r, v, err)
		return
	}
	if err != nil {
		h.fail(w, err)
		return
	}
	h.Log.Info("admin signed in", "user", user.ID)
	web.SeeOther(w, v.Next, nil)
}

// again shows the page once more, with what is wrong.
func (h *Handler) again(w http.ResponseWriter, r *http.Request, v view, err error) {
	status := fault.Status(fault.CodeOf(err))
	switch {
	case status >= http.StatusInternalServerError:
		h.Log.Error("sign-in not checked", "error", err)
	case status == http.StatusUnauthorized: // which is for schemes of HTTP
		status = http.StatusForbidden
	}
	v.Problem = fault.PublicOf(err)
	h.show(w, r, status, v)
}

// find finds who signs in.
func (h *Handler) find(ctx context.Context, name string, password secret.String) (account.User, error) {
	only, err := h.Passwords.OnlyAdmin(ctx)
	if err != nil {
		return account.User{}, err
	}
	if only {
		name = account.Admin
	}
	return h.Passwords.SignIn(ctx, name, password)
}

// open begins a session, and ends the one that the browser had.
func (h *Handler) open(w http.ResponseWriter, r *http.Request, user account.User) error {
	if err := h.end(r); err != nil {
		return err
	}
	token, hash := secret.NewToken(oauth.PrefixSignIn)
	now := time.Now()
	s := account.SignIn{ID: hash, User: user.ID, Role: user.Role, Created: now, Seen: now, Expires: now.Add(sessionLife), PasswordHash: user.PasswordHash}
	if err := h.Sessions.CreateSignIn(r.Context(), s); err != nil {
		return err
	}
	web.SetCookie(w, r, h.Base(), web.SignInCookie, token.Reveal())
	return nil
}

func (h *Handler) end(r *http.Request) error {
	old := web.Cookie(r, web.SignInCookie)
	if !secret.WellFormed(oauth.PrefixSignIn, old) {
		return nil
	}
	return h.Sessions.EndSignIn(r.Context(), secret.Hash(old))
}

func (h *Handler) signOut(w http.ResponseWriter, r *http.Request) {
	if !web.FromOwnPage(r, h.Base()) {
		h.refuse(w)
		return
	}
	p, _ := account.PrincipalFrom(r.Context())
	err := h.end(r)
	outcome := account.Succeeded
	if err != nil {
		outcome = account.Failed
	}
	h.Audit.Call(account.Record{Time: time.Now(), User: p.User, Credential: p.Credential, Method: "account/sign-out", Decision: account.Allowed, Outcome: outcome})
	if err != nil {
		h.fail(w, err)
		return
	}
	web.DropCookie(w, r, h.Base(), web.SignInCookie)
	web.SeeOther(w, "/login", nil)
}

// refuse answers a form that was not one of ours (A7).
func (h *Handler) refuse(w http.ResponseWriter) {
	h.sent(w, web.Say(w, http.StatusForbidden, web.Notice{
		Title: "This form cannot be used", Text: "It did not come from a page of Drawbridge, or the browser does not say so.",
		Next: "Open the sign-in page itself and try again.", Link: "/login", LinkText: "Sign in",
	}))
}

// fail answers when a part we need is down.
func (h *Handler) fail(w http.ResponseWriter, err error) {
	h.Log.Error("sign-in not served", "error", err)
	h.sent(w, web.Say(w, fault.Status(fault.CodeOf(err)), web.Notice{Title: "Drawbridge cannot do this now", Text: fault.PublicOf(err)}))
}

// sent takes the error of an answer that could not be made.
func (h *Handler) sent(w http.ResponseWriter, err error) {
	if err != nil {
		h.Log.Error("page not shown", "error", err)
		http.Error(w, fault.PublicInternal, http.StatusInternalServerError)
	}
}
