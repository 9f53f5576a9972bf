package clientauth_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"

	"drawbridge/internal/egress"
	"drawbridge/internal/egress/egresstest"
	"drawbridge/internal/oauth"
	"drawbridge/internal/oauth/clientauth"
)

const signerID = "https://chatgpt.com/oauth/Abc123/client.json"

// signer is a client that signs, with keys at a URL.
func signer(alg string) oauth.Client {
	return oauth.Client{ID: signerID, Kind: oauth.Document, Metadata: oauth.Metadata{AuthMethod: oauth.AuthJWT, JWKSURI: keysURL, SigningAlg: alg}}
}

func part(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// spoilt are assertions that must not pass, each wrong in one way.
func spoilt(now int64) map[string]func(k *ticket) {
	claim := func(name string, v any) func(k *ticket) {
		return func(k *ticket) {
			if k.claims[name] = v; v == nil {
				delete(k.claims, name)
			}
		}
	}
	twice := func(name string) func(k *ticket) {
		return func(k *ticket) {
			raw, _ := json.Marshal(k.claims)
			k.raw = fmt.Sprintf(`%s,%q:"x"}`, raw[:len(raw)-1], name)
		}
	}
	hmacOf := func(key func() []byte) func(k *ticket) {
		return func(k *ticket) { k.alg, k.key = jose.HS256, key() }
	}
	der, _ := x509.MarshalPKIXPublicKey(keys().rsa.Public())
	return map[string]func(k *ticket){
		"alg none": func(k *ticket) {
			k.sealed = func(s string) string {
				return part(map[string]string{"alg": "none", "kid": "one"}) + "." + strings.Split(s, ".")[1] + "."
			}
		},
		"alg None with a signature": func(k *ticket) {
			k.sealed = func(s string) string {
				return part(map[string]string{"alg": "None", "kid": "one"}) + s[strings.IndexByte(s, '.'):]
			}
		},
		"HS256 with the public key in DER":  hmacOf(func() []byte { return der }),
		"HS256 with the public key in PEM":  hmacOf(func() []byte { return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}) }),
		"HS256 with the public key in JSON": hmacOf(func() []byte { raw, _ := json.Marshal(public("one", keys().rsa)); return raw }),
		"another algorithm of the same key": func(k *ticket) { k.alg = jose.RS384 },
		"another kid":                       func(k *ticket) { k.kid = "two" },
		"the kid of another key":            func(k *ticket) { k.kid = "ec" },
		"another key":                       func(k *ticket) { k.key = keys().other },
		"another key without kid":           func(k *ticket) { k.key, k.kid = keys().other, "" },
		"key in the header": func(k *ticket) {
			k.key, k.kid = keys().other, ""
			k.header["jwk"] = public("", keys().other)
		},
		"key at a URL in the header": func(k *ticket) { k.key, k.header["jku"] = keys().other, "https://evil.example.org/keys" },
		"a key for encryption":       func(k *ticket) { k.kid = "enc" },
		"a short key":                func(k *ticket) { k.kid, k.key = "short", keys().short },
		"a key for another alg":      func(k *ticket) { k.alg, k.kid = jose.PS256, "rs256 only" },
		"critical header":            func(k *ticket) { k.header["crit"] = []string{"exp"} },
		"payload as it is":           func(k *ticket) { k.header["b64"], k.header["crit"] = false, []string{"b64"} },
		"altered payload": func(k *ticket) {
			k.sealed = func(s string) string {
				parts := strings.Split(s, ".")
				k.claims["jti"] = "another"
				return parts[0] + "." + part(k.claims) + "." + parts[2]
			}
		},
		"no signature": func(k *ticket) { k.sealed = func(s string) string { return s[:strings.LastIndexByte(s, '.')+1] } },
		"padding":      func(k *ticket) { k.sealed = func(s string) string { return s + "=" } },
		"line break":   func(k *ticket) { k.sealed = func(s string) string { return s[:10] + "\n" + s[10:] } },
		"four parts":   func(k *ticket) { k.sealed = func(s string) string { return s + ".x" } },
		"as JSON": func(k *ticket) {
			k.sealed = func(s string) string {
				p := strings.Split(s, ".")
				return fmt.Sprintf(`{"protected":%q,"payload":%q,"signature":%q}`, p[0], p[1], p[2])
			}
		},
		"nothing":     func(k *ticket) { k.sealed = func(string) string { return "" } },
		"over 16 KB":  claim("x", strings.Repeat("x", 16<<10)),
		"expired":     claim("exp", now-60),
		"exp missing": claim("exp", nil),
		"exp null":    func(k *ticket) { k.raw = strings.Replace(rawOf(k, "exp"), `"exp":0`, `"exp":null`, 1) },
		"exp as text": claim("exp", fmt.Sprint(now+60)),
		"exp negative": claim("exp",
			-1),
		"exp beyond all time":    claim("exp", 1e300),
		"exp too far":            claim("exp", now+11*60+1),
		"iat in the future":      claim("iat", now+61),
		"iat as text":            claim("iat", "now"),
		"nbf in the future":      claim("nbf", now+61),
		"aud of another":         claim("aud", "https://other.example.org"),
		"aud a page of ours":     claim("aud", base+"/mcp"),
		"aud in capitals":        claim("aud", strings.ToUpper(base)),
		"aud with a slash":       claim("aud", base+"/"),
		"aud missing":            claim("aud", nil),
		"aud empty":              claim("aud", ""),
		"aud of nobody":          claim("aud", []string{}),
		"aud of us and another":  claim("aud", []string{base, "https://other.example.org"}),
		"aud of us and a number": claim("aud", []any{base, 7}),
		"aud as an object":       claim("aud", map[string]string{"a": base}),
		"iss of another":         claim("iss", "https://other.example.org/client"),
		"iss missing":            claim("iss", nil),
		"sub of another":         claim("sub", "https://other.example.org/client"),
		"sub missing":            claim("sub", nil),
		"both of another":        func(k *ticket) { k.claims["iss"], k.claims["sub"] = "other", "other" },
		"jti missing":            claim("jti", nil),
		"jti empty":              claim("jti", ""),
		"jti as a number":        claim("jti", 7),
		"jti too long":           claim("jti", strings.Repeat("x", 513)),
		"iss twice":              twice("iss"),
		"aud twice":              twice("aud"),
		"exp twice":              twice("exp"),
		"iss in capitals":        func(k *ticket) { k.claims["ISS"] = k.claims["iss"]; delete(k.claims, "iss") },
		"payload no object":      func(k *ticket) { k.raw = `"x"` },
		"another type": func(k *ticket) {
			k.form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer")
		},
		"no type":               func(k *ticket) { k.form.Del("client_assertion_type") },
		"client_id of another":  func(k *ticket) { k.form.Set("client_id", "secret") },
		"with a secret too":     func(k *ticket) { k.form.Set("client_secret", "made-up") },
		"with Basic too":        func(k *ticket) { k.basic = "Basic " + base64.StdEncoding.EncodeToString([]byte("secret:made-up")) },
		"with Basic for the id": func(k *ticket) { k.basic = "Basic " + base64.StdEncoding.EncodeToString([]byte("public:")) },
		"with a bearer":         func(k *ticket) { k.basic = "Bearer x" },
	}
}

