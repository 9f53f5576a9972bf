package control

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/homeassistant/api"
	"drawbridge/internal/servers/homeassistant/house"
	"drawbridge/internal/servers/homeassistant/show"
)

// settings is what set, and turn_on, can give.
type settings struct {
	Brightness  *float64  `json:"brightness_pct,omitempty" jsonschema:"0-100"`
	Kelvin      *float64  `json:"color_temp_kelvin,omitempty" jsonschema:"2000-6500"`
	RGB         []float64 `json:"rgb,omitempty" jsonschema:"3 x 0-255"`
	Effect      string    `json:"effect,omitempty" jsonschema:"Of a light."`
	Transition  *float64  `json:"transition,omitempty" jsonschema:"Seconds."`
	Temperature *float64  `json:"temperature,omitempty" jsonschema:"Wanted."`
	HVAC        string    `json:"hvac_mode,omitempty" jsonschema:"heat, cool, off ..."`
	Preset      string    `json:"preset_mode,omitempty" jsonschema:"Climate or fan."`
	Humidity    *float64  `json:"humidity,omitempty" jsonschema:"Wanted."`
	Percentage  *float64  `json:"percentage,omitempty" jsonschema:"Of a fan."`
	Position    *float64  `json:"position,omitempty" jsonschema:"0 closed, 100 open."`
	Volume      *float64  `json:"volume_pct,omitempty" jsonschema:"0-100"`
	Source      string    `json:"source,omitempty" jsonschema:"Of a media player."`
	Value       string    `json:"value,omitempty" jsonschema:"Of a number, select, text, date or time."`
}

// step is one action on entities of one domain.
type step struct {
	domain, service string
	data            map[string]any
	entities        []*house.Entity
	failed          string // why it was refused
}

func (s step) name() string { return s.domain + "." + s.service }

func (s step) ids() []string {
	all := make([]string, len(s.entities))
	for i, e := range s.entities {
		all[i] = e.ID
	}
	return all
}

// What turn_on, turn_off and toggle mean: of a place, and of an entity that is named.
var (
	inPlaces = []string{"light", "switch", "fan", "media_player", "climate", "humidifier", "water_heater", "input_boolean"}
	switches = append([]string{"siren", "remote", "camera", "automation", "script", "group", "vacuum"}, inPlaces...)
)

// choose are the actions for one entity: in their order, each with its data. None
// says that the action does not fit.
func choose(action string, s settings, e *house.Entity) (steps []step, err error) {
	one := func(service string, data map[string]any) []step {
		return []step{{domain: e.Domain, service: service, data: data}}
	}
	switch action {
	case "turn_on", "turn_off", "toggle":
		switch {
		case e.Domain == "scene" && action == "turn_on":
			return one(action, nil), nil
		case e.Domain == "group":
			return []step{{domain: "homeassistant", service: action}}, nil
		case !slices.Contains(switches, e.Domain):
			return nil, nil
		case action == "turn_on" && e.Domain == "light":
			return one(action, s.light()), nil
		}
		return one(action, nil), nil
	case "open", "close", "stop":
		if e.Domain == "cover" || e.Domain == "valve" {
			return one(action+"_"+e.Domain, nil), nil
		}
	case "lock", "unlock":
		if e.Domain == "lock" {
			return one(action, nil), nil
		}
	case "set":
		return s.set(e)
	}
	return nil, nil
}

func (s settings) light() map[string]any {
	data := map[string]any{}
	put(data, "brightness_pct", s.Brightness)
	put(data, "color_temp_kelvin", s.Kelvin)
	put(data, "transition", s.Transition)
	if len(s.RGB) > 0 {
		data["rgb_color"] = s.RGB
	}
	if s.Effect != "" {
		data["effect"] = s.Effect
	}
	return data
}

func put(data map[string]any, name string, n *float64) {
	if n != nil {
		data[name] = *n
	}
}

// check refuses values that Home Assistant would.
func (s settings) check() error {
	for name, n := range map[string]*float64{"brightness_pct": s.Brightness, "position": s.Position, "percentage": s.Percentage, "volume_pct": s.Volume, "humidity": s.Humidity} {
		if n != nil && (*n < 0 || *n > 100) {
			return fault.New(fault.Invalid, "%s is from 0 to 100. Correct it and call again.", name)
		}
	}
	if len(s.RGB) != 0 && len(s.RGB) != 3 {
		return fault.New(fault.Invalid, "rgb has three numbers: red, green, blue, each from 0 to 255. Correct it and call again.")
	}
	return nil
}

