package system

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/truenas/api"
	"drawbridge/internal/servers/truenas/show"
)

type queryIn struct {
	Method  string   `json:"method" jsonschema:"pool.query, app.query, ..."`
	Filters string   `json:"filters,omitempty" jsonschema:"JSON: [[\"name\",\"=\",\"tank\"]]" max:"4000"`
	Select  []string `json:"select,omitempty" jsonschema:"Members." max:"40"`
	Limit   int      `json:"limit,omitempty" jsonschema:"20 without it." max:"100"`
	Offset  int      `json:"offset,omitempty" jsonschema:"Rows to skip."`
}

type queryOut struct {
	Count int           `json:"count"`
	Rows  kit.Untrusted `json:"rows" jsonschema:"JSON."`
}

// readable are the query methods that can be called: those whose rows hold no secrets,
// as far as their members' names tell.
var readable = []string{
	"pool.query", "pool.dataset.query", "pool.snapshot.query", "zfs.snapshot.query", "pool.snapshottask.query", "pool.scrub.query", "disk.query", "app.query", "app.image.query",
	"service.query", "sharing.smb.query", "sharing.nfs.query", "iscsi.target.query", "iscsi.extent.query", "iscsi.portal.query", "nvmet.subsys.query", "replication.query", "rsynctask.query",
	"interface.query", "boot.environment.query", "group.query", "user.query", "vm.query", "container.query", "virt.instance.query",
}

func (t Tools) query(ctx context.Context, c *kit.Call, in queryIn) (out queryOut, err error) {
	if !slices.Contains(readable, in.Method) {
		return out, fault.New(fault.Invalid, "%q is not one of the methods that can be queried: %s.", in.Method, show.Few(readable, len(readable)))
	}
	q := api.Query{Select: in.Select, Limit: in.Limit, Offset: in.Offset}
	if q.Limit == 0 {
		q.Limit = 20
	}
	if in.Filters != "" && json.Unmarshal([]byte(in.Filters), &q.Filters) != nil {
		return out, fault.New(fault.Invalid, "filters is not a JSON array of [member, operator, value]. Send it like [[\"name\",\"=\",\"tank\"]].")
	}
	if asksSecret(q.Filters) {
		return out, fault.New(fault.Invalid, "A filter is on a member that may be secret, which would tell it bit by bit. Leave it out.")
	}
	s, err := t.Session(ctx, c)
	if err != nil {
		return out, err
	}
	rows, err := s.Rows(ctx, in.Method, q)
	if err != nil {
		return out, err
	}
	shown, size := []json.RawMessage{}, 0
	for _, raw := range rows {
		row, err := withoutSecrets(raw)
		if err != nil {
			return out, fmt.Errorf("read row: %w", err)
		}
		if size += len(row); size > show.TextRoom && len(shown) > 0 {
			break
		}
		shown = append(shown, row)
	}
	text, err := json.Marshal(shown)
	if err != nil {
		return out, fmt.Errorf("encode rows: %w", err)
	}
	return queryOut{len(shown), kit.Untrusted(show.Clip(show.Plain(string(text)), show.TextRoom))}, nil
}
