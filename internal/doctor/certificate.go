package doctor

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// soon is how long before its end a certificate should have been renewed; of one
// that lives shorter, a sixth of its life.
const soon = 14 * 24 * time.Hour

const tlsWhat = "certificate"

// certificate looks at a certificate that was accepted.
func (x *examination) certificate() {
	if x.first.tls == nil || len(x.first.tls.PeerCertificates) == 0 {
		return
	}
	leaf := x.first.tls.PeerCertificates[0]
	left := leaf.NotAfter.Sub(x.deps.Now())
	if left < min(soon, leaf.NotAfter.Sub(leaf.NotBefore)/6) {
		x.warn(tlsWhat, "ends on "+day(leaf.NotAfter), "Renewal seems not to work. Look at the log of what renews it: the reverse proxy, certbot, or tailscale cert.")
		return
	}
	x.ok(tlsWhat, "valid for %s until %s", x.host, day(leaf.NotAfter))
}

// brokenTLS reports an error of the handshake, and tells whether it was one.
func (x *examination) brokenTLS(err error) bool {
	if failed, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		x.refused(failed)
		return true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || errors.Is(err, http.ErrSchemeMismatch) {
		x.fail(tlsWhat, x.base+" does not speak TLS", "Put a reverse proxy or tunnel with a certificate in front: Drawbridge itself serves plain http.")
		return true
	}
	if alert, ok := errors.AsType[*net.OpError](err); ok && alert.Op == "remote error" { // as crypto/tls reports an alert
		x.fail(tlsWhat, "what answers has no certificate for "+x.host+" ("+cause(err)+")", "Give the reverse proxy a certificate for this name. "+funnelHint)
		return true
	}
	return false
}

// refused says why a certificate was not accepted.
func (x *examination) refused(failed *tls.CertificateVerificationError) {
	chain := failed.UnverifiedCertificates
	leaf := chain[0] // there is one: it was refused
	name, isName := errors.AsType[x509.HostnameError](failed)
	invalid, isInvalid := errors.AsType[x509.CertificateInvalidError](failed)
	_, isUnknown := errors.AsType[x509.UnknownAuthorityError](failed)
	switch {
	case isName:
		cure := "Give the reverse proxy a certificate for " + x.host + ", or correct OAUTH_ISSUER_URL."
		if slices.ContainsFunc(name.Certificate.DNSNames, tailscale) && !tailscale(x.host) {
			cure = funnelHint
		}
		x.fail(tlsWhat, "is for "+namesIn(name.Certificate)+", not for "+x.host, cure)
	case isInvalid && invalid.Reason == x509.Expired && x.deps.Now().Before(leaf.NotBefore):
		x.fail(tlsWhat, "is valid only from "+leaf.NotBefore.UTC().Format(time.DateTime)+" UTC on", "Check the clock of this machine and of the one that made the certificate.")
	case isInvalid && invalid.Reason == x509.Expired:
		x.fail(tlsWhat, "ended on "+day(leaf.NotAfter), "Renew it, and look why that did not happen by itself: the log of the reverse proxy, certbot, or tailscale cert.")
	case isUnknown && bytes.Equal(leaf.RawIssuer, leaf.RawSubject):
		x.fail(tlsWhat, "is signed by itself", "Get one from a public authority such as Let's Encrypt: claude.ai and ChatGPT accept no other. For programs of your own, have them trust this one.")
	case isUnknown && len(chain) == 1:
		x.fail(tlsWhat, "comes without the certificate of its issuer ("+leaf.Issuer.CommonName+")", "Serve the full chain (fullchain.pem, not cert.pem). If the issuer is an authority of your own, only programs that trust it can connect.")
	case isUnknown:
		x.fail(tlsWhat, "is of an authority that this machine does not trust ("+leaf.Issuer.CommonName+")", "Get one from a public authority such as Let's Encrypt: claude.ai and ChatGPT accept no other. For programs of your own, have them trust this authority.")
	default:
		x.fail(tlsWhat, "is not accepted: "+cause(failed), "Get a new certificate for "+x.host+".")
	}
}

func namesIn(c *x509.Certificate) string {
	all := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	if len(all) == 0 {
		return "no name at all"
	}
	if len(all) > 5 {
		return fmt.Sprintf("%s and %d others", strings.Join(all[:5], ", "), len(all)-5)
	}
	return strings.Join(all, ", ")
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }
