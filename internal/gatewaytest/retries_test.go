package gatewaytest_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"drawbridge/internal/gatewaytest"
)

// inputAsked is an input_required result.
type inputAsked struct {
	ResultType    string                     `json:"resultType"`
	RequestState  string                     `json:"requestState"`
	InputRequests map[string]json.RawMessage `json:"inputRequests"`
}

// required reads an answer that has to be input_required.
func required(t *testing.T, a gatewaytest.Answer) inputAsked {
	t.Helper()
	var in inputAsked
	if err := json.Unmarshal([]byte(a.Result()), &in); err != nil || in.ResultType != "input_required" || len(in.InputRequests) != 1 || in.RequestState == "" {
		t.Fatalf("not input_required: %d %s", a.Status, a.Message)
	}
	if !strings.Contains(a.Result(), `"x":9007199254740993`) {
		t.Errorf("what the backend sent beside it is gone: %s", a.Message)
	}
	return in
}

// retry is the params of a retry; head is what the first request had.
func retry(head, state string) string {
	return strings.TrimSuffix(head, "}") + `,"inputResponses":{"r":{"action":"accept","content":{"n":9007199254740993}}},"requestState":` + jsonString(state) + `}`
}

func jsonString(s string) string {
	b, _ := json.Marshal(s) // a string always can be
	return string(b)
}

// modernAskers are fakes of 2026-07-28 behind both transports.
func modernAskers(t *testing.T) (h, p *gatewaytest.Fake, config string) {
	t.Helper()
	h, p = gatewaytest.NewAsking("h", gatewaytest.R2026), gatewaytest.NewAsking("p", gatewaytest.R2026)
	return h, p, fmt.Sprintf(`{"mcpServers":{"h":{"url":%q},"p":%s}}`, h.HTTP(t), p.Stdio(t))
}

// Modern to modern: input_required passes, its requestState sealed, through as
// many rounds as it takes.
func TestInputRequired_rounds(t *testing.T) {
	t.Parallel()
	_, _, config := modernAskers(t)
	g := gatewaytest.Run(t, config)
	g.WaitTools("h_input", "p_input")
	gs, local := gatewaytest.RunStdio(t, config, gatewaytest.R2026, gatewaytest.Able("me"))
	gs.WaitToolsOf(local, "h_input", "p_input")
	over := gatewaytest.DialAs(t, g.Base, gatewaytest.Key, gatewaytest.R2026, gatewaytest.Able("me"))
	for name, c := range map[string]*gatewaytest.Client{"HTTP": over, "stdio": local} {
		for _, backend := range []string{"h", "p"} {
			for _, rounds := range []int{1, 3} {
				t.Run(fmt.Sprintf("%s %s %d", name, backend, rounds), func(t *testing.T) {
					head := fmt.Sprintf(`{"name":"%s_input","arguments":{"rounds":%d}}`, backend, rounds)
					a := c.Call("tools/call", head)
					for round := range rounds {
						in := required(t, a)
						if want := fmt.Sprintf(`"message":"round %d"`, round+1); !strings.Contains(string(in.InputRequests[fmt.Sprintf("r%d", round+1)]), want) {
							t.Errorf("round %d asks %s", round+1, a.Message)
						}
						if strings.Contains(in.RequestState, "état") {
							t.Errorf("the backend's state is readable: %s", in.RequestState)
						}
						a = c.Call("tools/call", retry(head, in.RequestState))
					}
					for _, want := range []string{`"name":"input"`, `"content":{"n":9007199254740993}`, fmt.Sprintf(`"requestState":"état \"%d"`, rounds)} {
						if !strings.Contains(a.Result(), want) {
							t.Errorf("the backend got %s, without %s", a.Message, want)
						}
					}
				})
			}
		}
	}
}

