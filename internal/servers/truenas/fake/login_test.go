package fake_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/pem"
	"net"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"drawbridge/internal/servers/truenas/fake"
)

func TestLogin(t *testing.T) {
	t.Parallel()
	for _, v := range []fake.Version{fake.V2504, fake.V2510, fake.V26} {
		s := server(t, fake.Options{Version: v, RateLimit: -1})
		for _, c := range []struct{ user, key, want string }{
			{fake.AdminUser, fake.AdminKey, "SUCCESS"},
			{fake.ReadUser, fake.ReadKey, "SUCCESS"},
			{fake.AdminUser, fake.ReadKey, "AUTH_ERR"}, // somebody else's
			{fake.AdminUser, "1-" + strings.Repeat("z", 64), "AUTH_ERR"},
			{fake.AdminUser, "no key", "AUTH_ERR"},
			{"stranger", fake.AdminKey, "AUTH_ERR"},
			{fake.AdminUser, fake.ExpiredKey, "EXPIRED"},
			{fake.AdminUser, fake.RevokedKey, "EXPIRED"},
			{fake.NobodyUser, fake.NobodyKey, "DENIED"},
		} {
			p := dial(t, s, "/api/current")
			if got := p.login(c.user, c.key); got != c.want {
				t.Errorf("%s with %.8s...: %s, want %s", c.user, c.key, got, c.want)
			}
			if in := p.call("auth.me").code() == 0; in != (c.want == "SUCCESS") {
				t.Errorf("%s with %.8s...: logged in is %t", c.user, c.key, in)
			}
		}
		p := dial(t, s, "/api/current")
		if p.must("auth.login_with_api_key", fake.ExpiredKey) != false || p.must("auth.login_with_api_key", fake.AdminKey) != true {
			t.Error("the old login lets in whom it should not, or not whom it should")
		}
		me := p.must("auth.me").(map[string]any)
		roles := me["privilege"].(map[string]any)["roles"].(map[string]any)["$set"].([]any)
		if me["pw_name"] != fake.AdminUser || len(roles) != 1 || roles[0] != "FULL_ADMIN" {
			t.Errorf("auth.me: %v", me)
		}
		p.must("auth.logout")
		if m := p.call("auth.me"); m.reason() != "[ENOTAUTHENTICATED] Not authenticated" || m.Error.Data.Error != 207 {
			t.Errorf("after logout: %s", m.raw)
		}
	}
}

func TestLogin_parameters(t *testing.T) {
	t.Parallel()
	p := dial(t, server(t, fake.Options{RateLimit: -1}), "/api/current")
	for _, c := range []struct{ params, says string }{
		{`[]`, `["login_data","Field required",22]`},
		{`[{}]`, `["login_data.mechanism","Field required",22]`},
		{`[{"mechanism":"MAGIC"}]`, "does not match any of the expected tags: 'API_KEY_PLAIN', 'PASSWORD_PLAIN', 'TOKEN_PLAIN', 'OTP_TOKEN'"},
		{`[{"mechanism":"API_KEY_PLAIN","api_key":"1-x"}]`, `["login_data.API_KEY_PLAIN.username","Field required",22]`},
		{`[{"mechanism":"API_KEY_PLAIN","username":"a","api_key":1}]`, `["login_data.API_KEY_PLAIN.api_key","Input should be a valid string",22]`},
		{`[{"mechanism":"API_KEY_PLAIN","username":"a","api_key":"1-x","otp":"1"}]`, `["login_data.API_KEY_PLAIN.otp","Extra inputs are not permitted",22]`},
		{`[{"mechanism":"OTP_TOKEN","otp_token":"1"}]`, "[EINVAL] OTP_TOKEN"},
	} {
		p.write(`{"jsonrpc":"2.0","id":1,"method":"auth.login_ex","params":` + c.params + `}`)
		if m := p.next(); !strings.Contains(m.raw, c.says) {
			t.Errorf("%s\nanswered %s\nwant %s", c.params, m.raw, c.says)
		}
	}
}

