// Package access is who may do what on the fake: accounts, API keys, roles and the ways to
// log in (ref 2.2 "Login"; truenas/middleware api/v26_0_0/auth.py, plugins/auth.py,
// plugins/auth_/login_ex_impl.py). Only the fake uses it.
package access

import (
	"crypto/subtle"
	"slices"
	"strconv"
	"strings"
	"time"

	"drawbridge/internal/servers/truenas/fake/fail"
)

// Account is a user of the system. Without roles it may not use the API.
type Account struct {
	Name     string
	Password string
	OTP      string // asked for after the password; "" for none
	Roles    []string
}

// Key is an API key: what is sent is Text.
type Key struct {
	ID      int
	Name    string
	User    string
	Secret  string // 64 characters
	Expires time.Time
	Revoked string // the reason; "" for a good one

	scram *verifier
}

// Book has the accounts and keys. The lock of the fake guards it.
type Book struct {
	Accounts   []*Account
	Keys       []*Key
	Mechanisms []string      // that may be used
	Redirect   []string      // URLs of the node that is active; set on a standby
	Iterations int           // of SCRAM keys
	Binding    func() []byte // hash of the certificate, for tls-server-end-point; nil without TLS
	tokens     map[string]*Principal
	last       int
}

// Principal is who a session belongs to.
type Principal struct {
	Account *Account
	Kind    string // API_KEY, LOGIN_PASSWORD, LOGIN_TWOFACTOR, TOKEN
	Key     *Key
	Roles   []string
	At      time.Time
}

// Admin is whether everything is allowed.
func (p *Principal) Admin() bool { return slices.Contains(p.Roles, "FULL_ADMIN") }

// May is whether any of the roles is there.
func (p *Principal) May(roles []string) bool {
	return p.Admin() || slices.ContainsFunc(roles, func(r string) bool { return slices.Contains(p.Roles, r) })
}

// Data is what credentials_data says of a login.
func (p *Principal) Data() map[string]any {
	d := map[string]any{"username": p.Account.Name, "login_id": "5f1c3b52-0f2b-4c6a-9d0f-8b5d4a1c2e3f", "login_at": map[string]any{"$date": p.At.UnixMilli()}}
	if p.Key != nil {
		d["api_key"] = map[string]any{"id": p.Key.ID, "name": p.Key.Name}
	}
	return d
}

// Info is what auth.me answers.
func (p *Principal) Info() map[string]any {
	uid := 0
	if p.Account.Name != "root" {
		uid = 950
	}
	roles := make([]any, len(p.Roles))
	for i, r := range p.Roles {
		roles[i] = r
	}
	attributes := []any{"LOCAL", "SYS_ADMIN"}
	if p.Key != nil {
		attributes = append(attributes, "API_KEY")
	}
	return map[string]any{
		"pw_name": p.Account.Name, "pw_gecos": "", "pw_dir": "/var/empty", "pw_shell": "/usr/sbin/nologin", "pw_uid": uid, "pw_gid": uid,
		"grouplist": nil, "sid": nil, "source": "LOCAL", "local": true, "attributes": map[string]any{},
		"two_factor_config":  map[string]any{"provisioning_uri": nil, "secret_configured": p.Account.OTP != "", "interval": 30, "otp_digits": 6},
		"privilege":          map[string]any{"webui_access": true, "web_shell": p.Admin(), "allowlist": []any{}, "roles": map[string]any{"$set": roles}},
		"account_attributes": attributes,
	}
}

// Talk is what a connection remembers between the steps of a login.
type Talk struct {
	Secure bool // over TLS
	otp    *Account
	tries  int
	scram  *exchange
}

func (b *Book) account(name string) *Account {
	for _, a := range b.Accounts {
		if a.Name == name {
			return a
		}
	}
	return nil
}

// KeyOf is the key with an id, or nil.
func (b *Book) KeyOf(id int) *Key {
	for _, k := range b.Keys {
		if k.ID == id {
			return k
		}
	}
	return nil
}

// Login answers auth.login_ex. Whoever is in then is p, if p is not nil.
func (b *Book) Login(t *Talk, data map[string]any, now time.Time) (answer map[string]any, p *Principal, err error) {
	if b.Redirect != nil {
		urls := make([]any, len(b.Redirect))
		for i, u := range b.Redirect {
			urls[i] = u
		}
		return map[string]any{"response_type": "REDIRECT", "urls": urls}, nil, nil
	}
	mechanism := data["mechanism"].(string)
	if err := b.expected(t, mechanism); err != nil {
		return nil, nil, err
	}
	switch mechanism {
	case "API_KEY_PLAIN":
		answer, p = b.plainKey(t, data["username"].(string), data["api_key"].(string), now)
	case "PASSWORD_PLAIN":
		answer, p = b.password(t, data["username"].(string), data["password"].(string), now)
	case "OTP_TOKEN":
		answer, p = b.otp(t, data["otp_token"].(string), now)
	case "TOKEN_PLAIN":
		answer, p = b.token(data["token"].(string), now)
	case "SCRAM":
		return b.scram(t, data["scram_type"].(string), data["rfc_str"].(string), now)
	}
	if p != nil {
		answer["user_info"], answer["authenticator"] = nil, "LEVEL_1"
		options, _ := data["login_options"].(map[string]any)
		if options["user_info"] != false {
			answer["user_info"] = p.Info()
		}
		answer["reconnect_token"] = nil
		if options["reconnect_token"] == true {
			answer["reconnect_token"] = b.Token(p)
		}
	}
	return answer, p, nil
}

