package durability_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"drawbridge/internal/gatewaytest"
	"drawbridge/test/harness"
)

// How much of each kind a round does at most. A password takes its time, and is not
// tried often.
const (
	maxEntries = 12
	maxKeys    = 40
	maxIdle    = 20
	// maxIdleAll bounds the registrations that nobody uses: of too many of them, the
	// program is to forget some.
	maxIdleAll = 2000
)

// load is what is asked of the program until it is killed.
type load struct {
	t        *testing.T
	l        *ledger
	visitors chan *visitor // that wait for their next request
	killed   atomic.Bool   // or just about to be
	entries  atomic.Int64
}

func newLoad(t *testing.T, l *ledger) *load {
	w := &load{t: t, l: l, visitors: make(chan *visitor, 1000)}
	for _, v := range l.visitors {
		w.visitors <- v
	}
	return w
}

// run loads the program and kills it at a random moment.
func (w *load) run(process *harness.Process) {
	var work sync.WaitGroup
	for _, do := range []func() bool{w.enter, w.enter, w.visit, w.visit, w.visit, w.register, w.makeKey, w.makeKey} {
		work.Go(func() { // ends with the program
			for do() {
			}
		})
	}
	// Not a wait for something: the moment of the kill is meant to be arbitrary.
	time.Sleep(time.Duration(100+rand.IntN(800)) * time.Millisecond)
	w.killed.Store(true)
	if err := syscall.Kill(process.PID, syscall.SIGKILL); err != nil {
		w.t.Errorf("kill: %v", err)
	}
	process.AwaitEnd(w.t)
	work.Wait()
	if out := process.Output(); strings.Contains(out, "panic") || strings.Contains(out, "level=ERROR") || strings.Contains(out, `"level":"ERROR"`) {
		w.t.Errorf("it said %s", out)
	}
}

// answered takes an answer that has to be of a status; false when none came, because
// the program was killed.
func (w *load) answered(status int) func(a gatewaytest.Reply, err error) (gatewaytest.Reply, bool) {
	w.t.Helper()
	return func(a gatewaytest.Reply, err error) (gatewaytest.Reply, bool) {
		w.t.Helper()
		if err != nil {
			if !w.killed.Load() {
				w.t.Errorf("no answer from a program that lives: %v", err)
			}
			return a, false
		}
		if a.Status != status {
			w.t.Errorf("%d, want %d: %s", a.Status, status, a.Body)
			return a, false
		}
		return a, true
	}
}

// enter lets one more visitor in.
func (w *load) enter() bool {
	if w.entries.Add(1) > maxEntries {
		return false
	}
	ctx, v := w.t.Context(), &visitor{from: w.l.address()}
	d := w.l.door(v.from)
	a, ok := w.answered(http.StatusCreated)(d.Register(ctx, "Visitor", "none"))
	if !ok {
		return false
	}
	v.Client, v.Verifier = a.Get("client_id"), strings.Repeat("verifier-", 6)
	add(w.l, &w.l.clients, v.Client)
	page, err := d.Ask(ctx, v.Client, v.Verifier, nil)
	if _, ok = w.answered(http.StatusOK)(page.Reply, err); !ok {
		return false
	}
	v.page, v.issued = page, time.Now()
	// The person always comes from the same place, which the program gets to know.
	if a, ok = w.answered(http.StatusSeeOther)(w.l.door("").Allow(ctx, page, password, nil)); !ok {
		return false
	}
	v.Code = a.Back().Get("code")
	add(w.l, &w.l.visitors, v)
	w.visitors <- v
	return true
}

// visit does the next thing for one of the visitors.
func (w *load) visit() bool {
	var v *visitor
	select {
	case v = <-w.visitors:
	case <-time.After(5 * time.Millisecond):
		return !w.killed.Load()
	}
	if v.redeemed == unsent {
		if rand.IntN(4) == 0 {
			return true // it stays away, and picks its code up after the next start
		}
		if !w.redeem(v) {
			return false
		}
	} else if !w.next(v) {
		return false
	}
	if v.ended == unsent {
		w.visitors <- v
	}
	return true
}

