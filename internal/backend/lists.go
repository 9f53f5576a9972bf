package backend

import (
	"bytes"
	"context"
	"strconv"
	"time"

	"drawbridge/internal/backend/pace"
	"drawbridge/internal/fault"
	"drawbridge/internal/jsonscan"
	"drawbridge/internal/mcpwire"
)

// Bounds of a backend's lists. A server whose cursor never ends must not keep
// the gateway reading.
const (
	maxPages    = 200
	maxItems    = 20_000
	maxPage     = 16 << 20
	maxListSize = 64 << 20
	listTime    = 60 * time.Second
)

// Lists is everything a backend offers, each item as the bytes it sent, in its
// order.
type Lists struct {
	Info      Info
	Tools     [][]byte
	Prompts   [][]byte
	Resources [][]byte
	Templates [][]byte
	TTL       time.Duration // least ttlMs of all pages; 0 when the backend gave none
	Private   bool          // a page said cacheScope private
}

// Lists reads the lists that the backend's capabilities declare, through the
// main session. The error is a *fault.Error.
func (b *Backend) Lists(ctx context.Context) (Lists, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, listTime, pace.ErrTime)
	defer cancel()
	s, t := b.link.get(ctx)
	if t != nil {
		return Lists{}, t.fault(b.cfg.Name)
	}
	r := reader{ctx: ctx, s: s, lists: Lists{Info: s.info}}
	r.read("tools", mcpwire.MethodToolsList, "tools", &r.lists.Tools)
	r.read("prompts", mcpwire.MethodPromptsList, "prompts", &r.lists.Prompts)
	r.read("resources", mcpwire.MethodResourcesList, "resources", &r.lists.Resources)
	r.read("resources", mcpwire.MethodTemplatesList, "resourceTemplates", &r.lists.Templates)
	if r.err != nil {
		return Lists{}, fault.Wrap(r.err, fault.Upstream,
			"Backend %q did not give its lists. Its own log has the cause; the gateway asks again.", b.cfg.Name)
	}
	b.counts.tools.Store(int64(len(r.lists.Tools)))
	b.counts.prompts.Store(int64(len(r.lists.Prompts)))
	b.counts.resources.Store(int64(len(r.lists.Resources)))
	if r.cut {
		b.log.Warn("backend's lists are cut off")
	}
	return r.lists, nil
}

// reader reads the lists of one session. After an error it does nothing more.
type reader struct {
	ctx   context.Context // lives as long as one call of Lists
	s     *session
	lists Lists
	size  int
	cut   bool // a bound was reached or a cursor came twice
	err   error
}

// read reads all pages of one list.
func (r *reader) read(area, method, member string, into *[][]byte) {
	if r.err != nil || r.s.info.area(area) == nil {
		return
	}
	seen := map[string]bool{}
	cursor := ""
	for range maxPages {
		page, err := r.page(method, cursor)
		if err != nil && err.Code == mcpwire.CodeMethodNotFound {
			return // declared or not, it has none: templates are often missing
		}
		if err != nil {
			r.err = err
			return
		}
		more := r.take(page, member, into)
		if more == "" {
			return
		}
		if seen[more] || r.size > maxListSize || len(*into) >= maxItems {
			break
		}
		seen[more] = true
		cursor = more
	}
	r.cut = true
}

func (r *reader) page(method, cursor string) ([]byte, *mcpwire.Error) {
	var params []byte
	if cursor != "" {
		params = append(mcpwire.AppendString([]byte(`{"cursor":`), cursor), '}')
	}
	return r.s.request(r.ctx, method, params, maxPage)
}

// take adds a page's items and returns its nextCursor, "" for none.
func (r *reader) take(page []byte, member string, into *[][]byte) (next string) {
	r.size += len(page)
	for m := range jsonscan.Members(page) {
		value := m.Value.Of(page)
		switch {
		case jsonscan.Is(m.Key, member):
			if !bytes.HasPrefix(value, []byte("[")) {
				continue
			}
			for at := range jsonscan.Elements(value) {
				if item := at.Of(value); mcpwire.IsObject(item) && len(*into) < maxItems {
					*into = append(*into, item)
				}
			}
		case jsonscan.Is(m.Key, "nextCursor"):
			next, _ = jsonscan.Unquote(value)
		case jsonscan.Is(m.Key, "ttlMs"):
			r.ttl(value)
		case jsonscan.Is(m.Key, "cacheScope"):
			r.lists.Private = r.lists.Private || string(value) == `"private"`
		}
	}
	return next
}

// ttl keeps the least one. Zero would mean to ask before every use, which is not
// how a catalogue is kept.
func (r *reader) ttl(raw []byte) {
	ms, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || ms <= 0 || ms > 1e12 {
		return
	}
	d := time.Duration(ms * float64(time.Millisecond))
	if r.lists.TTL == 0 || d < r.lists.TTL {
		r.lists.TTL = d
	}
}
