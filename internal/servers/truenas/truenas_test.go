package truenas_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"drawbridge/internal/secret"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/kittest"
	"drawbridge/internal/servers/truenas"
	"drawbridge/internal/servers/truenas/fake"
	"drawbridge/internal/servers/truenas/rpc"
)

// house is a fake TrueNAS behind TLS.
type house struct {
	*fake.Server
	url, fingerprint string
}

// build starts one. It stands until the test ends.
func build(t testing.TB, o fake.Options) house {
	t.Helper()
	o.Iterations = 4096 // the least that the client takes: there are many logins
	nas := fake.New(o)
	srv := httptest.NewUnstartedServer(nas)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(func() {
		if err := nas.Close(); err != nil {
			t.Errorf("close the fake: %v", err)
		}
		srv.Close()
	})
	sum := sha256.Sum256(srv.Certificate().Raw)
	return house{nas, srv.URL, hex.EncodeToString(sum[:])}
}

// settings lead a server to the house, as its administrator.
func (h house) settings() map[string]string {
	return map[string]string{"url": h.url, "fingerprint": h.fingerprint, "api_key": fake.AdminKey, "username": fake.AdminUser, "toolsets": "all"}
}

// client opens a server on the house; more overrides settings.
func (h house) client(t testing.TB, more map[string]string) *kittest.Client {
	t.Helper()
	c, _ := h.logged(t, more)
	return c
}

func (h house) logged(t testing.TB, more map[string]string) (*kittest.Client, *kittest.Log) {
	t.Helper()
	log := &kittest.Log{}
	return h.opened(t, more, kittest.Deps(log, nil), 0), log
}

// opened is client with dependencies of the test's, and a patience for long calls.
func (h house) opened(t testing.TB, more map[string]string, deps kit.Deps, wait time.Duration) *kittest.Client {
	t.Helper()
	set := kit.Settings{Mode: kit.ModeAll, Values: map[string]secret.String{}}
	for k, v := range h.settings() {
		set.Values[k] = secret.New(v)
	}
	for k, v := range more {
		set.Values[k] = secret.New(v)
	}
	cfg, err := truenas.ReadConfig(set)
	if err != nil {
		t.Fatal(err)
	}
	if wait > 0 {
		cfg.Wait = wait
	}
	srv, err := truenas.New(cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return kittest.NewClient(srv, "ada").Approving()
}

// begin calls a method as somebody else at the system would.
func (h house) begin(t testing.TB, method string, params ...any) {
	t.Helper()
	up, err := kittest.Deps(&kittest.Log{}, nil).Upstream(kit.Target{Name: "TrueNAS", URL: h.url, Fingerprint: h.fingerprint})
	if err != nil {
		t.Fatal(err)
	}
	pool := rpc.NewPool(up, time.Now)
	defer pool.Close()
	line, err := pool.Get(t.Context(), rpc.Key{User: fake.AdminUser, Key: secret.New(fake.AdminKey)})
	if err != nil {
		t.Fatal(err)
	}
	if err := line.Call(t.Context(), method, params, nil); err != nil {
		t.Fatal(err)
	}
}

// suite opens each server on a house of its own.
func suite(t *testing.T, o fake.Options) kittest.Suite {
	open := kittest.Opens(truenas.ReadConfig, truenas.New)
	return kittest.Suite{
		Secrets: []string{fake.AdminKey, strings.SplitN(fake.AdminKey, "-", 2)[1], "app-secret-of-plex"},
		New: func(set kit.Settings, deps kit.Deps) (*kit.Server, error) {
			h := build(t, o)
			for _, pool := range []string{"tank", "fast"} { // jobs 1 and 2, under way
				h.begin(t, "pool.scrub.scrub", pool, "START")
			}
			for k, v := range h.settings() {
				if k != "toolsets" {
					set.Values[k] = secret.New(v)
				}
			}
			return open(set, deps)
		},
	}
}

const (
	photo = "tank/photos@auto-2026-11-29_00-00"
	older = "tank/photos@auto-2026-11-28_00-00"
)

// then is the time of the houses.
var then = time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)

