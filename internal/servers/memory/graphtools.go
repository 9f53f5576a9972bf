package memory

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/tables"
)

type entitiesIn struct {
	Entities []entity `json:"entities"`
}

type entitiesOut struct {
	Entities []entity `json:"entities"`
}

// Text is the reference's: the bare list.
func (o entitiesOut) Text() string { return kit.Indented(o.Entities) }

// createEntities adds entities whose names are new. One that stands twice in a
// call is added once; the reference stores both.
func (s *server) createEntities(ctx context.Context, c *kit.Call, in entitiesIn) (out entitiesOut, err error) {
	err = s.write(ctx, c, func(w *writer) error {
		for _, e := range in.Entities {
			created, err := w.createEntity(ctx, e)
			if err != nil {
				return err
			}
			if created {
				out.Entities = append(out.Entities, e)
			}
		}
		w.summary = names("created", out.Entities, func(e entity) string { return e.Name })
		return nil
	})
	return out, changed(c, err)
}

// changed tells the watchers of the graph, unless the change failed.
func changed(c *kit.Call, err error) error {
	if err == nil {
		c.Updated(graphURI)
	}
	return err
}

type relationsIn struct {
	Relations []relation `json:"relations"`
}

type relationsOut struct {
	Relations []relation `json:"relations"`
}

// Text is the reference's: the bare list.
func (o relationsOut) Text() string { return kit.Indented(o.Relations) }

func (r relation) String() string { return r.From + " " + r.RelationType + " " + r.To }

func (s *server) createRelations(ctx context.Context, c *kit.Call, in relationsIn) (out relationsOut, err error) {
	err = s.write(ctx, c, func(w *writer) error {
		for _, r := range in.Relations {
			created, err := w.createRelation(ctx, r)
			if err != nil {
				return err
			}
			if created {
				out.Relations = append(out.Relations, r)
			}
		}
		w.summary = names("related", out.Relations, relation.String)
		return nil
	})
	return out, changed(c, err)
}

type additionsIn struct {
	Observations []addition `json:"observations"`
}

type addition struct {
	EntityName string   `json:"entityName" jsonschema:"The name of the entity to add the observations to"`
	Contents   []string `json:"contents" jsonschema:"An array of observation contents to add"`
}

type additionsOut struct {
	Results []added `json:"results"`
}

type added struct {
	EntityName        string   `json:"entityName"`
	AddedObservations []string `json:"addedObservations"`
}

// Text is the reference's: the bare list.
func (o additionsOut) Text() string { return kit.Indented(o.Results) }

// addObservations adds to existing entities, all or nothing.
func (s *server) addObservations(ctx context.Context, c *kit.Call, in additionsIn) (out additionsOut, err error) {
	err = s.write(ctx, c, func(w *writer) error {
		for _, a := range in.Observations {
			id, there, err := entityID(ctx, w.tx, w.user, a.EntityName)
			if err != nil {
				return err
			}
			if !there {
				return noEntity(a.EntityName)
			}
			contents, err := w.addNew(ctx, id, a.Contents)
			if err != nil {
				return err
			}
			out.Results = append(out.Results, added{a.EntityName, contents})
		}
		w.summary = names("observed", out.Results, func(a added) string { return a.EntityName })
		return nil
	})
	return out, changed(c, err)
}

// deleted is the output of the deleting tools.
type deleted struct {
	Success bool   `json:"success"`
	Message string `json:"message"`
}

// Text is the reference's.
func (d deleted) Text() string { return d.Message }

type deleteEntitiesIn struct {
	EntityNames []string `json:"entityNames" jsonschema:"An array of entity names to delete"`
}

func (s *server) deleteEntities(ctx context.Context, c *kit.Call, in deleteEntitiesIn) (deleted, error) {
	err := s.write(ctx, c, func(w *writer) error {
		for _, name := range in.EntityNames {
			if err := w.deleteEntity(ctx, name); err != nil {
				return err
			}
		}
		w.summary = names("deleted", in.EntityNames, strings.Clone)
		return nil
	})
	return deleted{true, "Entities deleted successfully"}, changed(c, err)
}

type deleteObservationsIn struct {
	Deletions []deletion `json:"deletions"`
}

type deletion struct {
	EntityName   string   `json:"entityName" jsonschema:"The name of the entity containing the observations"`
	Observations []string `json:"observations" jsonschema:"An array of observations to delete"`
}

