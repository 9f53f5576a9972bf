package records

import (
	"context"
	"fmt"
	"strings"

	"drawbridge/internal/tables"
)

// Entity is a node of the graph, in the reference's words.
type Entity struct {
	Name         string   `json:"name" jsonschema:"The name of the entity"`
	EntityType   string   `json:"entityType" jsonschema:"The type of the entity"`
	Observations []string `json:"observations" jsonschema:"An array of observation contents associated with the entity"`
}

// Relation is an edge. Its ends need not exist.
type Relation struct {
	From         string `json:"from" jsonschema:"The name of the entity where the relation starts"`
	To           string `json:"to" jsonschema:"The name of the entity where the relation ends"`
	RelationType string `json:"relationType" jsonschema:"The type of the relation"`
}

// Graph is a graph or a part of one, in the order in which it was written.
type Graph struct {
	Entities  []Entity   `json:"entities"`
	Relations []Relation `json:"relations"`
}

// String is the relation for a reader.
func (r Relation) String() string { return r.From + " " + r.RelationType + " " + r.To }

// Graph reads a user's whole graph.
func (s *Store) Graph(ctx context.Context, user string) (g Graph, err error) {
	err = s.db.Read(ctx, func(tx tables.Tx) (err error) {
		g, err = loadGraph(ctx, tx, user)
		return err
	})
	return g, err
}

func loadGraph(ctx context.Context, tx tables.Tx, user string) (g Graph, err error) {
	at := map[int64]int{} // index in g.Entities by id
	g.Entities, err = list(ctx, tx, func(scan func(...any) error) (e Entity, err error) {
		var id int64
		err = scan(&id, &e.Name, &e.EntityType)
		at[id] = len(at)
		return e, err
	}, "SELECT id, name, entity_type FROM memory_entities WHERE user_id = $1 AND deleted_by = 0 ORDER BY id", user)
	if err != nil {
		return g, fmt.Errorf("read entities: %w", err)
	}
	_, err = list(ctx, tx, func(scan func(...any) error) (none struct{}, err error) {
		var id int64
		var content string
		if err = scan(&id, &content); err == nil {
			e := &g.Entities[at[id]]
			e.Observations = append(e.Observations, content)
		}
		return none, err
	}, `SELECT o.entity_id, o.content FROM memory_observations o JOIN memory_entities e ON e.id = o.entity_id
		WHERE e.user_id = $1 AND e.deleted_by = 0 AND o.deleted_by = 0 ORDER BY o.id`, user)
	if err != nil {
		return g, fmt.Errorf("read observations: %w", err)
	}
	g.Relations, err = list(ctx, tx, func(scan func(...any) error) (r Relation, err error) {
		return r, scan(&r.From, &r.To, &r.RelationType)
	}, "SELECT from_name, to_name, relation_type FROM memory_relations WHERE user_id = $1 AND deleted_by = 0 ORDER BY id", user)
	if err != nil {
		return g, fmt.Errorf("read relations: %w", err)
	}
	return g, nil
}

// Chosen is the part of g with the entities that want accepts, and the relations
// with at least one end among them.
func (g Graph) Chosen(want func(Entity) bool) Graph {
	var out Graph
	names := map[string]bool{}
	for _, e := range g.Entities {
		if want(e) {
			out.Entities = append(out.Entities, e)
			names[e.Name] = true
		}
	}
	for _, r := range g.Relations {
		if names[r.From] || names[r.To] {
			out.Relations = append(out.Relations, r)
		}
	}
	return out
}

// entityID finds a live entity.
func entityID(ctx context.Context, tx tables.Tx, user, name string) (id int64, there bool, err error) {
	return one[int64](ctx, tx, "SELECT id FROM memory_entities WHERE user_id = $1 AND name = $2 AND deleted_by = 0", user, name)
}

