package ssh

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/ssh/access"
	"drawbridge/internal/servers/ssh/command"
	"drawbridge/internal/servers/ssh/hosts"
	"drawbridge/internal/servers/ssh/remote"
)

// Bounds of one call.
const (
	sideBySide = 8       // hosts at once
	textRoom   = 12_000  // bytes of output in one answer, over all hosts
	leastRoom  = 1_000   // of a stream
	spool      = 5 << 20 // of output that is kept as a file
)

// many names hosts.
type many struct {
	Hosts []string `json:"hosts" jsonschema:"Names from list_hosts, or @group." min:"1" max:"50"`
}

// how is how a command runs.
type how struct {
	Cwd     string            `json:"cwd,omitempty" jsonschema:"Absolute folder to run in."`
	Env     map[string]string `json:"env,omitempty" jsonschema:"Variables to add."`
	Stdin   string            `json:"stdin,omitempty" jsonschema:"Standard input." max:"1048576"`
	Timeout int               `json:"timeout_seconds,omitempty" jsonschema:"Then it is ended." min:"1" max:"600" default:"60"`
	Most    int               `json:"max_output,omitempty" jsonschema:"Bytes shown of each stream." min:"100" max:"200000"`
	Expect  []int             `json:"expect_exit,omitempty" jsonschema:"Exit codes that count as success; 0 without it."`
}

// check refuses what would change what a judged command means.
func (h how) check() error {
	if h.Cwd != "" {
		if dir, err := remote.CheckPath(h.Cwd); err != nil || !strings.HasPrefix(dir, "/") {
			return fault.New(fault.Invalid, "cwd %q is not an absolute folder. Begin with /.", clip(h.Cwd, 100))
		}
	}
	for name, value := range h.Env {
		if command.Treacherous(name) {
			return fault.New(fault.Invalid, "The variable %s changes what programs are or do, so it cannot be set. Leave it out.", name)
		}
		if strings.IndexByte(value, 0) >= 0 {
			return fault.New(fault.Invalid, "The variable %s has a NUL character. Leave it out.", name)
		}
	}
	return nil
}

// least is the least that a command can be with the variables that are set for it.
func (h how) least() command.Class {
	for name := range h.Env {
		if !command.Harmless(name) {
			return command.Changes
		}
	}
	return command.Reads
}

// command is the command for n hosts at once.
func (h how) command(text string, n int) remote.Command {
	keep := h.Most
	if keep == 0 {
		keep = max(leastRoom, textRoom/n)
	}
	cmd := remote.Command{Text: text, Dir: h.Cwd, Env: h.Env, Stdin: h.Stdin, Timeout: time.Duration(h.Timeout) * time.Second, Keep: keep}
	if n == 1 {
		cmd.Spool = spool
	}
	return cmd
}

// ran is what a command did on one host.
type ran struct {
	Host     string        `json:"host"`
	OK       bool          `json:"ok" jsonschema:"It ran, with an expected exit code."`
	ExitCode *int          `json:"exit_code,omitempty"`
	Signal   string        `json:"signal,omitempty"`
	TimedOut bool          `json:"timed_out,omitempty"`
	Left     bool          `json:"may_still_run,omitempty" jsonschema:"Ending it cannot be proven."`
	Stdout   kit.Untrusted `json:"stdout,omitempty"`
	Stderr   kit.Untrusted `json:"stderr,omitempty"`
	Omitted  int64         `json:"omitted_bytes,omitempty" jsonschema:"Left out in the middle."`
	NotText  bool          `json:"replaced_bytes,omitempty"`
	Whole    string        `json:"whole_stdout,omitempty" jsonschema:"File with all of stdout, where some is left out."`
	TookMS   int64         `json:"took_ms"`
	Error    string        `json:"error,omitempty" jsonschema:"Why it did not run here."`
}

type ranOut struct {
	Results []ran `json:"results"`
	Failed  int   `json:"failed"`
}