func TestLogin_secondFactor(t *testing.T) {
	t.Parallel()
	p := dial(t, server(t, fake.Options{RateLimit: -1}), "/api/current")
	ask := func(method string, data map[string]any) message { t.Helper(); return p.call(method, data) }
	password := map[string]any{"mechanism": "PASSWORD_PLAIN", "username": fake.OTPUser, "password": fake.Password}
	otp := func(code string) map[string]any { return map[string]any{"mechanism": "OTP_TOKEN", "otp_token": code} }
	if m := ask("auth.login_ex", password); m.object()["response_type"] != "OTP_REQUIRED" || m.object()["username"] != fake.OTPUser {
		t.Fatalf("password: %s", m.raw)
	}
	if m := ask("auth.login_ex", password); !strings.HasPrefix(m.reason(), "[EBUSY] Abandoning login attempt") {
		t.Errorf("another mechanism in between: %s", m.raw)
	}
	ask("auth.login_ex", password)
	for i, want := range []string{"OTP_REQUIRED", "OTP_REQUIRED", "AUTH_ERR"} {
		if m := ask("auth.login_ex_continue", otp("000000")); m.object()["response_type"] != want {
			t.Errorf("wrong code %d: %s, want %s", i+1, m.raw, want)
		}
	}
	ask("auth.login_ex", password)
	if m := ask("auth.login_ex_continue", otp(fake.OTP)); m.object()["response_type"] != "SUCCESS" {
		t.Errorf("right code: %s", m.raw)
	}
}

func TestLogin_elsewhere(t *testing.T) {
	t.Parallel()
	p := dial(t, server(t, fake.Options{Redirect: []string{"https://198.51.100.7"}}), "/api/current")
	if got := p.login(fake.AdminUser, fake.AdminKey); got != "REDIRECT" {
		t.Errorf("standby: %s", got)
	}
	p = dial(t, server(t, fake.Options{Version: fake.V26, Mechanisms: []string{"SCRAM"}}), "/api/current")
	if m := p.call("auth.login_ex", map[string]any{"mechanism": "API_KEY_PLAIN", "username": fake.AdminUser, "api_key": fake.AdminKey}); m.Error == nil || m.Error.Data.Errname != "EOPNOTSUPP" {
		t.Errorf("a plain key where only SCRAM is allowed: %s", m.raw)
	}
}

func TestLogin_reconnect(t *testing.T) {
	t.Parallel()
	s := server(t, fake.Options{})
	p := dial(t, s, "/api/current")
	in := p.must("auth.login_ex", map[string]any{"mechanism": "API_KEY_PLAIN", "username": fake.AdminUser, "api_key": fake.AdminKey, "login_options": map[string]any{"reconnect_token": true, "user_info": false}}).(map[string]any)
	if in["user_info"] != nil {
		t.Error("user_info was not asked for")
	}
	for _, want := range []string{"SUCCESS", "AUTH_ERR"} { // once
		got := dial(t, s, "/api/current").must("auth.login_ex", map[string]any{"mechanism": "TOKEN_PLAIN", "token": in["reconnect_token"]}).(map[string]any)
		if got["response_type"] != want {
			t.Errorf("token: %v, want %s", got, want)
		}
	}
}

// TestInsecure: a good key over a connection without TLS is revoked, and stays so.
func TestInsecure(t *testing.T) {
	t.Parallel()
	s := fake.New(fake.Options{})
	if err := s.StartPlain(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	ws, _, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(s.URL(), "http")+"/api/current", nil)
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{t: t, ws: ws}
	if got := p.login(fake.AdminUser, "1-"+strings.Repeat("z", 64)); got != "AUTH_ERR" || s.KeyRevoked(1) != "" {
		t.Errorf("a wrong key: %s, revoked: %q", got, s.KeyRevoked(1))
	}
	if got := p.login(fake.AdminUser, fake.AdminKey); got != "EXPIRED" || s.KeyRevoked(1) != "Attempt to use over an insecure transport" {
		t.Errorf("a good key: %s, revoked: %q", got, s.KeyRevoked(1))
	}
	if p.must("auth.login_with_api_key", fake.ReadKey) != false || s.KeyRevoked(2) == "" {
		t.Error("the old login does not revoke")
	}
}