func (w *load) redeem(v *visitor) bool {
	v.redeemed = sent
	a, ok := w.answered(http.StatusOK)(w.l.door(v.from).Redeem(w.t.Context(), v.Client, v.Code, v.Verifier))
	if ok {
		v.redeemed = done
		v.took(a, "")
		w.l.count(operations)
	}
	return ok
}

// next is what a visitor does that has tokens.
func (w *load) next(v *visitor) bool {
	ctx, d := w.t.Context(), w.l.door(v.from)
	switch rand.IntN(80) {
	case 0:
		return w.end(v, http.StatusOK, func() (gatewaytest.Reply, error) { return d.Revoke(ctx, v.Client, v.Refresh) })
	case 1:
		return w.end(v, http.StatusOK, func() (gatewaytest.Reply, error) { return d.Revoke(ctx, v.Client, v.Access) })
	case 2: // a code that comes a second time ends what came of it
		return w.end(v, http.StatusBadRequest, func() (gatewaytest.Reply, error) { return d.Redeem(ctx, v.Client, v.Code, v.Verifier) })
	case 3:
		a, ok := w.answered(http.StatusOK)(d.JSON(ctx, "GET", "/grants", harness.Key, ""))
		if !ok {
			return false
		}
		id := grantIn(a.Body, v.Client)
		if id == "" {
			w.t.Errorf("%s has no live grant, and works", v.Client)
			return false
		}
		return w.end(v, http.StatusNoContent, func() (gatewaytest.Reply, error) { return d.JSON(ctx, "DELETE", "/grants/"+id, harness.Key, "") })
	case 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15:
		_, ok := w.answered(http.StatusOK)(d.List(ctx, v.Access))
		return ok
	}
	v.rotating = true
	a, err := d.Refresh(ctx, v.Client, v.Refresh)
	if err == nil && a.Status == http.StatusTooManyRequests {
		v.rotating = false // it did so thirty times
		return true
	}
	a, ok := w.answered(http.StatusOK)(a, err)
	if ok {
		v.took(a, v.Refresh)
		w.l.count(operations)
	}
	return ok
}

// end ends a visitor's grant.
func (w *load) end(v *visitor, status int, request func() (gatewaytest.Reply, error)) bool {
	v.ended = sent
	_, ok := w.answered(status)(request())
	if ok {
		v.ended = done
		w.l.count(operations)
	}
	return ok
}

// grantIn is the id of a client's live grant in a list.
func grantIn(body, client string) string {
	var list struct {
		Grants []struct{ ID, Client, Status string }
	}
	if json.Unmarshal([]byte(body), &list) != nil {
		return ""
	}
	for _, g := range list.Grants {
		if g.Client == client && g.Status == "live" {
			return g.ID
		}
	}
	return ""
}

// register registers a client that never comes back.
func (w *load) register() bool {
	for range min(maxIdle, maxIdleAll/w.l.rounds) {
		a, ok := w.answered(http.StatusCreated)(w.l.door(w.l.address()).Register(w.t.Context(), "Idle", "none"))
		if !ok {
			return false
		}
		add(w.l, &w.l.clients, a.Get("client_id"))
	}
	return false
}

// makeKey makes a few keys, uses some and ends some.
func (w *load) makeKey() bool {
	ctx, d := w.t.Context(), w.l.door("")
	for range maxKeys / 2 {
		a, ok := w.answered(http.StatusCreated)(d.JSON(ctx, "POST", "/keys", harness.Key, fmt.Sprintf(`{"name":"key %x"}`, rand.Uint64())))
		if !ok {
			return false
		}
		var made struct {
			Key   struct{ ID string }
			Value string
		}
		if err := json.Unmarshal([]byte(a.Body), &made); err != nil {
			w.t.Errorf("%s: %v", a.Body, err)
		}
		k := &key{id: made.Key.ID, value: made.Value}
		add(w.l, &w.l.keys, k)
		if rand.IntN(2) == 0 {
			if _, ok := w.answered(http.StatusOK)(d.List(ctx, k.value)); !ok {
				return false
			}
		}
		if rand.IntN(3) > 0 {
			k.ended = sent
			if _, ok := w.answered(http.StatusOK)(d.JSON(ctx, "POST", "/keys/revoke", harness.Key, fmt.Sprintf(`{"key":%q}`, k.id))); !ok {
				return false
			}
			k.ended = done
			w.l.count(operations)
		}
	}
	return false
}
