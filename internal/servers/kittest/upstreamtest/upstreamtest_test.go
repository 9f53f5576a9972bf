package upstreamtest_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/internal/servers/kittest/upstreamtest"
)

var start = time.Date(2026, 11, 2, 8, 0, 0, 123_456_789, time.FixedZone("CET", 3600))

// What is due happens in the order of time, at its time, also what is set on the way.
func TestClock_advance(t *testing.T) {
	t.Parallel()
	c := upstreamtest.StillClock(start)
	if now := c.Now(); now.Format(time.RFC3339Nano) != "2026-11-02T07:00:00.123456Z" {
		t.Errorf("it is %s", now)
	}
	var done []string
	note := func(what string) { done = append(done, what+c.Now().Format("05")) }
	c.After(3*time.Second, func() { note("c") })
	c.After(time.Second, func() { note("a"); c.After(time.Second, func() { note("b") }) })
	stop := c.After(2*time.Second, func() { note("x") })
	c.After(time.Hour, func() { note("y") })
	stop()
	if c.Waiting() != 3 {
		t.Errorf("%d waiting", c.Waiting())
	}
	c.Advance(10 * time.Second)
	if got := strings.Join(done, " "); got != "a01 b02 c03" || c.Now().Second() != 10 || c.Waiting() != 1 {
		t.Errorf("done %s, it is %s, %d waiting", got, c.Now(), c.Waiting())
	}
	c.Close()
	c.After(0, func() { note("z") })
	if c.Advance(2 * time.Hour); len(done) != 3 {
		t.Errorf("done after the end: %v", done[3:])
	}
}

func TestClock_steps(t *testing.T) {
	t.Parallel()
	c := upstreamtest.SteppingClock(start, time.Millisecond)
	if first := c.Now(); c.Now().Sub(first) != time.Millisecond {
		t.Error("it does not go on by a step with each look")
	}
}

// A clock that goes on by itself comes to what is due, or is pushed there, once.
func TestClock_real(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := upstreamtest.NewClock()
		ran := make(chan time.Time, 4)
		c.After(time.Minute, func() { ran <- c.Now() })
		c.After(time.Hour, func() { ran <- c.Now() })
		from := c.Now()
		time.Sleep(time.Minute)
		synctest.Wait()
		c.Advance(time.Hour)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if len(ran) != 2 {
			t.Fatalf("ran %d times", len(ran))
		}
		if a, b := (<-ran).Sub(from), (<-ran).Sub(from); a != time.Minute || b != time.Hour {
			t.Errorf("ran after %s and %s", a, b)
		}
		under, over := make(chan bool), false
		c.After(0, func() { close(under); time.Sleep(time.Second); over = true })
		<-under
		c.Close()
		if !over {
			t.Error("Close did not wait for what ran")
		}
	})
}

func TestClock_wait(t *testing.T) {
	t.Parallel()
	c := upstreamtest.StillClock(start)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if c.Wait(ctx, time.Second) || c.Waiting() != 0 {
		t.Error("waited for somebody who was gone")
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if !c.Wait(t.Context(), time.Second) {
			t.Error("time did not pass")
		}
	})
	for c.Waiting() == 0 {
		runtime.Gosched()
	}
	c.Advance(time.Second)
	wg.Wait()
}

func TestPlan(t *testing.T) {
	t.Parallel()
	var p upstreamtest.Plan[string]
	p.Add("a1", 1, 2)
	p.Add("b", 0, 0)
	p.Add("a2", 0, 0)
	var got []string
	for _, letter := range []string{"a", "b", "a", "b", "a", "a", "c"} {
		if f := p.Due(func(f *string) bool { return strings.HasPrefix(*f, letter) }); f != nil {
			got = append(got, *f)
		} else {
			got = append(got, "-")
		}
	}
	if want := []string{"a2", "b", "a1", "b", "a1", "a2", "-"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if p.Clear(); p.Due(func(*string) bool { return true }) != nil {
		t.Error("a fault is left")
	}
}

// front serves what faults leave of an answer.
func front(t *testing.T, faults ...upstreamtest.Fault) (*upstreamtest.Front, *upstreamtest.Clock, *upstreamtest.Log[string]) {
	t.Helper()
	var mu sync.Mutex
	var plan upstreamtest.Faults
	for _, f := range faults {
		plan.Add(f)
	}
	c, came := upstreamtest.StillClock(start), upstreamtest.NewLog[string](&mu)
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		came.Add(r.URL.Path)
		f := plan.For(r.Method, r.URL.Path)
		mu.Unlock()
		answer := func(w http.ResponseWriter) { _, _ = io.WriteString(w, "all is well") }
		if f == nil {
			answer(w)
			return
		}
		w.Header().Set("X-Before", map[bool]string{true: "yes", false: "no"}[f.Before()])
		f.Act(w, r, c, answer)
	})
	f := &upstreamtest.Front{}
	if err := f.Open(t.Context(), upstreamtest.Loopback, h, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f, c, came
}

