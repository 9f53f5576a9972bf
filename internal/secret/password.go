package secret

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// The cost of a password hash: argon2id with 19 MiB and two passes, the smaller
// of OWASP's recommendations, since the machine may be a home server.
const (
	argonMemory  = 19 * 1024 // KiB
	argonTime    = 2
	argonThreads = 1
	argonSalt    = 16
	argonKey     = 32
	// Limits for hashes read back, so that a forged row cannot exhaust memory.
	argonMaxMemory = 256 * 1024
	argonMaxTime   = 16
)

// HashPassword gives the argon2id hash of a password in PHC form. It takes tens
// of milliseconds and 19 MiB: limit how many run at once.
func HashPassword(password String) string {
	salt := make([]byte, argonSalt)
	rand.Read(salt) // never fails; crypto/rand ends the program instead
	sum := argon2.IDKey([]byte(password.Reveal()), salt, argonTime, argonMemory, argonThreads, argonKey)
	enc := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version,
		argonMemory, argonTime, argonThreads, enc.EncodeToString(salt), enc.EncodeToString(sum))
}

// CheckPassword tells whether hash is of password. An empty or unreadable hash
// fits no password.
func CheckPassword(hash string, password String) bool {
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return false
	}
	var memory, passes uint32
	var threads uint8
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &passes, &threads); err != nil {
		return false
	}
	if memory > argonMaxMemory || passes < 1 || passes > argonMaxTime || threads < 1 {
		return false
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil {
		return false
	}
	want, err := base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil || len(want) < argonSalt {
		return false
	}
	got := argon2.IDKey([]byte(password.Reveal()), salt, passes, memory, threads, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1
}

// NewPassword makes a password a person can type: 20 characters of base 62 in
// groups of five, 119 bits.
func NewPassword() String {
	token, _ := NewToken("")
	v := token.Reveal()
	return New(v[1:6] + "-" + v[6:11] + "-" + v[11:16] + "-" + v[16:21])
}
