// Package scenarios_test tells stories that a user would tell of a house, a disk
// station and a shop: several tools in a row, a person who is asked where something
// dangerous happens, a failure in between. Each goes through the real gateway with the
// settings that an operator would write, once with a client of 2025-11-25, which is
// asked in the middle of a call, and once with one of 2026-07-28, which sends the call
// again with the answer. What counts is what the system behind holds afterwards, and
// that nothing had reached it before the person answered.
package scenarios_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"drawbridge/internal/gatewaytest"
)

// TestStories tells every story to a client of each era.
func TestStories(t *testing.T) {
	t.Parallel()
	for _, story := range []struct {
		server, name string
		tell         func(t *testing.T, era string)
	}{
		{"homeassistant", "turn off the living room but what is labelled", livingRoom},
		{"homeassistant", "unlock the door", frontDoor},
		{"homeassistant", "save an automation and take it back", automation},
		{"homeassistant", "the house restarts in the middle", houseRestarts},
		{"homeassistant", "who may not see something is told nothing", aquarium},
		{"truenas", "where is my space, delete old snapshots", space},
		{"truenas", "a rollback shows what it destroys", rollback},
		{"truenas", "a scrub outlives its call", scrub},
		{"truenas", "upgrade an app with its changelog", upgrade},
		{"truenas", "the connection closes in the middle of a job", lostJob},
		{"erpnext", "from a quotation to an amended invoice", trade},
		{"erpnext", "two people change one order", conflict},
		{"erpnext", "a report wants filters", report},
		{"erpnext", "each with the key of their own", colleagues},
		{"erpnext", "a needed field", neededField},
	} {
		for _, era := range []string{gatewaytest.R1125, gatewaytest.R2026} {
			t.Run(story.server+"/"+story.name+"/"+era, func(t *testing.T) {
				t.Parallel()
				story.tell(t, era)
			})
		}
	}
}

// stage is a gateway with one built-in server.
type stage struct {
	t           *testing.T
	g           *gatewaytest.Gateway
	server, era string
}

// open starts a gateway whose operator has written settings for a server.
func open(t *testing.T, era, server string, settings map[string]string) *stage {
	t.Helper()
	text, err := json.Marshal(map[string]any{"servers": map[string]any{server: settings}})
	if err != nil {
		t.Fatal(err)
	}
	g := gatewaytest.Run(t, string(text))
	for _, name := range []string{"token", "api_key", "api_secret"} {
		if settings[name] != "" && name+server != "api_keyerpnext" { // that one is the public half
			g.Secret(name, settings[name])
		}
	}
	return &stage{t, g, server, era}
}

// admin makes a request to the gateway's API that has to succeed.
func (s *stage) admin(method, path, body string) gatewaytest.Reply {
	s.t.Helper()
	a, err := gatewaytest.NewDoor(s.g.Base).JSON(s.t.Context(), method, path, gatewaytest.Key, body)
	if err != nil || a.Status >= http.StatusMultipleChoices {
		s.t.Fatalf("%s %s: %d %s %v", method, path, a.Status, a.Body, err)
	}
	return a
}

// member makes a user who may do everything, and gives their key.
func (s *stage) member(name string) string {
	s.t.Helper()
	s.admin("POST", "/users", fmt.Sprintf(`{"id":%q}`, name))
	key := s.admin("POST", "/keys", fmt.Sprintf(`{"name":"laptop","user":%q,"rights":{"backends":["*"],"write":true,"destructive":["*"]}}`, name)).Get("value")
	return s.g.Secret("key of "+name, key)
}

// stores gives a user credentials of their own; pairs are names and values.
func (s *stage) stores(user string, pairs ...string) {
	s.t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		s.admin("PUT", "/users/"+user+"/credentials", fmt.Sprintf(`{"server":%q,"name":%q,"value":%q}`, s.server, pairs[i], pairs[i+1]))
	}
}

// guest is a client, and the person in front of it.
type guest struct {
	*gatewaytest.Client
	s *stage

	mu      sync.Mutex // guards what follows
	asked   []string
	answers func(question string) bool // whether they approve; nil: nobody must ask
}

// admit connects the operator's own client.
func (s *stage) admit() *guest { s.t.Helper(); return s.as(gatewaytest.Key) }

// as connects a client of the era with a key. It can show questions.
func (s *stage) as(key string) *guest {
	s.t.Helper()
	v := &guest{s: s}
	v.Client = gatewaytest.DialAs(s.t, s.g.Base, key, s.era, gatewaytest.Person{
		Capabilities: `{"elicitation":{"form":{}}}`,
		Answer:       func(method, params string) string { return `"result":` + v.answer(method, params) },
	})
	return v
}

// mute connects a client that cannot show questions.
func (s *stage) mute() *guest {
	s.t.Helper()
	return &guest{s: s, Client: gatewaytest.Dial(s.t, s.g.Base, gatewaytest.Key, s.era)}
}

