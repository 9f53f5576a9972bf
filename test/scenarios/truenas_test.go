package scenarios_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"drawbridge/internal/servers/truenas/fake"
)

// then is the time of the disk stations.
var then = time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)

// disks starts a TrueNAS and a gateway on it that waits three seconds for its jobs. Jobs of
// the methods named take 90 s of the station's own time.
func disks(t *testing.T, era string, slow ...string) (*fake.Server, *stage) {
	t.Helper()
	times := map[string]time.Duration{}
	for _, method := range slow {
		times[method] = 90 * time.Second
	}
	f := fake.New(fake.Options{Clock: fake.NewClock(then), JobTime: times})
	if err := f.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	s := open(t, era, "truenas", map[string]string{"url": f.URL(), "fingerprint": f.Fingerprint(), "api_key": fake.AdminKey, "username": fake.AdminUser,
		"mode": "all", "job_wait": "3s", "protected": "tank/docs"})
	s.g.WaitTools("truenas_manage_app")
	return f, s
}

// snapshots are the ids of those of a dataset.
func snapshots(f *fake.Server, dataset string) (ids []string) {
	f.With(func(n *fake.Seed) {
		for _, one := range n.Snapshots {
			if one.Dataset == dataset {
				ids = append(ids, one.ID())
			}
		}
	})
	return ids
}

// Somebody asks where the space has gone, and has old snapshots deleted. One of them is
// held, and those of the documents are protected.
func space(t *testing.T, era string) {
	f, s := disks(t, era)
	v := s.admit()
	has(t, "the status", v.must("get_system_status", `{}`, nil).Text, "tank ONLINE")
	has(t, "the datasets", v.must("list_datasets", `{"parent":"tank","sort":"used","depth":1}`, nil).Text, "tank/photos")
	has(t, "the snapshots", v.must("list_snapshots", `{"dataset":"tank/photos","sort":"used"}`, nil).Text, "tank/photos@auto-2026-11-20_00-00")
	f.With(func(n *fake.Seed) { n.Snapshots[0].Held = n.Snapshots[0].Dataset == "tank/photos" }) // the oldest
	all := snapshots(f, "tank/photos")
	const old = `{"dataset":"tank/photos","before":"2026-11-23T12:00:00Z"`
	has(t, "the dry run", v.must("delete_snapshots", old+`,"dry_run":true}`, nil).Text, "4 of its snapshots", all[0], all[3])
	v.refused("delete_snapshots", strings.Replace(old, "photos", "docs", 1)+`}`, "TRUENAS_PROTECTED")
	deleted := func() int { return f.Called("pool.snapshot.delete") }
	v.will(func(question string) bool {
		has(t, "the question", question, all[0], all[1], all[2], all[3])
		is(t, "deletions before the answer", deleted(), 0)
		return true
	})
	var out struct{ Deleted, Failed []string }
	told := v.must("delete_snapshots", old+`}`, &out).Notes
	has(t, "the progress", told, `"progress":4`, `"progressToken":"p"`)
	is(t, "questions", len(v.questions()), 1)
	if !slices.Equal(out.Deleted, all[1:4]) || len(out.Failed) != 1 || !strings.Contains(out.Failed[0], all[0]) {
		t.Errorf("%+v", out)
	}
	if left := snapshots(f, "tank/photos"); !slices.Equal(left, append(all[:1:1], all[4:]...)) {
		t.Errorf("left are %v", left)
	}
	is(t, "deletions", deleted(), 4)
	is(t, "snapshots of the documents", len(snapshots(f, "tank/docs")), 10)
}

const (
	photo = "tank/photos@auto-2026-11-29_00-00"
	older = "tank/photos@auto-2026-11-28_00-00"
)

// Somebody wants yesterday's photos back. What that would destroy is shown, and what
// has come while the person read is shown again.
func rollback(t *testing.T, era string) {
	f, s := disks(t, era)
	v := s.admit()
	rolled := func() int { return f.Called("pool.snapshot.rollback") }
	v.refused("rollback_snapshot", `{"id":"`+older+`"}`, photo, "destroy_newer")
	const wish = `{"id":"` + older + `","destroy_newer":true`
	has(t, "the dry run", v.must("rollback_snapshot", wish+`,"dry_run":true}`, nil).Text, photo, "nothing was changed")
	s.mute().refused("rollback_snapshot", wish+`}`, "person has to approve")
	v.will(func(question string) bool {
		has(t, "the question", question, photo, "tank/photos", "2026-11-28")
		return false
	})
	v.refused("rollback_snapshot", wish+`}`, "did not approve")
	is(t, "rollbacks after a no", rolled(), 0)
	late := func(question string) bool {
		is(t, "rollbacks before the answer", rolled(), 0)
		if !strings.Contains(question, "tank/photos@late") {
			f.With(func(n *fake.Seed) {
				one := *n.Snapshots[len(n.Snapshots)-1]
				one.Dataset, one.Name, one.TXG = "tank/photos", "late", n.NextTXG()
				n.Snapshots = append(n.Snapshots, &one)
			})
		}
		return true
	}
	v.will(late)
	var out struct{ Destroyed []string }
	v.must("rollback_snapshot", wish+`}`, &out)
	is(t, "questions", len(v.questions()), 2)
	if !slices.Equal(out.Destroyed, []string{photo, "tank/photos@late"}) {
		t.Errorf("%+v", out)
	}
	is(t, "rollbacks", rolled(), 1)
	if left := snapshots(f, "tank/photos"); len(left) != 9 || slices.Contains(left, photo) || !slices.Contains(left, older) {
		t.Errorf("left are %v", left)
	}
}

