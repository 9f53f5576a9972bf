package status

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/auth"
	"drawbridge/internal/backend"
	"drawbridge/internal/fault"
	"drawbridge/internal/route"
	"drawbridge/internal/web"
)

// Guests are those who may come in, with when they last did.
type Guests interface {
	Grants(ctx context.Context, user string) ([]account.Grant, error)
	Keys(ctx context.Context) ([]account.Key, error)
}

// Dashboard serves /dashboard and its JSON.
type Dashboard struct {
	Log     *slog.Logger
	Source  Source
	Guests  Guests
	Version string
	Started time.Time
	Base    func() string // public URL without a path
}

// Routes are the dashboard's routes.
func (d *Dashboard) Routes() []route.Route {
	get := []string{http.MethodGet, http.MethodHead}
	return []route.Route{
		{Pattern: "/dashboard", Methods: get, Policy: route.AdminPage, Handler: http.HandlerFunc(d.page)},
		{Pattern: "/dashboard/status", Methods: get, Policy: route.Admin, Handler: http.HandlerFunc(d.json)},
	}
}

// maxGuests bounds the list of those who are connected.
const maxGuests = 50

// guest is a live grant or key that was used.
type guest struct {
	Kind     string    `json:"kind"` // "grant" or "key"
	ID       string    `json:"id"`
	User     string    `json:"user"`
	Name     string    `json:"name"`             // of the key, or as the client calls itself
	Client   string    `json:"client,omitempty"` // OAuth client id
	LastUsed time.Time `json:"last_used"`
}

// everything is the answer of /dashboard/status.
type everything struct {
	Version   string           `json:"version"`
	Started   time.Time        `json:"started"`
	Backends  []backend.Status `json:"backends"`
	Refused   []string         `json:"refused,omitempty"`
	Connected []guest          `json:"connected"`
}

func (d *Dashboard) everything(ctx context.Context) (everything, error) {
	connected, err := d.connected(ctx)
	all := everything{Version: d.Version, Started: d.Started.UTC(), Backends: d.Source.Statuses(), Refused: d.Source.Refused(), Connected: connected}
	if all.Backends == nil {
		all.Backends = []backend.Status{}
	}
	return all, err
}

// connected lists who was here, the latest first.
func (d *Dashboard) connected(ctx context.Context) ([]guest, error) {
	grants, err := d.Guests.Grants(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("list grants: %w", err)
	}
	keys, err := d.Guests.Keys(ctx)
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	now, guests := time.Now(), []guest{}
	for _, g := range grants {
		if g.Live(now) && !g.LastUsed.IsZero() {
			guests = append(guests, guest{"grant", g.ID, g.User, g.ClientName, g.Client, g.LastUsed.UTC()})
		}
	}
	for _, k := range keys {
		if k.Live(now) && !k.LastUsed.IsZero() {
			guests = append(guests, guest{"key", k.ID, k.User, k.Name, "", k.LastUsed.UTC()})
		}
	}
	slices.SortStableFunc(guests, func(a, b guest) int {
		return cmp.Or(b.LastUsed.Compare(a.LastUsed), cmp.Compare(a.ID, b.ID))
	})
	return guests[:min(len(guests), maxGuests)], nil
}

func (d *Dashboard) json(w http.ResponseWriter, r *http.Request) {
	all, err := d.everything(r.Context())
	if err != nil {
		code := d.failed(w, err)
		write(w, fault.Status(code), map[string]string{"error": string(code), "message": fault.PublicOf(err)})
		return
	}
	write(w, http.StatusOK, all)
}

// failed logs why there is no dashboard.
func (d *Dashboard) failed(w http.ResponseWriter, err error) fault.Code {
	d.Log.Error("dashboard not made", "error", err)
	code := fault.CodeOf(err)
	if code == fault.Unavailable {
		w.Header().Set("Retry-After", "5")
	}
	return code
}

