package upstream

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
)

var errFingerprint = errors.New("the certificate has another fingerprint")

// maxCAFile bounds a file of authorities.
const maxCAFile = 1 << 20

// TLS makes the TLS settings of a target, for connections that are not HTTP, too.
// A pinned certificate is accepted whatever its name, date and issuer: the
// operator vouches for this very one, and for no other.
func TLS(t Target) (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read CA file: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if len(pem) > maxCAFile || !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("the CA file %s has no certificate in PEM form", t.CAFile)
		}
	}
	if t.Fingerprint == "" {
		return cfg, nil
	}
	pin, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(t.Fingerprint), ":", ""))
	if err != nil || len(pin) != sha256.Size {
		return nil, errors.New("the fingerprint is not the SHA-256 of a certificate in hex")
	}
	cfg.InsecureSkipVerify = true // VerifyConnection does it, also for resumed sessions
	cfg.VerifyConnection = func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) == 0 {
			return errFingerprint
		}
		sum := sha256.Sum256(state.PeerCertificates[0].Raw)
		if subtle.ConstantTimeCompare(sum[:], pin) != 1 {
			return errFingerprint
		}
		return nil
	}
	return cfg, nil
}
