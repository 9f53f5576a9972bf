package giteatest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// Exchange is one request and its answer. What proves the caller is not in it.
type Exchange struct {
	As     string            `json:"as"`  // whose token it was
	Ask    string            `json:"ask"` // method, path and query
	Body   string            `json:"body,omitempty"`
	Status int               `json:"status"`
	Header map[string]string `json:"header,omitempty"`
	Answer string            `json:"answer,omitempty"`
}

// kept are the headers that a client looks at.
var kept = []string{"Content-Type", "X-Total-Count", "Link", "Content-Range"}

// shownURL stands in a tape for the server's own.
const shownURL = "https://forge.example"

// storyDay is when a tape begins, whenever it was recorded.
var storyDay = time.Date(2026, time.July, 1, 12, 0, 0, 0, time.UTC)

// moment is a time as the API writes it.
var moment = regexp.MustCompile(`20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d)`)

// moved is an answer with its times as if what happened since start had happened since
// storyDay: when somebody recorded the tape is nobody's business.
func moved(answer string, start time.Time) string {
	return moment.ReplaceAllStringFunc(answer, func(text string) string {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return text
		}
		return storyDay.Add(at.Sub(start)).Format(time.RFC3339)
	})
}

// Record passes requests on to a server and writes them to a file at the end of the
// test. It gives the URL to use in place of the server's.
func Record(t *testing.T, s *Server, file string) string {
	t.Helper()
	start := time.Now().Truncate(time.Second)
	var mu sync.Mutex // guards tape
	var tape []Exchange
	names := map[string]string{}
	for name, token := range s.Tokens {
		names["token "+token] = name
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		out, err := http.NewRequestWithContext(r.Context(), r.Method, s.URL+r.URL.RequestURI(), bytes.NewReader(body))
		if err != nil {
			t.Error(err)
			return
		}
		out.Header = r.Header.Clone()
		out.Header.Del("Accept-Encoding") // so that the tape can be read
		resp, err := http.DefaultTransport.RoundTrip(out)
		if err != nil {
			t.Error(err)
			return
		}
		defer resp.Body.Close()
		answer, _ := io.ReadAll(resp.Body)
		e := Exchange{As: names[r.Header.Get("Authorization")], Ask: r.Method + " " + r.URL.RequestURI(), Body: string(body), Status: resp.StatusCode,
			Header: map[string]string{}, Answer: strings.ReplaceAll(string(answer), s.URL, shownURL)}
		for _, name := range kept {
			if v := resp.Header.Get(name); v != "" {
				e.Header[name] = strings.ReplaceAll(v, s.URL, shownURL)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		tape = append(tape, e)
		e.write(w)
	}))
	t.Cleanup(func() {
		srv.Close()
		if t.Failed() {
			return
		}
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		for _, e := range tape {
			e.Answer = moved(e.Answer, start)
			must(t, enc.Encode(e))
		}
		for _, token := range s.Tokens {
			if bytes.Contains(b.Bytes(), []byte(token)) {
				t.Error("a token is on the tape")
				return
			}
		}
		must(t, os.WriteFile(file, b.Bytes(), 0o644))
	})
	return srv.URL
}

// Replay answers from a tape: the requests must come as they did, in the same order,
// from the same people. The token of a user is the user's name.
func Replay(t *testing.T, file string) string {
	t.Helper()
	raw, err := os.ReadFile(file)
	must(t, err)
	var tape []Exchange
	for line := range bytes.Lines(raw) {
		var e Exchange
		must(t, json.Unmarshal(line, &e))
		tape = append(tape, e)
	}
	var mu sync.Mutex // guards at
	at := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		got := Exchange{As: strings.TrimPrefix(r.Header.Get("Authorization"), "token "), Ask: r.Method + " " + r.URL.RequestURI(), Body: string(body)}
		if at >= len(tape) {
			t.Errorf("after the end of the tape: %s %s", got.As, got.Ask)
			w.WriteHeader(http.StatusTeapot)
			return
		}
		want := tape[at]
		if got.As != want.As || got.Ask != want.Ask || got.Body != want.Body {
			t.Errorf("request %d is\n%s: %s\n%s\nbut on the tape\n%s: %s\n%s", at+1, got.As, got.Ask, got.Body, want.As, want.Ask, want.Body)
			w.WriteHeader(http.StatusTeapot)
			return
		}
		at++
		want.write(w)
	}))
	t.Cleanup(func() {
		srv.Close()
		if at < len(tape) && !t.Failed() {
			t.Errorf("%d of %d requests of the tape were not sent", len(tape)-at, len(tape))
		}
	})
	return srv.URL
}

func (e Exchange) write(w http.ResponseWriter) {
	for name, value := range e.Header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(e.Status)
	_, _ = io.WriteString(w, e.Answer) // a client that went away
}

// Library answers each GET as it was answered last, in any order, and gives with its
// URL a function that empties and returns what it said since the last time.
func Library(t *testing.T, file string) (url string, said func() []byte) {
	t.Helper()
	raw, err := os.ReadFile(file)
	must(t, err)
	last := map[string]Exchange{}
	for line := range bytes.Lines(raw) {
		var e Exchange
		must(t, json.Unmarshal(line, &e))
		last[e.Ask] = e
	}
	var mu sync.Mutex // guards spoken
	var spoken []byte
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e, ok := last[r.Method+" "+r.URL.RequestURI()]
		if !ok {
			t.Errorf("not on the tape: %s %s", r.Method, r.URL.RequestURI())
			w.WriteHeader(http.StatusTeapot)
			return
		}
		mu.Lock()
		spoken = append(spoken, e.Answer...)
		mu.Unlock()
		e.write(w)
	}))
	t.Cleanup(srv.Close)
	return srv.URL, func() []byte {
		mu.Lock()
		defer mu.Unlock()
		out := spoken
		spoken = nil
		return out
	}
}
