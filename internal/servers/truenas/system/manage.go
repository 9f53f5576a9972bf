package system

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/truenas/api"
	"drawbridge/internal/servers/truenas/desk"
	"drawbridge/internal/servers/truenas/show"
)

type manageIn struct {
	Action  string `json:"action" jsonschema:"What." enum:"check_update,download_update,apply_update,reboot,shutdown"`
	Version string `json:"version,omitempty" jsonschema:"Of the update; the newest without it." pattern:"^[A-Za-z0-9.-]{1,60}$"`
	Reboot  bool   `json:"reboot,omitempty" jsonschema:"Restart after apply_update."`
	Reason  string `json:"reason,omitempty" jsonschema:"Of reboot or shutdown." max:"200"`
}

type manageOut struct {
	State  string `json:"state,omitempty"`
	Update string `json:"update,omitempty"`
	Notes  string `json:"release_notes,omitempty"`
	Job    int64  `json:"truenas_job,omitempty"`
}

// impact is what an action would do, and to whom.
type impact struct {
	kit.Preview
	version, train string // of the update, where TrueNAS can be told one
}

// impactOf finds it out. An update without a version gets the newest.
func impactOf(ctx context.Context, s api.Session, in manageIn) (p impact, err error) {
	p.Target = "TrueNAS"
	switch in.Action {
	case "check_update":
		p.Effect = "Asks whether there is a newer release. Nothing is changed."
		return p, nil
	case "download_update", "apply_update":
		if err := p.choose(ctx, s, in); err != nil || in.Action == "download_update" || !in.Reboot {
			return p, err
		}
		p.Effect += " Then TrueNAS restarts: nothing on it answers for some minutes."
	case "reboot":
		p.Effect = "Restarts TrueNAS. Nothing on it answers for some minutes."
	case "shutdown":
		p.Effect = "Shuts TrueNAS down. Somebody has to switch it on by hand."
	}
	stopped, err := p.stops(ctx, s)
	// Jobs come and go by themselves: the approval does not stand on them.
	p.Bound = desk.Bound([]string{p.Effect, p.train}, stopped)
	return p, err
}

// choose finds the release that is meant.
func (p *impact) choose(ctx context.Context, s api.Session, in manageIn) error {
	if in.Version != "" && !s.UpdateStatus {
		return fault.New(fault.Invalid, "This TrueNAS cannot be told a version: it takes the newest of its train. Leave it out.")
	}
	u, err := s.Update(ctx)
	if err != nil {
		return err
	}
	version := cmp.Or(in.Version, u.Version)
	switch {
	case u.Restart:
		return fault.New(fault.Conflict, "An update is installed and waits for a restart. Restart TrueNAS first (reboot).")
	case version == "":
		return fault.New(fault.Conflict, "There is no newer release to install.")
	case s.UpdateStatus:
		p.version = version
		if version == u.Version {
			p.train = u.Train
		}
		if p.train == "" {
			p.train, err = s.TrainOf(ctx, version)
		}
	}
	p.Effect = fmt.Sprintf("Downloads %s. It is not installed.", show.Name(version))
	if in.Action == "apply_update" {
		p.Effect = fmt.Sprintf("Installs %s into a new boot environment.", show.Name(version))
		if !in.Reboot {
			p.Effect += " It takes effect with the next restart, which is not made now."
		}
	}
	p.Bound = desk.Bound([]string{p.Effect, p.train})
	return err
}

// stops adds what a restart would interrupt, and gives all but the jobs.
func (p *impact) stops(ctx context.Context, s api.Session) (stopped []string, err error) {
	add := func(what string, names []string, most int) {
		if len(names) > 0 {
			p.Changes = append(p.Changes, fmt.Sprintf("%s (%d): %s", what, len(names), show.Few(names, most)))
		}
	}
	all, err := s.Apps(ctx)
	if err != nil {
		return nil, err
	}
	var apps, machines, jobs []string
	for _, a := range all {
		if a.State == "RUNNING" || a.State == "DEPLOYING" {
			apps = append(apps, show.Name(a.Name))
		}
	}
	add("Apps stop", apps, 15)
	vms, err := s.VMs(ctx)
	if err != nil {
		return nil, err
	}
	containers, err := s.ContainerList(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range append(vms, containers...) {
		if m.State == "RUNNING" {
			machines = append(machines, show.Name(m.Name))
		}
	}
	add("Virtual machines and containers stop", machines, 15)
	running, err := s.Jobs(ctx, []any{api.Is("state", api.JobRunning)}, 50)
	for _, j := range running {
		jobs = append(jobs, strings.TrimSpace(show.Name(j.Method)+" "+show.Name(j.Target())))
	}
	add("Jobs are cut off", jobs, 10)
	return append(append(apps, "and"), machines...), err
}

func (t Tools) previewManage(ctx context.Context, c *kit.Call, in manageIn) (kit.Preview, error) {
	s, err := t.Session(ctx, c)
	if err != nil {
		return kit.Preview{}, err
	}
	p, err := impactOf(ctx, s, in)
	return p.Preview, err
}

func (t Tools) manage(ctx context.Context, c *kit.Call, in manageIn) (out manageOut, err error) {
	s, err := t.Session(ctx, c)
	if err != nil {
		return out, err
	}
	if in.Action == "check_update" {
		u, err := s.Update(ctx)
		out = manageOut{State: "none", Update: updateLine(u), Notes: show.Name(u.Notes)}
		if u.Version != "" || u.Restart {
			out.State = "available"
		}
		return out, err
	}
	p, err := impactOf(ctx, s, in)
	if err != nil {
		return out, err
	}
	if err := desk.Approve(c, p.Preview); err != nil {
		return out, err
	}
	switch in.Action {
	case "download_update":
		job, err := t.Run(ctx, c, s, s.DownloadUpdate(p.version, p.train))
		return manageOut{State: job.State, Job: job.ID}, err
	case "apply_update":
		job, err := t.Run(ctx, c, s, s.ApplyUpdate(p.version, p.train, in.Reboot))
		if err != nil && in.Reboot && job.ID > 0 && s.Interrupted() { // by the restart that was asked for, or a moment too soon
			return manageOut{State: "TrueNAS closed the connection, as it does when it restarts. Look with get_system_status in some minutes: its version tells whether the update was installed.", Job: job.ID}, nil
		}
		return manageOut{State: job.State, Job: job.ID}, err
	}
	reason := in.Reason
	if reason == "" {
		reason = "Asked for through Drawbridge by " + c.User()
	}
	job, err := s.Begin(ctx, api.Power(in.Action == "shutdown", reason))
	return manageOut{State: "begun", Job: job}, err
}
