package gatewaytest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/gatewaytest"
)

// streamLimit is how long a stream may outlive the grant that opened it.
const streamLimit = 5 * time.Second

// guest is a program that a user has let in, with a stream of each kind open.
type guest struct {
	gatewaytest.Visitor
	streams map[string]<-chan string
}

// admit lets a program in and opens its streams.
func admit(t *testing.T, g *gatewaytest.Gateway, d *gatewaytest.Door, user, password string) guest {
	t.Helper()
	v, err := d.Enter(t.Context(), user, password, nil)
	if err != nil {
		t.Fatal(err)
	}
	old := gatewaytest.Dial(t, g.Base, v.Access, gatewaytest.R1125)
	return guest{v, map[string]<-chan string{
		"GET /mcp":             old.Stream(),
		"subscriptions/listen": gatewaytest.Dial(t, g.Base, v.Access, gatewaytest.R2026).Listen(`{"toolsListChanged":true}`),
		"GET /sse":             events(t, g, v.Access),
	}}
}

// events opens the stream of HTTP+SSE, and reads nothing else from it than its end.
func events(t *testing.T, g *gatewaytest.Gateway, credential string) <-chan string {
	t.Helper()
	res := send(t, g.Base, "GET", "/sse", headers{"Authorization", "Bearer " + credential, "Accept", "text/event-stream"}, "")
	if res.StatusCode != 200 {
		t.Fatalf("GET /sse: %d", res.StatusCode)
	}
	out := make(chan string)
	var reading sync.WaitGroup
	reading.Go(func() { // ends with the stream
		defer close(out)
		buf := make([]byte, 4096)
		for {
			if _, err := res.Body.Read(buf); err != nil {
				return
			}
		}
	})
	t.Cleanup(func() { _ = res.Body.Close(); reading.Wait() })
	return out
}

// A20: each way to end a grant is seen at the very next call, by its refresh token and
// by its code, and its streams end at once. Those of others go on.
func TestA20_grantEnds(t *testing.T) {
	t.Parallel()
	const password = "a password for the test"
	g := gatewaytest.Run(t, fmt.Sprintf(`{"oauth":{"password":%q}}`, password))
	g.WaitTools("sequentialthinking")
	d, ctx := gatewaytest.NewDoor(g.Base), t.Context()
	admin := func(method, path, body string) {
		t.Helper()
		if a, err := d.JSON(ctx, method, path, gatewaytest.Key, body); err != nil || a.Status >= 300 {
			t.Fatalf("%s %s: %d %s %v", method, path, a.Status, a.Body, err)
		}
	}
	bystander := admit(t, g, d, "", password)
	// A way that begins with "the user" ends all that a user has. So few sign in for the
	// first time that nobody is asked to wait.
	ways := map[string]func(user string, v guest){
		"the client gives its refresh token back": func(_ string, v guest) { revoke(t, d, v.Client, v.Refresh) },
		"the client gives its access token back":  func(_ string, v guest) { revoke(t, d, v.Client, v.Access) },
		"the code comes again":                    func(_ string, v guest) { refused(t, d, v.Visitor, "code") },
		"an admin ends the grant":                 func(_ string, v guest) { admin("DELETE", "/grants/"+grantOf(t, d, v.Client), "") },
		"an admin deletes the client":             func(_ string, v guest) { admin("POST", "/clients/delete", fmt.Sprintf(`{"id":%q}`, v.Client)) },
		"the user signs out everywhere":           func(user string, _ guest) { admin("POST", "/users/"+user+"/sign-out", "") },
		"the user gets another password":          func(user string, _ guest) { admin("POST", "/users/"+user+"/password", `{}`) },
		"the user is disabled":                    func(user string, _ guest) { admin("PATCH", "/users/"+user, `{"disabled":true}`) },
		"the user is deleted":                     func(user string, _ guest) { admin("DELETE", "/users/"+user, "") },
	}
	users := 0
	var (
		watching sync.WaitGroup
		mu       sync.Mutex // guards slowest and n
		slowest  time.Duration
		n        int
	)
	for way, end := range ways {
		user := account.Admin
		if strings.HasPrefix(way, "the user") {
			users++
			user = fmt.Sprintf("user%d", users)
			admin("POST", "/users", fmt.Sprintf(`{"id":%q,"password":%q}`, user, password))
		}
		v := admit(t, g, d, user, password)
		for what, stream := range v.streams {
			if ended(stream) {
				t.Fatalf("%s: %s ended before", way, what)
			}
		}
		end(user, v)
		if a, err := d.List(ctx, v.Access); err != nil || a.Status != 401 {
			t.Errorf("%s: the next call: %d %v", way, a.Status, err)
		}
		refused(t, d, v.Visitor, "refresh token")
		refused(t, d, v.Visitor, "code")
		at := time.Now()
		watching.Go(func() {
			for what, took := range endings(ctx, v.streams, at) {
				if took > streamLimit {
					t.Errorf("%s: %s is open after %s", way, what, took)
				}
				mu.Lock()
				slowest, n = max(slowest, took), n+1
				mu.Unlock()
			}
		})
	}
	watching.Wait()
	t.Logf("%d streams of %d grants ended, the last after %s", n, len(ways), slowest.Round(10*time.Millisecond))
	for what, stream := range bystander.streams {
		if ended(stream) {
			t.Errorf("%s of another grant ended too", what)
		}
	}
	if a, err := d.List(ctx, bystander.Access); err != nil || a.Status != 200 {
		t.Errorf("another grant: %d %v", a.Status, err)
	}
}