// Text shows results as a terminal would.
func (o ranOut) Text() string {
	var b strings.Builder
	for i, r := range o.Results {
		if i > 0 {
			b.WriteString("\n")
		}
		b.WriteString(r.headline() + "\n")
		if r.Stdout != "" {
			b.WriteString(string(r.Stdout) + "\n")
		}
		if r.Stderr != "" {
			b.WriteString("stderr: " + string(r.Stderr) + "\n")
		}
		if r.Whole != "" {
			fmt.Fprintf(&b, "all of stdout: %s\n", r.Whole)
		}
	}
	return b.String()
}

func (r ran) headline() string {
	switch {
	case r.Error != "":
		return fmt.Sprintf("%s: did not run: %s", r.Host, r.Error)
	case r.Left:
		return fmt.Sprintf("%s: its time was over after %d ms; something of it may still run, look at the processes", r.Host, r.TookMS)
	case r.TimedOut:
		return fmt.Sprintf("%s: its time was over, ended after %d ms with all its processes", r.Host, r.TookMS)
	case r.Signal != "":
		return fmt.Sprintf("%s: ended by signal %s, %d ms", r.Host, r.Signal, r.TookMS)
	}
	return fmt.Sprintf("%s: exit %d, %d ms", r.Host, *r.ExitCode, r.TookMS)
}

// each runs f for every host, some at a time. What fails on one host leaves the
// others alone.
func each[T any](names []string, f func(name string) T) []T {
	out := make([]T, len(names))
	free := make(chan struct{}, sideBySide)
	var all sync.WaitGroup
	for i, name := range names {
		free <- struct{}{}
		all.Go(func() {
			defer func() { <-free }()
			out[i] = f(name)
		})
	}
	all.Wait()
	return out
}

// runOn runs one command on every host. On a single host an error is the call's.
func (s *server) runOn(ctx context.Context, c *kit.Call, names []string, want access.Right, cmd remote.Command, expect []int) (ranOut, error) {
	var failure error
	var done progress
	results := each(names, func(name string) ran {
		res, err := s.runOne(ctx, c, name, want, cmd, expect)
		if err != nil {
			res = ran{Host: name, Error: fault.PublicOf(err)}
			if len(names) == 1 {
				failure = err
			} else {
				c.Log.LogAttrs(ctx, slog.LevelWarn, "command did not run on a host", slog.String("host", name), slog.Any("error", err))
			}
		}
		done.step(c, len(names), name)
		return res
	})
	if failure != nil {
		return ranOut{}, failure
	}
	if ctx.Err() != nil {
		return ranOut{}, ctx.Err()
	}
	out := ranOut{Results: results}
	for _, r := range results {
		if !r.OK {
			out.Failed++
		}
	}
	return out, nil
}

// progress counts hosts that are done.
type progress struct {
	mu sync.Mutex // guards n
	n  int
}

func (p *progress) step(c *kit.Call, of int, name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n++
	c.Progress(float64(p.n), float64(of), name)
}

