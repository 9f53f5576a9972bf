package link_test

import (
	"context"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"drawbridge/internal/fault"
	"drawbridge/internal/secret"
	"drawbridge/internal/servers/ssh/link"
	"drawbridge/internal/servers/ssh/sshdtest"
)

// awaitEnd returns when a connection is over.
func awaitEnd(t *testing.T, c *link.Conn) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range 2000 {
		if c.Over() {
			return
		}
		<-tick.C
	}
	t.Fatal("the connection does not end")
}

func TestPool(t *testing.T) {
	t.Parallel()
	s := sshdtest.Start(t, sshdtest.Options{})
	var clock atomic.Int64
	pool := link.NewPool(slog.New(slog.DiscardHandler), func() time.Time { return time.Unix(clock.Load(), 0) })
	t.Cleanup(func() {
		if err := pool.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	h := s.Describe(t, "web1")
	h.AliveInterval, h.AliveMax = 20*time.Millisecond, 500
	target := targetOf(h, link.Login{Key: s.Key})
	get := func(target link.Target) *link.Conn {
		t.Helper()
		c, err := pool.Connect(t.Context(), target)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	// Many at once share one connection.
	var all sync.WaitGroup
	conns := make([]*link.Conn, 8)
	for i := range conns {
		all.Go(func() {
			var err error
			if conns[i], err = pool.Connect(t.Context(), target); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, c := range conns {
		if c != conns[0] {
			t.Fatal("they do not share a connection")
		}
	}
	// Somebody else, or with another secret, has another.
	other := target
	other.User = "ben"
	if get(other) == conns[0] {
		t.Error("two users share a connection")
	}
	if get(targetOf(h, link.Login{Password: secret.New(sshdtest.Password)})) == conns[0] {
		t.Error("a connection is shared with who has another secret")
	}
	// A password for sudo that was corrected is used from the next call on.
	corrected := get(targetOf(h, link.Login{Key: s.Key, Sudo: secret.New("made-up-sudo-password")}))
	if corrected == conns[0] || corrected.Login.Sudo.Reveal() != "made-up-sudo-password" {
		t.Error("a connection is shared with who has another password for sudo")
	}
	// One that nobody uses for long ends, and the next call gets another.
	clock.Add(3600)
	awaitEnd(t, conns[0])
	again := get(target)
	if again == conns[0] || says(t, again, "echo new") != "new\n" {
		t.Error("an idle connection does not end")
	}
	// A connection that broke is replaced.
	again.Close()
	awaitEnd(t, again)
	if says(t, get(target), "echo newer") != "newer\n" {
		t.Error("a broken connection is not replaced")
	}
	if err := pool.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Connect(t.Context(), target); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("after the end: %v", err)
	}
}

// between is a context that does something when it is first waited for: in Connect,
// after the caller has its slot and before it has its turn.
type between struct {
	context.Context
	do func()
}

func (b *between) Done() <-chan struct{} {
	if do := b.do; do != nil {
		b.do = nil
		do()
	}
	return b.Context.Done()
}

// A slot that somebody has and did not use yet is not swept: the connection made there
// would be known to nobody, and closing the pool would wait for it.
func TestPool_slotInUse(t *testing.T) {
	t.Parallel()
	s := sshdtest.Start(t, sshdtest.Options{})
	pool := newPool(t)
	target := targetOf(s.Describe(t, "web1"), link.Login{Key: s.Key})
	other := target
	other.User = "ben"
	first, err := pool.Connect(&between{t.Context(), func() {
		if _, err := pool.Connect(t.Context(), other); err != nil {
			t.Error(err)
		}
	}}, target)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close() // lets the pool end where this fails
	if again, err := pool.Connect(t.Context(), target); err != nil || again != first {
		t.Errorf("the connection is lost to the pool: %v", err)
	}
}

// wire passes bytes between a client and a host, and can go dead without closing.
type wire struct {
	addr string
	dead atomic.Bool // for the connections there are
	all  sync.WaitGroup
}

func newWire(t *testing.T, to string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{addr: l.Addr().String()}
	w.all.Go(func() {
		for n := 0; ; n++ {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			w.all.Go(func() { w.pass(in, out, n == 0) })
			w.all.Go(func() { w.pass(out, in, n == 0) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); w.all.Wait() })
	return w
}

func (w *wire) pass(from, to net.Conn, mayDie bool) {
	defer to.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if mayDie && w.dead.Load() {
			continue
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// A connection that died in silence, as through a router that forgot it, costs a few
// seconds and no error.
func TestPool_deadWire(t *testing.T) {
	t.Parallel()
	s := sshdtest.Start(t, sshdtest.Options{})
	w := newWire(t, s.Addr())
	var clock atomic.Int64
	h := s.Describe(t, "web1")
	_, port, err := net.SplitHostPort(w.addr)
	if err != nil {
		t.Fatal(err)
	}
	if h.Port, err = strconv.Atoi(port); err != nil {
		t.Fatal(err)
	}
	h.Pins = []string{ssh.FingerprintSHA256(s.Host)}
	pool := link.NewPool(slog.New(slog.DiscardHandler), func() time.Time { return time.Unix(clock.Load(), 0) })
	t.Cleanup(func() {
		if err := pool.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	target := targetOf(h, link.Login{Key: s.Key})
	first, err := pool.Connect(t.Context(), target)
	if err != nil || says(t, first, "echo one") != "one\n" {
		t.Fatal(err)
	}
	w.dead.Store(true)
	clock.Add(60)
	second, err := pool.Connect(t.Context(), target)
	if err != nil || second == first || says(t, second, "echo two") != "two\n" {
		t.Errorf("the same connection: %v, %v", second == first, err)
	}
}
