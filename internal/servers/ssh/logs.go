package ssh

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/ssh/access"
	"drawbridge/internal/servers/ssh/command"
	"drawbridge/internal/servers/ssh/output"
	"drawbridge/internal/servers/ssh/remote"
)

type tailLogIn struct {
	hostIn
	Path   string `json:"path,omitempty" jsonschema:"A log file; or unit." max:"4096"`
	Unit   string `json:"unit,omitempty" jsonschema:"A systemd unit; or path." pattern:"^[A-Za-z0-9_.@][A-Za-z0-9_.@:\\\\-]*$" max:"200"`
	Lines  int    `json:"lines,omitempty" jsonschema:"Lines of the end." min:"1" max:"2000" default:"100"`
	Grep   string `json:"grep,omitempty" jsonschema:"Only lines with this text." max:"500"`
	Follow int    `json:"follow_seconds,omitempty" jsonschema:"Go on for so long." min:"1" max:"60"`
}

type tailLogOut struct {
	Host    string        `json:"host"`
	Lines   kit.Untrusted `json:"lines"`
	Omitted int64         `json:"omitted_bytes,omitempty"`
}

// lookBack is how many lines are searched for a text.
const lookBack = 50_000

// script is the pipeline for a log. Everything in it is quoted. It fails where the log
// cannot be read: what finds nothing in it, or waits for more, would look the same.
func (in tailLogIn) script() (string, error) {
	lines := strconv.Itoa(in.Lines)
	if in.Grep != "" {
		lines = strconv.Itoa(lookBack)
	}
	var argv []string
	there := ""
	switch {
	case (in.Path == "") == (in.Unit == ""):
		return "", fault.New(fault.Invalid, "Send either path or unit.")
	case in.Unit != "":
		argv = []string{"journalctl", "--no-pager", "-o", "short-iso", "-n", lines, "-u", in.Unit}
	default:
		p, err := remote.CheckPath(in.Path)
		if err != nil {
			return "", err
		}
		argv = []string{"tail", "-n", lines, "--", p}
		if in.Follow > 0 {
			argv = []string{"tail", "-n", lines, "-F", "--", p}
		}
		quoted, err := command.Quote(p)
		if err != nil {
			return "", err
		}
		there = "[ -r " + quoted + " ] && [ ! -d " + quoted + " ] || exit 1; "
	}
	if in.Unit != "" && in.Follow > 0 {
		argv = append(argv, "-f")
	}
	text, err := command.Join(argv)
	if err != nil || in.Grep == "" {
		return there + text, err
	}
	pattern, err := command.Quote(in.Grep)
	if err != nil {
		return "", err
	}
	if in.Follow > 0 {
		return there + text + " | grep --line-buffered -F -e " + pattern, nil
	}
	// A pipe ends with the status of its last command. That of the first goes past it.
	return there + fmt.Sprintf("exec 4>&1; s=$({ { %s; echo $? >&3; } | { grep -F -e %s || :; } | tail -n %d >&4; } 3>&1); exit $s", text, pattern, in.Lines), nil
}

// heldTo is the pipeline for where the path leads, if it may be read.
func (in tailLogIn) heldTo(ctx context.Context, h access.Reached, rule remote.Allowed) (string, error) {
	p, err := remote.CheckPath(in.Path)
	if err != nil {
		return "", err
	}
	if in.Path, err = h.Resolve(ctx, p, rule); err != nil {
		return "", err
	}
	return in.script()
}

func (s *server) tailLog(ctx context.Context, c *kit.Call, in tailLogIn) (out tailLogOut, err error) {
	text, err := in.script()
	if err != nil {
		return out, err
	}
	h, err := s.door.Connect(ctx, c, in.Host, access.Read)
	if err != nil {
		return out, err
	}
	if rule := h.ReadRule(); rule != nil && in.Path != "" {
		if text, err = in.heldTo(ctx, h, rule); err != nil {
			return out, err
		}
	}
	cmd := remote.Command{Text: text, Timeout: 30 * time.Second, Keep: textRoom}
	if in.Follow > 0 {
		cmd.Timeout = time.Duration(in.Follow) * time.Second
		var bytes float64
		cmd.Output = func(p []byte) {
			bytes += float64(len(p))
			shown, _ := output.Plain(p)
			c.Progress(bytes, 0, c.Outside(clip(strings.TrimSpace(shown), 500)))
		}
	}
	res, err := h.Run(ctx, cmd)
	if err != nil {
		return out, err
	}
	if res.ExitCode > 0 && res.Stdout.Bytes == 0 {
		cause := fmt.Errorf("exit %d: %.300q", res.ExitCode, res.Stderr.Text)
		if in.Path != "" {
			return out, fault.Wrap(cause, fault.NotFound, "There is no file %s on %s, or %s may not read it. Check the name with list_directory.", in.Path, in.Host, h.Host.User)
		}
		return out, fault.Wrap(cause, fault.NotFound, "There is no log of %s on %s, or %s may not read it. Check the name with run_readonly systemctl list-units.", in.Unit, in.Host, h.Host.User)
	}
	return tailLogOut{in.Host, kit.Untrusted(res.Stdout.Text), res.Stdout.Omitted}, nil
}