// expected refuses a mechanism that is not allowed, or not the next step.
func (b *Book) expected(t *Talk, mechanism string) error {
	if t.otp != nil && mechanism != "OTP_TOKEN" {
		t.otp = nil
		return fail.Call(fail.EBUSY, "Abandoning login attempt after being presented wtih requirement for second factor for authentication.") // sic
	}
	if t.otp == nil && mechanism == "OTP_TOKEN" {
		return fail.Call(fail.EINVAL, "OTP_TOKEN: unexpected authentication mechanism, no second factor was asked for.")
	}
	if mechanism != "OTP_TOKEN" && !slices.Contains(b.Mechanisms, mechanism) {
		return fail.Call(fail.EOPNOTSUPP, "%s: mechanism is not supported at current authenticator level.", mechanism)
	}
	return nil
}

func reply(kind string) map[string]any { return map[string]any{"response_type": kind} }

// enter is the end of a login that proved who it is.
func (b *Book) enter(a *Account, kind string, k *Key, now time.Time) (map[string]any, *Principal) {
	if len(a.Roles) == 0 {
		return reply("DENIED"), nil
	}
	return reply("SUCCESS"), &Principal{Account: a, Kind: kind, Key: k, Roles: all(a.Roles), At: now}
}

// plainKey checks a key that came in the open. Over a connection without TLS a good one
// is revoked (ref 0.2).
func (b *Book) plainKey(t *Talk, user, text string, now time.Time) (map[string]any, *Principal) {
	a, k := b.account(user), b.parse(text)
	if a == nil || k == nil || k.User != user {
		return reply("AUTH_ERR"), nil
	}
	if k.Revoked != "" || !k.Expires.IsZero() && !now.Before(k.Expires) {
		return reply("EXPIRED"), nil
	}
	if !t.Secure {
		k.Revoked = "Attempt to use over an insecure transport"
		return reply("EXPIRED"), nil
	}
	return b.enter(a, "API_KEY", k, now)
}

func (b *Book) parse(text string) *Key {
	id, secret, ok := strings.Cut(text, "-")
	n, err := strconv.Atoi(id)
	if !ok || err != nil {
		return nil
	}
	k := b.KeyOf(n)
	if k == nil || subtle.ConstantTimeCompare([]byte(k.Secret), []byte(secret)) == 0 {
		return nil
	}
	return k
}

// OldLogin answers auth.login_with_api_key: no user name, yes or no.
func (b *Book) OldLogin(t *Talk, text string, now time.Time) *Principal {
	k := b.parse(text)
	if k == nil {
		return nil
	}
	_, p := b.plainKey(t, k.User, text, now)
	return p
}

func (b *Book) password(t *Talk, user, password string, now time.Time) (map[string]any, *Principal) {
	a := b.account(user)
	if a == nil || a.Password == "" || a.Password != password {
		return reply("AUTH_ERR"), nil
	}
	if a.OTP != "" {
		t.otp, t.tries = a, 0
		return map[string]any{"response_type": "OTP_REQUIRED", "username": a.Name}, nil
	}
	return b.enter(a, "LOGIN_PASSWORD", nil, now)
}

func (b *Book) otp(t *Talk, code string, now time.Time) (map[string]any, *Principal) {
	a := t.otp
	if code == a.OTP {
		t.otp = nil
		return b.enter(a, "LOGIN_TWOFACTOR", nil, now)
	}
	if t.tries++; t.tries < 3 {
		return map[string]any{"response_type": "OTP_REQUIRED", "username": a.Name}, nil
	}
	t.otp = nil
	return reply("AUTH_ERR"), nil
}

// Token makes a token for one more login.
func (b *Book) Token(p *Principal) string {
	if b.tokens == nil {
		b.tokens = map[string]*Principal{}
	}
	b.last++
	token := "reconnect" + strconv.Itoa(b.last) + strings.Repeat("x", 48)
	b.tokens[token] = p
	return token
}

func (b *Book) token(token string, now time.Time) (map[string]any, *Principal) {
	p := b.tokens[token]
	if p == nil {
		return reply("AUTH_ERR"), nil
	}
	delete(b.tokens, token)
	return b.enter(p.Account, "TOKEN", p.Key, now)
}
