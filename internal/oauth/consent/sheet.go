package consent

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/oauth"
	"drawbridge/internal/web"
)

// sheet is one showing of the page: what is asked, what was chosen so far, and what
// was wrong with it.
type sheet struct {
	pending
	sealed  string
	admin   bool // the admin pages are offered
	choice  choice
	problem string
}

// choice is what the person has chosen.
type choice struct {
	user      string
	write     bool
	dangerous []string // names of backends
	admin     bool
	expiry    string // days, "0": until revoked
}

func read(form url.Values) choice {
	return choice{
		user: form.Get("user"), write: form.Has("write"), dangerous: form["dangerous"],
		admin: form.Has("admin"), expiry: form.Get("days"),
	}
}

// periods are for how long a client may be let in, in days; 0 is until revoked.
var periods = []int{0, 90, 30, 7, 1}

// days is the chosen period.
func (c choice) days() (int, bool) {
	i := slices.IndexFunc(periods, func(d int) bool { return strconv.Itoa(d) == c.expiry })
	if i < 0 {
		return 0, false
	}
	return periods[i], true
}

// code is the code that a user has allowed.
func (s *sheet) code(user account.User, now time.Time) oauth.Code {
	c := s.Code
	c.User, c.PasswordHash = user.ID, user.PasswordHash
	c.Rights = account.ReadRights()
	c.Rights.Write = s.choice.write
	c.Rights.Destructive = s.choice.dangerous
	c.Role = account.RoleMember
	if s.choice.admin {
		c.Role = account.RoleAdmin
	}
	if days, _ := s.choice.days(); days > 0 {
		c.GrantExpires = now.AddDate(0, 0, days)
	}
	c.Expires = now.Add(oauth.CodeLife)
	return c
}

// view is what the template shows.
type view struct {
	Request string // sealed
	Problem string
	Plain   bool // the connection can be read by others

	Host    string // checked; "" for a client that nobody checked
	Name    string // what it calls itself
	Entered bool   // an admin entered it
	Back    place
	Local   bool // anything on this computer could be behind it
	Profile string

	Backends  string // how many there are
	Names     string
	Writes    string // the names of those with tools that change things
	Write     bool
	Dangerous []tick
	Admin     bool // is offered
	AdminTick bool
	AdminNot  bool // was asked for, and is not offered

	Periods  []period
	NeedUser bool
	User     string
}

// place is where the browser goes after the answer.
type place struct {
	Words string // before Code
	Code  string
}

// tick stands for the dangerous tools of a backend.
type tick struct {
	Name   string
	Title  string
	Tools  int
	Ticked bool
}

type period struct {
	Days   int
	Text   string
	Chosen bool
}

// show answers with the page.
func (h *Handler) show(w http.ResponseWriter, r *http.Request, status int, s *sheet) {
	offers, _, err := h.offers(r.Context(), s)
	if err != nil {
		h.fail(w, err)
		return
	}
	only, err := h.Passwords.OnlyAdmin(r.Context())
	if err != nil {
		h.fail(w, err)
		return
	}
	v := s.view(offers)
	v.NeedUser, v.Plain = !only, web.Plain(r, h.Base())
	if err := web.Render(w, status, "consent", web.FormAny, v); err != nil {
		h.Log.Error("page not shown", "error", err)
		http.Error(w, fault.PublicInternal, http.StatusInternalServerError)
	}
}

func (s *sheet) view(offers []Server) view {
	v := view{
		Request: s.sealed, Problem: s.problem,
		Host: s.Host, Name: s.Code.ClientName, Entered: s.Kind == oauth.Static,
		Back: placeOf(s.Code.RedirectURI), Profile: oauth.ProfileOf(s.Code.Resource),
		Local:    s.Local || oauth.OnlyLoopback([]string{s.Code.RedirectURI}),
		Backends: count(len(offers)), Write: s.choice.write, User: s.choice.user,
		Admin: s.admin, AdminTick: s.admin && s.choice.admin, AdminNot: !s.admin && oauth.HasScope(s.Scope, oauth.ScopeAdmin),
	}
	var names, writers []string
	for _, o := range offers {
		title := web.Claim(o.Title)
		if title == "" {
			title = o.Name
		}
		names = append(names, title)
		if o.Writes > 0 {
			writers = append(writers, title)
		}
		if o.Dangerous > 0 {
			v.Dangerous = append(v.Dangerous, tick{o.Name, title, o.Dangerous, slices.Contains(s.choice.dangerous, o.Name)})
		}
	}
	v.Names, v.Writes = some(names), some(writers)
	for _, d := range periods {
		p := period{Days: d, Text: fmt.Sprintf("%d days", d), Chosen: strconv.Itoa(d) == s.choice.expiry}
		switch d {
		case 0:
			p.Text = "until I revoke it"
		case 1:
			p.Text = "1 day"
		}
		v.Periods = append(v.Periods, p)
	}
	return v
}

// placeOf says in words where a redirect URI leads.
func placeOf(uri string) place {
	u, err := url.Parse(uri)
	switch {
	case err != nil: // was checked when the client came to be known
		return place{Code: uri}
	case oauth.OnlyLoopback([]string{uri}):
		return place{"a program on this computer, at", u.Host}
	case u.Scheme == "http" || u.Scheme == "https":
		return place{Code: u.Host}
	}
	return place{"the program on this device that opens", u.Scheme + "://" + u.Host}
}

func count(n int) string {
	switch n {
	case 0:
		return "any backend that is added"
	case 1:
		return "your backend"
	}
	return fmt.Sprintf("your %d backends", n)
}

// some names the first few.
func some(names []string) string {
	const most = 6
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