// under waits until a job of a method runs.
func under(s *stage, f *fake.Server, method string) {
	s.t.Helper()
	s.g.WaitFor(method+" to run", func() bool {
		return slices.ContainsFunc(f.Jobs(), func(j fake.Job) bool { return j.Method == method && j.State == "RUNNING" })
	})
}

// kept is a call that goes on as a job.
type kept struct {
	Job struct{ ID, Resource string }
}

// Somebody has the disks checked, which takes longer than any client waits.
func scrub(t *testing.T, era string) {
	f, s := disks(t, era, "pool.scrub.scrub")
	v := s.admit()
	has(t, "the pool", v.must("list_pools", `{"name":"tank"}`, nil).Text, "ONLINE")
	v.refused("run_task", `{"kind":"scrub","pool":"tonk"}`, "tonk")
	var out kept
	first := v.later("run_task", `{"kind":"scrub","pool":"tank"}`)
	under(s, f, "pool.scrub.scrub")
	r := <-first // after three seconds
	decode(t, r, &out)
	has(t, "what was told meanwhile", r.Notes, "notifications/progress", `"progressToken":"p"`, "pool.scrub.scrub")
	has(t, "what the call says", r.Text, "still running", "job_status", out.Job.ID)
	f.Advance(50 * time.Second)
	var status struct {
		State string
		Done  float64
	}
	s.g.WaitFor("the progress to be told", func() bool {
		v.must("job_status", `{"id":"`+out.Job.ID+`"}`, &status)
		return status.Done == 50 || status.State != "running"
	})
	is(t, "the job in the middle", status.State, "running")
	if a := v.Call("resources/read", `{"uri":"`+out.Job.Resource+`"}`); !strings.Contains(a.Result(), "running") {
		t.Errorf("the job as a resource: %s", a.Message)
	}
	somebody := s.as(s.member("ben"))
	somebody.refused("job_status", `{"id":"`+out.Job.ID+`"}`, "no job")
	f.Advance(40 * time.Second)
	v.must("job_status", `{"id":"`+out.Job.ID+`","wait_seconds":20}`, &status)
	is(t, "the job at the end", status.State, "done")
	has(t, "TrueNAS's own job", v.must("get_job", `{"id":1}`, nil).Text, "SUCCESS", "pool.scrub.scrub")
	is(t, "scrubs", f.Called("pool.scrub.scrub"), 1)
}

// Somebody upgrades an app once they have read what is new; another upgrade fails.
func upgrade(t *testing.T, era string) {
	f, s := disks(t, era)
	v := s.admit()
	version := func() (version string) {
		f.With(func(n *fake.Seed) { version = n.App("plex").Version })
		return version
	}
	has(t, "what can be upgraded", v.must("list_apps", `{"upgradable":true}`, nil).Text, "plex", "1.2.0")
	const wish = `{"app":"plex","action":"upgrade"`
	has(t, "the dry run", v.must("manage_app", wish+`,"dry_run":true}`, nil).Text, "Needs a claim again", "[outside-", "1.2.0")
	person := func(approves bool) func(string) bool {
		return func(question string) bool {
			has(t, "the question", question, "plex", "1.2.0")
			is(t, "upgrades before the answer", f.Called("app.upgrade"), 0)
			return approves
		}
	}
	v.will(person(false))
	v.refused("manage_app", wish+`}`, "did not approve")
	is(t, "the version after a no", version(), "1.1.20")
	v.will(person(true))
	var done undo
	v.must("manage_app", wish+`}`, &done)
	is(t, "the version after a yes", version(), "1.2.0")
	is(t, "upgrades", f.Called("app.upgrade"), 1)
	v.will(yes)
	v.refused("manage_app", `{"app":"unifi","action":"upgrade"}`, "failed", "get_job")
	has(t, "why", v.must("get_job", `{"state":"FAILED"}`, nil).Text, "8443", "[outside-")
	v.will(yes)
	v.back(done)
	is(t, "the person is asked about the way back", len(v.questions()), 1)
	is(t, "the version taken back", version(), "1.1.20")
}

// TrueNAS closes the connection in the middle of an upgrade. Nobody knows what became of
// it, the answer says how to find out, and nothing is tried twice.
func lostJob(t *testing.T, era string) {
	f, s := disks(t, era, "app.upgrade")
	v := s.admit()
	v.will(yes)
	var out kept
	over := v.later("manage_app", `{"app":"plex","action":"upgrade"}`)
	under(s, f, "app.upgrade")
	decode(t, <-over, &out)
	f.Restart(fake.Restart{})
	has(t, "what is said of the upgrade", v.must("job_status", `{"id":"`+out.Job.ID+`","wait_seconds":20}`, nil).Text,
		"Undetermined", `get_job {"id":1}`, `list_apps {"name":"plex"}`)
	has(t, "finding out", v.must("get_job", `{"id":1}`, nil).Text, "RUNNING", "app.upgrade")
	f.Advance(90 * time.Second)
	has(t, "finding out later", v.must("get_job", `{"id":1}`, nil).Text, "SUCCESS")
	has(t, "the app", v.must("list_apps", `{"name":"plex"}`, nil).Text, "1.2.0")
	is(t, "upgrades", f.Called("app.upgrade"), 1)
	is(t, "questions", len(v.questions()), 1)
}