// CreateEntity adds an entity unless there is one of the name.
func (c *Change) CreateEntity(ctx context.Context, e Entity) (created bool, err error) {
	if err := nameable(e.Name, e.EntityType); err != nil {
		return false, err
	}
	id, created, err := one[int64](ctx, c.tx, `INSERT INTO memory_entities (user_id, name, entity_type, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING id`, c.user, e.Name, e.EntityType, c.now, c.now)
	if err != nil || !created {
		return false, err
	}
	c.grown += int64(len(e.Name) + len(e.EntityType))
	return true, c.observe(ctx, id, e.Observations)
}

// CreateRelation adds a relation unless it is there.
func (c *Change) CreateRelation(ctx context.Context, r Relation) (created bool, err error) {
	if err := nameable(r.From, r.To, r.RelationType); err != nil {
		return false, err
	}
	n, err := c.tx.Exec(ctx, `INSERT INTO memory_relations (user_id, from_name, to_name, relation_type, created_at)
		VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`, c.user, r.From, r.To, r.RelationType, c.now)
	if n > 0 {
		c.grown += int64(len(r.From) + len(r.To) + len(r.RelationType))
	}
	return n > 0, err
}

// observe adds observations to an entity as they are, and brings the index up to
// date.
func (c *Change) observe(ctx context.Context, id int64, contents []string) error {
	if err := storable(contents...); err != nil {
		return err
	}
	for _, content := range contents {
		if err := c.exec(ctx, "INSERT INTO memory_observations (entity_id, content, created_at) VALUES ($1, $2, $3)", id, content, c.now); err != nil {
			return err
		}
		c.grown += int64(len(content))
	}
	return c.touchEntity(ctx, id)
}

// observations are an entity's live ones.
func observations(ctx context.Context, tx tables.Tx, id int64) ([]string, error) {
	return list(ctx, tx, func(scan func(...any) error) (s string, err error) { return s, scan(&s) },
		"SELECT content FROM memory_observations WHERE entity_id = $1 AND deleted_by = 0 ORDER BY id", id)
}

// AddObservations adds those contents that an entity did not have before the
// call; a content that stands twice in contents is kept twice, as the reference
// does. there is false, and nothing happens, without the entity.
func (c *Change) AddObservations(ctx context.Context, name string, contents []string) (added []string, there bool, err error) {
	id, there, err := entityID(ctx, c.tx, c.user, name)
	if err != nil || !there {
		return nil, there, err
	}
	old, err := observations(ctx, c.tx, id)
	if err != nil {
		return nil, true, err
	}
	known := map[string]bool{}
	for _, o := range old {
		known[o] = true
	}
	for _, content := range contents {
		if !known[content] {
			added = append(added, content)
		}
	}
	if len(added) == 0 {
		return nil, true, nil
	}
	return added, true, c.observe(ctx, id, added)
}

// DeleteEntity removes an entity, if it is there, and all relations of the name.
func (c *Change) DeleteEntity(ctx context.Context, name string) error {
	id, there, err := entityID(ctx, c.tx, c.user, name)
	if err != nil {
		return err
	}
	if there {
		if err := c.exec(ctx, "UPDATE memory_entities SET deleted_at = $1, deleted_by = $2 WHERE id = $3", c.now, c.id, id); err != nil {
			return err
		}
		if err := c.unindex(ctx, entityDoc(id)); err != nil {
			return err
		}
	}
	return c.exec(ctx, `UPDATE memory_relations SET deleted_at = $1, deleted_by = $2
		WHERE user_id = $3 AND deleted_by = 0 AND (from_name = $4 OR to_name = $5)`, c.now, c.id, c.user, name, name)
}

// DeleteObservations removes observations of an entity; what is not there is no
// error.
func (c *Change) DeleteObservations(ctx context.Context, name string, contents []string) error {
	id, there, err := entityID(ctx, c.tx, c.user, name)
	if err != nil || !there {
		return err
	}
	for _, content := range contents {
		if err := c.exec(ctx, `UPDATE memory_observations SET deleted_at = $1, deleted_by = $2
			WHERE entity_id = $3 AND content = $4 AND deleted_by = 0`, c.now, c.id, id, content); err != nil {
			return err
		}
	}
	return c.touchEntity(ctx, id)
}

