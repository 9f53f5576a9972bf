package settings_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/fault"
	"drawbridge/internal/secret"
	"drawbridge/internal/servers/kit/settings"
)

func of(pairs ...string) settings.Settings {
	values := map[string]secret.String{}
	for i := 0; i < len(pairs); i += 2 {
		values[pairs[i]] = secret.New(pairs[i+1])
	}
	return settings.Settings{Values: values}
}

func TestCommon(t *testing.T) {
	t.Parallel()
	c, err := of("toolsets", " a, ,b", "parallel", "5", "timeout", "45s").Common(settings.ModeRead)
	if err != nil {
		t.Fatal(err)
	}
	want := settings.Common{Mode: settings.ModeRead, Toolsets: []string{"a", "b"}, Parallel: 5, Timeout: 45 * time.Second}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Error(diff)
	}
	for _, bad := range [][]string{{"parallel", "0"}, {"parallel", "x"}, {"parallel", "1001"}, {"timeout", "5"}, {"timeout", "10ms"}, {"timeout", "2h"}} {
		if _, err := of(bad...).Common(settings.ModeRead); err == nil || !strings.Contains(err.Error(), "set it to") {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

func TestGate(t *testing.T) {
	t.Parallel()
	sets := []settings.Set{{Name: "usual", Default: true}, {Name: "rare"}}
	for _, c := range []struct {
		mode     settings.Mode
		toolsets string
		set      string
		tier     settings.Tier
		says     string // "" is let through
	}{
		{settings.ModeRead, "", "", settings.Read, ""},
		{settings.ModeRead, "", "", settings.Write, "NOTES_MODE=write"},
		{settings.ModeRead, "", "", settings.Destroy, "NOTES_MODE=all"},
		{settings.ModeWrite, "", "", settings.Write, ""},
		{settings.ModeWrite, "", "", settings.Destroy, "NOTES_MODE=all"},
		{settings.ModeAll, "", "", settings.Destroy, ""},
		{"wrong", "", "", settings.Write, "NOTES_MODE=write"},
		{settings.ModeAll, "", "usual", settings.Read, ""},
		{settings.ModeAll, "", "rare", settings.Read, "NOTES_TOOLSETS"},
		{settings.ModeAll, "rare", "rare", settings.Read, ""},
		{settings.ModeAll, "rare", "usual", settings.Read, "NOTES_TOOLSETS"},
		{settings.ModeAll, "all", "rare", settings.Read, ""},
		{settings.ModeAll, "rare", "", settings.Read, ""},
	} {
		g := settings.Gate{Server: "notes", Sets: sets, Mode: c.mode, Toolsets: of("toolsets", c.toolsets).List("toolsets")}
		err := g.Refuse("tool", c.set, c.tier)
		if c.says == "" && err != nil || c.says != "" && (fault.CodeOf(err) != fault.Forbidden || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestGate_unknownToolset(t *testing.T) {
	t.Parallel()
	g := settings.Gate{Server: "notes", Sets: []settings.Set{{Name: "a"}, {Name: "b"}}}
	for chosen, says := range map[string]string{"": "", "a": "", "all": "", "a,c": "choose from a, b, all"} {
		g.Toolsets = of("toolsets", chosen).List("toolsets")
		if err := g.Check(); (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", chosen, err)
		}
	}
}
