package gateway_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/gateway"
	"drawbridge/internal/mcpwire"
)

// echoing is a backend with tools, whose answer is the name that was called.
func echoing(name string, tools ...string) *fakeBackend {
	f := newFake(name, tools...)
	f.serve = func(r *mcpwire.Request) mcpwire.Outcome {
		return mcpwire.Done(mcpwire.Rev20251125, mcpwire.AppendString(nil, name+" ran "+r.Target))
	}
	return f
}

func called(t *testing.T, g *gateway.Gateway, name string) string {
	t.Helper()
	out := ask(t, g, legacy, "u", "tools/call", `{"name":"`+name+`"}`)
	if out.Kind == mcpwire.Failed {
		return out.Err.Message
	}
	return string(out.Result.Bytes)
}

// A client that keeps a list for a day calls by the names of yesterday.
func TestStale_renamedToolsWorkForADay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		shelf := &memShelf{}
		g := newGateway(t, gateway.Config{}, shelf, gateway.Member{Backend: echoing("a", "one"), Prefix: "old"})
		synctest.Wait()
		g.SetMembers(t.Context(), []gateway.Member{{Backend: echoing("a", "one"), Prefix: "new"}})
		g.Refresh("a")
		synctest.Wait()
		for _, name := range []string{"old_one", "new_one"} {
			if got := called(t, g, name); got != `"a ran one"` {
				t.Errorf("%s: %s", name, got)
			}
		}
		// After a restart with yet another prefix both former names work, each for its day.
		time.Sleep(20 * time.Hour)
		g = newGateway(t, gateway.Config{}, shelf, gateway.Member{Backend: echoing("a", "one"), Prefix: "newest"})
		synctest.Wait()
		for _, name := range []string{"old_one", "new_one", "newest_one"} {
			if got := called(t, g, name); got != `"a ran one"` {
				t.Errorf("after the restart %s: %s", name, got)
			}
		}
		time.Sleep(5 * time.Hour)
		if got := called(t, g, "old_one"); !strings.Contains(got, "Unknown tool") {
			t.Errorf("after its day: %s", got)
		}
		if got := called(t, g, "new_one"); got != `"a ran one"` {
			t.Errorf("within its day: %s", got)
		}
	})
}

// A former name never reaches what another backend offers under it by now.
func TestStale_aNameThatIsTakenIsTheNewOwners(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t, gateway.Config{}, &memShelf{}, gateway.Member{Backend: echoing("a", "one"), Prefix: "x"})
		synctest.Wait()
		g.SetMembers(t.Context(), []gateway.Member{{Backend: echoing("a", "one"), Prefix: "y"}, {Backend: echoing("b", "one"), Prefix: "x"}})
		g.Refresh("b")
		synctest.Wait()
		if got := called(t, g, "x_one"); got != `"b ran one"` {
			t.Errorf("x_one: %s", got)
		}
		if got := called(t, g, "y_one"); got != `"a ran one"` {
			t.Errorf("y_one: %s", got)
		}
	})
}

func TestStale_removedToolsAreToldToBe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := echoing("a", "one", "two")
		g := newGateway(t, gateway.Config{}, &memShelf{}, gateway.Member{Backend: a, Prefix: "a"})
		synctest.Wait()
		a.lists.Tools = a.lists.Tools[:1]
		g.Refresh("a")
		synctest.Wait()
		if got := called(t, g, "a_two"); !strings.Contains(got, "a_two was removed") {
			t.Errorf("a removed tool: %s", got)
		}
		// The attack: someone who may not see a backend probes for what it once had.
		req, _ := mcpwire.NewRequest("tools/call", mcpwire.Rev20251125, []byte(`{"name":"a_two"}`))
		req.Caller = legacy
		out := g.Serve(account.WithPrincipal(t.Context(), account.Principal{User: "v", Credential: "k"}), req, &sink{})
		if out.Err == nil || !strings.Contains(out.Err.Message, "Unknown tool: a_two") {
			t.Errorf("to one who sees nothing: %+v", out.Err)
		}
	})
}

// A page that a server shows to a person calls by its own server's names.
func TestBareNames_ofAppsOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		app, plain := echoing("app", "move"), echoing("plain", "stop")
		board := [][]byte{[]byte(`{"uri":"ui://board","name":"board"}`)}
		app.lists.Resources = board
		g := newGateway(t, gateway.Config{}, &memShelf{}, gateway.Member{Backend: app, Prefix: "app"}, gateway.Member{Backend: plain, Prefix: "plain"})
		synctest.Wait()
		for _, name := range []string{"move", "app_move"} {
			if got := called(t, g, name); got != `"app ran move"` {
				t.Errorf("%s: %s", name, got)
			}
		}
		if got := called(t, g, "stop"); !strings.Contains(got, "Unknown tool") {
			t.Errorf("a tool of a server without pages: %s", got)
		}
		second := echoing("second", "move")
		second.lists.Resources = board
		g.SetMembers(t.Context(), []gateway.Member{{Backend: app, Prefix: "app"}, {Backend: second, Prefix: "second"}})
		g.Refresh("second")
		synctest.Wait()
		if got := called(t, g, "move"); !strings.Contains(got, "Unknown tool") {
			t.Errorf("a name that two servers have: %s", got)
		}
	})
}

// The attack: a backend that renames its tools all day fills the memory with names.
func TestStale_namesAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := echoing("a", "first")
		g := newGateway(t, gateway.Config{}, &memShelf{}, gateway.Member{Backend: a, Prefix: "a"})
		synctest.Wait()
		known := 0
		for round := range 5 {
			var names []string
			for i := range 1000 {
				names = append(names, fmt.Sprintf("n%d_%d", round, i))
			}
			a.setTools(names...)
			g.Refresh("a")
			synctest.Wait()
		}
		for round := range 4 {
			for i := range 1000 {
				if strings.Contains(called(t, g, fmt.Sprintf("a_n%d_%d", round, i)), "was removed") {
					known++
				}
			}
		}
		if known < 400 || known > 500 {
			t.Errorf("%d former names are known", known)
		}
		a.lists.Tools = append(a.lists.Tools, []byte(`{"name":"`+strings.Repeat("n", 1<<20)+`"}`))
		g.Refresh("a")
		synctest.Wait()
		if why := strings.Join(g.Refused(), "\n"); !strings.Contains(why, "more than 512 bytes") {
			t.Errorf("a name of a megabyte: %s", why)
		}
	})
}
