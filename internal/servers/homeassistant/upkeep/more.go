package upkeep

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/homeassistant/show"
	"drawbridge/internal/servers/kit"
)

type noneIn struct{}

type dashboardsOut struct {
	Dashboards kit.Untrusted `json:"dashboards" jsonschema:"A line each: url_path | title | mode."`
}

func (t Tools) listDashboards(ctx context.Context, c *kit.Call, _ noneIn) (out dashboardsOut, err error) {
	s, err := t.Session(ctx, c)
	if err != nil {
		return out, err
	}
	all, err := s.Dashboards(ctx)
	if err != nil {
		return out, err
	}
	lines := []string{show.Row(defaultDashboard, "the default one")}
	for _, d := range all {
		lines = append(lines, show.Row(show.Clip(string(d.URL), 80), show.Clip(string(d.Title), 80), show.Clip(string(d.Mode), 20)))
	}
	out.Dashboards = kit.Untrusted(show.Fit(lines))
	return out, nil
}

// defaultDashboard stands for the dashboard that has no url_path.
const defaultDashboard = "default"

type dashboardIn struct {
	Path string `json:"url_path,omitempty" jsonschema:"The default one without it."`
}

func (in dashboardIn) path() string {
	if in.Path == defaultDashboard {
		return ""
	}
	return in.Path
}

func (in dashboardIn) name() string { return cmp.Or(in.path(), defaultDashboard) }

type getDashboardIn struct {
	dashboardIn
	View    *int   `json:"view,omitempty" jsonschema:"Only this one, from 0."`
	Version string `json:"version,omitempty" jsonschema:"A kept one instead."`
}

type dashboardOut struct {
	Config   kit.Untrusted `json:"config" jsonschema:"JSON"`
	Views    kit.Untrusted `json:"views,omitempty"`
	Versions []string      `json:"versions,omitempty"`
}

// kind is that of dashboards among versions.
const kind = "dashboard"

func (t Tools) getDashboard(ctx context.Context, c *kit.Call, in getDashboardIn) (out dashboardOut, err error) {
	s, err := t.Session(ctx, c)
	if err != nil {
		return out, err
	}
	kept, err := t.Versions.List(ctx, c.User(), kind, in.name())
	if err != nil {
		return out, err
	}
	for _, k := range kept {
		out.Versions = append(out.Versions, k.ID+", "+show.Exact(k.At.UTC(), k.At.UTC().Location()))
	}
	var raw json.RawMessage
	if in.Version != "" {
		old, err := t.Versions.Find(ctx, c.User(), kind, in.name(), in.Version)
		if err != nil {
			return out, err
		}
		raw = json.RawMessage(old.Config)
	} else if raw, err = s.DashboardConfig(ctx, in.path()); err != nil {
		return out, err
	}
	var config struct {
		Views []json.RawMessage `json:"views"`
	}
	if err := json.Unmarshal(raw, &config); err != nil {
		return out, err
	}
	if in.View != nil {
		if *in.View < 0 || *in.View >= len(config.Views) {
			return out, fault.New(fault.NotFound, "The dashboard has %d views, counted from 0. Choose another.", len(config.Views))
		}
		raw = config.Views[*in.View]
	}
	if len(raw) > show.TextRoom && in.View == nil {
		var lines []string
		for i, v := range config.Views {
			var view struct {
				Title string `json:"title"`
				Path  string `json:"path"`
			}
			_ = json.Unmarshal(v, &view) // a view without either
			lines = append(lines, show.Row(fmt.Sprint(i), show.Clip(view.Title, 60), show.Clip(view.Path, 60), fmt.Sprintf("%d bytes", len(v))))
		}
		out.Views = kit.Untrusted("too large for one answer; ask for a view:\n" + show.Fit(lines))
		return out, nil
	}
	out.Config = kit.Untrusted(raw)
	return out, nil
}

type saveDashboardIn struct {
	dashboardIn
	Config  map[string]any `json:"config,omitempty" jsonschema:"All of it: {views: [...]}."`
	Restore string         `json:"restore,omitempty" jsonschema:"Instead: a kept version."`
}

type savedDashboard struct {
	Path    string `json:"url_path"`
	Version string `json:"version_before,omitempty"`
}

