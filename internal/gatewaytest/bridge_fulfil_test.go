package gatewaytest_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"drawbridge/internal/gatewaytest"
)

// hall is a gateway of legacy clients before one modern backend, over HTTP as h and
// in a process as p.
type hall struct {
	t *testing.T
	g *gatewaytest.Gateway
	c *chronicle
}

func openHall(t *testing.T) *hall {
	t.Helper()
	c := newChronicle()
	g := gatewaytest.Run(t, fmt.Sprintf(`{"mcpServers":{"h":%s,"p":%s}}`, serveQuiz(t, c, gatewaytest.R2026), quizCommand(t, c, gatewaytest.R2026, "")))
	g.WaitTools("h_quiz", "p_quiz")
	return &hall{t, g, c}
}

var (
	legacyRevisions = []string{gatewaytest.R2024, gatewaytest.R0326, gatewaytest.R0618, gatewaytest.R1125}
	modernBackends  = []string{"h", "p"}
)

// guest connects a client.
func (h *hall) guest(t *testing.T, revision string, p gatewaytest.Person) *gatewaytest.Client {
	t.Helper()
	return gatewaytest.DialAs(t, h.g.Base, gatewaytest.Key, revision, p)
}

// echoing is a person who answers each question with the mark in it, so that every
// answer tells what it answers.
func echoing() gatewaytest.Person {
	p := gatewaytest.Able("")
	p.Answer = func(method, params string) string {
		return `"result":` + reply(jsonString(method), "to "+params)
	}
	return p
}

// questioned is a spec of one question.
func questioned(mark, method string) quizSpec {
	return quizSpec{Mark: mark, Rounds: [][]quizQuestion{{questionFor(method, mark)}}}
}

// heardOf is what a client was asked since, and whether that came where its answers come.
func heardOf(c *gatewaytest.Client, a gatewaytest.Answer, from int) (questions []string, inPlace bool) {
	questions = c.Questions()[from:]
	stream := strings.Join(a.Events, "\n")
	if c.Revision == gatewaytest.R2024 {
		stream = strings.Join(c.Outside(), "\n")
	}
	inPlace = true
	for _, q := range questions {
		inPlace = inPlace && strings.Contains(stream, q)
	}
	return questions, inPlace
}

// runParams is what the backend got with one sending of a call.
type runParams struct {
	Name           string                     `json:"name"`
	Arguments      json.RawMessage            `json:"arguments"`
	RequestState   *string                    `json:"requestState"`
	InputResponses map[string]json.RawMessage `json:"inputResponses"`
	Meta           struct {
		Capabilities map[string]map[string]json.RawMessage `json:"io.modelcontextprotocol/clientCapabilities"`
		Version      string                                `json:"io.modelcontextprotocol/protocolVersion"`
	} `json:"_meta"`
}

// runs are the sendings of a call, of which there have to be n.
func (h *hall) runs(t *testing.T, mark string, n int) (all []runParams) {
	t.Helper()
	for _, raw := range h.c.of(mark, "run") {
		var p runParams
		if err := json.Unmarshal([]byte(raw), &p); err != nil {
			t.Fatalf("the backend got %s: %v", raw, err)
		}
		all = append(all, p)
	}
	if len(all) != n {
		t.Fatalf("%s was sent %d times, want %d", mark, len(all), n)
	}
	return all
}

// fails checks for an error of the call that names the backend and says something.
func fails(t *testing.T, name, backend string, a gatewaytest.Answer) {
	t.Helper()
	if e := a.Error(); part(e, "code") != "-32603" || !strings.Contains(e, `"backend":"`+backend+`"`) || strings.Count(e, ". ") == 0 {
		t.Errorf("%s: %d %s", name, a.Status, a.Message)
	}
}

// Every kind of question, to every legacy revision: who can be asked is asked, as
// the backend wrote it, in the place where that revision has its answers, and the
// backend gets the exact answer under its key with its exact state. Of who cannot,
// nothing was declared.
func TestBridge_fulfil(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	for _, rev := range legacyRevisions {
		c := h.guest(t, rev, gatewaytest.Able("me "+rev))
		t.Run(rev, func(t *testing.T) { h.everyKind(t, c, "me "+rev, modernBackends) })
	}
}

func TestBridge_fulfilOnStdio(t *testing.T) {
	t.Parallel()
	c := newChronicle()
	g, client := gatewaytest.RunStdio(t, `{"mcpServers":{"h":`+serveQuiz(t, c, gatewaytest.R2026)+`}}`, gatewaytest.R1125, gatewaytest.Able("local"))
	g.WaitToolsOf(client, "h_quiz")
	h := &hall{t, g, c}
	h.everyKind(t, client, "local", []string{"h"})
}

