package durability_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"drawbridge/internal/app"
	"drawbridge/internal/config"
	"drawbridge/internal/gatewaytest"
	"drawbridge/internal/route"
	"drawbridge/internal/secret"
	"drawbridge/internal/store"
	"drawbridge/internal/store/storetest"
)

// How many race for one token or code, and how often.
const (
	racing = 200
	races  = 5
)

// member is one of the processes that race: the program as it is built, but for its
// listener, which would take the lock that lets one serve at a time have a database.
// It says where it listens, and ends with its input.
func member(place string) error {
	dir, database, _ := strings.Cut(place, "\n")
	cfg, _, err := config.Load(config.Source{Dir: dir, Flags: map[string]string{"state-dir": dir},
		Environ: []string{"DATABASE_URL=" + database, "OAUTH_PASSWORD=" + password, "OAUTH_ISSUER_URL=http://localhost:4444"}})
	if err != nil {
		return err
	}
	ctx := context.Background()
	a, err := app.New(ctx, slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})), cfg, app.Options{})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	for _, r := range a.Routes() {
		if r.Policy == route.Public {
			mux.HandleFunc(r.Pattern, func(w http.ResponseWriter, req *http.Request) {
				from, _ := netip.ParseAddr(req.Header.Get("X-Forwarded-For")) // as behind a trusted proxy
				r.Handler.ServeHTTP(w, req.WithContext(route.WithPeer(req.Context(), route.Peer{Addr: from})))
			})
		}
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() { _ = s.Serve(ln) }() // ends with Close
	fmt.Println("http://" + ln.Addr().String())
	_, err = io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, s.Close(), a.Stop(ctx))
}

// startMember starts another process on a database, and gives its door.
func startMember(t *testing.T, cfg store.Config) *gatewaytest.Door {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), memberVariable+"="+cfg.StateDir+"\n"+cfg.URL.Reveal())
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close() // the end of the process
		if err := cmd.Wait(); err != nil {
			t.Errorf("a racing process: %v", err)
		}
	})
	base, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("a racing process did not start: %v", err)
	}
	return gatewaytest.NewDoor(strings.TrimSpace(base))
}

// rally is two processes on one database, and a look at it.
type rally struct {
	t     *testing.T
	doors [2]*gatewaytest.Door
	store *store.Store
}

func newRally(t *testing.T) *rally {
	t.Helper()
	cfg := store.Config{StateDir: t.TempDir(), URL: secret.New(storetest.Postgres(t))}
	return &rally{t, [2]*gatewaytest.Door{startMember(t, cfg), startMember(t, cfg)}, storetest.Open(t, cfg)}
}

// from is the same two doors, for whoever comes from an address.
func (r *rally) from(i int) [2]*gatewaytest.Door {
	doors := r.doors
	for k, d := range doors {
		doors[k] = &gatewaytest.Door{Base: d.Base, HTTP: d.HTTP, From: fmt.Sprintf("10.0.%d.%d", i>>8, i&255)}
	}
	return doors
}

// people is where they sit who let programs in: few places, or the program would wait
// before it tries the password of yet another stranger.
const people = 10_000

