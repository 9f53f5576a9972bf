package desk

import (
	"maps"
	"slices"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit/pattern"
)

// deniedActions run programs, send anything anywhere, stop the house or destroy what
// was recorded. They need HASS_MODE=all, and then a person.
var deniedActions = []string{
	"homeassistant.restart", "homeassistant.stop", "hassio.*", "shell_command.*", "python_script.*", "pyscript.*", "appdaemon.*", "command_line.*",
	"recorder.purge", "recorder.purge_entities", "recorder.disable", "downloader.*", "ftp.*", "homeassistant.set_location", "backup.*",
	"frontend.*", "file.*", "folder_watcher.*", "profiler.*", "debugpy.*",
}

// plainDomains are the domains whose actions move what their target or data names.
// Those of all others, which belong to integrations, may move what nobody can see.
var plainDomains = []string{"alarm_control_panel", "automation", "button", "calendar", "camera", "climate", "counter", "cover", "date", "datetime", "fan", "group", "homeassistant",
	"humidifier", "image", "input_boolean", "input_button", "input_datetime", "input_number", "input_select", "input_text", "lawn_mower", "light", "lock", "logbook", "media_player",
	"notify", "number", "persistent_notification", "remote", "scene", "schedule", "script", "select", "siren", "switch", "template", "text", "time", "timer", "todo", "tts", "update",
	"vacuum", "valve", "water_heater", "weather"}

// blindActions are those of plain domains that do, too, or write files.
var blindActions = []string{"remote.send_command", "camera.record", "camera.snapshot", "image.snapshot"}

// lossyActions take away what does not come back.
var lossyActions = []string{"todo.remove_item", "todo.remove_completed_items", "scene.delete", "group.remove", "calendar.delete_event"}

// coreActions are the actions of the domain homeassistant that pass. Others there come
// from extensions, some of which change registries and labels.
var coreActions = []string{"turn_on", "turn_off", "toggle", "update_entity", "check_config", "save_persistent_states"}

// matches tells whether an action is one of a list, in which domain.* is all of a
// domain.
func matches(list []string, action string) bool {
	domain, _, _ := strings.Cut(action, ".")
	return slices.Contains(list, action) || slices.Contains(list, domain+".*")
}

// Permit refuses actions that the operator has to allow, and says why a person is
// asked about others. Home Assistant takes their names in any case.
func (v *Visit) Permit(action string) (ask string, err error) {
	action = strings.ToLower(strings.TrimSpace(action))
	domain, name, _ := strings.Cut(action, ".")
	switch {
	case Denied(action) && !v.desk.Everything:
		return "", fault.New(fault.Forbidden, "The action %s is not offered to models: it runs programs, stops the house or deletes what it recorded. A person can do it in Home Assistant, or the operator can set HASS_MODE=all, and then it is asked about.", action)
	case Denied(action):
		return action + " runs programs, stops the house or deletes what it recorded", nil
	case domain == "homeassistant" && !slices.Contains(coreActions, name):
		return action + " is none of the actions for entities", nil
	case matches(lossyActions, action):
		return "what " + action + " removes does not come back", nil
	case !slices.Contains(plainDomains, domain), matches(blindActions, action):
		return action + " may move things that nobody can see beforehand", nil
	}
	return "", nil
}

// Denied tells that the operator has to allow an action.
func Denied(action string) bool { return matches(deniedActions, action) }

// actionNames are the members of a configuration that name an action, chosenNames
// those that choose what it is for.
var (
	actionNames = []string{"action", "service", "service_template"}
	chosenNames = append([]string{"entity_id", "device_id", "area_id", "floor_id", "label_id", "target", "data", "service_data", "data_template"}, actionNames...)
)

// Foresee looks for actions by their names, and for what templates choose: what nobody
// may save is an error, ask is why a person has to approve the rest.
func (v *Visit) Foresee(actions any) (ask []string, err error) {
	found := map[string]bool{}
	err = eachText("", actions, func(name, text string) error {
		why, err := v.foresee(name, text)
		if why != "" {
			found[why] = true
		}
		return err
	})
	return slices.Sorted(maps.Keys(found)), err
}

// foreseen is Foresee of what there is already: whoever made it could, and a person is
// asked.
func (v *Visit) foreseen(actions any) []string {
	found := map[string]bool{}
	_ = eachText("", actions, func(name, text string) error { // never fails
		why, err := v.foresee(name, text)
		if err != nil {
			why = "it calls " + text
		}
		if why != "" {
			found[why] = true
		}
		return nil
	})
	return slices.Sorted(maps.Keys(found))
}

func (v *Visit) foresee(name, text string) (why string, err error) {
	switch {
	case !slices.Contains(chosenNames, name):
		return "", nil
	case isTemplate(text):
		return "a template chooses the " + name, nil
	case !slices.Contains(actionNames, name) || !strings.Contains(text, "."):
		return "", nil
	}
	text = strings.ToLower(strings.TrimSpace(text))
	if v.Kept(text) != nil { // a script by its name
		return "", v.Refuse(text)
	}
	if text == "update.install" {
		return "it installs updates", nil
	}
	return v.Permit(text)
}

// eachText calls f with every text of data and the name of the member it stands in.
func eachText(name string, data any, f func(name, text string) error) error {
	switch data := data.(type) {
	case map[string]any:
		for k, one := range data {
			if err := eachText(k, one, f); err != nil {
				return err
			}
		}
	case []any:
		for _, one := range data {
			if err := eachText(name, one, f); err != nil {
				return err
			}
		}
	case string:
		return f(name, data)
	}
	return nil
}

func isTemplate(text string) bool {
	return strings.Contains(text, "{{") || strings.Contains(text, "{%")
}

// literalRule is a template's look at an entity that it names, which Mentioned finds;
// readRule is what reads states.
var (
	literalRule = pattern.New(`\b(states|is_state|state_attr|is_state_attr|has_value|state_translated)\(\s*('[^'\\]*'|"[^"\\]*")\s*[,)]`)
	readRule    = pattern.New(`\b(states|is_state|state_attr|is_state_attr|has_value|state_translated|expand|closest|\w+_entities)\b`)
)

// Peeks says why a person is asked about data with a template that may read what is
// kept from models: its id may be put together, or it walks through all.
func (v *Visit) Peeks(data any) (ask []string) {
	if len(v.KeptOf("homeassistant")) == 0 {
		return nil
	}
	_ = eachText("", data, func(_, text string) error { // never fails
		if ask == nil && isTemplate(text) && readRule().MatchString(literalRule().ReplaceAllString(text, "")) {
			ask = []string{"a template in it may read what is kept from models"}
		}
		return nil
	})
	return ask
}
