package gatewaytest_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"drawbridge/internal/gatewaytest"
)

// The crowd: each principal parks one call at its own process, the others over HTTP.
const (
	crowdPrincipals = 50
	crowdCalls      = 1000
	crowdLeft       = 100 // calls that nobody answers
	crowdTTL        = 40 * time.Second
	crowdMemory     = 64 << 10 // of one parked call, bytes
)

// ticket is a call that is parked, and whose.
type ticket struct {
	who  int
	spec quizSpec
	head string
	in   stopped
}

// 1,000 calls of 50 principals are parked at once and answered in random order: no
// question or answer is anybody else's, a parked call costs little, and what nobody
// answers is released in the end.
func TestBridge_crowd(t *testing.T) { // not parallel: it counts what the whole process holds
	c := newChronicle()
	g := gatewaytest.Run(t, fmt.Sprintf(`{"limits":{"park_ttl":%q},"mcpServers":{"h":%s,"p":%s}}`,
		crowdTTL, serveQuiz(t, c, gatewaytest.R1125), quizCommand(t, c, gatewaytest.R1125, `,"interactive":true`)))
	g.WaitTools("h_quiz", "p_quiz")
	l := &lot{t: t, g: g, c: c}
	crowd := l.principals()
	l.client = crowd[0]
	l.warm(crowd)
	theirs := costOfAnOpenCall(t)
	rested := holdings(t)
	before := inUse()

	random := rand.New(rand.NewPCG(4, 2026))
	tickets := l.parkAll(crowd, random)
	if n := len(l.parked(gatewaytest.Key)); n != crowdCalls {
		t.Fatalf("%d calls are parked", n)
	}
	idle(crowd) // what the clients' own connections hold is not meant
	each := (inUse() - before) / crowdCalls
	t.Logf("a parked call holds %d bytes, of them %d at the backend and in its connection's other end", each, theirs)
	most := int64(crowdMemory)
	if raceDetector {
		most = 2 * crowdMemory
	}
	if each-theirs > most {
		t.Errorf("a parked call costs %d bytes, more than %d", each-theirs, most)
	}
	if each < 1<<10 {
		t.Errorf("%d bytes: this measures nothing", each)
	}

	random.Shuffle(len(tickets), func(i, j int) { tickets[i], tickets[j] = tickets[j], tickets[i] })
	answered, left := tickets[crowdLeft:], tickets[:crowdLeft]
	inLanes(len(answered), func(i int) { l.comesBack(crowd, answered[i]) })
	if n := len(l.parked(gatewaytest.Key)); n != crowdLeft {
		t.Errorf("%d calls are parked, %d were left unanswered", n, crowdLeft)
	}
	if !gatewaytest.Poll(crowdTTL+awhile, func() bool { return len(l.parked(gatewaytest.Key)) == 0 }) {
		t.Errorf("%d calls have not expired", len(l.parked(gatewaytest.Key)))
	}
	l.empty()
	for _, one := range left {
		if got := c.of(one.spec.Mark, "answer"); len(got) != 1 || !strings.Contains(got[0], `{"action":"cancel"}`) {
			t.Errorf("%s, which nobody answered: its backend got %s", one.spec.Mark, got)
		}
		l.once(one.spec.Mark)
	}
	idle(crowd)
	rested.compare(t)
}

// principals makes users with a key and a client each.
func (l *lot) principals() (all []*gatewaytest.Client) {
	l.t.Helper()
	users := make([]string, crowdPrincipals)
	for i := range users {
		users[i] = "user" + strconv.Itoa(i)
	}
	for i, key := range keysOf(l.t, l.g, users...) {
		all = append(all, gatewaytest.DialAs(l.t, l.g.Base, key, gatewaytest.R2026, gatewaytest.Able(users[i])))
	}
	return all
}

// warm opens the session that each principal has at each backend.
func (l *lot) warm(crowd []*gatewaytest.Client) {
	l.t.Helper()
	inLanes(len(crowd), func(i int) {
		for _, backend := range []string{"h", "p"} {
			s := quizSpec{Mark: fmt.Sprint("warm", backend, i)}
			if a := crowd[i].Call("tools/call", s.head(backend)); !strings.Contains(a.Result(), `"how":"complete"`) {
				l.t.Errorf("%s: %d %s", s.Mark, a.Status, a.Message)
			}
		}
	})
	if l.t.Failed() {
		l.t.FailNow()
	}
	idle(crowd)
}

