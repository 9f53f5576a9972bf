package seed

import (
	"maps"
	"time"

	"drawbridge/internal/servers/homeassistant/fake/house"
)

type m = house.Map

// Small is a home of some fifty entities. Its oddities are what a client has to get right:
// entities that inherit their area, one that is elsewhere than its device, a child device,
// hidden and disabled entities, states that are no values, two labels for assistants.
func Small(h *house.House) {
	b := start(h)
	rooms(b)
	devices(b)
	for _, list := range [][]thing{living, kitchen, upstairs, entrance, outside, elsewhere} {
		for _, t := range list {
			b.add(t)
		}
	}
	b.h.States["calendar.family"].State = "off"
	items(b)
	history(b)
}

func start(h *house.House) *builder {
	users(h)
	b := &builder{h: h, at: h.Clock.Now().Add(-30 * time.Hour).Truncate(time.Millisecond), devices: map[string]*house.Device{}}
	for _, l := range [][3]string{{"ai_blocked", "ai_blocked", "Not for assistants"}, {"ai_confirm", "ai_confirm", "Ask first"}, {"holiday", "Holiday", ""}} {
		h.Labels = append(h.Labels, &house.Label{ID: l[0], Name: l[1], Description: house.Opt(l[2])})
	}
	return b
}

func rooms(b *builder) {
	b.floor("ground_floor", "Ground floor", 0)
	b.floor("first_floor", "First floor", 1)
	b.area("living_room", "Living Room", "ground_floor", "lounge")
	b.area("kitchen", "Kitchen", "ground_floor")
	b.area("bedroom", "Bedroom", "first_floor")
	b.area("hallway", "Hallway", "ground_floor")
	b.area("garage", "Garage", "ground_floor")
	b.area("garden", "Garden", "")
	for _, e := range [][3]string{{"01HUE", "hue", "Hue bridge"}, {"01ZHA", "zha", "Zigbee stick"}, {"01ESP", "esphome", "Power strip"},
		{"01CAM", "generic", "Front door camera"}, {"01TODO", "local_todo", "Shopping"}, {"01CAL", "local_calendar", "Family"}, {"01SUN", "sun", "Sun"}, {"01MET", "met", "Home"}} {
		b.entry(e[0], e[1], e[2])
	}
	b.h.ConfigEntry("01MET").State, b.h.ConfigEntry("01MET").Reason = "setup_retry", house.Opt("Timeout while connecting")
}

func devices(b *builder) {
	b.device("bridge", "01HUE", "Hue bridge", "Signify", "BSB002", "hallway", "")
	b.device("ceiling", "01HUE", "Ceiling lamp", "Signify", "LCA001", "living_room", "")
	b.device("reading", "01HUE", "Reading lamp", "Signify", "LWA004", "living_room", "")
	b.device("tv", "01ESP", "TV", "LG", "OLED55", "living_room", "")
	b.device("strip", "01ESP", "Power strip", "Athom", "ESP32", "living_room", "")
	b.device("left", "01ESP", "Left socket", "", "", "", "strip")
	b.device("thermostat", "01ZHA", "Thermostat", "Danfoss", "Ally", "living_room", "")
	b.device("lock", "01ZHA", "Front door lock", "Nuki", "Pro 4", "hallway", "")
	b.device("gate", "01ZHA", "Garage gate", "Hörmann", "SupraMatic", "garage", "")
	b.device("camera", "01CAM", "Front door camera", "Reolink", "E1", "hallway", "")
	b.devices["lock"].Labels = []string{"ai_confirm"}
}

var dimmable = m{"supported_color_modes": []string{"color_temp", "xy"}, "min_color_temp_kelvin": 2000, "max_color_temp_kelvin": 6500, "supported_features": 44,
	"color_mode": "color_temp", "brightness": 180, "color_temp_kelvin": 2700}

func with(a m, more m) m {
	out := m{}
	maps.Copy(out, a)
	maps.Copy(out, more)
	return out
}

var (
	onoff = m{"supported_color_modes": []string{"onoff"}, "color_mode": nil, "supported_features": 0}
	temp  = m{"device_class": "temperature", "state_class": "measurement", "unit_of_measurement": "°C"}
)

