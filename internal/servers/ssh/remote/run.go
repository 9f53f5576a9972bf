// Package remote does things on other machines over SSH: commands with a bound on
// time and output, files, transfers, jobs that outlive a connection.
//
// No terminal is asked for and no environment is sent. A command that may have
// started is never started again. When its time is over, its process group is ended
// on the host. A password leaves on standard input alone, never in a command line,
// and what a host writes back of it is masked. A file is changed as a whole or not
// at all.
//
// The ssh server calls it, with hosts and rules already decided and a connection of
// package link.
package remote

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"drawbridge/internal/fault"
	"drawbridge/internal/secret"
	"drawbridge/internal/servers/kit/pattern"
	"drawbridge/internal/servers/ssh/command"
	"drawbridge/internal/servers/ssh/link"
	"drawbridge/internal/servers/ssh/output"
)

// Conn is a connection that things are done on. It is safe for concurrent use.
type Conn struct{ *link.Conn }

// Command is what should run on a host.
type Command struct {
	Text    string            // for the host's sh
	Dir     string            // absolute; "" is the account's home
	Env     map[string]string // added to the environment
	Stdin   string
	Sudo    bool // as root
	Timeout time.Duration
	Keep    int // bytes kept of each stream
	Spool   int // keeps a stream whole up to this many bytes, beside
	// Output hears of standard output as it comes; may be nil. It must not block.
	Output func(p []byte)

	ends bool // it ends another command, and is not ended itself
}

// Result is what became of a command.
type Result struct {
	ExitCode int    // -1 where a signal or the end of time stopped it
	Signal   string // one of signals, or UnknownSignal
	TimedOut bool
	Left     bool // its time was over, and something of it may run on
	Stdout   output.Printed
	Stderr   output.Printed
	Took     time.Duration
}

// UnknownSignal stands for a signal by which a host says that a command ended, in a
// word of its own: it could be any text.
const UnknownSignal = "unknown"

// signals are the names of RFC 4254 6.10.
func signals() []string {
	return []string{"ABRT", "ALRM", "FPE", "HUP", "ILL", "INT", "KILL", "PIPE", "QUIT", "SEGV", "TERM", "USR1", "USR2"}
}

// envRule is what a variable may be called.
var envRule = pattern.New(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)

// The first thing that runs on the host tells its process and group, on a line of
// standard error that begins with a random word. What comes before is from the
// account's profile or sudo. Field 5 of stat is the process group, proc(5).
const launcher = `g=$$; if [ -r /proc/$$/stat ]; then read -r _ _ _ _ g _ </proc/$$/stat; fi; printf '%s %s %s\n' "$0" "$$" "$g" >&2; ` +
	`if [ -n "$1" ]; then cd -- "$1" || exit 126; fi; t=$2; shift 2; exec env "$@" sh -c "$t"`

// line is the command line that starts c on the host.
func (c Command) line(marker string) (string, error) {
	argv := []string{"sh", "-c", launcher, marker, c.Dir, c.Text}
	names := make([]string, 0, len(c.Env))
	for name := range c.Env {
		if !envRule().MatchString(name) {
			return "", fault.New(fault.Invalid, "%q is not the name of a variable. Use letters, digits and _.", name)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		argv = append(argv, name+"="+c.Env[name])
	}
	if c.Sudo { // -k: never by what somebody typed before
		argv = append([]string{"sudo", "-S", "-k", "-p", prompt(marker), "--"}, argv...)
	}
	line, err := command.Join(argv)
	return "exec " + line, err
}

func prompt(marker string) string { return "\n" + marker + "?\n" }

// Run runs a command and waits for its end, or for the end of its time. An error
// says that it did not run; once it did, there is a Result.
func (c Conn) Run(ctx context.Context, cmd Command) (Result, error) {
	if cmd.Timeout <= 0 {
		return Result{}, errors.New("run: a command needs a time limit")
	}
	s, done, err := c.Session(ctx, cmd.ends)
	if err != nil {
		return Result{}, err
	}
	defer done()
	defer s.Close()
	r, err := c.prepare(s, cmd)
	if err != nil {
		return Result{}, err
	}
	defer r.input.Wait() // ends with the session, which is closed by then
	defer s.Close()
	began := c.Now()
	if err := s.Start(r.text); err != nil {
		return Result{}, c.startError(err)
	}
	over := make(chan struct{})
	var waited error                               // read once over is closed
	go func() { waited = s.Wait(); close(over) }() // ends with the session
	timer := time.NewTimer(cmd.Timeout)
	defer timer.Stop()
	var ended error
	stopped := false
	select {
	case <-over:
		ended = waited
	case <-timer.C:
		stopped = true
	case <-ctx.Done():
		stopped = true
	case <-r.wrong:
		c.hangUp(s, over)
		return Result{}, c.sudoRefused(r)
	}
	res := Result{ExitCode: -1, TimedOut: stopped}
	if stopped {
		res.Left = !c.end(ctx, r, s, over)
	}
	res.Took = c.Now().Sub(began)
	if ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled) {
		return res, ctx.Err()
	}
	return c.finish(r, res, ended)
}

