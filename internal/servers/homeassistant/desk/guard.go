package desk

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/homeassistant/house"
	"drawbridge/internal/servers/homeassistant/show"
)

// Sensitive tells why a person is asked before an action (its name without the
// domain) on an entity; "" where nobody is.
func Sensitive(e *house.Entity, action string) string {
	if action == "update_entity" {
		return ""
	}
	switch e.Domain {
	case "lock":
		return "is a lock"
	case "alarm_control_panel":
		return "is an alarm"
	case "siren":
		return "is a siren"
	case "valve":
		return "is a valve"
	case "cover":
		if class := e.Class(); slices.Contains([]string{"garage", "gate", "door"}, class) {
			return "is a " + class
		}
	case "camera":
		if slices.Contains([]string{"turn_off", "toggle", "disable_motion_detection"}, action) {
			return "is a camera, which will watch no more"
		}
	case "update":
		if action == "install" {
			return "is software that cannot be taken back"
		}
	}
	return ""
}

// Verdict is what a guard says of an action on entities.
type Verdict struct {
	Allowed []*house.Entity
	Refused []string // lines: what is not touched, and why
	Ask     []string // why a person is asked; empty where nobody is
}

// Judge looks at everything that an action would reach: members of groups and scenes,
// what scripts and triggered automations name.
func (v *Visit) Judge(ctx context.Context, all []*house.Entity, action string) (out Verdict, err error) {
	for _, e := range all {
		reached, err := v.reach(ctx, e, action)
		if err != nil {
			return out, err
		}
		refused := false
		var ask []string
		for _, r := range reached {
			if r.Why == house.Blocked {
				out.Refused = append(out.Refused, e.ID+": reaches something with the label "+house.LabelBlocked)
				refused = true
				break
			}
			why := Sensitive(r, action)
			if why == "" && v.Confirm(r) {
				why = "has the label " + house.LabelConfirm
			}
			if why == "" {
				continue
			}
			line := fmt.Sprintf("%s (%s) %s", r.ID, show.Clip(r.Name, 60), why)
			if r.ID != e.ID {
				line += ", reached by " + e.ID
			}
			ask = append(ask, line)
		}
		if !refused {
			out.Allowed = append(out.Allowed, e)
			out.Ask = append(out.Ask, ask...)
		}
	}
	return out, nil
}

// deepest is how far members of members are followed.
const deepest = 5

// reach is an entity and what an action on it moves.
func (v *Visit) reach(ctx context.Context, e *house.Entity, action string) ([]*house.Entity, error) {
	all := []*house.Entity{e}
	if action == "update_entity" {
		return all, nil
	}
	ids := e.Members()
	runs := e.Domain == "script" && action != "turn_off" && action != "reload" || e.Domain == "automation" && action == "trigger"
	if runs {
		related, err := v.Related(ctx, e.Domain, e.ID)
		if err != nil {
			return nil, fault.Wrap(err, fault.Unavailable, "Nobody can tell what %s would move, so it was not run. Try again in a minute, or let a person run it.", e.ID)
		}
		ids = slices.Concat(ids, related["entity"], related["group"], related["scene"], related["script"])
	}
	for depth := 0; len(ids) > 0 && depth < deepest; depth++ {
		var next []string
		for _, id := range ids {
			r := v.Entity(id)
			if r == nil {
				r = v.Kept(id)
			}
			if r == nil || slices.Contains(all, r) {
				continue
			}
			all = append(all, r)
			next = append(next, r.Members()...)
		}
		ids = next
	}
	return all, nil
}

// Count adds a reason to ask where more is touched than the operator lets pass.
func (v *Visit) Count(out *Verdict) {
	if n := len(out.Allowed); n > v.desk.Most {
		out.Ask = append(out.Ask, fmt.Sprintf("%d entities at once, more than the %d that pass without a question", n, v.desk.Most))
	}
}

// deniedActions run programs, send anything anywhere, stop the house or destroy what
// was recorded. They need HASS_MODE=all, and then a person.
var deniedActions = []string{
	"homeassistant.restart", "homeassistant.stop", "hassio.*", "shell_command.*", "python_script.*", "pyscript.*", "appdaemon.*", "command_line.*",
	"recorder.purge", "recorder.purge_entities", "recorder.disable", "downloader.*", "ftp.*", "homeassistant.set_location", "backup.*",
	"frontend.*", "file.*", "folder_watcher.*", "profiler.*", "debugpy.*",
}

// askedActions may move what no target shows.
var askedActions = []string{"mqtt.publish", "rest_command.*", "conversation.process", "zwave_js.*", "zha.*", "zigbee2mqtt.*", "deconz.*", "knx.*", "modbus.*", "esphome.*",
	"remote.send_command", "intent_script.*", "event.*", "assist_satellite.*", "google_assistant_sdk.*", "cloud.*", "camera.record", "camera.snapshot"}

// coreActions are the actions of the domain homeassistant that pass. Others there come
// from extensions, some of which change registries and labels.
var coreActions = []string{"turn_on", "turn_off", "toggle", "update_entity", "check_config", "save_persistent_states"}

// Matches tells whether an action is one of a list, in which domain.* is all of a
// domain.
func Matches(list []string, action string) bool {
	domain, _, _ := strings.Cut(action, ".")
	return slices.Contains(list, action) || slices.Contains(list, domain+".*")
}

// Permit refuses actions that the operator has to allow, and says why a person is
// asked about others.
func (v *Visit) Permit(action string) (ask string, err error) {
	switch {
	case Matches(deniedActions, action) && !v.desk.Everything:
		return "", fault.New(fault.Forbidden, "The action %s is not offered to models: it runs programs, stops the house or deletes what it recorded. A person can do it in Home Assistant, or the operator can set HASS_MODE=all, and then it is asked about.", action)
	case Matches(deniedActions, action):
		return action + " runs programs, stops the house or deletes what it recorded", nil
	case strings.HasPrefix(action, "homeassistant.") && !slices.Contains(coreActions, strings.TrimPrefix(action, "homeassistant.")):
		return action + " is none of the actions for entities", nil
	case Matches(askedActions, action):
		return action + " may move things that nobody can see beforehand", nil
	}
	return "", nil
}

// Denied tells that the operator has to allow an action.
func Denied(action string) bool { return Matches(deniedActions, action) }
