package api

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"

	"drawbridge/internal/servers/homeassistant/link"
	"drawbridge/internal/servers/kit"
)

// adminRest asks whether the token is one of an administrator, before a request of
// the REST API that is for administrators: to others it answers 401, and counts that
// as a failed login, after some of which Home Assistant bans the address of all users.
func (s Session) adminRest(ctx context.Context, req kit.Request) (a kit.Answer, err error) {
	var user struct {
		Admin *bool `json:"is_admin"`
	}
	if err := s.ask(ctx, link.Command{"type": "auth/current_user"}, &user, "the owner of the token"); err != nil && !Unknown(err) {
		return a, err
	}
	if user.Admin != nil && !*user.Admin {
		return a, refine(&link.Error{Code: "unauthorized"}, req.What)
	}
	return s.rest(ctx, req)
}

// ItemConfig is the configuration of an automation, script or scene by its id. The
// editor's REST API has those that it keeps; automations and scripts that stand in a
// package of YAML are found by their entity.
func (s Session) ItemConfig(ctx context.Context, kind, id string) (json.RawMessage, error) {
	var raw json.RawMessage
	_, err := s.adminRest(ctx, kit.Request{Path: kit.Path("api", "config", kind, "config", id), Into: &raw, What: kind + " " + id})
	return whole(raw), err
}

// EntityConfig is the configuration of an automation or script by its entity.
func (s Session) EntityConfig(ctx context.Context, entity string) (json.RawMessage, error) {
	var out struct {
		Config json.RawMessage `json:"config"`
	}
	err := s.ask(ctx, link.Command{"type": DomainOf(entity) + "/config", "entity_id": entity}, &out, "the configuration of "+entity)
	return whole(out.Config), err
}

// SaveItem writes the configuration of an automation, script or scene.
func (s Session) SaveItem(ctx context.Context, kind, id string, config json.RawMessage) error {
	_, err := s.adminRest(ctx, kit.Request{Method: http.MethodPost, Path: kit.Path("api", "config", kind, "config", id), JSON: config, What: kind + " " + id})
	return err
}

// DeleteItem removes an automation, script or scene.
func (s Session) DeleteItem(ctx context.Context, kind, id string) error {
	_, err := s.adminRest(ctx, kit.Request{Method: http.MethodDelete, Path: kit.Path("api", "config", kind, "config", id), What: kind + " " + id})
	return err
}

// Validity is what is wrong with a part of a configuration. Error is Home
// Assistant's own text.
type Validity struct {
	Valid bool `json:"valid"`
	Error Text `json:"error"`
}

// Validate checks triggers, conditions and actions; only those that are not nil.
func (s Session) Validate(ctx context.Context, parts map[string]json.RawMessage) (map[string]Validity, error) {
	cmd := link.Command{"type": "validate_config"}
	for k, v := range parts {
		cmd[k] = v
	}
	var out map[string]Validity
	return out, s.ask(ctx, cmd, &out, "the configuration")
}

// Checked is what Home Assistant says of its configuration files.
type Checked struct {
	Result   Text `json:"result"`
	Errors   Text `json:"errors"`
	Warnings Text `json:"warnings"`
}

// CheckConfig has Home Assistant check its files.
func (s Session) CheckConfig(ctx context.Context) (c Checked, err error) {
	_, err = s.adminRest(ctx, kit.Request{Method: http.MethodPost, Path: "/api/config/core/check_config", Into: &c, What: "the check of the configuration"})
	return c, err
}

// Exposed are the entities that the voice assistant may use. Only administrators may
// list them; for others the registry's options tell.
func (s Session) Exposed(ctx context.Context) (map[string]bool, error) {
	var out struct {
		Entities map[string]map[string]json.RawMessage `json:"exposed_entities"`
	}
	err := s.ask(ctx, link.Command{"type": "homeassistant/expose_entity/list"}, &out, "the exposed entities")
	if err != nil && !Denied(err) && !Unknown(err) {
		return nil, err
	}
	all := map[string]bool{}
	if err == nil {
		for id, by := range out.Entities {
			all[id] = string(by["conversation"]) == "true"
		}
		return all, nil
	}
	entries, err := list[Entry](ctx, s, link.Command{"type": "config/entity_registry/list"}, "the entities")
	for _, e := range entries {
		all[e.ID] = e.ExposedToAssist()
	}
	return all, err
}

// Expose sets whether the voice assistant may use an entity.
func (s Session) Expose(ctx context.Context, id string, expose bool) error {
	return s.do(ctx, link.Command{"type": "homeassistant/expose_entity", "assistants": []string{"conversation"}, "entity_ids": []string{id}, "should_expose": expose}, nil, "exposing "+id)
}