func (s *server) deleteObservations(ctx context.Context, c *kit.Call, in deleteObservationsIn) (deleted, error) {
	err := s.write(ctx, c, func(w *writer) error {
		for _, d := range in.Deletions {
			id, there, err := entityID(ctx, w.tx, w.user, d.EntityName)
			if err != nil {
				return err
			}
			if !there {
				continue
			}
			for _, content := range d.Observations {
				if err := w.exec(ctx, `UPDATE memory_observations SET deleted_at = $1, deleted_by = $2
					WHERE entity_id = $3 AND content = $4 AND deleted_by = 0`, w.now, w.change, id, content); err != nil {
					return err
				}
			}
			if err := w.touchEntity(ctx, id); err != nil {
				return err
			}
		}
		w.summary = names("deleted observations of", in.Deletions, func(d deletion) string { return d.EntityName })
		return nil
	})
	return deleted{true, "Observations deleted successfully"}, changed(c, err)
}

type deleteRelationsIn struct {
	Relations []relation `json:"relations" jsonschema:"An array of relations to delete"`
}

func (s *server) deleteRelations(ctx context.Context, c *kit.Call, in deleteRelationsIn) (deleted, error) {
	err := s.write(ctx, c, func(w *writer) error {
		for _, r := range in.Relations {
			if err := w.exec(ctx, `UPDATE memory_relations SET deleted_at = $1, deleted_by = $2
				WHERE user_id = $3 AND from_name = $4 AND to_name = $5 AND relation_type = $6 AND deleted_by = 0`,
				w.now, w.change, w.user, r.From, r.To, r.RelationType); err != nil {
				return err
			}
		}
		w.summary = names("deleted relations", in.Relations, relation.String)
		return nil
	})
	return deleted{true, "Relations deleted successfully"}, changed(c, err)
}

func (s *server) graphOf(ctx context.Context, user string) (g graph, err error) {
	err = s.read(ctx, func(tx tables.Tx) (err error) {
		g, err = loadGraph(ctx, tx, user)
		return err
	})
	return g, err
}

func (s *server) readGraph(ctx context.Context, c *kit.Call, _ struct{}) (graph, error) {
	return s.graphOf(ctx, c.User())
}

func (s *server) readGraphResource(ctx context.Context, c *kit.Call) (kit.Content, error) {
	g, err := s.graphOf(ctx, c.User())
	return kit.Content{Text: g.Text()}, err
}

type searchNodesIn struct {
	Query string `json:"query" jsonschema:"The search query to match against entity names, types, and observation content"`
}

// searchNodes finds the query as it is, without regard to case. memory_search
// is the one that knows words.
func (s *server) searchNodes(ctx context.Context, c *kit.Call, in searchNodesIn) (graph, error) {
	g, err := s.graphOf(ctx, c.User())
	query := strings.ToLower(in.Query)
	has := func(text string) bool { return strings.Contains(strings.ToLower(text), query) }
	return g.chosen(func(e entity) bool {
		return has(e.Name) || has(e.EntityType) || slices.ContainsFunc(e.Observations, has)
	}), err
}

type openNodesIn struct {
	Names []string `json:"names" jsonschema:"An array of entity names to retrieve"`
}

func (s *server) openNodes(ctx context.Context, c *kit.Call, in openNodesIn) (graph, error) {
	g, err := s.graphOf(ctx, c.User())
	return g.chosen(func(e entity) bool { return slices.Contains(in.Names, e.Name) }), err
}

type relatedIn struct {
	Name  string `json:"name" jsonschema:"The entity to start from."`
	Depth int    `json:"depth,omitempty" jsonschema:"How many relations may lie between." min:"1" max:"3" default:"1"`
	kit.PageIn
}

type relatedOut struct {
	Related []related `json:"related"`
	kit.PageOut
}

type related struct {
	Name       string   `json:"name"`
	EntityType string   `json:"entityType,omitempty" jsonschema:"Absent where the name has relations but no entity."`
	Distance   int      `json:"distance"`
	Through    []string `json:"through" jsonschema:"The relations that lead here from one step nearer."`
}

