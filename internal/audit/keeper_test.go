package audit_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/account"
	"drawbridge/internal/audit"
)

func TestKeeper(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		r := start(t, m, 16)
		for _, target := range []string{"a", "b", "c"} {
			r.Call(call(target))
			time.Sleep(24 * time.Hour)
		}
		k, err := audit.NewKeeper(slog.New(slog.DiscardHandler), m, installation, 60*time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); k.Run(ctx) }()
		synctest.Wait()
		expect(t, m, "at once", "b", "c")
		time.Sleep(23 * time.Hour)
		expect(t, m, "not before a day has passed", "b", "c")
		m.cutFails(errors.New("disk full"))
		time.Sleep(90 * time.Minute)
		expect(t, m, "failed", "b", "c")
		m.cutFails(nil)
		time.Sleep(time.Hour)
		expect(t, m, "tried again", "c")
		sound(t, m, audit.Report{Chains: 1, Rows: 1})
		time.Sleep(24 * time.Hour)
		expect(t, m, "the day after")
		sound(t, m, audit.Report{Chains: 1})
		r.Call(call("d"))
		time.Sleep(time.Second)
		expect(t, m, "the chain goes on", "d")
		sound(t, m, audit.Report{Chains: 1, Rows: 1})
		stop()
		<-done
	})
}

func TestNewKeeper_refuses(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.DiscardHandler)
	for what, err := range map[string]error{
		"no logger":    second(audit.NewKeeper(nil, &memory{}, installation, time.Hour)),
		"no archive":   second(audit.NewKeeper(log, nil, installation, time.Hour)),
		"no secret":    second(audit.NewKeeper(log, &memory{}, nil, time.Hour)),
		"no retention": second(audit.NewKeeper(log, &memory{}, installation, 0)),
	} {
		if err == nil {
			t.Errorf("%s is taken", what)
		}
	}
}

func second(_ *audit.Keeper, err error) error { return err }

// The format is for other programs: what is here may not change.
func TestLineOf(t *testing.T) {
	t.Parallel()
	row := account.ChainedRecord{Chain: "c1", Seq: 7, Hash: [32]byte{0xab}, Record: account.Record{
		Time: time.Date(2026, 11, 1, 13, 0, 0, 120_000_000, time.FixedZone("", 3600)), User: "anna", Credential: "key_1",
		Client: `cl"ient`, Backend: "b", Method: "tools/call", Target: "b_t", Decision: account.Allowed, Outcome: account.Succeeded,
		Duration: 1500 * time.Microsecond, SizeIn: 2, SizeOut: 3, Digest: [16]byte{0xcd}, Ref: 6,
	}}
	lost := account.ChainedRecord{Chain: "c1", Seq: 8, Record: account.Record{
		Time: time.Date(2026, 11, 1, 12, 0, 1, 0, time.UTC), Decision: account.Allowed, Outcome: account.Lost, Ref: 12,
	}}
	const zeros = "00000000000000000000000000000000"
	for want, r := range map[string]account.ChainedRecord{
		`{"time":"2026-11-01T12:00:00.120000Z","user":"anna","credential":"key_1","client":"cl\"ient","backend":"b","method":"tools/call","target":"b_t","decision":"allowed","outcome":"ok","duration_us":1500,"size_in":2,"size_out":3,"digest":"cd` + zeros[:30] + `","intent":6,"chain":"c1","seq":7,"hash":"ab` + zeros + zeros[:30] + `"}`: row,
		`{"time":"2026-11-01T12:00:01.000000Z","user":"","credential":"","client":"","backend":"","method":"","target":"","decision":"allowed","outcome":"lost","duration_us":0,"size_in":0,"size_out":0,"lost":12,"chain":"c1","seq":8,"hash":"` + zeros + zeros + `"}`:                                                                         lost,
	} {
		got, err := json.Marshal(audit.LineOf(r))
		if diff := cmp.Diff(want, string(got)); err != nil || diff != "" {
			t.Errorf("%v %s", err, diff)
		}
	}
}
