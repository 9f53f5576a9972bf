package api_test

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/secret"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/truenas/api"
	"drawbridge/internal/servers/truenas/fake"
	"drawbridge/internal/servers/truenas/rpc"
)

// session opens one on a fake, which ends with the test.
func session(t *testing.T) (*fake.Server, api.Session) {
	t.Helper()
	nas := fake.New(fake.Options{Clock: fake.NewClock(time.Now()), JobTime: map[string]time.Duration{"app.upgrade": time.Hour}})
	srv := httptest.NewUnstartedServer(nas)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	sum := sha256.Sum256(srv.Certificate().Raw)
	up, err := kit.Deps{Log: slog.New(slog.DiscardHandler), Now: time.Now}.Upstream(kit.Target{Name: "TrueNAS", URL: srv.URL, Fingerprint: hex.EncodeToString(sum[:])})
	if err != nil {
		t.Fatal(err)
	}
	pool := rpc.NewPool(up, time.Now)
	t.Cleanup(func() {
		pool.Close()
		if err := nas.Close(); err != nil {
			t.Errorf("close the fake: %v", err)
		}
		srv.Close()
	})
	line, err := pool.Get(t.Context(), rpc.Key{User: fake.AdminUser, Key: secret.New(fake.AdminKey)})
	if err != nil {
		t.Fatal(err)
	}
	return nas, api.Over(line)
}

// A TrueNAS that falls silent ends a call of hours all the same: what was read is asked
// for again, what may have run is undetermined.
func TestSession_silent(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		silent string // the method
		call   func(s api.Session) error
		code   fault.Code
		says   string
	}{
		"a read": {"pool.query", func(s api.Session) error { _, err := s.Pools(t.Context(), ""); return err }, fault.Timeout, "did not answer pool.query in time"},
		"a deed": {"app.upgrade", func(s api.Session) error {
			_, err := s.Run(t.Context(), api.AppDeed("plex", "upgrade", "1.2.0"), nil)
			return err
		}, fault.Timeout, "Undetermined: TrueNAS had not answered"},
		"a job": {"core.get_jobs", func(s api.Session) error {
			_, err := s.Run(t.Context(), api.AppDeed("plex", "upgrade", "1.2.0"), nil)
			return err
		}, fault.Upstream, `get_job {"id":1}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nas, s := session(t)
			nas.Break(fake.Fault{Method: tc.silent, Delay: time.Hour})
			err := tc.call(s.Within(200 * time.Millisecond))
			if fault.CodeOf(err) != tc.code || !strings.Contains(fault.PublicOf(err), tc.says) || nas.Called(tc.silent) != 1 {
				t.Errorf("%v, %d calls", err, nas.Called(tc.silent))
			}
		})
	}
}
