package restart_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"drawbridge/test/harness"
)

// Revisions that the Go SDK's clients open a session with.
var revisions = []string{"2025-11-25", "2025-06-18", "2025-03-26"}

// connect opens the sessions of the Go SDK.
func (b *bed) connect() []*mcp.ClientSession {
	b.t.Helper()
	sessions := make([]*mcp.ClientSession, goClients)
	for i := range sessions {
		revision := revisions[i%len(revisions)]
		client := mcp.NewClient(&mcp.Implementation{Name: "restart", Version: "1"}, &mcp.ClientOptions{
			ProgressNotificationHandler: func(context.Context, *mcp.ProgressNotificationClientRequest) { b.streams.add() },
		})
		transport := &mcp.StreamableClientTransport{Endpoint: b.s.base() + "/mcp", HTTPClient: &http.Client{Transport: counting{&b.greetings}}}
		s, err := client.Connect(b.t.Context(), transport, &mcp.ClientSessionOptions{ProtocolVersion: revision})
		if err != nil {
			b.t.Fatal(err)
		}
		if got := s.InitializeResult().ProtocolVersion; got != revision {
			b.t.Fatalf("client %d speaks %s, not %s", i, got, revision)
		}
		sessions[i] = s
	}
	return sessions
}

// counting sends the key with each request and counts those that open a session.
type counting struct{ greetings *counter }

func (c counting) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+harness.Key)
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		if bytes.Contains(body, []byte(`"method":"initialize"`)) {
			c.greetings.add()
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	return http.DefaultTransport.RoundTrip(r)
}

// call calls a tool and says what came of it.
func call(ctx context.Context, s *mcp.ClientSession, tool, text string, token any) result {
	p := &mcp.CallToolParams{Name: tool, Arguments: map[string]any{"text": text}}
	if token != nil {
		p.SetProgressToken(token)
	}
	got, err := s.CallTool(ctx, p)
	if err != nil {
		return result{failed: true, text: err.Error()}
	}
	raw, err := json.Marshal(got)
	if err != nil {
		return result{failed: true, text: err.Error()}
	}
	return result{text: string(raw)}
}

// everyCall calls echo once from every client.
func (b *bed) everyCall(crowd []*mcp.ClientSession, script *script, when string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	var work sync.WaitGroup
	for i, s := range crowd {
		work.Go(func() {
			if got := call(ctx, s, backendOf(i)+"_echo", textOf(when, i), nil); got.failed || !strings.Contains(got.text, textOf(when, i)) {
				b.t.Errorf("%s, client %d (%s): %s", when, i, s.InitializeResult().ProtocolVersion, got.text)
			}
		})
	}
	work.Wait()
	script.tell("echo " + when)
	for i, got := range script.results() {
		if got.failed || !strings.Contains(got.text, when+" of ts "+strconv.Itoa(i)) {
			b.t.Errorf("%s, TypeScript client %d: %s", when, i, got.text)
		}
	}
}

// hold starts a call of every client that stays at its backend.
func (b *bed) hold(crowd []*mcp.ClientSession) []<-chan result {
	b.t.Helper()
	held := make([]<-chan result, len(crowd))
	for i, s := range crowd {
		came := make(chan result, 1)
		held[i] = came
		var token any
		if streamed(i) {
			token = i
		}
		go func() { // ends when the program does
			ctx, cancel := context.WithTimeout(b.t.Context(), patience)
			defer cancel()
			came <- call(ctx, s, backendOf(i)+"_hold", textOf("hold", i), token)
		}()
	}
	return held
}

// script is a program of clients of the TypeScript SDK that is told what to do line by
// line, and answers each with a line.
type script struct {
	t   *testing.T
	in  io.WriteCloser
	out *bufio.Reader
	cmd *exec.Cmd
}

// connectScript opens the sessions of the TypeScript SDK.
func (b *bed) connectScript() *script {
	b.t.Helper()
	modules := filepath.Join(filepath.Dir(filepath.Dir(harness.Tool(b.t, "node"))), "node_modules")
	file := filepath.Join(harness.Root(b.t), "test", "restart", "clients.cjs")
	cmd := harness.Command(b.t, harness.Tool(b.t, "node"), []string{file, b.s.base() + "/mcp", harness.Key, strconv.Itoa(tsClients)}, "NODE_PATH="+modules)
	in, err := cmd.StdinPipe()
	if err != nil {
		b.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.t.Fatal(err)
	}
	said := &bytes.Buffer{}
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	s := &script{t: b.t, in: in, out: bufio.NewReader(out), cmd: cmd}
	b.t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait() // the test's end kills it: how it ended says nothing
		if b.t.Failed() && said.Len() > 0 {
			b.t.Logf("the TypeScript clients said:\n%s", said)
		}
	})
	s.results() // that they are connected
	return s
}

// tell has every client of the script do something, without waiting.
func (s *script) tell(what string) {
	s.t.Helper()
	if _, err := io.WriteString(s.in, what+"\n"); err != nil {
		s.t.Fatalf("the TypeScript clients: %v", err)
	}
}

// results waits for the next line that the script says: what each client got.
func (s *script) results() []result {
	s.t.Helper()
	line, err := s.out.ReadBytes('\n') // the end of the test ends the script
	if err != nil {
		s.t.Fatalf("the TypeScript clients ended: %v", err)
	}
	var said []struct {
		Failed bool
		Text   string
	}
	if err := json.Unmarshal(line, &said); err != nil {
		s.t.Fatalf("%s: %v", line, err)
	}
	all := make([]result, len(said))
	for i, one := range said {
		all[i] = result{one.Failed, one.Text}
	}
	return all
}
