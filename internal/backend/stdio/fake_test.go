package stdio_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// TestMain lets the test binary be the server that the tests run: with FAKE_ERA
// set it speaks MCP on its standard streams instead of testing.
func TestMain(m *testing.M) {
	switch era := os.Getenv("FAKE_ERA"); era {
	case "":
	case "sdk":
		sdkServer()
		return
	default:
		(&fakeServer{era: era, mode: os.Getenv("FAKE_MODE")}).run()
		return
	}
	os.Exit(m.Run())
}

// fakeServer is an MCP server with a tool for every way to behave, good and bad.
//
// era is the revision it answers with, or "dual" for both. mode is a misbehaviour
// as a whole: dies (at start), dies-probing, silent, slow-probe, stubborn (ignores
// end of input and SIGTERM), probe-lists-legacy.
type fakeServer struct {
	era, mode string

	mu        sync.Mutex // guards what follows, and writing
	waiting   map[string]chan json.RawMessage
	cancelled []string
	level     string
	listens   map[string]bool
	answer    chan string
}

type message struct {
	ID     json.RawMessage `json:"id,omitempty"`
	Method string          `json:"method,omitempty"`
	Params json.RawMessage `json:"params,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
	Error  json.RawMessage `json:"error,omitempty"`
}

func (s *fakeServer) modern() bool { return s.era == "2026-07-28" || s.era == "dual" }
func (s *fakeServer) legacy() bool { return s.era != "2026-07-28" }

func (s *fakeServer) run() {
	s.waiting, s.listens, s.answer = map[string]chan json.RawMessage{}, map[string]bool{}, make(chan string, 1)
	if s.mode == "dies" {
		fmt.Fprintln(os.Stderr, "cannot find module hunter2secret")
		os.Exit(7)
	}
	if s.mode == "stubborn" {
		signal.Ignore(syscall.SIGTERM)
	}
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			break
		}
		var m message
		if err := json.Unmarshal(line, &m); err != nil {
			fmt.Fprintln(os.Stderr, "bad line:", err)
			continue
		}
		s.handle(m)
	}
	if s.mode == "stubborn" {
		select {}
	}
}

func (s *fakeServer) write(b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = os.Stdout.Write(append(b, '\n'))
}

func (s *fakeServer) send(format string, args ...any) { s.write(fmt.Appendf(nil, format, args...)) }

func (s *fakeServer) result(id json.RawMessage, format string, args ...any) {
	s.send(`{"result":%s,"jsonrpc":"2.0","id":%s}`, fmt.Sprintf(format, args...), id)
}

func (s *fakeServer) fail(id json.RawMessage, code int) {
	s.send(`{"jsonrpc":"2.0","id":%s,"error":{"code":%d,"message":"no","data":{"n":9007199254740993}}}`, id, code)
}

func (s *fakeServer) handle(m message) {
	if m.Method == "" {
		s.mu.Lock()
		ch := s.waiting[string(m.ID)]
		s.mu.Unlock()
		if ch != nil {
			ch <- append(m.Result, m.Error...)
		}
		return
	}
	if s.mode == "silent" {
		return
	}
	switch m.Method {
	case "server/discover":
		s.discover(m)
	case "initialize":
		s.initialize(m)
	case "notifications/cancelled":
		s.cancel(m)
	case "subscriptions/listen":
		s.listen(m)
	case "logging/setLevel":
		var p struct{ Level string }
		_ = json.Unmarshal(m.Params, &p)
		s.mu.Lock()
		s.level = p.Level
		s.mu.Unlock()
		s.result(m.ID, `{}`)
	case "resources/subscribe":
		s.result(m.ID, `{}`)
	case "ping":
		s.result(m.ID, `{}`)
	case "tools/list":
		s.result(m.ID, `{"tools":[{"name":"echo"}],"nextCursor":"again"}`)
	case "tools/call":
		if bytes.Contains(m.Params, []byte(`"name":"deaf"`)) {
			s.result(m.ID, `{}`)
			select {} // nothing is read any more
		}
		go s.call(m)
	default:
		if m.ID != nil {
			s.fail(m.ID, -32601)
		}
	}
}

func (s *fakeServer) discover(m message) {
	switch {
	case s.mode == "dies-probing":
		os.Exit(1)
	case s.mode == "slow-probe":
	case s.mode == "probe-lists-legacy":
		s.result(m.ID, `{"supportedVersions":["2025-11-25"],"capabilities":{}}`)
	case !s.modern():
		s.fail(m.ID, -32601)
	default:
		s.result(m.ID, `{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{},"resources":{"subscribe":true}},`+
			`"instructions":"use it","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"fake"}}}`)
	}
}

