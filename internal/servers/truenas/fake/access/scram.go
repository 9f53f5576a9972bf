package access

import (
	"bytes"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"drawbridge/internal/servers/truenas/fake/fail"
)

// verifier is what a server keeps of a key (RFC 5802 section 3, with SHA-512): not the key.
type verifier struct {
	salt              []byte
	iterations        int
	stored, serverKey []byte
}

// exchange is a SCRAM login between its two messages.
type exchange struct {
	key                *Key
	gs2                string // the header of the first message
	first, serverFirst string // as they count for the proof
	nonce              []byte // both halves
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha512.New, key)
	h.Write([]byte(text)) // a hash takes everything
	return h.Sum(nil)
}

// verifier of a key: its password is what stands after the dash.
func (k *Key) verifier(iterations int) (*verifier, error) {
	if k.scram != nil {
		return k.scram, nil
	}
	v := &verifier{salt: []byte("salt of key " + strconv.Itoa(k.ID) + "...")[:16], iterations: iterations}
	salted, err := pbkdf2.Key(sha512.New, k.Secret, v.salt, iterations, sha512.Size)
	if err != nil {
		return nil, err
	}
	stored := sha512.Sum512(mac(salted, "Client Key"))
	v.stored, v.serverKey = stored[:], mac(salted, "Server Key")
	k.scram = v
	return v, nil
}

// attributes are the a=... parts of a message.
func attributes(message string) map[string]string {
	out := map[string]string{}
	for part := range strings.SplitSeq(message, ",") {
		if name, value, ok := strings.Cut(part, "="); ok && len(name) == 1 {
			out[name] = value
		}
	}
	return out
}

// scram answers both messages of a client. Whatever is wrong with them is AUTH_ERR: also
// a key that has expired or was revoked, since nothing but a failed proof is seen of it.
func (b *Book) scram(t *Talk, kind, message string, now time.Time) (map[string]any, *Principal, error) {
	if kind == "CLIENT_FIRST_MESSAGE" {
		x, err := b.first(message, now)
		if err != nil {
			return nil, nil, err
		}
		t.scram = x
		if x == nil {
			return reply("AUTH_ERR"), nil, nil
		}
		return map[string]any{"response_type": "SCRAM_RESPONSE", "scram_type": "SERVER_FIRST_RESPONSE", "rfc_str": x.serverFirst, "user_info": nil}, nil, nil
	}
	x := t.scram
	t.scram = nil
	if x == nil {
		return nil, nil, fail.Call(fail.EFAULT, "SCRAM authentication is not in progress")
	}
	signature, ok := b.prove(t, x, message)
	if !ok {
		return reply("AUTH_ERR"), nil, nil
	}
	answer, p := b.enter(b.account(x.key.User), "API_KEY", x.key, now)
	if p == nil {
		return answer, nil, nil
	}
	return map[string]any{"response_type": "SCRAM_RESPONSE", "scram_type": "SERVER_FINAL_RESPONSE", "rfc_str": "v=" + base64.StdEncoding.EncodeToString(signature), "user_info": p.Info()}, p, nil
}

// nonceSize is that of either side's nonce. Unlike in RFC 5802 nonces are bytes here: the
// server's follow the client's, and both together are base64, which does not begin with
// what the client sent (truenas/api_client py_scram/server_first.py, client_final.py).
const nonceSize = 32

// first reads client-first-message: a gs2 header, then n=user:key,r=nonce.
func (b *Book) first(message string, now time.Time) (*exchange, error) {
	parts := strings.SplitN(message, ",", 3)
	if len(parts) != 3 || parts[0] != "n" && parts[0] != "y" && parts[0] != "p=tls-server-end-point" || parts[1] != "" {
		return nil, nil
	}
	bare := attributes(parts[2])
	nonce, err := base64.StdEncoding.DecodeString(bare["r"])
	if !strings.HasPrefix(parts[2], "n=") || err != nil || len(nonce) != nonceSize {
		return nil, nil
	}
	user, id, _ := strings.Cut(bare["n"], ":")
	n, err := strconv.Atoi(id)
	k := b.KeyOf(n)
	if err != nil || k == nil || k.User != user || b.account(user) == nil || k.Revoked != "" || !k.Expires.IsZero() && !now.Before(k.Expires) {
		return nil, nil
	}
	v, err := k.verifier(b.Iterations)
	if err != nil {
		return nil, err
	}
	own := make([]byte, nonceSize)
	_, _ = rand.Read(own) // never fails
	x := &exchange{key: k, gs2: parts[0] + ",,", first: parts[2], nonce: append(nonce, own...)}
	x.serverFirst = "r=" + base64.StdEncoding.EncodeToString(x.nonce) + ",s=" + base64.StdEncoding.EncodeToString(v.salt) + ",i=" + strconv.Itoa(v.iterations)
	return x, nil
}

// prove checks client-final-message and signs the exchange.
func (b *Book) prove(t *Talk, x *exchange, message string) ([]byte, bool) {
	without, proof64, ok := cutLast(message, ",p=")
	got := attributes(without)
	bound, err := base64.StdEncoding.DecodeString(got["c"])
	proof, err2 := base64.StdEncoding.DecodeString(proof64)
	nonce, err3 := base64.StdEncoding.DecodeString(got["r"])
	if !ok || err != nil || err2 != nil || err3 != nil || len(got) != 2 || !bytes.Equal(nonce, x.nonce) || len(proof) != sha512.Size {
		return nil, false
	}
	want := []byte(x.gs2)
	if strings.HasPrefix(x.gs2, "p=") {
		if b.Binding == nil || !t.Secure {
			return nil, false
		}
		want = append(want, b.Binding()...)
	}
	if !bytes.Equal(bound, want) {
		return nil, false
	}
	v := x.key.scram
	auth := x.first + "," + x.serverFirst + "," + without
	clientKey := mac(v.stored, auth)
	subtle.XORBytes(clientKey, clientKey, proof)
	if sum := sha512.Sum512(clientKey); subtle.ConstantTimeCompare(sum[:], v.stored) == 0 {
		return nil, false
	}
	return mac(v.serverKey, auth), true
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
