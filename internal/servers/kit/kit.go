// Package kit is what a built-in server is made of: tools from Go functions,
// resources, prompts, and everything around them that must be the same in every
// server.
//
// A server declares a Spec: typed tools made with Read, Write and Destroy,
// resources, templates, prompts. The kit derives the schemas, checks arguments,
// keys state by user, bounds time and output, turns errors into public text and
// logs their cause once. A Server is a mcpwire.Handler in the shape of the newest
// revision; the backend for built-in servers wraps it, the gateway translates for
// older clients. A server knows neither the wire nor HTTP.
//
// For the author of a server:
//
//   - Arguments are a struct (tags: package shape), outputs a struct or Text. The
//     text of an output is its compact JSON, or what its Text method says.
//   - A failure is a fault whose sentence ends in what to do; its cause is logged.
//     An Upstream gives such faults for whatever a system answers.
//   - A tool made with Destroy runs only after a person has approved the call
//     outside of the model. The kit does all of it. WithPreview tells the person
//     what will happen. A tool that is dangerous only sometimes returns Ask before
//     it has done anything, and looks at Call.Confirmed.
//   - WithPreview also gives a tool dry_run; Undoable and Call.Undo tell how to
//     take the work back.
//   - A list is read in pages: PageIn in the input, its Window, Cut or Fit, PageOut in
//     the output.
//   - What strangers wrote is Untrusted in an output, or goes through Call.Outside.
//   - Work that may take minutes is Long: the same handler, which goes on as a job.
//   - A tool Keeping another server's contract has none of this, to the letter.
//   - Credentials come from Call.Credential, files from Call.OpenFile, lists of what
//     may be touched are Targets. A server reads no environment and no clock but
//     Deps.Now, and writes nothing but its own tables.
package kit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"drawbridge/internal/mcpwire"
	"drawbridge/internal/servers/kit/approval"
	"drawbridge/internal/servers/kit/jobs"
	"drawbridge/internal/servers/kit/runner"
	"drawbridge/internal/servers/kit/settings"
	"drawbridge/internal/servers/kit/shelf"
	"drawbridge/internal/servers/kit/watch"
)

// Spec is what a server is.
type Spec struct {
	Name         string // as in the table of servers
	Title        string
	Instructions string // for the model: what the server is for, in a few sentences

	Tools     []Tool
	Resources []Resource
	Templates []Template
	Prompts   []Prompt

	// Sets names the toolsets in the order they are documented. A tool without a
	// set is always there.
	Sets []Set
	// Common are the operator's settings; their zero is mode write, 32 parallel calls
	// and 30 s for one.
	Common
	// OpenWorld says that the tools reach a system outside of Drawbridge.
	OpenWorld bool
	// Spaces gives every tool the optional argument space, see Call.Space. Tools
	// that keep a contract take it, too, but do not list it.
	Spaces bool
	// UnknownTool, where a contract with another server asks for it, is the text
	// of the isError result for a tool that does not exist. nil: an error -32602.
	UnknownTool func(name string) string
	// Patience is how long a request waits for a Long tool; 0 is 50 s.
	Patience time.Duration

	// Prepare runs before the first request that needs the server's state, until
	// it succeeds once: lists work while it cannot. May be nil.
	Prepare func(ctx context.Context) error
	// Close releases what the server holds. May be nil.
	Close func(ctx context.Context) error
}

const defaultParallel = 32

// Server serves one Spec. It is safe for concurrent use.
type Server struct {
	spec   Spec
	deps   Deps
	gate   settings.Gate
	tools  map[string]Tool
	list   []byte // rendered tools/list result
	shelf  *shelf.Shelf[*Call]
	runner *runner.Runner
	desk   *approval.Desk
	jobs   *jobs.Registry[result]

	watchers watch.Registry
}

// New checks a Spec and makes its Server. What it refuses are mistakes of the
// server's author or of its configuration.
func New(spec Spec, deps Deps) (*Server, error) {
	if err := deps.Validate(); err != nil {
		return nil, fmt.Errorf("server %s: %w", spec.Name, err)
	}
	spec.Parallel = cmp.Or(spec.Parallel, defaultParallel)
	spec.Timeout = cmp.Or(spec.Timeout, defaultTimeout)
	spec.Patience = cmp.Or(spec.Patience, defaultPatience)
	spec.Mode = cmp.Or(spec.Mode, ModeWrite)
	desk, err := approval.NewDesk(deps.Now)
	if err != nil {
		return nil, fmt.Errorf("server %s: %w", spec.Name, err)
	}
	s := &Server{spec: spec, deps: deps, runner: runner.New(spec.Name, spec.Parallel, spec.Prepare), desk: desk}
	s.gate = settings.Gate{Server: spec.Name, Sets: spec.Sets, Mode: spec.Mode, Toolsets: spec.Toolsets}
	s.jobs = jobs.New[result](deps.Now, jobs.DefaultLimits(), func(user, id string) { s.watchers.Updated(user, s.jobURI(id)) })
	s.offerJobs()
	if s.shelf, err = shelf.New(s.spec.Resources, s.spec.Templates, s.spec.Prompts); err != nil {
		return nil, fmt.Errorf("server %s: %w", spec.Name, err)
	}
	if err := s.offerTools(); err != nil {
		return nil, fmt.Errorf("server %s: %w", spec.Name, err)
	}
	return s, nil
}

// Name is the server's name in the table of servers.
func (s *Server) Name() string { return s.spec.Name }

// Mode caps what the tools may do.
func (s *Server) Mode() Mode { return s.spec.Mode }

// Does says in a word or two what a tool may do, for people.
func (s *Server) Does(tool string) string {
	switch t := s.tools[tool]; {
	case t.tier == settings.Read:
		return "reads"
	case t.tier == settings.Write:
		return "writes"
	case t.restorable:
		return "dangerous, restorable"
	case t.contract != nil:
		return "dangerous, never asked about"
	case t.asksItself:
		return "dangerous, asks where it must"
	}
	return "dangerous"
}

// Toolset names the toolset of a tool; "" for one that is always there.
func (s *Server) Toolset(tool string) string { return s.tools[tool].set }

// Close ends the jobs and releases what the server holds. Calls must have ended.
func (s *Server) Close(ctx context.Context) error {
	err := s.jobs.Stop(ctx)
	if s.spec.Close == nil {
		return err
	}
	return errors.Join(err, s.spec.Close(ctx))
}

// Info is what the server says of itself at server/discover or initialize.
func (s *Server) Info() mcpwire.Hello {
	caps := []byte(`{"tools":{"listChanged":true}`)
	if s.shelf.HasResources() {
		caps = append(caps, `,"resources":{"listChanged":true,"subscribe":true}`...)
	}
	if s.shelf.HasPrompts() {
		caps = append(caps, `,"prompts":{"listChanged":true}`...)
	}
	if s.shelf.Completes() {
		caps = append(caps, `,"completions":{}`...)
	}
	info := struct {
		Name    string `json:"name"`
		Title   string `json:"title,omitempty"`
		Version string `json:"version"`
	}{s.spec.Name, s.spec.Title, s.deps.Version}
	return mcpwire.Hello{Capabilities: append(caps, '}'), ServerInfo: mustJSON(info), Instructions: s.spec.Instructions}
}
