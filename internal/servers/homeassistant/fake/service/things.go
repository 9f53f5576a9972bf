package service

import (
	"math"
	"slices"
	"strings"

	"drawbridge/internal/servers/homeassistant/fake/house"
	"drawbridge/internal/servers/homeassistant/fake/schema"
)

var (
	may, need = schema.May, schema.Need
	text      = schema.Text
	whole     = schema.Whole
	number    = schema.Number
	huge      = math.MaxInt32
)

// color takes lists of numbers.
func color(n int, hi float64) schema.Check {
	return func(v any) (any, *schema.Invalid) {
		l, ok := v.([]any)
		if !ok || len(l) != n {
			return nil, schema.Fail("None")
		}
		return schema.List(number(0, hi))(v)
	}
}

var lightFields = dict{
	"brightness": may(whole(0, 255)), "brightness_pct": may(number(0, 100)), "brightness_step": may(whole(-255, 255)), "brightness_step_pct": may(number(-100, 100)),
	"color_temp_kelvin": may(whole(1, huge)), "rgb_color": may(color(3, 255)), "hs_color": may(color(2, 360)), "xy_color": may(color(2, 1)), "color_name": may(text),
	"effect": may(text), "flash": may(schema.OneOf("short", "long")), "transition": may(number(0, 6553)), "white": may(schema.Any), "profile": may(text),
}

// exclusive is voluptuous' Exclusive.
func exclusive(group string, keys ...string) func(m) error {
	return func(data m) error {
		n := 0
		for _, k := range keys {
			if _, has := data[k]; has {
				n++
			}
		}
		if n > 1 {
			return &schema.Invalid{Msg: "two or more values in the same group of exclusion '" + group + "'", Path: []any{"<" + group + ">"}}
		}
		return nil
	}
}

func rules(list ...func(m) error) func(m) error {
	return func(data m) error {
		for _, r := range list {
			if err := r(data); err != nil {
				return err
			}
		}
		return nil
	}
}

// lights are light, and what else is only on or off.
func lights() []Def {
	defs := switchable("light", 0, lightOn, lightOff, lightFields)
	for i := range defs {
		defs[i].Keys = rules(exclusive("Color descriptors", "color_temp_kelvin", "rgb_color", "hs_color", "xy_color", "color_name", "white"),
			exclusive("brightness", "brightness", "brightness_pct", "brightness_step", "brightness_step_pct"))
	}
	defs[1].Fields, defs[1].Keys = dict{"transition": lightFields["transition"], "flash": lightFields["flash"]}, nil
	for _, domain := range []string{"switch", "input_boolean", "camera"} {
		defs = append(defs, switchable(domain, 0, on, off, nil)...)
	}
	defs = append(defs, switchable("siren", 3, on, off, dict{"tone": may(schema.Any), "duration": may(whole(0, huge)), "volume_level": may(number(0, 1))})...)
	defs = append(defs, switchable("fan", 48, func(c *Call, id string) (any, error) {
		p, ok := c.Data["percentage"].(int)
		if !ok {
			p = 100
		}
		c.become(id, "on", m{"percentage": p})
		return nil, nil
	}, func(c *Call, id string) (any, error) { c.become(id, "off", m{"percentage": 0}); return nil, nil }, dict{"percentage": may(whole(0, 100)), "preset_mode": may(text)})...)
	return append(defs, Def{Domain: "fan", Name: "set_percentage", About: "Sets the speed.", Entities: true, Feature: 1,
		Fields: dict{"percentage": need(whole(0, 100))},
		Run: func(c *Call, id string) (any, error) {
			p := c.Data["percentage"].(int)
			c.become(id, map[bool]string{true: "on", false: "off"}[p > 0], m{"percentage": p})
			return nil, nil
		}})
}

