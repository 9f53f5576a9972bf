package records

import (
	"context"
	"fmt"

	"drawbridge/internal/tables"
)

// Entry is a change in the journal.
type Entry struct {
	Change        int64
	Tool, Summary string
	At            int64
}

// Journal reads a user's changes of the last KeepDeleted, latest first.
func (s *Store) Journal(ctx context.Context, user string, offset, limit int) (page []Entry, total int, err error) {
	err = s.db.Read(ctx, func(tx tables.Tx) (err error) {
		if total, _, err = one[int](ctx, tx, "SELECT count(*) FROM memory_changes WHERE user_id = $1", user); err != nil {
			return err
		}
		page, err = list(ctx, tx, func(scan func(...any) error) (e Entry, err error) {
			return e, scan(&e.Change, &e.Tool, &e.Summary, &e.At)
		}, "SELECT id, tool, summary, at FROM memory_changes WHERE user_id = $1 ORDER BY id DESC LIMIT $2 OFFSET $3", user, limit, offset)
		return err
	})
	return page, total, err
}

// Once records that a path is taken over, and tells whether it is the first time.
func (c *Change) Once(ctx context.Context, path string) (first bool, err error) {
	n, err := c.tx.Exec(ctx, "INSERT INTO memory_imports (path, at) VALUES ($1, $2) ON CONFLICT (path) DO NOTHING", path, c.now)
	return n > 0, err
}

// HasChange tells whether the user's journal has a change.
func (c *Change) HasChange(ctx context.Context, id int64) (bool, error) {
	_, there, err := one[int64](ctx, c.tx, "SELECT id FROM memory_changes WHERE id = $1 AND user_id = $2", id, c.user)
	return there, err
}

// Restored counts what a change brought back.
type Restored struct {
	Entities, Observations, Relations, Files int
	Skipped                                  int // there is a new one of the name
}

// Restore brings back what another change of the user deleted.
func (c *Change) Restore(ctx context.Context, id int64) (out Restored, err error) {
	number := func(scan func(...any) error) (n int64, err error) { return n, scan(&n) }
	entities, err := list(ctx, c.tx, number, `UPDATE memory_entities SET deleted_at = 0, deleted_by = 0
		WHERE deleted_by = $1 AND user_id = $2 AND NOT EXISTS (
			SELECT 1 FROM memory_entities o WHERE o.user_id = memory_entities.user_id AND o.name = memory_entities.name AND o.deleted_by = 0)
		RETURNING id`, id, c.user)
	if err != nil {
		return out, fmt.Errorf("restore entities: %w", err)
	}
	owners, err := list(ctx, c.tx, number, `UPDATE memory_observations SET deleted_at = 0, deleted_by = 0
		WHERE deleted_by = $1 AND entity_id IN (SELECT id FROM memory_entities WHERE user_id = $2) RETURNING entity_id`, id, c.user)
	if err != nil {
		return out, fmt.Errorf("restore observations: %w", err)
	}
	relations, err := c.tx.Exec(ctx, `UPDATE memory_relations SET deleted_at = 0, deleted_by = 0
		WHERE deleted_by = $1 AND user_id = $2 AND NOT EXISTS (
			SELECT 1 FROM memory_relations o WHERE o.user_id = memory_relations.user_id AND o.from_name = memory_relations.from_name
			AND o.to_name = memory_relations.to_name AND o.relation_type = memory_relations.relation_type AND o.deleted_by = 0)`, id, c.user)
	if err != nil {
		return out, fmt.Errorf("restore relations: %w", err)
	}
	files, err := list(ctx, c.tx, func(scan func(...any) error) (f File, err error) {
		return f, scan(&f.id, &f.Project, &f.Name, &f.Content)
	}, `UPDATE memory_files SET deleted_at = 0, deleted_by = 0 WHERE deleted_by = $1 AND user_id = $2 RETURNING id, project, name, content`, id, c.user)
	if err != nil {
		return out, fmt.Errorf("restore files: %w", err)
	}
	skipped, _, err := one[int](ctx, c.tx, `SELECT (SELECT count(*) FROM memory_entities WHERE deleted_by = $1 AND user_id = $2)
		+ (SELECT count(*) FROM memory_relations WHERE deleted_by = $3 AND user_id = $4)`, id, c.user, id, c.user)
	if err != nil {
		return out, err
	}
	out = Restored{len(entities), len(owners), int(relations), len(files), skipped}
	for _, f := range files {
		if err := c.indexFile(ctx, f); err != nil {
			return out, err
		}
	}
	return out, c.reindex(ctx, append(entities, owners...))
}

// reindex indexes the live ones among entities again.
func (c *Change) reindex(ctx context.Context, ids []int64) error {
	seen := map[int64]bool{}
	for _, id := range ids {
		if seen[id] {
			continue
		}
		seen[id] = true
		_, live, err := one[int64](ctx, c.tx, "SELECT id FROM memory_entities WHERE id = $1 AND deleted_by = 0", id)
		if err != nil {
			return err
		}
		if live {
			if err := c.touchEntity(ctx, id); err != nil {
				return err
			}
		}
	}
	return nil
}
