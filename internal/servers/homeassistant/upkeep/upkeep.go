// Package upkeep has the tools that look after a house: its registries, lists and
// calendars, health, backups and updates; and dashboards, pictures of cameras, the
// voice assistant and templates.
//
// The homeassistant server offers the tools.
package upkeep

import (
	"time"

	"drawbridge/internal/servers/homeassistant/desk"
	"drawbridge/internal/servers/homeassistant/versions"
	"drawbridge/internal/servers/kit"
)

// Tools are the tools.
type Tools struct {
	*desk.Desk
	Versions *versions.Store
}

// longest is how long a backup, an update or a restart is waited for.
const longest = 2 * time.Hour

// All are the tools that are always there.
func (t Tools) All() []kit.Tool {
	return []kit.Tool{
		kit.WithPreview(kit.Write("update_registry", "Update Registry", "Change an entity, device, area, floor or label in the registry, or make an area, floor or label. Risky changes are asked about.", t.update), t.previewUpdate).Idempotent().Undoable(),
		kit.Read("get_list", "Get List", "Read a to-do list or a calendar.", t.getList),
		kit.Write("manage_list", "Manage List", "Add, update, complete or remove an item of a to-do list or calendar. Removing is asked about.", t.manageList),
		kit.Read("render_template", "Render Template", "Render a Jinja template in Home Assistant.", t.render),
		kit.Read("get_system_health", "Get System Health", "Logs, repairs, updates, backups and failed integrations.", t.health),
		kit.Write("run_maintenance", "Run Maintenance", "Back up, install an update, reload, restart, or check the configuration. Restarts and updates are asked about.", t.maintain).Long(longest),
	}
}

// Dashboards are the tools about dashboards.
func (t Tools) Dashboards() []kit.Tool {
	return []kit.Tool{
		kit.Read("list_dashboards", "List Dashboards", "List dashboards.", t.listDashboards),
		kit.Read("get_dashboard", "Get Dashboard", "Read what a dashboard shows.", t.getDashboard),
		kit.WithPreview(kit.Write("save_dashboard", "Save Dashboard", "Replace what a dashboard shows. The version before is kept; restore takes it back.", t.saveDashboard), t.previewDashboard).Idempotent().Undoable(),
	}
}

// Media are the tools about pictures.
func (t Tools) Media() []kit.Tool {
	return []kit.Tool{kit.Read("get_camera_snapshot", "Get Camera Snapshot", "Look at the present picture of a camera.", t.snapshot)}
}

// Assist are the tools of the voice assistant.
func (t Tools) Assist() []kit.Tool {
	return []kit.Tool{kit.Write("converse", "Converse", "Say a sentence to Home Assistant's voice assistant, which may act on it. A person approves it.", t.converse).Within(desk.Slow)}
}