// A20: whoever deletes a user ends everything of that user at once: keys, browser
// sessions, grants, and codes that a client has yet to pick up.
func TestA20_deletedUser(t *testing.T) {
	t.Parallel()
	const password = "a password for the test"
	g := gatewaytest.Run(t, fmt.Sprintf(`{"oauth":{"password":%q}}`, password))
	d, ctx := gatewaytest.NewDoor(g.Base), t.Context()
	must := func(status int, a gatewaytest.Reply, err error) gatewaytest.Reply {
		t.Helper()
		if err != nil || a.Status != status {
			t.Fatalf("%d, want %d: %s %v", a.Status, status, a.Body, err)
		}
		return a
	}
	ok := func(status int) func(gatewaytest.Reply, error) gatewaytest.Reply {
		return func(a gatewaytest.Reply, err error) gatewaytest.Reply { t.Helper(); return must(status, a, err) }
	}
	ok(201)(d.JSON(ctx, "POST", "/users", gatewaytest.Key, fmt.Sprintf(`{"id":"anna","role":"admin","password":%q}`, password)))
	key := ok(201)(d.JSON(ctx, "POST", "/keys", gatewaytest.Key, `{"name":"annas","user":"anna","role":"admin"}`)).Get("value")
	cookie := "drawbridge=" + ok(303)(d.Form(ctx, "/login", url.Values{"user": {"anna"}, "password": {password}}, "Sec-Fetch-Site", "same-origin")).Cookie("drawbridge")
	v, err := d.Enter(ctx, "anna", password, nil)
	if err != nil {
		t.Fatal(err)
	}
	page, err := d.Ask(ctx, v.Client, v.Verifier, nil)
	must(200, page.Reply, err)
	pending := v
	pending.Code = ok(303)(d.Allow(ctx, page, password, url.Values{"user": {"anna"}})).Back().Get("code")
	other := ok(303)(d.Allow(ctx, again(t, d, v), password, url.Values{"user": {"anna"}})).Back().Get("code")

	ok(200)(d.JSON(ctx, "GET", "/users", key, ""))
	ok(200)(d.Send(ctx, "GET", "/admin/users", "", "Cookie", cookie))
	ok(200)(d.List(ctx, v.Access))
	ok(200)(d.Redeem(ctx, v.Client, other, v.Verifier)) // such a code is good

	ok(204)(d.JSON(ctx, "DELETE", "/users/anna", gatewaytest.Key, ""))

	ok(401)(d.JSON(ctx, "GET", "/users", key, ""))
	ok(401)(d.List(ctx, key))
	ok(303)(d.Send(ctx, "GET", "/admin/users", "", "Cookie", cookie)) // to the sign-in
	ok(401)(d.List(ctx, v.Access))
	refused(t, d, v, "refresh token")
	refused(t, d, pending, "code")
	if list := ok(200)(d.JSON(ctx, "GET", "/grants", gatewaytest.Key, "")).Body; strings.Contains(list, `"live"`) {
		t.Errorf("a grant lives on: %s", list)
	}
	// Nobody who gets the name comes into it.
	ok(201)(d.JSON(ctx, "POST", "/users", gatewaytest.Key, fmt.Sprintf(`{"id":"anna","role":"admin","password":%q}`, password)))
	ok(401)(d.List(ctx, key))
	ok(401)(d.List(ctx, v.Access))
	ok(303)(d.Send(ctx, "GET", "/admin/users", "", "Cookie", cookie))
	refused(t, d, v, "refresh token")
	refused(t, d, pending, "code")
}

