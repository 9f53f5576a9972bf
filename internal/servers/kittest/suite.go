package kittest

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"

	"drawbridge/internal/mcpwire"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/tables"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing")

// Bounds on what a server costs a model before its first call. The tokens are
// bytes / 4, which a tokenizer confirms within a fifth for schemas in English.
const (
	maxDefaultTools  = 24
	maxDefaultTokens = 9000
)

// Case is how one tool is called well and badly.
type Case struct {
	Tool   string
	Before []Step // calls that prepare the state; all must succeed
	Good   string // arguments that work
	Bad    string // arguments that are refused as an error result
}

// Step is one call.
type Step struct{ Tool, Args string }

// Suite is what Run needs to know of a server.
type Suite struct {
	// New opens the server with its default settings, or with all toolsets.
	New func(deps kit.Deps, all bool) (*kit.Server, error)
	// Cases has one for every tool of every toolset.
	Cases []Case
	// Databases are the engines to run on; empty for a server without tables.
	Databases []Database
	// Secrets must not appear in any output or log. The cases put them in place.
	Secrets []string
}

// Database opens an empty database for a test.
type Database struct {
	Name string
	Open func(t *testing.T) tables.DB
}

// Run holds a server to the contract.
func Run(t *testing.T, s Suite) {
	t.Run("tool list", s.toolList)
	t.Run("schemas and hints", s.schemas)
	t.Run("default set", s.defaultSet)
	if len(s.Databases) == 0 {
		s.Databases = []Database{{Name: "no database", Open: func(*testing.T) tables.DB { return nil }}}
	}
	for _, db := range s.Databases {
		t.Run("calls on "+db.Name, func(t *testing.T) { s.calls(t, db) })
		t.Run("cancel on "+db.Name, func(t *testing.T) { s.cancel(t, db) })
	}
}

// Open makes a server for a test with a log the test can read.
func (s Suite) Open(t *testing.T, db tables.DB, all bool) (*kit.Server, *Log) {
	t.Helper()
	log := &Log{}
	srv, err := s.New(Deps(log, db), all)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return srv, log
}

// Deps are dependencies for a test: everything is logged to log.
func Deps(log *Log, db tables.DB) kit.Deps {
	return kit.Deps{
		Log: slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Now: time.Now, DB: db, Version: "test",
	}
}

// Log keeps what is written to it.
type Log struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

// Write keeps p.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// String is all that was written.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// ListedTool is a tool as tools/list shows it.
type ListedTool struct {
	Name         string             `json:"name"`
	Title        string             `json:"title"`
	Description  string             `json:"description"`
	InputSchema  *jsonschema.Schema `json:"inputSchema"`
	OutputSchema *jsonschema.Schema `json:"outputSchema"`
	Annotations  map[string]bool    `json:"annotations"`
	Execution    json.RawMessage    `json:"execution"`
}

// Tools lists the tools of a server.
func Tools(t testing.TB, c *Client) []ListedTool {
	t.Helper()
	var list struct{ Tools []ListedTool }
	if err := json.Unmarshal(c.Ask(t, mcpwire.MethodToolsList, ""), &list); err != nil {
		t.Fatal(err)
	}
	return list.Tools
}

func (s Suite) client(t *testing.T, all bool) *Client {
	t.Helper()
	srv, _ := s.Open(t, nil, all)
	return NewClient(srv, "admin")
}

// toolList compares the list with testdata/tools.golden.json: a difference is a
// change of the interface, to be reviewed as one. It needs no database.
func (s Suite) toolList(t *testing.T) {
	raw := s.client(t, true).Ask(t, mcpwire.MethodToolsList, "")
	var list struct{ Tools json.RawMessage }
	if err := json.Unmarshal(raw, &list); err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := json.Indent(&got, list.Tools, "", "  "); err != nil {
		t.Fatal(err)
	}
	got.WriteByte('\n')
	path := filepath.Join("testdata", "tools.golden.json")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; run the test with -update to write it", err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("the tool list changed (-golden +now); if it is meant, run with -update:\n%s", diff)
	}
}

