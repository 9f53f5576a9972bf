package kittest

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"
	"github.com/tiktoken-go/tokenizer"

	"drawbridge/internal/mcpwire"
	"drawbridge/internal/secret"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/kit/filestore"
	"drawbridge/internal/tables"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing")

// Updating tells whether golden files are to be written. The flag is -update.
func Updating() bool { return *update }

// Bounds on what a server costs a model before its first call.
const (
	maxDefaultTools  = 24
	maxDefaultTokens = 6000
)

// Case is how one tool is called well and badly.
type Case struct {
	Tool   string
	Before []Step // calls that prepare the state; all must succeed
	Good   string // arguments that work
	Bad    string // arguments that are refused as an error result
	// Other are arguments that would work, too: for a tool that a person has to
	// approve, so that an approval can be tried on them.
	Other string
	// Asks are arguments for which the tool asks a person by itself, see kit.Ask.
	// Tools made with Destroy are asked about with Good.
	Asks string
	// Restorable says that what the tool removes comes back on request, so that it
	// needs neither an approval nor the mode all.
	Restorable bool
	// Survives names faults of the upstream with which the call succeeds all the
	// same (see Faults), because it needs no answer or makes something of it.
	Survives []string
}

// Step is one call.
type Step struct{ Tool, Args string }

// Suite is what Run needs to know of a server.
type Suite struct {
	// New opens the server. The suite sets mode and toolsets. See Opens.
	New func(set kit.Settings, deps kit.Deps) (*kit.Server, error)
	// Settings are those without which the server does not open.
	Settings map[string]string
	// Cases has one for every tool of every toolset but the kit's own.
	Cases []Case
	// Databases are the engines to run on; empty for a server without tables.
	Databases []Database
	// Upstream, for a server that speaks HTTP to a system, is that system's fake.
	Upstream *Upstream
	// Secrets must not appear in any output or log. The cases put them in place.
	Secrets []string
}

// Opens joins a server's reading of its settings and its constructor.
func Opens[C any](read func(kit.Settings) (C, error), open func(C, kit.Deps) (*kit.Server, error)) func(kit.Settings, kit.Deps) (*kit.Server, error) {
	return func(set kit.Settings, deps kit.Deps) (*kit.Server, error) {
		cfg, err := read(set)
		if err != nil {
			return nil, err
		}
		return open(cfg, deps)
	}
}

// Database opens an empty database for a test.
type Database struct {
	Name string
	Open func(t *testing.T) tables.DB
}

// Run holds a server to the contract.
func Run(t *testing.T, s Suite) {
	if len(s.Databases) == 0 {
		s.Databases = []Database{{Name: "no database", Open: func(*testing.T) tables.DB { return nil }}}
	}
	t.Run("tool list", s.toolList)
	t.Run("schemas and hints", s.schemas)
	t.Run("default set", s.defaultSet)
	t.Run("gate", s.gate)
	t.Run("approval", s.approval)
	for _, db := range s.Databases {
		t.Run("calls on "+db.Name, func(t *testing.T) { s.calls(t, db) })
		t.Run("cancel on "+db.Name, func(t *testing.T) { s.cancel(t, db) })
	}
	if s.Upstream != nil {
		t.Run("upstream", s.upstream)
	}
}

// allSets switches all toolsets on.
const allSets = "all"

// Open makes a server for a test with a log the test can read: everything
// switched on, or the toolsets that are on by themselves.
func (s Suite) Open(t *testing.T, db tables.DB, all bool) (*kit.Server, *Log) {
	t.Helper()
	sets := ""
	if all {
		sets = allSets
	}
	return s.open(t, db, kit.ModeAll, sets, nil)
}

