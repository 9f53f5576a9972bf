// Package ci has the tools about runs of workflows, their jobs and logs.
//
// A log is read from its end or from a place, never as a whole. Where the installation
// has no API for jobs or logs the tools say so. The forgejo server offers them.
package ci

import (
	"drawbridge/internal/servers/forgejo/access"
	"drawbridge/internal/servers/kit"
)

// Tools are the tools.
type Tools struct{ *access.Desk }

// Runs are the tools about CI.
func (t Tools) Runs() []kit.Tool {
	return []kit.Tool{
		kit.Read("list_workflow_runs", "List Workflow Runs", "List CI runs, newest first.", t.listRuns),
		kit.Read("get_run", "Get Run", "Show a CI run with its jobs and what failed.", t.getRun),
		kit.Read("get_job_log", "Get Job Log", "Read the log of a CI job: its end, a part, or lines with a text.", t.jobLog).Within(access.Slow),
		kit.WithPreview(kit.Destroy("run_workflow", "Run Workflow", "Start a workflow by hand.", t.runWorkflow), t.previewWorkflow),
	}
}
