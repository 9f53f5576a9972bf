package clientauth

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"

	"drawbridge/internal/egress"
	"drawbridge/internal/fault"
	"drawbridge/internal/jsonscan"
	"drawbridge/internal/limit"
	"drawbridge/internal/oauth"
)

// MaxKeys is how many bytes a key set may have.
const MaxKeys = 64 << 10

const (
	maxKeyCount = 64 // in a set; the rest is not looked at
	minRSA      = 2048
	acceptKeys  = "application/jwk-set+json, application/json"

	// renewAfter is how old kept keys are before an assertion with an unknown one has
	// them fetched anew.
	renewAfter = time.Minute

	// perMinute is how many key sets one network may have fetched, and how many
	// assertions one client may use.
	perMinute  = 100
	remembered = 10_000 // networks or clients that are counted at a time
)

// keyRing has the public keys of clients. Keys at a URL are kept between five minutes
// and an hour, and serve for a day more when the URL is down.
type keyRing struct {
	log      *slog.Logger
	cache    *egress.Cache[[]jose.JSONWebKey]
	networks *limit.Buckets
}

func newKeyRing(log *slog.Logger, f Fetcher) *keyRing {
	k := &keyRing{log: log, networks: limit.New(perMinute, time.Minute, perMinute, remembered)}
	bounds := egress.Bounds{Min: 5 * time.Minute, Max: time.Hour, Stale: 24 * time.Hour, Failed: renewAfter, Timeout: egress.DefaultTimeout, Size: 1000}
	k.cache = egress.NewCache(f, acceptKeys, bounds, readSet, k.failed)
	return k
}

// errNoKeys is the same for every cause, as the URL is a stranger's word.
var errNoKeys = fault.New(fault.Unavailable, "The keys of this client cannot be fetched now. Try again in a minute.")

func (k *keyRing) failed(url string, err error) error {
	k.log.Info("client keys not usable", "jwks_uri", url, "error", err)
	return errNoKeys
}

// verify tells whether a key of the client made the signature. The error is that of
// keys which cannot be had now.
func (k *keyRing) verify(ctx context.Context, m *oauth.Metadata, signed *jose.JSONWebSignature) (bool, error) {
	if m.JWKSURI == "" {
		keys, err := parseSet(m.JWKS)
		return err == nil && verifies(keys, signed), nil
	}
	from := network(ctx)
	admit := func() error {
		if _, ok := k.networks.Take(from, time.Now()); !ok {
			return fault.New(fault.Limited, "Too many key sets were asked for from this network. Try again in a minute.")
		}
		return nil
	}
	keys, err := k.cache.Get(ctx, m.JWKSURI, admit)
	if err != nil || verifies(keys, signed) {
		return err == nil, err
	}
	// An assertion that names a key which is there was not made with it. For any other
	// the client may have a new key.
	kid := signed.Signatures[0].Protected.KeyID
	if kid != "" && len(named(keys, kid)) > 0 {
		return false, nil
	}
	keys, err = k.cache.Renew(ctx, m.JWKSURI, renewAfter, admit)
	return err == nil && verifies(keys, signed), err
}

// readSet makes keys of what was fetched.
func readSet(_ string, r egress.Response) ([]jose.JSONWebKey, error) {
	if r.Status != http.StatusOK {
		return nil, fmt.Errorf("status %d", r.Status)
	}
	return parseSet(r.Body)
}

// parseSet reads a key set and leaves out what is of no use here: key types that we
// do not know, private and symmetric keys, short ones, and those for encryption.
func parseSet(body []byte) ([]jose.JSONWebKey, error) {
	if len(body) > MaxKeys {
		return nil, errors.New("the key set is too long")
	}
	if err := jsonscan.Check(body); err != nil {
		return nil, fmt.Errorf("check key set: %w", err)
	}
	m, ok := jsonscan.Find(body, "keys")
	if !ok {
		return nil, errors.New("the key set has no keys")
	}
	list := m.Value.Of(body)
	var keys []jose.JSONWebKey
	n := 0
	for span := range jsonscan.Elements(list) {
		if n++; n > maxKeyCount {
			break
		}
		var key jose.JSONWebKey
		if err := key.UnmarshalJSON(span.Of(list)); err != nil || !usable(&key) {
			continue
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func usable(key *jose.JSONWebKey) bool {
	if !key.Valid() || !key.IsPublic() || key.Use != "" && key.Use != "sig" {
		return false
	}
	r, isRSA := key.Key.(*rsa.PublicKey)
	return !isRSA || r.N.BitLen() >= minRSA
}

// verifies tells whether one of the keys made the signature: of those with the name
// in the header if it has one, and only with the algorithm that the key is for.
func verifies(keys []jose.JSONWebKey, signed *jose.JSONWebSignature) bool {
	head := signed.Signatures[0].Protected
	if head.KeyID != "" {
		keys = named(keys, head.KeyID)
	}
	for _, key := range keys {
		if key.Algorithm != "" && key.Algorithm != head.Algorithm {
			continue
		}
		if _, err := signed.Verify(key.Key); err == nil {
			return true
		}
	}
	return false
}

func named(keys []jose.JSONWebKey, kid string) []jose.JSONWebKey {
	var found []jose.JSONWebKey
	for _, key := range keys {
		if key.KeyID == kid {
			found = append(found, key)
		}
	}
	return found
}
