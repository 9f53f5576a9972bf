package kittest

import (
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"

	"drawbridge/internal/mcpwire"
	"drawbridge/internal/servers/kit"
)

// gate holds modes and toolsets to what they say: a tool that is off is in no list,
// and a call of it is refused with the way to switch it on, whatever a client
// remembers.
func (s Suite) gate(t *testing.T) {
	all := Tools(t, s.client(t, true))
	variable := kit.VariableName(s.name(t))
	for _, mode := range []kit.Mode{kit.ModeRead, kit.ModeWrite} {
		t.Run("mode "+string(mode), func(t *testing.T) {
			srv, _ := s.open(t, nil, mode, allSets, nil)
			s.hides(t, NewClient(srv, "admin"), all, variable+"_MODE=", func(tool ListedTool) bool {
				cs, _ := s.caseOf(tool.Name)
				switch hints := tool.Annotations; {
				case hints["readOnlyHint"]:
					return true
				case mode == kit.ModeRead:
					return false
				default:
					return !hints["destructiveHint"] || cs.Restorable
				}
			})
		})
	}
	t.Run("toolsets", func(t *testing.T) {
		c := s.client(t, false)
		shown := names(Tools(t, c))
		s.hides(t, c, all, variable+"_TOOLSETS", func(tool ListedTool) bool { return shown[tool.Name] })
	})
}

// hides checks that the client sees the tools it should, and that the others refuse
// with words that name the setting.
func (s Suite) hides(t *testing.T, c *Client, all []ListedTool, setting string, want func(ListedTool) bool) {
	t.Helper()
	shown := names(Tools(t, c))
	for _, tool := range all {
		if ofKit(tool.Name) {
			continue
		}
		if shown[tool.Name] != want(tool) {
			t.Errorf("the tool %s is listed: %v, want %v", tool.Name, shown[tool.Name], !shown[tool.Name])
		}
		if shown[tool.Name] {
			continue
		}
		cs, _ := s.caseOf(tool.Name)
		if text := c.Approving().Refused(t, tool.Name, cs.Good); !strings.Contains(text, setting) {
			t.Errorf("the refusal of %s does not name %s: %s", tool.Name, setting, text)
		}
	}
}

func names(tools []ListedTool) map[string]bool {
	all := map[string]bool{}
	for _, tool := range tools {
		all[tool.Name] = true
	}
	return all
}

func (s Suite) name(t *testing.T) string {
	t.Helper()
	srv, _ := s.Open(t, nil, true)
	return srv.Name()
}

// approval checks that a person approves what destroys, outside of the model:
// through each kind of client, for the arguments shown, once, and before anything
// has reached the upstream (design 4.7).
func (s Suite) approval(t *testing.T) {
	for _, tool := range Tools(t, s.client(t, true)) {
		cs, _ := s.caseOf(tool.Name)
		if cs.Asks == "" && (!tool.Annotations["destructiveHint"] || isContract(tool) || cs.Restorable) {
			continue
		}
		if cs.Asks != "" {
			cs.Good = cs.Asks
		}
		t.Run(tool.Name, func(t *testing.T) {
			if cs.Other == "" || cs.Other == cs.Good {
				t.Fatal("the case needs Other: arguments that the approval is not for")
			}
			s.approvalOf(t, cs)
		})
	}
}

func (s Suite) approvalOf(t *testing.T, cs Case) {
	var at *place
	if s.Upstream != nil {
		at = s.Upstream.start(t)
	}
	srv, log := s.open(t, s.Databases[0].Open(t), kit.ModeAll, allSets, at)
	base := NewClient(srv, "admin")
	c := base.Approving()
	var outputs strings.Builder
	s.prepare(t, c, cs, &outputs)
	changes := func() int64 {
		if at == nil {
			return 0
		}
		return at.changes.Load()
	}
	before := changes()
	untouched := func(when, text string) {
		t.Helper()
		outputs.WriteString(text)
		if changes() != before {
			t.Errorf("%s: something reached the upstream", when)
		}
	}
	if text := base.Refused(t, cs.Tool, cs.Good); !strings.Contains(text, "elicitation") {
		t.Errorf("a client that cannot be asked reads %q", text)
	} else {
		untouched("a client that cannot be asked", text)
	}
	untouched("a person who declines", base.With(mcpwire.Rev20251125, Declines).Refused(t, cs.Tool, cs.Good))

	params := callParams(cs.Tool, cs.Good)
	out := c.Outcome(t.Context(), t, mcpwire.MethodToolsCall, params)
	if out.Kind != mcpwire.InputRequired {
		t.Fatalf("nobody is asked: outcome %v", out.Kind)
	}
	approved := c.Retry(t, params, out)
	untouched("after the question", string(out.Result.Bytes))
	send := func(params string) Result {
		out := c.Outcome(t.Context(), t, mcpwire.MethodToolsCall, params)
		defer out.Close()
		if out.Kind != mcpwire.Complete {
			t.Fatalf("%s: outcome %v, %v", params, out.Kind, out.Err)
		}
		return ParseResult(t, out.Result.Bytes)
	}
	for _, when := range []struct{ name, params string }{
		{"other arguments", withArguments(t, approved, cs.Other)},
		{"a forged approval", strings.Replace(approved, `"requestState":"`, `"requestState":"A`, 1)},
	} {
		if r := send(when.params); !r.IsError {
			t.Errorf("%s: it ran", when.name)
		} else {
			untouched(when.name, r.Text)
		}
	}
	r := send(approved)
	if r.IsError {
		t.Fatalf("approved: %s", r.Text)
	}
	outputs.WriteString(r.Text + string(r.Structured))
	if s.Upstream != nil && changes() == before {
		t.Error("approved, and nothing reached the upstream")
	}
	before = changes()
	if r := send(approved); !r.IsError {
		t.Error("a replayed approval: it ran again")
	} else {
		untouched("a replayed approval", r.Text)
	}
	s.noSecrets(t, outputs.String(), log)
}

// withArguments is params with other arguments.
func withArguments(t *testing.T, params, args string) string {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal([]byte(params), &m); err != nil {
		t.Fatal(err)
	}
	m["arguments"] = json.RawMessage(args)
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// place is where a fake upstream listens, and what it saw.
type place struct {
	url, caFile string
	changes     atomic.Int64 // requests that were not GET, HEAD or OPTIONS
	broken      atomic.Pointer[Fault]
	hit         chan struct{} // closed when a broken request arrives
	seen        seen
}