// parkAll parks all calls, from several clients at a time.
func (l *lot) parkAll(crowd []*gatewaytest.Client, random *rand.Rand) []ticket {
	l.t.Helper()
	tickets := make([]ticket, crowdCalls)
	for i, at := range random.Perm(crowdCalls) {
		who := i % crowdPrincipals
		mark := fmt.Sprintf("canary %d of principal %d.", i, who)
		backend := "h"
		if i < crowdPrincipals {
			backend = "p"
		}
		s := quizSpec{Mark: mark, Rounds: [][]quizQuestion{{questionFor(elicit, mark)}}}
		tickets[at] = ticket{who: who, spec: s, head: s.head(backend)}
	}
	inLanes(crowdCalls, func(i int) {
		one := &tickets[i]
		one.in = l.mayAsk(crowd[one.who].Call("tools/call", one.head))
		if len(one.in.InputRequests) == 1 && !strings.Contains(string(one.in.InputRequests[one.in.keys()[0]]), one.spec.Mark) {
			l.t.Errorf("%s was asked %s", one.spec.Mark, one.in.InputRequests)
		}
	})
	if l.t.Failed() {
		l.t.FailNow()
	}
	return tickets
}

// mayAsk is asks for goroutines that are not the test's own.
func (l *lot) mayAsk(a gatewaytest.Answer) (s stopped) {
	if s = readStopped(a); len(s.InputRequests) != 1 {
		l.t.Errorf("status %d, not one question: %s", a.Status, a.Message)
	}
	return s
}

// comesBack answers a parked call with its own canary, which must come back in its
// own result, alone.
func (l *lot) comesBack(crowd []*gatewaytest.Client, one ticket) {
	key := one.in.keys()
	if len(key) != 1 {
		return // it was told before
	}
	secret := "answer to " + one.spec.Mark
	a := crowd[one.who].Call("tools/call", onceMore(one.head, `{`+jsonString(key[0])+`:`+reply(jsonString(elicit), secret)+`}`, one.in.RequestState))
	if !strings.Contains(a.Result(), jsonString(secret)) || !strings.Contains(a.Result(), `"mark":`+jsonString(one.spec.Mark)) ||
		strings.Count(a.Message, "canary") != 3 { // of the call, of the question's id, of the answer
		l.t.Errorf("%s got %d %s", one.spec.Mark, a.Status, a.Message)
	}
	if got := l.c.of(one.spec.Mark, "answer"); len(got) != 1 || !strings.Contains(got[0], jsonString(secret)) {
		l.t.Errorf("the backend got for %s: %s", one.spec.Mark, got)
	}
	l.once(one.spec.Mark)
}

// inLanes does n things, 16 at a time.
func inLanes(n int, do func(i int)) {
	var work sync.WaitGroup
	next := make(chan int)
	for range 16 {
		work.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	work.Wait()
}

func idle(crowd []*gatewaytest.Client) {
	for _, c := range crowd {
		c.CloseIdle()
	}
}

// inUse is what the process holds of heap and stacks, without what is garbage.
func inUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // the first one only moves what pools hold to where the second finds it
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

// costOfAnOpenCall is what the fake backend holds of each call that waits at it over
// HTTP: the other end of the connection included, but nothing of the gateway's.
func costOfAnOpenCall(t *testing.T) int64 {
	t.Helper()
	const calls = 500
	c := newChronicle()
	entry := serveQuiz(t, c, gatewaytest.R1125)
	base, _, _ := strings.Cut(strings.TrimPrefix(entry, `{"url":"http://`), "/")
	session := greet(t, "http://"+base)
	before := inUse()
	conns := make([]net.Conn, calls)
	for i := range conns {
		conn, err := net.Dial("tcp", base)
		if err != nil {
			t.Fatal(err)
		}
		conns[i] = conn
		s := quizSpec{Mark: strconv.Itoa(i), Rounds: [][]quizQuestion{{questionFor(elicit, "a canary and a number.")}}}
		body := fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"quiz","arguments":%s}}`, i, s.raw())
		fmt.Fprintf(conn, "POST /mcp HTTP/1.1\r\nHost: %s\r\nMcp-Session-Id: %s\r\nContent-Length: %d\r\n\r\n%s", base, session, len(body), body)
	}
	if !gatewaytest.Poll(awhile, func() bool { return c.count("asked") == calls }) {
		t.Fatal("the calls do not arrive")
	}
	each := (inUse() - before) / calls
	for _, conn := range conns {
		_ = conn.Close() // the backend's own end stays until it is told
	}
	for i := range calls {
		c.order(strconv.Itoa(i), "die")
	}
	return each
}

// greet opens a session of the fake backend.
func greet(t *testing.T, base string) (session string) {
	t.Helper()
	const hello = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"raw","version":"1"}}}`
	res, err := http.Post(base+"/mcp", "application/json", strings.NewReader(hello))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return res.Header.Get("Mcp-Session-Id")
}