// rawOf is a ticket's payload with one claim set to 0.
func rawOf(k *ticket, name string) string {
	k.claims[name] = 0
	raw, _ := json.Marshal(k.claims)
	return string(raw)
}

func manyKeys() []jose.JSONWebKey {
	enc := public("enc", keys().rsa)
	enc.Use = "enc"
	only := public("rs256 only", keys().rsa)
	only.Algorithm = "RS256"
	return []jose.JSONWebKey{public("one", keys().rsa), public("ec", keys().ec), public("ed", keys().ed), enc, only, public("short", keys().short)}
}

// TestA17_assertions refuses everything that is wrong in one way, and marks nothing
// for it.
func TestA17_assertions(t *testing.T) {
	t.Parallel()
	_ = keys()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, signer(""), oauth.Client{ID: "secret", SecretHash: [32]byte{1}, Metadata: oauth.Metadata{AuthMethod: oauth.AuthPost}},
			oauth.Client{ID: "public", Metadata: oauth.Metadata{AuthMethod: oauth.AuthNone}})
		b.web.set(t, manyKeys()...)
		for name, spoil := range spoilt(time.Now().Unix()) {
			k := newTicket(signerID)
			spoil(k)
			if err := b.ticket(t, k); !refused(err) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if n := b.marks.count(); n != 0 {
			t.Errorf("%d marks were made", n)
		}
		if err := b.ticket(t, newTicket(signerID)); err != nil {
			t.Errorf("a good one: %v", err)
		}
	})
}

