package records

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"drawbridge/internal/tables"
)

// entityDoc and fileDoc are the ids of the search index.
func entityDoc(id int64) int64 { return id * 2 }
func fileDoc(id int64) int64   { return id*2 + 1 }

// index writes the words of a document, in place of those it had.
func (c *Change) index(ctx context.Context, doc int64, title, body string) error {
	if err := c.unindex(ctx, doc); err != nil {
		return err
	}
	titleWords, bodyWords := strings.Join(fold(title), " "), strings.Join(fold(body), " ")
	if c.engine == tables.SQLite {
		return c.exec(ctx, "INSERT INTO memory_docs (rowid, title, body, owner) VALUES ($1, $2, $3, $4)", doc, titleWords, bodyWords, c.user)
	}
	return c.exec(ctx, `INSERT INTO memory_docs (id, owner, words) VALUES ($1, $2,
		setweight(to_tsvector('memory_words', $3), 'A') || setweight(to_tsvector('memory_words', $4), 'D'))`, doc, c.user, titleWords, bodyWords)
}

func (c *Change) unindex(ctx context.Context, doc int64) error {
	if c.engine == tables.SQLite {
		return c.exec(ctx, "DELETE FROM memory_docs WHERE rowid = $1", doc)
	}
	return c.exec(ctx, "DELETE FROM memory_docs WHERE id = $1", doc)
}

// maxHits bounds what one search ranks.
const maxHits = 500

// Query is what to find. Zero values do not filter.
type Query struct {
	Text       string // words, and "words in quotes" that must stand together
	Graph      bool   // look in the graph
	Bank       bool   // look in the bank
	EntityType string
	Project    string
	Since      int64 // of the last change, milliseconds since 1970
}

// Hit is an entity or a file that was found.
type Hit struct {
	Entity, EntityType string // of an entity
	Project, File      string // of a file
	Snippet            string // the part of its text that matched best
	Updated            int64

	id    int64
	score float64
}

// Hits are the results of a search, best first.
type Hits struct {
	Page  []Hit
	Total int
	Loose bool // nothing has all the words: these have some
}

// ErrNoWords says that a query has no word to look for.
var ErrNoWords = errors.New("the query has no words")

// Search finds entities and files by their words: all of them, or any where
// nothing has all. Only the hits of the page have snippets.
func (s *Store) Search(ctx context.Context, user string, q Query, offset, limit int) (out Hits, err error) {
	terms := phrases(q.Text)
	if len(terms) == 0 {
		return out, ErrNoWords
	}
	err = s.db.Read(ctx, func(tx tables.Tx) error {
		f := finder{tx: tx, engine: s.db.Engine(), user: user, q: q}
		all, err := f.find(ctx, terms, true)
		if err == nil && len(all) == 0 && len(terms) > 1 {
			all, err = f.find(ctx, terms, false)
			out.Loose = len(all) > 0
		}
		if err != nil {
			return fmt.Errorf("search: %w", err)
		}
		out.Total = len(all)
		out.Page = all[min(offset, len(all)):min(offset+limit, len(all))]
		for i := range out.Page {
			if err := f.snip(ctx, &out.Page[i], slices.Concat(terms...)); err != nil {
				return fmt.Errorf("read hit: %w", err)
			}
		}
		return nil
	})
	return out, err
}

// finder runs one search.
type finder struct {
	tx           tables.Tx
	engine, user string
	q            Query
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
func (f finder) find(ctx context.Context, terms [][]string, all bool) (hits []Hit, err error) {
	match := f.match(terms, all)
	if f.q.Graph && f.q.Project == "" {
		found, err := f.query(ctx, match, "memory_entities", entityDoc(0), "name, entity_type, '', ''", "entity_type", f.q.EntityType)
		if err != nil {
			return nil, err
		}
		hits = append(hits, found...)
	}
	if f.q.Bank && f.q.EntityType == "" {
		found, err := f.query(ctx, match, "memory_files", fileDoc(0), "'', '', project, name", "project", f.q.Project)
		if err != nil {
			return nil, err
		}
		hits = append(hits, found...)
	}
	slices.SortFunc(hits, func(a, b Hit) int { return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(b.id, a.id)) })
	return hits, nil
}

// query reads the hits of one store: its table, which remainder its documents'
// ids have, the columns of a hit, and a column to filter by. The index comes
// first in the join: SQLite would ask it once for every row of the table.
func (f finder) query(ctx context.Context, match, table string, remainder int64, columns, filter, value string) ([]Hit, error) {
	sql := "SELECT t.id, " + columns + ", t.updated_at, -bm25(memory_docs, 4.0, 1.0) FROM memory_docs CROSS JOIN " + table +
		" t WHERE memory_docs MATCH $1 AND t.id = memory_docs.rowid / 2 AND memory_docs.rowid % 2 = " + strconv.FormatInt(remainder, 10)
	if f.engine == tables.Postgres {
		sql = "SELECT t.id, " + columns + ", t.updated_at, ts_rank(words, q) FROM to_tsquery('memory_words', $1) q CROSS JOIN memory_docs CROSS JOIN " + table +
			" t WHERE words @@ q AND t.id = memory_docs.id / 2 AND memory_docs.id % 2 = " + strconv.FormatInt(remainder, 10)
	}
	sql += " AND owner = $2 AND t.user_id = $3 AND t.deleted_by = 0 AND t.updated_at >= $4"
	args := []any{match, f.user, f.user, f.q.Since}
	if value != "" {
		sql, args = sql+" AND t."+filter+" = $5", append(args, value)
	}
	sql += fmt.Sprintf(" ORDER BY 7 DESC, t.id DESC LIMIT %d", maxHits) // column 7 is the rank
	return list(ctx, f.tx, func(scan func(...any) error) (h Hit, err error) {
		return h, scan(&h.id, &h.Entity, &h.EntityType, &h.Project, &h.File, &h.Updated, &h.score)
	}, sql, args...)
}

// snip reads the text of a hit and shows the part that matched.
func (f finder) snip(ctx context.Context, h *Hit, words []string) error {
	text := ""
	if h.File != "" {
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
