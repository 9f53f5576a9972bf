package memory

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/memory/records"
)

// line is one line of the reference server's file.
type line struct {
	Type         string   `json:"type"`
	Name         string   `json:"name,omitempty"`
	EntityType   string   `json:"entityType,omitempty"`
	Observations []string `json:"observations,omitempty"`
	From         string   `json:"from,omitempty"`
	To           string   `json:"to,omitempty"`
	RelationType string   `json:"relationType,omitempty"`
}

// lines writes the graph as the reference does: entities first, then relations,
// each as JSON.stringify writes it.
func (g graph) lines() []string {
	var all []string
	for _, e := range g.Entities {
		all = append(all, kit.Compact(struct {
			Type string `json:"type"`
			records.Entity
		}{"entity", e}))
	}
	for _, r := range g.Relations {
		all = append(all, kit.Compact(struct {
			Type string `json:"type"`
			records.Relation
		}{"relation", r}))
	}
	return all
}

type exportOut struct {
	JSONL string `json:"jsonl" jsonschema:"One JSON object per line. Pages belong one after the other with a line feed between."`
	kit.PageOut
}

func (s *server) exportGraph(ctx context.Context, c *kit.Call, in kit.PageIn) (out exportOut, err error) {
	window, err := in.Window(200)
	if err != nil {
		return out, err
	}
	g, err := s.graphOf(ctx, owner(c))
	if err != nil {
		return out, err
	}
	page, more := kit.Cut(window, g.lines())
	return exportOut{strings.Join(page, "\n"), more}, nil
}

type importIn struct {
	JSONL string `json:"jsonl" jsonschema:"Lines of the reference memory server's file."`
}

type importOut struct {
	Entities     int `json:"entities" jsonschema:"How many are new."`
	Observations int `json:"observations" jsonschema:"How many were added to entities that were there."`
	Relations    int `json:"relations" jsonschema:"How many are new."`
}

func (s *server) importGraph(ctx context.Context, c *kit.Call, in importIn) (out importOut, err error) {
	all, err := parseLines([]byte(in.JSONL))
	if err != nil {
		return out, err
	}
	err = s.change(ctx, c, func(ch *records.Change) (err error) {
		out, err = importLines(ctx, ch, all)
		ch.Summary = fmt.Sprintf("imported %d entities, %d relations", out.Entities, out.Relations)
		return err
	})
	return out, changed(c, err)
}

// parseLines reads a file of the reference server. Types it does not know are
// skipped, as the reference does.
func parseLines(data []byte) (all []line, err error) {
	number := 0
	for raw := range bytes.Lines(data) {
		number++
		if len(bytes.TrimSpace(raw)) == 0 {
			continue
		}
		var l line
		if err := json.Unmarshal(raw, &l); err != nil {
			return nil, fault.Wrap(err, fault.Invalid, "Line %d is not a JSON object with the members of an entity or a relation. Correct it; nothing was imported.", number)
		}
		all = append(all, l)
	}
	return all, nil
}

func importLines(ctx context.Context, ch *records.Change, all []line) (out importOut, err error) {
	for _, l := range all {
		switch l.Type {
		case "entity":
			created, err := ch.CreateEntity(ctx, records.Entity{Name: l.Name, EntityType: l.EntityType, Observations: l.Observations})
			if err != nil {
				return out, err
			}
			if created {
				out.Entities++
				continue
			}
			added, _, err := ch.AddObservations(ctx, l.Name, l.Observations)
			if err != nil {
				return out, err
			}
			out.Observations += len(added)
		case "relation":
			created, err := ch.CreateRelation(ctx, records.Relation{From: l.From, To: l.To, RelationType: l.RelationType})
			if err != nil {
				return out, err
			}
			if created {
				out.Relations++
			}
		}
	}
	return out, nil
}

// takeOverUser is whose memory the files of the originals become: they had one
// user, and so has a new installation.
const takeOverUser = "admin"

// takeOver imports the files of the originals that are configured, each once. A
// file that cannot be read is reported and tried again at the next start: it
// must not keep the server from working.
func (s *server) takeOver(ctx context.Context) {
	for _, one := range []struct {
		path string
		read func(ctx context.Context, ch *records.Change, path string) error
	}{{s.cfg.GraphFile, takeOverGraph}, {s.cfg.BankDir, takeOverBank}} {
		if one.path == "" {
			continue
		}
		if err := s.takeOverOnce(ctx, one.path, one.read); err != nil {
			s.log.WarnContext(ctx, "memory of another server was not taken over", "path", one.path, "error", err)
		}
	}
}

func (s *server) takeOverOnce(ctx context.Context, path string, read func(context.Context, *records.Change, string) error) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	return s.records.Change(ctx, takeOverUser, "import at start", func(ch *records.Change) error {
		first, err := ch.Once(ctx, path)
		if err != nil || !first {
			return err
		}
		ch.Summary = "took over " + path
		return read(ctx, ch, path)
	})
}

// takeOverGraph reads the reference's file, or the one of its older name.
func takeOverGraph(ctx context.Context, ch *records.Change, path string) error {
	data, err := os.ReadFile(path)
	if older, isNew := strings.CutSuffix(path, ".jsonl"); os.IsNotExist(err) && isNew {
		data, err = os.ReadFile(older + ".json")
	}
	if err != nil {
		return fmt.Errorf("read graph: %w", err)
	}
	all, err := parseLines(data)
	if err != nil {
		return err
	}
	_, err = importLines(ctx, ch, all)
	return err
}

// takeOverBank reads root/project/file. Files that are there already stay, names
// that the bank does not allow are left out.
func takeOverBank(ctx context.Context, ch *records.Change, root string) error {
	dir := os.DirFS(root)
	found, err := fs.Glob(dir, "*/*")
	if err != nil {
		return err
	}
	if _, err := fs.Stat(dir, "."); err != nil {
		return fmt.Errorf("read bank: %w", err)
	}
	for _, path := range found {
		project, name, _ := strings.Cut(path, "/")
		if written("", project) != nil || written("", name) != nil {
			continue
		}
		info, err := fs.Stat(dir, path)
		if err != nil || !info.Mode().IsRegular() {
			continue // a directory, or gone in between
		}
		content, err := fs.ReadFile(dir, path)
		if err != nil {
			return fmt.Errorf("read bank: %w", err)
		}
		before, err := ch.File(ctx, project, name)
		if err != nil {
			return err
		}
		if before.Known() {
			continue
		}
		if _, err := ch.SaveFile(ctx, before, strings.ToValidUTF8(string(content), "\uFFFD")); err != nil {
			return err
		}
	}
	return nil
}
