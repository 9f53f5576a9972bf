package show_test

import (
	"strings"
	"testing"
	"time"

	"drawbridge/internal/servers/homeassistant/api"
	"drawbridge/internal/servers/homeassistant/show"
)

func TestState(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]api.State{
		"on 71% 2700K":                 {ID: "light.x", State: "on", Attributes: api.Attributes{"brightness": []byte("180"), "color_temp_kelvin": []byte("2700")}},
		"off":                          {ID: "light.x", State: "off", Attributes: api.Attributes{"brightness": []byte("null")}},
		"20.5 °C":                      {ID: "sensor.x", State: "20.5", Attributes: api.Attributes{"unit_of_measurement": []byte(`"°C"`)}},
		"heat 19.5->21 (heating)":      {ID: "climate.x", State: "heat", Attributes: api.Attributes{"current_temperature": []byte("19.5"), "temperature": []byte("21.0"), "hvac_action": []byte(`"heating"`)}},
		"open 30%":                     {ID: "cover.x", State: "open", Attributes: api.Attributes{"current_position": []byte("30")}},
		"playing volume 30% playing a": {ID: "media_player.x", State: "playing", Attributes: api.Attributes{"volume_level": []byte("0.3"), "media_title": []byte(`"a"`)}},
	} {
		if got := show.State(s); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestMoment(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("", 3600)
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"": now.Add(-time.Minute), "now": now, "-2h": now.Add(-2 * time.Hour), "-3d": now.AddDate(0, 0, -3), "2026-11-20": time.Date(2026, 11, 19, 23, 0, 0, 0, time.UTC),
		"2026-11-20T18:30": time.Date(2026, 11, 20, 17, 30, 0, 0, time.UTC), "2026-11-20T18:30:00Z": time.Date(2026, 11, 20, 18, 30, 0, 0, time.UTC), "07:15": time.Date(2026, 11, 23, 6, 15, 0, 0, time.UTC),
	} {
		got, err := show.Moment("start", text, now, now.Add(-time.Minute), zone)
		if err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"yesterday", "-x", "25:00", "-99999d"} {
		if _, err := show.Moment("start", text, now, now, zone); err == nil {
			t.Errorf("%q is a time", text)
		}
	}
	if got := show.Time(now, zone); got != "2026-11-23T13:00+01:00" {
		t.Error(got)
	}
}

// Text of a house cannot forge rows, and hides nothing.
func TestClip(t *testing.T) {
	t.Parallel()
	if got := show.Clip("a\nlight.b | off\u202e\x1b[31m", 80); strings.ContainsAny(got, "\n|\x1b") || strings.Contains(got, "\u202e") {
		t.Errorf("%q", got)
	}
	if got := show.Clip("ääää", 5); got != "ää..." {
		t.Errorf("%q", got)
	}
	if got := show.Row("a", "", "b", "", ""); got != "a |  | b" {
		t.Errorf("%q", got)
	}
	for d, want := range map[time.Duration]string{90 * time.Second: "90s", 90 * time.Minute: "90m", 30 * time.Hour: "30h", 72 * time.Hour: "3d"} {
		if got := show.Span(d); got != want {
			t.Errorf("%s: %s", d, got)
		}
	}
}
