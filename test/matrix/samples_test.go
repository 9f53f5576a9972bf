package matrix_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"drawbridge/test/harness"
)

// says is a probe of a sample server's tool: its result holds a text, which shows
// where it comes from.
func says(tool string, args map[string]any, want string) probe {
	return func(ctx context.Context, c *cell) error {
		got, err := c.callWith(ctx, tool, args, nil)
		if err == nil && !strings.Contains(got.text(), want) {
			err = fmt.Errorf("%s says %q", tool, got.text())
		}
		return err
	}
}

// greets is the probe of the lifecycle where only the client's end can be seen.
func greets(ctx context.Context, c *cell) error {
	if c.greeting.Revision != c.door.revision {
		return fmt.Errorf("the client speaks %q", c.greeting.Revision)
	}
	if c.door.modern() {
		return nil
	}
	return c.do(ctx, "ping", nil, nil)
}

// reports is a probe of a tool that reports progress so many times.
func reports(tool string, args map[string]any, times int) probe {
	return func(ctx context.Context, c *cell) error {
		got, err := c.callWith(ctx, tool, args, &due{"progress", times})
		if err == nil && count(got.events, "progress") != times {
			err = fmt.Errorf("%d reports came", count(got.events, "progress"))
		}
		return err
	}
}

// logs is a probe of a tool that logs so many times at the level info.
func logs(tool string, times int) probe {
	return func(ctx context.Context, c *cell) error {
		for _, l := range []struct {
			level string
			times int
		}{{"error", 0}, {"info", times}} {
			if err := c.do(ctx, "level", request{Level: l.level}, nil); err != nil {
				return err
			}
			got, err := c.callWith(ctx, tool, nil, &due{"log", l.times})
			if err != nil {
				return err
			}
			if n := count(got.events, "log"); n != l.times {
				return fmt.Errorf("%d messages came at %s", n, l.level)
			}
		}
		return nil
	}
}

// changes is a probe of a tool that changes the list of tools.
func changes(tool string) probe {
	return func(ctx context.Context, c *cell) error {
		if err := c.do(ctx, "forget", nil, nil); err != nil {
			return err
		}
		if _, err := c.callWith(ctx, tool, nil, nil); err != nil {
			return err
		}
		return c.until(ctx, request{Kind: "tools"})
	}
}

// ofGo are the probes of the Go SDK's everything-server, in its legacy or its
// modern mode.
func ofGo(modern bool) map[feature]probe {
	p := map[feature]probe{
		lifecycle:   greets,
		lists:       probeLists(offers{"test_simple_text", "test_simple_prompt", "test://static-text", "test://template/{id}/data"}),
		calls:       says("test_simple_text", nil, "This is a simple text response for testing."),
		progress:    reports("test_tool_with_progress", nil, 3),
		logging:     logs("test_logging_tool", 1),
		listChanges: changes("test_trigger_tool_change"),
		elicitForm:  says("test_input_required_result_elicitation", nil, "Hello, re:"),
		sampling:    says("test_input_required_result_sampling", nil, "sampled:"),
		roots:       says("test_input_required_result_list_roots", nil, "file:///ada"),
	}
	if !modern {
		p[elicitForm] = says("test_elicitation", map[string]any{"message": "Who?"}, "username:re:Who?")
		p[sampling] = says("test_sampling", map[string]any{"prompt": "Why?"}, "sampled:Why?")
	}
	return p
}

// ofNode are the probes of npm's server-everything. Its questions are told apart
// by what it prints of the answers. It asks for roots once in a session, whenever
// it likes, so that nobody can tell which client it has them from.
var ofNode = map[feature]probe{
	lifecycle:  greets,
	lists:      probeLists(offers{"echo", "simple-prompt", "demo://resource/static/document/features.md", "demo://resource/dynamic/text/{resourceId}"}),
	calls:      says("echo", map[string]any{"message": "hello"}, "Echo: hello"),
	progress:   reports("trigger-long-running-operation", map[string]any{"duration": 0.03, "steps": 3}, 3),
	elicitForm: says("trigger-elicitation-request", nil, "re:Please provide inputs"),
	elicitURL:  says("trigger-url-elicitation", map[string]any{"url": "https://example.com/visit"}, "accept"),
	sampling:   says("trigger-sampling-request", map[string]any{"prompt": "Why?", "maxTokens": 5}, "sampled:Resource trigger-sampling-request context: Why?"),
	completion: completesDepartments,
	structured: tellsWeather,
}

