// Package durability_test kills the program under load, again and again, and looks
// for what it had promised: whatever was answered with success is there after the
// next start, whatever was ended stays ended, and no code is good twice. It also lets
// two processes race on one database.
//
// What is killed is the real binary, and its clients are plain HTTP. What was sent and
// not answered may have been done or not; either is taken, as long as it is one of
// the two.
package durability_test

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"drawbridge/internal/store/storetest"
	"drawbridge/test/harness"
)

var crashes = flag.Int("crashes", 20, "how many times the program is killed under load, per database")

// memberVariable tells a process that it is one of those that race.
const memberVariable = "DURABILITY_MEMBER"

func TestMain(m *testing.M) {
	if place := os.Getenv(memberVariable); place != "" {
		if err := member(place); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	harness.Main(m)
}

const password = "made up for a test 42"

// place is where the program runs, however often it is started.
type place struct {
	addr  string
	flags []string
	env   []string
}

func newPlace(t *testing.T, env ...string) *place {
	t.Helper()
	addr := harness.FreeAddr(t)
	return &place{addr, append([]string{"serve", "--listen", addr}, harness.Configure(t, nil)...), append(env,
		"OAUTH_PASSWORD="+password, "GATEWAY_STATIC_API_KEY="+harness.Key,
		// Every visitor has an address of its own, so that limits leave them alone.
		"DRAWBRIDGE_TRUSTED_PROXIES=127.0.0.1/32")}
}

// start starts the program on whatever the one before has left.
func (p *place) start(t *testing.T) *harness.Process {
	t.Helper()
	process := harness.Start(t, harness.Command(t, harness.Binary(t), p.flags, p.env...))
	process.Await(t, p.addr)
	return process
}

// kill -9 at random moments under load of registrations, consents, exchanges of codes
// and of refresh tokens, revocations and operations on keys: 0 acknowledged writes
// lost, 0 revoked credentials alive, 0 codes usable twice.
func TestDurability_crashes(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			var env []string
			if engine == "postgres" {
				env = append(env, "DATABASE_URL="+storetest.Postgres(t))
			}
			p := newPlace(t, env...)
			l := newLedger("http://"+p.addr, *crashes)
			for round := range *crashes {
				if !t.Run(fmt.Sprint(round), func(t *testing.T) {
					process := p.start(t)
					l.check(t)
					if !t.Failed() {
						newLoad(t, l).run(process)
					}
				}) {
					return // the next rounds would only repeat it
				}
			}
			t.Run("last", func(t *testing.T) {
				p.start(t)
				l.check(t)
				l.checkOld(t)
			})
			t.Logf("%s, killed %d times:\n%s", engine, *crashes, l)
			if n := l.counts[operations]; n < *crashes*10 {
				t.Errorf("only %d operations in %d rounds: little was tested", n, *crashes)
			}
			for _, what := range everything {
				if *crashes >= 20 && l.counts[what] == 0 {
					t.Errorf("no %s were checked", what)
				}
			}
		})
	}
}
