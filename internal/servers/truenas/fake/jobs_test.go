package fake_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"drawbridge/internal/servers/truenas/fake"
)

var start = time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC)

// job is the one with an id, as core.get_jobs has it.
func (p *peer) job(id any) map[string]any {
	p.t.Helper()
	return p.must("core.get_jobs", []any{[]any{"id", "=", id}}, map[string]any{"get": true}).(map[string]any)
}

// TestJob_90s: an upgrade of 90 s, in no time: an id at once, states and progress as
// events, and the app as it goes along.
func TestJob_90s(t *testing.T) {
	t.Parallel()
	s := server(t, fake.Options{Clock: fake.NewClock(start), JobTime: map[string]time.Duration{"app.upgrade": 90 * time.Second}})
	p := admin(t, s)
	p.must("core.subscribe", "core.get_jobs")
	p.must("core.subscribe", "app.query")
	id := p.must("app.upgrade", "plex", map[string]any{"app_version": "1.1.21"})
	if id != 1.0 {
		t.Fatalf("job %v", id)
	}
	added := p.event("core.get_jobs").Params
	fields := added.Fields.(map[string]any)
	if added.Msg != "added" || added.ID != id || fields["state"] != "WAITING" || fmt.Sprint(fields["message_ids"]) != "[4]" {
		t.Errorf("added: %v", added)
	}
	if got := p.event("core.get_jobs").Params.Fields.(map[string]any); got["state"] != "RUNNING" {
		t.Errorf("changed: %v", got)
	}
	for i := range 9 {
		s.Advance(9 * time.Second)
		got := p.event("core.get_jobs").Params.Fields.(map[string]any)["progress"].(map[string]any)
		if got["percent"] != float64(10*(i+1)) || got["description"] == "" {
			t.Errorf("after %d s: %v", 9*(i+1), got)
		}
	}
	if got := p.must("app.get_instance", "plex").(map[string]any); got["state"] != "DEPLOYING" || got["version"] != "1.1.20" {
		t.Errorf("after 81 s the app is %v %v", got["state"], got["version"])
	}
	s.Advance(9 * time.Second)
	done := p.job(id)
	took := done["time_finished"].(map[string]any)["$date"].(float64) - done["time_started"].(map[string]any)["$date"].(float64)
	if done["state"] != "SUCCESS" || took != 90_000 || done["result"].(map[string]any)["version"] != "1.1.21" || !strings.Contains(done["logs_excerpt"].(string), "pulling") {
		t.Errorf("done: %v", done)
	}
	if got := p.must("app.get_instance", "plex").(map[string]any); got["state"] != "RUNNING" || got["version"] != "1.1.21" || got["upgrade_available"] != true {
		t.Errorf("after 90 s the app is %v", got)
	}
}

func TestJob_failures(t *testing.T) {
	t.Parallel()
	s := server(t, fake.Options{})
	p := admin(t, s)
	for _, c := range []struct {
		method string
		params []any
		kind   string
		says   string
	}{
		{"app.start", []any{"nothing"}, "VALIDATION", "[ENOENT] None: App nothing does not exist"},
		{"app.upgrade", []any{"jellyfin"}, "CallError", "[EFAULT] In order to upgrade an app, it must not be in stopped state"},
		{"app.upgrade", []any{"immich"}, "CallError", "[EFAULT] No upgrade available for 'immich'"},
		{"app.upgrade", []any{"plex", map[string]any{"app_version": "9"}}, "CallError", "Unable to locate '9' version"},
		{"app.upgrade", []any{"plex", map[string]any{"app_version": "1.1.20"}}, "VALIDATION", "Upgrade version must be greater"},
		{"app.upgrade", []any{"unifi"}, "CallError", "Failed 'up' action for 'unifi' app"},
		{"app.rollback", []any{"plex", map[string]any{"app_version": "7"}}, "VALIDATION", "Specified version is not available for rollback"},
		{"replication.run", []any{9}, "VALIDATION", "Replication 9 does not exist"},
	} {
		j := p.job(p.must(c.method, c.params...))
		info, _ := j["exc_info"].(map[string]any)
		if j["state"] != "FAILED" || info["type"] != c.kind || !strings.Contains(j["error"].(string), c.says) || j["exception"] == nil {
			t.Errorf("%s %v: %v", c.method, c.params, j)
		}
	}
	if m := p.call("app.start"); m.code() != -32602 { // wrong parameters start no job
		t.Errorf("no parameters: %s", m.raw)
	}
	s.Break(fake.Fault{Method: "app.redeploy", Times: 1, JobFails: "no space left on device"})
	if j := p.job(p.must("app.redeploy", "plex")); j["state"] != "FAILED" || j["error"] != "[EFAULT] no space left on device" {
		t.Errorf("by plan: %v", j)
	}
}