func lightOn(c *Call, id string) (any, error) {
	attrs := m{}
	modes, _ := c.attr(id, "supported_color_modes").([]string)
	if slices.Equal(modes, []string{"onoff"}) { // light/__init__.py filters what a light cannot do
		c.become(id, "on", m{"color_mode": "onoff"})
		return nil, nil
	}
	bright, _ := c.attr(id, "brightness").(int)
	switch {
	case c.has("brightness"):
		bright = c.Data["brightness"].(int)
	case c.has("brightness_pct"):
		bright = int(math.Round(255 * c.Data["brightness_pct"].(float64) / 100))
	case c.has("brightness_step"):
		bright += c.Data["brightness_step"].(int)
	case c.has("brightness_step_pct"):
		bright += int(math.Round(255 * c.Data["brightness_step_pct"].(float64) / 100))
	case bright == 0:
		bright = 255
	}
	if bright = max(0, min(255, bright)); bright == 0 {
		return lightOff(c, id)
	}
	attrs["brightness"], attrs["color_mode"] = bright, "color_temp"
	for _, k := range []string{"rgb_color", "hs_color", "xy_color"} {
		if c.has(k) {
			attrs[k], attrs["color_mode"], attrs["color_temp_kelvin"] = c.Data[k], "xy", nil
		}
	}
	if c.has("color_temp_kelvin") {
		lo, _ := c.attr(id, "min_color_temp_kelvin").(int)
		hi, _ := c.attr(id, "max_color_temp_kelvin").(int)
		attrs["color_temp_kelvin"] = max(lo, min(hi, c.Data["color_temp_kelvin"].(int)))
	}
	c.become(id, "on", attrs)
	return nil, nil
}

func lightOff(c *Call, id string) (any, error) {
	attrs := m{}
	for _, k := range []string{"brightness", "color_temp_kelvin", "rgb_color", "hs_color", "xy_color"} {
		attrs[k] = nil
	}
	c.become(id, "off", attrs)
	return nil, nil
}

// to makes a Run that ends in one state with some attributes.
func to(state string, attrs m) func(*Call, string) (any, error) {
	return func(c *Call, id string) (any, error) { c.become(id, state, attrs); return nil, nil }
}

// position is a Run that opens or closes something all the way.
func position(state string, at int) func(*Call, string) (any, error) {
	return func(c *Call, id string) (any, error) {
		if _, has := c.H.States[id].Attributes["current_position"]; has {
			c.become(id, state, m{"current_position": at})
		} else {
			c.become(id, state, nil)
		}
		return nil, nil
	}
}

// movers are covers, valves and vacuums.
func movers() []Def {
	var defs []Def
	for _, domain := range []string{"cover", "valve"} {
		open, shut := position("open", 100), position("closed", 0)
		defs = append(defs,
			Def{Domain: domain, Name: "open_" + domain, About: "Opens.", Entities: true, Feature: 1, Run: open},
			Def{Domain: domain, Name: "close_" + domain, About: "Closes.", Entities: true, Feature: 2, Run: shut},
			Def{Domain: domain, Name: "stop_" + domain, About: "Stops.", Entities: true, Feature: 8, Run: nothing},
			Def{Domain: domain, Name: "toggle", About: "Opens or closes.", Entities: true, Feature: 3, Run: func(c *Call, id string) (any, error) {
				if c.H.States[id].State == "closed" {
					return open(c, id)
				}
				return shut(c, id)
			}},
			Def{Domain: domain, Name: "set_" + domain + "_position", About: "Moves to a position.", Entities: true, Feature: 4,
				Fields: dict{"position": need(whole(0, 100))},
				Run: func(c *Call, id string) (any, error) {
					p := c.Data["position"].(int)
					c.become(id, map[bool]string{true: "open", false: "closed"}[p > 0], m{"current_position": p})
					return nil, nil
				}})
	}
	for name, state := range map[string]string{"start": "cleaning", "pause": "paused", "stop": "idle", "return_to_base": "returning"} {
		feature := map[string]int{"start": 8192, "pause": 4, "stop": 8, "return_to_base": 16}[name]
		defs = append(defs, Def{Domain: "vacuum", Name: name, About: "Vacuum: " + name + ".", Entities: true, Feature: feature, Run: to(state, nil)})
	}
	return defs
}

