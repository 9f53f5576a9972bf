package account

import "time"

// Grant is what a user has allowed a client: one consent, and every token that
// came of it. A zero time means never.
type Grant struct {
	ID         string // "grant_" and 12 characters
	User       string
	Client     string // OAuth client id
	ClientName string // as the client called itself at consent
	Resource   string // canonical URL path of the protected resource: "/mcp" or "/mcp/<profile>"
	Rights     Rights
	Role       Role // RoleAdmin: the scope admin was ticked; the user's role caps it
	Created    time.Time
	LastUsed   time.Time
	Expires    time.Time // end of consent, whatever is refreshed
	Revoked    time.Time
}

// Live tells whether the grant holds at now.
func (g Grant) Live(now time.Time) bool {
	return g.Revoked.IsZero() && (g.Expires.IsZero() || now.Before(g.Expires))
}

// Status is the grant's state in one word, for lists.
func (g Grant) Status(now time.Time) string {
	switch {
	case !g.Revoked.IsZero():
		return "revoked"
	case !g.Live(now):
		return "expired"
	}
	return "live"
}

// LiveKey is a key with what its user adds: a role that caps the key's, and the
// profile that the user is bound to.
type LiveKey struct {
	Key
	UserProfile string
}

// LiveToken is an access token as auth needs it: its grant and what the user
// adds. Grant.Role is capped by the user's role already.
type LiveToken struct {
	Grant       Grant
	Expires     time.Time // of the token
	UserProfile string
}

// SignIn is a browser session of a person on the admin pages.
type SignIn struct {
	ID      [32]byte // hash of the cookie
	User    string
	Role    Role // the user's, now
	Created time.Time
	Seen    time.Time
	Expires time.Time
	// PasswordHash is what the password was checked against, for the store to refuse a
	// sign-in that a new password has overtaken. It is not kept.
	PasswordHash string `json:"-"`
}
