package oauth

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"

	"drawbridge/internal/account"
)

// Kind says how a client became known.
type Kind string

// The kinds.
const (
	Registered Kind = "registered" // registered itself (RFC 7591): nothing about it was checked
	Static     Kind = "static"     // entered by an admin
	Document   Kind = "document"   // its id is the URL of its metadata document: its host is proven
)

// Ways in which a client authenticates at the token endpoint.
const (
	AuthNone  = "none"
	AuthPost  = "client_secret_post"
	AuthBasic = "client_secret_basic"
	AuthJWT   = "private_key_jwt"
)

// Grant types.
const (
	GrantCode    = "authorization_code"
	GrantRefresh = "refresh_token"
	GrantMachine = "client_credentials"
)

// Metadata is what a client says of itself, with the names of RFC 7591.
type Metadata struct {
	RedirectURIs    []string        `json:"redirect_uris,omitempty"`
	AuthMethod      string          `json:"token_endpoint_auth_method,omitempty"`
	GrantTypes      []string        `json:"grant_types,omitempty"`
	ResponseTypes   []string        `json:"response_types,omitempty"`
	Name            string          `json:"client_name,omitempty"`
	URI             string          `json:"client_uri,omitempty"`
	LogoURI         string          `json:"logo_uri,omitempty"`
	Scope           string          `json:"scope,omitempty"`
	Contacts        []string        `json:"contacts,omitempty"`
	TermsURI        string          `json:"tos_uri,omitempty"`
	PolicyURI       string          `json:"policy_uri,omitempty"`
	JWKSURI         string          `json:"jwks_uri,omitempty"`
	JWKS            json.RawMessage `json:"jwks,omitempty"`
	SigningAlg      string          `json:"token_endpoint_auth_signing_alg,omitempty"`
	SoftwareID      string          `json:"software_id,omitempty"`
	SoftwareVersion string          `json:"software_version,omitempty"`
	ApplicationType string          `json:"application_type,omitempty"`
}

// Client is a program that users let in, or that an admin let in by itself.
type Client struct {
	ID         string
	Kind       Kind
	Metadata   Metadata
	SecretHash [32]byte // of its secret; zero: it has none
	MayAdmin   bool     // it may ask for the scope admin
	// Of a client that uses client_credentials: whom it acts for, and what it may do.
	MachineUser   string
	MachineRights account.Rights
	Created       time.Time
	LastUsed      time.Time
	Source        string // the network that registered it, for limits
}

// HasSecret tells whether the client has a secret.
func (c *Client) HasSecret() bool { return c.SecretHash != [32]byte{} }