func (s *server) runOne(ctx context.Context, c *kit.Call, name string, want access.Right, cmd remote.Command, expect []int) (ran, error) {
	h, err := s.door.Connect(ctx, c, name, want)
	if err != nil {
		return ran{}, err
	}
	res, err := h.Run(ctx, cmd)
	if err != nil {
		return ran{}, err
	}
	sum := sha256.Sum256([]byte(cmd.Text))
	c.Log.LogAttrs(ctx, slog.LevelInfo, "command ran on a host", slog.String("user", c.User()), slog.String("host", name), slog.String("command_sha256", fmt.Sprintf("%x", sum[:8])),
		slog.Bool("root", cmd.Sudo), slog.Int("exit_code", res.ExitCode), slog.Int64("bytes", res.Stdout.Bytes+res.Stderr.Bytes), slog.Int64("took_ms", res.Took.Milliseconds()))
	out := ran{Host: name, Signal: res.Signal, TimedOut: res.TimedOut, Left: res.Left, Stdout: kit.Untrusted(res.Stdout.Text), Stderr: kit.Untrusted(res.Stderr.Text),
		Omitted: res.Stdout.Omitted + res.Stderr.Omitted, NotText: res.Stdout.Invalid || res.Stderr.Invalid, TookMS: res.Took.Milliseconds()}
	if !res.TimedOut && res.Signal == "" {
		out.ExitCode = &res.ExitCode
		out.OK = slices.Contains(expect, res.ExitCode) || len(expect) == 0 && res.ExitCode == 0
	}
	if s.deps.Files != nil && res.Stdout.Omitted > 0 && res.Stdout.Whole != nil {
		f, err := c.PutFile(ctx, kit.File{Name: name + "-stdout.txt", MIMEType: "text/plain"}, bytes.NewReader(res.Stdout.Whole))
		if err != nil {
			return out, fmt.Errorf("keep the output: %w", err)
		}
		out.Whole = f.Ref
	}
	return out, nil
}

type runReadonlyIn struct {
	many
	Argv    []string `json:"argv" jsonschema:"The program and its arguments, one by one." min:"1" max:"200"`
	Timeout int      `json:"timeout_seconds,omitempty" jsonschema:"Then it is ended." min:"1" max:"120" default:"30"`
}

func (s *server) runReadonly(ctx context.Context, c *kit.Call, in runReadonlyIn) (ranOut, error) {
	names, grants, err := s.door.Select(c, in.Hosts, access.Read)
	if err != nil {
		return ranOut{}, err
	}
	p := planned{names: names, class: command.Reads}
	for _, g := range grants {
		rules := command.Rules{Deny: g.Rules.Deny}
		if len(g.Rules.Read) > 0 { // then only what is allowed by name reads files
			rules.Read, rules.Allow = g.Rules.Read, g.Rules.Allow
		}
		if err := command.JudgeArguments(in.Argv, rules); err != nil {
			return ranOut{}, err
		}
		p.confirm = p.confirm || confirms(g, false)
	}
	text, err := command.Join(in.Argv)
	if err != nil {
		return ranOut{}, err
	}
	if p.confirm {
		if err := approve(c, p.preview(text, "as the account of each host")); err != nil {
			return ranOut{}, err
		}
	}
	return s.runOn(ctx, c, names, access.Read, how{Timeout: in.Timeout}.command(text, len(names)), nil)
}

type runCommandIn struct {
	many
	Command string `json:"command" jsonschema:"For the host's sh." min:"1" max:"65536"`
	how
}

// planned is a command that was judged.
type planned struct {
	names   []string
	class   command.Class
	confirm bool // a person approves it
	runs    []string
}

// plan judges a command for every host it is meant for.
func (s *server) plan(c *kit.Call, wanted []string, text string, want access.Right, least command.Class, env map[string]string) (p planned, err error) {
	names, grants, err := s.door.Select(c, wanted, want)
	if err != nil {
		return p, err
	}
	p.names = names
	for _, g := range grants {
		rules := g.Rules
		if len(rules.Allow) > 0 {
			// The list is the approval: neither a variable nor a file beside it may give a
			// command another meaning.
			if name := harmful(env); name != "" {
				return p, fault.New(fault.Forbidden, "The variable %s could change what an allowed command does. Leave it out, or ask the operator to allow the whole command.", clip(name, 100))
			}
			if !g.Write {
				rules.Write = nil
			}
		}
		v, err := command.Judge(text, rules)
		if err != nil {
			return p, err
		}
		if v.Class == command.Privileged {
			return p, fault.New(fault.Forbidden, "The command becomes another user. Send what should run as root to run_privileged, without sudo.")
		}
		p.class, p.runs = max(p.class, v.Class, least), v.Commands
		p.confirm = p.confirm || confirms(g, p.class != command.Reads)
	}
	return p, nil
}

