package gateway_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"drawbridge/internal/account"
	"drawbridge/internal/backend"
	"drawbridge/internal/gateway"
	"drawbridge/internal/jsonscan"
	"drawbridge/internal/mcpwire"
)

// askAs is ask for somebody with bounded access.
func askAs(t *testing.T, g *gateway.Gateway, caller *mcpwire.Caller, p account.Principal, method, params string) mcpwire.Outcome {
	t.Helper()
	var raw []byte
	if params != "" {
		raw = []byte(params)
	}
	req, err := mcpwire.NewRequest(method, caller.Revision, raw)
	if err != nil {
		t.Fatal(err)
	}
	req.Caller = caller
	return g.Serve(account.WithPrincipal(t.Context(), p), req, &sink{})
}

// full is a backend with one of everything.
func full(name string) *fakeBackend {
	f := newFake(name)
	f.lists.Tools = [][]byte{
		[]byte(`{"name":"look","inputSchema":{"type":"object"},"annotations":{"readOnlyHint":true}}`),
		[]byte(`{"name":"turn","inputSchema":{"type":"object"}}`),
		[]byte(`{"name":"wipe","inputSchema":{"type":"object"},"annotations":{"destructiveHint":true}}`),
	}
	f.lists.Prompts = [][]byte{[]byte(`{"name":"greet"}`)}
	f.lists.Resources = [][]byte{[]byte(`{"uri":"` + name + `://one","name":"one"}`)}
	f.lists.Templates = [][]byte{[]byte(`{"uriTemplate":"` + name + `://{x}","name":"t"}`)}
	f.serve = func(req *mcpwire.Request) mcpwire.Outcome {
		if req.Method == mcpwire.MethodResourcesRead && !strings.HasPrefix(req.Target, name+"://") {
			return mcpwire.Fail(mcpwire.Errorf(mcpwire.CodeResourceNotFound, "No such resource."))
		}
		return mcpwire.Done(mcpwire.Rev20260728, []byte(`{"resultType":"complete"}`))
	}
	f.lists.Info = backend.Info{Instructions: "secrets of " + name,
		Capabilities: []byte(`{"tools":{},"prompts":{},"completions":{},"resources":{"subscribe":true},"extensions":{"x/` + name + `":{}}}`)}
	return f
}

func names(t *testing.T, out mcpwire.Outcome, list, key string) (names []string) {
	t.Helper()
	if out.Kind != mcpwire.Complete {
		t.Fatalf("no list: %+v", out.Err)
	}
	items := mcpwire.Member(out.Result.Bytes, list)
	for at := range jsonscan.Elements(items) {
		name, _ := jsonscan.Unquote(mcpwire.Member(at.Of(items), key))
		names = append(names, name)
	}
	return names
}

func says(out mcpwire.Outcome) string {
	if out.Err != nil {
		return string(out.Err.Data) + out.Err.Message
	}
	return string(out.Result.Bytes)
}

