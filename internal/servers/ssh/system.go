package ssh

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/ssh/access"
	"drawbridge/internal/servers/ssh/command"
	"drawbridge/internal/servers/ssh/remote"
	"drawbridge/internal/servers/ssh/survey"
)

type systemSummaryIn struct{ many }

type systemSummaryOut struct {
	Hosts []summary `json:"hosts"`
}

// summary is how a host is. What it does not tell is absent.
type summary struct {
	Host        string          `json:"host"`
	System      kit.Untrusted   `json:"system,omitempty"`
	UptimeS     int64           `json:"uptime_seconds,omitempty"`
	Load        string          `json:"load,omitempty"`
	CPUs        int64           `json:"cpus,omitempty"`
	MemoryMB    int64           `json:"memory_mb,omitempty"`
	AvailableMB int64           `json:"memory_available_mb,omitempty"`
	SwapUsedMB  int64           `json:"swap_used_mb,omitempty"`
	Disks       []disk          `json:"disks,omitempty"`
	FailedUnits []kit.Untrusted `json:"failed_units,omitempty"`
	Top         []kit.Untrusted `json:"top,omitempty" jsonschema:"pid user cpu mem program."`
	NeedsReboot bool            `json:"needs_reboot,omitempty"`
	Error       string          `json:"error,omitempty"`
}

type disk struct {
	Mount   kit.Untrusted `json:"mount"`
	SizeMB  int64         `json:"size_mb"`
	FreeMB  int64         `json:"free_mb"`
	UsedPct int64         `json:"used_percent"`
}

func (s *server) systemSummary(ctx context.Context, c *kit.Call, in systemSummaryIn) (out systemSummaryOut, err error) {
	names, _, err := s.door.Select(c, in.Hosts, access.Read)
	if err != nil {
		return out, err
	}
	var failure error
	out.Hosts = each(names, func(name string) summary {
		one, err := s.survey(ctx, c, name)
		if err != nil {
			one.Error = fault.PublicOf(err)
			if len(names) == 1 {
				failure = err
			}
		}
		return one
	})
	return out, failure
}

func (s *server) survey(ctx context.Context, c *kit.Call, name string) (summary, error) {
	out := summary{Host: name}
	h, err := s.door.Connect(ctx, c, name, access.Read)
	if err != nil {
		return out, err
	}
	res, err := h.Run(ctx, remote.Command{Text: survey.Script, Timeout: 30 * time.Second, Keep: 64 << 10})
	if err != nil {
		return out, err
	}
	out.fill(survey.Read(res.Stdout.Text))
	return out, nil
}

func (o *summary) fill(r survey.Report) {
	o.System, o.UptimeS, o.Load, o.CPUs = plain(r.System), r.Uptime, r.Load, r.CPUs
	o.MemoryMB, o.AvailableMB, o.SwapUsedMB, o.NeedsReboot = r.Memory, r.Available, r.SwapUsed, r.Reboot
	for _, d := range r.Disks {
		o.Disks = append(o.Disks, disk{plain(d.Mount), d.Size, d.Free, d.Used})
	}
	for _, u := range r.Failed {
		o.FailedUnits = append(o.FailedUnits, plain(u))
	}
	for _, t := range r.Top {
		o.Top = append(o.Top, plain(t))
	}
}

type manageServiceIn struct {
	hostIn
	Unit   string `json:"unit" jsonschema:"Such as nginx or backup.timer." pattern:"^[A-Za-z0-9_.@][A-Za-z0-9_.@:\\\\-]*$" max:"200"`
	Action string `json:"action" jsonschema:"What to do." enum:"status,start,stop,restart,reload,enable,disable"`
}

type manageServiceOut struct {
	Host   string        `json:"host"`
	Unit   string        `json:"unit"`
	Done   bool          `json:"done" jsonschema:"systemctl took it."`
	Active string        `json:"active" jsonschema:"State afterwards."`
	Said   kit.Untrusted `json:"said,omitempty"`
}

// serviceCommand is what an action runs, and whether as root.
func (s *server) serviceCommand(c *kit.Call, in manageServiceIn) (text string, root bool, p planned, err error) {
	argv := []string{"systemctl", in.Action, in.Unit}
	want := access.Run
	if in.Action == "status" {
		argv, want = []string{"systemctl", "--no-pager", "status", in.Unit}, access.Read
	}
	h, g, err := s.door.Find(c, in.Host, want)
	if err != nil {
		return "", false, p, err
	}
	root = in.Action != "status" && h.User != "root"
	if root && !g.Sudo {
		return "", false, p, fault.New(fault.Forbidden, "Managing services on %s needs the right sudo, which the policy does not give you. Ask the operator.", in.Host)
	}
	if text, err = command.Join(argv); err != nil {
		return "", false, p, err
	}
	if in.Action == "status" {
		p = planned{names: []string{in.Host}, class: command.Reads, confirm: confirms(g, false)}
		return text, false, p, command.JudgeArguments(argv, command.Rules{Deny: g.Rules.Deny})
	}
	p, err = s.plan(c, []string{in.Host}, text, want, command.Changes, nil)
	return text, root, p, err
}

func (s *server) previewService(_ context.Context, c *kit.Call, in manageServiceIn) (kit.Preview, error) {
	text, root, p, err := s.serviceCommand(c, in)
	as := "as the account of the host"
	if root {
		as = "AS ROOT"
	}
	return p.preview(text, as), err
}

func (s *server) manageService(ctx context.Context, c *kit.Call, in manageServiceIn) (out manageServiceOut, err error) {
	text, root, p, err := s.serviceCommand(c, in)
	if err != nil {
		return out, err
	}
	if p.confirm || root {
		preview, err := s.previewService(ctx, c, in)
		if err == nil {
			err = approve(c, preview)
		}
		if err != nil {
			return out, err
		}
	}
	want := access.Run
	if in.Action == "status" {
		want = access.Read
	}
	ranAll, err := s.runOn(ctx, c, []string{in.Host}, want, remote.Command{Text: text, Sudo: root, Timeout: 90 * time.Second, Keep: 6 << 10}, nil)
	if err != nil {
		return out, err
	}
	r := ranAll.Results[0]
	out = manageServiceOut{Host: in.Host, Unit: in.Unit, Done: r.OK, Said: r.Stdout + r.Stderr}
	h, err := s.door.Connect(ctx, c, in.Host, want)
	if err != nil {
		return out, err
	}
	unit, err := command.Quote(in.Unit)
	if err != nil {
		return out, err
	}
	state, err := h.Run(ctx, remote.Command{Text: "systemctl is-active " + unit, Timeout: 20 * time.Second, Keep: 1 << 10})
	if err != nil {
		return out, fmt.Errorf("ask for the state: %w", err)
	}
	word, _, _ := strings.Cut(state.Stdout.Text, "\n")
	if out.Active = "unknown"; slices.Contains([]string{"active", "inactive", "failed", "activating", "deactivating", "reloading", "maintenance"}, word) {
		out.Active = word
	}
	return out, nil
}
