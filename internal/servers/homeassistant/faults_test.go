package homeassistant_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/mcpwire"
	"drawbridge/internal/servers/homeassistant/fake"
	"drawbridge/internal/servers/kittest"
)

// What fails on the other side ends in a sentence of ours that says what to do, and
// in no second attempt at an action.
func TestFaults(t *testing.T) {
	t.Parallel()
	const canary = "upstream-said-this-7c31"
	reads := []struct{ tool, args string }{
		{"get_overview", `{}`}, {"search_entities", `{"query":"lamp"}`}, {"control_entities", `{"target":["light.hallway"],"action":"turn_on"}`},
		{"get_automation", `{"id":"1730000000001"}`}, {"get_system_health", `{}`}, {"list_actions", `{}`},
	}
	for name, tc := range map[string]struct {
		fault fake.Fault
		says  string
	}{
		"garbage":      {fake.Fault{Command: "get_states", Garbage: true}, "broke the connection off"},
		"an error":     {fake.Fault{Command: "get_states", Code: "unknown_error", Message: canary}, "tried and failed"},
		"unauthorized": {fake.Fault{Command: "config/entity_registry/list_for_display", Code: "unauthorized", Message: canary}, "administrators"},
		"too old":      {fake.Fault{Command: "config/entity_registry/list_for_display", Code: "unknown_command", Message: canary}, "too old"},
		"proxy":        {fake.Fault{Path: "/api/websocket", Status: 502, Body: canary}, "502"},
		"banned":       {fake.Fault{Path: "/api/websocket", Status: 403, Body: canary}, "ip_bans.yaml"},
		"proxy trust":  {fake.Fault{Path: "/api/websocket", Status: 400, Body: canary}, "trusted_proxies"},
		"elsewhere":    {fake.Fault{Path: "/api/websocket", Status: 404, Body: canary}, "HASS_URL"},
		"login page":   {fake.Fault{Path: "/api/websocket", Status: 200, Body: "<html>" + canary}, "refused the call"},
		"drops":        {fake.Fault{Command: "*", Drop: true}, "broke the connection off"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := home(t, fake.Options{}, nil)
			s.fake.Break(tc.fault)
			for _, call := range reads {
				if strings.HasPrefix(call.tool, "list_actions") && tc.fault.Path == "" && tc.fault.Command != "*" {
					continue // needs neither states nor registries
				}
				text := s.ann().Refused(t, call.tool, call.args)
				if !strings.Contains(text, tc.says) && !strings.Contains(text, "once more") || strings.Contains(text, canary) || strings.Contains(text, fault.PublicInternal) || strings.Contains(text, fake.AdminToken) {
					t.Errorf("%s: %s", call.tool, text)
				}
			}
			if s.fake.Services("light", "turn_on") != 0 {
				t.Error("an action was called")
			}
			if strings.Contains(s.log.String(), fake.AdminToken) {
				t.Error("the log has the token")
			}
		})
	}
}

// Answers of the REST API that are none.
func TestFaults_rest(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fault fake.Fault
		says  string
	}{
		"500":     {fake.Fault{Method: "POST", Path: "/api/config/automation", Status: 500, Body: "upstream-said-this"}, "whether it has happened"},
		"401":     {fake.Fault{Method: "POST", Path: "/api/config/automation", Status: 401, Body: "upstream-said-this"}, "administrators"},
		"dropped": {fake.Fault{Method: "POST", Path: "/api/config/automation", Drop: true, Late: true}, "whether it has happened"},
	} {
		s := home(t, fake.Options{}, nil)
		s.fake.Break(tc.fault)
		text := s.ann().Refused(t, "save_automation", `{"id":"1730000000001","config":`+hall+`}`)
		if !strings.Contains(text, tc.says) || strings.Contains(text, "upstream-said-this") {
			t.Errorf("%s: %s", name, text)
		}
		sent := 0
		for _, c := range s.fake.Calls() {
			if c.Method == "POST" {
				sent++
			}
		}
		if sent != 1 {
			t.Errorf("%s: sent %d times", name, sent)
		}
	}
}

// A house that does not answer ends with the call's time, or when the caller has
// gone.
func TestFaults_silence(t *testing.T) {
	t.Parallel()
	s := home(t, fake.Options{}, map[string]string{"timeout": "1s"})
	c := s.ann()
	c.Must(t, "get_overview", `{}`, nil)
	s.fake.Break(fake.Fault{Command: "get_states", Silent: true})
	if text := c.Refused(t, "get_overview", `{}`); !strings.Contains(text, "in time") && !strings.Contains(text, "within") {
		t.Errorf("%s", text)
	}
	s.fake.Mend()
	s.fake.Break(fake.Fault{Service: "light.turn_on", Silent: true})
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() { // ends with the call, awaited below
		defer close(over)
		out := c.Outcome(ctx, t, mcpwire.MethodToolsCall, `{"name":"control_entities","arguments":{"target":["light.hallway"],"action":"turn_on"}}`)
		out.Close()
	}()
	waitFor(t, "the action", func() bool {
		for _, one := range s.fake.Calls() {
			if one.Command == "call_service" {
				return true
			}
		}
		return false
	})
	cancel()
	select {
	case <-over:
	case <-time.After(5 * time.Second):
		t.Fatal("a cancelled call goes on")
	}
	s.fake.Mend()
	c.Must(t, "get_overview", `{}`, nil) // over the same connection
	if n := s.fake.Sockets(); n != 1 {
		t.Errorf("%d sockets", n)
	}
}

// Over https the certificate has to be one that the operator accepts, by fingerprint
// here; nothing is sent before.
func TestFaults_certificate(t *testing.T) {
	t.Parallel()
	f := fake.New(fake.Options{})
	srv := httptest.NewUnstartedServer(f)
	srv.Config.ErrorLog = quiet()
	srv.StartTLS()
	t.Cleanup(srv.Close)
	s := stage{fake: f, log: &kittest.Log{}}
	s.srv = s.open(t, map[string]string{"url": srv.URL}, nil)
	if text := s.ann().Refused(t, "get_overview", `{}`); !strings.Contains(text, "certificate") || len(f.Calls()) != 0 {
		t.Errorf("%s, %d calls", text, len(f.Calls()))
	}
	s.srv = s.open(t, map[string]string{"url": srv.URL, "fingerprint": fingerprint(srv)}, nil)
	s.ann().Must(t, "get_overview", `{}`, nil)
	s.ann().Must(t, "get_automation", `{"id":"1730000000001"}`, nil)
}
