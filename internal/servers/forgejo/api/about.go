package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/kit/pattern"
)

// Flavour is which of the two systems an installation is.
type Flavour string

// The systems.
const (
	Forgejo Flavour = "Forgejo"
	Gitea   Flavour = "Gitea"
)

// About is what an installation says of itself.
type About struct {
	Flavour      Flavour
	Version      string // digits and dots
	Major, Minor int
	PageSize     int // most rows of a page
	guessed      bool
}

// Page sizes: where the installation does not tell its own, and most that is asked.
const (
	unknownPage = 30
	largestPage = 100
)

// About asks once who is there. The answer is kept for the life of the client, an
// error is not.
func (s Session) About(ctx context.Context) (About, error) {
	if a := s.client.about.Load(); a != nil {
		return *a, nil
	}
	var version struct{ Version string }
	if err := s.get(ctx, "/version", nil, &version, "its version"); err != nil {
		return About{}, err
	}
	a, err := parseVersion(version.Version)
	if err != nil {
		return About{}, err
	}
	var settings struct {
		Most int `json:"max_response_items"`
	}
	err = s.get(ctx, "/settings/api", nil, &settings, "its settings")
	switch status := kit.StatusOf(err); {
	case status == http.StatusNotFound || status == http.StatusForbidden:
	case err != nil:
		return About{}, err
	}
	a.PageSize, a.guessed = unknownPage, true
	if settings.Most > 0 {
		a.PageSize, a.guessed = min(settings.Most, largestPage), false
	}
	s.client.about.Store(&a)
	return a, nil
}

// learn keeps a page size that was seen, where the installation told none.
func (c *Client) learn(size int) {
	if a := c.about.Load(); a != nil && a.guessed && size < a.PageSize {
		smaller := *a
		smaller.PageSize = size
		c.about.Store(&smaller)
	}
}

// versionRule takes "16.0.0+gitea-1.22.0" and "1.26.0" apart. Forgejo names the
// version of Gitea whose API it has.
var versionRule = pattern.New(`^v?((\d{1,4})\.(\d{1,4})(?:\.\d{1,4})?)`)

func parseVersion(text string) (About, error) {
	m := versionRule().FindStringSubmatch(text)
	if m == nil {
		return About{}, fault.New(fault.Upstream, "What answers at the URL does not tell a version of Forgejo or Gitea. The operator can check FORGEJO_URL.")
	}
	a := About{Flavour: Gitea, Version: m[1]}
	if strings.Contains(text, "+gitea-") {
		a.Flavour = Forgejo
	}
	a.Major, _ = strconv.Atoi(m[2]) // digits by the rule
	a.Minor, _ = strconv.Atoi(m[3])
	return a, nil
}
