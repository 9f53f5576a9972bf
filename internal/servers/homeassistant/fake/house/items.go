package house

import (
	"slices"
	"strings"
	"time"
)

// Items is what the house has beside entities and registries.
type Items struct {
	Automations []*Config // automations.yaml, then those of packages
	Scripts     []*Config
	Scenes      []*Config
	Traces      []*Trace
	Todos       map[string][]*Todo
	Calendars   map[string][]*CalendarEvent
	Problems    []*LogEntry // system_log, newest first
	Repairs     []Map
	Backups     []Map
	LastBackup  any
	Dashboards  []Map
	Boards      map[string]Map // url_path, "" for the first one -> config
	Notes       []Map          // persistent notifications
	Images      map[string][]byte
	BadConfig   string // what check_config complains about
}

// Config is an automation, script or scene. Those of packages are read-only: the editor's
// file does not have them.
type Config struct {
	ID, EntityID string
	Body         Map
	Package      bool
}

// Trace is how a run went.
type Trace struct {
	RunID, Domain, ItemID, Execution, Trigger, LastStep, Error string
	Start, Finish                                              time.Time
	Steps                                                      Map // path -> list of steps
	Config                                                     Map
	Context                                                    Context
}

// Todo is an item of a list, CalendarEvent one of a calendar.
type (
	Todo struct {
		UID         string
		Summary     string
		Status      string
		Due         *string // a date, or a time with offset
		Description *string
		Completed   *string
	}
	CalendarEvent struct {
		UID, Summary          string
		Start, End            string // as Todo.Due
		Description, Location *string
		Rule                  *string
	}
	// LogEntry is one of system_log.
	LogEntry struct {
		Name, Level, Source string
		Line, Count         int
		Messages            []string
		Exception           string
		First, Last         time.Time
	}
	// Row is one of the logbook that is not a state.
	Row struct {
		When    time.Time
		Body    Map
		Context string
	}
)

func newItems() Items {
	return Items{Todos: map[string][]*Todo{}, Calendars: map[string][]*CalendarEvent{}, Boards: map[string]Map{}, Images: map[string][]byte{}}
}

// Item is an automation, script or scene by entity.
func (h *House) Item(entityID string) *Config {
	for _, list := range [][]*Config{h.Automations, h.Scripts, h.Scenes} {
		if c := Find(list, func(c *Config) bool { return c.EntityID == entityID }); c != nil {
			return c
		}
	}
	return nil
}

// List is where items of a domain are.
func (h *House) List(domain string) *[]*Config {
	switch domain {
	case "automation":
		return &h.Automations
	case "script":
		return &h.Scripts
	}
	return &h.Scenes
}

// Load makes the entity of an item, as the reload after a write does; enabled is for what
// was not there before.
func (h *House) Load(domain string, c *Config, at Context) {
	alias, _ := c.Body["alias"].(string)
	if domain == "scene" {
		alias, _ = c.Body["name"].(string)
	}
	if c.EntityID == "" {
		wish := alias
		if domain == "script" {
			wish = c.ID
		} else if alias == "" {
			wish = c.ID
		}
		c.EntityID = Free(domain+"."+Slug(wish), func(id string) bool { return h.States[id] != nil })
	}
	if h.Entity(c.EntityID) == nil && c.ID != "" {
		now := Seconds(h.Clock.Now())
		h.Add(&Entry{ID: h.Hex(), EntityID: c.EntityID, Platform: map[bool]string{true: "homeassistant", false: domain}[domain == "scene"],
			Unique: c.ID, OriginalName: alias, Aliases: []any{}, Created: now, Modified: now})
		h.Fire("entity_registry_updated", Map{"action": "create", "entity_id": c.EntityID}, at)
	}
	value, attrs := "on", Map{}
	if s := h.States[c.EntityID]; s != nil {
		value = s.State
		for _, keep := range []string{"last_triggered", "current"} {
			if v, ok := s.Attributes[keep]; ok {
				attrs[keep] = v
			}
		}
	} else if domain == "script" {
		value = "off"
	} else if domain == "scene" {
		value = "unknown"
	}
	if domain == "scene" {
		attrs["entity_id"], attrs["id"] = Keys(c.Body["entities"]), c.ID
	} else {
		mode, _ := c.Body["mode"].(string)
		if mode == "" {
			mode = "single"
		}
		if attrs["mode"] = mode; attrs["current"] == nil {
			attrs["current"], attrs["last_triggered"] = 0, nil
		}
		if domain == "automation" {
			attrs["id"] = c.ID
		}
	}
	attrs["friendly_name"] = alias
	h.Set(c.EntityID, value, attrs, at)
}

// Unload takes an item and its entity away.
func (h *House) Unload(domain string, c *Config, at Context) {
	list := h.List(domain)
	*list = slices.DeleteFunc(*list, func(x *Config) bool { return x == c })
	h.Drop(c.EntityID, at)
	if e := h.Entity(c.EntityID); e != nil {
		h.Forget(e)
		h.Fire("entity_registry_updated", Map{"action": "remove", "entity_id": c.EntityID}, at)
	}
}

// Keys are the sorted keys of an object.
func Keys(v any) []string {
	m, _ := v.(Map)
	keys := []string{}
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Mentions are the ids that an item's body names under a key such as entity_id, anywhere
// in it, also in the first argument of templates' states() (search/related).
func Mentions(v any, key string) []string {
	out := []string{}
	var walk func(any, bool)
	walk = func(v any, in bool) {
		switch v := v.(type) {
		case Map:
			for k, x := range v {
				if key == "entity_id" && k == "entities" {
					out = append(out, Keys(x)...)
				}
				walk(x, k == key)
			}
		case []any:
			for _, x := range v {
				walk(x, in)
			}
		case string:
			if in {
				for id := range strings.SplitSeq(v, ",") {
					out = append(out, strings.TrimSpace(id))
				}
			}
		}
	}
	walk(v, false)
	slices.Sort(out)
	return slices.Compact(out)
}