// enter lets a program in, at the first process.
func (r *rally) enter(i int) gatewaytest.Visitor {
	r.t.Helper()
	v, err := r.from(people + i/10)[0].Enter(r.t.Context(), "", password, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return v
}

// race sends n requests at once, by turns to each process.
func (r *rally) race(n int, request func(i int, d *gatewaytest.Door) (gatewaytest.Reply, error)) []gatewaytest.Reply {
	r.t.Helper()
	answers := make([]gatewaytest.Reply, n)
	ready := make(chan struct{})
	var work sync.WaitGroup
	for i := range n {
		d := r.from(i)[i%2]
		work.Go(func() {
			<-ready
			var err error
			if answers[i], err = request(i, d); err != nil {
				r.t.Error(err)
			}
		})
	}
	close(ready)
	work.Wait()
	return answers
}

// tally sorts answers: the different refresh tokens that were given out, and how many
// answers had one, were refused, or were told to wait.
func (r *rally) tally(answers []gatewaytest.Reply) (tokens []string, good, refused, waiting int) {
	r.t.Helper()
	for _, a := range answers {
		switch {
		case a.Status == http.StatusOK:
			good++
			tokens = append(tokens, a.Get("refresh_token"))
		case a.Get("error") == "invalid_grant":
			refused++
		case a.Status == http.StatusTooManyRequests:
			waiting++
		default:
			r.t.Errorf("%d %s", a.Status, a.Body)
		}
	}
	slices.Sort(tokens)
	return slices.Compact(tokens), good, refused, waiting
}

// chains counts the refresh tokens, of all that were given out, that could go on.
func (r *rally) chains(tokens []string) int {
	r.t.Helper()
	live := 0
	for _, token := range tokens {
		found, err := r.store.RefreshToken(r.t.Context(), secret.Hash(token))
		if err != nil {
			r.t.Errorf("a token that was given out is not there: %v", err)
		} else if !found.Used && found.Grant.Live(time.Now()) {
			live++
		}
	}
	return live
}

// 200 refreshes race over two processes on one PostgreSQL database. With one token, all
// get the same answer and one chain goes on; with a token and the one before it, at
// most one does.
func TestRace_refreshes(t *testing.T) {
	t.Parallel()
	r := newRally(t)
	var good, refused, waiting, alive int
	for i := range races {
		v := r.enter(i)
		answers := r.race(racing, func(_ int, d *gatewaytest.Door) (gatewaytest.Reply, error) {
			return d.Refresh(t.Context(), v.Client, v.Refresh)
		})
		tokens, g, no, w := r.tally(answers)
		good, waiting = good+g, waiting+w
		if len(tokens) != 1 || no > 0 || r.chains(tokens) != 1 {
			t.Fatalf("race %d: %d different refresh tokens, %d live chains; %d answers, %d refused, %d told to wait", i, len(tokens), r.chains(tokens), g, no, w)
		}
		// The token before is as good as stolen, once its successor was used.
		next := r.enter(races + i)
		first, err := r.from(i)[1].Refresh(t.Context(), next.Client, next.Refresh)
		if err != nil || first.Status != http.StatusOK {
			t.Fatalf("refresh at the other process: %d %s %v", first.Status, first.Body, err)
		}
		answers = r.race(racing, func(i int, d *gatewaytest.Door) (gatewaytest.Reply, error) {
			if i%4 < 2 {
				return d.Refresh(t.Context(), next.Client, next.Refresh)
			}
			return d.Refresh(t.Context(), next.Client, first.Get("refresh_token"))
		})
		tokens, _, no, w = r.tally(append(answers, first))
		refused, waiting = refused+no, waiting+w
		live := r.chains(tokens)
		alive += live
		if len(tokens) > 2 || live > 1 || live == 1 && no > 0 {
			t.Fatalf("race %d with the token before: %d different refresh tokens, %d live chains, %d refused", i, len(tokens), live, no)
		}
	}
	t.Logf("%d races of %d refreshes with one token: one live chain after each, %d the same answer; %d with the token before it: %d live chains, %d refused; %d in all told to wait",
		races, racing, good, races, alive, refused, waiting)
}

// 64 redemptions of one code race over two processes: one succeeds, and since others
// came after it, what it got is of no use.
func TestRace_codes(t *testing.T) {
	t.Parallel()
	r := newRally(t)
	ctx := t.Context()
	for i := range races {
		v := r.enter(i) // for its client
		page, err := r.doors[0].Ask(ctx, v.Client, v.Verifier, nil)
		if err != nil {
			t.Fatal(err)
		}
		a, err := r.from(people)[1].Allow(ctx, page, password, nil) // which process made the page does not matter
		if err != nil || a.Status != http.StatusSeeOther {
			t.Fatalf("consent: %d %s %v", a.Status, a.Body, err)
		}
		code := a.Back().Get("code")
		answers := r.race(64, func(_ int, d *gatewaytest.Door) (gatewaytest.Reply, error) {
			return d.Redeem(ctx, v.Client, code, v.Verifier)
		})
		tokens, good, refused, _ := r.tally(answers)
		if good != 1 || refused != 63 || r.chains(tokens) != 0 {
			t.Errorf("code %d: %d redeemed, %d refused, %d live chains", i, good, refused, r.chains(tokens))
		}
	}
	t.Logf("%d codes, redeemed by 64 at once over two processes: one success each, and no live chain", races)
}
