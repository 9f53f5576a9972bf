package matrix_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// asks is the probe of a tool that asks one question: the client was asked,
// and the result shows that the answer came back to the backend.
func asks(tool, kind string, want func(token string) string) probe {
	return func(ctx context.Context, c *cell) error {
		mark := c.ledger.mark()
		got, err := c.call(ctx, tool, nil)
		if err != nil {
			return err
		}
		if got.text() != want(c.token) {
			return fmt.Errorf("%s says %q", tool, got.text())
		}
		if err := c.asked(got.events, kind); err != nil {
			return err
		}
		_, err = c.reached(c.ledger, mark, tool)
		return err
	}
}

// asked tells whether the client was asked once, and with the words of the
// backend. The Go SDK's client is not told of roots.
func (c *cell) asked(events []event, kind string) error {
	all := of(events, kind)
	if kind == "" {
		return nil
	}
	if len(all) != 1 {
		return fmt.Errorf("the client was asked %d times", len(all))
	}
	var p struct{ Mode, Message, URL string }
	if kind != "elicit" {
		return nil
	}
	if err := json.Unmarshal(all[0].Params, &p); err != nil {
		return err
	}
	if p.Message != c.token || p.Mode == "url" && p.URL != "https://example.com/"+c.token {
		return fmt.Errorf("the client was asked %s", all[0].Params)
	}
	return nil
}

// probeCompletion: values come, and the context of other arguments goes where it
// is defined, and only there.
func probeCompletion(ctx context.Context, c *cell) error {
	r := request{
		Ref:      json.RawMessage(`{"type":"ref/prompt","name":"greet"}`),
		Argument: json.RawMessage(`{"name":"name","value":"` + c.token + `"}`),
	}
	want := []string{"greet name " + c.token}
	if c.door.revision >= r0618 {
		r.Context = json.RawMessage(`{"arguments":{"style":"warm"}}`)
		if c.backend.revision >= r0618 {
			want = append(want, "style is warm")
		}
	}
	mark := c.ledger.mark()
	var got struct{ Completion struct{ Values []string } }
	if err := c.do(ctx, "complete", r, &got); err != nil {
		return err
	}
	if err := differ("values", want, got.Completion.Values); err != nil {
		return err
	}
	n, err := c.ledger.message(mark, "completion/complete")
	if err != nil {
		return err
	}
	if strings.Contains(string(n.Raw), "warm") != (len(want) == 2) {
		return fmt.Errorf("the backend got %s", n.Raw)
	}
	return nil
}

// probeStructured: the tool is listed with its schema, and the result has the
// object that fits it, beside the same as text.
func probeStructured(ctx context.Context, c *cell) error {
	all, err := c.list(ctx, "tools")
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(all, func(item map[string]any) bool { return item["name"] == "measure" && item["outputSchema"] != nil }) {
		return errors.New("no tool is listed with an output schema")
	}
	got, err := c.call(ctx, "measure", nil)
	if err != nil {
		return err
	}
	want := map[string]any{"text": c.token, "length": float64(len(c.token))}
	if err := differ("structured content", any(want), got.StructuredContent); err != nil {
		return err
	}
	var text any
	if err := json.Unmarshal([]byte(got.text()), &text); err != nil {
		return fmt.Errorf("the text is not the same as JSON: %w", err)
	}
	return differ("text", any(want), text)
}

// probeTasks: the client runs a tool as a task of its own revision's kind, looks
// at it until it is done, and has the result.
func probeTasks(ctx context.Context, c *cell) error {
	if c.tasks == nil {
		return errors.New("the backend has no tasks")
	}
	mark := c.tasks.mark()
	got, err := c.runTask(ctx, "ponder", map[string]any{"text": c.token})
	if err != nil {
		return err
	}
	if got.Result.text() != "pondered "+c.token {
		return fmt.Errorf("the client saw %+v", got)
	}
	if strings.HasPrefix(got.ID, "inner-") {
		return errors.New("the client has the backend's own id of the task")
	}
	if _, err := c.tasks.find(mark, "tasks/get with its own id", func(n note) bool {
		var p struct{ TaskID string }
		return n.Kind == arrived && n.Method == "tasks/get" && n.params(&p) == nil && strings.HasPrefix(p.TaskID, "inner-")
	}); err != nil {
		return err
	}
	return c.once(mark, "ponder")
}

// finished is a task that a client ran to its end.
type finished struct {
	ID       string
	Statuses []string
	Result   result
}

// runTask has the client run a tool as a task, and wants one to have been made.
func (c *cell) runTask(ctx context.Context, name string, args map[string]any) (finished, error) {
	var got finished
	if err := c.do(ctx, "task", request{Name: name, Arguments: args}, &got); err != nil {
		return got, err
	}
	if got.ID == "" || len(got.Statuses) == 0 {
		return got, fmt.Errorf("the client saw no task: %+v", got)
	}
	return got, nil
}

// once tells whether the tasks fixture was called exactly once.
func (c *cell) once(mark int, name string) error {
	if _, err := c.reached(c.tasks, mark, name); err != nil {
		return err
	}
	notes, _ := c.tasks.since(mark)
	n := 0
	for _, m := range notes {
		if m.Kind == arrived && m.Method == "tools/call" {
			n++
		}
	}
	if n != 1 {
		return fmt.Errorf("the backend was called %d times", n)
	}
	return nil
}

// probeTaskTools: a client that knows nothing of tasks calls a tool that needs
// one, or may make one, and has its plain result.
func probeTaskTools(ctx context.Context, c *cell) error {
	if c.tasks == nil {
		return errors.New("the backend has no tasks")
	}
	name := "ponder_long"
	if c.backend.revision == r2026 { // where the server decides, by what the client declares
		name = "ponder"
	}
	mark := c.tasks.mark()
	got, err := c.call(ctx, name, nil)
	if err != nil {
		return err
	}
	if got.text() != "pondered "+c.token || got.Task != nil || got.Type == "task" {
		return fmt.Errorf("the client saw %+v", got)
	}
	return c.once(mark, name)
}