func TestRecorder(t *testing.T) {
	t.Parallel()
	r, err := fake.Record()
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Bytes()) != 0 || r.Connections() != 0 {
		t.Errorf("before anything: %d bytes, %d connections", len(r.Bytes()), r.Connections())
	}
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("key")); err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	for string(r.Bytes()) != "key" { // until it has arrived
		runtime.Gosched()
	}
	if r.Connections() != 1 {
		t.Errorf("%d connections", r.Connections())
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	clock := fake.NewClock(time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC))
	s := server(t, fake.Options{Clock: clock})
	p := dial(t, s, "/api/current")
	for range 20 {
		p.must("auth.mechanism_choices")
	}
	p = dial(t, s, "/api/current") // by address, not by connection
	p.send("auth.mechanism_choices")
	p.must("core.ping") // not limited; comes while the other one waits
	if clock.Waiting() != 1 {
		t.Fatalf("%d waiting", clock.Waiting())
	}
	s.Advance(10 * time.Second)
	if m := p.next(); m.reason() != "[EBUSY] Rate Limit Exceeded" || m.code() != -32001 {
		t.Errorf("the 21st: %s", m.raw)
	}
	if got := p.login(fake.AdminUser, fake.AdminKey); got != "SUCCESS" { // counted by method
		t.Errorf("login: %s", got)
	}
	p.must("auth.mechanism_choices") // no limit any more
	s.Advance(time.Minute)
	dial(t, s, "/api/current").must("auth.mechanism_choices")
}

// scram is a client of RFC 5802 with SHA-512, written from the RFC.
type scram struct {
	gs2, first, nonce string
	binding           []byte
	secret            string
	auth              string
	salted            []byte
}

