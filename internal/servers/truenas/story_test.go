package truenas_test

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"drawbridge/internal/mcpwire"
	"drawbridge/internal/secret"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/kittest"
	"drawbridge/internal/servers/truenas"
	"drawbridge/internal/servers/truenas/fake"
)

// Must show 4: the same tools against the three releases, each in its own methods.
func TestHouse_sameToolsOnEachRelease(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		release   fake.Version
		own, none []string // methods that are called, and that are not
	}{
		"25.04": {fake.V2504, []string{"zfs.snapshot.query", "service.start", "update.check_available", "virt.instance.query"}, []string{"pool.snapshot.query", "service.control", "update.status", "container.query"}},
		"25.10": {fake.V2510, []string{"pool.snapshot.query", "service.control", "update.status", "virt.instance.query"}, []string{"zfs.snapshot.query", "service.start", "container.query"}},
		"26":    {fake.V26, []string{"pool.snapshot.query", "service.control", "update.status", "container.query"}, []string{"zfs.snapshot.query", "service.start", "virt.instance.query"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			called := map[string]int{}
			for _, cs := range cases() {
				h := build(t, fake.Options{Version: tc.release, Clock: fake.NewClock(then), JobTime: map[string]time.Duration{"pool.scrub.scrub": time.Hour}})
				h.begin(t, "pool.scrub.scrub", "tank", "START")
				c := h.client(t, nil)
				for _, args := range []string{cs.Good, cs.Asks} {
					if args != "" {
						c.Must(t, cs.Tool, args, nil)
					}
				}
				for _, r := range h.Requests() {
					if called[r.Method]++; r.Code != 0 {
						t.Errorf("%s: %s %s: %d %s", cs.Tool, r.Method, r.Params, r.Code, r.Reason)
					}
				}
			}
			for _, m := range tc.own {
				if called[m] == 0 {
					t.Errorf("%s was not called", m)
				}
			}
			for _, m := range tc.none {
				if called[m] > 0 {
					t.Errorf("%s was called, which this release does not have", m)
				}
			}
		})
	}
}

// call is a call that is under way.
type call struct {
	over chan struct{} // closed at its end
	raw  json.RawMessage
	werr *mcpwire.Error
}

// start makes a call that wants progress.
func start(t *testing.T, c *kittest.Client, tool, args string) *call {
	t.Helper()
	one := &call{over: make(chan struct{})}
	go func() { // ends with the call, which the test awaits
		defer close(one.over)
		one.raw, one.werr = c.Serve(t.Context(), t, mcpwire.MethodToolsCall, `{"name":"`+tool+`","arguments":`+args+`,"_meta":{"progressToken":"p"}}`)
	}()
	return one
}

func (o *call) result(t *testing.T) kittest.Result {
	t.Helper()
	select {
	case <-o.over:
	case <-time.After(2 * time.Minute):
		t.Fatal("the call does not end")
	}
	if o.werr != nil {
		t.Fatal(o.werr)
	}
	return kittest.ParseResult(t, o.raw)
}

// until waits until something is so.
func until(t *testing.T, is func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("it did not come to it")
		}
	}
}

// runs tells whether a job of a method is under way.
func (h house) runs(method string) bool {
	return slices.ContainsFunc(h.Jobs(), func(j fake.Job) bool { return j.Method == method && j.State == "RUNNING" })
}

