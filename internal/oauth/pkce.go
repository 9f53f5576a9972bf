package oauth

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
)

// challengeLen is the length of a SHA-256 in base64url.
const challengeLen = 43

// CheckChallenge says what is wrong with the PKCE parameters of an authorization
// request: S256 and nothing else (RFC 7636; OAuth 2.1, 7.6).
func CheckChallenge(challenge, method string) *Error {
	if challenge == "" {
		return Errorf("invalid_request", "code_challenge is missing. Send one, with code_challenge_method=S256.")
	}
	if method != "S256" {
		return Errorf("invalid_request", "The code_challenge_method must be S256. Send a SHA-256 challenge.")
	}
	sum, err := base64.RawURLEncoding.Strict().DecodeString(challenge)
	if err != nil || len(sum) != sha256.Size || len(challenge) != challengeLen { // the decoder skips line breaks
		return Errorf("invalid_request", "code_challenge is not the base64url of a SHA-256. Send BASE64URL(SHA256(code_verifier)).")
	}
	return nil
}

// Verify tells whether a verifier fits a challenge.
func Verify(challenge, verifier string) bool {
	if len(verifier) < 43 || len(verifier) > 128 {
		return false
	}
	for i := range len(verifier) {
		c := verifier[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '.' && c != '_' && c != '~' {
			return false
		}
	}
	sum := sha256.Sum256([]byte(verifier))
	return subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(challenge)) == 1
}
