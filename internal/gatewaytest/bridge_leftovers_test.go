package gatewaytest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"drawbridge/internal/account"
	"drawbridge/internal/gatewaytest"
)

// holder is somebody with a key, a call that is parked and one of each era that runs.
type holder struct {
	*lot
	asked   stopped
	waits   quizSpec                           // the call that is parked
	running map[string]chan gatewaytest.Answer // by their marks
}

// hold makes the calls of a key, which go on until the backend is told to end them; the
// parked one ends with its answer, unless it is stubborn.
func (l *lot) hold(name, key string, stubborn bool) *holder {
	l.t.Helper()
	own := *l
	own.client = gatewaytest.DialAs(l.t, l.g.Base, key, gatewaytest.R2026, gatewaytest.Able("me"))
	h := &holder{lot: &own, running: map[string]chan gatewaytest.Answer{}}
	h.waits = l.spec(name+" parked", elicit)
	h.waits.Hold = stubborn
	h.asked = h.park(h.waits, 1)
	for way, c := range map[string]*gatewaytest.Client{
		"modern job": own.client, // a task that the gateway waits for
		"mute quiz":  gatewaytest.Dial(l.t, l.g.Base, key, gatewaytest.R2026), "legacy quiz": gatewaytest.Dial(l.t, l.g.Base, key, gatewaytest.R1125),
	} {
		mark, tool := name+" "+way, strings.Fields(way)[1]
		end := make(chan gatewaytest.Answer, 1)
		h.running[mark] = end
		go func() { end <- c.Call("tools/call", quizSpec{Mark: mark, Hold: true}.headOf("q_"+tool)) }() // ends with its answer
		l.await(mark, "run", 1)
	}
	return h
}

// cutOff checks that all of it was ended, at the backend and here.
func (h *holder) cutOff() {
	h.t.Helper()
	for mark, end := range h.running {
		h.waitFor(mark+" to be cut off", func() bool { return len(end) > 0 })
		a := <-end
		if e := a.Error(); !strings.Contains(e, "has ended") || !strings.Contains(e, "look before you repeat it") {
			h.t.Errorf("%s: %d %s", mark, a.Status, a.Message)
		}
		h.await(mark, "cancelled", 1)
	}
	h.await(h.waits.Mark, "cancelled", 1)
	h.await(h.waits.Mark, "end", 1)
	if a := h.retry(h.waits, h.asked); a.Status != http.StatusUnauthorized {
		h.t.Errorf("%s: the retry got %d %s", h.waits.Mark, a.Status, a.Message)
	}
	h.once(h.waits.Mark)
}

// completesAll checks that all of it goes on to its end.
func (h *holder) completesAll() {
	h.t.Helper()
	for mark, end := range h.running {
		h.untouched("another's end", mark)
		h.c.order(mark, "go")
		if a := <-end; !strings.Contains(a.Result(), `"how":"complete"`) {
			h.t.Errorf("%s: %d %s", mark, a.Status, a.Message)
		}
		h.once(mark)
	}
	h.untouched("another's end", h.waits.Mark)
	h.completes(h.waits.Mark, h.retry(h.waits, h.asked))
}

// The attack: a key leaks, its thief has calls that run and one that waits for a
// person, and the owner revokes the key. All of them end, at their backend and here;
// what the user's other key has begun goes on.
func TestA20_callsEnd(t *testing.T) {
	t.Parallel()
	for _, way := range lanes() {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			l := openLot(t, way, "", "")
			all := keys(t, l.g, 2)
			thief, owner := l.hold("thief", all[0], true), l.hold("owner", all[1], false)
			if n := len(l.parked(gatewaytest.Key)); n != 2 {
				t.Fatalf("%d calls are parked", n)
			}
			if _, err := beside(t, l.g).RevokeKey(t.Context(), "p0"); err != nil {
				t.Fatal(err)
			}
			thief.cutOff()
			if n := len(l.parked(gatewaytest.Key)); n != 1 {
				t.Errorf("%d calls are parked, the owner's is one", n)
			}
			owner.completesAll()
			l.empty()
		})
	}
}

