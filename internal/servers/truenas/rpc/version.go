package rpc

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/kit/pattern"
)

// Release is a release of TrueNAS, or of its API: 25.10.2.
type Release [3]int

// The releases whose API this client knows. Each serves the older ones, too.
var (
	V25_04 = Release{25, 4}
	V25_10 = Release{25, 10}
	V26    = Release{26, 0}
)

// Compare orders releases.
func (r Release) Compare(other Release) int {
	return cmp.Or(cmp.Compare(r[0], other[0]), cmp.Compare(r[1], other[1]), cmp.Compare(r[2], other[2]))
}

// Before tells whether r is older than other.
func (r Release) Before(other Release) bool { return r.Compare(other) < 0 }

// known tells whether r belongs to a release that this client knows.
func (r Release) known() bool {
	family := Release{r[0], r[1]}
	return family == V25_04 || family == V25_10 || family == V26
}

// String is the release as people write it.
func (r Release) String() string {
	s := strconv.Itoa(r[0]) + "." + pad(r[1])
	if r[0] >= V26[0] {
		s = strconv.Itoa(r[0]) + "." + strconv.Itoa(r[1])
	}
	return s + "." + strconv.Itoa(r[2])
}

func pad(n int) string {
	if n < 10 {
		return "0" + strconv.Itoa(n)
	}
	return strconv.Itoa(n)
}

var releaseRule = pattern.New(`(\d{2})\.(\d{1,2})(?:\.(\d{1,3}))?`)

// ParseRelease finds a release in a version: v25.10.2, TrueNAS-SCALE-25.04.2.6.
func ParseRelease(text string) (r Release, ok bool) {
	m := releaseRule().FindStringSubmatch(text)
	if m == nil {
		return r, false
	}
	for i := range r {
		r[i], _ = strconv.Atoi(m[i+1]) // 0 where there is none
	}
	return r, true
}

// version finds the newest version of the API that both sides know, and its path. A
// server that knows none of ours is spoken to in its own (current), whose release is the
// zero one.
func version(ctx context.Context, up *kit.Upstream) (Release, string, error) {
	var offered []string
	_, err := up.Call(ctx, kit.Request{Path: "/api/versions", Into: &offered, What: "/api/versions"})
	if kit.StatusOf(err) == http.StatusNotFound {
		return Release{}, "", fault.Wrap(err, fault.Upstream, "There is no API of TrueNAS 25.04 or newer at this address. Update TrueNAS, or correct TRUENAS_URL.")
	}
	if err != nil {
		return Release{}, "", err
	}
	var best Release
	path := "/api/current"
	for _, text := range offered {
		r, ok := ParseRelease(text)
		if !ok || !pathRule().MatchString(text) || !r.known() || !best.Before(r) {
			continue
		}
		best, path = r, "/api/"+text
	}
	return best, path, nil
}

// pathRule is what a version can be called.
var pathRule = pattern.New(`^v\d+(\.\d+){1,2}$`)

// Set is a set as the middleware writes it: {"$set": [...]}, or a list.
type Set []string

// UnmarshalJSON reads both forms, and sorts.
func (s *Set) UnmarshalJSON(raw []byte) error {
	var wrapped struct {
		Set []string `json:"$set"`
	}
	into := any((*[]string)(s))
	if strings.HasPrefix(string(raw), "{") {
		into = &wrapped
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return err
	}
	if into == &wrapped {
		*s = wrapped.Set
	}
	slices.Sort(*s)
	return nil
}
