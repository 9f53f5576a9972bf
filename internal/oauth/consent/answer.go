package consent

import (
	"context"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/oauth"
	"drawbridge/internal/secret"
	"drawbridge/internal/web"
)

const maxForm = 64 << 10 // bytes

const noProfile = "There is no such profile. Ask for one that exists, or for none."

// Answer takes what the page posts.
func (h *Handler) Answer(w http.ResponseWriter, r *http.Request) {
	if !web.FromOwnPage(r, h.Base()) {
		h.refuse(w, fault.New(fault.Forbidden, "This answer did not come from a page of Drawbridge. Connect again from the program."))
		return
	}
	form, err := readForm(w, r)
	if err != nil {
		h.refuse(w, err)
		return
	}
	sealed := form.Get("request")
	p, err := open(h.Box, sealed, web.Cookie(r, cookieName), time.Now())
	if err != nil {
		h.refuse(w, err)
		return
	}
	client, err := h.Store.Client(r.Context(), p.Code.Client)
	if fault.CodeOf(err) == fault.NotFound {
		h.refuse(w, fault.Wrap(err, fault.Forbidden, "The program was removed here meanwhile. In the program, remove and add the connector again."))
		return
	}
	if err != nil {
		h.fail(w, err)
		return
	}
	s := &sheet{pending: p, sealed: sealed, choice: read(form), admin: mayAdmin(&client, p.Scope)}
	switch form.Get("answer") {
	case "allow":
		h.allow(w, r, s, secret.New(form.Get("password")))
	case "cancel":
		h.cancel(w, s)
	default:
		h.refuse(w, fault.New(fault.Invalid, "The page did not say whether the program may come in. Connect again from the program."))
	}
}

// allow lets the client in, if whoever answers may do so.
func (h *Handler) allow(w http.ResponseWriter, r *http.Request, s *sheet, password secret.String) {
	exists, err := h.checkChoice(r.Context(), s)
	if err != nil {
		h.again(w, r, s, err)
		return
	}
	// A wrong password leaves the page as good as it was.
	user, err := h.signIn(r.Context(), s, password)
	if err != nil {
		h.again(w, r, s, err)
		return
	}
	if !exists {
		h.record(s, user.ID, account.Denied, account.Failed)
		h.sendBack(w, s, url.Values{"error": {"invalid_target"}, "error_description": {noProfile}})
		return
	}
	if err := h.burn(r.Context(), s, user.ID); err != nil {
		h.refuse(w, err)
		return
	}
	value, hash := secret.NewToken(oauth.PrefixCode)
	code := s.code(user, time.Now())
	code.Hash = hash
	if err := h.Store.CreateCode(r.Context(), code); err != nil {
		h.record(s, user.ID, account.Allowed, account.Failed)
		h.refuse(w, err)
		return
	}
	h.record(s, user.ID, account.Allowed, account.Succeeded)
	h.Log.Info("client let in", "client", code.Client, "user", user.ID, "resource", code.Resource)
	h.sendBack(w, s, url.Values{"code": {value.Reveal()}})
}

// cancel tells the client that it may not come in. It takes no password and grants
// nothing, so no mark is left of it.
func (h *Handler) cancel(w http.ResponseWriter, s *sheet) {
	h.record(s, "", account.Denied, account.Succeeded)
	h.sendBack(w, s, url.Values{"error": {"access_denied"}, "error_description": {"The person said no."}})
}

// sendBack ends with the client, by a plain redirect after the POST (R6).
func (h *Handler) sendBack(w http.ResponseWriter, s *sheet, answer url.Values) {
	answer.Set("iss", h.Base())
	if s.State != "" {
		answer.Set("state", s.State)
	}
	web.SeeOther(w, s.Code.RedirectURI, answer)
}

