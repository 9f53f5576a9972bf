package fake_test

import (
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"testing"
	"time"

	"drawbridge/internal/servers/forgejo/fake"
)

func TestFaults(t *testing.T) {
	t.Parallel()
	s := start(t, fake.Options{})
	issues := func() int {
		return len(s.must(200, "GET", tower+"/issues?type=issues&limit=50", fake.AdaToken, "").list())
	}
	before := issues()
	post := func() (answer, error) {
		return s.send(s.request("POST", tower+"/issues", fake.AdaToken, `{"title":"x"}`))
	}

	s.Break(fake.Fault{Method: "POST", Path: "/issues", Times: 1, Drop: true})
	if a, err := post(); err == nil {
		t.Errorf("a dropped request was answered: %d", a.status)
	}
	if issues() != before {
		t.Error("a dropped request was carried out")
	}
	s.Break(fake.Fault{Method: "POST", Times: 1, Drop: true, Late: true})
	if _, err := post(); err == nil {
		t.Error("a late drop was answered")
	}
	if issues() != before+1 {
		t.Error("a request whose answer was lost was not carried out")
	}
	last := s.Requests()[len(s.Requests())-2]
	if last.Status != 0 || !last.Done {
		t.Errorf("recorded %+v, want it done and without a status", last)
	}
	s.Break(fake.Fault{Method: "POST", Times: 1, Cut: 20})
	if a, err := post(); err == nil || len(a.text) != 20 || a.status != 201 {
		t.Errorf("a cut answer: %d %q %v", a.status, a.text, err)
	}

	s.Break(fake.TooMany(1, 7))
	if a := s.do("GET", tower, fake.AdaToken, ""); a.status != 429 || a.header.Get("Retry-After") != "7" {
		t.Errorf("too many: %d %v", a.status, a.header)
	}
	s.Break(fake.BadGateway(1))
	if a := s.do("GET", tower, fake.AdaToken, ""); a.status != 502 || a.header.Get("Content-Type") != "text/html" {
		t.Errorf("bad gateway: %d %v", a.status, a.header)
	}
	s.Break(fake.Garbage(1))
	if a := s.do("GET", tower, fake.AdaToken, ""); a.status != 200 || json.Valid([]byte(a.text)) {
		t.Errorf("garbage: %d %q", a.status, a.text)
	}
	s.Break(fake.Fault{Path: "/tower", Skip: 1, Status: 307, Location: "http://198.51.100.1/"})
	s.must(200, "GET", tower, fake.AdaToken, "")
	for range 2 { // for ever, until mended
		if a := s.do("GET", tower, fake.AdaToken, ""); a.status != 307 || a.header.Get("Location") == "" {
			t.Errorf("redirect: %d", a.status)
		}
	}
	s.must(200, "GET", "/api/v1/version", "", "")
	s.Mend()
	s.must(200, "GET", tower, fake.AdaToken, "")
}

func TestFaults_slowAnswerEndsWithItsClient(t *testing.T) {
	t.Parallel()
	s := start(t, fake.Options{})
	s.Break(fake.Fault{Delay: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	r := s.request("GET", tower, fake.AdaToken, "").WithContext(ctx)
	failed := make(chan error, 1)
	go func() { // ended by cancel, awaited below
		_, err := s.send(r)
		failed <- err
	}()
	for len(s.Requests()) == 0 { // until it has arrived
		select {
		case err := <-failed:
			t.Fatalf("answered ahead of time: %v", err)
		default:
			runtime.Gosched()
		}
	}
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
