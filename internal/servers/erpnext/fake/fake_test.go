package fake_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"drawbridge/internal/servers/erpnext/fake"
)

type obj = map[string]any

// house is a server and somebody who talks to it.
type house struct {
	*fake.Server
	t    *testing.T
	user string
}

func start(t *testing.T, o fake.Options) *house {
	t.Helper()
	s, err := fake.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Start().Close)
	return &house{Server: s, t: t, user: fake.Owner}
}

// as is the same server with somebody else.
func (h *house) as(user string) *house { return &house{h.Server, h.t, user} }

type answer struct {
	t      *testing.T
	status int
	header http.Header
	text   string
}

func (h *house) request(method, path string, body any) *http.Request {
	h.t.Helper()
	var text string
	switch b := body.(type) {
	case nil:
	case string:
		text = b
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			h.t.Fatal(err)
		}
		text = string(raw)
	}
	r, err := http.NewRequestWithContext(h.t.Context(), method, h.URL()+path, strings.NewReader(text))
	if err != nil {
		h.t.Fatal(err)
	}
	if h.user != "" {
		r.Header.Set("Authorization", fake.Auth(h.user))
	}
	r.Header.Set("Accept", "application/json")
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

func (h *house) send(r *http.Request) (answer, error) {
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return answer{h.t, resp.StatusCode, resp.Header, string(text)}, err
}

func (h *house) do(method, path string, body any) answer {
	h.t.Helper()
	a, err := h.send(h.request(method, path, body))
	if err != nil {
		h.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

func (h *house) must(status int, method, path string, body any) answer {
	h.t.Helper()
	a := h.do(method, path, body)
	if a.status != status {
		h.t.Fatalf("%s %s as %s: status %d, want %d\n%s", method, path, h.user, a.status, status, a.text)
	}
	return a
}

func (a answer) json() obj {
	a.t.Helper()
	var o obj
	if err := json.NewDecoder(bytes.NewReader([]byte(a.text))).Decode(&o); err != nil {
		a.t.Fatalf("no JSON: %v\n%s", err, a.text)
	}
	return o
}

func (a answer) data() obj {
	a.t.Helper()
	return as[obj](a, "data")
}

func as[T any](a answer, key string) T {
	a.t.Helper()
	v, is := a.json()[key].(T)
	if !is {
		a.t.Fatalf("%q is %T\n%s", key, a.json()[key], a.text)
	}
	return v
}

// messages decodes _server_messages twice, as a client must.
func (a answer) messages() []obj {
	a.t.Helper()
	var texts []string
	text, _ := a.json()["_server_messages"].(string)
	if text == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(text), &texts); err != nil {
		a.t.Fatal(err)
	}
	var found []obj
	for _, t := range texts {
		var m obj
		if err := json.Unmarshal([]byte(t), &m); err != nil {
			a.t.Fatal(err)
		}
		found = append(found, m)
	}
	return found
}

// refused expects an error of v1, and the words of its first message.
func (a answer) refused(status int, kind, words string) {
	a.t.Helper()
	if a.status != status || a.json()["exc_type"] != kind {
		a.t.Errorf("status %d %v, want %d %s\n%s", a.status, a.json()["exc_type"], status, kind, a.text)
		return
	}
	said, exception := "", ""
	for _, m := range a.messages() {
		said += m["message"].(string) + "\n"
	}
	exception, _ = a.json()["exception"].(string)
	if !strings.Contains(said+exception, words) {
		a.t.Errorf("%s says %q, want %q", kind, said+exception, words)
	}
}

func at(doctype, name string) string {
	return "/api/resource/" + url.PathEscape(doctype) + "/" + url.PathEscape(name)
}

func rows(o obj, table string) []obj {
	var found []obj
	list, _ := o[table].([]any)
	for _, r := range list {
		found = append(found, r.(obj))
	}
	return found
}