// DeleteRelation removes a relation, if it is there.
func (c *Change) DeleteRelation(ctx context.Context, r Relation) error {
	return c.exec(ctx, `UPDATE memory_relations SET deleted_at = $1, deleted_by = $2
		WHERE user_id = $3 AND from_name = $4 AND to_name = $5 AND relation_type = $6 AND deleted_by = 0`,
		c.now, c.id, c.user, r.From, r.To, r.RelationType)
}

// HasEntity tells whether there is an entity of the name.
func (c *Change) HasEntity(ctx context.Context, name string) (bool, error) {
	_, there, err := entityID(ctx, c.tx, c.user, name)
	return there, err
}

// RenameEntity renames an entity that is there to a name that is free, and tells
// how many relations followed.
func (c *Change) RenameEntity(ctx context.Context, from, to string) (relations int64, err error) {
	if err := nameable(to); err != nil {
		return 0, err
	}
	id, _, err := entityID(ctx, c.tx, c.user, from)
	if err != nil {
		return 0, err
	}
	if err := c.exec(ctx, "UPDATE memory_entities SET name = $1 WHERE id = $2", to, id); err != nil {
		return 0, err
	}
	if relations, err = c.renameEnds(ctx, from, to); err != nil {
		return 0, err
	}
	return relations, c.touchEntity(ctx, id)
}

// renameEnds moves relations to a new name. One that is there already under the
// new name is deleted instead.
func (c *Change) renameEnds(ctx context.Context, from, to string) (moved int64, err error) {
	type row struct {
		id int64
		Relation
	}
	ends, err := list(ctx, c.tx, func(scan func(...any) error) (r row, err error) {
		return r, scan(&r.id, &r.From, &r.To, &r.RelationType)
	}, `SELECT id, from_name, to_name, relation_type FROM memory_relations
		WHERE user_id = $1 AND deleted_by = 0 AND (from_name = $2 OR to_name = $3) ORDER BY id`, c.user, from, from)
	if err != nil {
		return 0, fmt.Errorf("read relations: %w", err)
	}
	for _, r := range ends {
		if r.From == from {
			r.From = to
		}
		if r.To == from {
			r.To = to
		}
		n, err := c.tx.Exec(ctx, `UPDATE memory_relations SET from_name = $1, to_name = $2 WHERE id = $3 AND NOT EXISTS (
			SELECT 1 FROM memory_relations o WHERE o.user_id = $4 AND o.from_name = $5 AND o.to_name = $6 AND o.relation_type = $7 AND o.deleted_by = 0)`,
			r.From, r.To, r.id, c.user, r.From, r.To, r.RelationType)
		if err != nil {
			return 0, err
		}
		if n == 0 {
			if err := c.exec(ctx, "UPDATE memory_relations SET deleted_at = $1, deleted_by = $2 WHERE id = $3", c.now, c.id, r.id); err != nil {
				return 0, err
			}
		}
	}
	return int64(len(ends)), nil
}

// touchEntity marks an entity as changed and indexes its words again.
func (c *Change) touchEntity(ctx context.Context, id int64) error {
	if err := c.exec(ctx, "UPDATE memory_entities SET updated_at = $1 WHERE id = $2", c.now, id); err != nil {
		return err
	}
	head, _, err := one[string](ctx, c.tx, "SELECT name || ' ' || entity_type FROM memory_entities WHERE id = $1", id)
	if err != nil {
		return err
	}
	body, err := observations(ctx, c.tx, id)
	if err != nil {
		return err
	}
	return c.index(ctx, entityDoc(id), head, strings.Join(body, "\n"))
}