func (s *fakeServer) initialize(m message) {
	if !s.legacy() {
		s.fail(m.ID, -32601)
		return
	}
	version := s.era
	if s.era == "dual" {
		version = "2025-11-25"
	}
	if s.mode == "names-modern" {
		version = "2026-07-28"
	}
	var p struct{ Capabilities json.RawMessage }
	_ = json.Unmarshal(m.Params, &p)
	s.result(m.ID, `{"protocolVersion":%q,"capabilities":{"tools":{"listChanged":true},"logging":{},"declared":%s},`+
		`"serverInfo":{"name":"fake"},"instructions":"use it"}`, version, p.Capabilities)
}

func (s *fakeServer) cancel(m message) {
	var p struct{ RequestID json.RawMessage }
	_ = json.Unmarshal(m.Params, &p)
	s.mu.Lock()
	s.cancelled = append(s.cancelled, string(p.RequestID))
	delete(s.listens, string(p.RequestID))
	s.mu.Unlock()
}

func (s *fakeServer) listen(m message) {
	var p struct {
		Notifications map[string]json.RawMessage
		Meta          map[string]json.RawMessage `json:"_meta"`
	}
	_ = json.Unmarshal(m.Params, &p)
	if p.Meta["io.modelcontextprotocol/protocolVersion"] == nil {
		s.fail(m.ID, -32602)
		return
	}
	s.mu.Lock()
	s.listens[string(m.ID)] = true
	s.mu.Unlock()
	honoured, _ := json.Marshal(p.Notifications)
	s.send(`{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":%s,`+
		`"_meta":{"io.modelcontextprotocol/subscriptionId":%s}}}`, honoured, m.ID)
}

// ask sends a request to the client and returns result or error, whichever came.
func (s *fakeServer) ask(id, method, params string) string {
	ch := make(chan json.RawMessage, 1)
	s.mu.Lock()
	s.waiting[id] = ch
	s.mu.Unlock()
	s.send(`{"jsonrpc":"2.0","id":%s,"method":%q,"params":%s}`, id, method, params)
	return string(<-ch)
}

type callParams struct {
	Name      string
	Arguments struct {
		N    int
		Text string
	}
	Meta struct {
		ProgressToken json.RawMessage
	} `json:"_meta"`
}

func (s *fakeServer) call(m message) {
	var p callParams
	_ = json.Unmarshal(m.Params, &p)
	switch p.Name {
	case "echo":
		s.result(m.ID, `%s`, m.Params)
	case "exact":
		s.write([]byte(`{"result":{"z":1,"a":9007199254740993,"n":1.0,"content":[{"type":"video","x":"\u00e9é"}]},"id":` + string(m.ID) + `,"jsonrpc":"2.0"}`))
	case "input":
		s.result(m.ID, `{"resultType":"input_required","requestState":"s"}`)
	case "error":
		s.fail(m.ID, p.Arguments.N)
	case "big":
		s.result(m.ID, `{"text":%q}`, strings.Repeat("x", p.Arguments.N))
	case "batch":
		s.write([]byte(`[{"jsonrpc":"2.0","method":"notifications/x"},{"jsonrpc":"2.0","id":` + string(m.ID) + `,"result":{"batched":true}}]`))
	case "state":
		s.mu.Lock()
		state, _ := json.Marshal(map[string]any{"cancelled": s.cancelled, "level": s.level, "pid": os.Getpid(), "env": os.Environ(), "listens": len(s.listens)})
		s.mu.Unlock()
		s.result(m.ID, `%s`, state)
	default:
		s.misbehave(m, p)
	}
}

