package remote_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/secret"
	"drawbridge/internal/servers/ssh/hosts"
	"drawbridge/internal/servers/ssh/link"
	"drawbridge/internal/servers/ssh/remote"
	"drawbridge/internal/servers/ssh/sshdtest"
)

func targetOf(h hosts.Host, l link.Login) link.Target {
	return link.Target{User: "anna", Way: []hosts.Host{h}, Logins: []link.Login{l}}
}

func newPool(t *testing.T) *link.Pool {
	t.Helper()
	p := link.NewPool(slog.New(slog.DiscardHandler), time.Now)
	t.Cleanup(func() {
		if err := p.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return p
}

func connect(t *testing.T, target link.Target) remote.Conn {
	t.Helper()
	c, err := newPool(t).Connect(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	return remote.Conn{Conn: c}
}

func run(t *testing.T, c remote.Conn, cmd remote.Command) remote.Result {
	t.Helper()
	if cmd.Timeout == 0 {
		cmd.Timeout = 20 * time.Second
	}
	if cmd.Keep == 0 {
		cmd.Keep = 32 << 10
	}
	res, err := c.Run(t.Context(), cmd)
	if err != nil {
		t.Fatalf("%s: %v", cmd.Text, err)
	}
	return res
}

func TestRun(t *testing.T) {
	t.Parallel()
	s := sshdtest.Start(t, sshdtest.Options{})
	c := connect(t, targetOf(s.Describe(t, "web1"), link.Login{Key: s.Key}))
	t.Run("streams and status", func(t *testing.T) {
		got := run(t, c, remote.Command{Text: "echo out; echo err >&2; exit 3"})
		if got.Stdout.Text != "out\n" || got.Stderr.Text != "err\n" || got.ExitCode != 3 {
			t.Errorf("%+v", got)
		}
	})
	t.Run("signal", func(t *testing.T) {
		if got := run(t, c, remote.Command{Text: "kill -9 $$"}); got.Signal != "KILL" || got.ExitCode != -1 {
			t.Errorf("%+v", got)
		}
	})
	t.Run("input, folder and variables", func(t *testing.T) {
		got := run(t, c, remote.Command{Text: `cat; pwd; echo "$A"`, Stdin: "in\n", Dir: "/usr", Env: map[string]string{"A": "it's $(id) `x`\n;"}})
		if got.Stdout.Text != "in\n/usr\nit's $(id) `x`\n;\n" {
			t.Errorf("%q", got.Stdout.Text)
		}
	})
	t.Run("no such folder", func(t *testing.T) {
		if got := run(t, c, remote.Command{Text: "touch made", Dir: "/none"}); got.ExitCode != 126 {
			t.Errorf("%+v", got)
		}
	})
	t.Run("a variable's name", func(t *testing.T) {
		if _, err := c.Run(t.Context(), remote.Command{Text: "true", Env: map[string]string{"A;id": ""}, Timeout: time.Second}); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%v", err)
		}
	})
	t.Run("much output", func(t *testing.T) {
		got := run(t, c, remote.Command{Text: "seq 1 2000000", Keep: 1000})
		if got.Stdout.Bytes != 14888896 || len(got.Stdout.Text) > 1100 || !strings.HasPrefix(got.Stdout.Text, "1\n2\n") || !strings.HasSuffix(got.Stdout.Text, "1999999\n2000000\n") {
			t.Errorf("%d bytes: %q", got.Stdout.Bytes, got.Stdout.Text)
		}
	})
	t.Run("nobody reads the input", func(t *testing.T) {
		if got := run(t, c, remote.Command{Text: "exit 0", Stdin: strings.Repeat("x", 4<<20)}); got.ExitCode != 0 {
			t.Errorf("%+v", got)
		}
	})
	t.Run("a broken connection", func(t *testing.T) {
		// The session's parent is the connection's own process.
		_, err := c.Run(t.Context(), remote.Command{Text: "echo begun; kill $PPID; sleep 1", Timeout: 20 * time.Second, Keep: 100})
		if fault.CodeOf(err) != fault.Upstream || !strings.Contains(fault.PublicOf(err), "may have done its work") {
			t.Errorf("%v", err)
		}
	})
}

// When its time is over nothing of a command is left, whether it heeds signals or
// has children.
func TestRun_timeout(t *testing.T) {
	t.Parallel()
	s := sshdtest.Start(t, sshdtest.Options{})
	login := link.Login{Key: s.Key, Sudo: secret.New(sshdtest.Password)}
	c := connect(t, targetOf(s.Describe(t, "web1"), login))
	for name, cmd := range map[string]remote.Command{
		"simple":         {Text: "echo begun; sleep NAP"},
		"children":       {Text: "echo begun; sleep NAP & sleep NAP | cat & wait"},
		"stubborn":       {Text: "trap '' TERM; echo begun; sh -c \"trap '' TERM; sleep NAP; sleep NAP\"; sleep NAP"},
		"another user":   {Text: "echo begun; sleep NAP & sleep NAP", Sudo: true},
		"writes a lot":   {Text: "echo begun; while :; do echo NAP; done"},
		"waits for us":   {Text: "echo begun; cat; sleep NAP", Stdin: "x"},
		"many at once 1": {Text: "echo begun; sleep NAP"}, "many at once 2": {Text: "echo begun; sleep NAP"}, "many at once 3": {Text: "echo begun; sleep NAP"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd.Text = strings.ReplaceAll(cmd.Text, "NAP", nap("71"))
			cmd.Timeout, cmd.Keep = 500*time.Millisecond, 100
			if cmd.Sudo {
				cmd.Timeout = 2 * time.Second
			}
			got := run(t, c, cmd)
			if !got.TimedOut || got.Left || got.ExitCode != -1 || !strings.HasPrefix(got.Stdout.Text, "begun\n") {
				t.Errorf("%+v", got)
			}
		})
	}
	t.Cleanup(func() {
		if left := processes(t, nap("71")); len(left) > 0 {
			t.Errorf("left: %q", left)
		}
	})
}

// nap is a time to sleep that no other test run uses.
func nap(seconds string) string { return seconds + "." + strconv.Itoa(1_000_000+os.Getpid()) }

// processes are the machine's processes with a text in their arguments. A zombie
// has none.
func processes(t *testing.T, text string) (found []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		args, err := os.ReadFile(f)
		if err == nil && strings.Contains(string(args), text) {
			found = append(found, strings.ReplaceAll(string(args), "\x00", " "))
		}
	}
	return found
}

