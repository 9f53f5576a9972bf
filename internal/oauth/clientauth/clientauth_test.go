package clientauth_test

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"drawbridge/internal/fault"
	"drawbridge/internal/oauth"
	"drawbridge/internal/oauth/clientauth"
	"drawbridge/internal/secret"
)

// odd is a secret with everything that an encoding can spoil.
const odd = "s+ cret%2B:ä&=/"

func clients() []oauth.Client {
	client := func(id, method, word string) oauth.Client {
		c := oauth.Client{ID: id, Kind: oauth.Registered, Metadata: oauth.Metadata{AuthMethod: method}}
		if word != "" {
			c.SecretHash = secret.Hash(word)
		}
		return c
	}
	return []oauth.Client{
		client("public", oauth.AuthNone, ""),
		client("post", oauth.AuthPost, "made-up-1"),
		client("basic", oauth.AuthBasic, "made-up-2"),
		client("odd:id/with+%", oauth.AuthBasic, odd),
		client("none-with-secret", oauth.AuthNone, "made-up-3"),
		client("post-without-secret", oauth.AuthPost, ""),
		client("no-method", "", ""),
		client("jwt-with-secret", oauth.AuthJWT, "made-up-4"),
		client("jwt", oauth.AuthJWT, ""),
	}
}

func plain(id, word string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+word))
}

func encoded(id, word string) string { return plain(url.QueryEscape(id), url.QueryEscape(word)) }

// TestA18_secrets has every way to present a secret, or none.
func TestA18_secrets(t *testing.T) {
	t.Parallel()
	b := newBench(t, clients()...)
	for _, tt := range []struct {
		name, form string
		headers    []string
		want       string // client id; "" is refused
	}{
		{"secret in the body", "client_id=post&client_secret=made-up-1", nil, "post"},
		{"secret in the header", "", []string{plain("basic", "made-up-2")}, "basic"},
		{"registered for the body, in the header", "", []string{plain("post", "made-up-1")}, "post"},
		{"registered for the header, in the body (C1)", "client_id=basic&client_secret=made-up-2", nil, "basic"},
		{"id in both places", "client_id=basic", []string{plain("basic", "made-up-2")}, "basic"},
		{"scheme in small letters", "", []string{"basic" + plain("basic", "made-up-2")[5:]}, "basic"},
		{"form-encoded parts", "", []string{encoded("odd:id/with+%", odd)}, "odd:id/with+%"},
		{"form-encoded in the body", "client_id=" + url.QueryEscape("odd:id/with+%") + "&client_secret=" + url.QueryEscape(odd), nil, "odd:id/with+%"},
		{"public", "client_id=public", nil, "public"},
		{"public with an empty secret", "client_id=public&client_secret=", nil, "public"},
		{"public, id only in the header (C9)", "", []string{plain("public", "")}, "public"},
		{"registered as none, but with a secret", "client_id=none-with-secret&client_secret=made-up-3", nil, "none-with-secret"},

		{"parts not encoded", "", []string{plain("odd:id/with+%", odd)}, ""},
		{"wrong secret in the body", "client_id=post&client_secret=made-up-2", nil, ""},
		{"wrong secret in the header", "", []string{plain("basic", "made-up-1")}, ""},
		{"secret with something more", "client_id=post&client_secret=made-up-1x", nil, ""},
		{"secret in capitals", "client_id=post&client_secret=MADE-UP-1", nil, ""},
		{"hash instead of the secret", "client_id=post&client_secret=" + url.QueryEscape(hashText("made-up-1")), nil, ""},
		{"no secret", "client_id=post", nil, ""},
		{"empty secret", "client_id=post&client_secret=", nil, ""},
		{"empty secret in the header", "", []string{plain("basic", "")}, ""},
		{"none, although there is a secret", "client_id=none-with-secret", nil, ""},
		{"a secret that nobody gave out", "client_id=public&client_secret=x", nil, ""},
		{"none, registered for one", "client_id=post-without-secret", nil, ""},
		{"any, where there is none", "client_id=post-without-secret&client_secret=x", nil, ""},
		{"a client of no method", "client_id=no-method", nil, ""},
		{"a secret in place of a signature", "client_id=jwt-with-secret&client_secret=made-up-4", nil, ""},
		{"nothing in place of a signature (C3)", "client_id=jwt", nil, ""},
		{"both ways at once", "client_secret=made-up-2", []string{plain("basic", "made-up-2")}, ""},
		{"both ways, the header without secret", "client_secret=made-up-2", []string{plain("basic", "")}, ""},
		{"two clients", "client_id=post", []string{plain("basic", "made-up-2")}, ""},
		{"two headers", "", []string{plain("basic", "made-up-2"), plain("basic", "made-up-2")}, ""},
		{"Bearer", "client_id=public", []string{"Bearer x"}, ""},
		{"empty header", "client_id=public", []string{""}, ""},
		{"not base64", "", []string{"Basic ?"}, ""},
		{"no colon", "", []string{"Basic " + base64.StdEncoding.EncodeToString([]byte("basic"))}, ""},
		{"broken encoding", "", []string{plain("basic", "%zz")}, ""},
		{"no id", "", nil, ""},
		{"no id in the header", "", []string{plain("", "made-up-2")}, ""},
		{"unknown", "client_id=unknown", nil, ""},
		{"unknown with a secret", "client_id=unknown&client_secret=made-up-1", nil, ""},
		{"unknown in the header", "", []string{plain("unknown", "made-up-1")}, ""},
		{"id too long", "client_id=" + strings.Repeat("x", 3000), nil, ""},
	} {
		form, err := url.ParseQuery(tt.form)
		if err != nil {
			t.Fatal(err)
		}
		c, refusal := b.try(t, form, tt.headers...)
		switch {
		case tt.want == "" && (!refused(refusal) || c.ID != ""):
			t.Errorf("%s: %q, %v", tt.name, c.ID, refusal)
		case tt.want != "" && (refusal != nil || c.ID != tt.want):
			t.Errorf("%s: %q, %v", tt.name, c.ID, refusal)
		}
	}
}

func hashText(word string) string {
	sum := secret.Hash(word)
	return hex.EncodeToString(sum[:])
}

// TestR10_answer has the answer as clients read it.
func TestR10_answer(t *testing.T) {
	t.Parallel()
	b := newBench(t, clients()...)
	_, err := b.try(t, url.Values{}, plain("unknown", "made-up"))
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/oauth/token", nil)
	r.Header.Set("Authorization", plain("unknown", "made-up"))
	oauth.WriteError(w, r, err)
	if w.Code != http.StatusUnauthorized || !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "Basic ") || !strings.Contains(w.Body.String(), `"error":"invalid_client"`) ||
		strings.Contains(w.Body.String(), "unknown") {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
}

func TestAuthenticate_storeDown(t *testing.T) {
	t.Parallel()
	b := newBench(t, clients()...)
	b.clients.down = fault.Wrap(errors.New("disk on fire"), fault.Unavailable, "The database does not answer. Try again.")
	if c, err := b.try(t, url.Values{"client_id": {"public"}}); !later(err) || c.ID != "" {
		t.Errorf("%q, %v", c.ID, err)
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	if _, err := clientauth.New(slog.New(slog.DiscardHandler), clientauth.Deps{}); err == nil {
		t.Error("it needs nothing")
	}
}