func TestA17_accepted(t *testing.T) {
	t.Parallel()
	_ = keys()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, signer(""))
		b.web.set(t, manyKeys()...)
		now := time.Now().Unix()
		for name, change := range map[string]func(k *ticket){
			"issuer":                func(k *ticket) {},
			"token endpoint":        func(k *ticket) { k.claims["aud"] = base + "/oauth/token" },
			"token endpoint, alias": func(k *ticket) { k.claims["aud"] = base + "/token" },
			"audiences of ours":     func(k *ticket) { k.claims["aud"] = []string{base + "/oauth/token", base} },
			"without client_id":     func(k *ticket) { k.form.Del("client_id") },
			"without kid":           func(k *ticket) { k.kid = "" },
			"without iat":           func(k *ticket) { delete(k.claims, "iat") },
			"iat a little ahead":    func(k *ticket) { k.claims["iat"] = now + 60 },
			"just expired":          func(k *ticket) { k.claims["exp"] = now - 59 },
			"exp with a fraction":   func(k *ticket) { k.claims["exp"] = float64(now) + 60.5 },
			"ten minutes and skew":  func(k *ticket) { k.claims["exp"] = now + 660 },
			"PS256":                 func(k *ticket) { k.alg = jose.PS256 },
			"ES256":                 func(k *ticket) { k.alg, k.key, k.kid = jose.ES256, keys().ec, "ec" },
			"EdDSA":                 func(k *ticket) { k.alg, k.key, k.kid = jose.EdDSA, keys().ed, "ed" },
			"the key's own alg":     func(k *ticket) { k.kid = "rs256 only" },
			"a type":                func(k *ticket) { k.header["typ"] = "client-authentication+jwt" },
			"an empty secret":       func(k *ticket) { k.form.Set("client_secret", "") },
		} {
			k := newTicket(signerID)
			change(k)
			if err := b.ticket(t, k); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if n := b.web.count(); n != 1 {
			t.Errorf("%d fetches", n)
		}
	})
}

func TestA17_registeredAlgorithm(t *testing.T) {
	t.Parallel()
	b := newBench(t, signer("RS256"))
	b.web.set(t, manyKeys()...)
	k := newTicket(signerID)
	k.alg = jose.PS256
	if err := b.ticket(t, k); !refused(err) {
		t.Errorf("PS256: %v", err)
	}
	if err := b.ticket(t, newTicket(signerID)); err != nil {
		t.Errorf("RS256: %v", err)
	}
}

// TestA17_otherMethod has a client that could sign but is registered for a secret.
func TestA17_otherMethod(t *testing.T) {
	t.Parallel()
	for _, method := range []string{oauth.AuthPost, oauth.AuthBasic, oauth.AuthNone, ""} {
		b := newBench(t, oauth.Client{ID: "other", Metadata: oauth.Metadata{AuthMethod: method, JWKS: keySet(t, public("one", keys().rsa))}})
		if err := b.ticket(t, newTicket("other")); !refused(err) {
			t.Errorf("%q: %v", method, err)
		}
	}
}

func TestA17_inline(t *testing.T) {
	t.Parallel()
	c := oauth.Client{ID: "machine", Kind: oauth.Static, Metadata: oauth.Metadata{AuthMethod: oauth.AuthJWT, JWKS: keySet(t, public("one", keys().rsa))}}
	odd := oauth.Client{ID: "odd", Metadata: oauth.Metadata{AuthMethod: oauth.AuthJWT,
		JWKS: []byte(`{"keys":[7,{"kty":"future"},{"kty":"oct","k":"c2VjcmV0LXRoYXQtaXMtbWFkZS11cC1mb3ItYS10ZXN0LTAx"},` + string(keySet(t, public("one", keys().rsa))[len(`{"keys":[`):]))}}
	private := oauth.Client{ID: "private", Metadata: oauth.Metadata{AuthMethod: oauth.AuthJWT, JWKS: keySet(t, jose.JSONWebKey{KeyID: "one", Key: keys().rsa})}}
	b := newBench(t, c, odd, private, oauth.Client{ID: "none", Metadata: oauth.Metadata{AuthMethod: oauth.AuthJWT}},
		oauth.Client{ID: "broken", Metadata: oauth.Metadata{AuthMethod: oauth.AuthJWT, JWKS: []byte(`{"keys":[],"keys":[]}`)}})
	for id, want := range map[string]bool{"machine": true, "odd": true, "private": false, "none": false, "broken": false} {
		err := b.ticket(t, newTicket(id))
		if want != (err == nil) || !want && !refused(err) {
			t.Errorf("%s: %v", id, err)
		}
	}
	if b.web.count() != 0 {
		t.Error("something was fetched")
	}
}

