package mcpwire_test

import (
	"errors"
	"testing"

	"drawbridge/internal/mcpwire"

	"github.com/google/go-cmp/cmp"
)

func TestParseClient_acceptsAndTakesApart(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body string
		want       mcpwire.Message
	}{
		{"request", `{"jsonrpc":"2.0","id":9007199254740993,"method":"tools/call","params":{"name":"x"}}`,
			mcpwire.Message{ID: []byte("9007199254740993"), Method: "tools/call", Params: []byte(`{"name":"x"}`)}},
		{"id last, escaped key, spaces", `{ "\u006dethod" : "ping" , "id" : "a\"b" , "jsonrpc":"2.0" }`,
			mcpwire.Message{ID: []byte(`"a\"b"`), Method: "ping"}},
		{"notification", `{"jsonrpc":"2.0","method":"notifications/initialized"}`,
			mcpwire.Message{Method: "notifications/initialized"}},
		{"result before id", `{"result":{"a":1},"jsonrpc":"2.0","id":1}`,
			mcpwire.Message{ID: []byte("1"), Result: []byte(`{"a":1}`)}},
		{"error", `{"jsonrpc":"2.0","id":-3,"error":{"code":1,"message":"m"}}`,
			mcpwire.Message{ID: []byte("-3"), ErrorRaw: []byte(`{"code":1,"message":"m"}`)}},
		{"unknown member is dropped", `{"jsonrpc":"2.0","id":1,"method":"ping","trace":1}`,
			mcpwire.Message{ID: []byte("1"), Method: "ping"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := mcpwire.ParseClient([]byte(tt.body))
			if err != nil {
				t.Fatalf("ParseClient: %v", err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The rows of T11 (JSON ambiguity): each would be read in different ways by
// different backends, so none may pass.
func TestParseClient_refusesAmbiguity(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body string
		code       int
	}{
		{"case of an envelope member", `{"jsonrpc":"2.0","id":1,"method":"tools/list","METHOD":"tools/call"}`, mcpwire.CodeInvalidRequest},
		{"only in the wrong case", `{"jsonrpc":"2.0","id":1,"Method":"tools/list"}`, mcpwire.CodeInvalidRequest},
		{"long s folds to s", `{"jsonrpc":"2.0","id":1,"method":"a","paramſ":{}}`, mcpwire.CodeInvalidRequest},
		{"duplicate method", `{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}`, mcpwire.CodeParse},
		{"duplicate name", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"b"}}`, mcpwire.CodeParse},
		{"duplicate by escape", `{"jsonrpc":"2.0","id":1,"method":"a","\u006dethod":"b"}`, mcpwire.CodeParse},
		{"NUL in a key", `{"jsonrpc":"2.0","id":1,"method":"a","params":{"name\u0000":"b"}}`, mcpwire.CodeParse},
		{"params twice", `{"jsonrpc":"2.0","id":1,"method":"a","params":{},"params":{}}`, mcpwire.CodeParse},
		{"trailing value", `{"jsonrpc":"2.0","id":1,"method":"a"}{}`, mcpwire.CodeParse},
		{"lone surrogate", `{"jsonrpc":"2.0","id":1,"method":"a","params":{"x":"\ud800"}}`, mcpwire.CodeParse},
		{"number beyond float64", `{"jsonrpc":"2.0","id":1,"method":"a","params":{"x":1e400}}`, mcpwire.CodeParse},
		{"batch", `[{"jsonrpc":"2.0","id":1,"method":"ping"}]`, mcpwire.CodeInvalidRequest},
		{"id null", `{"jsonrpc":"2.0","id":null,"method":"ping"}`, mcpwire.CodeInvalidRequest},
		{"id fraction", `{"jsonrpc":"2.0","id":1.5,"method":"ping"}`, mcpwire.CodeInvalidRequest},
		{"version", `{"jsonrpc":"1.0","id":1,"method":"ping"}`, mcpwire.CodeInvalidRequest},
		{"no version", `{"id":1,"method":"ping"}`, mcpwire.CodeInvalidRequest},
		{"params array", `{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}`, mcpwire.CodeInvalidRequest},
		{"method and result", `{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}`, mcpwire.CodeInvalidRequest},
		{"result and error", `{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}}`, mcpwire.CodeInvalidRequest},
		{"neither", `{"jsonrpc":"2.0","id":1}`, mcpwire.CodeInvalidRequest},
		{"empty", ``, mcpwire.CodeParse},
		{"not UTF-8", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\xff\"}", mcpwire.CodeParse},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := mcpwire.ParseClient([]byte(tt.body))
			if err == nil {
				t.Fatal("accepted")
			}
			if err.Code != tt.code {
				t.Errorf("code %d, want %d (%s)", err.Code, tt.code, err.Message)
			}
		})
	}
}

func TestParseBackend_refusesWhatIsNoFrame(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`<html>`, `{"jsonrpc":"2.0","id":1}`, `{"jsonrpc":"2.0","id":{},"result":{}}`,
		`{"jsonrpc":"2.0","id":1,"result":[]}`, `{"jsonrpc":"2.0","result":{}}`,
		`{"jsonrpc":"2.0","id":1,"id":2,"result":{}}`,
	} {
		if _, err := mcpwire.ParseBackend([]byte(body)); !errors.Is(err, mcpwire.ErrBadFrame) {
			t.Errorf("%s: err = %v, want ErrBadFrame", body, err)
		}
	}
	if _, err := mcpwire.ParseBackend([]byte(`{"jsonrpc":"2.0","id":1,"result":{"x":1},"extra":true}`)); err != nil {
		t.Errorf("a frame with an unknown member: %v", err)
	}
}

func TestParseError_keepsBytes(t *testing.T) {
	t.Parallel()
	raw := []byte(`{"message":"né", "data":{"b":1,"a":9007199254740993}, "code":-32000 }`)
	e, err := mcpwire.ParseError(raw)
	if err != nil {
		t.Fatal(err)
	}
	if e.Code != -32000 || e.Message != "né" {
		t.Errorf("got %d %q", e.Code, e.Message)
	}
	if got := string(e.Append(nil)); got != string(raw) {
		t.Errorf("Append = %s, want the bytes as they came", got)
	}
	if _, err := mcpwire.ParseError([]byte(`{"code":"x","message":"m"}`)); err == nil {
		t.Error("a code that is no integer passed")
	}
}
