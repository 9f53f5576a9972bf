package gatewaytest_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"drawbridge/internal/gatewaytest"
	"drawbridge/internal/servers/forgejo/fake"
)

// Who has stored a token of their own works with that alone; all others work with the
// operator's. What is stored counts at once, and stands nowhere in the clear.
func TestCredentials_perUser(t *testing.T) {
	t.Parallel()
	f, err := fake.New(fake.Options{Profile: fake.Forgejo16})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	g := gatewaytest.Run(t, fmt.Sprintf(`{"servers":{"forgejo":{"url":%q,"token":%q}}}`, srv.URL, fake.AdaToken))
	g.WaitTools("forgejo_get_repo")
	g.Secret("token of ben", fake.BenToken)
	d, ctx := gatewaytest.NewDoor(g.Base), t.Context()
	admin := func(method, path, body string) gatewaytest.Reply {
		t.Helper()
		a, err := d.JSON(ctx, method, path, gatewaytest.Key, body)
		if err != nil || a.Status >= 300 {
			t.Fatalf("%s %s: %d %s %v", method, path, a.Status, a.Body, err)
		}
		return a
	}
	keys := map[string]string{}
	for _, user := range []string{"ben", "cleo"} {
		admin("POST", "/users", fmt.Sprintf(`{"id":%q}`, user))
		keys[user] = admin("POST", "/keys", fmt.Sprintf(`{"name":"k","user":%q,"rights":{"backends":["*"]}}`, user)).Get("value")
	}
	sees := func(user string) bool {
		c := gatewaytest.Dial(t, g.Base, keys[user], gatewaytest.R2026)
		return strings.Contains(c.Call("tools/call", `{"name":"forgejo_get_repo","arguments":{"repo":"ada/vault"}}`).Result(), "not for everyone")
	}
	if !sees("ben") || !sees("cleo") {
		t.Error("without tokens of their own they do not work with the operator's")
	}
	admin("PUT", "/users/ben/credentials", fmt.Sprintf(`{"server":"forgejo","name":"token","value":%q}`, fake.BenToken))
	if sees("ben") || !sees("cleo") {
		t.Error("ben sees what his own token does not, or cleo no longer what the operator's does")
	}
	admin("DELETE", "/users/ben/credentials", `{"server":"forgejo"}`)
	if !sees("ben") {
		t.Error("ben's token is gone, and the operator's is not used")
	}
}