// TestA17_replay uses one assertion again and again, one after the other and at once.
func TestA17_replay(t *testing.T) {
	t.Parallel()
	_ = keys()
	synctest.Test(t, func(t *testing.T) {
		other := signer("")
		other.ID = "https://other.example.org/client"
		b := newBench(t, signer(""), other)
		b.web.set(t, manyKeys()...)
		k := newTicket(signerID)
		k.claims["exp"] = time.Now().Unix() + 600
		k.claims["jti"] = "once"
		form := k.sign(t)
		var passed atomic.Int64
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if _, err := b.try(t, form); err == nil {
					passed.Add(1)
				} else if !refused(err) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if passed.Load() != 1 {
			t.Errorf("one assertion passed %d times", passed.Load())
		}
		mine := newTicket(other.ID)
		mine.claims["jti"] = "once"
		if err := b.ticket(t, mine); err != nil {
			t.Errorf("the same jti of another client: %v", err)
		}
		for range 14 { // as long as it would be taken
			time.Sleep(50 * time.Second)
			if _, err := b.try(t, form); !refused(err) {
				t.Errorf("again: %v", err)
			}
		}
	})
}

// TestA17_refetch changes a client's keys, and sends unknown ones meanwhile.
func TestA17_refetch(t *testing.T) {
	t.Parallel()
	_ = keys()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, signer(""))
		b.web.set(t, public("one", keys().rsa))
		if err := b.ticket(t, newTicket(signerID)); err != nil {
			t.Fatal(err)
		}
		unknown := func() *ticket {
			k := newTicket(signerID)
			k.key, k.kid = keys().other, "two"
			return k
		}
		for range 59 {
			if err := b.ticket(t, unknown()); !refused(err) {
				t.Errorf("an unknown key: %v", err)
			}
			time.Sleep(time.Second)
		}
		if n := b.web.count(); n != 1 {
			t.Errorf("%d fetches within a minute", n)
		}
		b.web.set(t, public("two", keys().other))
		time.Sleep(time.Second)
		if err := b.ticket(t, unknown()); err != nil {
			t.Errorf("the new key: %v", err)
		}
		if err := b.ticket(t, newTicket(signerID)); !refused(err) {
			t.Errorf("the old key: %v", err)
		}
		for range 10 {
			time.Sleep(30 * time.Second)
			k := unknown()
			k.kid = "three"
			_ = b.ticket(t, k)
		}
		if n := b.web.count(); n < 6 || n > 7 {
			t.Errorf("%d fetches in six minutes", n)
		}
	})
}

// TestA17_wrongSignature shows that a signature which is just wrong fetches nothing.
func TestA17_wrongSignature(t *testing.T) {
	t.Parallel()
	_ = keys()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, signer(""))
		b.web.set(t, public("one", keys().rsa))
		for range 5 {
			time.Sleep(2 * time.Minute)
			k := newTicket(signerID)
			k.key = keys().other
			if err := b.ticket(t, k); !refused(err) {
				t.Error(err)
			}
		}
		if n := b.web.count(); n > 2 { // kept for five minutes each
			t.Errorf("%d fetches", n)
		}
	})
}

// TestA17_keysDown shows that an outage of the client's keys is told as what it is,
// and that keys which were fetched last through it.
func TestA17_keysDown(t *testing.T) {
	t.Parallel()
	_ = keys()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, signer(""))
		b.web.down = errors.New("down")
		start := time.Now()
		for range 10 {
			if err := b.ticket(t, newTicket(signerID)); !later(err) {
				t.Errorf("down: %v", err)
			}
		}
		if n, took := b.web.count(), time.Since(start); n != 1 || took != egress.DefaultTimeout {
			t.Errorf("%d fetches in %v", n, took)
		}
		b.web.down, b.web.code = nil, 403
		b.web.set(t, public("one", keys().rsa))
		time.Sleep(time.Minute)
		if err := b.ticket(t, newTicket(signerID)); !later(err) {
			t.Errorf("forbidden: %v", err)
		}
		b.web.code = 0
		time.Sleep(time.Minute)
		if err := b.ticket(t, newTicket(signerID)); err != nil {
			t.Errorf("up again: %v", err)
		}
		b.web.down = errors.New("down")
		time.Sleep(23 * time.Hour)
		if err := b.ticket(t, newTicket(signerID)); err != nil {
			t.Errorf("down for a day: %v", err)
		}
		time.Sleep(3 * time.Hour)
		if err := b.ticket(t, newTicket(signerID)); !later(err) {
			t.Errorf("down for longer: %v", err)
		}
	})
}

