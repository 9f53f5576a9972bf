package api

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"drawbridge/internal/servers/homeassistant/link"
)

// Area is a part of the house.
type Area struct {
	ID      string `json:"area_id"`
	Name    Text   `json:"name"`
	Floor   Text   `json:"floor_id"`
	Aliases Texts  `json:"aliases"`
	Labels  Texts  `json:"labels"`
}

// Floor is a storey.
type Floor struct {
	ID      string `json:"floor_id"`
	Name    Text   `json:"name"`
	Level   Text   `json:"level"`
	Aliases Texts  `json:"aliases"`
}

// Label is a label of entities, devices and areas.
type Label struct {
	ID          string `json:"label_id"`
	Name        Text   `json:"name"`
	Description Text   `json:"description"`
}

// Device is a device. Until 2026.7 it has config_entries, since 2026.8
// config_entry_id; a child device (2026.9) has parent_device_id and little else.
type Device struct {
	ID           string `json:"id"`
	Name         Text   `json:"name"`
	ByUser       Text   `json:"name_by_user"`
	Manufacturer Text   `json:"manufacturer"`
	Model        Text   `json:"model"`
	Area         Text   `json:"area_id"`
	Labels       Texts  `json:"labels"`
	Parent       Text   `json:"parent_device_id"`
	Via          Text   `json:"via_device_id"`
	Disabled     Text   `json:"disabled_by"`
	SWVersion    Text   `json:"sw_version"`
	EntryType    Text   `json:"entry_type"`
	Entry        Text   `json:"config_entry_id"`
	Primary      Text   `json:"primary_config_entry"`
	Entries      Texts  `json:"config_entries"`
}

// Called is the name that people see.
func (d Device) Called() string {
	if d.ByUser != "" {
		return string(d.ByUser)
	}
	return string(d.Name)
}

// ConfigEntry is the integration's entry that the device belongs to.
func (d Device) ConfigEntry() string {
	switch {
	case d.Entry != "":
		return string(d.Entry)
	case d.Primary != "":
		return string(d.Primary)
	case len(d.Entries) > 0:
		return d.Entries[0]
	}
	return ""
}

// Listed is an entity as list_for_display has it.
type Listed struct {
	ID       string          `json:"ei"`
	Platform Text            `json:"pl"`
	Area     Text            `json:"ai"`
	Labels   Texts           `json:"lb"`
	Device   Text            `json:"di"`
	Category json.RawMessage `json:"ec"` // 0 config, 1 diagnostic
	Hidden   json.RawMessage `json:"hb"`
	Name     Text            `json:"en"`
	HasName  bool            `json:"hn"` // its name comes after the device's
}

// IsHidden tells whether people chose not to see it.
func (l Listed) IsHidden() bool {
	return len(l.Hidden) > 0 && string(l.Hidden) != "false" && string(l.Hidden) != "null"
}

// IsExtra tells a setting or a diagnosis from what the device is for.
func (l Listed) IsExtra() bool { return len(l.Category) > 0 && string(l.Category) != "null" }

// Registries are what Home Assistant knows of the house.
type Registries struct {
	Areas    []Area
	Floors   []Floor
	Labels   []Label
	Devices  []Device
	Entities []Listed
	Config   Config
}

// Config is the installation.
type Config struct {
	Name       Text  `json:"location_name"`
	Version    Text  `json:"version"`
	State      Text  `json:"state"`
	TimeZone   Text  `json:"time_zone"`
	Language   Text  `json:"language"`
	SafeMode   bool  `json:"safe_mode"`
	Components Texts `json:"components"`
}

// Config reads it.
func (s Session) Config(ctx context.Context) (c Config, err error) {
	return c, s.ask(ctx, link.Command{"type": "get_config"}, &c, "the configuration")
}

// registries are kept for as long as nothing tells that they changed.
type registries struct {
	turn  chan struct{} // held while they are read; guards what follows
	known *Registries
	epoch int64 // of the connection in which changes are told
	at    time.Time

	news  sync.Mutex // guards fresh
	fresh bool       // no change was told since they were read
}

// How long what was read is believed: with a connection that tells of changes, and
// without the right to hear of them.
const (
	keptTime  = 10 * time.Minute
	blindTime = 15 * time.Second
)

// changes are the events that tell of changed registries.
var changes = []string{"area_registry_updated", "device_registry_updated", "entity_registry_updated", "floor_registry_updated", "label_registry_updated", "core_config_updated"}

// Registries reads all registries, or gives what is known where that is still so.
func (s Session) Registries(ctx context.Context) (*Registries, error) {
	r := &s.held.regs
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	r.news.Lock()
	fresh := r.fresh
	r.news.Unlock()
	age := time.Since(r.at)
	told := r.epoch != 0 && r.epoch == s.held.link.Epoch() && fresh
	if r.known != nil && (told && age < keptTime || r.epoch == 0 && age < blindTime) {
		return r.known, nil
	}
	if err := s.listen(ctx); err != nil {
		return nil, err
	}
	known, err := s.readRegistries(ctx)
	if err != nil {
		return nil, err
	}
	r.known, r.at = known, time.Now()
	return known, nil
}

// Forget makes the next call read the registries again.
func (s Session) Forget() {
	s.held.regs.news.Lock()
	defer s.held.regs.news.Unlock()
	s.held.regs.fresh = false
}

// listen subscribes to changes of the registries, once per connection.
func (s Session) listen(ctx context.Context) error {
	r := &s.held.regs
	r.news.Lock()
	r.fresh = true
	r.news.Unlock()
	if epoch := s.held.link.Epoch(); epoch != 0 && epoch == r.epoch {
		return nil
	}
	r.epoch = 0
	stale := func([]byte) { s.Forget() }
	for _, event := range changes {
		if _, err := s.held.link.Subscribe(ctx, link.Command{"type": "subscribe_events", "event_type": event}, stale); err != nil {
			if Denied(err) { // some are for administrators only
				return nil
			}
			return refine(err, "changes of the registries")
		}
	}
	r.epoch = s.held.link.Epoch()
	return nil
}

func (s Session) readRegistries(ctx context.Context) (*Registries, error) {
	var r Registries
	var display struct {
		Entities []json.RawMessage `json:"entities"`
	}
	err := together(
		func() (err error) { r.Config, err = s.Config(ctx); return err },
		func() (err error) { r.Areas, err = registry[Area](ctx, s, "area"); return err },
		func() (err error) { r.Floors, err = registry[Floor](ctx, s, "floor"); return err },
		func() (err error) { r.Labels, err = registry[Label](ctx, s, "label"); return err },
		func() (err error) { r.Devices, err = registry[Device](ctx, s, "device"); return err },
		func() error {
			return s.ask(ctx, link.Command{"type": "config/entity_registry/list_for_display"}, &display, "the entities")
		},
	)
	r.Entities = rows[Listed](display.Entities)
	return &r, err
}

// registry lists one registry; one that an old version lacks is empty.
func registry[T any](ctx context.Context, s Session, kind string) ([]T, error) {
	all, err := list[T](ctx, s, link.Command{"type": "config/" + kind + "_registry/list"}, "the "+kind+"s")
	if Unknown(err) {
		return nil, nil
	}
	return all, err
}

// together runs all at once over the one connection and gives the first error.
func together(all ...func() error) error {
	errs := make(chan error, len(all))
	for _, f := range all {
		go func() { errs <- f() }() // awaited below
	}
	var first error
	for range all {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
	}
	return first
}
