package api // to see what is made of errors that no test can bring about, such as a name that does not resolve

import (
	"errors"
	"net"
	"strings"
	"testing"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/homeassistant/link"
	"drawbridge/internal/servers/kit"
)

// A name in .local, which no container resolves, is explained with the cure.
func TestRefineDial(t *testing.T) {
	t.Parallel()
	lookup := fault.Wrap(&net.DNSError{Err: "no such host", Name: "homeassistant.local", IsNotFound: true}, fault.Unavailable, "Home Assistant could not be reached. Check that it runs, and that its URL is right.")
	status := func(n int) error {
		return fault.Wrap(&kit.StatusError{Status: n}, fault.Upstream, "Refused (%d). Look.", n)
	}
	for name, tc := range map[string]struct {
		url  string
		err  error
		says string
	}{
		".local":            {"http://homeassistant.local:8123", lookup, "http://192.168.1.10:8123"},
		".local, a cure":    {"http://HomeAssistant.local:8123/api", lookup, "extra_hosts"},
		"another name":      {"http://ha.example.org", lookup, "could not be reached"},
		"a refused token":   {"http://h", link.ErrToken, "HASS_TOKEN"},
		"a banned address":  {"http://h", status(403), "ip_bans.yaml"},
		"no WebSocket":      {"http://h", status(404), "/api/websocket"},
		"an untrusted hop":  {"http://h", status(400), "trusted_proxies"},
		"nobody behind":     {"http://h", status(502), "restarting"},
		"something unknown": {"http://h", status(418), "(418)"},
	} {
		err := New(nil, tc.url, nil).refineDial(tc.err)
		if text := fault.PublicOf(err); !strings.Contains(text, tc.says) {
			t.Errorf("%s: %s", name, text)
		}
	}
}

func TestRefine(t *testing.T) {
	t.Parallel()
	const canary = "secret 7c31"
	for _, tc := range []struct {
		err  error
		code fault.Code
		says string
	}{
		{&link.Error{Code: "invalid_format", Message: "extra keys not allowed @ data['brightnes']. Got " + canary}, fault.Invalid, "brightnes is not a member"},
		{&link.Error{Code: "service_validation_error", Message: "required key not provided @ data['entity_id']"}, fault.Invalid, "entity_id is missing"},
		{&link.Error{Code: "invalid_format", Message: "@ data['" + canary + "']"}, fault.Invalid, "x. Correct"},
		{&link.Error{Code: "home_assistant_error", Message: canary}, fault.Upstream, "tried and failed"},
		{&link.Error{Code: "home_assistant_error", Message: "Unauthorized"}, fault.Forbidden, "does not let"},
		{&link.Error{Code: "unauthorized"}, fault.Forbidden, "administrators"},
		{&link.Error{Code: "unknown_command"}, fault.Unavailable, "too old"},
		{&link.Error{Code: "not_found", Message: canary}, fault.NotFound, "does not have x"},
		{&link.Error{Code: "timeout"}, fault.Timeout, "gave up"},
		{&link.Error{Code: "something_new", Message: canary}, fault.Upstream, "tried and failed"},
		{errors.Join(link.ErrUndetermined, errors.New(canary)), fault.Upstream, "Undetermined"},
	} {
		err := refine(tc.err, "x")
		if text := fault.PublicOf(err); fault.CodeOf(err) != tc.code || !strings.Contains(text, tc.says) || strings.Contains(text, canary) {
			t.Errorf("%v: %s: %s", tc.err, fault.CodeOf(err), text)
		}
	}
}

func TestBase(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"http://h:8123": "http://h:8123", "http://h:8123/": "http://h:8123", "http://h:8123/api/": "http://h:8123", "ws://h:8123/api/websocket": "http://h:8123",
		"wss://h/ha/api/websocket": "https://h/ha", "https://h/ha/": "https://h/ha",
	} {
		if got := Base(given); got != want {
			t.Errorf("%s: %s, want %s", given, got, want)
		}
	}
}

// An action whose answer cannot be read may have been done; one that only reads was not.
func TestDone_unreadable(t *testing.T) {
	t.Parallel()
	var out Called
	if text := fault.PublicOf(Session{}.done([]byte(`[1]`), nil, &out, "x")); !strings.HasPrefix(text, "Undetermined") {
		t.Errorf("%s", text)
	}
	if err := (Session{}).done([]byte(`{"context":{"id":"a"}}`), nil, &out, "x"); err != nil || out.Context.ID != "a" {
		t.Errorf("%+v, %v", out, err)
	}
	if text := fault.PublicOf(Session{}.decode([]byte(`[1]`), nil, &out, "x")); strings.HasPrefix(text, "Undetermined") {
		t.Errorf("%s", text)
	}
}