// harmful is a variable that may change what programs do, "" for none.
func harmful(env map[string]string) string {
	for name := range env {
		if !command.Harmless(name) {
			return name
		}
	}
	return ""
}

// confirms tells whether a person approves what a grant allows.
func confirms(g hosts.Grant, changes bool) bool {
	return g.Confirm == hosts.ConfirmAll || g.Confirm == hosts.ConfirmChanges && changes
}

// preview tells a person what a command is, all of it.
func (p planned) preview(text, as string) kit.Preview {
	return kit.Preview{Target: strings.Join(p.names, ", "), Effect: fmt.Sprintf("Runs this %s (%s):\n%s", as, p.class, text), Changes: p.runs[:min(len(p.runs), 20)]}
}

func (s *server) previewCommand(_ context.Context, c *kit.Call, in runCommandIn) (kit.Preview, error) {
	if err := in.check(); err != nil {
		return kit.Preview{}, err
	}
	p, err := s.plan(c, in.Hosts, in.Command, access.Run, in.least(), in.Env)
	return p.preview(in.Command, "as the account of each host"), err
}

func (s *server) runCommand(ctx context.Context, c *kit.Call, in runCommandIn) (ranOut, error) {
	if err := in.check(); err != nil {
		return ranOut{}, err
	}
	p, err := s.plan(c, in.Hosts, in.Command, access.Run, in.least(), in.Env)
	if err != nil {
		return ranOut{}, err
	}
	if p.confirm {
		if err := approve(c, p.preview(in.Command, "as the account of each host")); err != nil {
			return ranOut{}, err
		}
	}
	return s.runOn(ctx, c, p.names, access.Run, in.command(in.Command, len(p.names)), in.Expect)
}

// approve puts a preview to a person. What it says must still be so when they have
// answered.
func approve(c *kit.Call, p kit.Preview) error {
	effect := p.Effect
	for _, change := range p.Changes {
		effect += "\n- " + change
	}
	return c.Approve(kit.Question{Target: p.Target, Effect: effect})
}

type runPrivilegedIn struct {
	hostIn
	Command string `json:"command" jsonschema:"For sh, as root; without sudo." min:"1" max:"65536"`
	Reason  string `json:"reason" jsonschema:"Why, for the person who approves." min:"1" max:"500"`
	Cwd     string `json:"cwd,omitempty" jsonschema:"Absolute folder to run in."`
	Stdin   string `json:"stdin,omitempty" max:"1048576" jsonschema:"Standard input."`
	Timeout int    `json:"timeout_seconds,omitempty" jsonschema:"Then it is ended." min:"1" max:"600" default:"60"`
}

func (in runPrivilegedIn) how() how { return how{Cwd: in.Cwd, Stdin: in.Stdin, Timeout: in.Timeout} }

func (s *server) previewPrivileged(_ context.Context, c *kit.Call, in runPrivilegedIn) (kit.Preview, error) {
	if err := in.how().check(); err != nil {
		return kit.Preview{}, err
	}
	p, err := s.plan(c, []string{in.Host}, in.Command, access.Sudo, command.Privileged, nil)
	preview := p.preview(in.Command, "AS ROOT")
	// Last, and in so many words: the reason is the model's.
	preview.Changes = append(slices.Clone(preview.Changes), "The model says why: "+strings.Join(strings.Fields(in.Reason), " "))
	return preview, err
}

func (s *server) runPrivileged(ctx context.Context, c *kit.Call, in runPrivilegedIn) (ranOut, error) {
	// The kit has asked: every call of this tool is approved, with its preview.
	if _, err := s.previewPrivileged(ctx, c, in); err != nil {
		return ranOut{}, err
	}
	if !c.Confirmed() {
		return ranOut{}, errors.New("run as root: nobody was asked")
	}
	cmd := in.how().command(in.Command, 1)
	cmd.Sudo = true
	return s.runOn(ctx, c, []string{in.Host}, access.Sudo, cmd, nil)
}