// climates checks what climate/__init__.py checks.
func climates() []Def {
	defs := []Def{
		{Domain: "climate", Name: "set_temperature", About: "Sets the target temperature.", Entities: true, Feature: 3,
			Fields: dict{"temperature": may(number(-1e6, 1e6)), "target_temp_high": may(number(-1e6, 1e6)), "target_temp_low": may(number(-1e6, 1e6)), "hvac_mode": may(text)},
			Keys: func(d m) error {
				if d["temperature"] == nil && d["target_temp_high"] == nil && d["target_temp_low"] == nil {
					return schema.Fail("must contain at least one of temperature, target_temp_high, target_temp_low.")
				}
				return nil
			}, Run: setTemperature},
		{Domain: "climate", Name: "set_hvac_mode", About: "Sets the mode.", Entities: true, Fields: dict{"hvac_mode": need(text)}, Run: setMode},
		{Domain: "climate", Name: "set_preset_mode", About: "Sets a preset.", Entities: true, Feature: 16, Fields: dict{"preset_mode": need(text)},
			Run: func(c *Call, id string) (any, error) {
				p := c.Data["preset_mode"].(string)
				if modes, _ := c.attr(id, "preset_modes").([]string); !slices.Contains(modes, p) {
					return nil, Invalid("climate", "not_valid_preset_mode", m{"mode": p, "modes": strings.Join(modes, ", ")}, "Preset mode %s is not valid. Valid preset modes are: %s", p, strings.Join(modes, ", "))
				}
				c.become(id, "", m{"preset_mode": p})
				return nil, nil
			}},
	}
	return append(defs, switchable("climate", 384, to("heat", nil), to("off", m{"hvac_action": "off"}), nil)...)
}

func setTemperature(c *Call, id string) (any, error) {
	lo, hi := c.attr(id, "min_temp"), c.attr(id, "max_temp")
	if t, ok := c.Data["temperature"].(float64); ok {
		if t < asFloat(lo) || t > asFloat(hi) {
			with := m{"check_temp": schema.Repr(t), "min_temp": schema.Repr(lo), "max_temp": schema.Repr(hi)}
			return nil, Invalid("climate", "temp_out_of_range", with,
				"Provided temperature %s is not valid. Accepted range is %s to %s", with["check_temp"], with["min_temp"], with["max_temp"])
		}
		c.become(id, "", m{"temperature": t})
	}
	if c.has("hvac_mode") {
		return setMode(c, id)
	}
	return nil, nil
}

func setMode(c *Call, id string) (any, error) {
	mode := c.Data["hvac_mode"].(string)
	if modes, _ := c.attr(id, "hvac_modes").([]string); !slices.Contains(modes, mode) {
		return nil, Invalid("climate", "not_valid_hvac_mode", m{"mode": mode, "modes": strings.Join(modes, ", ")}, "HVAC mode %s is not valid. Valid HVAC modes are: %s", mode, strings.Join(modes, ", "))
	}
	c.become(id, mode, nil)
	return nil, nil
}

func asFloat(v any) float64 {
	switch v := v.(type) {
	case int:
		return float64(v)
	case float64:
		return v
	}
	return 0
}

// players is media_player.
func players() []Def {
	defs := switchable("media_player", 384, to("on", nil), to("off", nil), nil)
	for name, x := range map[string]struct {
		feature int
		state   string
	}{"media_play": {16384, "playing"}, "media_pause": {1, "paused"}, "media_stop": {4096, "idle"},
		"media_next_track": {32, ""}, "media_previous_track": {16, ""}, "media_play_pause": {1, "paused"}} {
		defs = append(defs, Def{Domain: "media_player", Name: name, About: "Media: " + name + ".", Entities: true, Feature: x.feature, Run: to(x.state, nil)})
	}
	field := func(name, key string, feature int, c schema.Check) Def {
		return Def{Domain: "media_player", Name: name, About: "Media: " + name + ".", Entities: true, Feature: feature, Fields: dict{key: need(c)},
			Run: func(c *Call, id string) (any, error) { c.become(id, "", m{key: c.Data[key]}); return nil, nil }}
	}
	return append(defs, field("volume_set", "volume_level", 4, number(0, 1)), field("volume_mute", "is_volume_muted", 8, schema.Truth),
		field("select_source", "source", 2048, text))
}

