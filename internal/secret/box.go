package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
)

// Box seals values that travel through a client and come back: session ids,
// request states. What it makes is text for a header or a JSON string. Safe for
// concurrent use.
type Box struct{ aead cipher.AEAD }

// NewBox makes a box of a key of 32 bytes, one that Derive has made for nothing
// else.
func NewBox(key []byte) (*Box, error) {
	aead, err := newAEAD(key)
	if err != nil {
		return nil, fmt.Errorf("make box: %w", err)
	}
	return &Box{aead}, nil
}

// Seal encrypts plain. It opens only with the same bound.
func (b *Box) Seal(plain, bound []byte) string {
	return base64.RawURLEncoding.EncodeToString(b.aead.Seal(nil, nil, plain, bound))
}

// Open decrypts what Seal made, or fails with ErrBroken. It accepts one spelling
// of each text: the decoder alone would skip line breaks, and what was revoked
// could come back in another spelling.
func (b *Box) Open(text string, bound []byte) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, ErrBroken
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, ErrBroken
	}
	plain, err := b.aead.Open(nil, nil, sealed, bound)
	if err != nil {
		return nil, ErrBroken
	}
	return plain, nil
}

// Steady seals as Box does, but makes the same text of the same value and bound
// each time, for names that peers compare. Whoever sees two texts learns whether
// they mean the same, and nothing else: the nonce is a keyed hash of what is sealed,
// so it repeats only where everything does. Safe for concurrent use.
type Steady struct {
	aead cipher.AEAD
	mac  []byte
}

// NewSteady makes a Steady of a key of 32 bytes, one that Derive has made for
// nothing else.
func NewSteady(key []byte) (*Steady, error) {
	if len(key) != keySize {
		return nil, fmt.Errorf("make steady box: a key has %d bytes, not %d", keySize, len(key))
	}
	block, err := aes.NewCipher(Derive(key, "steady text"))
	if err != nil {
		return nil, fmt.Errorf("make steady box: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("make steady box: %w", err)
	}
	return &Steady{aead, Derive(key, "steady nonce")}, nil
}

// Seal encrypts plain. It opens only with the same bound.
func (s *Steady) Seal(plain, bound []byte) string {
	h := hmac.New(sha256.New, s.mac)
	_ = binary.Write(h, binary.BigEndian, uint64(len(bound))) // a hash takes everything
	h.Write(bound)
	h.Write(plain)
	nonce := h.Sum(nil)[:s.aead.NonceSize()]
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nonce, nonce, plain, bound))
}

// Open decrypts what Seal made, or fails with ErrBroken; it takes one spelling, as
// Box does.
func (s *Steady) Open(text string, bound []byte) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, ErrBroken
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(sealed) < s.aead.NonceSize() {
		return nil, ErrBroken
	}
	n := s.aead.NonceSize()
	plain, err := s.aead.Open(nil, sealed[:n], sealed[n:], bound)
	if err != nil {
		return nil, ErrBroken
	}
	return plain, nil
}

// newAEAD is AES-256-GCM that puts a random nonce before what it seals.
func newAEAD(key []byte) (cipher.AEAD, error) {
	if len(key) != keySize {
		return nil, fmt.Errorf("a key has %d bytes, not %d", keySize, len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