// ofNodeTasks are the same and a tool that needs a task, of four seconds.
func ofNodeTasks() map[feature]probe {
	out := maps.Clone(ofNode)
	topic := map[string]any{"topic": "bridges"}
	out[taskTools] = says("simulate-research-query", topic, report)
	out[tasks] = func(ctx context.Context, c *cell) error {
		got, err := c.runTask(ctx, "simulate-research-query", topic)
		if err == nil && !strings.Contains(got.Result.text(), report) {
			err = fmt.Errorf("the client saw %+v", got)
		}
		return err
	}
	return out
}

const report = "# Research Report: bridges"

// completesDepartments: the second argument's values depend on the context.
func completesDepartments(ctx context.Context, c *cell) error {
	r := request{Ref: json.RawMessage(`{"type":"ref/prompt","name":"completable-prompt"}`), Argument: json.RawMessage(`{"name":"department","value":"S"}`)}
	want := []string{"Sales", "Support"}
	if c.door.revision >= r0618 {
		r.Argument, r.Context = json.RawMessage(`{"name":"name","value":""}`), json.RawMessage(`{"arguments":{"department":"Sales"}}`)
		want = []string{"David", "Eve", "Frank"}
	}
	var got struct{ Completion struct{ Values []string } }
	if err := c.do(ctx, "complete", r, &got); err != nil {
		return err
	}
	return differ("values", want, got.Completion.Values)
}

func tellsWeather(ctx context.Context, c *cell) error {
	got, err := c.callWith(ctx, "get-structured-content", map[string]any{"location": "Chicago"}, nil)
	if err != nil {
		return err
	}
	weather, ok := got.StructuredContent.(map[string]any)
	if !ok || weather["humidity"] != 82.0 {
		return errors.New("no weather")
	}
	return nil
}

// samples are the official sample servers.
func samples() []*backend {
	const golang, npm = "everything-server (Go SDK 1.8.0)", "server-everything (npm, 2026.8.31)"
	row := func(revision, transport, program string, probes map[feature]probe, start func(t testing.TB) map[string]any) *backend {
		return &backend{revision: revision, transport: transport, program: program, probes: probes,
			start: func(t testing.TB) (harness.Servers, *ledger, *ledger) {
				entry := start(t)
				entry["prefix"] = ""
				return harness.Servers{mainEntry: entry}, nil, nil
			}}
	}
	rows := []*backend{
		row(r1125, overStdio, npm, ofNodeTasks(), func(t testing.TB) map[string]any {
			return map[string]any{"command": harness.Tool(t, "mcp-server-everything"), "args": []string{"stdio"}, "env": map[string]string{"PATH": harness.ToolPath(t)}}
		}),
		row(r1125, overSSE, npm, ofNode, func(t testing.TB) map[string]any { return map[string]any{"url": everything(t, "sse") + "/sse"} }),
		row(r1125, overHTTP, npm, ofNode, func(t testing.TB) map[string]any {
			return map[string]any{"url": everything(t, "streamableHttp") + "/mcp"}
		}),
		row(r1125, overHTTP, golang, ofGo(false), func(t testing.TB) map[string]any {
			return map[string]any{"url": harness.EverythingServer(t, false)}
		}),
		row(r2026, overHTTP, golang, ofGo(true), func(t testing.TB) map[string]any {
			return map[string]any{"url": harness.EverythingServer(t, true)}
		}),
		row(r2026, overStdio, golang, ofGo(true), func(t testing.TB) map[string]any {
			return map[string]any{"command": harness.Tool(t, "everything-server")}
		}),
	}
	rows[0].slow = []feature{tasks, taskTools}
	return rows
}

// everything starts npm's sample server over an HTTP transport.
func everything(t testing.TB, transport string) string {
	addr := harness.FreeAddr(t)
	port := addr[strings.LastIndexByte(addr, ':')+1:]
	harness.Start(t, harness.Command(t, harness.Tool(t, "mcp-server-everything"), []string{transport}, "PORT="+port)).Await(t, addr)
	return "http://" + addr
}