// getRelated walks relations in both directions.
func (s *server) getRelated(ctx context.Context, c *kit.Call, in relatedIn) (out relatedOut, err error) {
	window, err := in.Window(50)
	if err != nil {
		return out, err
	}
	g, err := s.graphOf(ctx, c.User())
	if err != nil {
		return out, err
	}
	types := map[string]string{}
	for _, e := range g.Entities {
		types[e.Name] = e.EntityType
	}
	if _, there := types[in.Name]; !there {
		return out, fault.New(fault.NotFound, "There is no entity %q. memory_search finds entities by their words.", clip(in.Name, 100))
	}
	distance := map[string]int{in.Name: 0}
	var found []*related
	byName := map[string]*related{}
	for step := 1; step <= in.Depth; step++ {
		for _, r := range g.Relations {
			for _, ends := range [][2]string{{r.From, r.To}, {r.To, r.From}} {
				d, near := distance[ends[0]]
				if !near || d != step-1 {
					continue
				}
				if _, known := distance[ends[1]]; !known {
					distance[ends[1]] = step
					byName[ends[1]] = &related{Name: ends[1], EntityType: types[ends[1]], Distance: step}
					found = append(found, byName[ends[1]])
				}
				if next := byName[ends[1]]; next != nil && next.Distance == step {
					next.Through = append(next.Through, r.String())
				}
			}
		}
	}
	page, more := kit.Cut(window, found)
	out.PageOut = more
	for _, r := range page {
		out.Related = append(out.Related, *r)
	}
	return out, nil
}

type renameIn struct {
	Name    string `json:"name" jsonschema:"The entity's name now."`
	NewName string `json:"newName" jsonschema:"Its new name, which no other entity may have." min:"1"`
}

type renameOut struct {
	Name      string `json:"name"`
	Relations int64  `json:"relations" jsonschema:"How many relations now carry the new name."`
}

func (s *server) renameEntity(ctx context.Context, c *kit.Call, in renameIn) (out renameOut, err error) {
	if err := nameable(in.NewName); err != nil {
		return out, err
	}
	err = s.write(ctx, c, func(w *writer) error {
		id, there, err := entityID(ctx, w.tx, w.user, in.Name)
		if err != nil {
			return err
		}
		if !there {
			return fault.New(fault.NotFound, "There is no entity %q. memory_search finds entities by their words.", clip(in.Name, 100))
		}
		if _, taken, err := entityID(ctx, w.tx, w.user, in.NewName); err != nil || taken {
			if err == nil {
				err = fault.New(fault.Conflict, "There is an entity %q already. Choose another name, or move the observations to it.", clip(in.NewName, 100))
			}
			return err
		}
		if err := w.exec(ctx, "UPDATE memory_entities SET name = $1 WHERE id = $2", in.NewName, id); err != nil {
			return err
		}
		out = renameOut{Name: in.NewName}
		if out.Relations, err = w.renameEnds(ctx, in.Name, in.NewName); err != nil {
			return err
		}
		w.summary = "renamed " + clip(in.Name, 60) + " to " + clip(in.NewName, 60)
		return w.touchEntity(ctx, id)
	})
	return out, changed(c, err)
}

// renameEnds moves relations to a new name. One that is there already under the
// new name is deleted instead.
func (w *writer) renameEnds(ctx context.Context, from, to string) (moved int64, err error) {
	type row struct {
		id int64
		relation
	}
	ends, err := list(ctx, w.tx, func(scan func(...any) error) (r row, err error) {
		return r, scan(&r.id, &r.From, &r.To, &r.RelationType)
	}, `SELECT id, from_name, to_name, relation_type FROM memory_relations
		WHERE user_id = $1 AND deleted_by = 0 AND (from_name = $2 OR to_name = $3) ORDER BY id`, w.user, from, from)
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
		n, err := w.tx.Exec(ctx, `UPDATE memory_relations SET from_name = $1, to_name = $2 WHERE id = $3 AND NOT EXISTS (
			SELECT 1 FROM memory_relations o WHERE o.user_id = $4 AND o.from_name = $5 AND o.to_name = $6 AND o.relation_type = $7 AND o.deleted_by = 0)`,
			r.From, r.To, r.id, w.user, r.From, r.To, r.RelationType)
		if err != nil {
			return 0, err
		}
		if n == 0 {
			if err := w.exec(ctx, "UPDATE memory_relations SET deleted_at = $1, deleted_by = $2 WHERE id = $3", w.now, w.change, r.id); err != nil {
				return 0, err
			}
		}
	}
	return int64(len(ends)), nil
}
