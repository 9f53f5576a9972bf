package egress_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/internal/egress"
	"drawbridge/internal/fault"
)

// shelf is a Getter with state: what stands at a URL, and how often it was asked.
type shelf struct {
	mu    sync.Mutex // guards the rest
	body  string
	head  http.Header
	err   error
	delay time.Duration
	asked map[string]int
}

func (s *shelf) Get(ctx context.Context, url, _ string) (egress.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked[url]++
	if s.delay > 0 {
		s.mu.Unlock()
		defer s.mu.Lock()
		select {
		case <-time.After(s.delay):
		case <-ctx.Done():
			return egress.Response{}, ctx.Err()
		}
	}
	return egress.Response{URL: url, Status: http.StatusOK, Header: s.head, Body: []byte(s.body)}, s.err
}

func (s *shelf) count(url string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[url]
}

var (
	errDown  = errors.New("down")
	errShown = errors.New("the one error that is shown")
)

const url = "https://one.example.org/doc"

func newCache(s *shelf, change func(*egress.Bounds)) *egress.Cache[string] {
	s.asked = map[string]int{}
	b := egress.Bounds{Min: 5 * time.Minute, Max: 24 * time.Hour, Failed: 30 * time.Second, Timeout: 5 * time.Second, Size: 3}
	if change != nil {
		change(&b)
	}
	return egress.NewCache(s, "*/*", b, func(_ string, r egress.Response) (string, error) {
		if len(r.Body) == 0 {
			return "", errors.New("empty")
		}
		return string(r.Body), nil
	}, func(string, error) error { return errShown })
}

func TestCache_lifetime(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		head http.Header
		want time.Duration
	}{
		{nil, 5 * time.Minute},
		{http.Header{"Cache-Control": {"max-age=3600"}}, time.Hour},
		{http.Header{"Cache-Control": {"public, Max-Age=\"3600\""}}, time.Hour},
		{http.Header{"Cache-Control": {"public", "max-age=3600"}}, time.Hour},
		{http.Header{"Cache-Control": {"max-age=3600"}, "Age": {"600"}}, 50 * time.Minute},
		{http.Header{"Cache-Control": {"max-age=60"}}, 5 * time.Minute},
		{http.Header{"Cache-Control": {"max-age=3600, no-store"}}, 5 * time.Minute},
		{http.Header{"Cache-Control": {"no-store,no-cache,max-age=3600"}}, 5 * time.Minute},
		{http.Header{"Cache-Control": {"max-age=999999999999"}}, 5 * time.Minute},
		{http.Header{"Cache-Control": {"max-age=2000000000"}}, 24 * time.Hour},
		{http.Header{"Cache-Control": {"max-age=-1"}}, 5 * time.Minute},
		{http.Header{"Cache-Control": {"max-age=3600"}, "Age": {"-99999999"}}, time.Hour},
		{http.Header{"Expires": {"Sat, 01 Jan 2000 02:00:00 GMT"}}, 2 * time.Hour},
		{http.Header{"Expires": {"0"}}, 5 * time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) { // begins at 2000-01-01 00:00:00
			s := &shelf{body: "a", head: tt.head}
			c := newCache(s, nil)
			get := func() {
				t.Helper()
				if v, err := c.Get(t.Context(), url, nil); err != nil || v != "a" {
					t.Errorf("%v: %q, %v", tt.head, v, err)
				}
			}
			get()
			time.Sleep(tt.want - time.Second)
			get()
			if n := s.count(url); n != 1 {
				t.Errorf("%v: fetched again before %v", tt.head, tt.want)
			}
			time.Sleep(time.Second)
			get()
			if n := s.count(url); n != 2 {
				t.Errorf("%v: kept beyond %v", tt.head, tt.want)
			}
		})
	}
}

// TestCache_failures shows that all failures look alike, take the same time, and are
// kept for a moment only.
func TestCache_failures(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]*shelf{
		"down at once": {err: errDown},
		"down late":    {err: errDown, delay: 3 * time.Second},
		"never":        {err: errDown, delay: time.Hour},
		"unreadable":   {},
		"read late":    {delay: 4 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := newCache(s, nil)
			start := time.Now()
			_, err := c.Get(t.Context(), url, nil)
			if took := time.Since(start); err != errShown || took != 5*time.Second { // the very error
				t.Errorf("%s: %v after %v", name, err, took)
			}
			start = time.Now()
			if _, err := c.Get(t.Context(), url, nil); err != errShown || time.Since(start) != 0 || s.count(url) != 1 { // the very error
				t.Errorf("%s: again: %v after %v, fetched %d times", name, err, time.Since(start), s.count(url))
			}
			s.body, s.err, s.delay = "a", nil, 0
			time.Sleep(30 * time.Second)
			if v, err := c.Get(t.Context(), url, nil); err != nil || v != "a" {
				t.Errorf("%s: after half a minute: %q, %v", name, v, err)
			}
		})
	}
}