func (c *scram) hmac(key []byte, text string) []byte {
	h := hmac.New(sha512.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func (c *scram) final(t *testing.T, serverFirst string) string {
	t.Helper()
	part := map[string]string{}
	for s := range strings.SplitSeq(serverFirst, ",") {
		part[s[:1]] = s[2:]
	}
	salt, err := base64.StdEncoding.DecodeString(part["s"])
	mine, err1 := base64.StdEncoding.DecodeString(c.nonce)
	both, err2 := base64.StdEncoding.DecodeString(part["r"])
	if err != nil || err1 != nil || err2 != nil || len(both) != 64 || !bytes.HasPrefix(both, mine) || strings.HasPrefix(part["r"], c.nonce) {
		t.Fatalf("server-first-message %q: %v %v %v", serverFirst, err, err1, err2)
	}
	n, err := strconv.Atoi(part["i"])
	if err != nil {
		t.Fatal(err)
	}
	if c.salted, err = pbkdf2.Key(sha512.New, c.secret, salt, n, sha512.Size); err != nil {
		t.Fatal(err)
	}
	without := "c=" + base64.StdEncoding.EncodeToString(append([]byte(c.gs2), c.binding...)) + ",r=" + part["r"]
	c.auth = c.first + "," + serverFirst + "," + without
	proof := c.hmac(c.salted, "Client Key")
	stored := sha512.Sum512(proof)
	subtle.XORBytes(proof, proof, c.hmac(stored[:], c.auth))
	return without + ",p=" + base64.StdEncoding.EncodeToString(proof)
}

func TestSCRAM(t *testing.T) {
	t.Parallel()
	s := server(t, fake.Options{Version: fake.V26})
	block, _ := pem.Decode(s.CertificatePEM())
	hash := sha256.Sum256(block.Bytes)
	secret := strings.TrimPrefix(fake.AdminKey, "1-")
	const bound = "p=tls-server-end-point,,"
	nonce := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0xa5}, 32))
	for _, c := range []struct {
		name, user, gs2, secret string
		binding                 []byte
		first, final            string
		nonce                   string // "" for a good one
	}{
		{"right", fake.AdminUser + ":1", "n,,", secret, nil, "SERVER_FIRST_RESPONSE", "SERVER_FINAL_RESPONSE", ""},
		{"with channel binding", fake.AdminUser + ":1", bound, secret, hash[:], "SERVER_FIRST_RESPONSE", "SERVER_FINAL_RESPONSE", ""},
		{"bound to another channel", fake.AdminUser + ":1", bound, secret, make([]byte, 32), "SERVER_FIRST_RESPONSE", "AUTH_ERR", ""},
		{"wrong key", fake.AdminUser + ":1", "n,,", secret + "x", nil, "SERVER_FIRST_RESPONSE", "AUTH_ERR", ""},
		{"revoked: nothing but an error", fake.AdminUser + ":6", "n,,", secret, nil, "AUTH_ERR", "", ""},
		{"somebody else's", fake.AdminUser + ":2", "n,,", secret, nil, "AUTH_ERR", "", ""},
		{"no key id", fake.AdminUser, "n,,", secret, nil, "AUTH_ERR", "", ""},
		{"no roles", fake.NobodyUser + ":4", "n,,", strings.TrimPrefix(fake.NobodyKey, "4-"), nil, "SERVER_FIRST_RESPONSE", "DENIED", ""},
		{"a nonce that is no base64 of 32 bytes", fake.AdminUser + ":1", "n,,", secret, nil, "AUTH_ERR", "", "fyko+d2lbbFgONRv9qkxdawL"},
	} {
		if c.nonce == "" {
			c.nonce = nonce
		}
		p := dial(t, s, "/api/current")
		k := &scram{gs2: c.gs2, nonce: c.nonce, binding: c.binding, secret: c.secret}
		k.first = "n=" + c.user + ",r=" + k.nonce
		ask := func(kind, text string) map[string]any {
			return p.must("auth.login_ex", map[string]any{"mechanism": "SCRAM", "scram_type": kind, "rfc_str": text}).(map[string]any)
		}
		said := func(m map[string]any) any {
			if m["response_type"] == "SCRAM_RESPONSE" {
				return m["scram_type"]
			}
			return m["response_type"]
		}
		first := ask("CLIENT_FIRST_MESSAGE", k.gs2+k.first)
		if said(first) != c.first {
			t.Errorf("%s: first %v", c.name, first)
		}
		if c.final == "" {
			continue
		}
		final := ask("CLIENT_FINAL_MESSAGE", k.final(t, first["rfc_str"].(string)))
		if said(final) != c.final {
			t.Errorf("%s: final %v", c.name, final)
		}
		if c.final != "SERVER_FINAL_RESPONSE" {
			continue
		}
		want := "v=" + base64.StdEncoding.EncodeToString(k.hmac(k.hmac(k.salted, "Server Key"), k.auth))
		if final["rfc_str"] != want || final["user_info"] == nil || p.call("auth.me").code() != 0 {
			t.Errorf("%s: %v, want %s", c.name, final, want)
		}
		for _, frame := range s.Frames() {
			if strings.Contains(frame, secret) {
				t.Error("the key was sent")
			}
		}
	}
	p := dial(t, s, "/api/current")
	if m := p.call("auth.login_ex", map[string]any{"mechanism": "SCRAM", "scram_type": "CLIENT_FINAL_MESSAGE", "rfc_str": "c=biws,r=x,p=eA=="}); m.reason() != "[EFAULT] SCRAM authentication is not in progress" {
		t.Errorf("a final message without a first: %s", m.raw)
	}
}