// Entry is an entity in the registry.
type Entry struct {
	ID       string                     `json:"entity_id"`
	Name     Text                       `json:"name"`
	Original Text                       `json:"original_name"`
	Platform Text                       `json:"platform"`
	Unique   Text                       `json:"unique_id"`
	Device   Text                       `json:"device_id"`
	Area     Text                       `json:"area_id"`
	Labels   Texts                      `json:"labels"`
	Aliases  Aliases                    `json:"aliases"`
	Icon     Text                       `json:"icon"`
	Disabled Text                       `json:"disabled_by"`
	Hidden   Text                       `json:"hidden_by"`
	Options  map[string]json.RawMessage `json:"options"`
}

// Aliases are other names of an entity. Among them null stands for its own name.
type Aliases struct {
	Texts
	Own bool
}

// UnmarshalJSON never fails.
func (a *Aliases) UnmarshalJSON(raw []byte) error {
	var all []json.RawMessage
	_ = json.Unmarshal(raw, &all) // none
	a.Own = slices.ContainsFunc(all, func(r json.RawMessage) bool { return string(r) == "null" })
	return a.Texts.UnmarshalJSON(raw)
}

// ExposedToAssist tells what the entity's own options say.
func (e Entry) ExposedToAssist() bool {
	var o struct {
		Should bool `json:"should_expose"`
	}
	return json.Unmarshal(e.Options["conversation"], &o) == nil && o.Should
}

// RegistryIDs are the ids of entities by those of the registry.
func (s Session) RegistryIDs(ctx context.Context) (map[string]string, error) {
	type row struct {
		ID     Text   `json:"id"`
		Entity string `json:"entity_id"`
	}
	entries, err := list[row](ctx, s, link.Command{"type": "config/entity_registry/list"}, "the entities")
	all := make(map[string]string, len(entries))
	for _, e := range entries {
		all[string(e.ID)] = e.Entity
	}
	return all, err
}

// Entry reads one entity of the registry.
func (s Session) Entry(ctx context.Context, id string) (e Entry, err error) {
	return e, s.ask(ctx, link.Command{"type": "config/entity_registry/get", "entity_id": id}, &e, id+" in the registry")
}

// Entries reads several, with aliases. Those that are in no registry are missing.
func (s Session) Entries(ctx context.Context, ids []string) (map[string]Entry, error) {
	var raw map[string]json.RawMessage
	err := s.ask(ctx, link.Command{"type": "config/entity_registry/get_entries", "entity_ids": ids}, &raw, "entities of the registry")
	all := make(map[string]Entry, len(raw))
	for id, r := range raw {
		var e Entry
		if json.Unmarshal(r, &e) == nil && e.ID != "" {
			all[id] = e
		}
	}
	return all, err
}

// UpdateRegistry changes an item of a registry: kind is entity, device, area, floor
// or label. changes has the members of the API.
func (s Session) UpdateRegistry(ctx context.Context, kind, id string, changes map[string]any) error {
	cmd := link.Command{"type": "config/" + kind + "_registry/update", kind + "_id": id}
	maps.Copy(cmd, changes)
	return s.do(ctx, cmd, nil, kind+" "+id)
}

// CreateInRegistry adds an area, floor or label.
func (s Session) CreateInRegistry(ctx context.Context, kind string, members map[string]any) (string, error) {
	cmd := link.Command{"type": "config/" + kind + "_registry/create"}
	maps.Copy(cmd, members)
	var out map[string]json.RawMessage
	err := s.do(ctx, cmd, &out, "a new "+kind)
	var id Text
	_ = id.UnmarshalJSON(out[kind+"_id"]) // never fails
	return string(id), err
}

// IntegrationEntry is a configured integration.
type IntegrationEntry struct {
	ID       string `json:"entry_id"`
	Domain   Text   `json:"domain"`
	Title    Text   `json:"title"`
	State    Text   `json:"state"`
	Reason   Text   `json:"reason"`
	Disabled Text   `json:"disabled_by"`
}

// Integrations are the configured integrations.
func (s Session) Integrations(ctx context.Context) ([]IntegrationEntry, error) {
	return list[IntegrationEntry](ctx, s, link.Command{"type": "config_entries/get"}, "the integrations")
}

// ReloadIntegration loads an integration anew.
func (s Session) ReloadIntegration(ctx context.Context, id string) error {
	_, err := s.adminRest(ctx, kit.Request{Method: http.MethodPost, Path: kit.Path("api", "config", "config_entries", "entry", id, "reload"), What: "the integration " + id})
	return err
}
