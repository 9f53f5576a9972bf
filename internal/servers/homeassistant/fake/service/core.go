package service

import (
	"maps"
	"slices"
	"strings"

	"drawbridge/internal/servers/homeassistant/fake/house"
	"drawbridge/internal/servers/homeassistant/fake/schema"
)

// core is homeassistant.*, and what belongs to no room.
func core() []Def {
	admin := func(domain, name, about string, fields dict, run func(*Call, string) (any, error)) Def {
		return Def{Domain: domain, Name: name, About: about, Fields: fields, Admin: true, Run: run}
	}
	defs := []Def{
		admin("homeassistant", "restart", "Restarts Home Assistant.", dict{"safe_mode": may(schema.Truth)}, restart),
		admin("homeassistant", "stop", "Stops Home Assistant.", nil, restart),
		admin("homeassistant", "check_config", "Checks the configuration files.", nil, checkConfig),
		admin("homeassistant", "reload_all", "Reloads all YAML.", nil, nothing),
		admin("homeassistant", "reload_core_config", "Reloads the core configuration.", nil, nothing),
		admin("homeassistant", "reload_config_entry", "Reloads integrations.", dict{"entry_id": may(text)}.Plus(schema.Target), reloadEntry),
		{Domain: "homeassistant", Name: "update_entity", About: "Polls entities.", Fields: dict{"entity_id": need(schema.Entities)}, Run: nothing},
		admin("recorder", "purge", "Deletes history.", dict{"keep_days": may(whole(0, huge)), "repack": may(schema.Truth)}, func(c *Call, _ string) (any, error) {
			for id, past := range c.H.Past {
				c.H.Past[id] = past[len(past)-1:]
			}
			return nil, nil
		}),
		admin("system_log", "clear", "Clears the log.", nil, func(c *Call, _ string) (any, error) { c.H.Problems = nil; return nil, nil }),
		{Domain: "logbook", Name: "log", About: "Writes to the logbook.",
			Fields: dict{"name": need(text), "message": need(text), "entity_id": may(schema.Entity), "domain": may(text)}, Run: writeLogbook},
		{Domain: "persistent_notification", Name: "create", About: "Shows a notification.",
			Fields: dict{"message": need(text), "title": may(text), "notification_id": may(text)}, Run: notify},
		{Domain: "persistent_notification", Name: "dismiss", About: "Hides a notification.",
			Fields: dict{"notification_id": need(text)}, Run: func(c *Call, _ string) (any, error) {
				c.H.Notes = slices.DeleteFunc(c.H.Notes, func(n m) bool { return n["notification_id"] == c.Data["notification_id"] })
				return nil, nil
			}},
		{Domain: "update", Name: "install", About: "Installs an update.", Entities: true, Feature: 1,
			Fields: dict{"version": may(text), "backup": may(schema.Truth)}, Run: install},
		{Domain: "update", Name: "skip", About: "Skips an update.", Entities: true, Run: func(c *Call, id string) (any, error) {
			c.become(id, "off", m{"skipped_version": c.attr(id, "latest_version")})
			return nil, nil
		}},
		{Domain: "update", Name: "clear_skipped", About: "Offers a skipped update again.", Entities: true, Run: func(c *Call, id string) (any, error) {
			c.become(id, "on", m{"skipped_version": nil})
			return nil, nil
		}},
		{Domain: "conversation", Name: "process", About: "Talks to an agent.", Response: "optional",
			Fields: dict{"text": need(text), "language": may(text), "agent_id": may(text), "conversation_id": may(text)},
			Run: func(c *Call, _ string) (any, error) {
				return Converse(c.H, c.Data["text"].(string)), nil
			}},
		{Domain: "shell_command", Name: "wipe_cache", About: "A shell command of the operator.", Response: "optional", Run: func(*Call, string) (any, error) {
			return m{"stdout": "", "stderr": "", "returncode": 0}, nil
		}},
	}
	for _, name := range []string{"turn_on", "turn_off", "toggle"} {
		defs = append(defs, Def{Domain: "homeassistant", Name: name, About: "For entities of any kind: " + name + ".", Entities: true, Any: true, Run: generic})
	}
	return defs
}