// prompts/get and resources/read may ask as well.
func TestInputRequired_ofPromptsAndResources(t *testing.T) {
	t.Parallel()
	h := gatewaytest.NewAsking("h", gatewaytest.R2026)
	h.SetPrompts(`{"name":"input"}`)
	g := gatewaytest.Run(t, `{"mcpServers":{"h":{"url":"`+h.HTTP(t)+`"}}}`)
	g.WaitTools("h_input")
	c := gatewaytest.DialAs(t, g.Base, gatewaytest.Key, gatewaytest.R2026, gatewaytest.Able("me"))
	for method, head := range map[string]string{"prompts/get": `{"name":"h_input"}`, "resources/read": `{"uri":"fake://h/items/input"}`} {
		in := required(t, c.Call(method, head))
		if a := c.Call(method, retry(head, in.RequestState)); !strings.Contains(a.Result(), `"requestState":"état \"1"`) {
			t.Errorf("%s: %s", method, a.Message)
		}
	}
}

// A question where 2026-07-28 allows none, and a type of result that the client
// has not declared, are errors of the backend.
func TestInputRequired_whereItIsNotAllowed(t *testing.T) {
	t.Parallel()
	h, p := gatewaytest.NewAsking("h", gatewaytest.R2026), gatewaytest.NewAsking("p", gatewaytest.R2026)
	h.SetCapabilities(talkative + `}`)
	h.SetCompletion(`{"resultType":"input_required","inputRequests":{},"requestState":"s"}`)
	for _, f := range []*gatewaytest.Fake{h, p} {
		f.SetExact(`{"resultType":"task","taskId":"t"}`)
	}
	g := gatewaytest.Run(t, fmt.Sprintf(`{"mcpServers":{"h":{"url":%q},"p":%s}}`, h.HTTP(t), p.Stdio(t)))
	g.WaitTools("h_input", "p_input")
	c := gatewaytest.DialAs(t, g.Base, gatewaytest.Key, gatewaytest.R2026, gatewaytest.Able("me"))
	if a := c.Call("completion/complete", `{"ref":{"type":"ref/prompt","name":"h_greet"},"argument":{"name":"a","value":""}}`); !strings.Contains(a.Error(), "-32603") {
		t.Errorf("a completion that asks: %s", a.Message)
	}
	tasks := gatewaytest.DialAs(t, g.Base, gatewaytest.Key, gatewaytest.R2026, gatewaytest.Person{Capabilities: `{"extensions":{"io.modelcontextprotocol/tasks":{}}}`})
	for _, backend := range []string{"h", "p"} {
		if a := c.Call("tools/call", `{"name":"`+backend+`_exact","arguments":{}}`); !strings.Contains(a.Result(), `"isError":true`) || strings.Contains(a.Result(), "taskId") {
			t.Errorf("%s, a task nobody declared: %s", backend, a.Message)
		}
		if a := tasks.Call("tools/call", `{"name":"`+backend+`_exact","arguments":{}}`); !strings.Contains(a.Result(), `"taskId":"t"`) {
			t.Errorf("%s, a declared task: %s", backend, a.Message)
		}
	}
}

// A backend that sends no requestState gets none back.
func TestInputRequired_withoutState(t *testing.T) {
	t.Parallel()
	_, _, config := modernAskers(t)
	g := gatewaytest.Run(t, config)
	g.WaitTools("h_input", "p_input")
	c := gatewaytest.DialAs(t, g.Base, gatewaytest.Key, gatewaytest.R2026, gatewaytest.Able("me"))
	for _, backend := range []string{"h", "p"} {
		head := `{"name":"` + backend + `_input","arguments":{"state":false}}`
		in := required(t, c.Call("tools/call", head))
		a := c.Call("tools/call", retry(head, in.RequestState))
		if !strings.Contains(a.Result(), `"inputResponses"`) || strings.Contains(a.Result(), `requestState`) {
			t.Errorf("%s got %s", backend, a.Message)
		}
	}
}

