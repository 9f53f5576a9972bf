package fake_test

import (
	"net/http"
	"runtime"
	"testing"
	"time"

	"drawbridge/internal/servers/erpnext/fake"
)

// Not parallel: it counts what is left when a server is closed under a slow request.
func TestClose_leavesNoGoroutine(t *testing.T) {
	before := runtime.NumGoroutine()
	s, err := fake.New(fake.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	s.Break(fake.Fault{Path: "ping", Delay: time.Hour})
	tr := &http.Transport{}
	failed := make(chan error, 1)
	go func() { // ended by Close, awaited below
		r, err := http.NewRequestWithContext(t.Context(), "GET", s.URL()+"/api/method/ping", nil)
		if err == nil {
			var resp *http.Response
			if resp, err = tr.RoundTrip(r); err == nil {
				resp.Body.Close()
			}
		}
		failed <- err
	}()
	for len(s.Requests()) == 0 { // until it has arrived
		runtime.Gosched()
	}
	s.Close()
	if err := <-failed; err == nil {
		t.Error("a request outlived its server")
	}
	tr.CloseIdleConnections()
	for range 1_000_000 { // what was told to end needs its turn
		if runtime.NumGoroutine() <= before {
			return
		}
		runtime.Gosched()
	}
	t.Errorf("%d goroutines more than before", runtime.NumGoroutine()-before)
}
