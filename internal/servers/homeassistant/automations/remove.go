package automations

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/homeassistant/show"
	"drawbridge/internal/servers/kit"
)

type removeOut struct {
	Deleted string `json:"deleted"`
	Version string `json:"version,omitempty"`
}

// doomed reads what is about to be deleted.
func (t Tools) doomed(ctx context.Context, c *kit.Call, in itemIn) (i item, raw json.RawMessage, err error) {
	if i, err = t.find(ctx, c, in); err != nil {
		return i, nil, err
	}
	raw, editable, err := i.config(ctx)
	if err == nil && !editable {
		err = fault.New(fault.Conflict, "The %s stands in a YAML file that Home Assistant's editor does not keep, so it cannot be deleted from here. Delete it in the file.", i)
	}
	return i, raw, err
}

func (t Tools) previewRemove(ctx context.Context, c *kit.Call, in itemIn) (kit.Preview, error) {
	i, raw, err := t.doomed(ctx, c, in)
	if err != nil {
		return kit.Preview{}, err
	}
	p := kit.Preview{Target: i.String(), Effect: "Deletes the " + i.String() + ". The version that is kept can be restored with save_automation."}
	if i.entity != nil {
		p.Target = i.entity.ID
		related, err := i.Related(ctx, i.kind, i.entity.ID)
		if err == nil {
			for _, by := range []string{"automation", "script", "scene"} {
				for _, id := range related[by] {
					if id != i.entity.ID {
						p.Changes = append(p.Changes, id+" has to do with it")
					}
				}
			}
		}
		slices.Sort(p.Changes) // sets of Home Assistant's, in no order
	}
	p.Bound = strings.Join(append([]string{p.Target, string(raw)}, p.Changes...), "\x00")
	p.Changes = append(p.Changes, shown(difference(raw, nil))...)
	return p, nil
}

func (t Tools) remove(ctx context.Context, c *kit.Call, in itemIn) (out removeOut, err error) {
	i, raw, err := t.doomed(ctx, c, in)
	if err != nil {
		return out, err
	}
	if out.Version, err = t.Versions.Keep(ctx, c.User(), i.kind, i.id, string(raw)); err != nil {
		return out, err
	}
	if err := i.DeleteItem(ctx, i.kind, i.id); err != nil {
		return out, err
	}
	c.Updated(URI(i.kind, i.id))
	out.Deleted = i.String()
	if out.Version != "" {
		c.Undo("save_automation", saveIn{Kind: i.kind, ID: i.id, Restore: out.Version})
	}
	return out, nil
}

// Bounds on a difference.
const (
	mostCompared = 600 // lines
	mostShown    = 60
)

// difference is what differs between two configurations, line by line of their
// indented JSON, with - and + before.
func difference(before, after json.RawMessage) (out []string) {
	a, b := lines(before), lines(after)
	if len(a) > mostCompared || len(b) > mostCompared {
		return []string{fmt.Sprintf("replaces %d lines by %d", len(a), len(b))}
	}
	// common[i][j] is the length of the longest common part of a[i:] and b[j:].
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i, x := range slices.Backward(a) {
		for j, y := range slices.Backward(b) {
			if x == y {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	for i, j := 0, 0; i < len(a) || j < len(b); {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			out = append(out, "- "+a[i])
			i++
		default:
			out = append(out, "+ "+b[j])
			j++
		}
	}
	return out
}

// whole is difference for a person: where it would be too long to compare, all that
// will be is shown, or the kit refuses to ask.
func whole(before, after json.RawMessage) []string {
	if b := lines(after); len(lines(before)) > mostCompared || len(b) > mostCompared {
		return append(difference(before, after), b...)
	}
	return difference(before, after)
}

// shown is the beginning of a difference, for a model.
func shown(lines []string) (out []string) {
	for _, line := range lines[:min(len(lines), mostShown)] {
		out = append(out, show.Clip(line, 300))
	}
	if left := len(lines) - len(out); left > 0 {
		out = append(out, fmt.Sprintf("... %d more lines", left))
	}
	return out
}

// lines are those of a configuration, its members sorted, without the id.
func lines(raw json.RawMessage) []string {
	var config map[string]any
	if json.Unmarshal(raw, &config) != nil {
		return nil
	}
	delete(config, "id")
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if enc.Encode(config) != nil {
		return nil
	}
	return strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
}