func (h *hall) everyKind(t *testing.T, c *gatewaytest.Client, name string, backends []string) {
	for _, backend := range backends {
		for _, q := range kindsOfQuestions {
			mark := fmt.Sprintf("%s, %s, %s", q.name, backend, c.Revision)
			before := len(c.Questions())
			s := quizSpec{Mark: mark, Rounds: [][]quizQuestion{{{q.method, json.RawMessage(strings.Replace(q.params, `,"elicitationId":"e-1"`, "", 1))}}}}
			a := c.Call("tools/call", s.head(backend))
			questions, inPlace := heardOf(c, a, before)
			if c.Revision < q.since {
				fails(t, mark, backend, a)
				h.declares(t, h.runs(t, mark, 1)[0], c.Revision)
				if len(questions) > 0 {
					t.Errorf("%s: it was asked %s", mark, questions)
				}
				continue
			}
			if len(questions) != 1 || !inPlace && c.Session != "" {
				t.Fatalf("%s: it was asked %s, in its place: %v; %d %s", mark, questions, inPlace, a.Status, a.Message)
			}
			h.asWritten(t, questions[0], q.params)
			runs := h.runs(t, mark, 2)
			h.declares(t, runs[0], c.Revision)
			want := strings.ReplaceAll(q.member, "NAME", name)
			h.continues(t, mark, runs[1], s.Rounds[0], 0, func(int) string { return want })
			if !strings.Contains(a.Result(), `"how":"complete"`) {
				t.Errorf("%s: %s", mark, a.Message)
			}
		}
	}
}

// asWritten checks the params of a question. One by URL has an id of the gateway's.
func (h *hall) asWritten(t *testing.T, question, params string) {
	t.Helper()
	got, want := part(question, "params"), params
	if strings.Contains(params, `"url"`) {
		id := part(got, "elicitationId")
		if len(id) < 8 {
			t.Errorf("an elicitation by URL has no id: %s", question)
		}
		got, want = strings.Replace(got, `"elicitationId":`+id+`,`, "", 1), strings.Replace(want, `,"elicitationId":"e-1"`, "", 1)
	}
	if got != want {
		t.Errorf("asked %s, want %s", got, want)
	}
}

// declares checks what the backend is told of a client that can do everything: what
// its revision defines.
func (h *hall) declares(t *testing.T, run runParams, revision string) {
	t.Helper()
	can := run.Meta.Capabilities
	_, elicitation := can["elicitation"]
	_, byURL := can["elicitation"]["url"]
	_, sampling := can["sampling"]
	_, withTools := can["sampling"]["tools"]
	_, listing := can["roots"]
	got := fmt.Sprint(elicitation, byURL, sampling, withTools, listing)
	want := fmt.Sprint(revision >= gatewaytest.R0618, revision >= gatewaytest.R1125, true, revision >= gatewaytest.R1125, true)
	if got != want || run.Meta.Version != gatewaytest.R2026 {
		t.Errorf("a client of %s is declared as %v in %s", revision, can, run.Meta.Version)
	}
}

// continues checks a retry: the state of the round as it was given out, and under
// each key of the round the answer to its question.
func (h *hall) continues(t *testing.T, mark string, run runParams, round []quizQuestion, n int, answer func(i int) string) {
	t.Helper()
	if run.RequestState == nil || *run.RequestState != stateOf(mark, n) {
		t.Errorf("%s: the state of round %d came back as %v", mark, n, run.RequestState)
	}
	if run.Name != "quiz" || !strings.Contains(string(run.Arguments), jsonString(mark)) {
		t.Errorf("%s: the retry calls %s with %s", mark, run.Name, run.Arguments)
	}
	if len(run.InputResponses) != len(round) {
		t.Errorf("%s: round %d has the answers %v", mark, n, slices.Collect(maps.Keys(run.InputResponses)))
	}
	for i := range round {
		if got := string(run.InputResponses[fmt.Sprintf("r%d/%d", n, i)]); got != answer(i) {
			t.Errorf("%s: round %d, question %d is answered %s, want %s", mark, n, i, got, answer(i))
		}
	}
}

// Several rounds of several questions each: every answer reaches the question it
// belongs to, every state its round.
func TestBridge_fulfilRounds(t *testing.T) {
	t.Parallel()
	h := openHall(t)
	for _, rev := range legacyRevisions {
		t.Run(rev, func(t *testing.T) {
			c := h.guest(t, rev, echoing())
			for _, backend := range modernBackends {
				mark := "rounds " + backend + rev
				s := quizSpec{Mark: mark}
				for r, round := range [][]string{{invent, roots, invent}, {invent}, {roots, invent, invent, invent}} {
					var questions []quizQuestion
					for i, method := range round {
						questions = append(questions, questionFor(method, fmt.Sprintf("%s/%d/%d", mark, r, i)))
					}
					s.Rounds = append(s.Rounds, questions)
				}
				if a := c.Call("tools/call", s.head(backend)); !strings.Contains(a.Result(), `"how":"complete"`) {
					t.Fatalf("%s: %s", mark, a.Message)
				}
				runs := h.runs(t, mark, len(s.Rounds)+1)
				for r, round := range s.Rounds {
					h.continues(t, mark, runs[r+1], round, r, func(i int) string {
						return reply(jsonString(round[i].Method), "to "+string(round[i].Params))
					})
				}
			}
		})
	}
}