// Host is what can be said for sure about where a client comes from: the host of
// its document, or "" for a client that nobody has checked.
func (c *Client) Host() string {
	if c.Kind != Document {
		return ""
	}
	u, err := url.Parse(c.ID)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

const (
	maxRedirects = 10
	maxShort     = 2 << 10
	maxScope     = 1 << 10
	maxKeys      = 20
)

// SigningAlgs are the signatures taken from clients. The list is ours, never the
// header's.
func SigningAlgs() []string { return []string{"RS256", "PS256", "ES256", "EdDSA"} }

// Complete checks what a client says of itself and fills in what it left out, as
// RFC 7591 defines it; fallback is the authentication method of one that names
// none. It keeps what it cannot use out instead of refusing it, where a client can
// live without.
func (m *Metadata) Complete(fallback string, httpHosts []string) *Error {
	if e := m.checkTypes(); e != nil {
		return e
	}
	code := slices.Contains(m.GrantTypes, GrantCode)
	switch {
	case code && len(m.RedirectURIs) == 0:
		return Errorf("invalid_redirect_uri", "redirect_uris is missing. Register at least one.")
	case len(m.RedirectURIs) > maxRedirects:
		return Errorf("invalid_redirect_uri", "There are more than %d redirect URIs. Register fewer.", maxRedirects)
	}
	for _, uri := range m.RedirectURIs {
		if err := CheckRedirect(uri, httpHosts); err != nil {
			return err
		}
	}
	if m.AuthMethod == "" {
		m.AuthMethod = fallback
	}
	if !slices.Contains([]string{AuthNone, AuthPost, AuthBasic, AuthJWT}, m.AuthMethod) {
		return Errorf("invalid_client_metadata", "The token_endpoint_auth_method is not supported. Use none, client_secret_post, client_secret_basic or private_key_jwt.")
	}
	if err := m.checkKeys(); err != nil {
		return err
	}
	return m.trim()
}

// checkTypes keeps those grant and response types that there are here: programs list
// all that they know. Without one that there is, a client is of no use.
func (m *Metadata) checkTypes() *Error {
	if len(m.GrantTypes) == 0 {
		m.GrantTypes = []string{GrantCode}
	}
	m.GrantTypes = only(m.GrantTypes, GrantCode, GrantRefresh, GrantMachine)
	if len(m.GrantTypes) == 0 {
		return Errorf("invalid_client_metadata", "No grant type is supported. Use authorization_code and refresh_token.")
	}
	code := slices.Contains(m.GrantTypes, GrantCode)
	if len(m.ResponseTypes) == 0 && code {
		m.ResponseTypes = []string{"code"}
	}
	m.ResponseTypes = only(m.ResponseTypes, "code")
	if len(m.ResponseTypes) == 0 && code {
		return Errorf("invalid_client_metadata", "No response type is supported. Use code.")
	}
	return nil
}

// only keeps of a list what is known, each once, in its order.
func only(list []string, known ...string) []string {
	var kept []string
	for _, one := range list {
		if slices.Contains(known, one) && !slices.Contains(kept, one) {
			kept = append(kept, one)
		}
	}
	return kept
}

func (m *Metadata) checkKeys() *Error {
	if m.AuthMethod != AuthJWT {
		m.SigningAlg, m.JWKSURI, m.JWKS = "", "", nil
		return nil
	}
	if m.JWKSURI == "" && len(m.JWKS) == 0 || m.JWKSURI != "" && len(m.JWKS) > 0 {
		return Errorf("invalid_client_metadata", "private_key_jwt needs either jwks or jwks_uri. Send one of them.")
	}
	if m.JWKSURI != "" && !strings.HasPrefix(m.JWKSURI, "https://") {
		return Errorf("invalid_client_metadata", "jwks_uri must be https. Send such a URL.")
	}
	if len(m.JWKS) > 0 && !publicKeys(m.JWKS) {
		return Errorf("invalid_client_metadata", "jwks must have 1 to %d public keys and no private one. Send such a set.", maxKeys)
	}
	if m.SigningAlg != "" && !slices.Contains(SigningAlgs(), m.SigningAlg) {
		return Errorf("invalid_client_metadata", "The token_endpoint_auth_signing_alg is not supported. Use RS256, PS256, ES256 or EdDSA.")
	}
	return nil
}

// publicKeys tells whether a key set is one that may be kept: what a client sends by
// mistake, a private or a shared key, must not end up in the database.
func publicKeys(set json.RawMessage) bool {
	var s struct {
		Keys []struct {
			Private json.RawMessage `json:"d"`
			Shared  json.RawMessage `json:"k"`
		} `json:"keys"`
	}
	if json.Unmarshal(set, &s) != nil || len(s.Keys) == 0 || len(s.Keys) > maxKeys {
		return false
	}
	for _, key := range s.Keys {
		if key.Private != nil || key.Shared != nil {
			return false
		}
	}
	return true
}

// trim bounds the rest and drops what is only for show and cannot be shown.
func (m *Metadata) trim() *Error {
	m.Scope = strings.Join(strings.Fields(m.Scope), " ")
	m.Contacts = slices.DeleteFunc(m.Contacts, func(c string) bool { return c == "" })
	if len(m.Scope) > maxScope || len(m.Name) > maxShort || len(m.SoftwareID) > maxShort || len(m.SoftwareVersion) > maxShort || len(m.Contacts) > maxRedirects {
		return Errorf("invalid_client_metadata", "A member is too long. Shorten it.")
	}
	if m.ApplicationType != "native" && m.ApplicationType != "web" {
		m.ApplicationType = "" // absent does not mean web (C14)
	}
	for _, uri := range []*string{&m.URI, &m.LogoURI, &m.TermsURI, &m.PolicyURI} {
		if u, err := url.Parse(*uri); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || len(*uri) > maxURI {
			*uri = ""
		}
	}
	return nil
}