func get(ctx context.Context, url string) (*http.Response, string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, "", err
	}
	tr := &http.Transport{DisableKeepAlives: true}
	resp, err := tr.RoundTrip(r)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, string(body), err
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fault  upstreamtest.Fault
		status int // 0 where there is no answer
		body   string
		before string
		broken bool
	}{
		"of others": {upstreamtest.Fault{Method: http.MethodPost, Drop: true}, 200, "all is well", "", false},
		"elsewhere": {upstreamtest.Fault{Path: "/else", Drop: true}, 200, "all is well", "", false},
		"drop":      {upstreamtest.Fault{Method: http.MethodGet, Path: "here", Drop: true}, 0, "", "", true},
		"nothing":   {upstreamtest.Fault{}, 200, "all is well", "no", false},
		"status":    {upstreamtest.Fault{Status: 503, Body: "no"}, 503, "no", "yes", false},
		"late":      {upstreamtest.Fault{Status: 503, Body: "no", Late: true}, 503, "no", "no", false},
		"cut":       {upstreamtest.Fault{Cut: 3}, 200, "all", "no", true},
		"too many":  {upstreamtest.TooMany(0, 7), 429, "Too Many Requests", "yes", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, _, _ := front(t, tc.fault)
			resp, body, err := get(t.Context(), f.URL()+"/here")
			if (err != nil) != tc.broken || body != tc.body {
				t.Fatalf("got %q, %v", body, err)
			}
			if tc.status != 0 && (resp.StatusCode != tc.status || resp.Header.Get("X-Before") != tc.before) {
				t.Errorf("got %d, %v", resp.StatusCode, resp.Header)
			}
		})
	}
}

func TestFaults_answers(t *testing.T) {
	t.Parallel()
	write := func(f upstreamtest.Fault) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		f.Write(w)
		return w
	}
	if w := write(upstreamtest.BadGateway(0)); w.Code != 502 || w.Header().Get("Content-Type") != "text/html" || !strings.Contains(w.Body.String(), "nginx") {
		t.Errorf("bad gateway: %d %s", w.Code, w.Body)
	}
	if w := write(upstreamtest.Garbage(0)); json.Valid(w.Body.Bytes()) || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("garbage: %s", w.Body)
	}
	if w := write(upstreamtest.Oversize(0, 1000)); !json.Valid(w.Body.Bytes()) || w.Body.Len() != 1000 {
		t.Errorf("oversize: %s", w.Body)
	}
	if w := write(upstreamtest.Fault{Status: 307, Location: "/there", RetryAfter: 9}); w.Header().Get("Location") != "/there" || w.Header().Get("Retry-After") != "9" {
		t.Errorf("headers: %v", w.Header())
	}
}

// A slow answer comes by the clock, a silent one never: Close ends it.
func TestFaults_slow(t *testing.T) {
	t.Parallel()
	f, c, came := front(t, upstreamtest.Fault{Times: 1, Delay: time.Hour}, upstreamtest.Fault{Silent: true})
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, body, err := get(t.Context(), f.URL()); body != "all is well" || err != nil {
			t.Errorf("slow: %q, %v", body, err)
		}
	})
	for c.Waiting() == 0 {
		runtime.Gosched()
	}
	c.Advance(time.Hour)
	wg.Wait()
	wg.Go(func() {
		if _, _, err := get(t.Context(), f.URL()+"/silent"); err == nil {
			t.Error("silent: there was an answer")
		}
	})
	if !came.Await(t.Context(), func(path string) bool { return path == "/silent" }) {
		t.Error("it did not arrive")
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
}

// A port that is shut refuses connections until it is opened again, where it was.
func TestFront(t *testing.T) {
	t.Parallel()
	var none upstreamtest.Front
	if err := none.Reopen(t.Context()); err != nil || none.URL() != "" {
		t.Errorf("one that was never opened: %q, %v", none.URL(), err)
	}
	if err := none.Open(t.Context(), "no address", http.NotFoundHandler(), nil); err == nil {
		t.Error("it listens nowhere")
	}
	f, _, _ := front(t)
	url := f.URL()
	for range 2 {
		if err := f.Shut(); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := get(t.Context(), url); err == nil {
		t.Error("it is shut and answers")
	}
	for range 2 {
		if err := f.Reopen(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, body, err := get(t.Context(), url); err != nil || body != "all is well" {
		t.Errorf("opened again: %q, %v", body, err)
	}
}

func TestLog(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	l := upstreamtest.NewLog[string](&mu)
	arrived := make(chan bool, 1)
	go func() { arrived <- l.Await(t.Context(), func(s string) bool { return s == "b" }) }() // ends with b, awaited below
	for _, s := range []string{"a", "b", "c"} {
		mu.Lock()
		at := l.Add(s)
		if s == "c" {
			*l.At(at) += "!"
		}
		mu.Unlock()
	}
	if !<-arrived {
		t.Error("it was not heard of")
	}
	if all := l.All(); !slices.Equal(all, []string{"a", "b", "c!"}) {
		t.Errorf("on record: %v", all)
	}
	if n := l.Count(func(s string) bool { return s < "c" }); n != 2 {
		t.Errorf("%d before c", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if l.Await(ctx, func(s string) bool { return s == "d" }) {
		t.Error("d arrived")
	}
}

// Close leaves no request under way.
func TestFront_closeWaits(t *testing.T) {
	t.Parallel()
	var f upstreamtest.Front
	arrived, over := make(chan struct{}), false
	h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
		for range 10_000 { // slow to tidy up
			runtime.Gosched()
		}
		over = true
	})
	if err := f.Open(t.Context(), upstreamtest.Loopback, h, nil); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, _, err := get(t.Context(), f.URL()); err == nil {
			t.Error("there was an answer")
		}
	})
	<-arrived
	if err := f.Close(); err != nil || !over {
		t.Errorf("closed with a request under way: %v", err)
	}
	wg.Wait()
}
