package account

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Admin is the id of the user that every installation has from its first start.
const Admin = "admin"

// User is a person with an account.
type User struct {
	ID           string
	Name         string
	Role         Role
	PasswordHash string // argon2id in PHC form; "" = cannot sign in with a password
	Profile      string // name of the profile that bounds whatever this user does; "" = none
	Disabled     bool   // its keys and grants are refused, its state kept
	Created      time.Time
}

// Key is an API key as the store has it: its hash, never the key itself. A zero
// time means never.
type Key struct {
	ID       string // "key_" and 12 characters
	Name     string // unique among a user's live keys
	User     string // user id
	Role     Role   // of the key; the user's own role caps it
	Profile  string // the only profile it may be used at, "" = any address
	Rights   Rights
	Networks []netip.Prefix // it may be used from; empty = from anywhere
	Prefix   string         // the first characters, to tell keys apart in lists
	Hash     [32]byte
	Created  time.Time
	Expires  time.Time
	LastUsed time.Time
	Revoked  time.Time
}

// KeyRequest is what a new key shall be.
type KeyRequest struct {
	Name     string
	User     string
	Role     Role
	Profile  string // "": any address
	Rights   Rights
	Networks []netip.Prefix
	Expires  time.Time // zero: never
}

// Use tells when a key or a grant was last used.
type Use struct {
	ID string
	At time.Time
}

// Live tells whether the key may be used at now: neither revoked nor expired. A
// key is expired from the very moment that Expires names.
func (k Key) Live(now time.Time) bool {
	return k.Revoked.IsZero() && (k.Expires.IsZero() || now.Before(k.Expires))
}

// Status is the key's state in one word, for lists.
func (k Key) Status(now time.Time) string {
	switch {
	case !k.Revoked.IsZero():
		return "revoked"
	case !k.Live(now):
		return "expired"
	}
	return "live"
}

// Check says what is wrong with a request for a key, in words for whoever asked.
func (r KeyRequest) Check(now time.Time) error {
	if err := CheckName("key name", r.Name); err != nil {
		return err
	}
	if !r.Role.Valid() {
		return fmt.Errorf("unknown role %q: use %s or %s", r.Role, RoleAdmin, RoleMember)
	}
	if !r.Expires.IsZero() && !now.Before(r.Expires) {
		return fmt.Errorf("the expiry %s is in the past: choose a later one", r.Expires.UTC().Format(time.RFC3339))
	}
	if r.Profile != "" {
		if err := CheckProfileName(r.Profile); err != nil {
			return err
		}
		if r.Role == RoleAdmin {
			return errors.New("an admin key is for every address: leave the profile out, or make it a member's key")
		}
	}
	if err := r.Rights.Check(); err != nil {
		return err
	}
	return CheckUserID(r.User)
}

// FromNetwork tells whether an address is in one of some networks. One that is
// unknown is in none.
func FromNetwork(networks []netip.Prefix, addr netip.Addr) bool {
	addr = addr.Unmap()
	return slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(addr) })
}

// Valid tells whether r is one of the roles.
func (r Role) Valid() bool { return r == RoleAdmin || r == RoleMember }

// Cap is the lower of two roles: a key of an admin may be a member's, but the
// key of a member is never an admin's. An unknown role counts as the lowest.
func (r Role) Cap(other Role) Role {
	if r == RoleAdmin && other == RoleAdmin {
		return RoleAdmin
	}
	return RoleMember
}

// maxName bounds the names people give to things.
const maxName = 64

// CheckName says what is wrong with a name that a person gave to a key or an
// account: 1 to 64 printable characters without a space at either end. what is
// the word for the error.
func CheckName(what, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("the %s is empty: give one", what)
	case !utf8.ValidString(name):
		return fmt.Errorf("the %s has a character that cannot be shown: remove it", what)
	case utf8.RuneCountInString(name) > maxName:
		return fmt.Errorf("the %s is longer than %d characters: shorten it", what, maxName)
	case strings.TrimSpace(name) != name:
		return fmt.Errorf("the %s starts or ends with a space: remove it", what)
	}
	for _, r := range name {
		if !unicode.IsPrint(r) {
			return fmt.Errorf("the %s has a character that cannot be shown: remove it", what)
		}
	}
	return nil
}

// CheckUserID says what is wrong with a user id: 1 to 64 characters of
// a-z 0-9 . _ @ + -, first a letter or digit. Ids occur in paths, logs and keys
// of state.
func CheckUserID(id string) error {
	if id == "" || len(id) > maxName || strings.ContainsRune("._@+-", rune(id[0])) {
		return fmt.Errorf("user id %q: use 1 to %d characters, the first a letter or digit", id, maxName)
	}
	for _, r := range id {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && !strings.ContainsRune("._@+-", r) {
			return fmt.Errorf("user id %q: use only a-z, 0-9 and . _ @ + -", id)
		}
	}
	return nil
}
