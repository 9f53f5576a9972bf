package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

const (
	resourceDoc = "/.well-known/oauth-protected-resource"
	serverDoc   = "/.well-known/oauth-authorization-server"
)

// documents looks at the metadata that clients read before they sign in. They
// compare it byte by byte with the address they were given.
func (x *examination) documents(ctx context.Context) {
	readable := true
	for _, doc := range []struct{ what, path, resource string }{
		{"resource metadata", resourceDoc + x.path, x.base + x.path},
		{"resource metadata at the root", resourceDoc, x.base + "/mcp"},
	} {
		var meta struct {
			Resource string   `json:"resource"`
			Servers  []string `json:"authorization_servers"`
		}
		a := x.document(ctx, doc.what, doc.path, &meta)
		switch {
		case a == nil:
			continue
		case meta.Resource != doc.resource:
			x.fail(doc.what, fmt.Sprintf("is for %q; clients come to %q", meta.Resource, doc.resource), x.otherAddress(meta.Resource))
		case !slices.Contains(meta.Servers, x.base):
			x.fail(doc.what, fmt.Sprintf("sends clients to sign in at %q, not at %q", meta.Servers, x.base), x.otherAddress(strings.Join(meta.Servers[:min(1, len(meta.Servers))], "")))
		default:
			x.ok(doc.what, "for %s", meta.Resource)
		}
		readable = readable && forEveryone(a)
	}
	var meta struct {
		Issuer    string   `json:"issuer"`
		Authorize string   `json:"authorization_endpoint"`
		Token     string   `json:"token_endpoint"`
		PKCE      []string `json:"code_challenge_methods_supported"`
	}
	const what = "server metadata"
	a := x.document(ctx, what, serverDoc, &meta)
	if a == nil {
		return
	}
	switch {
	case meta.Issuer != x.base:
		x.fail(what, fmt.Sprintf("is of the issuer %q, not of %q", meta.Issuer, x.base), x.otherAddress(meta.Issuer))
	case !strings.HasPrefix(meta.Authorize, x.base+"/") || !strings.HasPrefix(meta.Token, x.base+"/"):
		x.fail(what, "names endpoints elsewhere: "+meta.Authorize+", "+meta.Token, "Check that nothing in front changes the document: it must come from Drawbridge as it is.")
	case !slices.Contains(meta.PKCE, "S256"):
		x.fail(what, "does not offer PKCE with S256", "Check that it is Drawbridge that answers at "+x.base+serverDoc+", not another server.")
	default:
		x.ok(what, "of %s", meta.Issuer)
	}
	if readable = readable && forEveryone(a); !readable {
		x.warn("CORS", "pages in a browser may not read the metadata", "MCP Inspector and other clients in a browser cannot connect. Have the proxy in front pass Access-Control-Allow-Origin on as Drawbridge sets it.")
		return
	}
	x.ok("CORS", "every page may read the metadata")
}

// document fetches one document; nil means that it is not there, which was
// reported.
func (x *examination) document(ctx context.Context, what, path string, into any) *answer {
	a, err := x.ask(ctx, http.MethodGet, x.base+path, "", stranger)
	if err != nil {
		reason, cure := unreachable(err)
		x.fail(what, x.base+path+" "+reason, cure)
		return nil
	}
	if a.status != http.StatusOK || a.page() {
		found, cure := a.unexpected(x.base)
		x.fail(what, x.base+path+" answers "+found, cure)
		return nil
	}
	if err := json.Unmarshal(a.body, into); err != nil || !a.is("application/json") {
		x.fail(what, x.base+path+" is not JSON", "Check that nothing in front changes the document or its Content-Type: it must come from Drawbridge as it is.")
		return nil
	}
	return a
}

// otherAddress is the cure where the server says it is at other.
func (x *examination) otherAddress(other string) string {
	switch other {
	case "":
		return "Check that it is Drawbridge that answers at " + x.base + ", not another server."
	case x.base + "/":
		return "Set OAUTH_ISSUER_URL to " + x.base + ", without the slash: clients compare byte by byte."
	}
	return mismatchCure(x.base, other)
}

func forEveryone(a *answer) bool {
	allowed := a.header.Get("Access-Control-Allow-Origin")
	return allowed == "*" || allowed == stranger
}

// hello is what a client without a credential begins with.
const hello = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"drawbridge-doctor","version":"1"}}}`

var metadataURL = regexp.MustCompile(`(?i)\bresource_metadata="([^"]*)"`)

// challenge looks at the refusal that makes a client sign in.
func (x *examination) challenge(ctx context.Context) {
	for _, path := range []string{x.path, x.path + "/"} {
		if !x.challenged(ctx, path) {
			return
		}
	}
	x.ok("challenge", "%s asks for a credential and says where to get one", x.base+x.path)
}

func (x *examination) challenged(ctx context.Context, path string) bool {
	const what = "challenge"
	where := x.base + path
	a, err := x.ask(ctx, http.MethodPost, where, hello, "")
	if err != nil {
		reason, cure := unreachable(err)
		x.fail(what, where+" "+reason, cure)
		return false
	}
	if a.status == http.StatusOK {
		x.fail(what, where+" answers without a credential", "Whatever answers there lets everybody in. Check that it is Drawbridge, and that the proxy in front adds no Authorization header of its own.")
		return false
	}
	if a.status != http.StatusUnauthorized {
		found, cure := a.unexpected(x.base)
		x.fail(what, where+" answers "+found+", not 401", cure)
		return false
	}
	header := strings.Join(a.header.Values("WWW-Authenticate"), ", ")
	want := x.base + resourceDoc + x.path
	found := metadataURL.FindStringSubmatch(header)
	switch {
	case header == "":
		x.fail(what, where+" refuses without WWW-Authenticate", "claude.ai does not begin to sign in without it. Have the proxy in front pass the header on, and let Drawbridge itself refuse.")
	case found == nil:
		x.fail(what, where+" does not say where its metadata is: "+header, "A login of the proxy in front answers instead of Drawbridge. Take it away from this address: Drawbridge asks for credentials itself.")
	case !strings.Contains(found[1], "://"):
		x.fail(what, fmt.Sprintf("resource_metadata is not an absolute URL: %q", found[1]), "Check that nothing in front changes the header; Drawbridge sends "+want+".")
	case found[1] != want:
		x.fail(what, fmt.Sprintf("resource_metadata is %q, not %q", found[1], want), x.otherAddress(strings.Replace(found[1], resourceDoc, "", 1)))
	default:
		return true
	}
	return false
}
