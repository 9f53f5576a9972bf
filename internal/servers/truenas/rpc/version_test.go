package rpc_test

import (
	"encoding/json"
	"slices"
	"testing"

	"drawbridge/internal/servers/truenas/rpc"
)

func TestParseRelease(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]rpc.Release{
		"v25.04.2": {25, 4, 2}, "v25.10.0": {25, 10, 0}, "v26.0.0": {26, 0, 0}, "25.10.2.1": {25, 10, 2},
		"TrueNAS-SCALE-25.04.2.6": {25, 4, 2}, "26.0.0-BETA.3": {26, 0, 0}, "v27.1": {27, 1, 0},
	} {
		if got, ok := rpc.ParseRelease(text); !ok || got != want {
			t.Errorf("%s: %v %v", text, got, ok)
		}
	}
	if _, ok := rpc.ParseRelease("current"); ok {
		t.Error("current is no release")
	}
	if a, b := (rpc.Release{25, 4, 9}), (rpc.Release{25, 10, 0}); !a.Before(b) || b.Before(a) || a.String() != "25.04.9" || (rpc.Release{26, 0, 1}).String() != "26.0.1" {
		t.Errorf("%v %v", a, b)
	}
}

func TestSet(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string][]string{
		`{"$set":["B","A","C"]}`: {"A", "B", "C"}, `["B","C","A"]`: {"A", "B", "C"}, `null`: nil, `{"$set":[]}`: {},
	} {
		var s rpc.Set
		if err := json.Unmarshal([]byte(raw), &s); err != nil || !slices.Equal(s, want) {
			t.Errorf("%s: %v %v", raw, s, err)
		}
	}
}