// guards are locks and alarms.
func guards() []Def {
	code := dict{"code": may(text)}
	defs := []Def{
		{Domain: "lock", Name: "lock", About: "Locks.", Fields: code, Entities: true, Run: to("locked", nil)},
		{Domain: "lock", Name: "unlock", About: "Unlocks.", Fields: code, Entities: true, Run: to("unlocked", nil)},
		{Domain: "lock", Name: "open", About: "Opens the latch.", Fields: code, Entities: true, Feature: 1, Run: to("open", nil)},
		{Domain: "alarm_control_panel", Name: "alarm_disarm", About: "Disarms.", Fields: code, Entities: true, Run: func(c *Call, id string) (any, error) {
			if c.Data["code"] != "1234" {
				return nil, Invalid("manual", "invalid_code", nil, "Invalid alarm code provided")
			}
			return to("disarmed", nil)(c, id)
		}},
	}
	for name, feature := range map[string]int{"home": 1, "away": 2, "night": 4} {
		defs = append(defs, Def{Domain: "alarm_control_panel", Name: "alarm_arm_" + name, About: "Arms: " + name + ".",
			Fields: code, Entities: true, Feature: feature, Run: to("armed_"+name, nil)})
	}
	return defs
}

// helpers are input_* and the like.
func helpers() []Def {
	var defs []Def
	for _, domain := range []string{"input_number", "number"} {
		defs = append(defs, Def{Domain: domain, Name: "set_value", About: "Sets the value.", Entities: true,
			Fields: dict{"value": need(number(-1e9, 1e9))}, Run: setNumber})
	}
	for _, domain := range []string{"input_select", "select"} {
		defs = append(defs, Def{Domain: domain, Name: "select_option", About: "Selects an option.", Entities: true,
			Fields: dict{"option": need(text)}, Run: selectOption})
	}
	for _, domain := range []string{"button", "input_button"} {
		defs = append(defs, Def{Domain: domain, Name: "press", About: "Presses.", Entities: true, Run: func(c *Call, id string) (any, error) {
			c.become(id, house.ISO(c.H.Clock.Now()), nil)
			return nil, nil
		}})
	}
	return append(defs,
		Def{Domain: "notify", Name: "send_message", About: "Sends a message.", Entities: true,
			Fields: dict{"message": need(text), "title": may(text)}, Run: func(c *Call, id string) (any, error) {
				c.become(id, house.ISO(c.H.Clock.Now()), nil)
				return nil, nil
			}},
		Def{Domain: "camera", Name: "snapshot", About: "Writes a picture to a file.", Entities: true, Fields: dict{"filename": need(text)}, Run: nothing})
}

func setNumber(c *Call, id string) (any, error) {
	v, lo, hi := c.Data["value"].(float64), asFloat(c.attr(id, "min")), asFloat(c.attr(id, "max"))
	switch {
	case v >= lo && v <= hi:
		c.become(id, schema.Repr(v), nil)
		return nil, nil
	case house.Domain(id) == "number":
		return nil, Invalid("number", "out_of_range", m{"value": v, "entity_id": id, "min_value": lo, "max_value": hi},
			"Value %s for %s is outside valid range %s - %s", schema.Repr(v), id, schema.Repr(lo), schema.Repr(hi))
	}
	return nil, &schema.Invalid{Msg: "Invalid value for " + id + ": " + schema.Repr(v) + " (range " + schema.Repr(lo) + " - " + schema.Repr(hi) + ")"}
}

func selectOption(c *Call, id string) (any, error) {
	o := c.Data["option"].(string)
	options, _ := c.attr(id, "options").([]string)
	if !slices.Contains(options, o) {
		if house.Domain(id) == "select" {
			return nil, Invalid("select", "not_valid_option", m{"option": o, "entity_id": id, "options": strings.Join(options, ", ")},
				"Option %s is not valid for entity %s, valid options are: %s", o, id, strings.Join(options, ", "))
		}
		return nil, Failed("Invalid option: %s (possible options: %s)", o, strings.Join(options, ", "))
	}
	c.become(id, o, nil)
	return nil, nil
}