// cases are a good and a bad call of each tool.
func cases() []kittest.Case {
	return []kittest.Case{
		{Tool: "get_system_status", Good: `{}`, Bad: `{"x":1}`},
		{Tool: "list_alerts", Good: `{"level_min":"NOTICE","include_dismissed":true}`, Bad: `{"level_min":"LOUD"}`},
		{Tool: "dismiss_alert", Good: `{"uuid":"6c1f7f3e-70a4-4f4e-9f0d-2d6c9a2f1b02"}`, Bad: `{"uuid":"none"}`},
		{Tool: "get_job", Good: `{"limit":5}`, Bad: `{"id":99}`},
		{Tool: "abort_job", Good: `{"id":1}`, Bad: `{"id":99}`, Other: `{"id":2}`},
		{Tool: "list_pools", Good: `{"name":"tank"}`, Bad: `{"name":"none"}`},
		{Tool: "list_disks", Good: `{"pool":"tank"}`, Bad: `{"limit":1000}`},
		{Tool: "list_datasets", Good: `{"parent":"tank","sort":"used","depth":1}`, Bad: `{"parent":"none"}`},
		{Tool: "save_dataset", Good: `{"id":"tank/docs","quota":53687091200,"readonly":"ON"}`, Bad: `{"id":"tank/docs","quota":5}`},
		{Tool: "delete_dataset", Good: `{"id":"tank/docs","recursive":true}`, Bad: `{"id":"tank","recursive":true}`, Other: `{"id":"tank/media"}`},
		{Tool: "list_snapshots", Good: `{"dataset":"tank/photos","since":"2026-11-25","sort":"used"}`, Bad: `{"since":"soon"}`},
		{Tool: "create_snapshot", Good: `{"dataset":"tank/photos"}`, Bad: `{"dataset":"tank/photos","name":"a b"}`},
		{Tool: "delete_snapshots", Good: `{"ids":["` + photo + `"]}`, Bad: `{"ids":["tank/photos@none"]}`, Other: `{"ids":["` + older + `"]}`},
		{Tool: "rollback_snapshot", Good: `{"id":"` + older + `","destroy_newer":true}`, Bad: `{"id":"photos"}`, Other: `{"id":"` + photo + `"}`},
		{Tool: "list_shares", Good: `{"kind":"smb"}`, Bad: `{"kind":"ftp"}`},
		{Tool: "create_share", Good: `{"kind":"smb","path":"/mnt/tank/new","name":"New","create_dataset":true}`, Bad: `{"kind":"smb","path":"/etc","name":"x"}`},
		{Tool: "manage_service", Good: `{"service":"snmp","action":"start","enable":true}`, Bad: `{"service":"none","action":"start"}`,
			Asks: `{"service":"cifs","action":"stop"}`, Other: `{"service":"nfs","action":"stop"}`},
		{Tool: "list_apps", Good: `{"upgradable":true}`, Bad: `{"name":"none"}`},
		{Tool: "manage_app", Good: `{"app":"jellyfin","action":"start"}`, Bad: `{"app":"plex","action":"rollback","version":"9"}`,
			Asks: `{"app":"plex","action":"stop"}`, Other: `{"app":"notes","action":"stop"}`},
		{Tool: "get_app_logs", Good: `{"app":"plex","tail":1}`, Bad: `{"app":"plex","container":"none"}`},
		{Tool: "list_tasks", Good: `{}`, Bad: `{"kind":"none"}`},
		{Tool: "run_task", Good: `{"kind":"snapshot","id":1}`, Bad: `{"kind":"rsync","id":9}`, Asks: `{"kind":"cron","id":1}`, Other: `{"kind":"replication","id":1}`},
		{Tool: "get_metrics", Good: `{"metric":"cpu","range":"DAY","points":4}`, Bad: `{"metric":"none"}`},
		{Tool: "list_vms", Good: `{}`, Bad: `{"kind":"none"}`},
		{Tool: "manage_vm", Good: `{"kind":"vm","name":"windows","action":"start"}`, Bad: `{"kind":"vm","name":"none","action":"start"}`,
			Asks: `{"kind":"vm","name":"debian","action":"stop"}`, Other: `{"kind":"vm","name":"debian","action":"poweroff"}`},
		{Tool: "manage_system", Good: `{"action":"check_update"}`, Bad: `{"action":"explode"}`, Asks: `{"action":"reboot"}`, Other: `{"action":"shutdown"}`},
		{Tool: "query_raw", Good: `{"method":"pool.query","select":["name","status"]}`, Bad: `{"method":"user.delete"}`},
	}
}

// Not parallel: it looks for goroutines that a server leaves behind, and other tests have
// servers of their own.
func TestContract(t *testing.T) {
	s := suite(t, fake.Options{Version: fake.V2510, Clock: fake.NewClock(then), JobTime: map[string]time.Duration{"pool.scrub.scrub": time.Hour}})
	s.Cases = cases()
	kittest.Run(t, s)
}
