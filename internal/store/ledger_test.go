package store_test

import (
	"encoding/hex"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/oauth"
	"drawbridge/internal/store"
)

// ledger is what the killed processes have said, see load. A thing is live, ending
// or ended: of one that is ending, the store may say either.
type ledger struct {
	state        map[string]string // by kind and id
	client       map[string]string // of a code or grant
	grant        map[string]string // of an access token, refresh token or spent code
	acknowledged int

	round map[string]bool // things that are looked at in this round
}

// again is how many things of earlier rounds are looked at once more.
const again = 40

func newLedger() *ledger {
	return &ledger{state: map[string]string{}, client: map[string]string{}, grant: map[string]string{}}
}

// begin starts a round: some of the old things, and whatever is said now.
func (l *ledger) begin() {
	l.round = map[string]bool{}
	all := slices.Collect(maps.Keys(l.state))
	for range min(again, len(all)) {
		l.round[all[rand.IntN(len(all))]] = true
	}
}

// beginLast looks at everything once more.
func (l *ledger) beginLast() {
	for thing := range l.state {
		l.round[thing] = true
	}
}

func (l *ledger) note(line string) {
	f := strings.Fields(line)
	switch f[0] {
	case "live", "ending", "ended":
		l.set(f[1]+" "+f[2], f[0])
		if len(f) > 3 {
			l.client[f[1]+" "+f[2]] = f[3]
		}
	case "tokens":
		grant, client, access, refresh, spent := "grant "+f[1], f[2], "access "+f[3], "refresh "+f[4], f[5]+" "+f[6]
		l.client[grant] = client
		for _, thing := range []string{access, refresh, spent} {
			l.grant[thing] = grant
		}
		if l.state[grant] == "" {
			l.set(grant, "live")
		}
		l.set(spent, "ended")
		l.set(refresh, "live")
		l.set(access, "live") // for as long as its grant
	}
	if f[0] != "ending" {
		l.acknowledged++
	}
}

func (l *ledger) set(thing, state string) {
	l.state[thing] = state
	l.round[thing] = true
}

// check compares the store with what was said.
func (l *ledger) check(t *testing.T, s *store.Store) {
	t.Helper()
	keys, err := s.Keys(t.Context())
	must(t, err)
	found := map[string]string{}
	for _, k := range keys {
		found["key "+k.ID] = map[string]string{"live": "live", "revoked": "ended"}[k.Status(time.Now())]
	}
	for _, kind := range []string{"key", "client", "access", "grant", "refresh", "code"} { // those last that end others
		for _, thing := range slices.Sorted(maps.Keys(l.round)) {
			id, ok := strings.CutPrefix(thing, kind+" ")
			if !ok {
				continue
			}
			switch kind {
			case "key":
				l.same(t, thing, found[thing])
			case "client":
				l.same(t, thing, l.clientState(t, s, id))
			case "access":
				l.same(t, l.grant[thing], l.accessState(t, s, id))
			case "grant":
				l.same(t, thing, l.grantState(t, s, id))
			case "refresh":
				l.checkRefresh(t, s, thing, id)
			case "code":
				l.checkCode(t, s, thing, id)
			}
		}
	}
}

// same compares what was said of a thing with what was found. One that was found
// ended has to stay so.
func (l *ledger) same(t *testing.T, thing, found string) {
	t.Helper()
	said := l.state[thing]
	if found != said && (said != "ending" || found == "") {
		t.Errorf("%s was said to be %s and is %q", thing, said, found)
	}
	if found == "ended" {
		l.state[thing] = found
	}
}

func (l *ledger) clientState(t *testing.T, s *store.Store, id string) string {
	_, err := s.Client(t.Context(), id)
	return stateOf(t, err)
}

func (l *ledger) accessState(t *testing.T, s *store.Store, id string) string {
	_, err := s.LiveToken(t.Context(), unhex(t, id))
	return stateOf(t, err)
}

func (l *ledger) grantState(t *testing.T, s *store.Store, id string) string {
	g, err := s.Grant(t.Context(), id)
	must(t, err)
	return map[bool]string{true: "live", false: "ended"}[g.Live(time.Now())]
}

func stateOf(t *testing.T, err error) string {
	t.Helper()
	if fault.CodeOf(err) == fault.NotFound {
		return "ended"
	}
	must(t, err)
	return "live"
}

// checkRefresh uses a refresh token: at most once, if its grant lives; a spent one
// ends the grant. It spends a few only, because what it spends is gone.
func (l *ledger) checkRefresh(t *testing.T, s *store.Store, thing, id string) {
	t.Helper()
	grant := l.grant[thing]
	if grant == "" { // it was about to be spent when the process was killed, and came before
		return
	}
	said, hash := l.state[thing], unhex(t, id)
	if l.state[grant] == "live" && rand.IntN(4) > 0 {
		return
	}
	late := time.Now().Add(2 * oauth.ReplayWindow) // of a spent one, that no answer is given again
	first, second := rotation(l.client[grant], hash, late), rotation(l.client[grant], hash, late.Add(2*oauth.ReplayWindow))
	_, err := s.Rotate(t.Context(), first)
	if got := word(err); l.state[grant] == "live" && (said == "live") != (got == "") && said != "ending" ||
		l.state[grant] == "ended" && got != "invalid_grant" {
		t.Errorf("%s was said to be %s, its %s %s: %v", thing, said, grant, l.state[grant], err)
	}
	if _, err := s.Rotate(t.Context(), second); word(err) != "invalid_grant" {
		t.Errorf("%s is good for a second time: %v", thing, err)
	}
	l.set(thing, "ended")
	l.ended(t, s, grant)
	if isLive(t, s, first.Minted.Access) || isLive(t, s, second.Minted.Access) {
		t.Errorf("what came of %s lives on", thing)
	}
}

// checkCode redeems a code twice: it is good once at most, whatever the killed
// process got of it, and then for nothing at all.
func (l *ledger) checkCode(t *testing.T, s *store.Store, thing, id string) {
	t.Helper()
	said, hash := l.state[thing], unhex(t, id)
	client := l.state["client "+l.client[thing]]
	m := minted(time.Now())
	var made account.Grant
	for try := range 2 {
		g, err := s.RedeemCode(t.Context(), hash, time.Now(), allow, give(m))
		switch {
		case err == nil && (try > 0 || said == "ended" || client == "ended"):
			t.Errorf("%s was said to be %s and is good at try %d", thing, said, try+1)
		case err != nil && try == 0 && said == "live" && client == "live":
			t.Errorf("%s was said to be live: %v", thing, err)
		case err == nil:
			made = g
		}
	}
	if made.ID != "" && isLive(t, s, m.Access) {
		t.Errorf("%s was presented twice and its grant lives", thing)
	}
	l.set(thing, "ended")
	if l.grant[thing] != "" {
		l.ended(t, s, l.grant[thing])
	}
}

// ended checks that a grant is dead after what was done with its tokens.
func (l *ledger) ended(t *testing.T, s *store.Store, grant string) {
	t.Helper()
	if got := l.grantState(t, s, strings.TrimPrefix(grant, "grant ")); got != "ended" {
		t.Errorf("%s is %s although a spent code or token of it was presented", grant, got)
	}
	l.set(grant, "ended")
}

func unhex(t *testing.T, text string) (hash [32]byte) {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(hash) {
		t.Fatalf("hash %q: %v", text, err)
	}
	copy(hash[:], b)
	return hash
}