// TestA17_table has a client's keys at every forbidden address, form and server.
func TestA17_table(t *testing.T) {
	t.Parallel()
	_ = keys()
	synctest.Test(t, func(t *testing.T) {
		n := egresstest.New(t)
		cases := n.Cases()
		b := newBench(t)
		web, err := egress.New(egress.Config{MaxBytes: clientauth.MaxKeys}, n.Deps())
		if err != nil {
			t.Fatal(err)
		}
		b.auth = authenticator(t, b, web)
		cases = slices.DeleteFunc(cases, func(c egresstest.Case) bool { return c.URL == "" }) // no URL: keys inline
		egresstest.Sweep(t, cases, func(url string) error {
			c := signer("")
			c.Metadata.JWKSURI = url
			b.clients.byID[signerID] = c
			start := time.Now()
			err := b.ticket(t, newTicket(signerID))
			if !later(err) || time.Since(start) != egress.DefaultTimeout {
				t.Errorf("%q: %v after %v", url, err, time.Since(start))
			}
			if err == nil {
				return nil
			}
			return err
		})
	})
}

func TestA17_marksDown(t *testing.T) {
	t.Parallel()
	b := newBench(t, signer(""))
	b.web.set(t, manyKeys()...)
	b.marks.down = errors.New("down")
	if err := b.ticket(t, newTicket(signerID)); err == nil || err.Word != "server_error" {
		t.Errorf("a replay could not be seen: %v", err)
	}
}

// FuzzAssertion looks for an assertion that passes without having been signed.
func FuzzAssertion(f *testing.F) {
	b := newBench(f, signer(""))
	b.web.set(f, manyKeys()...)
	signed := map[string]bool{}
	add := func(k *ticket) {
		assertion := k.sign(f).Get("client_assertion")
		signed[assertion] = k.sealed == nil && k.key != any(keys().other)
		f.Add(assertion, k.form.Get("client_id"))
	}
	add(newTicket(signerID))
	f.Add("..", "")
	f.Add(part(map[string]string{"alg": "none"})+"."+part(newTicket(signerID).claims)+".", signerID)
	for name, spoil := range spoilt(time.Now().Unix()) {
		if k := newTicket(signerID); name != "over 16 KB" {
			spoil(k)
			add(k)
		}
	}
	f.Fuzz(func(t *testing.T, assertion, id string) {
		if !utf8.ValidString(assertion) || !utf8.ValidString(id) {
			return // oauth.ParseParams refuses it
		}
		form := maps.Clone(newTicket(signerID).form)
		form.Set("client_assertion", assertion)
		form.Set("client_id", id)
		if _, err := b.try(t, form); err == nil && !signed[assertion] {
			t.Errorf("%q passed", assertion)
		}
	})
}

// Each assertion leaves a mark, so a client may use only so many of them; what others
// send again does not count.
func TestA17_marksPerClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		one, other := signer(""), signer("")
		other.ID = "dcr_other"
		b := newBench(t, one, other)
		b.web.set(t, public("one", keys().rsa))
		first := newTicket(one.ID).sign(t)
		for range 200 {
			if _, err := b.try(t, first); err != nil && !refused(err) {
				t.Fatalf("a replay: %v", err)
			}
		}
		for range 120 {
			_ = b.ticket(t, newTicket(one.ID))
		}
		if n := b.marks.count(); n != 100 {
			t.Errorf("%d marks", n)
		}
		err := b.ticket(t, newTicket(one.ID))
		if err == nil || err.Word != "temporarily_unavailable" || err.Status != http.StatusTooManyRequests || err.After == 0 {
			t.Errorf("one too many: %v", err)
		}
		if err := b.ticket(t, newTicket(other.ID)); err != nil {
			t.Errorf("another client: %v", err)
		}
		time.Sleep(time.Minute)
		if err := b.ticket(t, newTicket(one.ID)); err != nil {
			t.Errorf("a minute later: %v", err)
		}
	})
}
