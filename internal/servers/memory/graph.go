package memory

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/memory/records"
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

// change runs f as one change by the caller.
func (s *server) change(ctx context.Context, c *kit.Call, f func(ch *records.Change) error) error {
	return s.records.Change(ctx, owner(c), c.Tool, f)
}

// owner is whose state a call works on: a user's, or a space of the user's.
func owner(c *kit.Call) string { return records.Owner(c.User(), c.Space()) }

// graph is the output of the reading tools and the resource.
type graph struct{ records.Graph }

// Text is the reference's.
func (g graph) Text() string { return kit.Indented(g) }

type entitiesIn struct {
	Entities []records.Entity `json:"entities"`
}

type entitiesOut struct {
	Entities []records.Entity `json:"entities"`
}

// Text is the reference's: the bare list.
func (o entitiesOut) Text() string { return kit.Indented(o.Entities) }

// createEntities adds entities whose names are new. One that stands twice in a
// call is added once; the reference stores both.
func (s *server) createEntities(ctx context.Context, c *kit.Call, in entitiesIn) (out entitiesOut, err error) {
	var stored []string
	err = s.change(ctx, c, func(ch *records.Change) error {
		for _, e := range in.Entities {
			created, err := ch.CreateEntity(ctx, e)
			if err != nil {
				return err
			}
			if created {
				out.Entities = append(out.Entities, e)
				stored = append(stored, e.Observations...)
			}
		}
		ch.Summary = names("created", out.Entities, func(e records.Entity) string { return e.Name })
		return nil
	})
	warnOfSecrets(c, stored...)
	return out, changed(c, err)
}

// changed tells the watchers of the graph, unless the change failed or was in a
// space, which has no resource.
func changed(c *kit.Call, err error) error {
	if err == nil && c.Space() == "" {
		c.Updated(graphURI)
	}
	return err
}

type relationsIn struct {
	Relations []records.Relation `json:"relations"`
}

type relationsOut struct {
	Relations []records.Relation `json:"relations"`
}

// Text is the reference's: the bare list.
func (o relationsOut) Text() string { return kit.Indented(o.Relations) }

