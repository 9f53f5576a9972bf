package gatewaytest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"drawbridge/internal/gatewaytest"
)

func TestMain(m *testing.M) {
	gatewaytest.PlayRogue()
	playSDK()
	gatewaytest.Main(m)
}

// The payload on which gateways made of SDKs lose data (protocol reference 1.3):
// unknown members at every level, key order, integers beyond 2^53, 1.0, spaces,
// escapes, an unknown content type.
const (
	members = `"content":[{"type":"video","url":"x:\u0079","big":9007199254740993},{"type":"text","text":"caf\u00e9 é \ud83d\ude00","annotations":{"z":1,"a":2.0}}],` +
		`"structuredContent":{"zebra":9007199254740993,"alpha":1.0,"list":[],"exp":1E+2, "nested":{"b":null , "a":true}},` +
		`"unknownTop":{"k":[1,2,3]},"isError":false,"_meta":{"vendor/x":-0.0}`
	legacyResult = `{` + members + `}`
	modernResult = `{` + members + `,"resultType":"complete"}`
	failureObj   = `{"message":"no \u00e9","data":{"b":9007199254740993,"a":[{}],"z":1.0},"code":-32099, "extra":{"y":1}}`
	logNote      = `{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"warning","zz":9007199254740993,"data":{"b":1.0,"a":[]},"logger":"l"}}`
	progressNote = `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":TOKEN,"total":9007199254740993,"progress":1.0,"x":{"b":1,"a":2},"message":"m"}}`
	oddTool      = `{"name":"odd","x":{"b":1,"a":9007199254740993},"inputSchema":{"type":"object","properties":{"zz":{"type":"integer","maximum":9007199254740993},"aa":{"default":1.0}},"$defs":{}},"annotations":{"readOnlyHint":true,"custom":[]}}`
)

// pairing is one backend as a client of the same era meets it.
type pairing struct {
	name   string
	client string
	entry  func(t *testing.T, f *gatewaytest.Fake) string // its configuration
	fake   *gatewaytest.Fake
}

// sameEra lists every client revision with every backend revision of its era,
// over each transport that the backend's revision has.
func sameEra() (all []pairing) {
	url := func(kind string, serve func(*gatewaytest.Fake, testing.TB) string) func(*testing.T, *gatewaytest.Fake) string {
		return func(t *testing.T, f *gatewaytest.Fake) string {
			return fmt.Sprintf(`{"url":%q,"type":%q}`, serve(f, t), kind)
		}
	}
	overHTTP := url("http", (*gatewaytest.Fake).HTTP)
	overSSE := url("sse", (*gatewaytest.Fake).HTTPSSE)
	overStdio := func(t *testing.T, f *gatewaytest.Fake) string { return f.Stdio(t) }
	legacy := []string{gatewaytest.R2024, gatewaytest.R0326, gatewaytest.R0618, gatewaytest.R1125}
	add := func(client, backend, transport string, entry func(*testing.T, *gatewaytest.Fake) string, shape func(*gatewaytest.Fake)) {
		f := gatewaytest.NewFake("b", backend)
		shape(f)
		all = append(all, pairing{client + " to " + backend + " over " + transport, client, entry, f})
	}
	asIs := func(*gatewaytest.Fake) {}
	for _, client := range append(slices.Clone(legacy), gatewaytest.R2026) {
		backends := legacy
		if client == gatewaytest.R2026 {
			backends = []string{gatewaytest.R2026}
		}
		for _, backend := range backends {
			if backend == gatewaytest.R2024 {
				add(client, backend, "HTTP+SSE", overSSE, asIs)
			} else {
				add(client, backend, "HTTP as JSON", overHTTP, asIs)
				add(client, backend, "HTTP as events", overHTTP, func(f *gatewaytest.Fake) { f.SSE = true })
				add(client, backend, "HTTP with the id last", overHTTP, func(f *gatewaytest.Fake) { f.IDLast = true })
			}
			add(client, backend, "stdio", overStdio, asIs)
		}
	}
	return all
}

