package seed

import (
	"time"

	"drawbridge/internal/servers/homeassistant/fake/house"
)

type l = []any

// items are the automations, lists, logs and so on of the small home.
func items(b *builder) {
	h, c := b.h, b.h.NewContext(nil, "")
	h.Automations = []*house.Config{
		{ID: "1730000000001", Body: m{"id": "1730000000001", "alias": "Hallway light on motion", "description": "", "mode": "restart",
			"triggers":   l{m{"trigger": "state", "entity_id": l{"binary_sensor.hallway_motion"}, "to": "on"}},
			"conditions": l{m{"condition": "state", "entity_id": "sun.sun", "state": "below_horizon"}},
			"actions":    l{m{"action": "light.turn_on", "target": m{"entity_id": "light.hallway"}}}}},
		{ID: "alarm_siren", Package: true, Body: m{"id": "alarm_siren", "alias": "Siren on alarm", "mode": "single",
			"trigger": l{m{"platform": "state", "entity_id": "alarm_control_panel.home", "to": "triggered"}},
			"action":  l{m{"service": "siren.turn_on", "target": m{"entity_id": "siren.garden"}}}}},
	}
	h.Scripts = []*house.Config{{ID: "good_night", Body: m{"alias": "Good night", "mode": "single", "icon": "mdi:weather-night",
		"sequence": l{m{"action": "light.turn_off", "target": m{"area_id": l{"living_room"}}}, m{"action": "lock.lock", "target": m{"entity_id": "lock.front_door"}}}}}}
	h.Scenes = []*house.Config{{ID: "1730000000101", Body: m{"id": "1730000000101", "name": "Movie night", "icon": "mdi:movie",
		"entities": m{"light.living_room_ceiling": m{"state": "on", "brightness": 40}, "cover.living_room_blind": m{"state": "closed"}}}}}
	for _, domain := range []string{"automation", "script", "scene"} {
		for _, x := range *h.List(domain) {
			h.Load(domain, x, c)
		}
	}
	h.Todos["todo.shopping"] = []*house.Todo{
		{UID: "0f3c0001-aaaa-11f0-9c01-000000000001", Summary: "Milk", Status: "needs_action"},
		{UID: "0f3c0002-aaaa-11f0-9c01-000000000002", Summary: "Bread", Status: "needs_action", Due: house.Opt(b.h.Clock.Now().In(h.Zone).AddDate(0, 0, 1).Format(time.DateOnly))},
		{UID: "0f3c0003-aaaa-11f0-9c01-000000000003", Summary: "Coffee", Status: "completed"},
	}
	day := h.Clock.Now().In(h.Zone).Truncate(time.Hour)
	h.Calendars["calendar.family"] = []*house.CalendarEvent{
		{UID: "ev-1", Summary: "Dentist", Start: day.Add(26 * time.Hour).Format(time.RFC3339), End: day.Add(27 * time.Hour).Format(time.RFC3339),
			Location: house.Opt("Main Street 1")},
		{UID: "ev-2", Summary: "Bin day", Start: day.AddDate(0, 0, 2).Format(time.DateOnly), End: day.AddDate(0, 0, 3).Format(time.DateOnly), Rule: house.Opt("FREQ=WEEKLY")},
	}
	at := h.Clock.Now()
	h.Problems = []*house.LogEntry{
		{Name: "homeassistant.components.met", Level: "WARNING", Source: "components/met/coordinator.py", Line: 88, Count: 7,
			Messages: []string{"Update failed: Timeout while connecting"},
			First:    at.Add(-5 * time.Hour), Last: at.Add(-10 * time.Minute)},
		{Name: "homeassistant.helpers.template", Level: "ERROR", Source: "helpers/template.py", Line: 2291, Count: 1,
			Messages: []string{"Template variable error: 'brightnes' is undefined"},
			First:    at.Add(-90 * time.Minute), Last: at.Add(-90 * time.Minute)},
	}
	h.Repairs = []m{{"domain": "met", "issue_id": "deprecated_yaml", "severity": "warning", "is_fixable": false, "ignored": false, "dismissed_version": nil,
		"breaks_in_ha_version": "2027.1.0", "translation_key": "deprecated_yaml", "translation_placeholders": nil,
		"learn_more_url": nil, "issue_domain": nil, "created": house.ISO(b.at)}}
	h.Backups = []m{{"backup_id": "a1b2c3d4", "name": "Automatic backup 2026.9.0", "date": house.ISO(b.at), "addons": l{}, "folders": l{}, "database_included": true,
		"homeassistant_included": true, "homeassistant_version": "2026.9.0", "extra_metadata": m{}, "failed_addons": l{},
		"failed_agent_ids": l{}, "failed_folders": l{},
		"with_automatic_settings": true, "agents": m{"backup.local": m{"size": 52428800, "protected": true}}}}
	h.LastBackup = house.ISO(b.at)
	h.Dashboards = []m{{"id": "dashboard_energy", "url_path": "dashboard-energy", "title": "Energy", "icon": "mdi:flash",
		"show_in_sidebar": true, "require_admin": false, "mode": "storage"}}
	h.Boards[""] = m{"views": l{m{"title": "Home", "cards": l{m{"type": "entities", "entities": l{"light.living_room_ceiling", "lock.front_door"}}}}}}
	h.Boards["dashboard-energy"] = m{"views": l{m{"title": "Energy", "cards": l{}}}}
	h.Images["camera.front_door"] = picture
}