// generic hands over to the service of the entity's own domain, where there is one
// (homeassistant/__init__.py, async_handle_turn_service).
func generic(c *Call, id string) (any, error) {
	d := c.set.Find(house.Domain(id), c.Def.Name)
	if d == nil || c.H.States[id].State == "unavailable" {
		c.H.Log("homeassistant.components.homeassistant", "WARNING", "components/homeassistant/__init__.py",
			"The service homeassistant."+c.Def.Name+" does not support entities "+id)
		return nil, nil
	}
	sub := *c
	sub.Def, sub.Data = d, m{}
	return d.Run(&sub, id)
}

// restart refuses a broken configuration (homeassistant/__init__.py).
func restart(c *Call, _ string) (any, error) {
	if c.H.BadConfig != "" && c.Def.Name == "restart" {
		return nil, Failed("The system cannot restart because the configuration is not valid: %s", c.H.BadConfig)
	}
	if c.H.OnRestart != nil {
		c.H.OnRestart()
	}
	return nil, nil
}

func checkConfig(c *Call, _ string) (any, error) {
	if c.H.BadConfig != "" {
		c.H.Log("homeassistant.config", "ERROR", "config.py", c.H.BadConfig)
	}
	return nil, nil
}

func reloadEntry(c *Call, _ string) (any, error) {
	id, _ := c.Data["entry_id"].(string)
	ids := c.H.Resolve(c.Data, false, false).All()
	if id == "" && len(ids) == 0 {
		return nil, schema.Fail("There were no matching config entries to reload")
	}
	if id != "" && c.H.ConfigEntry(id) == nil {
		return nil, Failed("Config entry %s not found", id)
	}
	return nil, nil
}

func writeLogbook(c *Call, _ string) (any, error) {
	row := maps.Clone(c.Data)
	row["context_id"] = c.Context.ID
	c.H.Journal = append(c.H.Journal, house.Row{When: c.H.Clock.Now(), Body: row, Context: c.Context.ID})
	return nil, nil
}

func notify(c *Call, _ string) (any, error) {
	id, _ := c.Data["notification_id"].(string)
	if id == "" {
		id = c.H.Hex()
	}
	c.H.Notes = append(slices.DeleteFunc(c.H.Notes, func(n m) bool { return n["notification_id"] == id }),
		m{"notification_id": id, "message": c.Data["message"], "title": c.Data["title"], "created_at": house.ISO(c.H.Clock.Now())})
	return nil, nil
}

// install takes half a minute, with progress where the entity tells it.
func install(c *Call, id string) (any, error) {
	latest := c.attr(id, "latest_version")
	switch {
	case c.H.States[id].State != "on" && !c.has("version"):
		return nil, Failed("No update available for %s", id)
	case c.attr(id, "in_progress") == true:
		return nil, Failed("Update installation already in progress for %s", id)
	}
	c.H.Change(id, "", m{"in_progress": true, "update_percentage": 0}, c.Context)
	c.H.After(installTime/2, func() { c.H.Change(id, "", m{"update_percentage": 50}, c.Context) })
	c.H.After(installTime, func() {
		c.H.Change(id, "off", m{"in_progress": false, "update_percentage": nil, "installed_version": latest}, c.Context)
		if s := c.H.States[id]; s != nil { // null attributes stay where there is no value
			s.Attributes["update_percentage"] = nil
		}
	})
	return nil, nil
}

const installTime = 30e9

// Converse understands "turn on/off NAME" and no more.
func Converse(h *house.House, said string) m {
	answer := func(kind, text string, data m) m {
		return m{"conversation_id": h.ULID(), "continue_conversation": false, "response": m{"response_type": kind, "language": "en", "card": m{},
			"data": data, "speech": m{"plain": m{"speech": text, "extra_data": nil}}}}
	}
	for _, state := range []string{"on", "off"} {
		name, ok := strings.CutPrefix(strings.ToLower(said), "turn "+state+" ")
		if !ok {
			continue
		}
		for id := range h.States {
			if d := house.Domain(id); strings.EqualFold(h.Name(id), strings.TrimPrefix(name, "the ")) && (d == "light" || d == "switch") {
				h.Change(id, state, nil, h.NewContext(nil, ""))
				return answer("action_done", "Turned "+state+" the "+h.Name(id), m{"targets": []m{}, "failed": []m{},
					"success": []m{{"name": h.Name(id), "type": "entity", "id": id}}})
			}
		}
	}
	return answer("error", "Sorry, I couldn't understand that", m{"code": "no_intent_match"})
}
