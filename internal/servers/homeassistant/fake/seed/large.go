package seed

import (
	"fmt"

	"drawbridge/internal/servers/homeassistant/fake/house"
)

// LargeStates is how many entities the large home has a state of.
const LargeStates = 3300

// Large is the small home with a fuller living room, and forty rooms of sensors around it.
func Large(h *house.House) {
	Small(h)
	b := &builder{h: h, at: h.Clock.Now().Add(-30 * 3600e9), devices: map[string]*house.Device{}}
	for i := 1; i <= 11; i++ { // with those of the small home about twenty things that can be turned off
		t := thing{id: fmt.Sprintf("light.living_room_spot_%d", i), name: fmt.Sprintf("Spot %d", i), state: []string{"on", "off"}[i%2], attrs: onoff}
		if i%3 == 0 { // every third one inherits the area from its device
			key := fmt.Sprintf("spot%d", i)
			b.device(key, "01HUE", t.name, "Signify", "LCG002", "living_room", "")
			t.device = key
		} else {
			t.area = "living_room"
		}
		if i == 5 {
			t.labels = "ai_blocked"
		}
		b.add(t)
	}
	for i := 1; i <= 3; i++ {
		b.add(thing{id: fmt.Sprintf("switch.living_room_socket_%d", i), name: fmt.Sprintf("Socket %d", i), state: "on", area: "living_room"})
	}
	for room := 1; len(h.States) < LargeStates; room++ {
		id := fmt.Sprintf("room_%02d", room)
		b.area(id, fmt.Sprintf("Room %02d", room), []string{"ground_floor", "first_floor"}[room%2])
		b.fill(id, room)
	}
}

// fill puts twenty devices into a room, a lamp or a sensor node each.
func (b *builder) fill(room string, n int) {
	for d := range 20 {
		key := fmt.Sprintf("%s_%d", room, d)
		b.device(key, "01ZHA", fmt.Sprintf("Node %d.%d", n, d), "IKEA", "E2013", room, "")
		name := fmt.Sprintf("Room %02d node %d", n, d)
		things := []thing{
			{id: "sensor." + key + "_temperature", name: name + " temperature", state: fmt.Sprintf("%d.5", 15+d%9), attrs: temp},
			{id: "sensor." + key + "_battery", name: name + " battery", state: fmt.Sprint(20 + (n*d)%80),
				attrs: m{"device_class": "battery", "state_class": "measurement", "unit_of_measurement": "%"}, as: "diagnostic"},
			{id: "binary_sensor." + key + "_motion", name: name + " motion", state: "off", attrs: m{"device_class": "motion"}},
			{id: "sensor." + key + "_rssi", name: name + " RSSI", state: "-61",
				attrs: m{"device_class": "signal_strength", "unit_of_measurement": "dBm"}, as: "diagnostic"},
		}
		if d%4 == 0 {
			things = []thing{{id: "light." + key, name: name + " lamp", state: []string{"off", "on", "unavailable"}[(n+d)%3], attrs: onoff},
				{id: "switch." + key, name: name + " socket", state: "off"}}
		}
		for _, t := range things {
			if len(b.h.States) == LargeStates {
				return
			}
			t.device = key
			b.add(t)
		}
	}
}
