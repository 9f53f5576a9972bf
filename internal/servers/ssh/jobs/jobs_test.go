package jobs_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kittest"
	"drawbridge/internal/servers/ssh/jobs"
	"drawbridge/internal/servers/ssh/remote"
)

func TestTable(t *testing.T) {
	t.Parallel()
	for _, engine := range kittest.Engines("ssh") {
		t.Run(engine.Name, func(t *testing.T) {
			t.Parallel()
			ctx, now := t.Context(), time.Date(2026, 7, 28, 12, 0, 0, 0, time.UTC)
			db := engine.Open(t)
			table := jobs.New(db, func() time.Time { return now })
			if err := table.Prepare(ctx, "ssh"); err != nil {
				t.Fatal(err)
			}
			want := jobs.Job{ID: "aaaa1111", Host: "web1", Command: "make 'it'", Started: now}
			if err := table.Reserve(ctx, "anna", want); err != nil {
				t.Fatal(err)
			}
			if got, err := table.Find(ctx, "anna", want.ID); err != nil || !cmp.Equal(got, want) {
				t.Errorf("reserved: %+v, %v", got, err)
			}
			want.Place = remote.JobPlace{Dir: "/home/a/jobs/x", PID: 77, Start: "123"}
			if err := table.Place(ctx, "anna", want.ID, want.Place); err != nil {
				t.Fatal(err)
			}
			if err := table.Drop(ctx, "anna", want.ID); err != nil {
				t.Fatal(err)
			}
			// Another process with the same tables finds it, but not another user.
			again := jobs.New(db, func() time.Time { return now })
			if got, err := again.Find(ctx, "anna", want.ID); err != nil || !cmp.Equal(got, want) {
				t.Errorf("placed: %+v, %v", got, err)
			}
			if _, err := again.Find(ctx, "ben", want.ID); fault.CodeOf(err) != fault.NotFound {
				t.Errorf("somebody else's: %v", err)
			}
			if all, err := again.List(ctx, "dora"); err != nil || len(all) != 0 {
				t.Errorf("somebody else's: %v, %v", all, err)
			}
			if err := table.Reserve(ctx, "anna", jobs.Job{ID: "bbbb", Host: "web1", Started: now.Add(time.Second)}); err != nil {
				t.Fatal(err)
			}
			if err := table.Reserve(ctx, "anna", jobs.Job{ID: "bbbb"}); fault.CodeOf(err) != fault.Conflict {
				t.Errorf("twice: %v", err)
			}
			if err := table.Reserve(ctx, "ben", jobs.Job{ID: "bbbb"}); err != nil {
				t.Errorf("another user's: %v", err)
			}
			if all, err := table.List(ctx, "anna"); err != nil || len(all) != 2 || all[0].ID != "bbbb" {
				t.Errorf("latest first: %v, %v", all, err)
			}
			if err := table.Drop(ctx, "anna", "bbbb"); err != nil {
				t.Fatal(err)
			}
			if all, err := table.List(ctx, "anna"); err != nil || len(all) != 1 {
				t.Errorf("dropped: %v, %v", all, err)
			}
			var err error
			for i := 0; err == nil && i < 1000; i++ {
				err = table.Reserve(ctx, "carl", jobs.Job{ID: fmt.Sprintf("c%d", i), Started: now})
			}
			if fault.CodeOf(err) != fault.Limited {
				t.Errorf("without bound: %v", err)
			}
			now = now.Add(31 * 24 * time.Hour)
			if err := table.Prepare(ctx, "ssh"); err != nil {
				t.Fatal(err)
			}
			if all, err := table.List(ctx, "anna"); err != nil || len(all) != 0 {
				t.Errorf("old: %v, %v", all, err)
			}
		})
	}
	none := jobs.New(nil, time.Now)
	if err := none.Prepare(t.Context(), "ssh"); err != nil {
		t.Error(err)
	}
	if err := none.Reserve(t.Context(), "anna", jobs.Job{ID: "a"}); err == nil {
		t.Error("a job without tables")
	}
}
