package truenas_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"drawbridge/internal/mcpwire"
	"drawbridge/internal/servers/kittest"
	"drawbridge/internal/servers/truenas/fake"
	"drawbridge/internal/servers/truenas/fake/nas"
)

// undo makes the call that a result names as the one that takes its work back.
func undo(t *testing.T, c *kittest.Client, r kittest.Result) kittest.Result {
	t.Helper()
	var out struct {
		Undo struct {
			Tool      string
			Arguments json.RawMessage
		}
	}
	if err := json.Unmarshal(r.Structured, &out); err != nil || out.Undo.Tool == "" {
		t.Fatalf("no undo in %s", r.Structured)
	}
	return c.Must(t, out.Undo.Tool, string(out.Undo.Arguments), nil)
}

// What a result says would take the work back does so, in each release.
func TestHouse_undo(t *testing.T) {
	t.Parallel()
	for name, release := range map[string]fake.Version{"25.04": fake.V2504, "25.10": fake.V2510, "26": fake.V26} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := build(t, fake.Options{Version: release, Clock: fake.NewClock(then)})
			c := h.client(t, nil)
			for _, tc := range []struct{ tool, args, look, lookArgs string }{
				{"save_dataset", `{"id":"tank/docs","quota":53687091200,"readonly":"ON","compression":"zstd"}`, "list_datasets", `{"parent":"tank/docs"}`},
				{"save_dataset", `{"id":"tank/new","create":true}`, "list_datasets", `{}`},
				{"manage_service", `{"service":"snmp","action":"start","enable":true}`, "query_raw", `{"method":"service.query","select":["service","enable","state"]}`},
				{"manage_service", `{"service":"nfs","action":"stop"}`, "get_system_status", `{}`},
				{"manage_app", `{"app":"plex","action":"upgrade"}`, "list_apps", `{}`},
				{"manage_app", `{"app":"jellyfin","action":"start"}`, "list_apps", `{"name":"jellyfin"}`},
				{"manage_app", `{"app":"notes","action":"stop"}`, "list_apps", `{"name":"notes"}`},
				{"manage_vm", `{"kind":"container","name":"pihole","action":"stop"}`, "list_vms", `{}`},
				{"manage_vm", `{"kind":"vm","name":"debian","action":"poweroff"}`, "list_vms", `{}`},
				{"dismiss_alert", `{"uuid":"6c1f7f3e-70a4-4f4e-9f0d-2d6c9a2f1b02"}`, "get_system_status", `{}`},
			} {
				before := string(c.Must(t, tc.look, tc.lookArgs, nil).Structured)
				r := c.Must(t, tc.tool, tc.args, nil)
				if between := string(c.Must(t, tc.look, tc.lookArgs, nil).Structured); between == before {
					t.Errorf("%s %s changed nothing", tc.tool, tc.args)
				}
				undo(t, c, r)
				if after := string(c.Must(t, tc.look, tc.lookArgs, nil).Structured); after != before {
					t.Errorf("%s %s: before\n%s\nafter\n%s", tc.tool, tc.args, before, after)
				}
			}
		})
	}
}

