// Package account holds users, keys, roles and principals: types and pure
// rules, no input or output.
//
// A principal is the authenticated caller. It travels in the context, put there
// by auth and by nobody else; everything below asks PrincipalFrom.
package account

import "context"

// Role is what a user is in this installation.
type Role string

// The roles.
const (
	RoleAdmin  Role = "admin"
	RoleMember Role = "member"
)

// Principal is the authenticated caller: a user, through one key or grant, with
// one client. State belongs to the user; sessions and seals to the credential.
type Principal struct {
	User       string // user id, e.g. "admin"
	Credential string // id of the key or grant, e.g. "key_7f3a"; "static" for GATEWAY_STATIC_API_KEY; "local" on stdio
	Client     string // OAuth client id, or "" for a key
	Role       Role
	Profile    string  // of the address it came to, /mcp/<profile>; "" = /mcp
	Access     *Access // what it may do with the catalogue; nil allows nothing
}

// Owner identifies the holder of sessions and sealed state: user and credential,
// and the profile, since what is begun under one must not go on under another.
func (p Principal) Owner() string {
	if p.Profile == "" {
		return p.User + "\x00" + p.Credential
	}
	return p.User + "\x00" + p.Credential + "\x00" + p.Profile
}

// Local is the principal on stdio: whoever started the process.
func Local() Principal {
	return Principal{User: "admin", Credential: "local", Role: RoleAdmin, Access: Everything()}
}

// Gateway is the principal under which Drawbridge itself talks to backends, to
// read their lists and watch for changes.
func Gateway() Principal {
	return Principal{User: "", Credential: "gateway", Role: RoleMember, Access: Everything()}
}

type principalKey struct{}

// WithPrincipal returns a context that carries p.
func WithPrincipal(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// PrincipalFrom returns the caller. ok is false where nobody was authenticated,
// which only happens on public routes.
func PrincipalFrom(ctx context.Context) (p Principal, ok bool) {
	p, ok = ctx.Value(principalKey{}).(Principal)
	return p, ok
}
