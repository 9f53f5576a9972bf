// Package authorize takes authorization requests (OAuth 2.1, 4.1.1): it checks all
// of one and hands it to the consent page, which decides with the person in front
// of it.
//
// A GET has no side effects and needs nobody to be signed in: clients fetch the
// page themselves to see whether it will work before they send a browser (ecosystem
// reference, section 2). Until the client and its redirect URI are verified, an
// error is a page for the person and leads nowhere; from then on it is sent to the
// client with state and iss (RFC 9207). Only the code flow with PKCE S256 exists.
// Which profiles there are is not told here: consent says that one does not exist,
// once a password was right.
package authorize

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/oauth"
	"drawbridge/internal/route"
	"drawbridge/internal/web"
)

// Clients finds a client by its id, or fails with fault.NotFound.
type Clients interface {
	Client(ctx context.Context, id string) (oauth.Client, error)
}

// Profiles finds a profile by its name, or fails with fault.NotFound.
type Profiles interface {
	Profile(ctx context.Context, name string) (account.Profile, error)
}

// Consent asks the person in front of the browser.
type Consent interface {
	// Ask answers with the page. code is what the client is to get as far as the
	// request settles it; scope is what of the scopes asked for exists.
	Ask(w http.ResponseWriter, r *http.Request, client oauth.Client, code oauth.Code, scope, state string)
	// Answer takes what the page posts.
	Answer(w http.ResponseWriter, r *http.Request)
}

// Handler serves the authorization endpoint. All fields are needed.
type Handler struct {
	Log       *slog.Logger
	Base      func() string // the issuer: public URL without a path
	Clients   Clients       // those that are registered or were entered
	Documents Clients       // those whose id is the URL of their metadata
	Profiles  Profiles
	Consent   Consent
}

// Routes are the endpoint and its alias for clients that know no metadata (R19).
// Answers to either count together.
func (h *Handler) Routes() []route.Route {
	serve := http.HandlerFunc(newAnswers(h).serve)
	methods := []string{http.MethodGet, http.MethodHead, http.MethodPost}
	var routes []route.Route
	for _, path := range []string{"/oauth/authorize", "/authorize"} {
		routes = append(routes, route.Route{Pattern: path, Methods: methods, Policy: route.Public, Handler: serve})
	}
	return routes
}

// ask takes a request, and has consent ask about it.
func (h *Handler) ask(w http.ResponseWriter, r *http.Request) {
	p, err := oauth.ParseParams(r.URL.RawQuery)
	if err != nil {
		h.refuse(w, err)
		return
	}
	client, uri, err := h.sender(r.Context(), p)
	if err != nil {
		h.refuse(w, err)
		return
	}
	code, err := h.check(r.Context(), client, p)
	if err != nil {
		h.sendBack(w, uri, p.Get("state"), err)
		return
	}
	code.RedirectURI = uri
	h.Consent.Ask(w, r, client, code, oauth.Known(p.Get("scope")), p.Get("state"))
}

// sendBack tells the client what is wrong (OAuth 2.1, 4.1.2.1).
func (h *Handler) sendBack(w http.ResponseWriter, uri, state string, err *oauth.Error) {
	h.note(err)
	answer := url.Values{"error": {err.Word}, "error_description": {printable(err.Public)}, "iss": {h.Base()}}
	if state != "" {
		answer.Set("state", state)
	}
	web.SeeOther(w, uri, answer)
}

// printable leaves out what error_description must not have (OAuth 2.1, 4.1.2.1).
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return -1
		}
		return r
	}, s)
}

// refuse tells the person what is wrong, and nobody else.
func (h *Handler) refuse(w http.ResponseWriter, err *oauth.Error) {
	h.note(err)
	page := web.Notice{Title: "This program cannot be connected", Text: err.Public, Word: err.Word}
	status := err.Status
	switch {
	case err.Word == wordUnknown:
		page.Title = "This program is not known here"
		page.Next = reconnect
	case status >= http.StatusInternalServerError:
		page.Title = "Drawbridge cannot do this now"
	}
	if status == 0 || status == http.StatusUnauthorized {
		status = http.StatusBadRequest
	}
	h.say(w, status, page)
}

func (h *Handler) say(w http.ResponseWriter, status int, page web.Notice) {
	if err := web.Say(w, status, page); err != nil {
		h.Log.Error("page not shown", "error", err)
		http.Error(w, fault.PublicInternal, http.StatusInternalServerError)
	}
}

// note logs what is not the client's own fault. One that hung up is no trouble.
func (h *Handler) note(err *oauth.Error) {
	if err.Status >= http.StatusInternalServerError && !errors.Is(err, context.Canceled) {
		h.Log.Error("authorization request not checked", "error", err)
		return
	}
	h.Log.Debug("authorization request refused", "error", err)
}
