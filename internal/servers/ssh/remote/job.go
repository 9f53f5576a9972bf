package remote

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit/pattern"
	"drawbridge/internal/servers/ssh/command"
)

// JobPlace is where a job lives on its host.
type JobPlace struct {
	Dir   string // of its files: run, out, err, pid, exit
	PID   int    // of its shell, which leads its process group
	Start string // when that began, in the host's own measure
}

// jobTime is how long the short commands about jobs may take.
const jobTime = 20 * time.Second

var jobRule = pattern.New(`^[a-z0-9]{8,40}$`)

// began prints a process and when it began, so that another one with the same
// number is told apart: field 22 of stat, proc(5).
const began = `began() { if [ -r "/proc/$1/stat" ]; then s=$(cat "/proc/$1/stat" 2>/dev/null); s=${s##*) }; set -- $s; echo "${20}"; else echo -; fi; }; `

// starter leaves a job behind that hangs on no connection, and waits until it has
// told its process. What is older than 30 days goes.
const starter = began + `set -e; umask 077; base=${XDG_CACHE_HOME:-$HOME/.cache}/drawbridge/jobs; d=$base/$1; mkdir -p "$base"; mkdir "$d"; cat >"$d/run"; ` +
	`find "$base" -mindepth 1 -maxdepth 1 -mtime +30 -exec rm -rf {} + 2>/dev/null || :; ` +
	`s=setsid; command -v setsid >/dev/null 2>&1 || s='perl -MPOSIX=setsid -e setsid;exec(@ARGV)'; ` +
	`$s sh -c '` + `echo $$ >"$1/pid.new"; mv "$1/pid.new" "$1/pid"; if [ -n "$2" ]; then cd -- "$2" || { echo 126 >"$1/exit"; exit 126; }; fi; ` +
	`sh "$1/run" >"$1/out" 2>"$1/err"; echo $? >"$1/exit.new"; mv "$1/exit.new" "$1/exit"` + `' sh "$d" "$2" </dev/null >/dev/null 2>&1 & ` +
	`i=0; while [ ! -s "$d/pid" ] && [ $i -lt 50 ]; do sleep 0.1; i=$((i+1)); done; p=$(cat "$d/pid"); echo "$p $(began "$p") $d"`

// StartJob starts a command that goes on without a connection.
func (c Conn) StartJob(ctx context.Context, id, text, dir string) (JobPlace, error) {
	if !jobRule().MatchString(id) {
		return JobPlace{}, fmt.Errorf("start job: the id %q is not one", id)
	}
	line, err := command.Join([]string{"set", "--", id, dir})
	if err != nil {
		return JobPlace{}, err
	}
	res, err := c.Run(ctx, Command{Text: line + "; " + starter, Stdin: text + "\n", Timeout: jobTime, Keep: 8 << 10})
	if err != nil {
		return JobPlace{}, err
	}
	fields := strings.SplitN(strings.TrimSpace(res.Stdout.Text), " ", 3)
	if res.ExitCode != 0 || len(fields) != 3 || !strings.HasPrefix(fields[2], "/") {
		cause := fmt.Errorf("exit %d: %.300q %.300q", res.ExitCode, res.Stdout.Text, res.Stderr.Text)
		return JobPlace{}, fault.Wrap(cause, fault.Upstream, "%s did not say that the job began; it may run all the same. Look at its processes before you start it again.", c.Host.Alias)
	}
	pid, err := strconv.Atoi(fields[0])
	if err != nil || pid < 2 {
		return JobPlace{}, fault.Wrap(fmt.Errorf("pid %.20q", fields[0]), fault.Upstream, "%s gave the job no process. Look at its processes before you start it again.", c.Host.Alias)
	}
	return JobPlace{Dir: fields[2], PID: pid, Start: fields[1]}, nil
}

// JobState is how a job stands.
type JobState struct {
	State    string // running, exited, lost
	ExitCode int    // -1 unless it exited
	Out, Err int64  // bytes written
}

// The states of a job. A lost one has neither a process nor an exit status: it was
// stopped, or its host was.
const (
	JobRunning = "running"
	JobExited  = "exited"
	JobLost    = "lost"
)

const prober = began + `alive() { kill -0 "$2" 2>/dev/null && [ "$(began "$2")" = "$3" ]; }; ` +
	`state() { if [ -s "$1/exit" ]; then echo "exited $(cat "$1/exit")"; else echo lost; fi; }; ` +
	`if [ ! -s "$1/exit" ] && alive "$@"; then echo running; else state "$1"; fi; wc -c <"$1/out" 2>/dev/null || echo 0; wc -c <"$1/err" 2>/dev/null || echo 0`

// Job tells how a job stands.
func (c Conn) Job(ctx context.Context, j JobPlace) (JobState, error) {
	state := JobState{ExitCode: -1}
	res, err := c.onJob(ctx, j, prober)
	if err != nil {
		return state, err
	}
	lines := strings.Split(strings.TrimSpace(res.Stdout.Text), "\n")
	word, code, _ := strings.Cut(lines[0], " ")
	if len(lines) != 3 || !slices.Contains([]string{JobRunning, JobExited, JobLost}, word) { // a host may send any word
		return state, fault.Wrap(fmt.Errorf("answer %.300q %.300q", res.Stdout.Text, res.Stderr.Text), fault.Upstream, "%s did not tell how the job stands. Try again in a moment.", c.Host.Alias)
	}
	state.State = word
	if word == JobExited {
		if state.ExitCode, err = strconv.Atoi(code); err != nil {
			state.ExitCode = -1
		}
	}
	state.Out, _ = strconv.ParseInt(strings.TrimSpace(lines[1]), 10, 64) // no number is nothing written
	state.Err, _ = strconv.ParseInt(strings.TrimSpace(lines[2]), 10, 64)
	return state, nil
}

const stopper = began + `if [ -s "$1/exit" ] || ! kill -0 "$2" 2>/dev/null || [ "$(began "$2")" != "$3" ]; then echo over; exit 0; fi; set -- "$2"; ` + ender

// StopJob ends a job with all its processes. over says that it had ended before.
func (c Conn) StopJob(ctx context.Context, j JobPlace) (over bool, err error) {
	res, err := c.onJob(ctx, j, stopper)
	if err != nil {
		return false, err
	}
	switch strings.TrimSpace(res.Stdout.Text) {
	case "over":
		return true, nil
	case "gone":
		return false, nil
	}
	return false, fault.Wrap(fmt.Errorf("answer %.300q %.300q", res.Stdout.Text, res.Stderr.Text), fault.Upstream, "A part of the job may still run on %s. Look at its processes.", c.Host.Alias)
}

// onJob runs a short script with a job's folder, process and beginning.
func (c Conn) onJob(ctx context.Context, j JobPlace, script string) (Result, error) {
	line, err := command.Join([]string{"set", "--", j.Dir, strconv.Itoa(j.PID), j.Start})
	if err != nil {
		return Result{}, err
	}
	return c.Run(ctx, Command{Text: line + "; " + script, Timeout: jobTime, Keep: 8 << 10})
}
