package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
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