// defaultSet bounds what the default set costs.
func (s Suite) defaultSet(t *testing.T) {
	c := s.client(t, false)
	if n := len(Tools(t, c)); n > maxDefaultTools {
		t.Errorf("%d tools in the default set, at most %d: put some into a toolset that is off", n, maxDefaultTools)
	}
	tokens := len(c.Ask(t, mcpwire.MethodToolsList, "")) / 4
	t.Logf("default set: about %d tokens", tokens)
	if tokens > maxDefaultTokens {
		t.Errorf("the default set costs about %d tokens, at most %d", tokens, maxDefaultTokens)
	}
}

// calls makes every tool's good and bad call, checks outputs against their
// schemas, and looks for goroutines and secrets left behind.
func (s Suite) calls(t *testing.T, db Database) {
	srv, log := s.Open(t, db.Open(t), true)
	c := NewClient(srv, "admin")
	var outputs strings.Builder
	for _, tool := range Tools(t, c) {
		cs, ok := s.caseOf(tool.Name)
		if !ok {
			t.Errorf("there is no case for the tool %s", tool.Name)
			continue
		}
		t.Run(tool.Name, func(t *testing.T) {
			for _, step := range cs.Before {
				outputs.WriteString(c.Must(t, step.Tool, step.Args, nil).Text)
			}
			good := c.Must(t, cs.Tool, cs.Good, nil)
			checkOutput(t, tool, good)
			outputs.WriteString(good.Text + string(good.Structured))
			if cs.Bad == "" {
				return // a tool that takes nothing has no bad arguments
			}
			bad := c.Refused(t, cs.Tool, cs.Bad)
			outputs.WriteString(bad)
			if bad == "" || strings.Contains(bad, "panic") {
				t.Errorf("bad arguments are answered with %q", bad)
			}
		})
	}
	for _, secret := range s.Secrets {
		if strings.Contains(outputs.String(), secret) {
			t.Errorf("an output holds the secret %.4s...", secret)
		}
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log holds the secret %.4s...", secret)
		}
	}
	if strings.Contains(log.String(), `"level":"ERROR"`) {
		t.Errorf("something went wrong inside:\n%s", log)
	}
	noneLeft(t)
}

func (s Suite) caseOf(tool string) (Case, bool) {
	for _, c := range s.Cases {
		if c.Tool == tool {
			return c, true
		}
	}
	return Case{}, false
}

// cancel calls every tool with a context that is over: it must come back.
func (s Suite) cancel(t *testing.T, db Database) {
	srv, _ := s.Open(t, db.Open(t), true)
	c := NewClient(srv, "admin")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, cs := range s.Cases {
		over := make(chan struct{})
		go func() { // ends with the call; a call that hangs fails the test
			defer close(over)
			req, werr := mcpwire.NewRequest(mcpwire.MethodToolsCall, mcpwire.LatestModern, []byte(callParams(cs.Tool, cs.Good)))
			if werr != nil {
				return
			}
			out := srv.Serve(c.Context(ctx), req, c.Sink)
			out.Close()
		}()
		select {
		case <-over:
		case <-time.After(5 * time.Second):
			t.Fatalf("%s did not return after its context ended", cs.Tool)
		}
	}
}

// ofServer matches a goroutine that a built-in server started; those of tests
// and of this package are not its own.
var ofServer = regexp.MustCompile(`created by drawbridge/internal/servers/[\w/]+\.`)

// noneLeft waits until no goroutine of a server is left.
func noneLeft(t *testing.T) {
	t.Helper()
	deadline := time.After(5 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for left := serverGoroutines(); len(left) > 0; left = serverGoroutines() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Errorf("%d goroutines are left:\n%s", len(left), strings.Join(left, "\n\n"))
			return
		}
	}
}

func serverGoroutines() (left []string) {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for stack := range strings.SplitSeq(string(stacks), "\n\n") {
		if by := ofServer.FindString(stack); by != "" && !strings.HasSuffix(by, "_test.") && !strings.HasSuffix(by, "/kittest.") {
			left = append(left, stack)
		}
	}
	return left
}
