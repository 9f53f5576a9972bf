package page

import (
	"context"
	"maps"
	"strings"
	"unicode/utf8"

	"drawbridge/internal/fault"
)

// keyCode is what the protocol wants to know of a key without a character.
type keyCode struct {
	code    string
	virtual int // Windows' number, which pages see as keyCode
	text    string
}

var keys = map[string]keyCode{
	"Enter": {"Enter", 13, "\r"}, "Tab": {"Tab", 9, ""}, "Escape": {"Escape", 27, ""}, "Backspace": {"Backspace", 8, ""}, "Delete": {"Delete", 46, ""},
	"Insert": {"Insert", 45, ""}, "Home": {"Home", 36, ""}, "End": {"End", 35, ""}, "PageUp": {"PageUp", 33, ""}, "PageDown": {"PageDown", 34, ""},
	"ArrowLeft": {"ArrowLeft", 37, ""}, "ArrowUp": {"ArrowUp", 38, ""}, "ArrowRight": {"ArrowRight", 39, ""}, "ArrowDown": {"ArrowDown", 40, ""},
	"Space": {"Space", 32, " "}, " ": {"Space", 32, " "}, "ContextMenu": {"ContextMenu", 93, ""},
	"F1": {"F1", 112, ""}, "F2": {"F2", 113, ""}, "F3": {"F3", 114, ""}, "F4": {"F4", 115, ""}, "F5": {"F5", 116, ""}, "F6": {"F6", 117, ""},
	"F7": {"F7", 118, ""}, "F8": {"F8", 119, ""}, "F9": {"F9", 120, ""}, "F10": {"F10", 121, ""}, "F11": {"F11", 122, ""}, "F12": {"F12", 123, ""},
	"Shift": {"ShiftLeft", 16, ""}, "Control": {"ControlLeft", 17, ""}, "Alt": {"AltLeft", 18, ""}, "Meta": {"MetaLeft", 91, ""},
}

// modifierBits are the protocol's numbers of the modifiers.
func modifierBits(names []string) (int, error) {
	bits := 0
	for _, name := range names {
		switch strings.ToLower(name) {
		case "alt":
			bits |= 1
		case "control", "ctrl", "controlormeta":
			bits |= 2
		case "meta":
			bits |= 4
		case "shift":
			bits |= 8
		default:
			return 0, fault.New(fault.Invalid, "%q is no modifier. Use Alt, Control, Meta or Shift.", bounded(name, 40))
		}
	}
	return bits, nil
}

// key presses and releases one key: a name of the table, or one character.
func (p *Page) key(ctx context.Context, name string, modifiers int) error {
	event := m{"key": name, "modifiers": modifiers}
	k, named := keys[name]
	switch {
	case named:
		event["code"], event["windowsVirtualKeyCode"] = k.code, k.virtual
		if name == "Space" {
			event["key"] = " "
		}
	case utf8.RuneCountInString(name) == 1:
		k.text = name
		if b := strings.ToUpper(name)[0]; b >= 'A' && b <= 'Z' && len(name) == 1 {
			event["code"], event["windowsVirtualKeyCode"] = "Key"+string(b), int(b)
		} else if b >= '0' && b <= '9' {
			event["code"], event["windowsVirtualKeyCode"] = "Digit"+string(b), int(b)
		}
	default:
		return fault.New(fault.Invalid, "%q is no key. Use one character, or a name such as Enter, Tab, Escape, ArrowDown, F5, with modifiers before it: Control+a.", bounded(name, 40))
	}
	down := m{"type": "rawKeyDown"}
	if k.text != "" && modifiers&^8 == 0 { // with Control and the like a key writes nothing
		down = m{"type": "keyDown", "text": k.text}
	}
	if modifiers&2 != 0 && strings.EqualFold(name, "a") {
		down["commands"] = []string{"selectAll"}
	}
	maps.Copy(down, event)
	p.s.Send("Input.dispatchKeyEvent", down)
	event["type"] = "keyUp"
	return p.call(ctx, "Input.dispatchKeyEvent", event, nil)
}
