package secret

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"hash/crc32"
	"math/big"
	"strings"
)

// PrefixKey starts every API key. Each kind of token has its own prefix, so
// that scanners and Redact know one when they see it.
const PrefixKey = "dbk_"

const (
	tokenRandom = 43 // characters of base 62 that hold 256 bits
	tokenCheck  = 6  // characters that hold a CRC-32
	base62      = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// NewToken makes a token of 256 random bits and the hash by which the store
// knows it: prefix, 43 characters, and 6 of checksum.
func NewToken(prefix string) (String, [32]byte) {
	var random [32]byte
	rand.Read(random[:]) // never fails; crypto/rand ends the program instead
	token := string(appendBase62([]byte(prefix), new(big.Int).SetBytes(random[:]), tokenRandom))
	token += checksum(token)
	return New(token), Hash(token)
}

// Hash is what the store keeps of a token. A plain hash is enough: there is
// nothing to guess in 256 random bits.
func Hash(token string) [32]byte { return sha256.Sum256([]byte(token)) }

// WellFormed tells whether token could have been made by NewToken(prefix): a
// mistyped one is recognised without a look-up.
func WellFormed(prefix, token string) bool {
	if len(token) != len(prefix)+tokenRandom+tokenCheck || !strings.HasPrefix(token, prefix) {
		return false
	}
	body := token[:len(token)-tokenCheck]
	return token[len(body):] == checksum(body)
}

// Derive makes a key of 32 bytes for one purpose from the installation's secret
// (HKDF-SHA-256). Two labels give unrelated keys.
func Derive(installation []byte, label string) []byte {
	key, err := hkdf.Key(sha256.New, installation, nil, label, 32)
	if err != nil {
		panic("derive " + label + ": " + err.Error()) // only for a length HKDF cannot give
	}
	return key
}

func checksum(body string) string {
	sum := big.NewInt(int64(crc32.ChecksumIEEE([]byte(body))))
	return string(appendBase62(nil, sum, tokenCheck))
}

// appendBase62 writes n in exactly width digits. It uses up n.
func appendBase62(dst []byte, n *big.Int, width int) []byte {
	start := len(dst)
	dst = append(dst, strings.Repeat("0", width)...)
	base, digit := big.NewInt(62), new(big.Int)
	for i := len(dst) - 1; i >= start; i-- {
		n.DivMod(n, base, digit)
		dst[i] = base62[digit.Int64()]
	}
	return dst
}
