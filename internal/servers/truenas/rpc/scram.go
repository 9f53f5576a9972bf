package rpc

import (
	"bytes"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Bounds on what a server may ask for: below, its salt would be of little use; above, it
// could keep us busy for minutes.
const (
	leastIterations = 4096
	mostIterations  = 5_000_000
)

// gs2 says that the channel is not bound (RFC 5802, section 7); the certificate is
// checked by TLS.
const gs2 = "n,,"

// nonceBytes is the length that the middleware's own client uses.
const nonceBytes = 32

var errScram = errors.New("the server does not follow SCRAM")

// scram is the client's side of one SCRAM-SHA-512 exchange (RFC 5802). The key itself is
// never sent.
type scram struct {
	key   string // what follows the key's id
	first string // client-first-message-bare
	nonce string
	auth  string // AuthMessage, once known
	salt  []byte // SaltedPassword, once known
}

// newScram starts an exchange. The server finds the key by its id, which stands behind
// the name.
func newScram(user, keyID, key string) *scram {
	random := make([]byte, nonceBytes)
	_, _ = rand.Read(random) // never fails
	nonce := base64.StdEncoding.EncodeToString(random)
	name := strings.NewReplacer("=", "=3D", ",", "=2C").Replace(user) + ":" + keyID
	return &scram{key: key, nonce: nonce, first: "n=" + name + ",r=" + nonce}
}

// clientFirst is the first message.
func (s *scram) clientFirst() string { return gs2 + s.first }

// clientFinal answers the server's first message.
func (s *scram) clientFinal(serverFirst string) (string, error) {
	fields := fieldsOf(serverFirst)
	salt, err := base64.StdEncoding.DecodeString(fields["s"])
	if err != nil || len(salt) == 0 {
		return "", errScram
	}
	rounds, err := strconv.Atoi(fields["i"])
	if err != nil || rounds < leastIterations || rounds > mostIterations {
		return "", fmt.Errorf("%w: %d rounds", errScram, rounds)
	}
	nonce := fields["r"]
	if !s.mine(nonce) {
		return "", errScram // an answer to another exchange
	}
	if s.salt, err = pbkdf2.Key(sha512.New, s.key, salt, rounds, sha512.Size); err != nil {
		return "", fmt.Errorf("derive key: %w", err)
	}
	final := "c=" + base64.StdEncoding.EncodeToString([]byte(gs2)) + ",r=" + nonce
	s.auth = s.first + "," + serverFirst + "," + final
	clientKey := sum(s.salt, "Client Key")
	stored := sha512.Sum512(clientKey)
	proof := make([]byte, len(clientKey))
	subtle.XORBytes(proof, clientKey, sum(stored[:], s.auth))
	return final + ",p=" + base64.StdEncoding.EncodeToString(proof), nil
}

// mine tells whether a nonce begins with ours and goes on. The middleware joins the bytes
// and encodes them again, RFC 5802 joins the texts.
func (s *scram) mine(nonce string) bool {
	if strings.HasPrefix(nonce, s.nonce) {
		return nonce != s.nonce
	}
	ours, err := base64.StdEncoding.DecodeString(s.nonce)
	if err != nil {
		return false
	}
	both, err := base64.StdEncoding.DecodeString(nonce)
	return err == nil && bytes.HasPrefix(both, ours) && len(both) > len(ours)
}

// verify holds the server's last message to what only one who knows the key can say.
func (s *scram) verify(serverFinal string) error {
	said, err := base64.StdEncoding.DecodeString(fieldsOf(serverFinal)["v"])
	if err != nil || s.auth == "" || !hmac.Equal(said, sum(sum(s.salt, "Server Key"), s.auth)) {
		return errScram
	}
	return nil
}

func sum(key []byte, text string) []byte {
	h := hmac.New(sha512.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// fieldsOf reads "r=...,s=...,i=...".
func fieldsOf(text string) map[string]string {
	fields := map[string]string{}
	for part := range strings.SplitSeq(text, ",") {
		if name, value, ok := strings.Cut(part, "="); ok {
			fields[name] = value
		}
	}
	return fields
}