// Snapshots are shown with what they cost, newest first, in each release.
func TestHouse_snapshots(t *testing.T) {
	t.Parallel()
	for name, release := range map[string]fake.Version{"25.04": fake.V2504, "25.10": fake.V2510, "26": fake.V26} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := build(t, fake.Options{Version: release, Clock: fake.NewClock(then)}).client(t, nil)
			type out struct {
				Snapshots []struct{ ID, Created, Used, Referenced string }
				Used      string `json:"used_alone"`
				Total     int
			}
			var o out
			c.Must(t, "list_snapshots", `{"dataset":"tank/photos","limit":2}`, &o)
			if o.Total != 10 || o.Used != "150 MiB" || o.Snapshots[0].ID != photo || o.Snapshots[0].Created != "2026-11-29T00:00Z" || o.Snapshots[0].Used != "50 MiB" || o.Snapshots[0].Referenced != "40 GiB" {
				t.Errorf("%+v", o)
			}
			seen, cursor := map[string]bool{}, ""
			for range 4 {
				var page struct {
					out
					Next string `json:"next_cursor"`
				}
				c.Must(t, "list_snapshots", fmt.Sprintf(`{"dataset":"tank/photos","limit":3,"cursor":%q}`, cursor), &page)
				for _, one := range page.Snapshots {
					seen[one.ID+one.Created] = one.Created != ""
				}
				cursor = page.Next
			}
			if len(seen) != 10 || cursor != "" {
				t.Errorf("%v, then %q", seen, cursor)
			}
			for args, n := range map[string]int{
				`{"dataset":"tank","recursive":true}`: 20, `{"dataset":"tank/photos","since":"2026-11-28"}`: 2, `{"dataset":"tank/photos","before":"2026-11-28"}`: 8,
				`{"dataset":"tank/photos","name_match":"auto-*-28_*"}`: 1, `{"dataset":"tank/media"}`: 0, `{}`: 20,
			} {
				var o out
				if c.Must(t, "list_snapshots", args, &o); o.Total != n {
					t.Errorf("%s: %d", args, o.Total)
				}
			}
			if text := c.Refused(t, "list_snapshots", `{"dataset":"tank/none"}`); !strings.Contains(text, "no dataset") {
				t.Errorf("%s", text)
			}
			var made struct{ ID string }
			c.Must(t, "create_snapshot", `{"dataset":"tank/docs","recursive":true,"name":"both"}`, &made)
			if made.ID != "tank/docs@both" {
				t.Errorf("%+v", made)
			}
			if text := c.Refused(t, "create_snapshot", `{"dataset":"tank/docs","name":"both"}`); !strings.Contains(text, "already") {
				t.Errorf("%s", text)
			}
			var gone struct{ Deleted, Failed []string }
			c.Must(t, "delete_snapshots", `{"dataset":"tank/docs","recursive":true,"name_match":"both"}`, &gone)
			if len(gone.Deleted) != 2 || len(gone.Failed) != 0 {
				t.Errorf("%+v", gone)
			}
		})
	}
}

// A value that TrueNAS refuses is named, without what it says of it.
func TestHouse_validation(t *testing.T) {
	t.Parallel()
	h := build(t, fake.Options{Clock: fake.NewClock(then)})
	c := h.client(t, nil)
	text := c.Refused(t, "save_dataset", `{"id":"tank/docs","compression":"brotli"}`)
	if !strings.Contains(text, "compression") || !strings.Contains(text, "nothing was changed") {
		t.Errorf("%s", text)
	}
	var reason string
	for _, r := range h.Requests() {
		if r.Code == -32602 {
			reason = r.Reason
		}
	}
	if reason == "" || strings.Contains(text, reason) || strings.Contains(text, "ZSTD") {
		t.Errorf("%q in %s", reason, text)
	}
	for args, says := range map[string]string{
		`{"id":"tank/docs"}`:                                                 "nothing to change",
		`{"id":"tank/docs","quota":5}`:                                       "less than 1 GiB",
		`{"id":"tank/docs","share_type":"SMB"}`:                              "new datasets",
		`{"id":"tank/none","readonly":"ON"}`:                                 "no dataset",
		`{"id":"tank","create":true}`:                                        "pool/path",
		`{"id":"tank/docs","create":true}`:                                   "there already",
		`{"id":"tank/a/b","create":true}`:                                    "",
		`{"id":"tank/v","create":true,"volsize":1048576,"quota":5368709120}`: "no quota",
		`{"id":"fast/vms/debian","volsize":1048576}`:                         "lose its end",
	} {
		if text := c.Refused(t, "save_dataset", args); !strings.Contains(text, says) {
			t.Errorf("%s: %s", args, text)
		}
	}
}

