// Package inspector_test uses the gateway as a person with MCP Inspector would:
// its command line lists and calls the tools of five real servers and of the
// built-in ones at once, in every era that it speaks.
package inspector_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"drawbridge/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// call is one tool call with a text that its result must hold.
type call struct {
	tool string
	args []string
	want string
}

// tool is what matters of a listed tool.
type tool struct{ Name string }

func TestInspector(t *testing.T) {
	inspector := harness.Tool(t, "mcp-inspector")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "note.txt"), []byte("the drawbridge is down"), 0o600); err != nil {
		t.Fatal(err)
	}
	g := harness.Serve(t, backends(t, dir))
	calls := []call{
		{"everystdio_echo", []string{"message=over stdio"}, "Echo: over stdio"},
		{"everyhttp_echo", []string{"message=over http"}, "Echo: over http"},
		{"everysse_echo", []string{"message=over sse"}, "Echo: over sse"},
		{"knowledge_read_graph", nil, "entities"},
		{"files_read_text_file", []string{"path=" + filepath.Join(dir, "note.txt")}, "the drawbridge is down"},
		{"memory_read_graph", nil, "entities"},
		{"sequentialthinking", []string{"thought=first", "thoughtNumber=1", "totalThoughts=1", "nextThoughtNeeded=false"}, "thoughtHistoryLength"},
	}
	for _, era := range []string{"legacy", "auto", "modern"} {
		t.Run(era, func(t *testing.T) {
			t.Parallel()
			target := []string{"--cli", g.URL, "--transport", "http", "--protocol-era", era, "--header", "Authorization: Bearer " + harness.Key}
			drive(t, inspector, target, calls)
		})
	}
	// A client of 2024-11-05 finds the same behind the older transport.
	t.Run("HTTP+SSE", func(t *testing.T) {
		t.Parallel()
		target := []string{"--cli", "http://" + g.Addr + "/sse", "--transport", "sse", "--header", "Authorization: Bearer " + harness.Key}
		drive(t, inspector, target, calls[:1])
	})
}

// backends are five real servers: three transports of one, and two more on
// stdio, one of them under another name than the built-in server it resembles.
func backends(t *testing.T, dir string) harness.Servers {
	t.Helper()
	env := map[string]string{"PATH": harness.ToolPath(t), "MEMORY_FILE_PATH": filepath.Join(dir, "graph.jsonl")}
	everything := harness.Tool(t, "mcp-server-everything")
	return harness.Servers{
		"everystdio": {"command": everything, "args": []string{"stdio"}, "env": env},
		"everyhttp":  {"url": listen(t, everything, "streamableHttp") + "/mcp", "type": "http"},
		"everysse":   {"url": listen(t, everything, "sse") + "/sse", "type": "sse"},
		"knowledge":  {"command": harness.Tool(t, "mcp-server-memory"), "env": env},
		"files":      {"command": harness.Tool(t, "mcp-server-filesystem"), "args": []string{dir}, "env": env},
	}
}

func listen(t *testing.T, everything, transport string) string {
	t.Helper()
	addr := harness.FreeAddr(t)
	port := addr[strings.LastIndexByte(addr, ':')+1:]
	harness.Start(t, harness.Command(t, everything, []string{transport}, "PORT="+port)).Await(t, addr)
	return "http://" + addr
}

// drive lists the tools and makes the calls, each as one run of the Inspector.
func drive(t *testing.T, inspector string, target []string, calls []call) {
	t.Helper()
	var list struct{ Tools []tool }
	run(t, inspector, target, []string{"--method", "tools/list"}, &list)
	for _, c := range calls {
		if !slices.Contains(list.Tools, tool{c.tool}) {
			t.Errorf("tools/list does not have %s", c.tool)
			continue
		}
		args := []string{"--method", "tools/call", "--tool-name", c.tool}
		for _, a := range c.args {
			args = append(args, "--tool-arg", a)
		}
		var result struct {
			IsError bool `json:"isError"`
			Content []struct {
				Text string `json:"text"`
			} `json:"content"`
		}
		run(t, inspector, target, args, &result)
		if result.IsError || len(result.Content) == 0 || !strings.Contains(result.Content[0].Text, c.want) {
			t.Errorf("%s answered %+v, without %q", c.tool, result, c.want)
		}
	}
}

func run(t *testing.T, inspector string, target, args []string, into any) {
	t.Helper()
	cmd := harness.Command(t, inspector, slices.Concat(target, args))
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("mcp-inspector %s: %v\n%s%s", strings.Join(args, " "), err, &out, &errs)
	}
	if err := json.Unmarshal(out.Bytes(), into); err != nil {
		t.Fatalf("mcp-inspector %s did not print JSON: %v\n%s", strings.Join(args, " "), err, &out)
	}
}
