package kittest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"drawbridge/internal/secret"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/kittest"
)

type in struct {
	Text string `json:"text" jsonschema:"What to keep." max:"5"`
}

type out struct {
	Kept []string `json:"kept"`
}

// The suite itself, on the smallest server that passes it.
func TestRun(t *testing.T) {
	kittest.Run(t, kittest.Suite{
		New: func(set kit.Settings, deps kit.Deps) (*kit.Server, error) {
			common, err := set.Common(kit.ModeWrite)
			if err != nil {
				return nil, err
			}
			return kit.New(kit.Spec{Common: common, Name: "smallest", Sets: []kit.Set{{Name: "rare"}}, Tools: []kit.Tool{
				kit.Read("keep", "Keep", "Keeps nothing.", func(context.Context, *kit.Call, in) (out, error) { return out{}, nil }),
				kit.Read("rare", "Rare", "Is seldom there.", func(context.Context, *kit.Call, struct{}) (kit.Text, error) { return "here", nil }).InSet("rare"),
			}}, deps)
		},
		Cases:   []kittest.Case{{Tool: "keep", Good: `{"text":"x"}`, Bad: `{"text":"too long"}`}, {Tool: "rare", Good: `{}`}},
		Secrets: []string{"hunter2"},
	})
}

const pass = "s3cr3t-password"

// notes is a system with notes, which asks for a password.
type notes struct {
	mu   sync.Mutex // guards kept
	kept map[string]string
}

func (n *notes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	defer n.mu.Unlock()
	name := strings.TrimPrefix(r.URL.Path, "/")
	switch text, there := n.kept[name]; {
	case r.Header.Get("Authorization") != "Bearer "+pass:
		w.WriteHeader(http.StatusUnauthorized)
	case r.Method == http.MethodPut:
		body, _ := io.ReadAll(r.Body)
		n.kept[name] = string(body)
		fmt.Fprint(w, "{}")
	case !there:
		w.WriteHeader(http.StatusNotFound)
	case r.Method == http.MethodDelete:
		delete(n.kept, name)
		fmt.Fprint(w, "{}")
	default:
		_ = json.NewEncoder(w).Encode(map[string]string{"text": text})
	}
}

type nameIn struct {
	Name string `json:"name" jsonschema:"Of the note." min:"1"`
}

type noteOut struct {
	Text kit.Untrusted `json:"text"`
}

type empty struct{}

// notesServer is a server for notes as an author would write it.
func notesServer(set kit.Settings, deps kit.Deps) (*kit.Server, error) {
	common, err := set.Common(kit.ModeWrite)
	if err != nil {
		return nil, err
	}
	up, err := deps.Upstream(kit.Target{Name: "Notes", URL: set.Text("url"), CAFile: set.Text("ca_file"), Renew: "Set NOTES_PASSWORD."})
	if err != nil {
		return nil, err
	}
	deps.Credentials = kit.Fallback(deps.Credentials, map[string]secret.String{"password": set.Values["password"]})
	call := func(ctx context.Context, c *kit.Call, r kit.Request) error {
		password, err := c.Credential(ctx, "password")
		if err != nil {
			return err
		}
		r.Header = http.Header{"Authorization": {"Bearer " + password.Reveal()}}
		_, err = up.Call(ctx, r)
		return err
	}
	read := func(ctx context.Context, c *kit.Call, in nameIn) (out noteOut, err error) {
		return out, call(ctx, c, kit.Request{Path: kit.Path(in.Name), Into: &out, What: "the note " + in.Name})
	}
	write := func(ctx context.Context, c *kit.Call, in nameIn) (out empty, err error) {
		return out, call(ctx, c, kit.Request{Method: http.MethodPut, Path: kit.Path(in.Name), JSON: "text", Into: &out})
	}
	remove := func(ctx context.Context, c *kit.Call, in nameIn) (out empty, err error) {
		return out, call(ctx, c, kit.Request{Method: http.MethodDelete, Path: kit.Path(in.Name), Into: &out, What: "the note " + in.Name})
	}
	return kit.New(kit.Spec{Common: common, Name: "notes", OpenWorld: true, Tools: []kit.Tool{
		kit.Read("read_note", "Read", "Reads a note.", read),
		kit.Write("write_note", "Write", "Writes a note.", write).Idempotent(),
		kit.WithPreview(kit.Destroy("delete_note", "Delete", "Deletes a note.", remove), func(ctx context.Context, c *kit.Call, in nameIn) (kit.Preview, error) {
			note, err := read(ctx, c, in)
			return kit.Preview{Target: in.Name, Effect: fmt.Sprintf("Removes a note of %d bytes.", len(note.Text))}, err
		}),
		kit.Read("hint", "Hint", "Says something.", func(context.Context, *kit.Call, empty) (kit.Text, error) { return "write first", nil }),
	}, Close: func(context.Context) error { up.Close(); return nil }}, deps)
}

// The suite on a server with an upstream, over http and https.
func TestRun_upstream(t *testing.T) {
	for name, tls := range map[string]bool{"http": false, "https": true} {
		t.Run(name, func(t *testing.T) {
			a := []kittest.Step{{Tool: "write_note", Args: `{"name":"a"}`}}
			t.Chdir("testdata/notes")
			kittest.Run(t, kittest.Suite{
				New:      notesServer,
				Settings: map[string]string{"password": pass},
				Upstream: &kittest.Upstream{
					Fake: func(*testing.T) http.Handler { return &notes{kept: map[string]string{}} },
					Settings: func(url, caFile string) map[string]string {
						return map[string]string{"url": url, "ca_file": caFile}
					},
					TLS: tls, Offline: []string{"hint"},
				},
				Cases: []kittest.Case{
					{Tool: "read_note", Before: a, Good: `{"name":"a"}`, Bad: `{"name":"none"}`},
					{Tool: "write_note", Good: `{"name":"a"}`, Bad: `{"name":""}`},
					{Tool: "delete_note", Before: a, Good: `{"name":"a"}`, Bad: `{"name":"none"}`, Other: `{"name":"b"}`},
					{Tool: "hint", Good: `{}`},
				},
				Secrets: []string{pass},
			})
		})
	}
}

func TestFits(t *testing.T) {
	t.Parallel()
	srv, err := kit.New(kit.Spec{Name: "one", Tools: []kit.Tool{
		kit.Read("keep", "Keep", "Keeps nothing.", func(context.Context, *kit.Call, in) (out, error) { return out{}, nil }),
	}}, kittest.Deps(&kittest.Log{}, nil))
	if err != nil {
		t.Fatal(err)
	}
	schema := kittest.Tools(t, kittest.NewClient(srv, "ann"))[0].OutputSchema
	for raw, ok := range map[string]bool{`{"kept":[]}`: true, `{"kept":null}`: false, `{"kept":[],"more":1}`: false, `{}`: false} {
		if err := kittest.Fits(schema, []byte(raw)); (err == nil) != ok {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

func TestLog(t *testing.T) {
	t.Parallel()
	log := &kittest.Log{}
	kittest.Deps(log, nil).Log.Debug("said", "x", 1)
	if !strings.Contains(log.String(), `"msg":"said","x":1`) {
		t.Errorf("log: %s", log)
	}
}