func TestBytes_surviveEverySameEraPairing(t *testing.T) {
	t.Parallel()
	for _, p := range sameEra() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			result := legacyResult
			if p.client == gatewaytest.R2026 {
				result = modernResult
			}
			p.fake.SetExact(result)
			p.fake.SetFailure(failureObj)
			p.fake.SetNotes(logNote, progressNote)
			g := gatewaytest.Run(t, `{"mcpServers":{"b":`+p.entry(t, p.fake)+`}}`)
			g.WaitTools("b_echo")
			c := g.Dial(p.client)
			if got := c.CallID(`9007199254740993`, "tools/call", `{"name":"b_exact","arguments":{}}`); got.Result() != result {
				t.Errorf("result\ngot  %s\nwant %s", got.Message, result)
			} else if !strings.Contains(got.Message, `"id":9007199254740993`) {
				t.Errorf("id: %s", got.Message)
			}
			if got := c.CallID(`"a\u0062\"c"`, "tools/call", `{"name":"b_fail","arguments":{}}`); got.Error() != failureObj {
				t.Errorf("error\ngot  %s\nwant %s", got.Message, failureObj)
			}
			checkNotes(t, c, p.client)
		})
	}
}

// checkNotes calls the tool that says something first.
func checkNotes(t *testing.T, c *gatewaytest.Client, revision string) {
	t.Helper()
	meta := `"progressToken":"t\u00f6k"`
	if revision == gatewaytest.R2026 {
		meta += `,"io.modelcontextprotocol/logLevel":"debug"`
	} else {
		c.Call("logging/setLevel", `{"level":"debug"}`)
	}
	a := c.Call("tools/call", `{"name":"b_notes","arguments":{"text":"x"},"_meta":{`+meta+`}}`)
	said := a.Events
	if revision == gatewaytest.R2024 {
		// The one stream also tells of the built-in servers' lists coming in.
		said = slices.DeleteFunc(c.Outside(), func(m string) bool { return strings.Contains(m, "list_changed") })
	}
	want := []string{logNote, strings.ReplaceAll(progressNote, "TOKEN", `"t\u00f6k"`)}
	if !slices.Equal(said, want) {
		t.Errorf("notifications\ngot  %s\nwant %s", strings.Join(said, "\n     "), strings.Join(want, "\n     "))
	}
}

func TestBytes_ofToolsSurviveLists(t *testing.T) {
	t.Parallel()
	for _, rev := range []string{gatewaytest.R1125, gatewaytest.R2026} {
		t.Run(rev, func(t *testing.T) {
			t.Parallel()
			f := gatewaytest.NewFake("b", rev)
			f.SetTools(oddTool)
			g := gatewaytest.Run(t, `{"mcpServers":{"b":{"url":"`+f.HTTP(t)+`"}}}`)
			g.WaitTools("b_odd")
			for _, client := range []string{gatewaytest.R0326, gatewaytest.R2026} {
				got := g.Dial(client).Call("tools/list", "").Result()
				if want := strings.Replace(oddTool, `"odd"`, `"b_odd"`, 1); !strings.Contains(got, want) {
					t.Errorf("%s client: %s\nlacks %s", client, got, want)
				}
			}
		})
	}
}

func TestBytes_tenMegabytes(t *testing.T) {
	t.Parallel()
	const size = 10 << 20
	body := strings.Repeat("0123456789abcdef", size/16)
	for _, tt := range []struct{ client, backend string }{
		{gatewaytest.R1125, gatewaytest.R1125}, {gatewaytest.R2026, gatewaytest.R2026},
		{gatewaytest.R1125, gatewaytest.R2026}, {gatewaytest.R2026, gatewaytest.R1125}, {gatewaytest.R2024, gatewaytest.R1125},
	} {
		for _, shape := range []string{"JSON", "events", "stdio"} {
			t.Run(tt.client+" to "+tt.backend+" as "+shape, func(t *testing.T) {
				t.Parallel()
				f := gatewaytest.NewFake("b", tt.backend)
				f.SSE, f.IDLast = shape == "events", true
				entry := f.Stdio(t)
				if shape != "stdio" {
					entry = `{"url":"` + f.HTTP(t) + `"}`
				}
				g := gatewaytest.Run(t, `{"mcpServers":{"b":`+entry+`}}`)
				g.WaitTools("b_big")
				got := g.Dial(tt.client).Call("tools/call", fmt.Sprintf(`{"name":"b_big","arguments":{"bytes":%d}}`, size))
				if !strings.Contains(got.Result(), `"text":"`+body+`"`) {
					t.Errorf("%d bytes came, not the %d sent (%.200s)", len(got.Message), size, got.Message)
				}
			})
		}
	}
}
