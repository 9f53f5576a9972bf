package fake_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"drawbridge/internal/servers/erpnext/fake"
	"drawbridge/internal/servers/kittest/upstreamtest"
)

func TestFaults(t *testing.T) {
	t.Parallel()
	h := start(t, fake.Options{})
	count := func() int { return len(h.Names("ToDo")) }
	post := func() (answer, error) {
		return h.send(h.request("POST", "/api/resource/ToDo", obj{"description": "x"}))
	}
	before := count()
	h.Break(fake.Fault{Method: "POST", Path: "/ToDo", Times: 1, Drop: true})
	if a, err := post(); err == nil || count() != before {
		t.Errorf("a dropped request: %v %d", a.text, count()-before)
	}
	h.Break(fake.Fault{Method: "POST", Times: 1, Drop: true, Late: true})
	if _, err := post(); err == nil || count() != before+1 {
		t.Errorf("a lost answer: %v %d", err, count()-before)
	}
	if last := h.Requests()[len(h.Requests())-1]; last.Status != 0 || !last.Done || last.User != fake.Owner || last.Body == "" {
		t.Errorf("recorded %+v", last)
	}
	h.Break(fake.Fault{Method: "POST", Times: 1, Cut: 20})
	if a, err := post(); err == nil || len(a.text) != 20 || count() != before+2 {
		t.Errorf("a cut answer: %q %v", a.text, err)
	}
	const who = "/api/method/frappe.auth.get_logged_user"
	h.Break(upstreamtest.BadGateway(1))
	if a := h.do("GET", who, nil); a.status != 502 || !strings.Contains(a.text, "<h1>502 Bad Gateway</h1>") {
		t.Errorf("bad gateway %d %s", a.status, a.text)
	}
	h.Break(upstreamtest.TooMany(1, 7))
	if a := h.do("GET", who, nil); a.status != 429 || a.header.Get("Retry-After") != "7" {
		t.Errorf("too many %d", a.status)
	}
	h.Break(upstreamtest.Garbage(1))
	if a := h.do("GET", who, nil); a.status != 200 || json.Valid([]byte(a.text)) {
		t.Errorf("garbage %s", a.text)
	}
	h.Break(upstreamtest.Oversize(1, 1<<20))
	if a := h.do("GET", who, nil); len(a.text) != 1<<20 || !json.Valid([]byte(a.text)) {
		t.Errorf("oversize %d", len(a.text))
	}
	h.Break(fake.Fault{Path: "/auth", Status: 307, Location: "http://198.51.100.1/"})
	h.Break(fake.Fault{Path: "get_logged_user", Skip: 1, Status: http.StatusServiceUnavailable})
	h.must(200, "GET", who, nil)
	h.must(503, "GET", who, nil)
	h.Mend()
	h.must(200, "GET", who, nil)

	h.Maintenance(true)
	h.do("GET", who, nil).refused(503, "SessionStopped", "Session Stopped")
	r := h.request("GET", "/app", nil)
	r.Header.Set("Accept", "text/html")
	if a, err := h.send(r); err != nil || a.status != 503 || !strings.Contains(a.text, "The system is being updated.") {
		t.Errorf("for people %d %s %v", a.status, a.text, err)
	}
	h.Maintenance(false)
	h.ReadOnly(true)
	h.must(200, "GET", "/api/resource/ToDo", nil)
	h.do("POST", "/api/resource/ToDo", obj{"description": "x"}).refused(503, "InReadOnlyMode", "")
	h.ReadOnly(false)
	if count() != before+2 {
		t.Errorf("state was not kept: %d", count())
	}
}

func TestFaults_slowAnswerEndsWithItsClient(t *testing.T) {
	t.Parallel()
	h := start(t, fake.Options{})
	h.Break(fake.Fault{Delay: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	r := h.request("GET", "/api/method/ping", nil).WithContext(ctx)
	failed := make(chan error, 1)
	go func() { // ended by cancel, awaited below
		_, err := h.send(r)
		failed <- err
	}()
	for len(h.Requests()) == 0 { // until it has arrived
		runtime.Gosched()
	}
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// Many at once: every write is kept, names are given out once, and of two that read the
// same version only one may write.
func TestConcurrency(t *testing.T) {
	t.Parallel()
	h := start(t, fake.Options{})
	modified := h.must(200, "GET", at("Customer", "Ada Lovelace"), nil).data()["modified"]
	var wg sync.WaitGroup
	names, won := make([]string, 20), make([]int, 20)
	for i := range names {
		wg.Go(func() {
			a, err := h.send(h.request("POST", "/api/resource/Quotation", obj{"party_name": "Ada Lovelace", "items": []obj{{"item_code": "SKU001", "qty": i + 1}}}))
			if err == nil {
				names[i], _ = a.data()["name"].(string)
			}
			a, err = h.send(h.request("PUT", at("Customer", "Ada Lovelace"), obj{"mobile_no": fmt.Sprint(i), "modified": modified}))
			if err == nil {
				won[i] = a.status
			}
		})
	}
	wg.Wait()
	seen, winners := map[string]bool{}, 0
	for i := range names {
		seen[names[i]] = true
		if won[i] == 200 {
			winners++
		}
	}
	if len(seen) != 20 || seen[""] || winners != 1 {
		t.Errorf("%d names, %d winners", len(seen), winners)
	}
}

func TestNew_seedThatContradictsItself(t *testing.T) {
	t.Parallel()
	bad := fake.Example()
	bad.Docs = append(bad.Docs, fake.Obj{"doctype": "Customer"})
	if _, err := fake.New(fake.Options{Seed: bad}); err == nil {
		t.Error("it was planted")
	}
}
