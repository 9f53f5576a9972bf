package mcpwire

import "drawbridge/internal/jsonscan"

// Filter says what a watcher wants to hear of.
type Filter struct {
	ToolsChanged     bool
	PromptsChanged   bool
	ResourcesChanged bool
	Resources        []string // URIs whose updates are wanted
}

// Empty tells a filter that lets nothing through.
func (f Filter) Empty() bool {
	return !f.ToolsChanged && !f.PromptsChanged && !f.ResourcesChanged && len(f.Resources) == 0
}

// The members of a filter in subscriptions/listen and its acknowledgement.
const (
	filterTools     = "toolsListChanged"
	filterPrompts   = "promptsListChanged"
	filterResources = "resourcesListChanged"
	filterURIs      = "resourceSubscriptions"
)

// Append writes the filter as the object of the member notifications.
func (f Filter) Append(dst []byte) []byte {
	dst = append(dst, '{')
	start := len(dst)
	member := func(name string) {
		if len(dst) > start {
			dst = append(dst, ',')
		}
		dst = append(AppendString(dst, name), ':')
	}
	flag := func(name string, on bool) {
		if on {
			member(name)
			dst = append(dst, "true"...)
		}
	}
	flag(filterTools, f.ToolsChanged)
	flag(filterPrompts, f.PromptsChanged)
	flag(filterResources, f.ResourcesChanged)
	if len(f.Resources) > 0 {
		member(filterURIs)
		for i, uri := range f.Resources {
			sep := byte(',')
			if i == 0 {
				sep = '['
			}
			dst = AppendString(append(dst, sep), uri)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

// FilterOf reads params.notifications of a listen request or of its
// acknowledgement. there is false where that is not an object. fit is false where
// the resources are not a list of strings; those that are one are read all the same.
func FilterOf(params []byte) (f Filter, there, fit bool) {
	raw := ObjectMember(params, "notifications")
	if raw == nil {
		return f, false, false
	}
	fit = true
	for m := range jsonscan.Members(raw) {
		value := m.Value.Of(raw)
		yes := string(value) == "true"
		switch {
		case jsonscan.Is(m.Key, filterTools):
			f.ToolsChanged = yes
		case jsonscan.Is(m.Key, filterPrompts):
			f.PromptsChanged = yes
		case jsonscan.Is(m.Key, filterResources):
			f.ResourcesChanged = yes
		case jsonscan.Is(m.Key, filterURIs):
			f.Resources, fit = Texts(value)
		}
	}
	return f, true, fit
}