func (s *server) createRelations(ctx context.Context, c *kit.Call, in relationsIn) (out relationsOut, err error) {
	err = s.change(ctx, c, func(ch *records.Change) error {
		for _, r := range in.Relations {
			created, err := ch.CreateRelation(ctx, r)
			if err != nil {
				return err
			}
			if created {
				out.Relations = append(out.Relations, r)
			}
		}
		ch.Summary = names("related", out.Relations, records.Relation.String)
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
	err = s.change(ctx, c, func(ch *records.Change) error {
		for _, a := range in.Observations {
			contents, there, err := ch.AddObservations(ctx, a.EntityName, a.Contents)
			if err != nil {
				return err
			}
			if !there {
				return fault.New(fault.NotFound, "Entity with name %s not found", a.EntityName)
			}
			out.Results = append(out.Results, added{a.EntityName, contents})
		}
		ch.Summary = names("observed", out.Results, func(a added) string { return a.EntityName })
		return nil
	})
	var stored []string
	for _, r := range out.Results {
		stored = append(stored, r.AddedObservations...)
	}
	warnOfSecrets(c, stored...)
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
	err := s.change(ctx, c, func(ch *records.Change) error {
		for _, name := range in.EntityNames {
			if err := ch.DeleteEntity(ctx, name); err != nil {
				return err
			}
		}
		ch.Summary = names("deleted", in.EntityNames, strings.Clone)
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
	err := s.change(ctx, c, func(ch *records.Change) error {
		for _, d := range in.Deletions {
			if err := ch.DeleteObservations(ctx, d.EntityName, d.Observations); err != nil {
				return err
			}
		}
		ch.Summary = names("deleted observations of", in.Deletions, func(d deletion) string { return d.EntityName })
		return nil
	})
	return deleted{true, "Observations deleted successfully"}, changed(c, err)
}

type deleteRelationsIn struct {
	Relations []records.Relation `json:"relations" jsonschema:"An array of relations to delete"`
}

func (s *server) deleteRelations(ctx context.Context, c *kit.Call, in deleteRelationsIn) (deleted, error) {
	err := s.change(ctx, c, func(ch *records.Change) error {
		for _, r := range in.Relations {
			if err := ch.DeleteRelation(ctx, r); err != nil {
				return err
			}
		}
		ch.Summary = names("deleted relations", in.Relations, records.Relation.String)
		return nil
	})
	return deleted{true, "Relations deleted successfully"}, changed(c, err)
}

func (s *server) graphOf(ctx context.Context, user string) (graph, error) {
	g, err := s.records.Graph(ctx, user)
	return graph{g}, err
}

// graphPage is the whole graph, as the reference gives it, or a page of it.
type graphPage struct {
	records.Graph
	kit.PageNext
}

// Text is the reference's.
func (g graphPage) Text() string { return kit.Indented(g) }

// readGraph reads the whole graph, or where limit or cursor are given a page:
// entities first, then relations.
func (s *server) readGraph(ctx context.Context, c *kit.Call, in kit.PageIn) (out graphPage, err error) {
	g, err := s.graphOf(ctx, owner(c))
	if err != nil || in == (kit.PageIn{}) {
		return graphPage{Graph: g.Graph}, err
	}
	window, err := in.Window(100)
	if err != nil {
		return out, err
	}
	all := make([]any, 0, len(g.Entities)+len(g.Relations))
	for _, e := range g.Entities {
		all = append(all, e)
	}
	for _, r := range g.Relations {
		all = append(all, r)
	}
	page, more := kit.Cut(window, all)
	out.PageNext = more.Next
	for _, one := range page {
		switch v := one.(type) {
		case records.Entity:
			out.Entities = append(out.Entities, v)
		case records.Relation:
			out.Relations = append(out.Relations, v)
		}
	}
	return out, nil
}

func (s *server) readGraphResource(ctx context.Context, c *kit.Call) (kit.Content, error) {
	g, err := s.graphOf(ctx, owner(c))
	return kit.Content{Text: g.Text()}, err
}

type searchNodesIn struct {
	Query string `json:"query" jsonschema:"The search query to match against entity names, types, and observation content"`
}

// searchNodes finds the query as it is, without regard to case. memory_search
// is the one that knows words.
func (s *server) searchNodes(ctx context.Context, c *kit.Call, in searchNodesIn) (graph, error) {
	g, err := s.graphOf(ctx, owner(c))
	query := strings.ToLower(in.Query)
	has := func(text string) bool { return strings.Contains(strings.ToLower(text), query) }
	return graph{g.Chosen(func(e records.Entity) bool {
		return has(e.Name) || has(e.EntityType) || slices.ContainsFunc(e.Observations, has)
	})}, err
}

type openNodesIn struct {
	Names []string `json:"names" jsonschema:"An array of entity names to retrieve"`
}

func (s *server) openNodes(ctx context.Context, c *kit.Call, in openNodesIn) (graph, error) {
	g, err := s.graphOf(ctx, owner(c))
	return graph{g.Chosen(func(e records.Entity) bool { return slices.Contains(in.Names, e.Name) })}, err
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
	g, err := s.graphOf(ctx, owner(c))
	if err != nil {
		return out, err
	}
	types := map[string]string{}
	for _, e := range g.Entities {
		types[e.Name] = e.EntityType
	}
	if _, there := types[in.Name]; !there {
		return out, noEntity(in.Name)
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
	err = s.change(ctx, c, func(ch *records.Change) error {
		there, err := ch.HasEntity(ctx, in.Name)
		if err != nil {
			return err
		}
		if !there {
			return noEntity(in.Name)
		}
		taken, err := ch.HasEntity(ctx, in.NewName)
		if err != nil {
			return err
		}
		if taken {
			return fault.New(fault.Conflict, "There is an entity %q already. Choose another name, or move the observations to it.", records.Clip(in.NewName, 100))
		}
		ch.Summary = "renamed " + records.Clip(in.Name, 60) + " to " + records.Clip(in.NewName, 60)
		out.Name = in.NewName
		out.Relations, err = ch.RenameEntity(ctx, in.Name, in.NewName)
		return err
	})
	return out, changed(c, err)
}

func noEntity(name string) error {
	return fault.New(fault.NotFound, "There is no entity %q. memory_search finds entities by their words.", records.Clip(name, 100))
}

// names joins what a change touched for its summary.
func names[T any](verb string, all []T, name func(T) string) string {
	shown := make([]string, 0, 5)
	for i, v := range all {
		if i == cap(shown) {
			shown = append(shown, "...")
			break
		}
		shown = append(shown, records.Clip(name(v), 60))
	}
	return verb + " " + strings.Join(shown, ", ")
}
