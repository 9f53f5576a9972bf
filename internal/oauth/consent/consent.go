// Package consent asks the person in front of a browser whether a client may come
// in, what it may do and for how long: the one gate (design 4.6). The answer is an
// authorization code for the client, or access_denied.
//
// It asks every time and remembers no answer, takes the password with the answer
// instead of a browser session, and never issues anything for a GET. What is asked
// for travels through the page, sealed and bound to the browser by a cookie, so
// that nobody can post another person's page, an altered or an old one, or let a
// client in twice with one (A7, A9). What a client says of itself is shown as its
// claim, beside what was checked (A10). A profile that does not exist looks like an
// empty one until a password was right. The package authorize calls it, after the
// rest of the request was checked, and bounds how often.
package consent

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/oauth"
	"drawbridge/internal/secret"
	"drawbridge/internal/web"
)

// Server is a backend as the page offers it: how many tools it has, and how many of
// them change things, or are dangerous.
type Server struct {
	Name      string
	Title     string // "" is Name
	Tools     int
	Writes    int
	Dangerous int
}

// Offers tells what there is to allow, within a profile or, with "", in all. It fails
// with fault.NotFound for a profile that does not exist.
type Offers interface {
	Offer(ctx context.Context, profile string) ([]Server, error)
}

// Passwords finds out who answers.
type Passwords interface {
	// SignIn fails with Unauthenticated, Limited or Unavailable.
	SignIn(ctx context.Context, name string, password secret.String) (account.User, error)
	// OnlyAdmin tells that nobody but the user admin could sign in.
	OnlyAdmin(ctx context.Context) (bool, error)
}

// Store keeps codes, and which pages were answered.
type Store interface {
	Client(ctx context.Context, id string) (oauth.Client, error)
	// CreateCode fails with Conflict if the user has got another password than c says.
	CreateCode(ctx context.Context, c oauth.Code) error
	UseOnce(ctx context.Context, kind string, value [32]byte, until time.Time) (first bool, err error)
}

// Recorder takes the audit rows.
type Recorder interface{ Call(r account.Record) }

// Handler asks for consent. All fields are needed.
type Handler struct {
	Log       *slog.Logger
	Base      func() string // the issuer: public URL without a path
	Box       *secret.Box   // used for nothing else
	Passwords Passwords
	Offers    Offers
	Store     Store
	Audit     Recorder
}

const (
	cookieName   = "drawbridge-consent"
	cookiePrefix = "dbo_"
	onceKind     = "consent"
)

// Ask answers with the page. code is what the client is to get as far as the
// request settles it; scope is what of the scopes asked for exists.
func (h *Handler) Ask(w http.ResponseWriter, r *http.Request, client oauth.Client, code oauth.Code, scope, state string) {
	code.ClientName = web.Claim(client.Metadata.Name)
	if code.ClientName == "" {
		code.ClientName = web.Claim(client.ID)
	}
	p := pending{
		Code: code, Kind: client.Kind, Host: client.Host(), Local: oauth.OnlyLoopback(client.Metadata.RedirectURIs),
		Scope: scope, State: state, Until: time.Now().Add(oauth.ConsentLife).Unix(),
	}
	// A second page, which a browser may fetch ahead or load again, must not make the
	// first one useless: the cookie stays (R7).
	browser := web.Cookie(r, cookieName)
	if !secret.WellFormed(cookiePrefix, browser) {
		token, _ := secret.NewToken(cookiePrefix)
		browser = token.Reveal()
		web.SetCookie(w, r, h.Base(), cookieName, browser)
	}
	sealed, err := p.seal(h.Box, browser)
	if err != nil {
		h.fail(w, err)
		return
	}
	h.show(w, r, http.StatusOK, &sheet{pending: p, sealed: sealed, admin: mayAdmin(&client, scope)})
}

// mayAdmin tells whether the page offers the admin pages to a client: it asked, and
// an admin has entered it or allowed it to ask (design 4.3).
func mayAdmin(client *oauth.Client, scope string) bool {
	return oauth.HasScope(scope, oauth.ScopeAdmin) && (client.Kind == oauth.Static || client.MayAdmin)
}

// fail answers when a part we need is down.
func (h *Handler) fail(w http.ResponseWriter, err error) {
	h.Log.Error("consent not asked", "error", err)
	n := web.Notice{Title: "Drawbridge cannot do this now", Text: fault.PublicOf(err)}
	h.say(w, fault.Status(fault.CodeOf(err)), n)
}

func (h *Handler) say(w http.ResponseWriter, status int, n web.Notice) {
	if err := web.Say(w, status, n); err != nil {
		h.Log.Error("page not shown", "error", err)
		http.Error(w, fault.PublicInternal, http.StatusInternalServerError)
	}
}
