package memory

import (
	"context"
	"fmt"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/tables"
)

// graphContract is how the reference server shows schemas and refuses arguments.
var graphContract = kit.Contract{
	Schema: "http://json-schema.org/draft-07/schema#", TaskSupport: "forbidden", Refuse: refuse,
}

func unknownTool(name string) string { return fmt.Sprintf("MCP error -32602: Tool %s not found", name) }

// refuse writes issues as the reference's schema library (zod 4) does.
func refuse(tool string, issues []kit.Issue) string {
	lines := make([]string, len(issues))
	for i, issue := range issues {
		lines[i] = fmt.Sprintf("Invalid input: expected %s, received %s at %s", issue.Expected, issue.Received, issue.Path)
	}
	return fmt.Sprintf("MCP error -32602: Input validation error: Invalid arguments for tool %s: %s", tool, strings.Join(lines, "\n"))
}

// entity is a node of the graph, in the reference's words.
type entity struct {
	Name         string   `json:"name" jsonschema:"The name of the entity"`
	EntityType   string   `json:"entityType" jsonschema:"The type of the entity"`
	Observations []string `json:"observations" jsonschema:"An array of observation contents associated with the entity"`
}

// relation is an edge. Its ends need not exist.
type relation struct {
	From         string `json:"from" jsonschema:"The name of the entity where the relation starts"`
	To           string `json:"to" jsonschema:"The name of the entity where the relation ends"`
	RelationType string `json:"relationType" jsonschema:"The type of the relation"`
}

// graph is the output of the reading tools and the resource.
type graph struct {
	Entities  []entity   `json:"entities"`
	Relations []relation `json:"relations"`
}

// Text is the reference's.
func (g graph) Text() string { return kit.Indented(g) }

// loadGraph reads a user's graph in the order in which it was written.
func loadGraph(ctx context.Context, tx tables.Tx, user string) (g graph, err error) {
	at := map[int64]int{} // index in g.Entities by id
	g.Entities, err = list(ctx, tx, func(scan func(...any) error) (e entity, err error) {
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
	g.Relations, err = list(ctx, tx, func(scan func(...any) error) (r relation, err error) {
		return r, scan(&r.From, &r.To, &r.RelationType)
	}, "SELECT from_name, to_name, relation_type FROM memory_relations WHERE user_id = $1 AND deleted_by = 0 ORDER BY id", user)
	if err != nil {
		return g, fmt.Errorf("read relations: %w", err)
	}
	return g, nil
}

// chosen is the part of g with the entities that want accepts, and the relations
// with at least one end among them.
func (g graph) chosen(want func(entity) bool) graph {
	var out graph
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

// createEntity adds an entity unless there is one of the name.
func (w *writer) createEntity(ctx context.Context, e entity) (created bool, err error) {
	if err := nameable(e.Name, e.EntityType); err != nil {
		return false, err
	}
	id, created, err := one[int64](ctx, w.tx, `INSERT INTO memory_entities (user_id, name, entity_type, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING id`, w.user, e.Name, e.EntityType, w.now, w.now)
	if err != nil || !created {
		return false, err
	}
	w.grown += int64(len(e.Name) + len(e.EntityType))
	return true, w.observe(ctx, id, e.Observations)
}

// createRelation adds a relation unless it is there.
func (w *writer) createRelation(ctx context.Context, r relation) (created bool, err error) {
	if err := nameable(r.From, r.To, r.RelationType); err != nil {
		return false, err
	}
	n, err := w.tx.Exec(ctx, `INSERT INTO memory_relations (user_id, from_name, to_name, relation_type, created_at)
		VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`, w.user, r.From, r.To, r.RelationType, w.now)
	if n > 0 {
		w.grown += int64(len(r.From) + len(r.To) + len(r.RelationType))
	}
	return n > 0, err
}

// observe adds observations to an entity as they are, and brings the index up to
// date.
func (w *writer) observe(ctx context.Context, id int64, contents []string) error {
	if err := storable(contents...); err != nil {
		return err
	}
	for _, content := range contents {
		if err := w.exec(ctx, "INSERT INTO memory_observations (entity_id, content, created_at) VALUES ($1, $2, $3)", id, content, w.now); err != nil {
			return err
		}
		w.grown += int64(len(content))
	}
	return w.touchEntity(ctx, id)
}

// observations are an entity's live ones.
func observations(ctx context.Context, tx tables.Tx, id int64) ([]string, error) {
	return list(ctx, tx, func(scan func(...any) error) (s string, err error) { return s, scan(&s) },
		"SELECT content FROM memory_observations WHERE entity_id = $1 AND deleted_by = 0 ORDER BY id", id)
}

// addNew adds those contents that the entity did not have before the call; a
// content that stands twice in contents is kept twice, as the reference does.
func (w *writer) addNew(ctx context.Context, id int64, contents []string) (added []string, err error) {
	old, err := observations(ctx, w.tx, id)
	if err != nil {
		return nil, err
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
		return nil, nil
	}
	return added, w.observe(ctx, id, added)
}

// deleteEntity removes an entity, if it is there, and all relations of the name.
func (w *writer) deleteEntity(ctx context.Context, name string) error {
	id, there, err := entityID(ctx, w.tx, w.user, name)
	if err != nil {
		return err
	}
	if there {
		if err := w.exec(ctx, "UPDATE memory_entities SET deleted_at = $1, deleted_by = $2 WHERE id = $3", w.now, w.change, id); err != nil {
			return err
		}
		if err := w.unindex(ctx, entityDoc(id)); err != nil {
			return err
		}
	}
	return w.exec(ctx, `UPDATE memory_relations SET deleted_at = $1, deleted_by = $2
		WHERE user_id = $3 AND deleted_by = 0 AND (from_name = $4 OR to_name = $5)`, w.now, w.change, w.user, name, name)
}

// touchEntity marks an entity as changed and indexes its words again.
func (w *writer) touchEntity(ctx context.Context, id int64) error {
	if err := w.exec(ctx, "UPDATE memory_entities SET updated_at = $1 WHERE id = $2", w.now, id); err != nil {
		return err
	}
	head, _, err := one[string](ctx, w.tx, "SELECT name || ' ' || entity_type FROM memory_entities WHERE id = $1", id)
	if err != nil {
		return err
	}
	body, err := observations(ctx, w.tx, id)
	if err != nil {
		return err
	}
	return w.index(ctx, entityDoc(id), head, strings.Join(body, "\n"))
}

func noEntity(name string) error {
	return fault.New(fault.NotFound, "Entity with name %s not found", name)
}

// names joins what a change touched for its summary.
func names[T any](verb string, all []T, name func(T) string) string {
	shown := make([]string, 0, 5)
	for i, v := range all {
		if i == cap(shown) {
			shown = append(shown, "...")
			break
		}
		shown = append(shown, clip(name(v), 60))
	}
	return verb + " " + strings.Join(shown, ", ")
}
