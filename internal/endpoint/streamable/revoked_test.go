package streamable_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/endpoint/session"
)

// The attack: a key leaks, its thief opens streams, the owner revokes the key. The
// next request is refused, but what was open would go on telling for ever.
func TestA20_streamEnds(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(d *door) *live{
		"GET": func(d *door) *live {
			return d.open(alice, "GET", "", "Mcp-Session-Id", d.initialize("2025-11-25"))
		},
		"listen": func(d *door) *live {
			return d.open(alice, "POST", `{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true},`+
				`"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`,
				"MCP-Protocol-Version", "2026-07-28", "Mcp-Method", "subscriptions/listen")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var ends []func()
				left := 0
				d := newDoor(t, func(c *session.Config) {
					c.Watch = func(p account.Principal, end func()) func() {
						if p == alice {
							ends = append(ends, end)
						}
						return func() { left++ }
					}
				})
				l := open(d)
				lives := func(long time.Duration) bool {
					time.Sleep(long) // in the bubble's time
					synctest.Wait()
					select {
					case <-l.done:
						return false
					default:
						return true
					}
				}
				if !lives(time.Minute) {
					t.Fatal("a stream with a good credential ended")
				}
				for _, end := range ends {
					end()
				}
				if lives(0) || len(ends) != 1 || left != 1 {
					t.Errorf("its key was revoked, and the stream is open; %d are watched, %d were left", len(ends), left)
				}
				if rest := l.rest(); strings.Contains(rest, "tools/list_changed") {
					t.Errorf("it said %q", rest)
				}
				d.table.Close() // its timers are the bubble's
			})
		})
	}
}
