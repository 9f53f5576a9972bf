package memory

import (
	"context"
	"errors"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/memory/records"
)

type searchIn struct {
	Query       string `json:"query" jsonschema:"Words to find, in any form; \"words in quotes\" must stand together." min:"1" max:"1000"`
	In          string `json:"in,omitempty" jsonschema:"Where to look." enum:"all,graph,bank" default:"all"`
	EntityType  string `json:"entityType,omitempty" jsonschema:"Only entities of this type."`
	ProjectName string `json:"projectName,omitempty" jsonschema:"Only files of this project."`
	Since       string `json:"since,omitempty" jsonschema:"Only what changed since this day or time, as 2026-01-31 or RFC 3339."`
	kit.PageIn
}

type searchOut struct {
	Hits  []hit `json:"hits"`
	Loose bool  `json:"loose,omitempty" jsonschema:"Nothing has all the words: these have some of them."`
	kit.PageOut
}

type hit struct {
	Entity      string `json:"entity,omitempty" jsonschema:"Name of an entity; open_nodes has all of it."`
	EntityType  string `json:"entityType,omitempty"`
	ProjectName string `json:"projectName,omitempty" jsonschema:"Project of a file; memory_bank_read has all of it."`
	FileName    string `json:"fileName,omitempty"`
	Snippet     string `json:"snippet"`
	UpdatedAt   string `json:"updated_at"`
}

func (s *server) search(ctx context.Context, c *kit.Call, in searchIn) (out searchOut, err error) {
	window, err := in.Window(10)
	if err != nil {
		return out, err
	}
	since, err := parseSince(in.Since)
	if err != nil {
		return out, err
	}
	found, err := s.records.Search(ctx, owner(c), records.Query{
		Text: in.Query, Graph: in.In != "bank", Bank: in.In != "graph",
		EntityType: in.EntityType, Project: in.ProjectName, Since: since,
	}, window.Offset, window.Limit)
	if errors.Is(err, records.ErrNoWords) {
		return out, fault.New(fault.Invalid, "The query has no words. Send at least one letter or digit; read_graph and list_projects list everything.")
	}
	if err != nil {
		return out, err
	}
	hits := make([]hit, len(found.Page))
	for i, h := range found.Page {
		hits[i] = hit{h.Entity, h.EntityType, h.Project, h.File, h.Snippet, stamp(h.Updated)}
	}
	out.Loose = found.Loose
	out.Hits, out.PageOut = kit.Fit(window, hits, found.Total)
	return out, nil
}

func parseSince(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UnixMilli(), nil
		}
	}
	return 0, fault.New(fault.Invalid, "since: %q is neither a day nor a time. Write 2026-01-31 or 2026-01-31T09:00:00Z.", records.Clip(text, 40))
}

// stamp shows a time of the records.
func stamp(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }
