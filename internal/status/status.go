// Package status says how the gateway is: the public probes, which tell nothing
// but alive or not; /status, which tells every authenticated principal what the
// backends do that it may use; and the dashboard, which tells admins everything.
package status

import (
	"context"
	"encoding/json"
	"net/http"

	"drawbridge/internal/account"
	"drawbridge/internal/backend"
	"drawbridge/internal/fault"
	"drawbridge/internal/gateway/park"
	"drawbridge/internal/route"
)

// Source is what the status is made of.
type Source interface {
	Statuses() []backend.Status
	Refused() []string // catalogue entries that are left out, with what to set
}

// Lot is the calls that wait for a person's answer: of one user, or everybody's
// for "".
type Lot interface {
	Parked(user string) []park.Info
	CancelParked(id, user string) bool
}

// Handler serves the probes and /status.
type Handler struct {
	Source  Source
	Lot     Lot
	Ready   func(ctx context.Context) error // nil error: the store works and the server is not draining
	Version string
}

// Routes are the handler's routes.
func (h *Handler) Routes() []route.Route {
	get := []string{http.MethodGet, http.MethodHead}
	return []route.Route{
		{Pattern: "/health", Methods: get, Policy: route.Public, Handler: http.HandlerFunc(h.ready)},
		{Pattern: "/readyz", Methods: get, Policy: route.Public, Handler: http.HandlerFunc(h.ready)},
		{Pattern: "/livez", Methods: get, Policy: route.Public, Handler: http.HandlerFunc(h.live)},
		{Pattern: "/status", Methods: get, Policy: route.Bearer, Handler: http.HandlerFunc(h.status)},
		{Pattern: "/status/parked/{id}", Methods: []string{http.MethodDelete}, Policy: route.Bearer, Handler: http.HandlerFunc(h.cancel)},
	}
}

func (h *Handler) live(w http.ResponseWriter, _ *http.Request) {
	write(w, http.StatusOK, map[string]string{"status": "ok"})
}

// ready is green when this process can serve: backends do not count, since one
// that is down must not take the others with it.
func (h *Handler) ready(w http.ResponseWriter, r *http.Request) {
	if err := h.Ready(r.Context()); err != nil {
		w.Header().Set("Retry-After", "5")
		write(w, http.StatusServiceUnavailable, map[string]string{"status": "unavailable"})
		return
	}
	write(w, http.StatusOK, map[string]string{"status": "ok"})
}

// report is the answer of /status.
type report struct {
	Version  string           `json:"version"`
	Backends []backend.Status `json:"backends"`
	Refused  []string         `json:"refused,omitempty"`
	Parked   []park.Info      `json:"parked"`
}

// status leaves out what the caller may not see: a backend that is hidden from it
// must not show here either.
func (h *Handler) status(w http.ResponseWriter, r *http.Request) {
	p, _ := account.PrincipalFrom(r.Context())
	out := report{Version: h.Version, Backends: []backend.Status{}}
	for _, s := range h.Source.Statuses() {
		if !p.Access.Backend(s.Name) {
			continue
		}
		if p.Role != account.RoleAdmin {
			s.Stderr = nil // a child's output may tell of other people's calls
		}
		out.Backends = append(out.Backends, s)
	}
	if p.Role == account.RoleAdmin {
		out.Refused = h.Source.Refused() // its texts name tools of every backend
	}
	out.Parked = h.Lot.Parked(whose(p))
	if out.Parked == nil {
		out.Parked = []park.Info{}
	}
	write(w, http.StatusOK, out)
}

// whose is the user whose parked calls somebody may see and end; "" is everybody.
func whose(p account.Principal) string {
	if p.Role == account.RoleAdmin {
		return ""
	}
	return p.User
}

// cancel ends a parked call. One of somebody else is in the same words not there.
func (h *Handler) cancel(w http.ResponseWriter, r *http.Request) {
	p, _ := account.PrincipalFrom(r.Context())
	if !h.Lot.CancelParked(r.PathValue("id"), whose(p)) {
		write(w, http.StatusNotFound, map[string]string{"error": string(fault.NotFound), "message": "There is no such parked call. GET /status lists those that wait."})
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func write(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // the client is gone if this fails
}