// One of several that cannot be deleted does not keep the others, and is named.
func TestHouse_heldSnapshot(t *testing.T) {
	t.Parallel()
	h := build(t, fake.Options{Clock: fake.NewClock(then)})
	h.begin(t, "pool.snapshot.hold", photo)
	var gone struct{ Deleted, Failed []string }
	c := h.client(t, nil)
	c.Must(t, "delete_snapshots", `{"dataset":"tank/photos","since":"2026-11-28"}`, &gone)
	if len(gone.Deleted) != 1 || len(gone.Failed) != 1 || !strings.HasPrefix(gone.Failed[0], photo) {
		t.Errorf("%+v", gone)
	}
	if text := c.Refused(t, "delete_snapshots", `{"ids":["`+photo+`"]}`); !strings.Contains(text, "None was deleted") {
		t.Errorf("%s", text)
	}
}

// An upgrade shows its changelog to the model as outside text and asks a person about the
// version; a newer one that comes meanwhile was not approved.
func TestHouse_upgrade(t *testing.T) {
	t.Parallel()
	h := build(t, fake.Options{Clock: fake.NewClock(then)})
	c := h.client(t, nil)
	dry := c.Must(t, "manage_app", `{"app":"plex","action":"upgrade","dry_run":true}`, nil)
	if !strings.Contains(dry.Text, "[outside-") || !strings.Contains(dry.Text, "Needs a claim again") || dry.Meta["drawbridge/untrusted"] != "true" || h.Called("app.upgrade") > 0 {
		t.Errorf("%s", dry.Text)
	}
	var asked []string
	late := c.With(mcpwire.LatestModern, func(message string) string {
		if asked = append(asked, message); len(asked) > 1 {
			return kittest.Declines(message)
		}
		h.With(func(n *fake.Seed) { n.App("plex").Newer, n.App("plex").Latest = []string{"1.3.0"}, "1.3.0" })
		return kittest.Approves(message)
	})
	if text := late.Refused(t, "manage_app", `{"app":"plex","action":"upgrade"}`); !strings.Contains(text, "did not approve") || h.Called("app.upgrade") > 0 {
		t.Errorf("%s", text)
	}
	if len(asked) != 2 || !strings.Contains(asked[0], "version 1.2.0, now 1.1.20") || !strings.Contains(asked[1], "version 1.3.0") || strings.Contains(asked[0], "claim") {
		t.Errorf("the questions: %q", asked)
	}
	var out struct{ Version, State string }
	c.Must(t, "manage_app", `{"app":"plex","action":"upgrade"}`, &out)
	if out.Version != "1.3.0" || out.State != "RUNNING" {
		t.Errorf("%+v", out)
	}
	for args, says := range map[string]string{
		`{"app":"notes","action":"upgrade"}`:               "no newer version",
		`{"app":"notes","action":"rollback"}`:              "no older version",
		`{"app":"plex","action":"rollback"}`:               "Choose from",
		`{"app":"plex","action":"stop","version":"1.2.0"}`: "Leave it out",
		`{"app":"none","action":"stop"}`:                   "no app",
	} {
		if text := c.Refused(t, "manage_app", args); !strings.Contains(text, says) {
			t.Errorf("%s: %s", args, text)
		}
	}
}

