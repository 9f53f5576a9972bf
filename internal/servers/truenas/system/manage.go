package system

import (
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

// impact says what an action would do, and to whom. An update without a version gets the
// newest, where TrueNAS can be told one.
func impact(ctx context.Context, s api.Session, in *manageIn) (kit.Preview, error) {
	p := kit.Preview{Target: "TrueNAS"}
	if in.Version != "" && !s.UpdateStatus {
		return p, fault.New(fault.Invalid, "This TrueNAS cannot be told a version: it takes the newest of its train. Leave it out.")
	}
	switch in.Action {
	case "check_update":
		p.Effect = "Asks whether there is a newer release. Nothing is changed."
		return p, nil
	case "download_update":
		p.Effect = "Downloads the update. It is not installed."
		return p, nil
	case "apply_update":
		u, err := s.Update(ctx)
		switch {
		case err != nil:
			return p, err
		case u.Version == "" && in.Version == "":
			return p, fault.New(fault.Conflict, "There is no newer release to install.")
		}
		version := in.Version
		if version == "" {
			version = u.Version
		}
		if s.UpdateStatus {
			in.Version = version
		}
		p.Effect = fmt.Sprintf("Installs %s into a new boot environment.", show.Name(version))
		if !in.Reboot {
			p.Effect += " It takes effect with the next restart, which is not made now."
			return p, nil
		}
		p.Effect += " Then TrueNAS restarts: nothing on it answers for some minutes."
	case "reboot":
		p.Effect = "Restarts TrueNAS. Nothing on it answers for some minutes."
	case "shutdown":
		p.Effect = "Shuts TrueNAS down. Somebody has to switch it on by hand."
	}
	changes, err := stops(ctx, s)
	p.Changes = changes
	return p, err
}

// stops names what a restart would interrupt.
func stops(ctx context.Context, s api.Session) (all []string, err error) {
	apps, err := s.Apps(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, a := range apps {
		if a.State == "RUNNING" || a.State == "DEPLOYING" {
			names = append(names, show.Name(a.Name))
		}
	}
	if len(names) > 0 {
		all = append(all, fmt.Sprintf("Apps stop (%d): %s", len(names), show.Few(names, 15)))
	}
	machines, err := s.VMs(ctx)
	if err != nil {
		return nil, err
	}
	more, err := s.ContainerList(ctx)
	if err != nil {
		return nil, err
	}
	names = nil
	for _, m := range append(machines, more...) {
		if m.State == "RUNNING" {
			names = append(names, show.Name(m.Name))
		}
	}
	if len(names) > 0 {
		all = append(all, fmt.Sprintf("Virtual machines and containers stop (%d): %s", len(names), show.Few(names, 15)))
	}
	jobs, err := s.Jobs(ctx, []any{api.Is("state", api.JobRunning)}, 50)
	if err != nil {
		return nil, err
	}
	names = nil
	for _, j := range jobs {
		names = append(names, strings.TrimSpace(show.Name(j.Method)+" "+show.Name(j.Target())))
	}
	if len(names) > 0 {
		all = append(all, fmt.Sprintf("Jobs are cut off (%d): %s", len(names), show.Few(names, 10)))
	}
	return all, nil
}

func (t Tools) previewManage(ctx context.Context, c *kit.Call, in manageIn) (kit.Preview, error) {
	s, err := t.Session(ctx, c)
	if err != nil {
		return kit.Preview{}, err
	}
	return impact(ctx, s, &in)
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
	asked := fmt.Sprint(in)
	p, err := impact(ctx, s, &in)
	if err != nil {
		return out, err
	}
	if !c.Confirmed() {
		t.Show(c, asked, []string{in.Version})
		return out, desk.Ask(p)
	}
	if err := t.Shown(c, asked, []string{in.Version}); err != nil {
		return out, err
	}
	switch in.Action {
	case "download_update":
		job, err := t.Run(ctx, c, s, s.DownloadUpdate(in.Version))
		return manageOut{State: job.State, Job: job.ID}, err
	case "apply_update":
		job, err := t.Run(ctx, c, s, s.ApplyUpdate(in.Version, in.Reboot))
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
