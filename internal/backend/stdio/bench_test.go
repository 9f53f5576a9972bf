package stdio_test

import (
	"log/slog"
	"os"
	"syscall"
	"testing"

	"drawbridge/internal/account"
	"drawbridge/internal/backend"
	"drawbridge/internal/backend/stdio"
	"drawbridge/internal/mcpwire"
)

// BenchmarkServe measures a call through supervisor and process; own-µs is the
// time that this process alone spends on it, the server's not counted.
func BenchmarkServe(b *testing.B) {
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	d := stdio.New(slog.New(slog.DiscardHandler), stdio.Config{
		Name: "fake", Command: self, Env: append(stdio.BaseEnv(os.LookupEnv), "FAKE_ERA=2025-11-25"),
	})
	sup := backend.New(slog.New(slog.DiscardHandler), backend.Config{Name: "fake", Transport: backend.Stdio}, d, states{make(chan struct{}, 1)})
	sup.Start(b.Context())
	defer sup.Stop(b.Context())
	ctx := account.WithPrincipal(b.Context(), account.Local())
	params := []byte(`{"name":"echo","arguments":{"text":"hello"},"_meta":{"progressToken":1}}`)
	one := func() {
		req, bad := mcpwire.NewRequest(mcpwire.MethodToolsCall, mcpwire.Rev20251125, params)
		if bad != nil {
			b.Fatal(bad)
		}
		req.Caller = &mcpwire.Caller{Revision: mcpwire.Rev20251125}
		out := sup.Serve(ctx, req, &sink{})
		if out.Kind != mcpwire.Complete {
			b.Fatalf("got %+v", out)
		}
		out.Close()
	}
	one()
	for _, workers := range []int{1, 8} {
		b.Run(map[int]string{1: "one by one", 8: "eight at once"}[workers], func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(workers)
			before := ownTime(b)
			if workers == 1 {
				for b.Loop() {
					one()
				}
			} else {
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						one()
					}
				})
			}
			b.ReportMetric((ownTime(b)-before)/float64(b.N), "own-µs/op")
		})
	}
}

// ownTime is the processor time of this process in microseconds.
func ownTime(b *testing.B) float64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Sec+u.Stime.Sec)*1e6 + float64(u.Utime.Usec+u.Stime.Usec)
}