// Threat T13: what a caller may not see does not exist for it, by whichever way it
// asks, and in the same words as what never was.
func TestT13_hiddenByEveryWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		files, ssh := full("files"), full("ssh")
		g := newGateway(t, gateway.Config{}, &memShelf{},
			gateway.Member{Backend: files, Prefix: "files", Trusted: true}, gateway.Member{Backend: ssh, Prefix: "ssh", Trusted: true})
		synctest.Wait()
		bob := account.Principal{User: "bob", Credential: "k", Access: account.NewAccess(account.FullRights(),
			account.Profile{Name: "guest", Title: "g", Backends: []string{"files"}, Allow: []string{"*"}, Deny: []string{"*_wipe"}, Tier: account.TierDestroy})}

		for _, c := range []struct{ method, list, key, want string }{
			{"tools/list", "tools", "name", "files_look files_turn"},
			{"prompts/list", "prompts", "name", "files_greet"},
			{"resources/list", "resources", "uri", "files://one"},
			{"resources/templates/list", "resourceTemplates", "uriTemplate", "files://{x}"},
		} {
			for _, caller := range []*mcpwire.Caller{legacy, modern} {
				if got := strings.Join(names(t, askAs(t, g, caller, bob, c.method, ""), c.list, c.key), " "); got != c.want {
					t.Errorf("%s lists %q, want %q", c.method, got, c.want)
				}
			}
		}
		for _, c := range []struct{ method, params, never string }{
			{"tools/call", `{"name":"ssh_look"}`, `{"name":"ssh_nope"}`},
			{"tools/call", `{"name":"files_wipe"}`, `{"name":"files_nope"}`},
			{"prompts/get", `{"name":"ssh_greet"}`, `{"name":"ssh_nope"}`},
			{"resources/read", `{"uri":"ssh://one"}`, `{"uri":"tty://one"}`},
			{"resources/read", `{"uri":"ssh://other"}`, `{"uri":"tty://other"}`},
			{"completion/complete", `{"ref":{"type":"ref/prompt","name":"ssh_greet"},"argument":{"name":"a","value":""}}`, `{"ref":{"type":"ref/prompt","name":"ssh_nope"},"argument":{"name":"a","value":""}}`},
			{"completion/complete", `{"ref":{"type":"ref/resource","uri":"ssh://{x}"},"argument":{"name":"a","value":""}}`, `{"ref":{"type":"ref/resource","uri":"tty://{x}"},"argument":{"name":"a","value":""}}`},
			{"ssh/open", `{}`, `{}`},
		} {
			out := askAs(t, g, legacy, bob, c.method, c.params)
			if out.Kind != mcpwire.Failed {
				t.Errorf("%s %s was let through: %s", c.method, c.params, says(out))
				continue
			}
			never := askAs(t, g, legacy, bob, c.method, c.never)
			same := strings.NewReplacer("tty://", "ssh://", "files_nope", "files_wipe", "ssh_nope", "ssh_look").Replace(says(never))
			if got := strings.ReplaceAll(says(out), "ssh_greet", "ssh_look"); got != same || out.Err.Code != never.Err.Code {
				t.Errorf("%s %s: %q, but of what never was %q", c.method, c.params, got, same)
			}
		}
		if len(ssh.calls) > 0 {
			t.Errorf("%d requests reached the hidden backend", len(ssh.calls))
		}
		for _, m := range files.calls {
			if m.Target == "wipe" {
				t.Error("a denied tool was called")
			}
		}
		w, err := g.Watch(account.WithPrincipal(t.Context(), bob), legacy, mcpwire.Filter{Resources: []string{"ssh://one", "files://one"}}, &sink{})
		if err != nil {
			t.Fatal(err)
		}
		if got := w.Accepted().Resources; !slices.Equal(got, []string{"files://one"}) || ssh.watched["ssh://one"] != 0 {
			t.Errorf("subscribed to %v", got)
		}
		if err := w.Subscribe(t.Context(), "ssh://one"); err == nil {
			t.Error("subscribed to a resource of a hidden backend")
		}
		hello := g.Hello(account.WithPrincipal(t.Context(), bob), mcpwire.Rev20260728)
		if all := string(hello.Capabilities) + hello.Instructions; strings.Contains(all, "ssh") || !strings.Contains(all, "files") {
			t.Errorf("greeted with %s", all)
		}
	})
}

// What a caller may see but was not given the right to call is not listed, does not
// run, and says how to get it.
func TestTools_notGranted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		lamp := full("lamp")
		r := &recorder{}
		g := newAudited(t, r, gateway.Config{}, &memShelf{}, gateway.Member{Backend: lamp, Trusted: true})
		synctest.Wait()
		for _, c := range []struct {
			rights  account.Rights
			listed  string
			refused []string
		}{
			{account.ReadRights(), "look", []string{"turn", "wipe"}},
			{account.Rights{Backends: []string{"*"}, Write: true}, "look turn", []string{"wipe"}},
			{account.Rights{Backends: []string{"*"}, Write: true, Destructive: []string{"other"}}, "look turn", []string{"wipe"}},
			{account.Rights{Backends: []string{"*"}, Destructive: []string{"lamp"}}, "look wipe", []string{"turn"}},
			{account.Rights{Backends: []string{"lamp"}, Write: true, Destructive: []string{"lamp"}}, "look turn wipe", nil},
			{account.FullRights(), "look turn wipe", nil},
		} {
			p := account.Principal{User: "u", Credential: "grant_1", Client: "c", Access: account.NewAccess(c.rights)}
			if got := strings.Join(names(t, askAs(t, g, modern, p, "tools/list", ""), "tools", "name"), " "); got != c.listed {
				t.Errorf("%+v lists %q, want %q", c.rights, got, c.listed)
			}
			before := len(lamp.calls)
			for _, name := range c.refused {
				out := askAs(t, g, modern, p, "tools/call", `{"name":"`+name+`"}`)
				if text := says(out); !strings.Contains(text, `"isError":true`) || !strings.Contains(text, "grant_1") {
					t.Errorf("%s with %+v: %s", name, c.rights, text)
				}
			}
			if len(lamp.calls) != before {
				t.Errorf("%+v: a refused call ran", c.rights)
			}
			if out := askAs(t, g, modern, p, "tools/call", `{"name":"look"}`); out.Kind != mcpwire.Complete || len(lamp.calls) != before+1 {
				t.Errorf("%+v: looking was refused: %s", c.rights, says(out))
			}
		}
		nobody := askAs(t, g, modern, account.Principal{User: "u", Credential: "k"}, "tools/list", "")
		if got := names(t, nobody, "tools", "name"); got != nil {
			t.Errorf("without access: %v", got)
		}
		if i := slices.IndexFunc(r.rows, func(row account.Record) bool {
			return row.Decision == account.Denied && row.Target == "wipe" && row.Backend == "lamp"
		}); i < 0 {
			t.Error("the refusals are not in the audit log")
		}
	})
}