// Must show 4: a job of 90 s with progress, through a client that gives up after a minute.
// The house's clock counts the 90 s; the client's patience is a few seconds here.
func TestHouse_jobOutlastsItsClient(t *testing.T) {
	t.Parallel()
	const patience = 3 * time.Second
	for name, release := range map[string]fake.Version{"25.04": fake.V2504, "25.10": fake.V2510, "26": fake.V26} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := build(t, fake.Options{Version: release, Clock: fake.NewClock(then), JobTime: map[string]time.Duration{"app.upgrade": 90 * time.Second}})
			c := h.opened(t, nil, kittest.Deps(&kittest.Log{}, nil), patience)
			c.Must(t, "list_apps", `{}`, nil) // so that the login is not in it
			one := start(t, c, "manage_app", `{"app":"plex","action":"upgrade"}`)
			until(t, func() bool { return h.runs("app.upgrade") && len(c.Sink.Said()) > 0 })
			h.Advance(50 * time.Second)
			r := one.result(t)
			var out struct {
				Job struct{ ID, Resource string }
			}
			if json.Unmarshal(r.Structured, &out) != nil || out.Job.ID == "" || r.IsError {
				t.Fatalf("%+v", r)
			}
			if said := strings.Join(c.Sink.Said(), "\n"); !strings.Contains(said, `"progress":50`) || !strings.Contains(said, "app.upgrade") {
				t.Errorf("progress: %s", said)
			}
			var status struct {
				State  string
				Done   float64
				Result struct{ State, Version string }
			}
			c.Must(t, "job_status", `{"id":"`+out.Job.ID+`"}`, &status)
			if status.State != "running" || status.Done != 50 {
				t.Errorf("in the middle: %+v", status)
			}
			h.Advance(40 * time.Second)
			c.Must(t, "job_status", `{"id":"`+out.Job.ID+`","wait_seconds":20}`, &status)
			if status.State != "done" || status.Result.Version != "1.2.0" || status.Result.State != "RUNNING" {
				t.Errorf("at the end: %+v", status)
			}
			if n := h.Called("app.upgrade"); n != 1 {
				t.Errorf("app.upgrade was called %d times", n)
			}
		})
	}
}

// Must show 4: an address without TLS is refused with the reason, and nothing is sent.
func TestHouse_nothingWithoutTLS(t *testing.T) {
	t.Parallel()
	var lc net.ListenConfig
	listener, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var heard atomic.Int64
	ended := make(chan struct{})
	go func() { // ends with the listener
		defer close(ended)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			heard.Add(1)
			_ = conn.Close()
		}
	}()
	for _, scheme := range []string{"ws", "http", "WS", "HTTP"} {
		set := kit.Settings{Values: map[string]secret.String{"url": secret.New(scheme + "://" + listener.Addr().String() + "/websocket"), "api_key": secret.New(fake.AdminKey)}}
		_, err := truenas.ReadConfig(set)
		if err == nil || !strings.Contains(err.Error(), "revokes a key") || !strings.Contains(err.Error(), "https://") || strings.Contains(err.Error(), fake.AdminKey) {
			t.Errorf("%s: %v", scheme, err)
		}
		if _, err := truenas.New(truenas.Config{URL: scheme + "://" + listener.Addr().String()}, kittest.Deps(&kittest.Log{}, nil)); err == nil {
			t.Errorf("%s: the server opens", scheme)
		}
	}
	if err := listener.Close(); err != nil {
		t.Error(err)
	}
	<-ended
	if heard.Load() > 0 {
		t.Errorf("%d connections", heard.Load())
	}
}

// Every way to write the address leads to the same place; a path in it is dropped.
func TestReadConfig(t *testing.T) {
	t.Parallel()
	read := func(values map[string]string) (truenas.Config, error) {
		set := kit.Settings{Values: map[string]secret.String{}}
		for k, v := range values {
			set.Values[k] = secret.New(v)
		}
		return truenas.ReadConfig(set)
	}
	for url, want := range map[string]string{
		"https://nas.example": "https://nas.example", "wss://nas.example/api/current": "https://nas.example", "WSS://nas.example:8443/websocket?x=1": "https://nas.example:8443",
		"https://nas.example/ui/#/x": "https://nas.example", "nas.example": "https://nas.example", "https://[fd00::1]:444/api/v2.0": "https://[fd00::1]:444",
	} {
		c, err := read(map[string]string{"url": url})
		if err != nil || c.URL != want || c.Mode != kit.ModeWrite {
			t.Errorf("%s: %q %v", url, c.URL, err)
		}
	}
	for url, says := range map[string]string{"": "TRUENAS_URL", "ftp://nas": "https://", "https://": "address", "https://root:pw@nas": "without a user"} {
		if _, err := read(map[string]string{"url": url}); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "pw") {
			t.Errorf("%q: %v", url, err)
		}
	}
	c, err := read(map[string]string{"url": "nas", "protected": "tank/photos, fast/*", "datasets": "tank", "job_wait": "10s"})
	if err != nil || len(c.Protected) != 2 || len(c.Datasets) != 1 || c.Wait != 10*time.Second {
		t.Errorf("%+v %v", c, err)
	}
	for _, wait := range []string{"2h", "soon", "10ms"} {
		if _, err := read(map[string]string{"url": "nas", "job_wait": wait}); err == nil || !strings.Contains(err.Error(), "job_wait") {
			t.Errorf("%s: %v", wait, err)
		}
	}
}

