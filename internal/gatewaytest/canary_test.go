package gatewaytest_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"

	"drawbridge/internal/account"
	"drawbridge/internal/gatewaytest"
	"drawbridge/internal/store"
)

var canaryCalls = flag.Int("canary.calls", 200, "calls per principal in the mix-up test")

// keys makes member keys beside the running gateway, as the command line does.
func keys(t *testing.T, g *gatewaytest.Gateway, n int) []string {
	t.Helper()
	s, err := store.Open(t.Context(), slog.New(slog.DiscardHandler), store.Config{StateDir: g.Dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	out := make([]string, n)
	for i := range out {
		_, key, err := s.CreateKey(t.Context(), account.KeyRequest{Rights: account.FullRights(), Name: fmt.Sprintf("p%d", i), User: account.Admin, Role: account.RoleMember})
		if err != nil {
			t.Fatal(err)
		}
		out[i] = key.Reveal()
	}
	// Another process made them: they count within a second.
	g.WaitFor("the keys to count", func() bool {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.Base+"/status", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+out[n-1])
		res, err := http.DefaultClient.Do(req)
		return err == nil && res.Body.Close() == nil && res.StatusCode == http.StatusOK
	})
	return out
}

// T12 of the threat model: 50 principals, 200 calls each, 200 in flight, the same
// ids and progress tokens for all, over all transports. No answer, progress or
// log may reach anybody else.
func TestT12_canaries(t *testing.T) {
	t.Parallel()
	const principals, inFlight = 50, 200
	legacy, modern := gatewaytest.NewFake("l", gatewaytest.R1125), gatewaytest.NewFake("m", gatewaytest.R2026)
	old, pipe := gatewaytest.NewFake("s", gatewaytest.R2024), gatewaytest.NewFake("p", gatewaytest.R1125)
	note := strings.Replace(progressNote, `"message":"m"`, `"message":"step"`, 1)
	for _, f := range []*gatewaytest.Fake{legacy, modern, old, pipe} {
		f.SetNotes(note)
	}
	g := gatewaytest.Run(t, fmt.Sprintf(`{"mcpServers":{"l":{"url":%q},"m":{"url":%q},"s":{"url":%q,"type":"sse"},"p":%s}}`,
		legacy.HTTP(t), modern.HTTP(t), old.HTTPSSE(t), pipe.Stdio(t)))
	g.WaitTools("l_echo", "m_echo", "s_echo", "p_echo")
	all := keys(t, g, principals)
	g.WaitFor("the last key to be known", func() bool {
		return gatewaytest.Dial(t, g.Base, all[len(all)-1], gatewaytest.R2026).Call("tools/list", "").Status == 200
	})

	revisions := []string{gatewaytest.R2024, gatewaytest.R0326, gatewaytest.R0618, gatewaytest.R1125, gatewaytest.R2026}
	var work sync.WaitGroup
	for i, key := range all {
		c := gatewaytest.Dial(t, g.Base, key, revisions[i%len(revisions)])
		for lane := range inFlight / principals {
			work.Go(func() {
				random := rand.New(rand.NewPCG(uint64(i), uint64(lane)))
				for n := range *canaryCalls / (inFlight / principals) {
					canaryCall(t, c, fmt.Sprintf("canary-%d-%d-%d", i, lane, n), lane, random)
				}
			})
		}
	}
	work.Wait()
}

// canaryCall makes one call and looks for its own canary, and no other, in all
// that came back.
func canaryCall(t *testing.T, c *gatewaytest.Client, canary string, lane int, random *rand.Rand) {
	tool := []string{"echo", "notes"}[random.IntN(2)]
	backend := []string{"l", "m", "s", "p"}[random.IntN(4)]
	a := c.CallContext(context.Background(), "tools/call",
		fmt.Sprintf(`{"name":"%s_%s","arguments":{"text":%q},"_meta":{"progressToken":%d}}`, backend, tool, canary, lane))
	if !strings.Contains(a.Result(), `"text":"`+canary+`"`) {
		t.Errorf("%s at %s: status %d, %s", canary, backend, a.Status, a.Message)
	}
	for _, e := range a.Events {
		if !strings.Contains(e, fmt.Sprintf(`"progressToken":%d`, lane)) {
			t.Errorf("%s got a notification of another call: %s", canary, e)
		}
	}
}