func TestJob_abort(t *testing.T) {
	t.Parallel()
	s := server(t, fake.Options{Clock: fake.NewClock(start), JobTime: map[string]time.Duration{"": time.Hour}})
	p := admin(t, s)
	sync := p.must("cloudsync.sync", 1)
	waits := p.must("cloudsync.sync", 1) // behind the first
	stop := p.must("app.stop", "plex")
	if got := p.job(waits)["state"]; got != "WAITING" {
		t.Errorf("behind another of its lock: %v", got)
	}
	p.must("core.subscribe", "core.get_jobs")
	for _, id := range []any{waits, sync} {
		if m := p.call("core.job_abort", id); m.code() != 0 || m.Result != nil {
			t.Errorf("abort: %s", m.raw)
		}
		if got := p.event("core.get_jobs").Params; got.ID != id || got.Fields.(map[string]any)["state"] != "ABORTED" {
			t.Errorf("event: %v", got)
		}
	}
	p.must("core.job_abort", stop) // cannot be aborted, which nobody says
	if got := p.job(stop); got["state"] != "RUNNING" || got["abortable"] != false {
		t.Errorf("not abortable: %v", got)
	}
	if m := p.call("core.job_abort", 99); m.code() != -32602 || m.reason() != "[ENOENT] None: Job with id 99 does not exist" {
		t.Errorf("no such job: %s", m.raw)
	}
}

// TestJob_wait: waiting is a job as well, and what its call answers is a number again.
func TestJob_wait(t *testing.T) {
	t.Parallel()
	s := server(t, fake.Options{Clock: fake.NewClock(start), JobTime: map[string]time.Duration{"app.start": time.Minute}})
	p := admin(t, s)
	p.must("app.start", "jellyfin")
	p.must("core.subscribe", "core.get_jobs")
	id := p.must("core.job_wait", 1)
	if id != 2.0 {
		t.Fatalf("wait answered %v", id)
	}
	for p.event("core.get_jobs").Params.Fields.(map[string]any)["state"] != "RUNNING" {
	}
	s.Advance(time.Minute)
	for p.job(id)["state"] != "SUCCESS" {
		if t.Context().Err() != nil {
			t.Fatal("it never ends")
		}
	}
	// Without legacy_jobs the answer comes when the job is done.
	p.must("core.set_options", map[string]any{"legacy_jobs": false, "some_future_option": 1})
	call := p.send("app.start", "jellyfin")
	p.must("core.ping")
	s.Advance(time.Minute)
	for m := p.next(); m.ID != float64(call); m = p.next() {
		if m.Method == "" {
			t.Fatalf("came first: %s", m.raw)
		}
	}
}

func TestJob_logs(t *testing.T) {
	t.Parallel()
	s := server(t, fake.Options{})
	p := admin(t, s)
	id := p.must("replication.run", 1)
	path := p.must("core.job_download_logs", id, "log.txt").(string)
	for _, want := range []int{200, 401} { // once
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client(true).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != want || want == 200 && !strings.Contains(string(text), "INFO started") {
			t.Errorf("%d %q, want %d", resp.StatusCode, text, want)
		}
	}
	id = p.must("app.start", "jellyfin")
	if m := p.call("core.job_download_logs", id, "log.txt"); m.reason() != "[EFAULT] This job has no logs" {
		t.Errorf("no logs: %s", m.raw)
	}
}

// TestJob_ofOthers: only a full admin sees what others run.
func TestJob_ofOthers(t *testing.T) {
	t.Parallel()
	s := server(t, fake.Options{})
	boss, reader := admin(t, s), signedIn(t, s, fake.ReadUser, fake.ReadKey)
	boss.must("app.start", "jellyfin")
	if got := reader.must("core.get_jobs").([]any); len(got) != 0 {
		t.Errorf("reader sees %v", got)
	}
	if m := reader.call("core.job_abort", 1); m.reason() != "[EPERM] Job is not owned by current session" {
		t.Errorf("abort: %s", m.raw)
	}
}