// Each way to end a credential ends its calls, and those of its user where the user is
// meant.
func TestA20_callsEndWithUsersAndGrants(t *testing.T) {
	t.Parallel()
	const password = "a password for the test"
	c := newChronicle()
	g := gatewaytest.Run(t, fmt.Sprintf(`{"oauth":{"password":%q},"mcpServers":{"q":%s}}`, password, serveQuiz(t, c, gatewaytest.R1125)))
	g.WaitTools("q_quiz")
	l := &lot{t, g, c, nil, ""}
	d, ctx := gatewaytest.NewDoor(g.Base), t.Context()
	admin := func(method, path, body string) {
		t.Helper()
		if a, err := d.JSON(ctx, method, path, gatewaytest.Key, body); err != nil || a.Status >= 300 {
			t.Fatalf("%s %s: %d %s %v", method, path, a.Status, a.Body, err)
		}
	}
	enter := func(user string) gatewaytest.Visitor {
		t.Helper()
		v, err := d.Enter(ctx, user, password, url.Values{"write": {"yes"}})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	var holders []*holder
	for _, user := range []string{"disabled", "deleted"} {
		admin("POST", "/users", fmt.Sprintf(`{"id":%q,"password":%q}`, user, password))
		holders = append(holders, l.hold("grant of the "+user, enter(user).Access, true))
	}
	admin("POST", "/users", `{"id":"keyed"}`)
	_, key, err := beside(t, g).CreateKey(ctx, account.KeyRequest{Rights: account.FullRights(), Name: "k", User: "keyed", Role: account.RoleMember})
	if err != nil {
		t.Fatal(err)
	}
	g.WaitFor("the key to count", func() bool {
		return gatewaytest.Dial(t, g.Base, key.Reveal(), gatewaytest.R2026).Call("tools/list", "").Status == http.StatusOK
	})
	holders = append(holders, l.hold("key of the disabled", key.Reveal(), true))
	given, stays := enter(account.Admin), enter(account.Admin)
	holders = append(holders, l.hold("grant given back", given.Access, true))
	other := l.hold("other grant", stays.Access, false)

	admin("PATCH", "/users/disabled", `{"disabled":true}`)
	admin("PATCH", "/users/keyed", `{"disabled":true}`)
	admin("DELETE", "/users/deleted", "")
	revoke(t, d, given.Client, given.Refresh)
	for _, h := range holders {
		h.cutOff()
	}
	if n := len(l.parked(gatewaytest.Key)); n != 1 {
		t.Errorf("%d calls are parked, one of them rightly", n)
	}
	other.completesAll()
	l.empty()
}

// Progress that a tool reports when its call has become a task, which the gateway waits
// for, and what the task's status says: a client with a token hears both, and others
// nothing.
func TestBridge_progressOfTasks(t *testing.T) {
	t.Parallel()
	for _, way := range lanes() {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			l := openLot(t, way, "", "")
			for _, rev := range []string{gatewaytest.R2026, gatewaytest.R1125, gatewaytest.R0326} {
				l.progressOfTask(rev, `"mine"`)
				l.progressOfTask(rev, "")
			}
		})
	}
}

func (l *lot) progressOfTask(rev, token string) {
	l.t.Helper()
	c := gatewaytest.Dial(l.t, l.g.Base, gatewaytest.Key, rev)
	s := quizSpec{Mark: rev + token, Via: l.via, Hold: true}
	head := s.headOf("q_job")
	if token != "" {
		head = strings.TrimSuffix(head, "}") + `,"_meta":{"progressToken":` + token + `}}`
	}
	end := make(chan gatewaytest.Answer, 1)
	go func() { end <- c.Call("tools/call", head) }() // ends with its answer
	l.await(s.Mark, "told", 2)                        // so the first has arrived
	l.c.order(s.Mark, "go")
	a := <-end
	if !strings.Contains(a.Result(), `"how":"complete"`) {
		l.t.Errorf("%s: %d %s", s.Mark, a.Status, a.Message)
	}
	var got []string
	last := -1.0
	for _, n := range progressOf(a.Events) {
		var p struct {
			ProgressToken, Progress json.RawMessage
			Message                 string
		}
		if err := json.Unmarshal([]byte(part(n, "params")), &p); err != nil {
			l.t.Fatal(err)
		}
		value, err := strconv.ParseFloat(string(p.Progress), 64)
		if err != nil || value <= last || string(p.ProgressToken) != token {
			l.t.Errorf("%s: %s after %v", s.Mark, n, last)
		}
		last = value
		got = append(got, string(p.Progress)+" "+p.Message)
	}
	var want []string
	if token != "" {
		want = []string{"0.000001 taken on", "0.25 own", "0.250001 half way", "1 own"}
	}
	if l.via != "" && len(got) == 3 {
		want = want[:3] // it came on another stream than the result, and later
	}
	if !slices.Equal(got, want) {
		l.t.Errorf("%s: progress %q, want %q", s.Mark, got, want)
	}
	l.once(s.Mark)
}

