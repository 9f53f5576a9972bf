package memory

import (
	"context"
	"fmt"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/tables"
)

type changesOut struct {
	Changes []changeOut `json:"changes"`
	kit.PageOut
}

type changeOut struct {
	Change  int64  `json:"change"`
	Tool    string `json:"tool"`
	Summary string `json:"summary,omitempty"`
	At      string `json:"at"`
}

// listChanges pages through the journal of the last 30 days.
func (s *server) listChanges(ctx context.Context, c *kit.Call, in kit.PageIn) (out changesOut, err error) {
	window, err := in.Window(20)
	if err != nil {
		return out, err
	}
	err = s.read(ctx, func(tx tables.Tx) error {
		total, _, err := one[int](ctx, tx, "SELECT count(*) FROM memory_changes WHERE user_id = $1", c.User())
		if err != nil {
			return err
		}
		page, err := list(ctx, tx, func(scan func(...any) error) (v changeOut, err error) {
			var at int64
			err = scan(&v.Change, &v.Tool, &v.Summary, &at)
			v.At = stamp(at)
			return v, err
		}, "SELECT id, tool, summary, at FROM memory_changes WHERE user_id = $1 ORDER BY id DESC LIMIT $2 OFFSET $3", c.User(), window.Limit, window.Offset)
		out.Changes, out.PageOut = kit.Fit(window, page, total)
		return err
	})
	return out, err
}

type restoreIn struct {
	Change int64 `json:"change" jsonschema:"The id of the change, from memory_changes." min:"1"`
}

type restoreOut struct {
	Entities     int `json:"entities"`
	Observations int `json:"observations"`
	Relations    int `json:"relations"`
	Files        int `json:"files"`
	Skipped      int `json:"skipped" jsonschema:"What is not brought back because there is a new one of the name."`
}

// restoreChange brings back what a change of the caller deleted.
func (s *server) restoreChange(ctx context.Context, c *kit.Call, in restoreIn) (out restoreOut, err error) {
	err = s.write(ctx, c, func(w *writer) error {
		_, there, err := one[int64](ctx, w.tx, "SELECT id FROM memory_changes WHERE id = $1 AND user_id = $2", in.Change, w.user)
		if err != nil {
			return err
		}
		if !there {
			return fault.New(fault.NotFound, "There is no change %d of yours. memory_changes lists those of the last 30 days.", in.Change)
		}
		w.summary = fmt.Sprintf("restored what change %d deleted", in.Change)
		out, err = w.restore(ctx, in.Change)
		return err
	})
	if err == nil {
		c.Updated(graphURI)
		c.ResourcesChanged()
	}
	return out, err
}

func (w *writer) restore(ctx context.Context, change int64) (out restoreOut, err error) {
	id := func(scan func(...any) error) (n int64, err error) { return n, scan(&n) }
	entities, err := list(ctx, w.tx, id, `UPDATE memory_entities SET deleted_at = 0, deleted_by = 0
		WHERE deleted_by = $1 AND user_id = $2 AND NOT EXISTS (
			SELECT 1 FROM memory_entities o WHERE o.user_id = memory_entities.user_id AND o.name = memory_entities.name AND o.deleted_by = 0)
		RETURNING id`, change, w.user)
	if err != nil {
		return out, fmt.Errorf("restore entities: %w", err)
	}
	owners, err := list(ctx, w.tx, id, `UPDATE memory_observations SET deleted_at = 0, deleted_by = 0
		WHERE deleted_by = $1 AND entity_id IN (SELECT id FROM memory_entities WHERE user_id = $2) RETURNING entity_id`, change, w.user)
	if err != nil {
		return out, fmt.Errorf("restore observations: %w", err)
	}
	relations, err := w.tx.Exec(ctx, `UPDATE memory_relations SET deleted_at = 0, deleted_by = 0
		WHERE deleted_by = $1 AND user_id = $2 AND NOT EXISTS (
			SELECT 1 FROM memory_relations o WHERE o.user_id = memory_relations.user_id AND o.from_name = memory_relations.from_name
			AND o.to_name = memory_relations.to_name AND o.relation_type = memory_relations.relation_type AND o.deleted_by = 0)`, change, w.user)
	if err != nil {
		return out, fmt.Errorf("restore relations: %w", err)
	}
	files, err := list(ctx, w.tx, func(scan func(...any) error) (f file, err error) {
		return f, scan(&f.id, &f.project, &f.name, &f.content)
	}, `UPDATE memory_files SET deleted_at = 0, deleted_by = 0 WHERE deleted_by = $1 AND user_id = $2 RETURNING id, project, name, content`, change, w.user)
	if err != nil {
		return out, fmt.Errorf("restore files: %w", err)
	}
	skipped, _, err := one[int](ctx, w.tx, `SELECT (SELECT count(*) FROM memory_entities WHERE deleted_by = $1 AND user_id = $2)
		+ (SELECT count(*) FROM memory_relations WHERE deleted_by = $3 AND user_id = $4)`, change, w.user, change, w.user)
	if err != nil {
		return out, err
	}
	out = restoreOut{len(entities), len(owners), int(relations), len(files), skipped}
	for _, f := range files {
		if err := w.indexFile(ctx, f); err != nil {
			return out, err
		}
	}
	return out, w.reindex(ctx, append(entities, owners...))
}

// reindex indexes the live ones among entities again.
func (w *writer) reindex(ctx context.Context, ids []int64) error {
	seen := map[int64]bool{}
	for _, id := range ids {
		if seen[id] {
			continue
		}
		seen[id] = true
		_, live, err := one[int64](ctx, w.tx, "SELECT id FROM memory_entities WHERE id = $1 AND deleted_by = 0", id)
		if err != nil {
			return err
		}
		if live {
			if err := w.touchEntity(ctx, id); err != nil {
				return err
			}
		}
	}
	return nil
}
