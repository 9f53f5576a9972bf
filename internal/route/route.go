// Package route is the shape of a route: what it answers to, who may come in,
// and what runs. Every part of Drawbridge that serves HTTP hands a list of
// routes to httpd; a route without a policy stops the program at start.
package route

import "net/http"

// Policy says who may use a route. The zero value is no policy at all and is
// refused by httpd, so that forgetting one cannot open a door.
type Policy int

// The policies.
const (
	_         Policy = iota
	Public           // anybody; the list of public routes is exact and tested
	Bearer           // any live credential; missing: 401 with WWW-Authenticate
	Admin            // an admin's credential; others: 403
	LiveState        // anybody who brings single-use state that the handler checks
)

// Route is one pattern of net/http.ServeMux with its policy. Pattern carries no
// method: Methods lists them, and httpd answers the others with 405 and Allow.
type Route struct {
	Pattern string
	Methods []string
	Policy  Policy
	Handler http.Handler
}