// A server that asks for its client's roots as soon as the handshake is done, which is
// before the call that its session was opened for, gets those of the call's client.
// What the gateway's own session asks is nobody's.
func TestBridge_rootsBeforeTheFirstCall(t *testing.T) {
	t.Parallel()
	for _, way := range lanes() {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			c := newChronicle()
			c.eager = true
			l := openLotOf(t, way, c, "", "")
			legacy := gatewaytest.DialAs(t, l.g.Base, gatewaytest.Key, gatewaytest.R1125, gatewaytest.Able("legacy"))
			end := make(chan gatewaytest.Answer, 1)
			go func() { end <- legacy.Call("tools/call", quizSpec{Mark: "first", Hold: true}.head("q")) }() // ends with its answer
			l.waitFor("the legacy client's roots", func() bool {
				return strings.Contains(strings.Join(c.of("eager", "answer"), "\n"), `"file:///legacy"`)
			})
			l.await("first", "run", 1)
			c.order("first", "go")
			if a := <-end; !strings.Contains(a.Result(), `"how":"complete"`) {
				t.Errorf("the call of the legacy client: %d %s", a.Status, a.Message)
			}

			s := quizSpec{Mark: "second", Hold: true}
			key := keys(t, l.g, 1)[0] // of a session of its own
			l.client = gatewaytest.DialAs(t, l.g.Base, key, gatewaytest.R2026, gatewaytest.Able("me"))
			in := l.park(s, 1)
			if asked := string(in.InputRequests[in.keys()[0]]); part(asked, "method") != jsonString(roots) {
				t.Fatalf("the modern client was asked %s", asked)
			}
			go func() { end <- l.retry(s, in) }() // ends with its answer
			l.waitFor("the modern client's roots", func() bool {
				return strings.Contains(strings.Join(c.of("eager", "answer"), "\n"), `"file:///me question-1"`)
			})
			c.order("second", "go")
			l.completes("second", <-end)
		})
	}
}

// A process of one client asks this client, also where its principal has others, and
// hears of it alone that roots have changed. Of modern clients there is nobody to ask.
func TestBridge_rootsOutsideOfCalls(t *testing.T) {
	t.Parallel()
	c := newChronicle()
	c.eager = true
	l := openLotOf(t, lanes()[3], c, "", "")
	answers := func() string { return strings.Join(c.of("after", "answer"), "\n") }
	var clients []*gatewaytest.Client
	for _, name := range []string{"one", "two"} {
		client := gatewaytest.DialAs(t, l.g.Base, gatewaytest.Key, gatewaytest.R1125, gatewaytest.Able(name))
		client.Stream()
		clients = append(clients, client)
	}
	for i, name := range []string{"one", "two"} {
		clients[i].Call("tools/call", quizSpec{Mark: name}.head("q"))
		l.waitFor("the roots of client "+name, func() bool { return strings.Contains(answers(), `"file:///`+name+`"`) })
	}
	if n := strings.Count(answers(), "\n"); n != 1 {
		t.Errorf("the processes got %s", answers())
	}
	before := c.count("roots changed")
	clients[0].Notify("notifications/roots/list_changed", "")
	l.waitFor("the news", func() bool { return c.count("roots changed") > before })
	if n := c.count("roots changed"); n != before+1 {
		t.Errorf("%d processes heard of it", n-before)
	}
	// One without a stream cannot be asked outside of calls: no roots, and no error.
	deaf := gatewaytest.DialAs(t, l.g.Base, gatewaytest.Key, gatewaytest.R1125, gatewaytest.Able("deaf"))
	deaf.Call("tools/call", quizSpec{Mark: "deaf"}.head("q"))
	l.waitFor("the third answer", func() bool { return strings.Count(answers(), "\n") == 2 })
	if all := c.of("after", "answer"); !strings.Contains(all[2], `"result":{"roots":[]}`) {
		t.Errorf("of a client without a stream: %s", all[2])
	}
}

// tasks/list is neither offered nor passed on: what the backend would tell are the tasks
// of everybody who comes through this gateway.
func TestBridge_tasksAreNotListed(t *testing.T) {
	t.Parallel()
	c := newChronicle()
	g := gatewaytest.Run(t, `{"legacy_tasks":true,"mcpServers":{"q":`+serveQuiz(t, c, gatewaytest.R1125)+`}}`)
	g.WaitTools("q_job")
	l := &lot{t: t, g: g, c: c}
	owner := gatewaytest.DialAs(t, l.g.Base, gatewaytest.Key, gatewaytest.R1125, gatewaytest.Able("owner"))
	made := owner.Call("tools/call", strings.TrimSuffix(quizSpec{Mark: "listed"}.headOf("q_job"), "}")+`,"task":{}}`)
	id := part(part(made.Result(), "task"), "taskId")
	if id == "" || id == `"task-1"` {
		t.Fatalf("no task was made: %s", made.Message)
	}
	if a := owner.Call("tasks/get", `{"taskId":`+id+`}`); part(a.Result(), "taskId") != id {
		t.Errorf("its owner asks for it: %s", a.Message)
	}
	stranger := gatewaytest.Dial(t, l.g.Base, keys(t, l.g, 1)[0], gatewaytest.R1125)
	for name, c := range map[string]*gatewaytest.Client{"owner": owner, "stranger": stranger} {
		if tasks := part(part(c.Greeting(), "capabilities"), "tasks"); part(tasks, "requests") == "" || part(tasks, "list") != "" {
			t.Errorf("%s was offered %s", name, tasks)
		}
		if a := c.Call("tasks/list", "{}"); part(a.Error(), "code") != "-32601" {
			t.Errorf("%s: %s", name, a.Message)
		}
	}
	if n := l.c.count("listed tasks"); n != 0 {
		t.Errorf("the backend was asked %d times", n)
	}
}
