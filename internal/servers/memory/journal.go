package memory

import (
	"context"
	"fmt"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/memory/records"
)

type changesOut struct {
	Changes []changeOut `json:"changes"`
	kit.PageOut
}

type changeOut struct {
	Change  int64  `json:"change"`
	Tool    string `json:"tool"`
	Summary string `json:"summary,omitempty"`
	At      string `json:"at"`
}

// listChanges pages through the journal of the last 30 days.
func (s *server) listChanges(ctx context.Context, c *kit.Call, in kit.PageIn) (out changesOut, err error) {
	window, err := in.Window(20)
	if err != nil {
		return out, err
	}
	page, total, err := s.records.Journal(ctx, owner(c), window.Offset, window.Limit)
	if err != nil {
		return out, err
	}
	shown := make([]changeOut, len(page))
	for i, e := range page {
		shown[i] = changeOut{e.Change, e.Tool, e.Summary, stamp(e.At)}
	}
	out.Changes, out.PageOut = kit.Fit(window, shown, total)
	return out, nil
}

type restoreIn struct {
	Change int64 `json:"change" jsonschema:"The id of the change, from memory_changes." min:"1"`
}

type restoreOut struct {
	Entities     int `json:"entities"`
	Observations int `json:"observations"`
	Relations    int `json:"relations"`
	Files        int `json:"files"`
	Skipped      int `json:"skipped" jsonschema:"What is not brought back because there is a new one of the name."`
}

// restoreChange brings back what a change of the caller deleted.
func (s *server) restoreChange(ctx context.Context, c *kit.Call, in restoreIn) (out restoreOut, err error) {
	err = s.change(ctx, c, func(ch *records.Change) error {
		there, err := ch.HasChange(ctx, in.Change)
		if err != nil {
			return err
		}
		if !there {
			return fault.New(fault.NotFound, "There is no change %d of yours. memory_changes lists those of the last 30 days.", in.Change)
		}
		ch.Summary = fmt.Sprintf("restored what change %d deleted", in.Change)
		back, err := ch.Restore(ctx, in.Change)
		out = restoreOut(back)
		return err
	})
	if changed(c, err) == nil {
		c.ResourcesChanged()
	}
	return out, err
}