// view is the data of the page.
type view struct {
	web.Bar
	Title   string
	URL     string
	Tools   int
	All     everything
	Cards   []card
	Refused []string
	Failure string
}

// card is a backend as it is shown. Whatever came from it is one line of text.
type card struct {
	Name, Class, Word string // state as colour and word
	Kind              string // transport, era, revision
	Tools             int
	Latency           string
	InFlight          int64
	Restarts          int64
	Error             string
	Stderr            string
}

func (d *Dashboard) page(w http.ResponseWriter, r *http.Request) {
	by, _ := account.PrincipalFrom(r.Context())
	v := view{Bar: web.Bar{At: "/dashboard", FormToken: auth.FormToken(r), Plain: web.Plain(r, d.Base())}, URL: d.Base()}
	if v.FormToken != "" { // a browser session, which can be ended
		v.User = by.User
	}
	status := http.StatusOK
	all, err := d.everything(r.Context())
	if err != nil { // the backends are shown all the same
		status = fault.Status(d.failed(w, err))
		v.Failure = fault.PublicOf(err)
	}
	v.All, v.Title = all, sentence(all.Backends)
	for _, s := range all.Backends {
		v.Tools += s.Tools
		v.Cards = append(v.Cards, cardOf(s))
	}
	for _, text := range all.Refused {
		v.Refused = append(v.Refused, web.Line(text))
	}
	if err := web.Render(w, status, "dashboard", web.FormSelf, v); err != nil {
		d.Log.Error("page not rendered", "path", r.URL.Path, "error", err)
		http.Error(w, fault.PublicInternal, http.StatusInternalServerError)
	}
}

// sentence says how things are.
func sentence(backends []backend.Status) string {
	ready, wanted := 0, 0
	for _, s := range backends {
		if s.State == backend.Disabled {
			continue
		}
		wanted++
		if s.State == backend.Ready {
			ready++
		}
	}
	switch {
	case len(backends) == 0:
		return "There are no backends yet"
	case wanted == 0:
		return "No backend is switched on"
	case ready == wanted && wanted == 1:
		return "The backend is healthy"
	case ready == wanted:
		return fmt.Sprintf("All %d backends are healthy", wanted)
	case ready == 0 && wanted == 1:
		return "The backend does not work now"
	}
	return fmt.Sprintf("%d of %d backends are healthy", ready, wanted)
}

func cardOf(s backend.Status) card {
	c := card{Name: web.Line(s.Name), Tools: s.Tools, Latency: latency(s.LatencyMS), InFlight: s.InFlight, Restarts: s.Restarts, Error: web.Line(s.LastError)}
	kind := []string{string(s.Transport)}
	for _, more := range []string{s.Era, string(s.Revision)} {
		if more != "" {
			kind = append(kind, more)
		}
	}
	c.Kind = web.Line(strings.Join(kind, " · "))
	lines := make([]string, len(s.Stderr))
	for i, one := range s.Stderr {
		lines[i] = web.Line(one)
	}
	c.Stderr = strings.Join(lines, "\n")
	switch s.State {
	case backend.Ready:
		c.Class, c.Word = "ok", "healthy"
	case backend.Connecting:
		c.Class, c.Word = "ask", "connecting"
	case backend.Degraded:
		c.Class, c.Word = "warn", "degraded"
	case backend.Failed:
		c.Class, c.Word = "bad", "failed"
	default:
		c.Class, c.Word = "off", "off"
	}
	return c
}

// latency is a time as a person reads it; there is none before the first call.
func latency(ms float64) string {
	switch {
	case ms <= 0:
		return "–"
	case ms < 10:
		return strconv.FormatFloat(ms, 'f', 1, 64) + " ms"
	case ms < 1000:
		return strconv.FormatFloat(ms, 'f', 0, 64) + " ms"
	}
	return strconv.FormatFloat(ms/1000, 'f', 1, 64) + " s"
}
