package speed_test

import (
	"encoding/json"
	"flag"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"drawbridge/test/harness"
)

var (
	calls  = flag.Int("calls", 20_000, "calls of the soak test")
	rounds = flag.Int("rounds", 7, "rounds of each comparison")
	each   = flag.String("each", "1s", "length of one run of a comparison")
)

func TestMain(m *testing.M) { harness.Main(m) }

// TestEveryKindOfCall makes each kind of call through the gateway and beside it:
// no answer may be wrong, and no progress notification lost or late.
func TestEveryKindOfCall(t *testing.T) {
	b := newBed(t, 20)
	for _, l := range []load{echoLoad, modernLoad, largeLoad, streamLoad} {
		t.Run(l.name, func(t *testing.T) {
			rows, _ := b.compare(t, l, 1, "--requests", "100")
			if got := rows["drawbridge"]; l.tool == "stream" && (got.EventsGot != got.EventsWanted || got.FirstEvent >= got.P50) {
				t.Errorf("%d of %d notifications, the first after %.1f ms of a call of %.1f ms", got.EventsGot, got.EventsWanted, got.FirstEvent, got.P50)
			}
		})
	}
	t.Run("list", func(t *testing.T) {
		before := lists(t, b)
		b.compare(t, listLoad, 1, "--requests", "100")
		// The direct target of the comparison is the backend itself, so only its
		// own calls may have reached it.
		if after := lists(t, b); after == before {
			t.Error("the direct run made no list call: this test proves nothing")
		}
		quiet := lists(t, b)
		b.run(t, []string{"load", "--method", "tools/list", "--concurrency", "4", "--requests", "200", "--url", b.gateway.url, "--token", harness.Key})
		if after := lists(t, b); after != quiet {
			t.Errorf("200 lists of the gateway reached the backend %d times", after-quiet)
		}
	})
}

// lists is how often the backend was asked for its tools.
func lists(tb testing.TB, b *bed) int64 {
	tb.Helper()
	resp, err := http.Get(strings.TrimSuffix(b.direct.url, "/mcp") + "/stats")
	if err != nil {
		tb.Fatal(err)
	}
	defer resp.Body.Close()
	var stats struct {
		Lists int64 `json:"lists"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&stats); err != nil {
		tb.Fatal(err)
	}
	return stats.Lists
}

// TestSoak makes many mixed calls; mcpbench verifies every answer.
func TestSoak(t *testing.T) {
	b := newBed(t, 20)
	for _, l := range []struct {
		name  string
		share int // one in so many of all calls
		args  []string
	}{
		{"legacy", 2, []string{"--tool", "bench_echo", "--concurrency", "32"}},
		{"modern", 3, []string{"--tool", "bench_echo", "--concurrency", "32", "--era", "2026-07-28"}},
		{"64 KB both ways", 20, []string{"--tool", "bench_echo", "--bytes", "65536", "--concurrency", "8"}},
		{"1 MB result", 100, []string{"--tool", "bench_payload", "--bytes", "1048576", "--concurrency", "8"}},
		{"progress", 100, []string{"--tool", "bench_stream", "--events", "3", "--ms", "1", "--concurrency", "16", "--need-events"}},
		{"new connections", 50, []string{"--tool", "bench_echo", "--concurrency", "8", "--no-keepalive"}},
	} {
		t.Run(l.name, func(t *testing.T) {
			args := []string{"load", "--json", "--url", b.gateway.url, "--token", harness.Key, "--requests", strconv.Itoa(*calls / l.share)}
			var got struct {
				Requests   int64            `json:"requests"`
				Errors     int64            `json:"errors"`
				ErrorKinds map[string]int64 `json:"errorKinds"`
			}
			raw := b.run(t, append(args, l.args...))
			if err := json.Unmarshal(raw, &got); err != nil {
				t.Fatalf("mcpbench load: %v\n%s", err, raw)
			}
			if got.Errors > 0 || got.Requests < int64(*calls/l.share) {
				t.Errorf("%d calls, %d errors: %v", got.Requests, got.Errors, got.ErrorKinds)
			}
		})
	}
}
