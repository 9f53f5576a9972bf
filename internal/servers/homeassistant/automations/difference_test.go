package automations // differences are of text, which needs no house

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDifference(t *testing.T) {
	t.Parallel()
	before, after := `{"id":"1","alias":"A","mode":"single","n":[1,2]}`, `{"alias":"B","n":[1,2],"mode":"single"}`
	if diff := cmp.Diff([]string{`-  "alias": "A",`, `+  "alias": "B",`}, difference([]byte(before), []byte(after))); diff != "" {
		t.Error(diff)
	}
	if got := difference([]byte(before), []byte(before)); len(got) != 0 {
		t.Errorf("%v", got)
	}
	if got := difference(nil, []byte(`{"a":1}`)); len(got) != 3 || !strings.HasPrefix(got[0], "+ ") {
		t.Errorf("%v", got)
	}
	long := `{"a":[` + strings.Repeat("1,", 2000) + `1]}`
	if got := difference([]byte(long), nil); len(got) != 1 || !strings.Contains(got[0], "replaces") {
		t.Errorf("%v", got)
	}
}
