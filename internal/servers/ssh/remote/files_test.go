package remote_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/ssh/link"
	"drawbridge/internal/servers/ssh/remote"
	"drawbridge/internal/servers/ssh/sshdtest"
)

func TestCheckPath(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"/a/../b": "/b", "/": "/", "~": ".", "~/a/b": "a/b", "/tmp/$(id)": "/tmp/$(id)", "~/": "."} {
		if got, err := remote.CheckPath(in); err != nil || got != want {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	// T20.
	for _, in := range []string{"", "a", "; rm", "$(id)", "/a\x00b", "/a\nb", "~/../x", "~root/x", "../x", "-rf", "/\xff", "/" + strings.Repeat("x", 5000)} {
		if got, err := remote.CheckPath(in); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%.20q: %q, %v", in, got, err)
		}
	}
}

func everywhere(string) error { return nil }

func replaced(with string) func([]byte, bool) ([]byte, error) {
	return func([]byte, bool) ([]byte, error) { return []byte(with), nil }
}

func TestFiles(t *testing.T) {
	t.Parallel()
	s := sshdtest.Start(t, sshdtest.Options{})
	c := connect(t, targetOf(s.Describe(t, "web1"), link.Login{Key: s.Key}))
	in := func(name string) string { return filepath.Join(s.Home, name) }
	put := func(name, content string) string {
		run(t, c, remote.Command{Text: `mkdir -p "$(dirname "$F")"; cat >"$F"`, Env: map[string]string{"F": in(name)}, Stdin: content})
		return in(name)
	}
	code := func(err error, want fault.Code) {
		t.Helper()
		if fault.CodeOf(err) != want {
			t.Errorf("%v, wanted %s", err, want)
		}
	}

	t.Run("list", func(t *testing.T) {
		for _, n := range []string{"l/a.txt", "l/b.log", "l/sub/c.txt", "l/sub/deep/d.txt"} {
			put(n, n)
		}
		names := func(depth int, glob string, limit int) (all []string, more bool) {
			found, more, err := c.List(t.Context(), remote.Listing{Path: in("l"), Depth: depth, Glob: glob, Limit: limit})
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range found {
				all = append(all, strings.TrimPrefix(e.Path, in("l")+"/"))
			}
			return all, more
		}
		got, more := names(1, "", 10)
		if diff := cmp.Diff([]string{"a.txt", "b.log", "sub"}, got); diff != "" || more {
			t.Error(diff, more)
		}
		got, _ = names(3, "*.txt", 10)
		if diff := cmp.Diff([]string{"a.txt", "sub/c.txt", "sub/deep/d.txt"}, got); diff != "" {
			t.Error(diff)
		}
		if got, more := names(3, "", 2); len(got) != 2 || !more {
			t.Error(got, more)
		}
		_, _, err := c.List(t.Context(), remote.Listing{Path: "/none", Depth: 1, Limit: 1})
		code(err, fault.NotFound)
		_, _, err = c.List(t.Context(), remote.Listing{Path: "/root", Depth: 1, Limit: 1})
		code(err, fault.Forbidden)
		_, _, err = c.List(t.Context(), remote.Listing{Path: in("l"), Depth: 1, Glob: "[", Limit: 1})
		code(err, fault.Invalid)
	})
	t.Run("read", func(t *testing.T) {
		f := put("r", "0123456789")
		for _, r := range []struct {
			offset int64
			size   int
			want   string
		}{{0, 4, "0123"}, {8, 4, "89"}, {-3, 2, "78"}, {20, 4, ""}} {
			if got, err := c.Read(t.Context(), remote.Reading{Path: f, Offset: r.offset, Size: r.size}); err != nil || string(got.Data) != r.want || got.Entry.Size != 10 {
				t.Errorf("%+v: %q, %v", r, got.Data, err)
			}
		}
		_, err := c.Read(t.Context(), remote.Reading{Path: s.Home, Size: 1})
		code(err, fault.Invalid)
		_, err = c.Read(t.Context(), remote.Reading{Path: "/etc/shadow", Size: 1})
		code(err, fault.Forbidden)
		only := func(fits string) remote.Allowed {
			return func(resolved string) error {
				if resolved == in(fits) {
					return nil
				}
				return fault.New(fault.Forbidden, "Only one may be read.")
			}
		}
		run(t, c, remote.Command{Text: `ln -s r link; ln -s "$PWD" home`})
		for _, p := range []string{"r", f, "link", in("home/r")} { // what counts is where a path leads
			if got, err := c.Read(t.Context(), remote.Reading{Path: p, Size: 1, Allowed: only("r")}); err != nil || string(got.Data) != "0" {
				t.Errorf("%s: %+v, %v", p, got, err)
			}
			if real, err := c.Resolve(t.Context(), p, only("r")); err != nil || real != f {
				t.Errorf("%s leads to %s, %v", p, real, err)
			}
			_, err := c.Read(t.Context(), remote.Reading{Path: p, Size: 1, Allowed: only("link")})
			code(err, fault.Forbidden)
			_, err = c.Resolve(t.Context(), p, only("link"))
			code(err, fault.Forbidden)
		}
		if e, err := c.Stat(t.Context(), in("home/link"), only("link")); err != nil || e.Target != "r" {
			t.Errorf("%+v, %v", e, err)
		}
		_, err = c.Stat(t.Context(), in("home/link"), only("r"))
		code(err, fault.Forbidden)
		if found, _, err := c.List(t.Context(), remote.Listing{Path: ".", Depth: 1, Limit: 9, Allowed: only("link")}); err != nil || len(found) != 1 || found[0].Path != in("link") {
			t.Errorf("%+v, %v", found, err)
		}
		for _, p := range []string{in("l"), in("none")} {
			_, _, err = c.List(t.Context(), remote.Listing{Path: p, Depth: 1, Limit: 9, Allowed: only("link")})
			code(err, fault.Forbidden)
		}
		if got, err := c.Read(t.Context(), remote.Reading{Path: "r", Size: 1}); err != nil || string(got.Data) != "0" {
			t.Errorf("below the home folder: %+v, %v", got, err)
		}
	})
	t.Run("write", func(t *testing.T) {
		f := put("w", "one\n")
		run(t, c, remote.Command{Text: `chmod 640 "$F"`, Env: map[string]string{"F": f}})
		got, err := c.Edit(t.Context(), remote.Edit{Path: f, Allowed: everywhere, Change: replaced("two\n"), ExpectedSHA: remote.SHA([]byte("one\n")), Backup: true, BackupEnding: ".bak"})
		if err != nil || string(got.Old) != "one\n" || got.SHA != remote.SHA([]byte("two\n")) {
			t.Fatalf("%+v, %v", got, err)
		}
		if out := run(t, c, remote.Command{Text: `cat w w.bak; stat -c %a-%U w; ls -A | grep drawbridge`}); out.Stdout.Text != "two\none\n640-tester\n" {
			t.Errorf("%q", out.Stdout.Text)
		}
		for name, e := range map[string]remote.Edit{
			"other content": {ExpectedSHA: remote.SHA([]byte("one\n"))}, "is there": {MustNotExist: true}, "other time": {ExpectedTime: time.Unix(1, 0)},
		} {
			e.Path, e.Allowed, e.Change = f, everywhere, replaced("x")
			if _, err := c.Edit(t.Context(), e); fault.CodeOf(err) != fault.Conflict {
				t.Errorf("%s: %v", name, err)
			}
		}
		_, err = c.Edit(t.Context(), remote.Edit{Path: in("none/x"), Allowed: everywhere, Change: replaced("x")})
		code(err, fault.NotFound)
		_, err = c.Edit(t.Context(), remote.Edit{Path: "/etc/passwd", Allowed: everywhere, Change: replaced("x")})
		code(err, fault.Forbidden)
		_, err = c.Edit(t.Context(), remote.Edit{Path: in("new"), Allowed: everywhere, Change: replaced("x"), DryRun: true})
		if _, statErr := c.Stat(t.Context(), in("new"), nil); err != nil || fault.CodeOf(statErr) != fault.NotFound {
			t.Errorf("a dry run: %v, %v", err, statErr)
		}
	})
	t.Run("a link out of what is allowed", func(t *testing.T) {
		put("site/index", "x")
		put("secret/key", "y")
		run(t, c, remote.Command{Text: "ln -s ../secret/key site/link; ln -s ../secret site/dir"})
		allowed := func(p string) error {
			if strings.HasPrefix(p, in("site")+"/") {
				return nil
			}
			return fault.New(fault.Forbidden, "not here")
		}
		for _, p := range []string{"site/link", "site/dir/key", "site/dir/new"} {
			_, err := c.Edit(t.Context(), remote.Edit{Path: in(p), Allowed: allowed, Change: replaced("z")})
			code(err, fault.Forbidden)
		}
		if out := run(t, c, remote.Command{Text: "cat secret/key; ls secret"}); out.Stdout.Text != "ykey\n" {
			t.Errorf("%q", out.Stdout.Text)
		}
	})
	t.Run("changed meanwhile", func(t *testing.T) {
		f := put("m", "one\n")
		_, err := c.Edit(t.Context(), remote.Edit{Path: f, Allowed: everywhere, Change: func([]byte, bool) ([]byte, error) {
			put("m", "other\n")
			return []byte("two\n"), nil
		}})
		code(err, fault.Conflict)
		if out := run(t, c, remote.Command{Text: "cat m; ls -A | grep drawbridge"}); out.Stdout.Text != "other\n" {
			t.Errorf("%q", out.Stdout.Text)
		}
	})
	t.Run("many at once", func(t *testing.T) {
		f := put("race", "0\n")
		var mu sync.Mutex // guards won
		won := map[string]bool{}
		var all sync.WaitGroup
		for i := range 6 {
			all.Go(func() {
				content := fmt.Sprintf("%d %s\n", i, strings.Repeat("x", i*100))
				if _, err := c.Edit(t.Context(), remote.Edit{Path: f, Allowed: everywhere, Change: replaced(content), ExpectedSHA: remote.SHA([]byte("0\n"))}); err == nil {
					mu.Lock()
					won[content] = true
					mu.Unlock()
				}
			})
		}
		all.Wait()
		if out := run(t, c, remote.Command{Text: "cat race"}); !won[out.Stdout.Text] {
			t.Errorf("%q is nobody's content", out.Stdout.Text)
		}
	})
	t.Run("over", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := c.Read(ctx, remote.Reading{Path: in("r"), Size: 1}); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
}

// 200 MB go from host to host through a few megabytes of memory.
func TestTransfer_memory(t *testing.T) {
	const size = 200 << 20
	a, b := sshdtest.Start(t, sshdtest.Options{}), sshdtest.Start(t, sshdtest.Options{})
	from := connect(t, targetOf(a.Describe(t, "a"), link.Login{Key: a.Key}))
	to := connect(t, targetOf(b.Describe(t, "b"), link.Login{Key: b.Key}))
	sum := run(t, from, remote.Command{Text: "head -c 209715200 /dev/urandom >big; sha256sum <big", Timeout: time.Minute}).Stdout.Text
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	var peak, last int64
	progress := func(done, total int64) {
		last = done
		var now runtime.MemStats
		if done%(8<<20) < 64<<10 { // reading it stops the world
			runtime.ReadMemStats(&now)
			peak = max(peak, int64(now.HeapInuse)-int64(before.HeapInuse))
		}
	}
	tr := remote.Transfer{From: from, To: to, FromPath: filepath.Join(a.Home, "big"), ToPath: filepath.Join(b.Home, "arrived"), Allowed: everywhere, Progress: progress}
	got, err := tr.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.Bytes != size || last != size || !strings.HasPrefix(sum, got.SHA) {
		t.Errorf("%+v, %d told, sum %s", got, last, sum)
	}
	if there := run(t, to, remote.Command{Text: "sha256sum <arrived; ls -A"}); !strings.HasPrefix(there.Stdout.Text, sum) || strings.Contains(there.Stdout.Text, "drawbridge") {
		t.Errorf("%q, wanted %q", there.Stdout.Text, sum)
	}
	t.Logf("%d MB of memory at most", peak>>20)
	if peak > 40<<20 {
		t.Errorf("it took %d MB of memory", peak>>20)
	}
	if _, err := tr.Run(t.Context()); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("it overwrote: %v", err)
	}
}