// A self-signed certificate is accepted by its fingerprint or as its own authority, and
// no other is.
func TestHouse_certificates(t *testing.T) {
	t.Parallel()
	h := house{Server: fake.New(fake.Options{Version: fake.V26})}
	if err := h.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	h.url, h.fingerprint = h.URL(), h.Fingerprint()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, h.CertificatePEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, set := range map[string]map[string]string{"fingerprint": {}, "CA file": {"fingerprint": "", "ca_file": ca}, "with colons": {"fingerprint": colons(h.fingerprint)}} {
		if out := h.client(t, set).Must(t, "list_pools", `{}`, nil); !strings.Contains(out.Text, "tank") {
			t.Errorf("%s: %s", name, out.Text)
		}
	}
	before := len(h.Frames())
	for name, set := range map[string]map[string]string{"nothing": {"fingerprint": ""}, "another": {"fingerprint": strings.Repeat("0f", 32)}} {
		if text := h.client(t, set).Refused(t, "list_pools", `{}`); !strings.Contains(text, "certificate") {
			t.Errorf("%s: %s", name, text)
		}
	}
	if len(h.Frames()) != before {
		t.Error("something was sent over a connection that was not accepted")
	}
}

func colons(hex string) string {
	var parts []string
	for i := 0; i < len(hex); i += 2 {
		parts = append(parts, strings.ToUpper(hex[i:i+2]))
	}
	return strings.Join(parts, ":")
}

// Must show 4: a rollback shows what it would destroy, and waits for a person.
func TestHouse_rollbackWaits(t *testing.T) {
	t.Parallel()
	for _, release := range []fake.Version{fake.V2504, fake.V2510, fake.V26} {
		h := build(t, fake.Options{Version: release, Clock: fake.NewClock(then)})
		c := h.client(t, nil)
		rolled := func() int { return h.Called("pool.snapshot.rollback") + h.Called("zfs.snapshot.rollback") }
		if text := c.Refused(t, "rollback_snapshot", `{"id":"`+older+`"}`); !strings.Contains(text, photo) || !strings.Contains(text, "destroy_newer") {
			t.Errorf("without leave: %s", text)
		}
		dry := c.Must(t, "rollback_snapshot", `{"id":"`+older+`","destroy_newer":true,"dry_run":true}`, nil)
		if !strings.Contains(dry.Text, photo) || !strings.Contains(dry.Text, "nothing was changed") {
			t.Errorf("dry run: %s", dry.Text)
		}
		var asked string
		no := c.With(mcpwire.LatestModern, func(message string) string { asked = message; return kittest.Declines(message) })
		if text := no.Refused(t, "rollback_snapshot", `{"id":"`+older+`","destroy_newer":true}`); !strings.Contains(text, "did not approve") {
			t.Errorf("declined: %s", text)
		}
		for _, part := range []string{photo, "Newer snapshots are destroyed (1)", "tank/photos back to", "2026-11-28"} {
			if !strings.Contains(asked, part) {
				t.Errorf("the question lacks %q:\n%s", part, asked)
			}
		}
		if rolled() > 0 {
			t.Fatal("it was rolled back")
		}
		// A snapshot that comes while the person reads was not approved with the others: they
		// are asked anew.
		var questions []string
		late := c.With(mcpwire.Rev20251125, func(message string) string {
			if questions = append(questions, message); len(questions) > 1 {
				return kittest.Declines(message)
			}
			h.With(func(n *fake.Seed) { snap(n, "tank/photos", "late") })
			return kittest.Approves(message)
		})
		if text := late.Refused(t, "rollback_snapshot", `{"id":"`+older+`","destroy_newer":true}`); !strings.Contains(text, "did not approve") {
			t.Errorf("late: %s", text)
		}
		if len(questions) != 2 || strings.Contains(questions[0], "@late") || !strings.Contains(questions[1], photo+", tank/photos@late") {
			t.Errorf("late: %q", questions)
		}
		if rolled() > 0 {
			t.Fatal("it was rolled back")
		}
		var out struct{ Destroyed []string }
		before := c.Asked()
		c.Must(t, "rollback_snapshot", `{"id":"`+older+`","destroy_newer":true}`, &out)
		if !slices.Equal(out.Destroyed, []string{photo, "tank/photos@late"}) || rolled() != 1 || c.Asked() != before+1 {
			t.Errorf("%+v, %d rollbacks, %d questions", out, rolled(), c.Asked()-before)
		}
		if list := c.Must(t, "list_snapshots", `{"dataset":"tank/photos"}`, nil).Text; strings.Contains(list, photo) || !strings.Contains(list, older) {
			t.Errorf("afterwards: %s", list)
		}
	}
}

