package streamable_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/endpoint/session"
	"drawbridge/internal/fault"
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
				var answer atomic.Pointer[fault.Error]
				d := newDoor(t, func(c *session.Config) {
					c.Recheck = func(_ context.Context, p account.Principal) error {
						if e := answer.Load(); e != nil && p == alice {
							return e
						}
						return nil
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
				answer.Store(fault.New(fault.Unavailable, "The store is away."))
				if !lives(time.Minute) {
					t.Fatal("a stream ended because the store was away")
				}
				answer.Store(fault.New(fault.Unauthenticated, "This key was revoked."))
				if lives(30 * time.Second) {
					t.Error("30 s after its key was revoked the stream is open")
				}
				if rest := l.rest(); strings.Contains(rest, "tools/list_changed") {
					t.Errorf("it said %q", rest)
				}
				d.table.Close() // its timers are the bubble's
			})
		})
	}
}