var living = []thing{
	{id: "light.living_room_ceiling", name: "Ceiling lamp", state: "on", device: "ceiling", attrs: dimmable},
	{id: "light.living_room_ceiling_led_1", name: "Ceiling lamp LED 1", state: "on", device: "ceiling", attrs: onoff, as: "hidden"},
	{id: "light.living_room_floor_lamp", name: "Floor lamp", state: "on", area: "living_room", attrs: dimmable, labels: "holiday"},
	{id: "light.aquarium", name: "Aquarium", state: "on", area: "living_room", attrs: onoff, labels: "ai_blocked"},
	{id: "switch.aquarium_pump", name: "Aquarium pump", state: "on", area: "living_room", labels: "ai_blocked"},
	{id: "switch.tv_socket", name: "TV socket", state: "on", device: "left", attrs: m{"device_class": "outlet"}},
	{id: "media_player.living_room_tv", name: "TV", state: "playing", device: "tv", attrs: m{"device_class": "tv",
		"supported_features": on(1, 4, 8, 16, 32, 128, 256, 512, 2048, 4096, 16384),
		"volume_level":       0.3, "is_volume_muted": false, "source": "HDMI 1", "source_list": []string{"HDMI 1", "HDMI 2", "Radio"}}},
	{id: "cover.living_room_blind", name: "Living room blind", state: "open", area: "living_room",
		attrs: m{"device_class": "blind", "current_position": 100, "supported_features": on(1, 2, 4, 8)}},
	{id: "climate.living_room", name: "Thermostat", state: "heat", device: "thermostat",
		attrs: m{"hvac_modes": []string{"off", "heat", "auto"}, "min_temp": 7, "max_temp": 30,
			"target_temp_step": 0.5, "current_temperature": 20.6, "temperature": 21.0, "hvac_action": "idle",
			"preset_modes": []string{"none", "eco"}, "preset_mode": "none", "supported_features": on(1, 16, 128, 256)}},
	{id: "sensor.living_room_temperature", name: "Living room temperature", state: "20.6", device: "thermostat", attrs: temp},
	{id: "binary_sensor.living_room_motion", name: "Living room motion", state: "off", area: "living_room", attrs: m{"device_class": "motion"}},
	{id: "number.thermostat_offset", name: "Thermostat offset", state: "0.0", device: "thermostat",
		attrs: m{"min": -5, "max": 5, "step": 0.5, "mode": "box"}, as: "config"},
}

var kitchen = []thing{
	{id: "light.kitchen_ceiling", name: "Kitchen ceiling", state: "off", area: "kitchen",
		attrs: with(dimmable, m{"brightness": nil, "color_mode": nil, "color_temp_kelvin": nil})},
	{id: "switch.coffee_machine", name: "Coffee machine", state: "off", area: "kitchen"},
	{id: "sensor.kitchen_temperature", name: "Kitchen temperature", state: "unknown", area: "kitchen", attrs: temp},
	{id: "binary_sensor.kitchen_smoke", name: "Kitchen smoke", state: "off", area: "kitchen", attrs: m{"device_class": "smoke"}},
	{id: "sensor.house_power", name: "House power", state: "412.5", area: "kitchen",
		attrs: m{"device_class": "power", "state_class": "measurement", "unit_of_measurement": "W"}},
	{id: "sensor.house_energy", name: "House energy", state: "4820.125", area: "kitchen",
		attrs: m{"device_class": "energy", "state_class": "total_increasing", "unit_of_measurement": "kWh"}},
}

var upstairs = []thing{
	{id: "light.reading_lamp", name: "Reading lamp", state: "off", device: "reading", area: "bedroom",
		attrs: with(dimmable, m{"brightness": nil, "color_mode": nil, "color_temp_kelvin": nil})},
	{id: "cover.bedroom_blind", name: "Bedroom blind", state: "closed", area: "bedroom",
		attrs: m{"device_class": "blind", "current_position": 0, "supported_features": on(1, 2, 4, 8)}},
	{id: "fan.bedroom", name: "Bedroom fan", state: "off", area: "bedroom", attrs: m{"percentage": 0, "percentage_step": 25.0, "supported_features": on(1, 16, 32)}},
	{id: "input_number.night_temperature", name: "Night temperature", state: "17.0", plain: true,
		attrs: m{"min": 5, "max": 25, "step": 0.5, "mode": "slider", "editable": true}},
}