// Must show 4: the server closes in the middle of a job: undetermined, with how to find
// out, and nothing is sent again.
func TestHouse_closedInTheMiddleOfAJob(t *testing.T) {
	t.Parallel()
	h := build(t, fake.Options{Clock: fake.NewClock(then), JobTime: map[string]time.Duration{"app.upgrade": 90 * time.Second}})
	c := h.client(t, nil)
	one := start(t, c, "manage_app", `{"app":"plex","action":"upgrade"}`)
	until(t, func() bool { return h.runs("app.upgrade") && len(c.Sink.Said()) > 0 })
	h.Restart(fake.Restart{})
	r := one.result(t)
	if !r.IsError || !strings.HasPrefix(r.Text, "Undetermined") || !strings.Contains(r.Text, `get_job {"id":1}`) || !strings.Contains(r.Text, `list_apps {"name":"plex"}`) {
		t.Fatalf("%+v", r)
	}
	if n := h.Called("app.upgrade"); n != 1 {
		t.Errorf("app.upgrade was called %d times", n)
	}
	// Finding out works at once, over a new connection.
	if found := c.Must(t, "get_job", `{"id":1}`, nil).Text; !strings.Contains(found, "RUNNING") || !strings.Contains(found, "app.upgrade") || !strings.Contains(found, "plex") {
		t.Errorf("%s", found)
	}
	// After a restart that forgets its jobs, that is said, too.
	h.Restart(fake.Restart{Lose: true})
	text := c.Refused(t, "get_job", `{"id":1}`)
	if strings.Contains(text, "closed the connection") { // it was sent before the end was noticed
		text = c.Refused(t, "get_job", `{"id":1}`)
	}
	if !strings.Contains(text, "forgets its jobs when it restarts") {
		t.Errorf("%s", text)
	}
}

// A change whose answer is lost is undetermined: whether it was carried out or not, it is
// sent once, and the way to find out stands there and tells.
func TestHouse_lostAnswers(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ tool, args, method, look string }{
		{"save_dataset", `{"id":"tank/new","create":true}`, "pool.dataset.create", `list_datasets {"parent":"tank/new","depth":0}`},
		{"save_dataset", `{"id":"tank/docs","quota":0}`, "pool.dataset.update", `list_datasets {"parent":"tank/docs"`},
		{"delete_dataset", `{"id":"tank/media"}`, "pool.dataset.delete", `list_datasets {"parent":"tank/media"`},
		{"create_snapshot", `{"dataset":"tank/docs","name":"x"}`, "pool.snapshot.create", `list_snapshots {"dataset":"tank/docs"}`},
		{"delete_snapshots", `{"ids":["` + photo + `"]}`, "pool.snapshot.delete", `list_snapshots {"dataset":"tank/photos"}`},
		{"rollback_snapshot", `{"id":"` + photo + `"}`, "pool.snapshot.rollback", `list_snapshots {"dataset":"tank/photos"}`},
		{"create_share", `{"kind":"nfs","path":"/mnt/tank/docs"}`, "sharing.nfs.create", `list_shares {"kind":"nfs"}`},
		{"manage_service", `{"service":"nfs","action":"restart"}`, "service.control", "get_system_status"},
		{"manage_app", `{"app":"jellyfin","action":"start"}`, "app.start", `list_apps {"name":"jellyfin"}`},
		{"run_task", `{"kind":"snapshot","id":1}`, "pool.snapshottask.run", `list_tasks {"kind":"snapshot"}`},
		{"manage_vm", `{"kind":"vm","name":"debian","action":"poweroff"}`, "vm.poweroff", "list_vms"},
		{"dismiss_alert", `{"uuid":"6c1f7f3e-70a4-4f4e-9f0d-2d6c9a2f1b02"}`, "alert.dismiss", "list_alerts"},
		{"manage_system", `{"action":"shutdown"}`, "system.shutdown", "nothing answers"},
		{"manage_system", `{"action":"download_update"}`, "update.download", "get_system_status"},
	} {
		for name, f := range map[string]fake.Fault{
			"before": {Drop: true}, "after": {Drop: true, Late: true}, "closed": {Close: 1001}, "restarted": {Restart: &fake.Restart{}}, "garbled": {Late: true, Garbled: true},
		} {
			t.Run(tc.method+" "+name, func(t *testing.T) {
				t.Parallel()
				h := build(t, fake.Options{Clock: fake.NewClock(then)})
				f.Method, f.Times = tc.method, 1
				h.Break(f)
				c, log := h.logged(t, nil)
				text := c.Refused(t, tc.tool, tc.args)
				if !strings.HasPrefix(text, "Undetermined") || !strings.Contains(text, tc.look) || !strings.Contains(text, "Do not repeat it") {
					t.Errorf("%s", text)
				}
				if n := h.Called(tc.method); n != 1 {
					t.Errorf("%s was sent %d times", tc.method, n)
				}
				if strings.Contains(log.String()+text, fake.AdminKey) {
					t.Error("the key is told")
				}
			})
		}
	}
}