// open makes a server in a mode with toolsets, on a fake upstream of its own where
// at is nil.
func (s Suite) open(t *testing.T, db tables.DB, mode kit.Mode, sets string, at *place) (*kit.Server, *Log) {
	t.Helper()
	values := map[string]secret.String{"toolsets": secret.New(sets)}
	for k, v := range s.Settings {
		values[k] = secret.New(v)
	}
	if s.Upstream != nil {
		if at == nil {
			at = s.Upstream.start(t)
		}
		for k, v := range s.Upstream.Settings(at.url, at.caFile) {
			values[k] = secret.New(v)
		}
	}
	log := &Log{}
	deps := Deps(log, db)
	deps.Files = files(t)
	srv, err := s.New(kit.Settings{Mode: mode, Values: values}, deps)
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

// files are a store of files for one test.
func files(t *testing.T) kit.Files {
	t.Helper()
	store, err := filestore.Open(t.TempDir(), filestore.DefaultLimits(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Errorf("close files: %v", err)
		}
	})
	return store
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

// Definitions are the tools of a server as a list shows them.
func Definitions(t testing.TB, c *Client) json.RawMessage {
	t.Helper()
	var list struct{ Tools json.RawMessage }
	if err := json.Unmarshal(c.Ask(t, mcpwire.MethodToolsList, ""), &list); err != nil {
		t.Fatal(err)
	}
	return list.Tools
}

// Tokens counts text as a model of today does (o200k).
func Tokens(t testing.TB, text []byte) int {
	t.Helper()
	codec, err := tokenizer.Get(tokenizer.O200kBase)
	if err != nil {
		t.Fatal(err)
	}
	n, err := codec.Count(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// toolList compares the list with testdata/tools.golden.json: a difference is a
// change of the interface, to be reviewed as one. It needs no database.
func (s Suite) toolList(t *testing.T) {
	tools := Definitions(t, s.client(t, true))
	var got bytes.Buffer
	if err := json.Indent(&got, tools, "", "  "); err != nil {
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
	tokens := Tokens(t, Definitions(t, c))
	t.Logf("default set: %d tokens", tokens)
	if tokens > maxDefaultTokens {
		t.Errorf("the default set costs %d tokens, at most %d: say it shorter, or put tools into a toolset that is off", tokens, maxDefaultTokens)
	}
}

// calls makes every tool's good and bad call, checks outputs against their
// schemas, and looks for goroutines and secrets left behind.
func (s Suite) calls(t *testing.T, db Database) {
	srv, log := s.Open(t, db.Open(t), true)
	c := NewClient(srv, "admin").Approving()
	var outputs strings.Builder
	for _, tool := range Tools(t, c) {
		cs, ok := s.caseOf(tool.Name)
		if !ok {
			if !ofKit(tool.Name) {
				t.Errorf("there is no case for the tool %s", tool.Name)
			}
			continue
		}
		t.Run(tool.Name, func(t *testing.T) {
			s.prepare(t, c, cs, &outputs)
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
	t.Run("resources and prompts", func(t *testing.T) { s.offers(t, c, &outputs) })
	s.noSecrets(t, outputs.String(), log)
	if strings.Contains(log.String(), `"level":"ERROR"`) {
		t.Errorf("something went wrong inside:\n%s", log)
	}
	if err := srv.Close(context.Background()); err != nil {
		t.Errorf("close: %v", err)
	}
	noneLeft(t)
}

// ofKit tells the tools that the kit adds, which its own tests call.
func ofKit(tool string) bool { return tool == "job_status" || tool == "job_cancel" }

// prepare makes the calls before a case.
func (s Suite) prepare(t *testing.T, c *Client, cs Case, outputs *strings.Builder) {
	t.Helper()
	for _, step := range cs.Before {
		outputs.WriteString(c.Must(t, step.Tool, step.Args, nil).Text)
	}
}

// noSecrets looks for the suite's secrets where nobody must see them.
func (s Suite) noSecrets(t *testing.T, outputs string, log *Log) {
	t.Helper()
	for _, secret := range s.Secrets {
		if strings.Contains(outputs, secret) {
			t.Errorf("an output holds the secret %.4s...", secret)
		}
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log holds the secret %.4s...", secret)
		}
	}
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
	c := NewClient(srv, "admin").Approving()
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
			req.Caller = c.Caller
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