// TestCache_flight lets fifty ask at once, one of which hangs up.
func TestCache_flight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{body: "a", delay: time.Second}
		c := newCache(s, nil)
		leader, hangUp := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { _, _ = c.Get(leader, url, nil) })
		synctest.Wait()
		hangUp()
		for range 50 {
			all.Go(func() {
				if v, err := c.Get(t.Context(), url, nil); err != nil || v != "a" {
					t.Errorf("%q, %v", v, err)
				}
			})
		}
		all.Go(func() {
			short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			if _, err := c.Get(short, url, nil); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("one who does not wait: %v", err)
			}
		})
		all.Wait()
		if n := s.count(url); n != 1 {
			t.Errorf("%d fetches", n)
		}
	})
}

func TestCache_panic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{body: "a", delay: time.Second, asked: map[string]int{}}
		c := egress.NewCache(s, "*/*", egress.Bounds{Min: time.Minute, Max: time.Minute, Failed: time.Minute, Timeout: 5 * time.Second, Size: 3},
			func(string, egress.Response) (string, error) { panic("unreadable") }, func(_ string, err error) error { return err })
		var all sync.WaitGroup
		all.Go(func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was swallowed")
				}
			}()
			_, _ = c.Get(t.Context(), url, nil)
		})
		synctest.Wait()
		all.Go(func() {
			if _, err := c.Get(t.Context(), url, nil); err == nil {
				t.Error("no error")
			}
		})
		all.Wait()
	})
}

func TestCache_renew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{body: "a"}
		c := newCache(s, func(b *egress.Bounds) { b.Stale = time.Hour })
		get := func(want string, n int) {
			t.Helper()
			if v, err := c.Renew(t.Context(), url, time.Minute, nil); err != nil || v != want || s.count(url) != n {
				t.Errorf("%q, %v, fetched %d times; want %q, %d", v, err, s.count(url), want, n)
			}
		}
		get("a", 1)
		s.body = "b"
		time.Sleep(59 * time.Second)
		get("a", 1)
		time.Sleep(time.Second)
		get("b", 2)
		s.err = errDown
		time.Sleep(time.Minute)
		get("b", 3) // better than nothing
		get("b", 3)
		time.Sleep(2 * time.Hour)
		if v, err := c.Get(t.Context(), url, nil); err != errShown { // the very error
			t.Errorf("long after: %q, %v", v, err)
		}
	})
}

func TestCache_admit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{body: "a"}
		c := newCache(s, nil)
		no := func() error { return errDown }
		if _, err := c.Get(t.Context(), url, no); err != errDown || s.count(url) != 0 { // the very error
			t.Errorf("not admitted: %v", err)
		}
		if _, err := c.Get(t.Context(), url, nil); err != nil {
			t.Error(err)
		}
		if _, err := c.Get(t.Context(), url, no); err != nil {
			t.Errorf("what is kept needs no admission: %v", err)
		}
	})
}

func TestCache_room(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{body: "a"}
		c := newCache(s, nil)
		get := func(name string) { _, _ = c.Get(t.Context(), "https://"+name+"/", nil); time.Sleep(time.Second) }
		get("one")
		get("two")
		get("one")
		s.body = ""
		get("bad")
		s.body = "a"
		get("three") // in place of bad
		get("four")  // in place of two
		get("one")
		get("two")
		for name, want := range map[string]int{"one": 1, "two": 2, "bad": 1, "three": 1, "four": 1} {
			if n := s.count("https://" + name + "/"); n != want {
				t.Errorf("%s was fetched %d times, want %d", name, n, want)
			}
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{body: "a", delay: time.Second}
		c := newCache(s, nil)
		var all sync.WaitGroup
		var mu sync.Mutex
		codes := map[fault.Code]int{}
		for i := range 70 {
			all.Go(func() {
				_, err := c.Get(t.Context(), fmt.Sprintf("https://host%d.example.org/", i), nil)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					codes[fault.CodeOf(err)]++
				}
			})
		}
		all.Wait()
		if codes[fault.Unavailable] != 6 || len(codes) != 1 {
			t.Errorf("70 at once: %v", codes)
		}
	})
}