// What may be deleted: nothing of TrueNAS itself, nothing protected, no pool, and what
// goes along is shown first.
func TestHouse_protected(t *testing.T) {
	t.Parallel()
	h := build(t, fake.Options{Clock: fake.NewClock(then)})
	c := h.client(t, map[string]string{"protected": "tank/photos"})
	if text := h.client(t, map[string]string{"protected": "tank/docs/tax"}).Refused(t, "delete_dataset", `{"id":"tank/docs","recursive":true}`); !strings.Contains(text, "tank/docs/tax is protected") {
		t.Errorf("a protected one below: %s", text)
	}
	for _, args := range []struct{ tool, args, says string }{
		{"delete_dataset", `{"id":"tank/photos"}`, "TRUENAS_PROTECTED"},
		{"delete_dataset", `{"id":"fast/ix-apps","recursive":true}`, "belongs to TrueNAS"},
		{"delete_dataset", `{"id":"boot-pool/ROOT"}`, "belongs to TrueNAS"},
		{"delete_dataset", `{"id":"tank","recursive":true}`, "is a pool"},
		{"delete_dataset", `{"id":"tank/docs"}`, "Set recursive"},
		{"delete_dataset", `{"id":"tank/none"}`, "no dataset"},
		{"rollback_snapshot", `{"id":"` + photo + `"}`, "TRUENAS_PROTECTED"},
		{"delete_snapshots", `{"ids":["` + photo + `"]}`, "TRUENAS_PROTECTED"},
		{"delete_snapshots", `{"dataset":"tank","recursive":true,"name_match":"*"}`, "TRUENAS_PROTECTED"},
		{"delete_snapshots", `{"dataset":"tank/docs"}`, "all snapshots"},
		{"delete_snapshots", `{}`, "either ids, or a filter"},
		{"save_dataset", `{"id":"fast/ix-apps","readonly":"ON"}`, "belongs to TrueNAS"},
		{"create_share", `{"kind":"nfs","path":"/mnt/fast/ix-apps"}`, "belongs to TrueNAS"},
	} {
		if text := c.Refused(t, args.tool, args.args); !strings.Contains(text, args.says) {
			t.Errorf("%s %s: %s", args.tool, args.args, text)
		}
	}
	if c.Asked() != 0 {
		t.Errorf("a person was asked %d times about what is refused anyway", c.Asked())
	}
	var asked string
	yes := c.With(mcpwire.LatestModern, func(message string) string { asked = message; return kittest.Approves(message) })
	var out struct{ Deleted []string }
	yes.Must(t, "delete_dataset", `{"id":"tank/docs","recursive":true}`, &out)
	for _, part := range []string{"for ever", "tank/docs/tax", "snapshots go, too (10)", "Docs"} {
		if !strings.Contains(asked, part) {
			t.Errorf("the question lacks %q:\n%s", part, asked)
		}
	}
	if !slices.Equal(out.Deleted, []string{"tank/docs", "tank/docs/tax"}) {
		t.Errorf("%v", out.Deleted)
	}
	// Only what the operator names may be changed.
	narrow := h.client(t, map[string]string{"datasets": "tank/media"})
	if text := narrow.Refused(t, "save_dataset", `{"id":"tank/photos","readonly":"ON"}`); !strings.Contains(text, "TRUENAS_DATASETS") {
		t.Errorf("%s", text)
	}
	narrow.Must(t, "save_dataset", `{"id":"tank/media/new","create":true}`, nil)
}

