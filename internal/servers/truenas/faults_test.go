package truenas_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/mcpwire"
	"drawbridge/internal/servers/kittest"
	"drawbridge/internal/servers/truenas/fake"
)

// canary is what a failing system says. Nobody must read it in an answer.
const canary = "upstream-said-this-7c31"

// breaks are the ways in which the house fails, for whatever it is asked next.
func breaks() map[string]fake.Fault {
	answer := func(code int) fake.Fault {
		return fake.Fault{Method: "*", Raw: fmt.Sprintf(`{"jsonrpc":"2.0","id":%%d,"error":{"code":%d,"message":%q,"data":{"error":22,"errname":"EINVAL","reason":%q,"trace":{"formatted":%q},"extra":null}}}`, code, canary, canary, canary)}
	}
	return map[string]fake.Fault{
		"dropped":       {Method: "*", Drop: true},
		"going away":    {Method: "*", Close: 1001},
		"internal":      {Method: "*", Close: 1011},
		"no rights":     {Method: "*", Errno: 13, Reason: canary},
		"logged out":    {Method: "*", Errno: 207, Reason: canary},
		"not there":     {Method: "*", Errno: 2, Reason: canary},
		"busy":          {Method: "*", Errno: 16, Reason: canary},
		"odd number":    {Method: "*", Errno: 9999, Reason: canary},
		"no such":       answer(-32601),
		"too many":      answer(-32000),
		"its own fault": answer(-32603),
		"garbage":       {Method: "*", Raw: "<html>" + canary},
		"cut off":       {Method: "*", Late: true, Garbled: true},
		"another type":  {Method: "*", Raw: `{"jsonrpc":"2.0","id":%d,"result":"` + canary + `"}`},
		"restart":       {Method: "*", Restart: &fake.Restart{Stay: true}},
	}
}

// Every tool meets every fault right after the login: an error in words of ours, without
// what the system said, without a secret, and no change is sent twice.
func TestHouse_faults(t *testing.T) {
	t.Parallel()
	for name, f := range breaks() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, cs := range cases() {
				h := build(t, fake.Options{Clock: fake.NewClock(then)})
				c, log := h.logged(t, nil)
				c.Must(t, "list_pools", `{}`, nil)
				before := len(h.Requests())
				if strings.Contains(f.Raw, "%d") { // the call that follows the last one
					broken := f
					for n := range 20 {
						broken.Raw, broken.Times = fmt.Sprintf(f.Raw, 3+n), 1
						h.Break(broken)
					}
				} else {
					h.Break(f)
				}
				r := c.Call(t, cs.Tool, cs.Good)
				if !r.IsError {
					t.Errorf("%s succeeded: %s", cs.Tool, r.Text)
				}
				if r.Text == "" || strings.Contains(r.Text, fault.PublicInternal) || strings.Contains(r.Text, canary) || strings.Contains(r.Text+log.String(), fake.AdminKey) {
					t.Errorf("%s says %q\n%s", cs.Tool, r.Text, log)
				}
				sent := map[string]int{}
				for _, one := range h.Requests()[before:] {
					if sent[one.Method]++; sent[one.Method] > 1 {
						t.Errorf("%s sent %s twice", cs.Tool, one.Method)
					}
				}
			}
		})
	}
}

// The address may lead to something else, or to nothing.
func TestHouse_unreachable(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]fake.Fault{
		"bad gateway":    {Path: "/api/*", Status: 502, Body: canary},
		"unavailable":    {Path: "/api/*", Status: 503, Body: canary},
		"a login page":   {Path: "/api/versions", Status: 200, Body: "<html>" + canary},
		"no WebSocket":   {Path: "/api/v25.10.2", Status: 200, Body: canary},
		"gone":           {Path: "/api/v25.10.2", Status: 404, Body: canary},
		"dropped":        {Path: "/api/*", Drop: true},
		"dropped later":  {Path: "/api/v25.10.2", Drop: true},
		"too many calls": {Path: "/api/*", Status: 429, Body: canary},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := build(t, fake.Options{Clock: fake.NewClock(then)})
			h.Break(f)
			c, log := h.logged(t, nil)
			text := c.Refused(t, "list_pools", `{}`)
			if strings.Contains(text, fault.PublicInternal) || strings.Contains(text, canary) || strings.Contains(text+log.String(), fake.AdminKey) || len(h.Frames()) > 0 {
				t.Errorf("%s\n%s\nsent %v", text, log, h.Frames())
			}
			h.Mend()
			c.Must(t, "list_pools", `{}`, nil)
		})
	}
	nobody := house{url: "https://127.0.0.1:1"}
	if text := nobody.client(t, nil).Refused(t, "list_pools", `{}`); !strings.Contains(text, "could not be reached") {
		t.Errorf("%s", text)
	}
}

