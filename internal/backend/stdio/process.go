package stdio

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"
)

// cookieName marks the environment of a process and of all that it starts, so
// that what left the process group is found again.
const cookieName = "DRAWBRIDGE_CHILD"

// drainTime is how long output may still be read once the process has gone; a
// process that escaped may hold the pipe open for ever.
const drainTime = time.Second

// exitError says that a process ended.
type exitError struct{ status string }

func (e *exitError) Error() string { return "process exited (" + e.status + ")" }

// process is one running command with our ends of its pipes.
type process struct {
	stdin  *os.File
	stdout *os.File
	errs   *os.File
	cookie string
	pid    int

	exited chan struct{} // closed when the process is reaped and its group is killed
	status string        // valid then
	stderr chan struct{} // closed when standard error is read to its end

	mu   sync.Mutex // guards gone, and that no signal is sent after it
	gone bool
}

// pipes are the six ends of the three pipes of a process.
type pipes struct {
	in, out, err      *os.File // the child's
	toIn, outOf, errs *os.File // ours
}

func newPipes() (p pipes, err error) {
	var errs [3]error
	p.in, p.toIn, errs[0] = os.Pipe()
	p.outOf, p.out, errs[1] = os.Pipe()
	p.errs, p.err, errs[2] = os.Pipe()
	if err := errors.Join(errs[:]...); err != nil {
		p.closeChilds()
		closeAll(p.toIn, p.outOf, p.errs)
		return pipes{}, fmt.Errorf("open pipes: %w", err)
	}
	return p, nil
}

func (p pipes) closeChilds() { closeAll(p.in, p.out, p.err) }

func closeAll(files ...*os.File) {
	for _, f := range files {
		if f != nil {
			_ = f.Close() // a pipe: nothing can be lost
		}
	}
}

// start runs the command of a configuration.
func start(cfg Config, stderr *ring) (*process, error) {
	path, err := find(cfg.Command, cfg.Env)
	if err != nil {
		return nil, err
	}
	ends, err := newPipes()
	if err != nil {
		return nil, err
	}
	p := &process{
		stdin: ends.toIn, stdout: ends.outOf, errs: ends.errs, cookie: cookieName + "=" + rand.Text(),
		exited: make(chan struct{}), stderr: make(chan struct{}),
	}
	cmd := &exec.Cmd{
		Path: path, Args: append([]string{cfg.Command}, cfg.Args...), Dir: cfg.Dir,
		Env:   append(append([]string{}, cfg.Env...), p.cookie),
		Stdin: ends.in, Stdout: ends.out, Stderr: ends.err,
		SysProcAttr: attributes(),
	}
	started := make(chan error)
	go p.live(cmd, started) // ends with the process
	err = <-started
	ends.closeChilds()
	if err != nil {
		closeAll(ends.toIn, ends.outOf, ends.errs)
		return nil, fmt.Errorf("start process: %w", err)
	}
	go func() { // ends with the process, at most drainTime later
		defer close(p.stderr)
		stderr.fill(p.errs)
		closeAll(p.errs)
	}()
	return p, nil
}

// live starts the command and waits for it on one thread: Linux kills the child
// when the thread that started it ends (PR_SET_PDEATHSIG, golang/go#27505).
func (p *process) live(cmd *exec.Cmd, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := cmd.Start()
	if err == nil {
		p.pid = cmd.Process.Pid
	}
	started <- err
	if err != nil {
		return
	}
	_ = cmd.Wait() // the state says it all
	p.mu.Lock()
	p.gone = true
	// A group keeps its number while a member lives, so this hits what the
	// process left behind and nothing else.
	killGroup(p.pid)
	p.mu.Unlock()
	sweep(p.cookie)
	p.status = cmd.ProcessState.String()
	deadline := time.Now().Add(drainTime)
	_ = p.stdout.SetReadDeadline(deadline) // fails only if it is closed already
	_ = p.errs.SetReadDeadline(deadline)
	close(p.exited)
}

// signal sends to the whole group, unless it is gone.
func (p *process) signal(send func(pid int)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.gone {
		send(p.pid)
	}
}

// kill ends the group at once.
func (p *process) kill() { p.signal(killGroup) }

// stop ends the process: end of input, SIGTERM, SIGKILL. When ctx ends it goes
// straight to the last. It returns when the process is reaped.
func (p *process) stop(ctx context.Context, g Grace) {
	_ = p.stdin.Close() // twice at worst
	if p.endsWithin(ctx, g.EOF) {
		return
	}
	p.signal(terminateGroup)
	if p.endsWithin(ctx, g.Term) {
		return
	}
	p.kill()
	<-p.exited
}

func (p *process) endsWithin(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-p.exited:
		return true
	case <-t.C:
	case <-ctx.Done():
	}
	return false
}
