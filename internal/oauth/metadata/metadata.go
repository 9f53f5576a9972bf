// Package metadata serves the documents by which clients find their way: of the
// protected resources (RFC 9728) and of the authorization server (RFC 8414).
//
// Every address in them is built from the configured base, never from a request:
// clients compare them by the byte with what they were given. Whatever else a
// client looks for below /.well-known/ is answered with 404 as JSON, because
// clients parse that answer. app mounts the routes.
package metadata

import (
	"cmp"
	"net/http"

	"drawbridge/internal/account"
	"drawbridge/internal/oauth"
	"drawbridge/internal/route"
)

// Name is what the protected resources are called.
const Name = "Drawbridge"

// Handler serves the documents.
type Handler struct {
	Base func() string // public URL without a path, which is also the issuer
	Docs string        // URL of a page for people; "": the specification that it follows

	NoRegistration bool // clients cannot register themselves
	NoDocuments    bool // no client documents are read
}

const (
	wellKnown = "/.well-known/"
	resource  = wellKnown + "oauth-protected-resource"
	server    = wellKnown + "oauth-authorization-server"

	specification = "https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization"
)

// Routes are the handler's routes. A resource's document is also at the address
// with a slash at the end, since /mcp/ is a name of the resource, too (R3).
func (h *Handler) Routes() []route.Route {
	var routes []route.Route
	add := func(pattern string, handle http.HandlerFunc) {
		routes = append(routes, route.Route{Pattern: pattern, Methods: []string{http.MethodGet, http.MethodHead},
			Policy: route.Public, AnyOrigin: true, Handler: handle})
	}
	for _, path := range []string{resource, resource + oauth.DefaultResource, resource + oauth.DefaultResource + "/{profile}"} {
		add(path, h.resource)
		add(path+"/", h.resource)
	}
	add(server, h.server)
	add(wellKnown+"{rest...}", missing)
	return routes
}

// ofResource is the metadata of a protected resource. It names no scope that a
// client should not ask for by itself: offline_access is the authorization
// server's business, admin has to be asked for on purpose.
type ofResource struct {
	Resource      string   `json:"resource"`
	Servers       []string `json:"authorization_servers"`
	Scopes        []string `json:"scopes_supported"`
	Methods       []string `json:"bearer_methods_supported"`
	Name          string   `json:"resource_name"`
	Documentation string   `json:"resource_documentation"`
}

// resource answers for every profile that could exist: a stranger must not learn
// which ones do.
func (h *Handler) resource(w http.ResponseWriter, r *http.Request) {
	base := h.Base()
	doc := ofResource{
		Resource: base + oauth.DefaultResource,
		Servers:  []string{base},
		Scopes:   []string{oauth.ScopeRead, oauth.ScopeWrite, oauth.ScopeDestroy},
		Methods:  []string{"header"},
		Name:     Name, Documentation: cmp.Or(h.Docs, specification),
	}
	if profile := r.PathValue("profile"); profile != "" {
		if account.CheckProfileName(profile) != nil {
			missing(w, r)
			return
		}
		doc.Resource += "/" + profile
	}
	oauth.WriteJSON(w, http.StatusOK, doc)
}

// ofServer is the metadata of the authorization server. Each member is there
// because a client was seen to fail without it (R18).
type ofServer struct {
	Issuer            string   `json:"issuer"`
	Authorize         string   `json:"authorization_endpoint"`
	Token             string   `json:"token_endpoint"`
	Register          string   `json:"registration_endpoint,omitempty"`
	Revoke            string   `json:"revocation_endpoint"`
	Scopes            []string `json:"scopes_supported"`
	ResponseTypes     []string `json:"response_types_supported"`
	ResponseModes     []string `json:"response_modes_supported"`
	GrantTypes        []string `json:"grant_types_supported"`
	TokenAuth         []string `json:"token_endpoint_auth_methods_supported"`
	TokenAlgorithms   []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	RevokeAuth        []string `json:"revocation_endpoint_auth_methods_supported"`
	RevokeAlgorithms  []string `json:"revocation_endpoint_auth_signing_alg_values_supported"`
	Challenges        []string `json:"code_challenge_methods_supported"`
	Iss               bool     `json:"authorization_response_iss_parameter_supported"`
	ClientDocuments   bool     `json:"client_id_metadata_document_supported"`
	ProtectedResource []string `json:"protected_resources"`
	Documentation     string   `json:"service_documentation"`
}

// authMethods are in the order in which clients should choose: some take the first
// one (C9, Open WebUI), and claude.ai uses its document only if none is listed.
func authMethods() []string {
	return []string{oauth.AuthNone, oauth.AuthPost, oauth.AuthBasic, oauth.AuthJWT}
}

func (h *Handler) server(w http.ResponseWriter, _ *http.Request) {
	base := h.Base()
	registration := base + "/oauth/register"
	if h.NoRegistration {
		registration = ""
	}
	oauth.WriteJSON(w, http.StatusOK, ofServer{
		Issuer:            base,
		Authorize:         base + "/oauth/authorize",
		Token:             base + "/oauth/token",
		Register:          registration,
		Revoke:            base + "/oauth/revoke",
		Scopes:            oauth.Scopes(),
		ResponseTypes:     []string{"code"},
		ResponseModes:     []string{"query"},
		GrantTypes:        []string{oauth.GrantCode, oauth.GrantRefresh, oauth.GrantMachine},
		TokenAuth:         authMethods(),
		TokenAlgorithms:   oauth.SigningAlgs(),
		RevokeAuth:        authMethods(),
		RevokeAlgorithms:  oauth.SigningAlgs(),
		Challenges:        []string{"S256"},
		Iss:               true,
		ClientDocuments:   !h.NoDocuments,
		ProtectedResource: []string{base + oauth.DefaultResource},
		Documentation:     cmp.Or(h.Docs, specification),
	})
}

func missing(w http.ResponseWriter, _ *http.Request) {
	oauth.WriteJSON(w, http.StatusNotFound, struct {
		Error string `json:"error"`
		Text  string `json:"error_description"`
	}{"not_found", "There is no such document. Look at " + server + "."})
}