func TestTransfer_cancel(t *testing.T) {
	t.Parallel()
	a, b := sshdtest.Start(t, sshdtest.Options{}), sshdtest.Start(t, sshdtest.Options{})
	from := connect(t, targetOf(a.Describe(t, "a"), link.Login{Key: a.Key}))
	to := connect(t, targetOf(b.Describe(t, "b"), link.Login{Key: b.Key}))
	run(t, from, remote.Command{Text: "head -c 52428800 /dev/zero >big"})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	tr := remote.Transfer{From: from, To: to, FromPath: filepath.Join(a.Home, "big"), ToPath: filepath.Join(b.Home, "arrived"), Allowed: everywhere,
		Progress: func(done, total int64) {
			if done > total/4 {
				cancel()
			}
		}}
	if _, err := tr.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, err := to.Stat(t.Context(), tr.ToPath, nil); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("half a file is there: %v", err)
	}
}

func TestJob(t *testing.T) {
	t.Parallel()
	s := sshdtest.Start(t, sshdtest.Options{})
	target := targetOf(s.Describe(t, "web1"), link.Login{Key: s.Key})
	pool := newPool(t)
	first, err := pool.Connect(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	c := remote.Conn{Conn: first}
	start := func(id, text string) remote.JobPlace {
		t.Helper()
		place, err := c.StartJob(t.Context(), id, text, "/usr")
		if err != nil {
			t.Fatal(err)
		}
		return place
	}
	state := func(p remote.JobPlace, until string) remote.JobState {
		t.Helper()
		for range 200 {
			got, err := c.Job(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			if got.State == until {
				return got
			}
		}
		t.Fatalf("it does not become %s", until)
		return remote.JobState{}
	}
	ends := start("abcdefgh1", `pwd; echo "it's" >&2; exit 7`)
	if got := state(ends, remote.JobExited); got.ExitCode != 7 || got.Out != 5 || got.Err != 5 {
		t.Errorf("%+v", got)
	}
	if out, err := c.Read(t.Context(), remote.Reading{Path: ends.Dir + "/out", Size: 100}); err != nil || string(out.Data) != "/usr\n" {
		t.Errorf("%q, %v", out.Data, err)
	}
	// It goes on without the connection, and is found through another one.
	long := start("abcdefgh2", "echo begun; sleep "+nap("73")+"; echo never")
	if err := pool.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	c = connect(t, target)
	if got := state(long, remote.JobRunning); got.ExitCode != -1 {
		t.Errorf("%+v", got)
	}
	// Another process with its number is not touched.
	other := long
	other.Start = "1"
	if over, err := c.StopJob(t.Context(), other); err != nil || !over || len(processes(t, nap("73"))) == 0 {
		t.Errorf("a stranger was ended: %v, %v", over, err)
	}
	if got, err := c.Job(t.Context(), other); err != nil || got.State != remote.JobLost {
		t.Errorf("%+v, %v", got, err)
	}
	if over, err := c.StopJob(t.Context(), long); err != nil || over {
		t.Errorf("%v, %v", over, err)
	}
	if left := processes(t, nap("73")); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
	state(long, remote.JobLost)
	if over, err := c.StopJob(t.Context(), long); err != nil || !over {
		t.Errorf("a second time: %v, %v", over, err)
	}
	if _, err := c.StartJob(t.Context(), "abcdefgh1", "true", ""); err == nil {
		t.Error("a job took another one's place")
	}
	if _, err := c.StartJob(t.Context(), "../../x", "true", ""); err == nil {
		t.Error("an id left the folder")
	}
}