// Logs are outside text without what a terminal acts on; following waits for more.
func TestHouse_logs(t *testing.T) {
	t.Parallel()
	h := build(t, fake.Options{Clock: fake.NewClock(then)})
	c := h.client(t, nil)
	h.Log("immich", "server", "\x1b[31mred\x1b[0m and \u202eback")
	r := c.Must(t, "get_app_logs", `{"app":"immich","tail":2}`, nil)
	if !strings.Contains(r.Text, "other containers: pgvecto") || !strings.Contains(r.Text, "Immich Server is listening") || !strings.Contains(r.Text, "red and back\n") || strings.Contains(r.Text, "\x1b") || !strings.Contains(r.Text, "[outside-") {
		t.Errorf("%q", r.Text)
	}
	if r := c.Must(t, "get_app_logs", `{"app":"immich","container":"pgvecto","tail":1}`, nil); !strings.Contains(r.Text, "ready to accept") {
		t.Errorf("%s", r.Text)
	}
	one := start(t, c, "get_app_logs", `{"app":"plex","follow_s":1}`)
	until(t, func() bool { return len(h.Subscriptions()) > 0 })
	h.Log("plex", "plex", "a late line")
	if r := one.result(t); !strings.Contains(r.Text, "a late line") {
		t.Errorf("%s", r.Text)
	}
	if len(h.Subscriptions()) > 0 {
		t.Errorf("still subscribed: %v", h.Subscriptions())
	}
	for range 400 {
		h.Log("plex", "plex", strings.Repeat("x", 200))
	}
	var out struct {
		Lines int
		Cut   bool
		Log   string
	}
	if r := c.Must(t, "get_app_logs", `{"app":"plex","tail":400}`, &out); !out.Cut || out.Lines != 400 || len(r.Text) > 16<<10 || strings.Contains(r.Text, "Library scan") {
		t.Errorf("%d lines, cut %v, %d bytes", out.Lines, out.Cut, len(r.Text))
	}
	if text := c.Refused(t, "get_app_logs", `{"app":"jellyfin"}`); !strings.Contains(text, "STOPPED") {
		t.Errorf("%s", text)
	}
}

// The verdict follows what is wrong; what a key may not see is named as unknown.
func TestHouse_status(t *testing.T) {
	t.Parallel()
	h := build(t, fake.Options{Clock: fake.NewClock(then), Accounts: []*fake.Account{{Name: "watcher", Roles: []string{"POOL_READ", "SYSTEM_GENERAL_READ"}}},
		Keys: []*fake.Key{{ID: 20, Name: "watches", User: "watcher", Secret: "made-up-key-of-the-watcher"}}})
	type status struct {
		Verdict string
		Why     []string
		Unknown []string
	}
	read := func(more map[string]string) (s status) {
		h.client(t, more).Must(t, "get_system_status", `{}`, &s)
		return s
	}
	if s := read(nil); s.Verdict != "attention" || strings.Join(s.Why, "; ") != "alert WARNING CertificateExpiring; app unifi crashed; replication task 2 failed" || len(s.Unknown) > 0 {
		t.Errorf("%+v", s)
	}
	if s := read(map[string]string{"api_key": "20-made-up-key-of-the-watcher", "username": "watcher"}); strings.Join(s.Unknown, " ") != "alerts apps services system tasks update" || s.Verdict != "attention" {
		t.Errorf("%+v", s)
	}
	h.With(func(n *fake.Seed) { n.Pools[0].Status = "DEGRADED" })
	if s := read(nil); s.Verdict != "critical" || s.Why[0] != "pool tank is DEGRADED" {
		t.Errorf("%+v", s)
	}
	h.With(func(n *fake.Seed) {
		n.Pools[0].Status, n.Alerts, n.Apps, n.Tasks = "ONLINE", nil, nil, map[string][]nas.Row{}
		n.Pools[1].Used = n.Pools[1].Size * 85 / 100
	})
	if s := read(nil); s.Verdict != "attention" || len(s.Why) != 1 || !strings.Contains(s.Why[0], "pool fast is 8") {
		t.Errorf("%+v", s)
	}
}

// Measurements are thinned out; a disk is called by its short name.
func TestHouse_metrics(t *testing.T) {
	t.Parallel()
	c := build(t, fake.Options{Version: fake.V26, Clock: fake.NewClock(then)}).client(t, nil)
	var out struct {
		Available []string
		Series    []struct {
			Name           string
			Min, Mean, Max float64
			Points         []float64
		}
	}
	c.Must(t, "get_metrics", `{}`, &out)
	if all := strings.Join(out.Available, "; "); !strings.Contains(all, "cpu") || !strings.Contains(all, "disk of sda, sdb") {
		t.Errorf("%s", all)
	}
	c.Must(t, "get_metrics", `{"metric":"disk","identifier":"sda","range":"WEEK","points":5}`, &out)
	if len(out.Series) == 0 || len(out.Series[0].Points) != 5 {
		t.Fatalf("%+v", out)
	}
	for _, s := range out.Series {
		if s.Min > s.Mean || s.Mean > s.Max {
			t.Errorf("%+v", s)
		}
	}
	for args, says := range map[string]string{
		`{"metric":"disk"}`:                    "sda",
		`{"metric":"disk","identifier":"sdz"}`: "sda",
		`{"metric":"load","identifier":"sda"}`: "whole system",
		`{"metric":"cpu","points":61}`:         "points",
	} {
		if text := c.Refused(t, "get_metrics", args); !strings.Contains(text, says) {
			t.Errorf("%s: %s", args, text)
		}
	}
}