// running is a command on its way.
type running struct {
	text    string
	marker  string
	cmd     Command
	stdin   io.WriteCloser
	input   sync.WaitGroup
	ready   chan struct{} // closed when the launcher's line is read
	wrong   chan struct{} // closed when sudo asks again, or without a password to give
	out     *output.Capture
	err     *output.Capture
	outMask *output.Mask
	errMask *output.Mask

	mu      sync.Mutex // guards what follows
	before  []byte     // standard error before the launcher's line
	asked   int
	pid     int
	group   int
	started bool
}

func (c Conn) prepare(s *ssh.Session, cmd Command) (*running, error) {
	r := &running{marker: "db" + rand.Text(), cmd: cmd, ready: make(chan struct{}), wrong: make(chan struct{}),
		out: output.New(cmd.Keep, cmd.Spool), err: output.New(cmd.Keep, cmd.Spool)}
	hidden := secret.String{}
	if cmd.Sudo {
		hidden = sudoPassword(c.Login)
	}
	r.outMask, r.errMask = output.NewMask(r.out, hidden), output.NewMask(r.err, hidden)
	var err error
	if r.text, err = cmd.line(r.marker); err != nil {
		return nil, err
	}
	if r.stdin, err = s.StdinPipe(); err != nil {
		return nil, fmt.Errorf("open standard input: %w", err)
	}
	s.Stdout = r.outMask
	if cmd.Output != nil {
		s.Stdout = io.MultiWriter(r.outMask, listener(cmd.Output))
	}
	s.Stderr = &launching{r, hidden}
	return r, nil
}

type listener func([]byte)

func (l listener) Write(p []byte) (int, error) { l(p); return len(p), nil }

// sudoPassword is what sudo gets: its own, or the account's.
func sudoPassword(l link.Login) secret.String {
	if !l.Sudo.Empty() {
		return l.Sudo
	}
	return l.Password
}

// launching reads standard error: up to the launcher's line it answers sudo, from
// there on it is the command's.
type launching struct {
	*running
	password secret.String
}

// maxBefore bounds what is kept of a profile's chatter.
const maxBefore = 64 << 10

func (l *launching) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.started {
		return l.errMask.Write(p)
	}
	l.before = append(l.before, p...)
	if l.cmd.Sudo {
		for n := bytes.Count(l.before, []byte(prompt(l.marker))); l.asked < n; {
			l.ask()
		}
	}
	if i := bytes.Index(l.before, []byte(l.marker+" ")); i >= 0 {
		if end := bytes.IndexByte(l.before[i:], '\n'); end >= 0 {
			l.start(i, end)
		}
	} else if len(l.before) > maxBefore {
		l.before = l.before[len(l.before)-maxBefore/2:]
	}
	return len(p), nil
}

// ask answers sudo's question once.
func (l *launching) ask() {
	l.asked++
	if first := l.asked == 1; !first || l.password.Empty() {
		if first || l.asked == 2 && !l.password.Empty() {
			close(l.wrong)
		}
		return
	}
	line := l.password.Reveal() + "\n"
	l.input.Go(func() { _, _ = io.WriteString(l.stdin, line) }) // a broken session is seen by who waits for it
}

