package command

import (
	"drawbridge/internal/servers/homeassistant/fake/house"
	"drawbridge/internal/servers/homeassistant/fake/schema"
	"drawbridge/internal/servers/homeassistant/fake/service"
	"drawbridge/internal/servers/homeassistant/fake/template"
)

// upkeep is logs, repairs, backups, updates, integrations, notifications and talking
// (ref 1.2).
func upkeep() Table {
	generate := dict{"agent_ids": need(schema.Strings), "include_addons": strs, "include_all_addons": with(boolean, false), "include_database": with(boolean, true),
		"include_folders": strs, "include_homeassistant": with(boolean, true), "name": may(str), "password": opt}
	return Table{
		"system_log/list": {Admin: true, Do: func(r *Request) (any, error) {
			out := []m{}
			for _, p := range r.H.Problems {
				out = append(out, m{"name": p.Name, "message": p.Messages, "level": p.Level, "source": []any{p.Source, p.Line}, "timestamp": house.Seconds(p.Last),
					"exception": p.Exception, "count": p.Count, "first_occurred": house.Seconds(p.First)})
			}
			return out, nil
		}},
		"repairs/list_issues": {Do: func(r *Request) (any, error) { return m{"issues": r.H.Repairs}, nil }},
		"backup/info": {Admin: true, Do: func(r *Request) (any, error) {
			return m{"backups": r.H.Backups, "agent_errors": m{}, "last_attempted_automatic_backup": r.H.LastBackup, "last_completed_automatic_backup": r.H.LastBackup,
				"last_action_event": nil, "next_automatic_backup": nil, "next_automatic_backup_additional": false, "state": "idle"}, nil
		}},
		"backup/generate": {Admin: true, Fields: generate, Do: func(r *Request) (any, error) {
			for _, a := range r.list("agent_ids") {
				if a != "backup.local" {
					return nil, fail("home_assistant_error", "Invalid agents selected: ['"+a+"']")
				}
			}
			return backup(r, r.text("name"), false)
		}},
		"backup/generate_with_automatic_settings": {Admin: true, Do: func(r *Request) (any, error) { return backup(r, "", true) }},
		"backup/subscribe_events": {Admin: true, Do: func(r *Request) (any, error) {
			r.Line.Finish(r.ID, nil, nil)
			r.Line.Event(r.ID, m{"manager_state": "idle"})
			r.Line.Subscribe(r.ID, r.H.Listen("backup_progress", func(e house.Event) { r.Line.Event(r.ID, e.Data) }))
			return Later, nil
		}},
		"update/release_notes": {Fields: dict{"entity_id": need(schema.Entity)}, Do: func(r *Request) (any, error) {
			id := r.text("entity_id")
			switch {
			case r.H.States[id] == nil || house.Domain(id) != "update":
				return nil, fail("not_found", "Entity not found")
			case r.H.Features(id)&16 == 0:
				return nil, fail("not_supported", "Entity does not support release notes")
			}
			return "## Changes\n\nFixes and improvements.", nil
		}},
		"config_entries/get": {Admin: true, Fields: dict{"domain": may(str), "type_filter": may(schema.Some)}, Do: func(r *Request) (any, error) {
			out := []m{}
			for _, e := range r.H.Entries {
				if !r.has("domain") || e.Domain == r.text("domain") {
					out = append(out, EntryShape(e))
				}
			}
			return out, nil
		}},
		"conversation/process": {Fields: dict{"text": need(str), "conversation_id": opt, "language": may(str), "agent_id": opt}, Do: func(r *Request) (any, error) {
			return service.Converse(r.H, r.text("text")), nil
		}},
	}
}

// EntryShape is a config entry as lists answer it.
func EntryShape(e *house.ConfigEntry) m {
	return m{"entry_id": e.ID, "domain": e.Domain, "title": e.Title, "state": e.State, "source": "user", "reason": e.Reason, "disabled_by": e.Disabled,
		"supports_options": false, "supports_remove_device": e.CanRemove, "supports_unload": e.CanUnload, "supports_reconfigure": false, "supported_subentry_types": m{},
		"num_subentries": 0, "pref_disable_new_entities": false, "pref_disable_polling": false, "error_reason_translation_key": nil, "error_reason_translation_placeholders": nil}
}

// backup takes a minute; subscribers hear of the stages (frontend src/data/backup_manager.ts).
func backup(r *Request, name string, automatic bool) (any, error) {
	job, h := r.H.Hex(), r.H
	if name == "" {
		name = "Custom backup " + h.Version
	}
	tell := func(stage any, state string) {
		h.Fire("backup_progress", m{"manager_state": "create_backup", "stage": stage, "state": state, "reason": nil}, h.NewContext(nil, ""))
	}
	tell(nil, "in_progress")
	h.After(30e9, func() { tell("home_assistant", "in_progress") })
	h.After(60e9, func() {
		at := house.ISO(h.Clock.Now())
		h.Backups = append(h.Backups, m{"backup_id": job[:8], "name": name, "date": at, "addons": []any{}, "folders": []any{}, "database_included": true,
			"homeassistant_included": true,
			"homeassistant_version":  h.Version, "extra_metadata": m{}, "failed_addons": []any{},
			"failed_agent_ids": []any{}, "failed_folders": []any{}, "with_automatic_settings": automatic,
			"agents": m{"backup.local": m{"size": 52428800, "protected": false}}})
		if automatic {
			h.LastBackup = at
		}
		tell(nil, "completed")
		h.Fire("backup_progress", m{"manager_state": "idle"}, h.NewContext(nil, ""))
	})
	return m{"backup_job_id": job}, nil
}

// renderTemplate answers null, then an event now and after each change of a state that the
// template looked at (handle_render_template).
func renderTemplate(r *Request) (any, error) {
	t := template.Template{House: r.H, Text: r.text("template"), Variables: asMap(r.Msg["variables"]), Strict: r.is("strict")}
	if err := t.Check(); err != nil {
		return nil, fail("template_error", err.Error())
	}
	show := func() template.Seen {
		out, seen, err := t.Render()
		switch {
		case err != nil && r.is("report_errors"):
			r.Line.Event(r.ID, m{"error": err.Error(), "level": "ERROR"})
		case err == nil:
			r.Line.Event(r.ID, m{"result": template.Native(out), "listeners": m{"all": false, "domains": []string{}, "entities": seen.Sorted(), "time": seen.Time}})
		}
		return seen
	}
	r.Line.Finish(r.ID, nil, nil)
	seen := show()
	r.Line.Subscribe(r.ID, r.H.Listen("state_changed", func(e house.Event) {
		if seen.Entities[e.Data["entity_id"].(string)] {
			seen = show()
		}
	}))
	return Later, nil
}