// checkChoice refuses ticks that the page did not offer, or no longer would, and
// tells whether what is asked for exists.
func (h *Handler) checkChoice(ctx context.Context, s *sheet) (exists bool, err error) {
	offers, exists, err := h.offers(ctx, s)
	if err != nil {
		return false, err
	}
	for _, name := range s.choice.dangerous {
		offered := func(o Server) bool { return o.Name == name && o.Dangerous > 0 }
		if !slices.ContainsFunc(offers, offered) {
			return false, fault.New(fault.Invalid, "A backend whose dangerous tools you ticked has none any more. Look at the ticks again.")
		}
	}
	if s.choice.admin && !s.admin {
		return false, fault.New(fault.Forbidden, "This program may not be let into the admin pages. An admin can allow it to ask, under Clients.")
	}
	if _, ok := s.choice.days(); !ok {
		return false, fault.New(fault.Invalid, "The page did not say for how long. Choose again.")
	}
	return exists, nil
}

// offers is what there is to allow. A profile that does not exist is one without
// backends for whoever has not given a password yet: nobody tells strangers which
// ones there are.
func (h *Handler) offers(ctx context.Context, s *sheet) (offers []Server, exists bool, err error) {
	offers, err = h.Offers.Offer(ctx, oauth.ProfileOf(s.Code.Resource))
	if fault.CodeOf(err) == fault.NotFound {
		return nil, false, nil
	}
	return offers, err == nil, err
}

// signIn finds out who answers, and whether they may allow what they ticked.
func (h *Handler) signIn(ctx context.Context, s *sheet, password secret.String) (account.User, error) {
	only, err := h.Passwords.OnlyAdmin(ctx)
	if err != nil {
		return account.User{}, err
	}
	name := s.choice.user
	if only {
		name = account.Admin
	}
	user, err := h.Passwords.SignIn(ctx, name, password)
	if err != nil {
		return account.User{}, err
	}
	if s.choice.admin && user.Role != account.RoleAdmin {
		h.record(s, user.ID, account.Denied, account.Failed)
		return account.User{}, fault.New(fault.Forbidden, "Only an admin can let a program into the admin pages. Take that tick away, or sign in as an admin.")
	}
	return user, nil
}

// burn marks the page as answered by a user.
func (h *Handler) burn(ctx context.Context, s *sheet, user string) error {
	first, err := h.Store.UseOnce(ctx, onceKind, secret.Hash(s.sealed), time.Unix(s.Until, 0))
	if err != nil {
		return err
	}
	if !first {
		h.record(s, user, account.Denied, account.Failed)
		return fault.New(fault.Forbidden, "This page was answered already. If the program is not connected, connect again from there.")
	}
	return nil
}

func (h *Handler) record(s *sheet, user string, d account.Decision, o account.Outcome) {
	h.Audit.Call(account.Record{
		Time: time.Now(), User: user, Client: s.Code.Client, Method: "oauth/authorize", Target: s.Code.Resource, Decision: d, Outcome: o,
	})
}

// again shows the page once more, with what is wrong.
func (h *Handler) again(w http.ResponseWriter, r *http.Request, s *sheet, err error) {
	status := fault.Status(fault.CodeOf(err))
	s.problem = fault.PublicOf(err)
	if status == http.StatusUnauthorized { // which is for schemes of HTTP
		status = http.StatusForbidden
	}
	if status >= http.StatusInternalServerError {
		h.Log.Error("consent not taken", "error", err)
	}
	h.show(w, r, status, s)
}

// refuse answers a post that cannot be taken at all. Anybody can send such posts.
func (h *Handler) refuse(w http.ResponseWriter, err error) {
	if code := fault.CodeOf(err); code != fault.Forbidden && code != fault.Invalid && code != fault.Conflict {
		h.fail(w, err)
		return
	}
	h.Log.Debug("consent refused", "error", err)
	h.say(w, fault.Status(fault.CodeOf(err)), web.Notice{Title: "This page cannot be used", Text: fault.PublicOf(err)})
}

// readForm reads a bounded form, in which only the ticks for backends may occur
// more than once (A19).
func readForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	unreadable := func(err error) error {
		return fault.Wrap(err, fault.Invalid, "The answer cannot be read. Connect again from the program.")
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, unreadable(err)
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return nil, unreadable(err)
	}
	for name, values := range r.PostForm {
		if len(values) > 1 && name != "dangerous" {
			return nil, unreadable(nil)
		}
	}
	return r.PostForm, nil
}