// A caller that goes away ends its command, too.
func TestRun_cancel(t *testing.T) {
	t.Parallel()
	s := sshdtest.Start(t, sshdtest.Options{})
	c := connect(t, targetOf(s.Describe(t, "web1"), link.Login{Key: s.Key}))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	begun := make(chan struct{}, 10)
	cmd := remote.Command{Text: "echo begun; sleep " + nap("72"), Timeout: time.Minute, Keep: 100, Output: func([]byte) { begun <- struct{}{} }}
	over := make(chan error)
	go func() { _, err := c.Run(ctx, cmd); over <- err }()
	<-begun
	cancel()
	if err := <-over; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if left := processes(t, nap("72")); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
	if got := run(t, c, remote.Command{Text: "echo still"}); got.Stdout.Text != "still\n" {
		t.Errorf("the connection is gone: %+v", got)
	}
}

func TestRun_sudo(t *testing.T) {
	t.Parallel()
	asks := sshdtest.Start(t, sshdtest.Options{})
	free := sshdtest.Start(t, sshdtest.Options{Sudoers: sshdtest.Account + " ALL=(ALL) NOPASSWD: ALL\n"})
	pty := sshdtest.Start(t, sshdtest.Options{Sudoers: "Defaults use_pty\n" + sshdtest.Account + " ALL=(ALL) ALL\n"})
	never := sshdtest.Start(t, sshdtest.Options{Sudoers: "root ALL=(ALL) ALL\n"})
	good := secret.New(sshdtest.Password)
	for name, c := range map[string]struct {
		on       *sshdtest.Server
		password secret.String
		says     string
	}{
		"asks": {asks, good, ""}, "free": {free, secret.String{}, ""}, "free with password": {free, good, ""}, "in a terminal": {pty, good, ""},
		"wrong": {asks, secret.New("made-up-wrong"), "did not take"}, "none": {asks, secret.String{}, "none is stored"}, "not allowed": {never, good, "did not"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := connect(t, targetOf(c.on.Describe(t, "web1"), link.Login{Key: c.on.Key, Sudo: c.password}))
			// It prints what it reads, its own and everybody's arguments, and its environment.
			res, err := conn.Run(t.Context(), remote.Command{Text: "id -un; cat; env; cat /proc/[0-9]*/cmdline | tr '\\0' ' '", Stdin: "input\n", Sudo: true, Timeout: 20 * time.Second, Keep: 1 << 20})
			if c.says != "" {
				if err == nil || !strings.Contains(fault.PublicOf(err), c.says) {
					t.Errorf("%v, %+v does not say %q", err, res, c.says)
				}
				if err != nil && strings.Contains(err.Error(), "made-up") {
					t.Errorf("the error holds the password: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(res.Stdout.Text, "root\ninput\n") || res.ExitCode != 0 {
				t.Errorf("%+v", res)
			}
			if strings.Contains(res.Stdout.Text+res.Stderr.Text, sshdtest.Password) || strings.Contains(res.Stdout.Text, secret.Mask) {
				t.Error("the password is in the output, in an argument or in the environment")
			}
			if strings.Contains(c.on.Log(), sshdtest.Password) {
				t.Error("the password is in the host's log")
			}
		})
	}
	t.Run("a host that repeats it", func(t *testing.T) {
		t.Parallel()
		conn := connect(t, targetOf(free.Describe(t, "web1"), link.Login{Key: free.Key, Sudo: good}))
		got := run(t, conn, remote.Command{Text: "tee /dev/stderr", Stdin: "<" + sshdtest.Password + ">", Sudo: true})
		if said := "<" + secret.Mask + ">"; got.Stdout.Text != said || got.Stderr.Text != said {
			t.Errorf("%+v", got)
		}
	})
}