// start takes the launcher's line, and lets the input go.
func (l *launching) start(at, end int) {
	fields := strings.Fields(string(l.before[at : at+end]))
	if len(fields) == 3 {
		l.pid, _ = strconv.Atoi(fields[1])   // 0 is no process to end
		l.group, _ = strconv.Atoi(fields[2]) // the same
	}
	rest := bytes.Clone(l.before[at+end+1:])
	said := bytes.ReplaceAll(l.before[:at], []byte(prompt(l.marker)), nil)
	l.before, l.started = nil, true
	close(l.ready)
	_, _ = l.errMask.Write(append(said, rest...)) // a capture never fails
	l.input.Go(func() {
		_, _ = io.WriteString(l.stdin, l.cmd.Stdin) // a command need not read it
		_ = l.stdin.Close()
	})
}

// finish makes the result of a session that has ended.
func (c Conn) finish(r *running, res Result, ended error) (Result, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.outMask.Flush()
	r.errMask.Flush()
	res.Stdout, res.Stderr = r.out.Printed(), r.err.Printed()
	exit, isExit := errors.AsType[*ssh.ExitError](ended)
	switch {
	case ended != nil && !isExit && !res.TimedOut:
		return res, c.broke(ended)
	case !r.started:
		return res, c.notStarted(r, res, ended)
	case res.TimedOut:
	case ended == nil:
		res.ExitCode = 0
	case isExit && exit.Signal() != "":
		if res.Signal = exit.Signal(); !slices.Contains(signals(), res.Signal) {
			res.Signal = UnknownSignal
		}
	default:
		res.ExitCode = exit.ExitStatus()
	}
	return res, nil
}

// broke is the error where nothing is known of a command any more. The launcher's
// line may have been on its way, so its absence says nothing.
func (c Conn) broke(cause error) error {
	return fault.Wrap(cause, fault.Upstream, "The connection to %s broke while the command ran; it may have done its work, or a part of it. Look at the host before you run it again.", c.Host.Alias)
}

// startError tells a host that refuses to run commands, RFC 4254 6.5, from one whose
// answer never came. The library's own text repeats the command, so it is not kept.
func (c Conn) startError(err error) error {
	if strings.HasPrefix(err.Error(), "ssh: command ") {
		return fault.Wrap(errors.New("exec request refused"), fault.Upstream, "%s refuses to run commands for %s. Its operator can allow it in the SSH server's configuration.", c.Host.Alias, c.Host.User)
	}
	return c.broke(err)
}

// notStarted explains why the launcher's line never came. The caller holds r.mu.
func (c Conn) notStarted(r *running, res Result, ended error) error {
	cause := fmt.Errorf("%w; before: %.200q", errors.Join(ended, errors.New("the command did not start")), r.before)
	switch {
	case r.cmd.Sudo:
		return c.sudoError(r, cause)
	case res.TimedOut:
		return fault.Wrap(cause, fault.Timeout, "%s did not start the command in time; what its login shell runs at the start may hang. It may have started since, so look before you run it again.", c.Host.Alias)
	}
	return fault.Wrap(cause, fault.Upstream, "%s did not run the command: its login shell ended before. The account may be limited to one command, or its shell is not like sh.", c.Host.Alias)
}

func (c Conn) sudoRefused(r *running) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return c.sudoError(r, errors.New("sudo asks again"))
}

// sudoError explains why sudo did not run the command. The caller holds r.mu.
func (c Conn) sudoError(r *running, cause error) error {
	switch {
	case r.asked > 0 && sudoPassword(c.Login).Empty():
		return fault.Wrap(cause, fault.Forbidden, "sudo on %s asks for the password of %s, and none is stored. Store it for the ssh server as sudo_password.", c.Host.Alias, c.Host.User)
	case r.asked > 0:
		return fault.Wrap(cause, fault.Forbidden, "sudo on %s did not take the stored password, or does not let %s run this. Check sudo_password and the host's sudoers.", c.Host.Alias, c.Host.User)
	}
	return fault.Wrap(cause, fault.Upstream, "sudo on %s did not run the command. Check that it is installed and that %s may use it without a terminal.", c.Host.Alias, c.Host.User)
}
