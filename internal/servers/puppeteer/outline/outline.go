// Package outline writes the accessibility tree of a page as lines of text: what a
// screen reader would say, indented by its structure, with references for what can be
// acted on.
//
// It leaves out what says nothing: nodes without a role, structure around a single
// thing, text that its parent has said already. It is pure: package page reads the
// tree and keeps the references.
package outline

import (
	"encoding/json"
	"slices"
	"strings"
)

// Node is a node of the accessibility tree (Accessibility.AXNode).
type Node struct {
	NodeID      string
	Ignored     bool
	Role        Value
	Name        Value
	Value       Value
	Description Value
	Properties  []struct {
		Name  string
		Value Value
	}
	ChildIDs  []string
	BackendID int64 `json:"backendDOMNodeId"`
	ParentID  string
	FrameID   string

	// Of the package's user: the frame and the document that the node is in.
	Frame, Load string `json:"-"`

	Child *Tree `json:"-"` // what a frame shows
}

// Value is a value of the tree (Accessibility.AXValue).
type Value struct{ Value json.RawMessage }

// String is the value on one line.
func (v Value) String() string {
	if len(v.Value) == 0 {
		return ""
	}
	return strings.Join(strings.Fields(text(v.Value)), " ")
}

// Tree is the nodes of one document.
type Tree struct {
	Nodes map[string]*Node
	Root  *Node
}

// Looking is what is written.
type Looking struct {
	Depth int  // 0: no bound
	All   bool // also what has no name and takes no input
	Only  bool // only what takes input, without the structure
}

// Write gives the lines of a node and what is in it. ref gives the reference of a node
// that can be acted on.
func Write(t *Tree, n *Node, look Looking, ref func(*Node) string) []string {
	w := writer{look: look, ref: ref}
	w.node(t, n, 0, "")
	return w.lines
}

// takesInput are the roles of what can be acted on.
var takesInput = map[string]bool{
	"button": true, "link": true, "textbox": true, "searchbox": true, "combobox": true, "listbox": true, "option": true, "checkbox": true, "radio": true,
	"switch": true, "slider": true, "spinbutton": true, "tab": true, "menuitem": true, "menuitemcheckbox": true, "menuitemradio": true, "treeitem": true,
	"DisclosureTriangle": true, "ColorWell": true, "Date": true, "DateTime": true, "InputTime": true, "gridcell": true, "textField": true,
}

// silent are the roles that say nothing by themselves: what is in them is shown in
// their place.
var silent = map[string]bool{
	"": true, "none": true, "generic": true, "InlineTextBox": true, "LineBreak": true, "RootWebArea": true, "GenericContainer": true, "LayoutTable": true,
	"LayoutTableRow": true, "LayoutTableCell": true, "rowgroup": true, "Legend": true, "ListMarker": true, "LabelText": true,
}

// parts are the roles whose inside is the browser's own, and not of the page.
var parts = map[string]bool{"Date": true, "DateTime": true, "InputTime": true, "ColorWell": true}

// shownStates are the properties that are shown.
var shownStates = []string{"level", "checked", "pressed", "expanded", "selected", "disabled", "required", "readonly", "invalid", "focused", "modal"}

// writer writes the lines.
type writer struct {
	look  Looking
	ref   func(*Node) string
	lines []string
}

