package durability_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"drawbridge/internal/gatewaytest"
)

// stage is how far something came that the program was asked to do.
type stage int

const (
	unsent stage = iota
	sent         // and not answered
	done         // answered with success
)

// visitor is a program that was let in: what one consent has become. One goroutine
// has it at a time.
type visitor struct {
	gatewaytest.Visitor
	from string // its address

	page     gatewaytest.Page // that was answered
	issued   time.Time        // the code
	redeemed stage
	got      time.Time // the tokens
	before   string    // the refresh token that they were given for; "" for the code
	answer   string    // that brought them
	rotating bool      // the present refresh token was sent, and not answered
	ended    stage
}

// took takes the tokens of an answer.
func (v *visitor) took(a gatewaytest.Reply, before string) {
	v.Access, v.Refresh = a.Get("access_token"), a.Get("refresh_token")
	v.got, v.before, v.answer, v.rotating = time.Now(), before, a.Body, false
}

// fresh is how old a code may be to be redeemed, and an exchange to be repeated: both
// are good for a minute, of which a start on a slow machine takes some.
func fresh(t time.Time) bool { return time.Since(t) < 40*time.Second }

// key is an API key. One goroutine has it at a time.
type key struct {
	id, value string
	ended     stage
}

// ledger is what the program has acknowledged.
type ledger struct {
	base   string
	rounds int

	mu       sync.Mutex // guards what follows
	http     *http.Client
	clients  []string   // registered since the last check, or of a visitor
	visitors []*visitor // let in since the last check, or still there
	keys     []*key     // made since the last check
	given    int        // addresses
	counts   map[string]int

	old struct { // what was checked, to be looked at once more in the end
		clients, gone []string // gone: deleted
		visitors      []*visitor
		keys          []*key
	}
}

// What is counted.
const (
	operations     = "operations acknowledged under load"
	foundClients   = "registered clients found"
	goneClients    = "deleted clients gone"
	goodCodes      = "codes good once"
	goodAccess     = "access tokens good"
	goodRefresh    = "refresh tokens good"
	sameAnswers    = "exchanges repeated with the same answer"
	goodKeys       = "keys good"
	deadVisitors   = "revoked grants refused"
	deadKeys       = "revoked keys refused"
	usedCodes      = "used codes refused"
	usedPages      = "answered consent pages refused"
	unsureCodes    = "exchanges of codes cut off"
	unsureRefresh  = "exchanges of refresh tokens cut off"
	unsureVisitors = "revocations of grants cut off"
	unsureKeys     = "revocations of keys cut off"
	secondLook     = "of all these, looked at once more after the last kill"
)

var everything = []string{operations, foundClients, goodCodes, goodAccess, goodRefresh, sameAnswers, goodKeys,
	deadVisitors, deadKeys, goneClients, usedCodes, usedPages}

// rest is counted, too: what the moment of a kill decides, and the second look.
var rest = []string{unsureCodes, unsureRefresh, unsureVisitors, unsureKeys, secondLook}

func newLedger(base string, rounds int) *ledger {
	return &ledger{base: base, rounds: rounds, counts: map[string]int{}}
}

// String is the totals.
func (l *ledger) String() string {
	var b strings.Builder
	for _, what := range append(everything, rest...) {
		fmt.Fprintf(&b, "%8d %s\n", l.counts[what], what)
	}
	return b.String()
}

// begin forgets connections to a process that is gone.
func (l *ledger) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.http = gatewaytest.NewDoor("").HTTP
}

// door is where somebody of an address comes in.
func (l *ledger) door(from string) *gatewaytest.Door {
	l.mu.Lock()
	defer l.mu.Unlock()
	return &gatewaytest.Door{Base: l.base, HTTP: l.http, From: from}
}

// address is one that nobody has.
func (l *ledger) address() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.given++
	return fmt.Sprintf("10.%d.%d.%d", l.given>>16, l.given>>8&255, l.given&255)
}

func (l *ledger) count(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts[what]++
}

// add writes something down that was acknowledged.
func add[T any](l *ledger, list *[]T, one T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	*list = append(*list, one)
	l.counts[operations]++
}

// all runs f for each of a list, a few at a time.
func all[T any](list []T, f func(T)) {
	next := make(chan T)
	var work sync.WaitGroup
	for range 6 {
		work.Go(func() { // ends with the list
			for one := range next {
				f(one)
			}
		})
	}
	for _, one := range list {
		next <- one
	}
	close(next)
	work.Wait()
}
