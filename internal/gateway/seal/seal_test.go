package seal_test

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/gateway/seal"
	"drawbridge/internal/mcpwire"
)

var now = time.Unix(1_800_000_000, 0)

func newSealer(t *testing.T, fill byte) *seal.Sealer {
	t.Helper()
	s, err := seal.New(bytes.Repeat([]byte{fill}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func request(t *testing.T, method, params string) *mcpwire.Request {
	t.Helper()
	req, err := mcpwire.NewRequest(method, mcpwire.LatestModern, []byte(params))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

const params = `{"name":"book","arguments":{"n":1,"who":{"a":"x","b":[1,2]}}}`

// state is one that fills every field, for a request.
func state(req *mcpwire.Request) seal.State {
	return seal.State{Backend: "files", Owner: "ann\x00key", Digest: seal.Digest(req), Expires: now.Unix(),
		Inner: "of the \"backend\"", Has: true, Park: "abc", Round: 3, Again: true, Asked: []mcpwire.Asked{{Key: "k"}}}
}

func sealed(t *testing.T, s *seal.Sealer, st seal.State) string {
	t.Helper()
	text, err := s.Seal(st)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestNew_refusesAKeyOfAnotherLength(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 16, 31, 33} {
		if _, err := seal.New(make([]byte, n)); err == nil {
			t.Errorf("a key of %d bytes was taken", n)
		}
	}
}

func TestOpen_roundTrip(t *testing.T) {
	t.Parallel()
	s, req := newSealer(t, 1), request(t, "tools/call", params)
	want := state(req)
	req.RetryState = sealed(t, s, want)
	got, err := s.Open(req, want.Owner, want.Backend, now)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the state (-want +got):\n%s", diff)
	}
	if again := sealed(t, s, want); again == req.RetryState {
		t.Error("two seals of one state are alike")
	}
	for _, part := range []string{"files", "ann", "backend", "url-1"} {
		raw, decodeErr := base64.RawURLEncoding.DecodeString(req.RetryState)
		if decodeErr != nil || bytes.Contains(raw, []byte(part)) || strings.Contains(req.RetryState, part) {
			t.Errorf("%q can be read in the state (%v)", part, decodeErr)
		}
	}
}

func TestOpen_isBoundToTheRequest(t *testing.T) {
	t.Parallel()
	const elsewhere, changed, old = "belongs to another backend", "belongs to another request", "has expired"
	tests := []struct {
		name, method, params, owner, backend string
		after                                time.Duration
		want                                 string // "" for taken
	}{
		{"the same", "tools/call", params, "ann\x00key", "files", 0, ""},
		{"another spelling", "tools/call", `{"arguments":{ "who":{"b":[1, 2],"\u0061":"\u0078"}, "n":1},"name":"b\u006fok"}`, "ann\x00key", "files", 0, ""},
		{"other answers and token", "tools/call", `{"inputResponses":{"k":{}},"_meta":{"progressToken":7},` + params[1:], "ann\x00key", "files", 0, ""},
		{"another user", "tools/call", params, "bob\x00key", "files", 0, changed},
		{"another credential", "tools/call", params, "ann\x00other", "files", 0, changed},
		{"owner with a profile", "tools/call", params, "ann\x00key\x00p", "files", 0, changed},
		{"nobody", "tools/call", params, "", "files", 0, changed},
		{"another name", "tools/call", strings.Replace(params, "book", "boot", 1), "ann\x00key", "files", 0, changed},
		{"another method", "prompts/get", params, "ann\x00key", "files", 0, changed},
		{"another argument", "tools/call", strings.Replace(params, `"n":1`, `"n":2`, 1), "ann\x00key", "files", 0, changed},
		{"a number in words", "tools/call", strings.Replace(params, `"n":1`, `"n":"1"`, 1), "ann\x00key", "files", 0, changed},
		{"beyond a float", "tools/call", strings.Replace(params, `"n":1`, `"n":1.0000000000000000001`, 1), "ann\x00key", "files", 0, changed},
		{"another order of a list", "tools/call", strings.Replace(params, `[1,2]`, `[2,1]`, 1), "ann\x00key", "files", 0, changed},
		{"one argument more", "tools/call", strings.Replace(params, `"n":1`, `"n":1,"m":1`, 1), "ann\x00key", "files", 0, changed},
		{"one argument less", "tools/call", strings.Replace(params, `"n":1,`, ``, 1), "ann\x00key", "files", 0, changed},
		{"no arguments", "tools/call", `{"name":"book"}`, "ann\x00key", "files", 0, changed},
		{"moved to another backend", "tools/call", params, "ann\x00key", "notes", 0, elsewhere},
		{"in its last second", "tools/call", params, "ann\x00key", "files", time.Second - 1, ""},
		{"after it", "tools/call", params, "ann\x00key", "files", time.Second, old},
	}
	s := newSealer(t, 1)
	text := sealed(t, s, state(request(t, "tools/call", params)))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			req := request(t, tt.method, tt.params)
			req.RetryState = text
			_, err := s.Open(req, tt.owner, tt.backend, now.Add(tt.after))
			switch {
			case err == nil && tt.want != "":
				t.Errorf("it was taken, want %q", tt.want)
			case err != nil && (tt.want == "" || !strings.Contains(err.Message, tt.want)):
				t.Errorf("it was refused with %q, want %q", err.Message, tt.want)
			case err != nil && err.Code != mcpwire.CodeInvalidParams:
				t.Errorf("code %d", err.Code)
			}
		})
	}
}

// TestOpen_tampered changes every place of a state, cuts it, spells it otherwise
// and brings that of another installation.
func TestOpen_tampered(t *testing.T) {
	t.Parallel()
	s, req := newSealer(t, 1), request(t, "tools/call", params)
	st := state(req)
	good := sealed(t, s, st)
	bad := []string{"", "A", "null", "{}", good + "A", good + "=", good + "\n", "\r\n" + good, " " + good, good[:len(good)-4], good + good,
		sealed(t, newSealer(t, 2), st)}
	for i := range good {
		other := byte('A')
		if good[i] == other {
			other = 'B'
		}
		bad = append(bad, good[:i]+string(other)+good[i+1:], good[:i], good[:i]+good[i+1:])
	}
	for _, text := range bad {
		req.RetryState = text
		_, err := s.Open(req, st.Owner, st.Backend, now)
		if err == nil {
			t.Fatalf("taken: %.40q", text)
		}
		if err.Code != mcpwire.CodeInvalidParams || !strings.Contains(err.Message, "not one that this server gave out") {
			t.Fatalf("%.40q: %v", text, err)
		}
	}
	req.RetryState = good
	if _, err := s.Open(req, st.Owner, st.Backend, now); err != nil {
		t.Errorf("the untouched one: %v", err)
	}
}

// TestDigest_partsDoNotRunTogether: what ends one part cannot begin the next.
func TestDigest_partsDoNotRunTogether(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, params := range []string{
		`{"name":"a"}`, `{"name":"a\" "}`, `{"name":"a {}"}`, `{"name":"a","arguments":{}}`, `{"name":"a ","arguments":{}}`,
		`{"name":"a","arguments":{"":{}}}`, `{"name":"a","arguments":{"":"{}"}}`, `{"name":"a","arguments":{"x":null}}`,
	} {
		d := string(seal.Digest(request(t, "tools/call", params)))
		if other, twice := seen[d]; twice {
			t.Errorf("%s and %s are one", params, other)
		}
		seen[d] = params
	}
}
