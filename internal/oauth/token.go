package oauth

import (
	"time"

	"drawbridge/internal/account"
)

// Lifetimes that are not configured.
const (
	CodeLife     = 60 * time.Second
	ConsentLife  = 10 * time.Minute     // of a consent page
	RefreshLimit = 180 * 24 * time.Hour // of a grant, however often it is refreshed
	ReplayWindow = 60 * time.Second     // in which a refresh that lost its answer gets it again (D7)
)

// Code is an authorization code: a consent that a client has yet to pick up. Its
// grant comes to be when it is redeemed.
type Code struct {
	Hash         [32]byte       `json:"-"`
	Client       string         `json:"client"`
	ClientName   string         `json:"client_name"`
	RedirectURI  string         `json:"redirect_uri"`
	Challenge    string         `json:"challenge"`
	Resource     string         `json:"resource"` // path
	User         string         `json:"user"`
	Rights       account.Rights `json:"rights"`
	Role         account.Role   `json:"role"`
	GrantExpires time.Time      `json:"grant_expires"` // zero: until revoked
	Expires      time.Time      `json:"-"`
	// PasswordHash is what the password was checked against, for the store to refuse a
	// consent that a new password has overtaken. It is not kept.
	PasswordHash string `json:"-"`
}

// Minted are the tokens of one answer, as the store keeps them. A zero Refresh
// means that there is none.
type Minted struct {
	Access         [32]byte
	AccessExpires  time.Time
	Refresh        [32]byte
	RefreshExpires time.Time
	Scope          string // what a refresh has narrowed the grant to; "" = all of it
}

// Refresh is a refresh token as the store knows it.
type Refresh struct {
	Grant   account.Grant // with a role capped by the user's
	Scope   string        // as in Minted
	Expires time.Time
	Used    bool // it has a successor
}

// Rotation exchanges a refresh token for its successor.
type Rotation struct {
	Presented [32]byte
	Client    string
	Minted    Minted
	Replay    []byte // the answer, sealed with a key that only the presented token gives
	Now       time.Time
}
