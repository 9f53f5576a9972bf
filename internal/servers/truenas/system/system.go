// Package system has the tools about TrueNAS as a whole: how it is, what it warns of,
// what it measures, its jobs, and its power.
//
// Texts of alerts and jobs are outside text. The truenas server offers the tools.
package system

import (
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/truenas/desk"
)

// Tools are the tools.
type Tools struct{ *desk.Desk }

// Status are the tools that are always there.
func (t Tools) Status() []kit.Tool {
	return []kit.Tool{
		kit.Read("get_system_status", "Get System Status", "How the system is: verdict, pools, alerts, updates, services, tasks. Start here.", t.GetStatus).Within(desk.Slow),
		kit.Read("list_alerts", "List Alerts", "What TrueNAS warns of.", t.listAlerts),
		kit.Write("dismiss_alert", "Dismiss Alert", "Dismiss an alert, or bring it back (restore).", t.dismissAlert).Idempotent().Undoable(),
		kit.Read("get_job", "Get Job", "A job of TrueNAS (not of this server), or the newest without an id.", t.GetJob),
		kit.WithPreview(kit.Destroy("abort_job", "Abort Job", "End a job of TrueNAS.", t.abortJob), t.previewAbort),
	}
}

// Metrics is the tool about what TrueNAS measures.
func (t Tools) Metrics() []kit.Tool {
	return []kit.Tool{
		kit.Read("get_metrics", "Get Metrics", "Measurements over time, thinned out, with min, mean and max. Without a metric: which there are.", t.getMetrics).Within(desk.Slow),
	}
}

// Power is the tool about updates and restarts.
func (t Tools) Power() []kit.Tool {
	return []kit.Tool{
		kit.WithPreview(kit.Destroy("manage_system", "Manage System", "Check for, download or install an update; restart or shut down.", t.manage).AsksItself().Long(desk.HalfADay), t.previewManage),
	}
}

// Raw is the tool for what no other shows.
func (t Tools) Raw() []kit.Tool {
	return []kit.Tool{
		kit.Read("query_raw", "Query Raw", "Rows of a query method of the middleware; members that may be secret are left out.", t.query).Within(desk.Slow),
	}
}