// node writes a node and what is in it.
func (w *writer) node(t *Tree, n *Node, depth int, parentName string) {
	if w.look.Depth > 0 && depth >= w.look.Depth {
		return
	}
	role, name := n.Role.String(), n.Name.String()
	acts := takesInput[role] && !n.Ignored
	focusable := n.property("focusable") == "true" && role != "RootWebArea" && !n.Ignored
	shown := !n.Ignored && !silent[role] || focusable && silent[role]
	switch {
	case role == "StaticText" || role == "text":
		if name != "" && !strings.Contains(parentName, name) && !w.look.Only {
			w.line(depth, "text "+quoted(name))
		}
		return
	case w.look.Only:
		shown = acts || focusable
	case !w.look.All && shown && !acts && !focusable && name == "" && len(n.ChildIDs) == 1 && n.Child == nil:
		shown = false // structure around a single thing
	case !w.look.All && shown && !acts && !focusable && t.repeats(n):
		shown = false // the one thing in it says the same
	}
	if shown {
		w.line(depth, w.describe(n, role, name, acts || focusable || role == "Iframe" || role == "image" || w.look.All))
		if !w.look.Only {
			depth++
		}
		parentName = name + " " + n.Value.String()
	}
	if parts[role] && !w.look.All {
		return
	}
	for _, id := range n.ChildIDs {
		if c := t.Nodes[id]; c != nil {
			w.node(t, c, depth, parentName)
		}
	}
	if n.Child != nil && n.Child.Root != nil {
		w.node(n.Child, n.Child.Root, depth, "")
	}
}

// repeats tells whether a node has one child that acts and bears the same name.
func (t *Tree) repeats(n *Node) bool {
	if len(n.ChildIDs) != 1 {
		return false
	}
	child := t.Nodes[n.ChildIDs[0]]
	for child != nil && silent[child.Role.String()] && len(child.ChildIDs) == 1 {
		child = t.Nodes[child.ChildIDs[0]]
	}
	return child != nil && takesInput[child.Role.String()] && child.Name.String() == n.Name.String()
}

func (n *Node) property(name string) string {
	for _, p := range n.Properties {
		if p.Name == name {
			return p.Value.String()
		}
	}
	return ""
}

// describe is the line of a node.
func (w *writer) describe(n *Node, role, name string, ref bool) string {
	var b strings.Builder
	if silent[role] {
		role = "generic"
	}
	b.WriteString(role)
	if name != "" {
		b.WriteString(" " + quoted(name))
	}
	for _, state := range shownStates {
		switch v := n.property(state); v {
		case "", "false":
		case "true":
			b.WriteString(" [" + state + "]")
		default:
			b.WriteString(" [" + state + "=" + bounded(v, 20) + "]")
		}
	}
	if v := n.Value.String(); v != "" && v != name {
		b.WriteString(" value=" + quoted(v))
	}
	if d := n.Description.String(); d != "" && d != name && w.look.All {
		b.WriteString(" description=" + quoted(d))
	}
	if ref && n.BackendID != 0 {
		b.WriteString(" [" + w.ref(n) + "]")
	}
	return b.String()
}

func (w *writer) line(depth int, s string) {
	w.lines = append(w.lines, strings.Repeat("  ", depth)+"- "+s)
}

// quoted is a name in quotes on one line.
func quoted(s string) string { return `"` + strings.ReplaceAll(bounded(s, 400), `"`, `'`) + `"` }

// Fit takes the lines that have room.
func Fit(lines []string, most int) (string, int) {
	size := 0
	for i, line := range lines {
		if size += len(line) + 1; size > most {
			return strings.Join(lines[:i], "\n"), len(lines) - i
		}
	}
	return strings.Join(lines, "\n"), 0
}

// Differences are the lines that went, then those that came, each as often as it did.
func Differences(before, now []string) []string {
	count := map[string]int{}
	for _, line := range before {
		count[strings.TrimSpace(line)]++
	}
	var came []string
	for _, line := range now {
		key := strings.TrimSpace(line)
		if count[key] > 0 {
			count[key]--
			continue
		}
		came = append(came, "+ "+strings.TrimPrefix(key, "- "))
	}
	var went []string
	for _, line := range slices.Backward(before) {
		key := strings.TrimSpace(line)
		if count[key] > 0 {
			count[key]--
			went = append(went, "- "+strings.TrimPrefix(key, "- "))
		}
	}
	slices.Reverse(went)
	return append(went, came...)
}

// bounded is the beginning of s.
func bounded(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "..."
}

// text reads a JSON string; other values are as they are.
func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}
