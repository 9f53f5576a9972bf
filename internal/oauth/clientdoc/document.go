package clientdoc

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"drawbridge/internal/egress"
	"drawbridge/internal/jsonscan"
	"drawbridge/internal/oauth"
)

// read makes a client of what was fetched.
func (d *Documents) read(id string, r egress.Response) (oauth.Client, error) {
	if r.Status != http.StatusOK {
		return oauth.Client{}, fmt.Errorf("status %d", r.Status)
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" && !(strings.HasPrefix(kind, "application/") && strings.HasSuffix(kind, "+json")) {
		return oauth.Client{}, errors.New("its content type is not JSON")
	}
	if err := check(id, r.Body); err != nil {
		return oauth.Client{}, err
	}
	meta, err := decode(r.Body)
	if err != nil {
		return oauth.Client{}, err
	}
	if err := d.complete(&meta); err != nil {
		return oauth.Client{}, err
	}
	return oauth.Client{ID: id, Kind: oauth.Document, Metadata: meta, Created: time.Now()}, nil
}

// check makes sure that there is one way to read a document and that it was meant
// for this id.
func check(id string, body []byte) error {
	if len(body) > MaxBytes {
		return errors.New("the document is too long")
	}
	if err := jsonscan.Check(body); err != nil {
		return fmt.Errorf("check JSON: %w", err)
	}
	if depth(body) > maxDepth {
		return errors.New("the document is nested too deep")
	}
	own, ok := jsonscan.Find(body, "client_id") // finds nothing in what is no object
	if !ok {
		return errors.New("the document has no client_id")
	}
	if named, ok := jsonscan.Unquote(own.Value.Of(body)); !ok || named != id {
		return errors.New("the document is for another client_id")
	}
	return nil
}

// depth is how deep arrays and objects nest in JSON that has been checked.
func depth(b []byte) int {
	deepest, level := 0, 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '{', '[':
			level++
			deepest = max(deepest, level)
		case '}', ']':
			level--
		case '"':
			n, _ := jsonscan.Skip(b[i:])
			i += n - 1
		}
	}
	return deepest
}

// decode reads the members that we know. encoding/json would take Redirect_URIs for
// redirect_uris; a document that has such a member is refused, since others would
// read it otherwise.
func decode(body []byte) (oauth.Metadata, error) {
	names := append(memberNames(), "client_id", "client_secret")
	for m := range jsonscan.Members(body) {
		for _, name := range names {
			if jsonscan.FoldIs(m.Key, name) && !jsonscan.Is(m.Key, name) {
				return oauth.Metadata{}, bad("A member is spelt almost like %s. Correct its spelling.", name)
			}
		}
		if jsonscan.Is(m.Key, "client_secret") || jsonscan.Is(m.Key, "client_secret_expires_at") {
			return oauth.Metadata{}, bad("It has a client_secret, which cannot be one in a public document. Remove it, and use the method none or private_key_jwt.")
		}
	}
	var meta oauth.Metadata
	if err := json.Unmarshal(body, &meta); err != nil {
		return meta, bad("A member has a type that it cannot have. Compare it with RFC 7591.")
	}
	if string(meta.JWKS) == "null" {
		meta.JWKS = nil
	}
	return meta, nil
}

func memberNames() []string {
	var names []string
	for f := range reflect.TypeFor[oauth.Metadata]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

// complete applies the rules that documents have beyond those of all clients. One
// document serves the client with every authorization server in the world, so grant
// types that are not ours are no fault: VS Code lists the device flow, claude.ai the
// JWT bearer grant. Machines are let in by an admin, never by their document.
func (d *Documents) complete(m *oauth.Metadata) error {
	if m.AuthMethod != "" && m.AuthMethod != oauth.AuthNone && m.AuthMethod != oauth.AuthJWT {
		return bad("Its token_endpoint_auth_method needs a shared secret, or is unknown. Use none or private_key_jwt.")
	}
	if len(m.GrantTypes) > 0 {
		m.GrantTypes = slices.DeleteFunc(m.GrantTypes, func(g string) bool { return g != oauth.GrantCode && g != oauth.GrantRefresh })
		if !slices.Contains(m.GrantTypes, oauth.GrantCode) {
			return bad("Its grant_types lack authorization_code. Add it.")
		}
	}
	if err := m.Complete(oauth.AuthNone, d.httpHosts); err != nil {
		return bad("%s", err.Public)
	}
	return nil
}