// will says what the person answers from now on, and forgets what they were asked.
func (v *guest) will(answers func(question string) bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asked, v.answers = nil, answers
}

// questions are what the person has read since will.
func (v *guest) questions() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.asked)
}

// answer has the person answer one question, and gives the raw result.
func (v *guest) answer(method, params string) string {
	var form struct{ Message string }
	if err := json.Unmarshal([]byte(params), &form); err != nil || method != "elicitation/create" || form.Message == "" {
		v.s.t.Errorf("asked by %s: %s", method, params)
	}
	v.mu.Lock()
	v.asked = append(v.asked, form.Message)
	answers := v.answers
	v.mu.Unlock()
	switch {
	case answers == nil:
		v.s.t.Errorf("nobody had to be asked: %s", form.Message)
	case answers(form.Message):
		return `{"action":"accept","content":{"approve":true}}`
	}
	return `{"action":"decline"}`
}

// outcome is a tool's result taken apart.
type outcome struct {
	Text    string
	Raw     json.RawMessage // structured
	IsError bool
	Notes   string // notifications that came before it
}

// rounds bounds how often a client of today sends one call.
const rounds = 5

// call calls a tool and answers what is asked.
func (v *guest) call(tool, args string) outcome {
	v.s.t.Helper()
	head := fmt.Sprintf(`{"name":%q,"arguments":%s,"_meta":{"progressToken":"p"}`, v.s.server+"_"+tool, args)
	params, notes := head+`}`, []string(nil)
	for range rounds {
		a := v.Call("tools/call", params)
		notes = append(notes, a.Events...)
		var r struct {
			ResultType    string                     `json:"resultType"`
			InputRequests map[string]json.RawMessage `json:"inputRequests"`
			RequestState  json.RawMessage            `json:"requestState"`
			Content       []struct{ Text string }    `json:"content"`
			Structured    json.RawMessage            `json:"structuredContent"`
			IsError       bool                       `json:"isError"`
		}
		if err := json.Unmarshal([]byte(a.Result()), &r); err != nil {
			v.s.t.Errorf("%s %s: status %d, %s", tool, args, a.Status, a.Message)
			return outcome{IsError: true}
		}
		if r.ResultType == "input_required" {
			responses := map[string]json.RawMessage{}
			for key, raw := range r.InputRequests {
				var q struct {
					Method string
					Params json.RawMessage
				}
				if err := json.Unmarshal(raw, &q); err != nil {
					v.s.t.Errorf("question %s: %v", raw, err)
				}
				responses[key] = json.RawMessage(v.answer(q.Method, string(q.Params)))
			}
			raw, _ := json.Marshal(responses) // was JSON already
			params = head + fmt.Sprintf(`,"inputResponses":%s,"requestState":%s}`, raw, r.RequestState)
			continue
		}
		out := outcome{Raw: r.Structured, IsError: r.IsError, Notes: strings.Join(notes, "\n")}
		for _, block := range r.Content {
			out.Text += block.Text
		}
		return out
	}
	v.s.t.Errorf("%s %s asks again and again", tool, args)
	return outcome{IsError: true}
}

// must is call that has to succeed, with its structured result in into unless that is nil.
func (v *guest) must(tool, args string, into any) outcome {
	v.s.t.Helper()
	out := v.call(tool, args)
	if out.IsError {
		v.s.t.Fatalf("%s %s: %s", tool, args, out.Text)
	}
	if into != nil {
		decode(v.s.t, out, into)
	}
	return out
}

// decode reads the structured result of a call that succeeded.
func decode(t *testing.T, out outcome, into any) {
	t.Helper()
	if err := json.Unmarshal(out.Raw, into); err != nil || out.IsError {
		t.Fatalf("%s %s: %v", out.Text, out.Raw, err)
	}
}

// refused is call that has to be an error whose text has every part.
func (v *guest) refused(tool, args string, parts ...string) {
	v.s.t.Helper()
	out := v.call(tool, args)
	if !out.IsError {
		v.s.t.Fatalf("%s %s was accepted: %s", tool, args, out.Text)
	}
	has(v.s.t, tool+" "+args, out.Text, parts...)
}

// undo is how an answer says that it is taken back.
type undo struct {
	Undo struct {
		Tool      string
		Arguments json.RawMessage
	}
}

// back takes it back.
func (v *guest) back(u undo) outcome {
	v.s.t.Helper()
	if u.Undo.Tool == "" {
		v.s.t.Fatal("the answer does not say how to take it back")
	}
	return v.must(u.Undo.Tool, string(u.Undo.Arguments), nil)
}

// later is call in the background; the result comes when it is there.
func (v *guest) later(tool, args string) <-chan outcome {
	over := make(chan outcome, 1)
	go func() { over <- v.call(tool, args) }() // awaited by who reads over
	return over
}

// has tells when a text lacks one of its parts.
func has(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%s lacks %q:\n%s", what, part, text)
		}
	}
}

// is tells when something is not as wanted.
func is[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func yes(string) bool { return true }
func no(string) bool  { return false }
