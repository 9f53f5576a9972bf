package past // thinning is arithmetic that the answers of a fake would only blur

import (
	"fmt"
	"testing"
	"time"

	"drawbridge/internal/servers/homeassistant/api"
	"drawbridge/internal/servers/homeassistant/house"
	"drawbridge/internal/servers/homeassistant/lenient"
)

func series(values ...any) (all []api.Past, start time.Time) {
	start = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	for i, v := range values {
		all = append(all, api.Past{State: api.Text(fmt.Sprint(v)), Updated: lenient.Moment{Time: start.Add(time.Duration(i) * time.Minute)}})
	}
	return all, start
}

// The lowest and the highest stay, whatever is left out.
func TestThin(t *testing.T) {
	t.Parallel()
	values := make([]any, 1000)
	for i := range values {
		values[i] = i % 7
	}
	values[333], values[777] = -5, 99
	all, _ := series(values...)
	got := thin(all, numeric(all), 20)
	low, high := false, false
	for i, p := range got {
		low, high = low || p.State == "-5", high || p.State == "99"
		if i > 0 && !p.At().After(got[i-1].At()) {
			t.Errorf("out of order at %d", i)
		}
	}
	if len(got) > 20 || !low || !high || got[0].At() != all[0].At() || got[len(got)-1].At() != all[999].At() {
		t.Errorf("%d points, low %v, high %v", len(got), low, high)
	}
	words, _ := series("a", "b", "c", "d", "e")
	if got := thin(words, nil, 2); len(got) != 2 || got[1].State != "e" {
		t.Errorf("%v", got)
	}
}

// The mean is weighted by how long each value held.
func TestSummary(t *testing.T) {
	t.Parallel()
	all, start := series(10, 20, "unavailable", 40)
	e := &house.Entity{}
	if got, want := summary(numeric(all), e, start, start.Add(4*time.Minute)), "min 10, max 40, mean 22.5, first 10, last 40, unit none"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if mixed, _ := series("on", "5", "off"); numeric(mixed) != nil {
		t.Error("states are no numbers")
	}
	states, start := series("on", "off", "on")
	if got, want := durations(states, start.Add(-time.Hour), start.Add(10*time.Minute)), "on 9m (2x), off 60s (1x)"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