// TestRestart_midJob: the connection ends with 1001; the job goes on, is lost and undone,
// or is lost and done, as the plan says.
func TestRestart_midJob(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name           string
		plan           fake.Restart
		jobs           int
		state, version string
	}{
		{"goes on", fake.Restart{}, 1, "RUNNING", "1.2.0"},
		{"lost, undone", fake.Restart{Lose: true}, 0, "RUNNING", "1.1.20"},
		{"lost, done", fake.Restart{Lose: true, Done: true}, 0, "RUNNING", "1.2.0"},
		{"goes on while it is down", fake.Restart{Down: 30 * time.Second}, 1, "RUNNING", "1.2.0"},
	} {
		s := server(t, fake.Options{Clock: fake.NewClock(start), JobTime: map[string]time.Duration{"app.upgrade": 90 * time.Second}})
		p := admin(t, s)
		p.must("app.upgrade", "plex")
		s.Advance(20 * time.Second)
		s.Restart(c.plan)
		if _, err := p.read(); websocket.CloseStatus(err) != websocket.StatusGoingAway {
			t.Errorf("%s: %v, want close 1001", c.name, err)
		}
		if c.plan.Down > 0 {
			if status := get(t, s, "/api/versions", nil); status != 502 {
				t.Errorf("%s: %d while it is down", c.name, status)
			}
		}
		s.Advance(80 * time.Second)
		p = admin(t, s)
		app := p.must("app.get_instance", "plex").(map[string]any)
		if jobs := p.must("core.get_jobs").([]any); len(jobs) != c.jobs || app["state"] != c.state || app["version"] != c.version {
			t.Errorf("%s: %d jobs, app %v %v", c.name, len(jobs), app["state"], app["version"])
		}
	}
}

// TestRestart_lostAnswer: the call was carried out, or not, and nobody says which.
func TestRestart_lostAnswer(t *testing.T) {
	t.Parallel()
	for _, late := range []bool{false, true} {
		s := server(t, fake.Options{})
		p := admin(t, s)
		s.Break(fake.Fault{Method: "pool.dataset.create", Late: late, Times: 1, Restart: &fake.Restart{}})
		p.send("pool.dataset.create", map[string]any{"name": "tank/new"})
		if _, err := p.read(); websocket.CloseStatus(err) != websocket.StatusGoingAway {
			t.Errorf("%v, want close 1001", err)
		}
		there := false
		s.With(func(n *fake.Seed) { there = n.Dataset("tank/new") != nil })
		log := s.Requests()
		last := log[slices.IndexFunc(log, func(r fake.Request) bool { return r.Method == "pool.dataset.create" })]
		if there != late || last.Done != late || !last.Lost {
			t.Errorf("late %t: there %t, log %+v", late, there, last)
		}
	}
}

func TestReboot(t *testing.T) {
	t.Parallel()
	s := server(t, fake.Options{Clock: fake.NewClock(start)})
	p := admin(t, s)
	var before string
	get(t, s, "/api/boot_id", &before)
	p.must("update.run", map[string]any{})
	if got := p.must("system.reboot.info").(map[string]any)["reboot_required_reasons"].([]any); len(got) != 1 {
		t.Errorf("reasons: %v", got)
	}
	if m := p.call("system.reboot", ""); m.code() != -32602 {
		t.Errorf("without a reason: %s", m.raw)
	}
	p.must("system.reboot", "update")
	if _, err := p.read(); websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("%v, want close 1001", err)
	}
	if status := get(t, s, "/api/boot_id", nil); status != 502 {
		t.Errorf("%d while it boots", status)
	}
	s.Advance(time.Minute)
	var after string
	get(t, s, "/api/boot_id", &after)
	p = admin(t, s)
	active := p.must("boot.environment.query", []any{[]any{"active", "=", true}}, map[string]any{"get": true}).(map[string]any)
	if before == after || active["id"] != "25.10.3" || len(p.must("core.get_jobs").([]any)) != 0 {
		t.Errorf("after the reboot: id %q, was %q, active %v", after, before, active["id"])
	}
}
