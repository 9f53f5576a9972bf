package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"drawbridge/cmd/drawbridge/shell"
	"drawbridge/internal/account"
)

// selfCheckTime bounds one call of a self-check.
const selfCheckTime = 30 * time.Second

// errSelfCheck ends a self-check in which a call failed.
var errSelfCheck = errors.New("not all calls worked; each line says what to do next")

// selfCheck calls the tools of a built-in server that only read and need no
// arguments, against its real upstream, and tells how each call ended. The report
// is made to be handed on: what the tools answer is not in it.
func (p *program) selfCheck(ctx context.Context, c *client) error {
	ctx = account.WithPrincipal(ctx, account.Local())
	tools, err := c.list(ctx)
	if err != nil {
		return err
	}
	rows, failed := [][]string{}, false
	for _, raw := range tools {
		var t checked
		if err := json.Unmarshal(raw, &t); err != nil {
			return fmt.Errorf("read tool: %w", err)
		}
		why := t.skipped()
		if why == "" {
			var ok bool
			why, ok = t.try(ctx, c)
			failed = failed || !ok
		}
		rows = append(rows, []string{t.Name, why})
	}
	shell.Table(p.Out, rows)
	if failed {
		return errSelfCheck
	}
	return nil
}

// checked is what a self-check reads of a tool.
type checked struct {
	Name        string
	Annotations struct{ ReadOnlyHint bool }
	InputSchema struct{ Required []string }
}

// skipped says why a tool is not tried, "" where it is.
func (t *checked) skipped() string {
	if !t.Annotations.ReadOnlyHint {
		return "not tried: it changes things"
	}
	if needs := t.InputSchema.Required; len(needs) > 0 {
		slices.Sort(needs)
		return "not tried: it needs " + strings.Join(needs, ", ")
	}
	return ""
}

// try calls the tool and tells how that ended, in one line.
func (t *checked) try(ctx context.Context, c *client) (line string, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, selfCheckTime)
	defer cancel()
	raw, err := c.call(ctx, t.Name, []byte("{}"))
	if err != nil {
		return "failed: " + firstLine(err.Error()), false
	}
	var result struct {
		IsError bool
		Content []struct{ Text string }
	}
	switch err := json.Unmarshal(raw, &result); {
	case err != nil:
		return "failed: its answer cannot be read", false
	case result.IsError && len(result.Content) > 0:
		return "failed: " + firstLine(result.Content[0].Text), false
	case result.IsError:
		return "failed", false
	}
	return fmt.Sprintf("ok, %d bytes", len(raw)), true
}
