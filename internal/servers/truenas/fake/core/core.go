// Package core has the methods about the connection itself: logging in, events, jobs
// (ref 2.2 "Wire", "Login", "Jobs"; truenas/middleware service/core_service.py,
// api/v26_0_0/auth.py, api/v26_0_0/core.py). Only the fake uses it.
package core

import (
	"maps"

	"drawbridge/internal/servers/truenas/fake/access"
	"drawbridge/internal/servers/truenas/fake/call"
	"drawbridge/internal/servers/truenas/fake/fail"
	"drawbridge/internal/servers/truenas/fake/filter"
	"drawbridge/internal/servers/truenas/fake/jobs"
	"drawbridge/internal/servers/truenas/fake/model"
)

// Methods of all versions.
func Methods() []call.Method {
	return append(login(), []call.Method{
		{Name: "core.ping", Free: true, Often: true, Run: func(*call.Call) (any, error) { return "pong", nil }},
		{Name: "core.set_options", Free: true, Often: true, Args: []model.Arg{model.Need("options", options)}, Run: func(c *call.Call) (any, error) {
			return c.Session.Options(c.Map(0)), nil
		}},
		{Name: "core.subscribe", Open: true, Args: []model.Arg{model.Need("event", model.Text)}, Run: func(c *call.Call) (any, error) {
			return c.Session.Subscribe(c.Text(0))
		}},
		{Name: "core.unsubscribe", Open: true, Args: []model.Arg{model.Need("id_", model.Text)}, Run: func(c *call.Call) (any, error) {
			c.Session.Unsubscribe(c.Text(0))
			return nil, nil
		}},
		{Name: "core.get_jobs", Open: true, Args: filter.Args, Run: getJobs},
		{Name: "core.job_abort", Open: true, Args: []model.Arg{model.Need("id", model.Int)}, Run: abort},
		{Name: "core.job_wait", Open: true, Args: []model.Arg{model.Need("id", model.Int)}, Job: wait},
		{Name: "core.job_download_logs", Open: true, Args: []model.Arg{model.Need("id", model.Int), model.Need("filename", model.Text), model.May("buffered", model.Bool, false)}, Run: downloadLogs},
	}...)
}

// options: members that are not known are ignored, for newer clients (CoreOptions).
var options = model.Object{Name: "CoreOptions", Update: true, Loose: true, Fields: []model.Arg{
	model.Need("legacy_jobs", model.Bool), model.Need("private_methods", model.Bool), model.Need("py_exceptions", model.Bool),
}}

// mine is whether a caller may see a job: its own, or any for a full admin.
func mine(p *access.Principal, j *jobs.Job) bool {
	return p.Admin() || j.Owner.User == p.Account.Name
}

func getJobs(c *call.Call) (any, error) {
	var rows []call.Row
	for _, j := range c.Jobs.All() {
		if mine(c.Who, j) {
			rows = append(rows, j.Row())
		}
	}
	return filter.Query(rows, c.Args)
}

func find(c *call.Call) (*jobs.Job, error) {
	j := c.Jobs.Get(c.Int(0))
	switch {
	case j == nil:
		return nil, fail.Missing("Job with id %d does not exist", c.Int(0))
	case !mine(c.Who, j):
		return nil, fail.Call(fail.EPERM, "Job is not owned by current session")
	}
	return j, nil
}

func abort(c *call.Call) (any, error) {
	j, err := find(c)
	if err != nil {
		return nil, err
	}
	c.Later(0, j.Abort) // the answer does not wait for it
	return nil, nil
}

// wait is a job itself, which ends as the other one does: so with legacy_jobs, the
// default, its answer is the id of yet another job. A job that is not there fails it.
func wait(c *call.Call) (*jobs.Work, error) {
	j, err := find(c)
	if err != nil {
		return &jobs.Work{Do: func() (any, error) { return nil, err }}, nil
	}
	var self *jobs.Job
	w := &jobs.Work{Open: true}
	w.Begin = func() {
		for _, one := range c.Jobs.All() {
			if one.Work == w {
				self = one
			}
		}
		c.Later(0, func() {
			j.Then(func() {
				switch {
				case j.Fault != nil:
					self.Finish(nil, j.Fault)
				case j.State == jobs.Aborted:
					self.Finish(nil, fail.Call(fail.EFAULT, "Job was aborted"))
				default:
					self.Finish(j.Result, nil)
				}
			})
		})
	}
	return w, nil
}