// What consent is asked about is what there is.
func TestOffers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		lamp, ssh := full("lamp"), full("ssh")
		lamp.lists.Info.ServerInfo = []byte(`{"name":"l","title":"Lamps"}`)
		g := newGateway(t, gateway.Config{}, &memShelf{}, gateway.Member{Backend: lamp, Trusted: true, Prefix: "lamp"}, gateway.Member{Backend: ssh, Prefix: "ssh"})
		synctest.Wait()
		want := []gateway.Offer{{Backend: "lamp", Title: "Lamps", Read: 1, Write: 1, Destructive: 1}, {Backend: "ssh", Write: 2, Destructive: 1}}
		if got := g.Offers(account.Everything()); !slices.Equal(got, want) {
			t.Errorf("%+v, want %+v", got, want)
		}
		if got := g.Offers(account.NewAccess(account.Rights{Backends: []string{"lamp"}})); !slices.Equal(got, []gateway.Offer{{Backend: "lamp", Title: "Lamps", Read: 1}}) {
			t.Errorf("to a reader of lamps: %+v", got)
		}
		if got := g.Offers(nil); len(got) > 0 {
			t.Errorf("to nobody: %+v", got)
		}
	})
}

// Threat T17: a backend's own words make a rule stricter, never milder; an
// operator's count.
func TestT17_annotationsDoNotRelax(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			member gateway.Member
			listed string // of whoever may only look
			write  string // of whoever may change things
		}{
			{gateway.Member{}, "", "look turn"},
			{gateway.Member{Trusted: true}, "look", "look turn"},
			{gateway.Member{Tiers: []gateway.TierRule{{Pattern: "t*", Tier: account.TierRead}, {Pattern: "wipe", Tier: account.TierWrite}}}, "turn", "look turn wipe"},
			{gateway.Member{Trusted: true, Tiers: []gateway.TierRule{{Pattern: "look", Tier: account.TierDestroy}}}, "", "turn"},
		} {
			c.member.Backend = full("lamp")
			g := newGateway(t, gateway.Config{}, &memShelf{}, c.member)
			synctest.Wait()
			read := account.Principal{User: "u", Credential: "k", Access: account.NewAccess(account.ReadRights())}
			if got := strings.Join(names(t, askAs(t, g, modern, read, "tools/list", ""), "tools", "name"), " "); got != c.listed {
				t.Errorf("%+v: a reader sees %q, want %q", c.member, got, c.listed)
			}
			write := account.Principal{User: "u", Credential: "k", Access: account.NewAccess(account.Rights{Backends: []string{"*"}, Write: true})}
			if got := strings.Join(names(t, askAs(t, g, modern, write, "tools/list", ""), "tools", "name"), " "); got != c.write {
				t.Errorf("%+v: a writer sees %q, want %q", c.member, got, c.write)
			}
		}
	})
}

// The limits on calls at once: one user's cannot use up everybody's.
func TestCalls_atOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newFake("alpha", "echo")
		release := make(chan struct{})
		g := newGateway(t, gateway.Config{Calls: 3, UserCalls: 2}, &memShelf{}, gateway.Member{Backend: slow{a, release}})
		synctest.Wait()
		done := make(chan mcpwire.Outcome, 3)
		for _, user := range []string{"anna", "anna", "ben"} {
			go func() { done <- ask(t, g, modern, user, "tools/call", `{"name":"echo"}`) }() // awaited below
		}
		synctest.Wait()
		for _, user := range []string{"anna", "carl"} {
			if text := says(ask(t, g, modern, user, "tools/call", `{"name":"echo"}`)); !strings.Contains(text, `"isError":true`) || !strings.Contains(text, "Try again") {
				t.Errorf("one too many of %s: %s", user, text)
			}
		}
		close(release)
		for range 3 {
			if out := <-done; out.Kind != mcpwire.Complete {
				t.Errorf("a call within the limits failed: %s", says(out))
			}
		}
		if out := ask(t, g, modern, "anna", "tools/call", `{"name":"echo"}`); out.Kind != mcpwire.Complete {
			t.Errorf("places are not given back: %s", says(out))
		}
	})
}

// slow answers calls when it is told to.
type slow struct {
	*fakeBackend
	release <-chan struct{}
}

func (s slow) Serve(ctx context.Context, req *mcpwire.Request, to mcpwire.Sink) mcpwire.Outcome {
	<-s.release
	return s.fakeBackend.Serve(ctx, req, to)
}
