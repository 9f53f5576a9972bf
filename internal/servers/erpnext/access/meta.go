package access

import (
	"context"
	"time"

	"drawbridge/internal/servers/erpnext/api"
	"drawbridge/internal/servers/kit"
)

// What a DocType is made of changes rarely and is asked for by most calls, so it is
// kept for a while, by user: translations and permissions differ.
const (
	metaTime = 5 * time.Minute
	mostMeta = 300
)

type metaKey struct{ user, doctype string }

type kept struct {
	bundle *api.Bundle
	until  time.Time
}

// Meta is what a DocType is made of. It must not be changed.
func (d *Desk) Meta(ctx context.Context, c *kit.Call, s api.Session, doctype string) (*api.Bundle, error) {
	key, now := metaKey{c.User(), doctype}, d.Now()
	d.mu.Lock()
	k, ok := d.known[key]
	d.mu.Unlock()
	if ok && now.Before(k.until) {
		return k.bundle, nil
	}
	b, err := s.Describe(ctx, doctype)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known == nil || len(d.known) >= mostMeta {
		d.known = map[metaKey]kept{}
	}
	d.known[key] = kept{b, now.Add(metaTime)}
	return b, nil
}