// set are the actions that give an entity what of the settings fits it.
func (s settings) set(e *house.Entity) (steps []step, err error) {
	add := func(service string, data map[string]any) {
		if len(data) > 0 {
			steps = append(steps, step{domain: e.Domain, service: service, data: data})
		}
	}
	number := func(service, name string, n *float64) {
		if n != nil {
			add(service, map[string]any{name: *n})
		}
	}
	text := func(service, name, value string) {
		if value != "" {
			add(service, map[string]any{name: value})
		}
	}
	switch e.Domain {
	case "light":
		add("turn_on", s.light())
	case "climate":
		data := map[string]any{}
		put(data, "temperature", s.Temperature)
		if len(data) > 0 && s.HVAC != "" {
			data["hvac_mode"] = s.HVAC
		} else {
			text("set_hvac_mode", "hvac_mode", s.HVAC)
		}
		add("set_temperature", data)
		text("set_preset_mode", "preset_mode", s.Preset)
		number("set_humidity", "humidity", s.Humidity)
	case "water_heater":
		number("set_temperature", "temperature", s.Temperature)
		text("set_operation_mode", "operation_mode", s.HVAC)
	case "humidifier":
		number("set_humidity", "humidity", s.Humidity)
		text("set_mode", "mode", s.Preset)
	case "fan":
		number("set_percentage", "percentage", s.Percentage)
		text("set_preset_mode", "preset_mode", s.Preset)
	case "cover":
		number("set_cover_position", "position", s.Position)
	case "valve":
		number("set_valve_position", "position", s.Position)
	case "media_player":
		if s.Volume != nil {
			add("volume_set", map[string]any{"volume_level": *s.Volume / 100})
		}
		text("select_source", "source", s.Source)
	case "number", "input_number", "text", "input_text":
		text("set_value", "value", s.Value)
	case "select", "input_select":
		text("select_option", "option", s.Value)
	case "date", "input_datetime":
		text(map[string]string{"date": "set_value", "input_datetime": "set_datetime"}[e.Domain], map[string]string{"date": "date", "input_datetime": "datetime"}[e.Domain], s.Value)
	case "time":
		text("set_value", "time", s.Value)
	}
	return steps, nil
}

// plan are the actions for entities, and what does not fit.
func plan(action string, s settings, all []*house.Entity) (steps []step, unfit []*house.Entity, err error) {
	at := map[string]int{}
	for _, e := range all {
		chosen, err := choose(action, s, e)
		if err != nil {
			return nil, nil, err
		}
		if len(chosen) == 0 {
			unfit = append(unfit, e)
		}
		for _, c := range chosen {
			i, there := at[c.name()]
			if !there {
				i = len(steps)
				at[c.name()] = i
				steps = append(steps, c)
			}
			steps[i].entities = append(steps[i].entities, e)
		}
	}
	return steps, unfit, nil
}

// says is a step in words, for people.
func (s step) says() string {
	text := s.name()
	for _, name := range slices.Sorted(maps.Keys(s.data)) {
		text += fmt.Sprintf(" %s=%v", name, s.data[name])
	}
	return text
}

// reached tells whether an entity is where the action should bring it.
func reached(action string, s settings, before, now api.State) bool {
	state := string(now.State)
	if slices.Contains([]string{"scene", "script", "vacuum"}, api.DomainOf(now.ID)) { // on and off are not what they become
		return moved(before, now)
	}
	switch action {
	case "turn_off":
		return state == "off" || state == "standby" && before.State != "standby"
	case "turn_on":
		return !slices.Contains([]string{"", "off", "unavailable", "unknown"}, state) && s.there(now)
	case "toggle":
		return now.State != before.State
	case "open":
		return state == "open" || state == "opening"
	case "close":
		return state == "closed" || state == "closing"
	case "lock":
		return state == "locked" || state == "locking"
	case "unlock":
		return slices.Contains([]string{"unlocked", "unlocking", "open", "opening"}, state)
	case "set":
		return s.there(now)
	}
	return moved(before, now)
}

// moved tells whether something of a state is another.
func moved(before, now api.State) bool {
	return before.State != now.State || show.State(before) != show.State(now) || now.LastUpdated.After(before.LastUpdated.Time)
}

// there tells whether a state is as the settings say, as far as it shows.
func (s settings) there(now api.State) bool {
	near := func(n *float64, attribute string, factor, off float64) bool {
		if n == nil {
			return true
		}
		have, ok := now.Attributes.Number(attribute)
		return ok && math.Abs(have*factor-*n) <= off
	}
	same := func(want, have string) bool { return want == "" || want == have }
	ok := near(s.Brightness, "brightness", 100.0/255, 1) && near(s.Kelvin, "color_temp_kelvin", 1, 60) && near(s.Temperature, "temperature", 1, 0.05) &&
		near(s.Humidity, "humidity", 1, 0.5) && near(s.Percentage, "percentage", 1, 1) && near(s.Position, "current_position", 1, 1) && near(s.Volume, "volume_level", 100, 1)
	ok = ok && same(s.HVAC, string(now.State)) && same(s.Preset, now.Attributes.Text("preset_mode")) && same(s.Source, now.Attributes.Text("source")) && same(s.Effect, now.Attributes.Text("effect"))
	if s.Value == "" {
		return ok
	}
	var want, have float64
	if _, err := fmt.Sscanf(s.Value, "%g", &want); err == nil {
		if _, err := fmt.Sscanf(string(now.State), "%g", &have); err == nil {
			return ok && math.Abs(want-have) < 1e-6
		}
	}
	return ok && s.Value == string(now.State)
}
