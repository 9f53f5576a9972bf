package memory

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/tables"
)

// entityDoc and fileDoc are the ids of the search index.
func entityDoc(id int64) int64 { return id * 2 }
func fileDoc(id int64) int64   { return id*2 + 1 }

// index writes the words of a document, in place of those it had.
func (w *writer) index(ctx context.Context, doc int64, title, body string) error {
	if err := w.unindex(ctx, doc); err != nil {
		return err
	}
	titleWords, bodyWords := strings.Join(fold(title), " "), strings.Join(fold(body), " ")
	if w.engine == tables.SQLite {
		return w.exec(ctx, "INSERT INTO memory_docs (rowid, title, body, owner) VALUES ($1, $2, $3, $4)", doc, titleWords, bodyWords, w.user)
	}
	return w.exec(ctx, `INSERT INTO memory_docs (id, owner, words) VALUES ($1, $2,
		setweight(to_tsvector('memory_words', $3), 'A') || setweight(to_tsvector('memory_words', $4), 'D'))`, doc, w.user, titleWords, bodyWords)
}

func (w *writer) unindex(ctx context.Context, doc int64) error {
	if w.engine == tables.SQLite {
		return w.exec(ctx, "DELETE FROM memory_docs WHERE rowid = $1", doc)
	}
	return w.exec(ctx, "DELETE FROM memory_docs WHERE id = $1", doc)
}

// maxHits bounds what one search ranks.
const maxHits = 500

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

	id    int64
	score float64
}

// search ranks entities and files by the words of the query: all of them, or any
// where nothing has all.
func (s *server) search(ctx context.Context, c *kit.Call, in searchIn) (out searchOut, err error) {
	window, err := in.Window(10)
	if err != nil {
		return out, err
	}
	since, err := parseSince(in.Since)
	if err != nil {
		return out, err
	}
	terms := phrases(in.Query)
	if len(terms) == 0 {
		return out, fault.New(fault.Invalid, "The query has no words. Send at least one letter or digit; read_graph and list_projects list everything.")
	}
	err = s.read(ctx, func(tx tables.Tx) error {
		f := finder{tx: tx, engine: s.db.Engine(), user: c.User(), in: in, since: since}
		all, err := f.find(ctx, terms, true)
		if err == nil && len(all) == 0 && len(terms) > 1 {
			if all, err = f.find(ctx, terms, false); len(all) > 0 {
				out.Loose = true
			}
		}
		if err != nil {
			return fmt.Errorf("search: %w", err)
		}
		page := all[min(window.Offset, len(all)):min(window.Offset+window.Limit, len(all))]
		for i := range page {
			if err := f.snip(ctx, &page[i], slices.Concat(terms...)); err != nil {
				return err
			}
		}
		out.Hits, out.PageOut = kit.Fit(window, page, len(all))
		return nil
	})
	return out, err
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
	return 0, fault.New(fault.Invalid, "since: %q is neither a day nor a time. Write 2026-01-31 or 2026-01-31T09:00:00Z.", clip(text, 40))
}

// finder runs one search.
type finder struct {
	tx           tables.Tx
	engine, user string
	in           searchIn
	since        int64
}

// match gives the engine's query for the terms. Words are letters and digits
// only, so quoting them is enough.
func (f finder) match(terms [][]string, all bool) string {
	word, near, between := `"%s"`, " ", " AND "
	if f.engine == tables.Postgres {
		word, near, between = "'%s'", " <-> ", " & "
	}
	if !all {
		between = map[string]string{tables.SQLite: " OR ", tables.Postgres: " | "}[f.engine]
	}
	parts := make([]string, len(terms))
	for i, t := range terms {
		if f.engine == tables.SQLite { // a phrase is one string
			t = []string{strings.Join(t, " ")}
		}
		quoted := make([]string, len(t))
		for j, w := range t {
			quoted[j] = fmt.Sprintf(word, w)
		}
		parts[i] = "(" + strings.Join(quoted, near) + ")"
	}
	return strings.Join(parts, between)
}

// find gives the hits of both stores, best first.
func (f finder) find(ctx context.Context, terms [][]string, all bool) (hits []hit, err error) {
	match := f.match(terms, all)
	if f.in.In != "bank" && f.in.ProjectName == "" {
		found, err := f.query(ctx, match, "memory_entities", "id * 2", "name, entity_type, '', ''", "entity_type", f.in.EntityType)
		if err != nil {
			return nil, err
		}
		hits = append(hits, found...)
	}
	if f.in.In != "graph" && f.in.EntityType == "" {
		found, err := f.query(ctx, match, "memory_files", "id * 2 + 1", "'', '', project, name", "project", f.in.ProjectName)
		if err != nil {
			return nil, err
		}
		hits = append(hits, found...)
	}
	slices.SortFunc(hits, func(a, b hit) int { return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(b.id, a.id)) })
	return hits, nil
}

// query reads the hits of one store: table with the document's id and the columns
// of a hit, filtered by one column.
func (f finder) query(ctx context.Context, match, table, doc, columns, filter, value string) ([]hit, error) {
	sql := "SELECT t.id, " + columns + ", t.updated_at, -bm25(memory_docs, 4.0, 1.0) FROM memory_docs JOIN " + table +
		" t ON memory_docs.rowid = t." + doc + " WHERE memory_docs MATCH $1"
	if f.engine == tables.Postgres {
		sql = "SELECT t.id, " + columns + ", t.updated_at, ts_rank(words, q) FROM to_tsquery('memory_words', $1) q, memory_docs JOIN " + table +
			" t ON memory_docs.id = t." + doc + " WHERE words @@ q"
	}
	sql += " AND owner = $2 AND t.user_id = $3 AND t.deleted_by = 0 AND t.updated_at >= $4"
	args := []any{match, f.user, f.user, f.since}
	if value != "" {
		sql, args = sql+" AND t."+filter+" = $5", append(args, value)
	}
	// Ranks are the last column on both engines.
	sql += fmt.Sprintf(" ORDER BY %d DESC, t.id DESC LIMIT %d", 7, maxHits)
	return list(ctx, f.tx, func(scan func(...any) error) (h hit, err error) {
		var updated int64
		err = scan(&h.id, &h.Entity, &h.EntityType, &h.ProjectName, &h.FileName, &updated, &h.score)
		h.UpdatedAt = stamp(updated)
		return h, err
	}, sql, args...)
}

// snip reads the text of a hit and shows the part that matched.
func (f finder) snip(ctx context.Context, h *hit, words []string) error {
	text := ""
	if h.FileName != "" {
		content, _, err := one[string](ctx, f.tx, "SELECT content FROM memory_files WHERE id = $1", h.id)
		if err != nil {
			return err
		}
		text = content
	} else {
		all, err := observations(ctx, f.tx, h.id)
		if err != nil {
			return err
		}
		text = strings.Join(all, " | ")
	}
	h.Snippet = snippet(text, words)
	return nil
}