func downloadLogs(c *call.Call) (any, error) {
	j, err := find(c)
	if err != nil {
		return nil, err
	}
	if len(j.Work.Logs) == 0 {
		return nil, fail.Call(fail.EFAULT, "This job has no logs")
	}
	return c.Download(j.Work.Logs), nil
}

func login() []call.Method {
	withOptions := func(fields ...model.Arg) model.Object {
		return model.Object{Name: "AuthData", Fields: append(fields, model.May("login_options", model.Object{Name: "AuthCommonOptions", Fields: []model.Arg{
			model.May("user_info", model.Bool, true), model.May("reconnect_token", model.Bool, false),
		}}, nil))}
	}
	otp := withOptions(model.Need("otp_token", model.Text))
	order := []string{"API_KEY_PLAIN", "PASSWORD_PLAIN", "TOKEN_PLAIN", "OTP_TOKEN"}
	data := map[string]model.Object{
		"API_KEY_PLAIN":  withOptions(model.Need("username", model.Text), model.Need("api_key", model.Text)),
		"PASSWORD_PLAIN": withOptions(model.Need("username", model.Text), model.Need("password", model.Text)),
		"TOKEN_PLAIN":    withOptions(model.Need("token", model.Text)),
		"OTP_TOKEN":      otp,
	}
	modern := map[string]model.Object{"SCRAM": {Name: "AuthSCRAM", Fields: []model.Arg{
		model.Need("scram_type", model.OneOf("CLIENT_FIRST_MESSAGE", "CLIENT_FINAL_MESSAGE")), model.Need("rfc_str", model.Text),
	}}}
	maps.Copy(modern, data)
	otp.Fields = append([]model.Arg{model.Need("mechanism", model.OneOf("OTP_TOKEN"))}, otp.Fields...)
	ex := func(from, until call.Version, order []string, of map[string]model.Object) call.Method {
		return call.Method{Name: "auth.login_ex", From: from, Until: until, Free: true, Run: loginEx,
			Args: []model.Arg{model.Need("login_data", model.Tagged{Tag: "mechanism", Order: order, Of: of})}}
	}
	return []call.Method{
		ex(call.V2504, call.V2510, order, data), ex(call.V26, 0, append(order, "SCRAM"), modern),
		{Name: "auth.login_ex_continue", Free: true, Args: []model.Arg{model.Need("login_data", otp)}, Run: loginEx},
		{Name: "auth.login_with_api_key", Free: true, Args: []model.Arg{model.Need("api_key", model.Text)}, Run: func(c *call.Call) (any, error) {
			p := c.Book.OldLogin(c.Session.Talk(), c.Text(0), c.Now)
			if p != nil {
				c.Session.Enter(p)
			}
			return p != nil, nil
		}},
		{Name: "auth.mechanism_choices", Free: true, Run: func(c *call.Call) (any, error) {
			var out []any
			for _, m := range c.Book.Mechanisms {
				if m != "SCRAM" || c.API >= call.V26 {
					out = append(out, m)
				}
			}
			return out, nil
		}},
		{Name: "auth.me", Open: true, Run: func(c *call.Call) (any, error) { return c.Who.Info(), nil }},
		{Name: "auth.logout", Open: true, Run: func(c *call.Call) (any, error) {
			c.Session.Leave()
			return true, nil
		}},
	}
}

func loginEx(c *call.Call) (any, error) {
	answer, p, err := c.Book.Login(c.Session.Talk(), c.Map(0), c.Now)
	if p != nil {
		c.Session.Enter(p)
	}
	return answer, err
}