// again opens another consent page for a program.
func again(t *testing.T, d *gatewaytest.Door, v gatewaytest.Visitor) gatewaytest.Page {
	t.Helper()
	page, err := d.Ask(t.Context(), v.Client, v.Verifier, nil)
	if err != nil || page.Status != 200 {
		t.Fatalf("consent page: %d %v", page.Status, err)
	}
	return page
}

// revoke gives a token back.
func revoke(t *testing.T, d *gatewaytest.Door, client, token string) {
	t.Helper()
	if a, err := d.Revoke(t.Context(), client, token); err != nil || a.Status != 200 {
		t.Errorf("revoke: %d %s %v", a.Status, a.Body, err)
	}
}

// refused presents a refresh token or a code that must be of no use. A client that was
// deleted is told that it is unknown.
func refused(t *testing.T, d *gatewaytest.Door, v gatewaytest.Visitor, what string) {
	t.Helper()
	var a gatewaytest.Reply
	var err error
	if what == "code" {
		a, err = d.Redeem(t.Context(), v.Client, v.Code, v.Verifier)
	} else {
		a, err = d.Refresh(t.Context(), v.Client, v.Refresh)
	}
	word := a.Get("error")
	if err != nil || word != "invalid_grant" && word != "invalid_client" {
		t.Errorf("the %s: %d %s %v", what, a.Status, a.Body, err)
	}
}

// grantOf is the id of a client's only grant.
func grantOf(t *testing.T, d *gatewaytest.Door, client string) string {
	t.Helper()
	a, err := d.JSON(t.Context(), "GET", "/grants", gatewaytest.Key, "")
	var list struct{ Grants []struct{ ID, Client string } }
	if err != nil || json.Unmarshal([]byte(a.Body), &list) != nil {
		t.Fatalf("grants: %s %v", a.Body, err)
	}
	for _, one := range list.Grants {
		if one.Client == client {
			return one.ID
		}
	}
	t.Fatalf("%s has no grant in %s", client, a.Body)
	return ""
}

// ended tells whether a stream has ended by now.
func ended(stream <-chan string) bool {
	for {
		select {
		case _, open := <-stream:
			if !open {
				return true
			}
		default:
			return false
		}
	}
}

// endings waits for the ends of streams and tells how long after at each came, or how
// long it waited for one that did not.
func endings(ctx context.Context, streams map[string]<-chan string, at time.Time) map[string]time.Duration {
	took := map[string]time.Duration{}
	ctx, cancel := context.WithTimeout(ctx, streamLimit+10*time.Second)
	defer cancel()
	for what, stream := range streams {
		for open := true; open; {
			select {
			case _, open = <-stream:
			case <-ctx.Done():
				open = false
			}
		}
		took[what] = time.Since(at)
	}
	return took
}
