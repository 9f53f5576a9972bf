package clientauth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"drawbridge/internal/fault"
	"drawbridge/internal/jsonscan"
	"drawbridge/internal/oauth"
)

const (
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	maxAssertion  = 16 << 10
	maxJTI        = 512

	// skew is how far a client's clock may be off.
	skew = time.Minute
	// maxLife is how far ahead an assertion may expire. Libraries take between half a
	// minute and five; what lives longer would only be worth more to a thief, and has
	// to be remembered for longer.
	maxLife = 10 * time.Minute

	// onceKind marks the jti of assertions that were used.
	onceKind = "client_assertion"
)

// tokenPaths are where the token endpoint stands (R19).
var tokenPaths = []string{"/oauth/token", "/token"}

// readAssertion finds the client of an assertion that comes without client_id, which
// RFC 7521, 4.2 allows: who it says it is, so far.
func readAssertion(got *presented, kind string) error {
	if kind != assertionType {
		return errors.New("the assertion is of another type")
	}
	if got.id != "" {
		return nil
	}
	_, payload, err := open(got.assertion)
	if err != nil {
		return err
	}
	got.id, _ = text(payload, "sub")
	return nil
}

// checkAssertion lets an assertion through that its client signed for us, now, and
// did not use before.
func (a *Authenticator) checkAssertion(ctx context.Context, c *oauth.Client, assertion string) *oauth.Error {
	header, payload, err := open(assertion)
	if err != nil {
		return refuse(err)
	}
	if _, ok := jsonscan.Find(header, "crit"); ok { // b64 is one, and has no place in a JWT (RFC 7797, 7)
		return refuse(errors.New("the assertion has critical headers"))
	}
	now := time.Now()
	jti, until, err := a.checkClaims(payload, c.ID, now)
	if err != nil {
		return refuse(err)
	}
	algs := algorithms(&c.Metadata)
	signed, err := jose.ParseSignedCompact(assertion, algs)
	if err != nil {
		return refuse(fmt.Errorf("parse assertion: %w", err))
	}
	ok, err := a.keys.verify(ctx, &c.Metadata, signed)
	if err != nil {
		return oauth.FromFault(err)
	}
	if !ok {
		return refuse(errors.New("no key of the client made the signature"))
	}
	// Each mark is a row, and whoever registered itself can sign any number of them, from
	// anywhere. What somebody else sends again is not held against the client.
	if _, full := a.marks.Full(c.ID, now); full {
		return oauth.FromFault(fault.New(fault.Limited, "This client sends too many assertions. Try again in a minute."))
	}
	first, err := a.deps.Marks.UseOnce(ctx, onceKind, sha256.Sum256([]byte(c.ID+"\x00"+jti)), until)
	if err != nil {
		return oauth.FromFault(fmt.Errorf("mark assertion: %w", err))
	}
	if !first {
		return refuse(errors.New("the assertion was used before"))
	}
	a.marks.Take(c.ID, now)
	return nil
}

// algorithms are those a client may sign with. The list is ours; the header of an
// assertion only says which of them it was.
func algorithms(m *oauth.Metadata) []jose.SignatureAlgorithm {
	if m.SigningAlg != "" && slices.Contains(oauth.SigningAlgs(), m.SigningAlg) {
		return []jose.SignatureAlgorithm{jose.SignatureAlgorithm(m.SigningAlg)}
	}
	var algs []jose.SignatureAlgorithm
	for _, alg := range oauth.SigningAlgs() {
		algs = append(algs, jose.SignatureAlgorithm(alg))
	}
	return algs
}

// open takes a compact JWS apart, without believing it, and makes sure that both of
// its JSON parts have one reading.
func open(assertion string) (header, payload []byte, err error) {
	parts := strings.SplitN(assertion, ".", 4)
	// The decoder would skip line breaks: one assertion could come in many spellings.
	if len(assertion) > maxAssertion || len(parts) != 3 || strings.ContainsAny(assertion, "\r\n") {
		return nil, nil, errors.New("the assertion is not a signed JWT")
	}
	for i, into := range []*[]byte{&header, &payload} {
		if *into, err = base64.RawURLEncoding.Strict().DecodeString(parts[i]); err != nil {
			return nil, nil, errors.New("the assertion is not base64url")
		}
		if err := jsonscan.Check(*into); err != nil {
			return nil, nil, fmt.Errorf("check assertion: %w", err)
		}
	}
	return header, payload, nil
}

// checkClaims holds the claims against RFC 7523, 3. until is when the assertion is no
// longer taken anyway.
func (a *Authenticator) checkClaims(payload []byte, id string, now time.Time) (jti string, until time.Time, err error) {
	issuer, _ := text(payload, "iss")
	subject, _ := text(payload, "sub")
	if issuer != id || subject != id {
		return "", until, errors.New("iss and sub are not the client's id")
	}
	if !a.forUs(payload) {
		return "", until, errors.New("aud is not this server alone")
	}
	jti, _ = text(payload, "jti")
	if jti == "" || len(jti) > maxJTI {
		return "", until, errors.New("jti is missing or too long")
	}
	expires, ok, err := date(payload, "exp")
	if err != nil || !ok {
		return "", until, errors.New("exp is missing or no date")
	}
	until = expires.Add(skew)
	if !now.Before(until) {
		return "", until, errors.New("the assertion has expired")
	}
	if expires.After(now.Add(maxLife + skew)) {
		return "", until, errors.New("exp is too far ahead")
	}
	for _, claim := range []string{"iat", "nbf"} {
		at, ok, err := date(payload, claim)
		if err != nil || ok && at.After(now.Add(skew)) {
			return "", until, fmt.Errorf("%s is no date, or in the future", claim)
		}
	}
	return jti, until, nil
}

// forUs tells whether all of the audience is us: the issuer or the token endpoint. An
// assertion that is for others too could be one that such another asked the client
// for, to use it here.
func (a *Authenticator) forUs(payload []byte) bool {
	base := a.deps.Base()
	ours := func(aud string) bool {
		return base != "" && (aud == base || slices.ContainsFunc(tokenPaths, func(path string) bool { return aud == base+path }))
	}
	m, _ := jsonscan.Find(payload, "aud")
	value := m.Value.Of(payload)
	if one, ok := jsonscan.Unquote(value); ok {
		return ours(one)
	}
	n := 0
	for span := range jsonscan.Elements(value) {
		if one, ok := jsonscan.Unquote(span.Of(value)); !ok || !ours(one) {
			return false
		}
		n++
	}
	return n > 0
}

// text is a claim that is a string, by its exact name.
func text(payload []byte, claim string) (string, bool) {
	m, ok := jsonscan.Find(payload, claim)
	if !ok {
		return "", false
	}
	return jsonscan.Unquote(m.Value.Of(payload))
}

// date is a claim that is a NumericDate, of which a fraction is cut off.
func date(payload []byte, claim string) (at time.Time, ok bool, err error) {
	m, ok := jsonscan.Find(payload, claim)
	if !ok {
		return at, false, nil
	}
	n, err := strconv.ParseFloat(string(m.Value.Of(payload)), 64)
	if err != nil || n < 0 || n > 1<<40 { // thirty thousand years
		return at, true, errors.New("no date")
	}
	return time.Unix(int64(n), 0), true, nil
}