func (t Tools) newDashboard(ctx context.Context, c *kit.Call, in saveDashboardIn) (before, after json.RawMessage, err error) {
	if (in.Config == nil) == (in.Restore == "") {
		return nil, nil, fault.New(fault.Invalid, "Send either config or restore. get_dashboard has the present configuration and the versions.")
	}
	if in.Restore != "" {
		old, err := t.Versions.Find(ctx, c.User(), kind, in.name(), in.Restore)
		if err != nil {
			return nil, nil, err
		}
		after = json.RawMessage(old.Config)
	} else if after, err = json.Marshal(in.Config); err != nil {
		return nil, nil, err
	} else if in.Config["views"] == nil && in.Config["strategy"] == nil {
		return nil, nil, fault.New(fault.Invalid, "The configuration has no views. Send all of it: it replaces what is there.")
	}
	s, err := t.Session(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	before, err = s.DashboardConfig(ctx, in.path())
	if fault.CodeOf(err) == fault.NotFound && in.path() == "" { // the default one, as Home Assistant makes it
		err = nil
	}
	return before, after, err
}

func (t Tools) previewDashboard(ctx context.Context, c *kit.Call, in saveDashboardIn) (kit.Preview, error) {
	before, after, err := t.newDashboard(ctx, c, in)
	return kit.Preview{Target: "dashboard " + in.name(), Effect: fmt.Sprintf("Replaces %d bytes of configuration by %d.", len(before), len(after))}, err
}

func (t Tools) saveDashboard(ctx context.Context, c *kit.Call, in saveDashboardIn) (out savedDashboard, err error) {
	before, after, err := t.newDashboard(ctx, c, in)
	if err != nil {
		return out, err
	}
	out.Path = in.name()
	if before != nil {
		if out.Version, err = t.Versions.Keep(ctx, c.User(), kind, in.name(), string(before)); err != nil {
			return out, err
		}
	}
	s, err := t.Session(ctx, c)
	if err != nil {
		return out, err
	}
	if err := s.SaveDashboard(ctx, in.path(), after); err != nil {
		return out, err
	}
	if out.Version != "" {
		c.Undo("save_dashboard", map[string]any{"url_path": in.name(), "restore": out.Version})
	}
	return out, nil
}

type snapshotIn struct {
	Entity string `json:"entity_id" jsonschema:"Of a camera, or its name."`
}

type snapshotOut struct {
	Entity string `json:"entity_id"`
	Bytes  int    `json:"bytes"`
}

// mostPicture is the largest picture that is handed on.
const mostPicture = 4 << 20

func (t Tools) snapshot(ctx context.Context, c *kit.Call, in snapshotIn) (out snapshotOut, err error) {
	v, err := t.Visit(ctx, c)
	if err != nil {
		return out, err
	}
	e, err := v.Find(in.Entity)
	if err != nil {
		return out, err
	}
	if e.Domain != "camera" && e.Domain != "image" {
		return out, fault.New(fault.Invalid, "%s is no camera. search_entities with domain camera finds them.", e.ID)
	}
	mime, data, err := v.Snapshot(ctx, e.ID)
	if err != nil {
		return out, err
	}
	if !strings.HasPrefix(mime, "image/") || len(data) == 0 {
		return out, fault.New(fault.Upstream, "The camera gave no picture. Look at its state with get_states, and try again.")
	}
	if len(data) > mostPicture {
		return out, fault.New(fault.Limited, "The picture has %d bytes, more than the %d that are handed on. Choose a lower resolution in the camera's settings.", len(data), mostPicture)
	}
	c.AddImage(mime, data)
	return snapshotOut{e.ID, len(data)}, nil
}

type converseIn struct {
	Text         string `json:"text" jsonschema:"A sentence in the house's language." min:"1" max:"500"`
	Conversation string `json:"conversation_id,omitempty" jsonschema:"Of the answer before."`
	Agent        string `json:"agent_id,omitempty" jsonschema:"Another assistant: conversation...."`
}

type converseOut struct {
	Says         kit.Untrusted `json:"says"`
	Kind         string        `json:"kind"`
	Conversation string        `json:"conversation_id,omitempty"`
}

// converse hands a sentence to the voice assistant. What it does of it cannot be
// foreseen, and it knows no labels, so that a person reads every sentence first.
func (t Tools) converse(ctx context.Context, c *kit.Call, in converseIn) (out converseOut, err error) {
	s, err := t.Session(ctx, c)
	if err != nil {
		return out, err
	}
	q := kit.Question{Target: "the voice assistant", Effect: "Says: " + show.Clip(in.Text, 500)}
	if err := c.Approve(q); err != nil {
		return out, err
	}
	said, err := s.Converse(ctx, in.Text, in.Conversation, in.Agent)
	if err != nil {
		return out, err
	}
	return converseOut{kit.Untrusted(show.Cut(string(said.Response.Speech.Plain.Speech), 2000)), show.Clip(string(said.Response.Type), 40), show.Clip(string(said.Conversation), 80)}, nil
}
