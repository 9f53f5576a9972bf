package kit_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/secret"
	"drawbridge/internal/servers/kit"
)

func settings(pairs ...string) kit.Settings {
	values := map[string]secret.String{}
	for i := 0; i < len(pairs); i += 2 {
		values[pairs[i]] = secret.New(pairs[i+1])
	}
	return kit.Settings{Values: values}
}

func TestCommon(t *testing.T) {
	t.Parallel()
	c, err := settings("toolsets", " a, ,b", "parallel", "5", "timeout", "45s").Common(kit.ModeRead)
	if err != nil {
		t.Fatal(err)
	}
	want := kit.Common{Mode: kit.ModeRead, Toolsets: []string{"a", "b"}, Parallel: 5, Timeout: 45 * time.Second}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Error(diff)
	}
	if s := c.Of(kit.Spec{Name: "x"}); s.Name != "x" || s.Parallel != 5 || s.Timeout != 45*time.Second || s.Mode != kit.ModeRead || len(s.Active) != 2 {
		t.Errorf("spec: %+v", s)
	}
	for _, bad := range [][]string{{"parallel", "0"}, {"parallel", "x"}, {"parallel", "1001"}, {"timeout", "5"}, {"timeout", "10ms"}, {"timeout", "2h"}} {
		if _, err := settings(bad...).Common(kit.ModeRead); err == nil || !strings.Contains(err.Error(), "set it to") {
			t.Errorf("%v: %v", bad, err)
		}
	}
}
