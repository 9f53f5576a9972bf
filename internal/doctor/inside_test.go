package doctor_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/doctor"
	"drawbridge/internal/fault"
)

// away is an installation without a server.
func away(t *testing.T, open func(context.Context) (doctor.Database, error), cfg doctor.Config) []doctor.Finding {
	t.Helper()
	cfg.Local = "http://127.0.0.1:4444"
	refused := &http.Client{Transport: gone{}}
	d, err := doctor.New(doctor.Deps{HTTP: refused, Resolver: zone{}, Now: time.Now, Open: open}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return d.Examine(t.Context())
}

type gone struct{}

func (gone) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("no server") }

func TestExamine_stateDirectory(t *testing.T) {
	t.Parallel()
	dir := func(mode os.FileMode, files map[string]os.FileMode) string {
		d := filepath.Join(t.TempDir(), "state")
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
		for name, mode := range files {
			path := filepath.Join(d, name)
			if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chmod(path, mode)); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chmod(d, mode); err != nil {
			t.Fatal(err)
		}
		return d
	}
	file := filepath.Join(dir(0o700, map[string]os.FileMode{"f": 0o600}), "f")
	for name, c := range map[string]struct {
		dir         string
		level       doctor.Level
		found, cure string
	}{
		"private":        {dir(0o700, map[string]os.FileMode{"secret.key": 0o644}), doctor.OK, "for its owner alone", ""},
		"can be entered": {dir(0o755, map[string]os.FileMode{"secret.key": 0o600}), doctor.Warn, "can look into", "chmod go="},
		"files open":     {dir(0o711, map[string]os.FileMode{"secret.key": 0o640, "drawbridge.db": 0o600}), doctor.Fail, "can use secret.key in", "chmod -R go="},
		"not there":      {filepath.Join(t.TempDir(), "none"), doctor.Warn, "is not there yet", "--state-dir"},
		"a file":         {file, doctor.Fail, "is a file", "directory"},
		"below a file":   {filepath.Join(file, "x"), doctor.Fail, "cannot be looked at", "as the user"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			has(t, away(t, nil, doctor.Config{StateDir: c.dir}), c.level, "state directory", c.found, c.cure)
		})
	}
}

func TestExamine_database(t *testing.T) {
	t.Parallel()
	damaged := fault.Wrap(errors.New("page 7"), fault.Unavailable, "The database is damaged. Restore the latest backup.")
	for name, c := range map[string]struct {
		open        error
		db          base
		level       doctor.Level
		found, cure string
	}{
		"sound":          {nil, base{}, doctor.OK, "sqlite, sound", ""},
		"does not open":  {damaged, base{}, doctor.Fail, "The database is damaged (page 7)", "Restore the latest backup."},
		"no answer":      {nil, base{ping: damaged}, doctor.Fail, "damaged", "Restore"},
		"cannot write":   {nil, base{write: errors.New("disk full")}, doctor.Fail, "disk full", "Look at the disk"},
		"of other words": {fault.New(fault.Invalid, "No."), base{}, doctor.Fail, "No", "Correct that"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			closed := false
			c.db.closed = &closed
			got := away(t, func(context.Context) (doctor.Database, error) { return c.db, c.open }, doctor.Config{})
			has(t, got, c.level, "database", c.found, c.cure)
			if closed != (c.open == nil) {
				t.Errorf("closed: %v", closed)
			}
		})
	}
}

func TestExamine_backends(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // guards the two
		running, most := 0, 0
		count := func(n int) {
			mu.Lock()
			defer mu.Unlock()
			running += n
			most = max(most, running)
		}
		slow := func(context.Context) (string, error) {
			count(1)
			time.Sleep(time.Second)
			count(-1)
			return "weather 1.2 over stdio, MCP 2025-11-25", nil
		}
		list := []doctor.Backend{
			{Name: "off", Off: true},
			{Name: "hangs", Try: func(ctx context.Context) (string, error) {
				count(1)
				<-ctx.Done()
				count(-1)
				return "", ctx.Err()
			}},
			{Name: "refuses", Try: func(context.Context) (string, error) {
				return "", fault.Wrap(errors.New("status 401"), fault.Upstream, "The backend did not accept the token. Give another one.")
			}},
			{Name: "breaks", Try: func(context.Context) (string, error) { return "", errors.New("exit status 3") }},
		}
		for range 9 {
			list = append(list, doctor.Backend{Name: "fine", Try: slow})
		}
		start := time.Now()
		got := away(t, nil, doctor.Config{Backends: list})
		got = got[len(got)-len(list):]
		want := []doctor.Finding{
			{Level: doctor.OK, What: "backend off", Found: "switched off"},
			{Level: doctor.Fail, What: "backend hangs", Found: "does not answer in time", Cure: "Try it alone: drawbridge backend test hangs"},
			{Level: doctor.Fail, What: "backend refuses", Found: "The backend did not accept the token (status 401)", Cure: "Give another one."},
			{Level: doctor.Fail, What: "backend breaks", Found: "exit status 3", Cure: "Try it alone: drawbridge backend test breaks"},
			{Level: doctor.OK, What: "backend fine", Found: "weather 1.2 over stdio, MCP 2025-11-25, in 1s"},
		}
		if diff := cmp.Diff(want, got[:len(want)]); diff != "" {
			t.Error(diff)
		}
		if took := time.Since(start); took > 21*time.Second || most != 4 {
			t.Errorf("took %v, %d at once", took, most)
		}
	})
}
