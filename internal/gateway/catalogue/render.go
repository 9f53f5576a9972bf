package catalogue

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/mcpwire"
)

// maxRendered bounds the bytes of the renderings that one catalogue keeps.
const maxRendered = 32 << 20

// rendering names one encoded list.
type rendering struct {
	all    bool
	access string // where not all
	kind   Kind
	modern bool
	offset int
}

// renderCache keeps encoded lists of one catalogue. A list is encoded once and
// then served as bytes; the cache goes with its catalogue.
type renderCache struct {
	mu    sync.Mutex // guards what follows
	lists map[rendering][]byte
	size  int
}

func newRenderCache() *renderCache { return &renderCache{lists: map[rendering][]byte{}} }

func (r *renderCache) get(key rendering, render func() []byte) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	if b, ok := r.lists[key]; ok {
		return b
	}
	b := render()
	if r.size += len(b); r.size > maxRendered {
		clear(r.lists)
		r.size = len(b)
	}
	r.lists[key] = b
	return b
}

var listMembers = [Kinds]string{"tools", "prompts", "resources", "resourceTemplates"}

// List returns a page of what an access shows of a list, as an encoded result.
// pageSize 0 is one page.
func (c *Catalogue) List(a *account.Access, k Kind, modern bool, cursor string, pageSize int) ([]byte, *mcpwire.Error) {
	items := c.View(a).Lists[k]
	offset := 0
	if cursor != "" {
		var ok bool
		if offset, ok = decodeCursor(cursor, c.generation); !ok || offset > len(items) || pageSize == 0 {
			return nil, mcpwire.Errorf(mcpwire.CodeInvalidParams, "The cursor is not one of this list as it is now. List again from the start, without a cursor.")
		}
	}
	key := rendering{all: a.All(), kind: k, modern: modern, offset: offset}
	if !key.all { // the key of nobody's access is empty, so it cannot stand for all
		key.access = a.Key()
	}
	return c.cache.get(key, func() []byte { return c.render(key, items[offset:], pageSize) }), nil
}

func (c *Catalogue) render(key rendering, items []*Item, pageSize int) []byte {
	next := ""
	if pageSize > 0 && len(items) > pageSize {
		items = items[:pageSize]
		next = encodeCursor(c.generation, key.offset+pageSize)
	}
	size := 128
	for _, it := range items {
		size += len(it.modern) + 1
	}
	out := make([]byte, 0, size)
	out = append(out, '{')
	if key.modern {
		out = append(out, `"resultType":"complete",`...)
	}
	out = fmt.Appendf(out, "%q:[", listMembers[key.kind])
	for i, it := range items {
		if i > 0 {
			out = append(out, ',')
		}
		if key.modern {
			out = append(out, it.modern...)
		} else {
			out = append(out, it.legacy...)
		}
	}
	out = append(out, ']')
	if next != "" {
		out = mcpwire.AppendString(append(out, `,"nextCursor":`...), next)
	}
	if key.modern {
		out = fmt.Appendf(out, `,"ttlMs":%d,"cacheScope":"private"`, c.ttl().Milliseconds())
	}
	return append(out, '}')
}

// encodeCursor names an offset in one generation of the catalogue.
func encodeCursor(generation uint64, offset int) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d.%d", generation, offset))
}

// decodeCursor is false for anything encodeCursor did not write for this generation.
func decodeCursor(cursor string, generation uint64) (int, bool) {
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(raw) > 64 {
		return 0, false
	}
	gen, off, ok := strings.Cut(string(raw), ".")
	if !ok || gen != strconv.FormatUint(generation, 10) {
		return 0, false
	}
	n, err := strconv.Atoi(off)
	return n, err == nil && n >= 0 && cursor == encodeCursor(generation, n)
}

// Shortest and longest life that a list may have in a client's cache.
const (
	minListTTL = 10 * time.Second
	maxListTTL = 5 * time.Minute
	partialTTL = time.Second // of a list that lacks a backend which is still connecting
)

// ttl is the least of what the backends say of their lists.
func (c *Catalogue) ttl() time.Duration {
	if c.Partial {
		return partialTTL
	}
	ttl := maxListTTL
	for _, s := range c.Sections {
		if t := s.Lists.TTL; t > 0 && t < ttl {
			ttl = t
		}
	}
	return max(ttl, minListTTL)
}
