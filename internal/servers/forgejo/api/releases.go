package api

import (
	"context"
	"net/http"
	"time"

	"drawbridge/internal/servers/kit"
)

// Release is a release.
type Release struct {
	ID         int64     `json:"id"`
	Tag        string    `json:"tag_name"`
	Name       string    `json:"name"`
	Body       string    `json:"body"`
	Target     string    `json:"target_commitish"`
	Draft      bool      `json:"draft"`
	Prerelease bool      `json:"prerelease"`
	Published  time.Time `json:"published_at"`
	HTMLURL    string    `json:"html_url"`
}

// ReleaseEdit is what is set of a release; nil leaves it as it is.
type ReleaseEdit struct {
	Tag        string  `json:"tag_name,omitempty"`
	Target     string  `json:"target_commitish,omitempty"`
	Name       *string `json:"name,omitempty"`
	Body       *string `json:"body,omitempty"`
	Draft      *bool   `json:"draft,omitempty"`
	Prerelease *bool   `json:"prerelease,omitempty"`
}

// Releases lists releases, newest first.
func (r Repo) Releases(ctx context.Context, w Window) ([]Release, int, error) {
	return list[Release](ctx, r.Session, w, r.path("releases"), nil, "releases of "+r.String())
}

// CreateRelease makes a release, and its tag where there is none.
func (r Repo) CreateRelease(ctx context.Context, e ReleaseEdit) (out Release, err error) {
	return out, r.send(ctx, http.MethodPost, r.path("releases"), e, &out, "the target in "+r.String())
}

// EditRelease changes a release.
func (r Repo) EditRelease(ctx context.Context, id int64, e ReleaseEdit) (out Release, err error) {
	return out, r.send(ctx, http.MethodPatch, r.path("releases", digits(id)), e, &out, "release "+digits(id)+" of "+r.String())
}

func request(method, path string, body any, what string) kit.Request {
	return kit.Request{Method: method, Path: path, JSON: body, What: what}
}
