package remote_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/mcpwire"
)

// TestListen is the Watch of a modern backend, with each of its ends.
func TestListen(t *testing.T) {
	t.Parallel()
	ack := func(m message, honoured string) string {
		return fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":%s},"notifications":%s}}`, m.ID, honoured)
	}
	wanted := mcpwire.Filter{ToolsChanged: true, ResourcesChanged: true, Resources: []string{"a", "b"}}
	for _, tt := range []struct {
		name   string
		listen func(w http.ResponseWriter, r *http.Request, m message)
		ready  mcpwire.Filter
		ends   bool // by itself, with an error
	}{
		{"stays open", func(w http.ResponseWriter, r *http.Request, m message) {
			event(w, "", ack(m, `{"toolsListChanged":true,"resourceSubscriptions":["b"]}`))
			event(w, "", fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":%s}}}`, m.ID))
			event(w, "", fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"b", "_meta":{"k":1,"io.modelcontextprotocol/subscriptionId":%s,"z":2}}}`, m.ID))
			<-r.Context().Done()
		}, mcpwire.Filter{ToolsChanged: true, Resources: []string{"b"}}, false},
		{"breaks", func(w http.ResponseWriter, _ *http.Request, m message) {
			event(w, "", ack(m, `{"toolsListChanged":true}`))
		}, mcpwire.Filter{ToolsChanged: true}, true},
		{"ends in order", func(w http.ResponseWriter, _ *http.Request, m message) {
			event(w, "", ack(m, `{"toolsListChanged":true}`))
			event(w, "", fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":{"resultType":"complete"}}`, m.ID))
		}, mcpwire.Filter{ToolsChanged: true}, true},
		{"honours nothing", func(w http.ResponseWriter, _ *http.Request, m message) {
			event(w, "", ack(m, `{}`))
			event(w, "", fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":{"resultType":"complete"}}`, m.ID))
		}, mcpwire.Filter{}, false},
		{"unknown", func(w http.ResponseWriter, _ *http.Request, m message) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(404)
			fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no"}}`, m.ID)
		}, mcpwire.Filter{}, false},
		{"garbage", func(w http.ResponseWriter, _ *http.Request, m message) {
			event(w, "", ack(m, `{}`))
			event(w, "", "garbage")
		}, mcpwire.Filter{}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			filter := make(chan string, 1)
			srv := newModern(t, func(w http.ResponseWriter, r *http.Request, m message) {
				if r.Header.Get("Mcp-Method") != "subscriptions/listen" {
					t.Errorf("headers %v", r.Header)
				}
				filter <- string(m.Params)
				tt.listen(w, r, m)
			})
			p := dial(t, dialer(t, srv.URL), mcpwire.Capabilities{})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s, ready, done := newSink(), make(chan mcpwire.Filter, 2), make(chan error, 1)
			go func() { done <- p.Watch(ctx, wanted, s, func(f mcpwire.Filter) { ready <- f }) }()
			if got, want := receive(t, filter), `{"notifications":{"toolsListChanged":true,"resourcesListChanged":true,"resourceSubscriptions":["a","b"]},"_meta":`; len(got) < len(want) || got[:len(want)] != want {
				t.Errorf("asked for %s", got)
			}
			if diff := cmp.Diff(tt.ready, receive(t, ready)); diff != "" {
				t.Errorf("honoured (-want +got):\n%s", diff)
			}
			if tt.name == "stays open" {
				if got := receive(t, s.note); got != "notifications/tools/list_changed {}" {
					t.Error(got)
				}
				if got := receive(t, s.note); got != `notifications/resources/updated {"uri":"b", "_meta":{"k":1,"z":2}}` {
					t.Error(got)
				}
			}
			if !tt.ends {
				select {
				case err := <-done:
					t.Fatalf("ended with %v", err)
				default:
				}
				cancel()
			}
			if err := receive(t, done); err == nil == tt.ends {
				t.Errorf("ended with %v", err)
			}
			if len(ready) > 0 {
				t.Error("ready was called twice")
			}
		})
	}
}