// picture is a JPEG of one grey pixel.
var picture = []byte("\xff\xd8\xff\xdb\x00C\x00\x03\x02\x02\x02\x02\x02\x03\x02\x02\x02\x03\x03\x03\x03\x04\x06\x04\x04\x04\x04\x04\x08\x06\x06\x05\x06\x09\x08\x0a\x0a\x09\x08\x09\x09\x0a\x0c\x0f\x0c\x0a\x0b\x0e\x0b\x09\x09\x0d\x11\x0d\x0e\x0f\x10\x10\x11\x10\x0a\x0c\x12\x13\x12\x10\x13\x0f\x10\x10\x10\xff\xc9\x00\x0b\x08\x00\x01\x00\x01\x01\x01\x11\x00\xff\xcc\x00\x06\x00\x10\x10\x05\xff\xda\x00\x08\x01\x01\x00\x00?\x00\xd2\xcf \xff\xd9")

// history is what the recorder kept: a lamp's evening, a day of temperature with a gap and
// a sensor that was away, a motion that lit the hall.
func history(b *builder) {
	const h = time.Hour
	b.past("light.living_room_ceiling", "off", 26*h, "on", 20*h, "off", 14*h, "on", 3*h)
	b.past("lock.front_door", "locked", 25*h, "unlocked", 9*h, "locked", 9*h-2*time.Minute)
	var points []any
	for i := range 96 { // a value every 15 minutes for a day; six hours are missing (recorder gap)
		age := time.Duration(95-i) * 15 * time.Minute
		if age > 8*h && age < 14*h {
			continue
		}
		points = append(points, float64(200+i%13)/10, age)
	}
	points[len(points)-2] = "20.6"
	b.past("sensor.living_room_temperature", points...)
	b.past("sensor.kitchen_temperature", "19.5", 24*h, "unavailable", 6*h, "19.1", 5*h, "unknown", 2*h)
	b.past("binary_sensor.hallway_motion", "off", 28*h, "on", 4*h, "off", 4*h-time.Minute)
	b.past("light.hallway", "off", 28*h, "on", 4*h, "off", 3*h)
	run(b)
}

// run is the automation that the motion set off: the lamp's change has its context, which
// has the motion's as parent.
func run(b *builder) {
	h, a := b.h, b.h.Automations[0]
	motion, lamp := &h.Past["binary_sensor.hallway_motion"][1], &h.Past["light.hallway"][1]
	parent := motion.Context.ID
	c := h.NewContext(nil, parent)
	lamp.Context, lamp.Updated = c, motion.Updated.Add(40*time.Millisecond)
	lamp.Changed = lamp.Updated
	h.Ran(a, c, motion.Updated.Add(10*time.Millisecond), "state of binary_sensor.hallway_motion", motion.EntityID, "finished", "")
	h.States[a.EntityID].Attributes["last_triggered"] = house.ISO(motion.Updated.Add(10 * time.Millisecond))
}