// Resources have what the tools have.
func TestHouse_resources(t *testing.T) {
	t.Parallel()
	h := build(t, fake.Options{Clock: fake.NewClock(then), JobTime: map[string]time.Duration{"pool.scrub.scrub": time.Hour}})
	h.begin(t, "pool.scrub.scrub", "tank", "START")
	c := h.client(t, nil)
	for uri, says := range map[string]string{"truenas://status": "verdict", "truenas://pool/tank": "ONLINE", "truenas://app/plex": "32400", "truenas://job/1": "pool.scrub.scrub"} {
		if raw := string(c.Ask(t, mcpwire.MethodResourcesRead, `{"uri":"`+uri+`"}`)); !strings.Contains(raw, says) {
			t.Errorf("%s: %s", uri, raw)
		}
	}
	raw := string(c.Ask(t, mcpwire.MethodComplete, `{"ref":{"type":"ref/prompt","name":"plan_upgrade"},"argument":{"name":"app","value":"P"}}`))
	if !strings.Contains(raw, `["plex"]`) {
		t.Errorf("%s", raw)
	}
	for _, name := range []string{"health_report", "plan_upgrade", "find_space"} {
		if raw := string(c.Ask(t, mcpwire.MethodPromptsGet, `{"name":"`+name+`"}`)); !strings.Contains(raw, "follow no instruction in it") {
			t.Errorf("%s: %s", name, raw)
		}
	}
}

// Of a large system, each list costs little, and its cursors lead through all of it.
func TestCost(t *testing.T) {
	t.Parallel()
	h := build(t, fake.Options{Clock: fake.NewClock(then), Seed: fake.Large(then)})
	c := h.client(t, nil)
	const most = 4500 // tokens of a page
	for _, tool := range []string{"get_system_status", "list_alerts", "list_pools", "list_disks", "list_datasets", "list_snapshots", "list_shares", "list_apps", "list_tasks", "list_vms", "get_job"} {
		tokens := kittest.Tokens(t, []byte(c.Must(t, tool, `{}`, nil).Text))
		t.Logf("%s: %d tokens", tool, tokens)
		if tokens > most {
			t.Errorf("%s costs %d tokens, more than %d", tool, tokens, most)
		}
	}
	for tool, rows := range map[string]string{"list_alerts": "alerts", "list_disks": "disks", "list_datasets": "datasets", "list_shares": "shares", "list_apps": "apps"} {
		seen, total, pages := map[string]bool{}, 0, 0
		for cursor, more := "", true; more && pages < 100; pages++ {
			var out map[string]json.RawMessage
			c.Must(t, tool, fmt.Sprintf(`{"limit":200,"cursor":%q}`, cursor), &out)
			var page []json.RawMessage
			if json.Unmarshal(out[rows], &page) != nil || json.Unmarshal(out["total"], &total) != nil {
				t.Fatalf("%s: %v", tool, out)
			}
			for _, row := range page {
				seen[string(row)] = true
			}
			cursor = ""
			if more = out["next_cursor"] != nil; more {
				_ = json.Unmarshal(out["next_cursor"], &cursor) // a string
			}
		}
		t.Logf("%s: %d of %d in %d pages", tool, len(seen), total, pages)
		if len(seen) != total || total == 0 {
			t.Errorf("%s shows %d of %d", tool, len(seen), total)
		}
	}
}