// own gives users credentials of their own.
type own map[string]map[string]secret.String

func (o own) For(_ context.Context, user, _ string) (map[string]secret.String, error) {
	return o[user], nil
}

// Each caller acts with a key of their own, the others with the operator's; what a key
// may not do is said with the role that it lacks.
func TestHouse_credentialsPerCaller(t *testing.T) {
	t.Parallel()
	h := build(t, fake.Options{Clock: fake.NewClock(then)})
	deps := kittest.Deps(&kittest.Log{}, nil)
	deps.Credentials = own{"ben": {"api_key": secret.New(fake.ReadKey), "username": secret.New(fake.ReadUser)}, "cas": {"api_key": secret.New("9-nonsense"), "username": secret.New("cas")}}
	ada := h.opened(t, nil, deps, 0)
	ben, cas := kittest.NewClient(ada.Server, "ben").Approving(), kittest.NewClient(ada.Server, "cas").Approving()
	ada.Must(t, "save_dataset", `{"id":"tank/docs","readonly":"ON"}`, nil)
	ben.Must(t, "list_pools", `{}`, nil)
	if text := ben.Refused(t, "save_dataset", `{"id":"tank/docs","readonly":"OFF"}`); !strings.Contains(text, "DATASET_WRITE") {
		t.Errorf("%s", text)
	}
	if text := cas.Refused(t, "list_pools", `{}`); !strings.Contains(text, "does not accept the API key") {
		t.Errorf("%s", text)
	}
	var status struct{ Roles []string }
	ben.Must(t, "get_system_status", `{}`, &status)
	if !slices.Contains(status.Roles, "READONLY_ADMIN") {
		t.Errorf("%v", status.Roles)
	}
	for _, r := range h.Requests() {
		if r.Method == "pool.dataset.update" && r.Code == 0 && r.User != fake.AdminUser {
			t.Errorf("%s changed a dataset", r.User)
		}
	}
	until(t, func() bool { return h.Connections() == 2 }) // the one that was refused is closed
	none := h.opened(t, map[string]string{"api_key": "", "username": ""}, kittest.Deps(&kittest.Log{}, nil), 0)
	if text := none.Refused(t, "list_pools", `{}`); !strings.Contains(text, "no credential (api_key)") {
		t.Errorf("%s", text)
	}
}

// A session that TrueNAS has ended costs one call; the next logs in anew.
func TestHouse_loggedOut(t *testing.T) {
	t.Parallel()
	h := build(t, fake.Options{Clock: fake.NewClock(then)})
	c := h.client(t, nil)
	h.Break(fake.Fault{Method: "pool.query", Errno: 207, Times: 1})
	if text := c.Refused(t, "list_pools", `{}`); !strings.Contains(text, "ended the session") {
		t.Error(text)
	}
	c.Must(t, "list_pools", `{}`, nil)
	if n := h.Called("auth.login_ex"); n != 2 {
		t.Errorf("%d logins", n)
	}
}

// A restart of TrueNAS in the middle of a session costs at most an error that says so.
func TestHouse_restartInTheMiddle(t *testing.T) {
	t.Parallel()
	h := build(t, fake.Options{Clock: fake.NewClock(then)})
	c := h.client(t, nil)
	c.Must(t, "create_snapshot", `{"dataset":"tank/docs","name":"one"}`, nil)
	h.Restart(fake.Restart{Stay: true})
	// Undetermined where it was sent before the end was noticed, and plainly refused else.
	if text := c.Refused(t, "create_snapshot", `{"dataset":"tank/docs","name":"two"}`); !strings.Contains(text, "TrueNAS") {
		t.Error(text)
	}
	if text := c.Refused(t, "create_snapshot", `{"dataset":"tank/docs","name":"two"}`); strings.HasPrefix(text, "Undetermined") {
		t.Errorf("nothing was sent: %s", text)
	}
	h.Up()
	c.Must(t, "create_snapshot", `{"dataset":"tank/docs","name":"three"}`, nil)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { c.Must(t, "list_pools", `{}`, nil) })
	}
	all.Wait()
	if h.Connections() != 1 || h.Called("pool.snapshot.create") != 2 {
		t.Errorf("%d connections, %d snapshots", h.Connections(), h.Called("pool.snapshot.create"))
	}
}