// A call that is cancelled while TrueNAS is silent comes back, and spoils nothing for
// the next.
func TestHouse_cancelled(t *testing.T) {
	t.Parallel()
	for _, cs := range cases() {
		t.Run(cs.Tool, func(t *testing.T) {
			t.Parallel()
			h := build(t, fake.Options{Clock: fake.NewClock(then)})
			c := h.client(t, nil)
			c.Must(t, "list_pools", `{}`, nil)
			h.Break(fake.Fault{Method: "*", Delay: time.Hour})
			before := len(h.Requests())
			ctx, cancel := context.WithCancel(t.Context())
			over := make(chan struct{})
			go func() { // ends with the call
				defer close(over)
				out := c.Outcome(ctx, t, mcpwire.MethodToolsCall, `{"name":"`+cs.Tool+`","arguments":`+cs.Good+`}`)
				out.Close()
			}()
			until(t, func() bool { return len(h.Requests()) > before })
			cancel()
			select {
			case <-over:
			case <-time.After(time.Minute):
				t.Fatal("the call does not come back")
			}
			h.Mend()
			h.Advance(2 * time.Hour)
			c.Must(t, "list_pools", `{}`, nil)
		})
	}
}

// More than is read ends the connection, and is said; the next call has another.
func TestHouse_oversize(t *testing.T) {
	t.Parallel()
	h := build(t, fake.Options{Clock: fake.NewClock(then)})
	c := h.client(t, nil)
	h.Break(fake.Fault{Method: "pool.query", Pad: 65 << 20, Times: 1})
	if text := c.Refused(t, "list_pools", `{}`); !strings.Contains(text, "TrueNAS") || strings.Contains(text, fault.PublicInternal) {
		t.Errorf("%s", text)
	}
	c.Must(t, "list_pools", `{}`, nil)
}

// A job that fails says so, without what it said; get_job has that, marked as outside.
func TestHouse_failedJob(t *testing.T) {
	t.Parallel()
	h := build(t, fake.Options{Clock: fake.NewClock(then)})
	c := h.client(t, nil)
	text := c.Refused(t, "manage_app", `{"app":"unifi","action":"upgrade"}`)
	if !strings.Contains(text, "failed") || !strings.Contains(text, "get_job") || strings.Contains(text, "8443") {
		t.Errorf("%s", text)
	}
	found := c.Must(t, "get_job", `{"state":"FAILED"}`, nil)
	if !strings.Contains(found.Text, "8443") || !strings.Contains(found.Text, "[outside-") || found.Meta["drawbridge/untrusted"] != "true" {
		t.Errorf("%s %v", found.Text, found.Meta)
	}
}

// Abort ends a job that can be aborted, after a person has approved; the call that had
// begun it says so.
func TestHouse_abort(t *testing.T) {
	t.Parallel()
	h := build(t, fake.Options{Clock: fake.NewClock(then), JobTime: map[string]time.Duration{"pool.scrub.scrub": time.Hour}})
	c := h.client(t, nil)
	one := start(t, c, "run_task", `{"kind":"scrub","pool":"tank"}`)
	until(t, func() bool { return h.runs("pool.scrub.scrub") && len(c.Sink.Said()) > 0 })
	if text := c.With(mcpwire.LatestModern, kittest.Declines).Refused(t, "abort_job", `{"id":1}`); !strings.Contains(text, "did not approve") || !h.runs("pool.scrub.scrub") {
		t.Errorf("%s", text)
	}
	c.Must(t, "abort_job", `{"id":1}`, nil)
	if r := one.result(t); !r.IsError || !strings.Contains(r.Text, "aborted by somebody") {
		t.Errorf("%s", r.Text)
	}
	if text := c.Refused(t, "abort_job", `{"id":1}`); !strings.Contains(text, "ended already") {
		t.Errorf("%s", text)
	}
}