// A state belongs to one request of one principal, and is good for an hour. A
// retry that does not fit is refused and reaches no backend.
func TestInputRequired_statesThatDoNotFit(t *testing.T) {
	t.Parallel()
	h, _, config := modernAskers(t)
	g := gatewaytest.Run(t, config)
	g.WaitTools("h_input", "p_input")
	c := gatewaytest.DialAs(t, g.Base, gatewaytest.Key, gatewaytest.R2026, gatewaytest.Able("me"))
	const head = `{"name":"h_input","arguments":{"rounds":1,"text":"a"}}`
	state := required(t, c.Call("tools/call", head)).RequestState
	key := keys(t, g, 1)[0]
	stranger := gatewaytest.Dial(t, g.Base, key, gatewaytest.R2026)
	g.WaitFor("the key to be known", func() bool { return stranger.Call("tools/list", "").Status == 200 })
	before := h.Calls.Load()
	flipped := []byte(state)
	flipped[len(flipped)/2] ^= 1
	for _, tt := range []struct {
		name, head, state string
		c                 *gatewaytest.Client
	}{
		{"tampered", head, string(flipped), c},
		{"cut", head, state[:len(state)-4], c},
		{"made up", head, "état \"1", c},
		{"empty", head, "", c},
		{"of another principal", head, state, stranger},
		{"for other arguments", `{"name":"h_input","arguments":{"rounds":1,"text":"b"}}`, state, c},
		{"for another tool", `{"name":"h_params","arguments":{"rounds":1,"text":"a"}}`, state, c},
		{"for another backend", `{"name":"p_input","arguments":{"rounds":1,"text":"a"}}`, state, c},
	} {
		a := tt.c.Call("tools/call", retry(tt.head, tt.state))
		if a.Status != 400 || !strings.Contains(a.Error(), `-32602`) || !strings.Contains(a.Error(), "requestState") {
			t.Errorf("%s: %d %s", tt.name, a.Status, a.Message)
		}
	}
	if h.Calls.Load() != before {
		t.Error("a retry that does not fit reached the backend")
	}
	// The same arguments in another spelling are the same.
	if a := c.Call("tools/call", retry(`{"name":"h_input","arguments":{ "text":"\u0061","rounds":1}}`, state)); !strings.Contains(a.Result(), `"inputResponses"`) {
		t.Errorf("another spelling: %s", a.Message)
	}
}

// Everything a retry needs is sealed in its state: it may come after a restart.
func TestInputRequired_survivesARestart(t *testing.T) {
	t.Parallel()
	_, _, config := modernAskers(t)
	g := gatewaytest.Run(t, config)
	g.WaitTools("h_input", "p_input")
	c := gatewaytest.DialAs(t, g.Base, gatewaytest.Key, gatewaytest.R2026, gatewaytest.Able("me"))
	heads := []string{`{"name":"h_input","arguments":{"rounds":1}}`, `{"name":"p_input","arguments":{"rounds":1}}`}
	var states []string
	for _, head := range heads {
		states = append(states, required(t, c.Call("tools/call", head)).RequestState)
	}
	g.Restart()
	for i, head := range heads {
		if a := c.At(g.Base).Call("tools/call", retry(head, states[i])); !strings.Contains(a.Result(), `"requestState":"état \"1"`) {
			t.Errorf("%s: %d %s", head, a.Status, a.Message)
		}
	}
}

// The error by which 2025-11-25 asks for a URL to be opened does not exist in
// 2026-07-28; a legacy client gets it as it is, and so in substance does a modern
// one that cannot be sent to URLs.
func TestQuestions_urlNeeded(t *testing.T) {
	t.Parallel()
	const failure = `{"code":-32042,"message":"sign in first","data":{"elicitations":[{"mode":"url","elicitationId":"e","url":"https://example.org/","message":"m"}]}}`
	f := gatewaytest.NewAsking("b", gatewaytest.R1125)
	f.SetFailure(failure)
	g := gatewaytest.Run(t, `{"mcpServers":{"b":{"url":"`+f.HTTP(t)+`"}}}`)
	g.WaitTools("b_fail")
	if a := g.Dial(gatewaytest.R1125).Call("tools/call", `{"name":"b_fail","arguments":{}}`); a.Error() != failure {
		t.Errorf("legacy client: %s", a.Message)
	}
	a := g.Dial(gatewaytest.R2026).Call("tools/call", `{"name":"b_fail","arguments":{}}`)
	if !strings.Contains(a.Error(), `"code":-32603`) || !strings.Contains(a.Error(), "https://example.org/") {
		t.Errorf("modern client: %s", a.Message)
	}
}
