// Package oauth has the nouns of the authorization server and the pure rules that
// its endpoints share: clients and their metadata, redirect URIs, resources,
// scopes, PKCE, parameters, and the error that every endpoint answers with. It
// does no input or output.
//
// Each endpoint family is a package below this one. They meet only in app, and
// keep what has to last in the store, which knows these nouns. The rules are those
// of OAuth 2.1 (draft 13), RFC 7591, 7636, 8252, 8707, 9207 and 9700.
package oauth

import (
	"slices"
	"strings"

	"drawbridge/internal/account"
)

// The scopes. A token's rights are those of its grant; scopes are their short
// form, for clients.
const (
	ScopeRead    = "mcp:read"
	ScopeWrite   = "mcp:write"
	ScopeDestroy = "mcp:destructive"
	ScopeAdmin   = "admin"          // opens the admin pages and API
	ScopeOffline = "offline_access" // asked for by clients that want a refresh token; all get one
)

// Scopes are those that the server's metadata lists.
func Scopes() []string {
	return []string{ScopeRead, ScopeWrite, ScopeDestroy, ScopeAdmin, ScopeOffline}
}

// Prefixes of tokens, see secret.NewToken.
const (
	PrefixAccess  = "dba_"
	PrefixRefresh = "dbr_"
	PrefixCode    = "dbc_"
	PrefixSecret  = "dbs_" // of a client's secret
	PrefixSignIn  = "dbw_" // of a browser session
	PrefixClient  = "dcr_" // of the id of a client that registered itself; not a secret
)

// HasScope tells whether a scope is in a space-separated list.
func HasScope(list, scope string) bool { return slices.Contains(strings.Fields(list), scope) }

// ScopeOf is the short form of rights.
func ScopeOf(r account.Rights, role account.Role) string {
	s := []string{ScopeRead}
	if r.Write {
		s = append(s, ScopeWrite)
	}
	if len(r.Destructive) > 0 {
		s = append(s, ScopeDestroy)
	}
	if role == account.RoleAdmin {
		s = append(s, ScopeAdmin)
	}
	return strings.Join(s, " ")
}

// Known keeps of a list the scopes that exist, each once, in the order of Scopes.
// Clients ask for "openid profile email" out of habit; that is no fault (R16).
func Known(list string) string {
	var known []string
	for _, s := range Scopes() {
		if HasScope(list, s) {
			known = append(known, s)
		}
	}
	return strings.Join(known, " ")
}

// Narrow is rights as far as scope reaches: a refresh may have asked for less. ""
// is all of them.
func Narrow(r account.Rights, role account.Role, scope string) (account.Rights, account.Role) {
	if scope == "" {
		return r, role
	}
	r.Write = r.Write && HasScope(scope, ScopeWrite)
	if !HasScope(scope, ScopeDestroy) {
		r.Destructive = nil
	}
	if !HasScope(scope, ScopeAdmin) {
		role = account.RoleMember
	}
	return r, role
}