func (s *fakeServer) misbehave(m message, p callParams) {
	switch p.Name {
	case "hang":
	case "die":
		os.Exit(3)
	case "garbage":
		s.write([]byte("Server started!\n{\"jsonrpc\":\"2.0\",\n\xff\xfe{}\n{\"id\":1}\n"))
		s.result(m.ID, `{"after":"garbage"}`)
	case "strays":
		s.send(`{"jsonrpc":"2.0","id":987654,"result":{"canary":true}}`)
		s.send(`{"jsonrpc":"2.0","id":"1","result":{"canary":true}}`)
		s.result(m.ID, `{"mine":1}`)
		s.result(m.ID, `{"twice":true}`)
	case "long-line":
		s.write([]byte(`{"jsonrpc":"2.0","method":"` + strings.Repeat("x", 17<<20) + `"}`))
	case "flood":
		line := []byte(strings.Repeat("e", 1000) + "\n")
		for range p.Arguments.N {
			_, _ = os.Stderr.Write(line)
		}
		s.result(m.ID, `{"flooded":true}`)
	case "stderr":
		fmt.Fprintln(os.Stderr, p.Arguments.Text)
		s.result(m.ID, `{}`)
	case "spawn":
		s.spawn(m)
	default:
		s.talk(m, p)
	}
}

// spawn starts a grandchild in the process group and one that leaves it, both
// with our output in their hands.
func (s *fakeServer) spawn(m message) {
	near := exec.Command("sleep", "1000")
	near.Stdout, near.Stderr = os.Stdout, os.Stderr
	far := exec.Command("sleep", "1000")
	far.Stdout, far.Stderr = os.Stdout, os.Stderr
	far.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if near.Start() != nil || far.Start() != nil {
		s.fail(m.ID, -1)
		return
	}
	s.result(m.ID, `{"pids":[%d,%d]}`, near.Process.Pid, far.Process.Pid)
}

// talk does what servers say while a call runs.
func (s *fakeServer) talk(m message, p callParams) {
	switch p.Name {
	case "chatter":
		for i := range p.Arguments.N {
			s.send(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%s,"progress":%d}}`, p.Meta.ProgressToken, i)
		}
	case "progress":
		for i := range 3 {
			token := p.Meta.ProgressToken
			if token == nil {
				token = json.RawMessage(`1`)
			}
			s.send(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%s,"progress":%d,"keep":9007199254740993}}`, token, i)
		}
		s.result(m.ID, `{}`)
		s.send(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%s,"progress":99}}`, m.ID)
	case "log":
		for _, level := range []string{"debug", "info", "error"} {
			s.send(`{"jsonrpc":"2.0","method":"notifications/message","params":{"level":%q,"data":"x"}}`, level)
		}
		s.result(m.ID, `{}`)
	case "changed":
		s.send(`{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`)
		s.result(m.ID, `{}`)
	case "updated":
		s.mu.Lock()
		ids := slices.Sorted(func(yield func(string) bool) {
			for id := range s.listens {
				if !yield(id) {
					return
				}
			}
		})
		s.mu.Unlock()
		for _, id := range ids {
			s.send(`{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"file:///a","_meta":{"io.modelcontextprotocol/subscriptionId":%s,"keep":1}}}`, id)
		}
		s.result(m.ID, `{}`)
	case "ask":
		s.result(m.ID, `{"answer":%s}`, s.ask(`"q`+strconv.Itoa(p.Arguments.N)+`"`, p.Arguments.Text, `{"message":"?","mode":"form"}`))
	case "ask-and-end":
		go s.ask(`"q"`, "elicitation/create", `{}`)
		s.send(`{"jsonrpc":"2.0","method":"notifications/x"}`)
		s.result(m.ID, `{"done":true}`)
	case "later":
		s.result(m.ID, `{}`)
		answer := s.ask(`"later"`, "elicitation/create", `{}`)
		s.send(`{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"error","data":"of a call that has ended"}}`)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.answer <- answer
	case "later-answer":
		s.result(m.ID, `{"answer":%s}`, <-s.answer)
	case "ping-back":
		s.result(m.ID, `{"answer":%s}`, s.ask(`7`, p.Arguments.Text, `{}`))
	default:
		s.fail(m.ID, -32602)
	}
}
