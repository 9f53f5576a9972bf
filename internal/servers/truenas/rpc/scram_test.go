package rpc_test

import (
	"crypto/hmac"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"drawbridge/internal/servers/truenas/rpc"
)

// A key, its salt and what 500,000 rounds make of them, from the tests of the middleware's
// own client (truenas/api_client, tests of scram_impl).
const (
	vectorKey    = "VqZfWCloeIoYsJbquX7BGaD45JBtOUx0NFHxg5ll7e4QLH1cG5XTtdGU0KbBxxRL"
	vectorSalt   = "V05HWnZGSDBDT1M3Q3BxWQ=="
	vectorRounds = 500000
	vectorSalted = "DJD4XD78r4eA6S6mSiQv2rF/GVnf2zjACIRBZiN4g60m+AHOW5NQFy57BJQKevSK523G3JLR8rSJ7SOu2IYmMA=="
)

func mac(key []byte, text string) []byte {
	h := hmac.New(sha512.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// The middleware's side of the exchange, computed from the vector: it joins the bytes of
// the nonces, checks the proof and signs.
func TestScram_vector(t *testing.T) {
	t.Parallel()
	salted, err := base64.StdEncoding.DecodeString(vectorSalted)
	if err != nil {
		t.Fatal(err)
	}
	x := rpc.NewExchange("bob", "1", vectorKey)
	bare, ok := strings.CutPrefix(x.First(), "n,,")
	name, nonce, split := strings.Cut(bare, ",r=")
	if !ok || !split || name != "n=bob:1" {
		t.Fatalf("first message %q", x.First())
	}
	ours, err := base64.StdEncoding.DecodeString(nonce)
	if err != nil || len(ours) != 32 {
		t.Fatalf("the nonce is not 32 bytes: %q", nonce)
	}
	joined := base64.StdEncoding.EncodeToString(append(ours, make([]byte, 32)...))
	serverFirst := fmt.Sprintf("r=%s,s=%s,i=%d", joined, vectorSalt, vectorRounds)
	final, err := x.Final(serverFirst)
	if err != nil {
		t.Fatal(err)
	}
	without, proof, _ := strings.Cut(final, ",p=")
	if without != "c=biws,r="+joined {
		t.Errorf("last message %q", final)
	}
	auth := bare + "," + serverFirst + "," + without
	stored := sha512.Sum512(mac(salted, "Client Key"))
	clientKey, _ := base64.StdEncoding.DecodeString(proof)
	subtle.XORBytes(clientKey, clientKey, mac(stored[:], auth))
	if sha512.Sum512(clientKey) != stored {
		t.Error("the proof is wrong")
	}
	signature := mac(mac(salted, "Server Key"), auth)
	if err := x.Verify("v=" + base64.StdEncoding.EncodeToString(signature)); err != nil {
		t.Errorf("a good signature: %v", err)
	}
	signature[0] ^= 1
	if x.Verify("v="+base64.StdEncoding.EncodeToString(signature)) == nil || x.Verify("e=other-error") == nil {
		t.Error("a bad signature is believed")
	}
}

// What a server must not do: answer another exchange, ask for few or endless rounds.
func TestScram_refuses(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]func(nonce string) string{
		"another nonce":    func(string) string { return "r=b3RoZXI=,s=c2FsdA==,i=5000" },
		"no nonce of its":  func(nonce string) string { return "r=" + nonce + ",s=c2FsdA==,i=5000" },
		"too few rounds":   func(nonce string) string { return "r=" + nonce + "x,s=c2FsdA==,i=1" },
		"endless rounds":   func(nonce string) string { return "r=" + nonce + "x,s=c2FsdA==,i=5000001" },
		"rounds, no digit": func(nonce string) string { return "r=" + nonce + "x,s=c2FsdA==,i=many" },
		"no salt":          func(nonce string) string { return "r=" + nonce + "x,s=,i=5000" },
		"nothing":          func(string) string { return "" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := rpc.NewExchange("bob", "1", vectorKey)
			_, nonce, _ := strings.Cut(x.First(), "r=")
			if _, err := x.Final(first(nonce)); err == nil {
				t.Error("accepted")
			}
			if x.Verify("v=") == nil {
				t.Error("verified without an exchange")
			}
		})
	}
}