var entrance = []thing{
	{id: "lock.front_door", name: "Front door", state: "locked", device: "lock", attrs: m{"supported_features": 1}},
	{id: "sensor.front_door_battery", name: "Front door battery", state: "12", device: "lock",
		attrs: m{"device_class": "battery", "state_class": "measurement", "unit_of_measurement": "%"}, as: "diagnostic"},
	{id: "binary_sensor.front_door", name: "Front door contact", state: "off", area: "hallway", attrs: m{"device_class": "door"}},
	{id: "binary_sensor.hallway_motion", name: "Hallway motion", state: "off", area: "hallway", attrs: m{"device_class": "motion"}},
	{id: "light.hallway", name: "Hallway light", state: "off", area: "hallway", attrs: onoff},
	{id: "camera.front_door", name: "Front door camera", state: "idle", device: "camera",
		attrs: m{"supported_features": 2, "access_token": "made-up-camera-token",
			"entity_picture": "/api/camera_proxy/camera.front_door?token=made-up-camera-token"}},
	{id: "alarm_control_panel.home", name: "Alarm", state: "disarmed", area: "hallway", attrs: m{"code_format": "number", "changed_by": nil,
		"code_arm_required": false, "supported_features": on(1, 2, 4)}},
	{id: "button.bridge_restart", name: "Hue bridge restart", state: "unknown", device: "bridge", attrs: m{"device_class": "restart"}, as: "config"},
	{id: "sensor.bridge_uptime", name: "Hue bridge uptime", device: "bridge", as: "disabled"},
	{id: "update.hue_bridge", name: "Hue bridge firmware", state: "on", device: "bridge", as: "config",
		attrs: m{"installed_version": "1.4.2", "latest_version": "1.5.0", "in_progress": false, "update_percentage": nil,
			"skipped_version": nil, "release_summary": nil, "release_url": "https://example.com/release", "title": nil, "auto_update": false, "supported_features": on(1, 4, 16)}},
}

var outside = []thing{
	{id: "cover.garage_door", name: "Garage door", state: "closed", device: "gate", attrs: m{"device_class": "garage", "supported_features": on(1, 2, 8)}},
	{id: "switch.car_charger", name: "Car charger", state: "off", area: "garage", labels: "ai_confirm"},
	{id: "valve.irrigation", name: "Irrigation", state: "closed", area: "garden", attrs: m{"device_class": "water", "supported_features": on(1, 2)}},
	{id: "siren.garden", name: "Garden siren", state: "off", area: "garden", attrs: m{"supported_features": on(1, 2)}},
	{id: "light.garden_path", name: "Garden path", state: "unavailable", area: "garden", attrs: m{"supported_features": 0}},
	{id: "sensor.outside_temperature", name: "Outside temperature", state: "8.1", area: "garden", attrs: temp},
	{id: "vacuum.robby", name: "Robby", state: "docked", area: "hallway", attrs: m{"battery_level": 100, "supported_features": on(4, 8, 16, 8192)}},
}

var elsewhere = []thing{
	{id: "todo.shopping", name: "Shopping", state: "2", attrs: m{"supported_features": on(1, 2, 4, 8, 16, 32, 64)}},
	{id: "calendar.family", name: "Family", attrs: m{"supported_features": on(1, 2, 4)}},
	{id: "weather.home", name: "Home", state: "cloudy", attrs: m{"temperature": 8.4, "temperature_unit": "°C", "humidity": 71, "supported_features": on(1, 2)}},
	{id: "person.ada", name: "Ada", state: "home", attrs: m{"editable": true, "id": "ada", "device_trackers": []string{}, "user_id": "0a11ce00000000000000000000000001"}},
	{id: "zone.home", name: "Home", state: "1", plain: true, attrs: m{"latitude": 52.52, "longitude": 13.405, "radius": 100,
		"passive": false, "editable": true, "persons": []string{"person.ada"}}},
	{id: "sun.sun", name: "Sun", state: "below_horizon", plain: true, attrs: m{"elevation": -12.4, "rising": false}},
	{id: "group.downstairs_lights", name: "Downstairs lights", state: "on", plain: true,
		attrs: m{"entity_id": []string{"light.living_room_ceiling", "light.kitchen_ceiling", "light.hallway"}, "order": 0}},
	{id: "input_boolean.guests", name: "Guests", state: "off", plain: true, attrs: m{"editable": true}},
	{id: "input_select.mode", name: "House mode", state: "home", plain: true, attrs: m{"options": []string{"home", "away", "night"}, "editable": true}},
	{id: "notify.phone", name: "Phone", state: "unknown", attrs: m{"supported_features": 1}},
	{id: "update.home_assistant_core", name: "Home Assistant Core", state: "off", plain: true, attrs: m{"installed_version": "2026.9.1",
		"latest_version": "2026.9.1", "in_progress": false, "update_percentage": nil, "skipped_version": nil, "supported_features": on(1, 8, 16)}},
}
