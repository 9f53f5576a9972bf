package shape_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"

	"drawbridge/internal/servers/kit/shape"
)

// level is a named type with a schema of its own.
type level string

func (level) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Enum: []any{"low", "high"}}
}

type page struct {
	Limit int `json:"limit,omitempty" jsonschema:"How many." min:"1" max:"50" default:"20"`
}

type item struct {
	Name string   `json:"name" min:"1" max:"3"`
	Tags []string `json:"tags,omitempty" max:"2"`
}

type input struct {
	Title  string             `json:"title" pattern:"^[a-z]+$"`
	State  string             `json:"state,omitempty" enum:"open,closed" default:"open"`
	Level  level              `json:"level,omitempty"`
	Items  []item             `json:"items,omitempty"`
	First  *item              `json:"first,omitempty"`
	Ratio  float64            `json:"ratio,omitempty" max:"1.5"`
	Sure   bool               `json:"sure,omitempty"`
	When   time.Time          `json:"when,omitzero"`
	Scores map[string]float64 `json:"scores,omitempty"`
	page
}

func of[T any](t *testing.T) *shape.Shape {
	t.Helper()
	s, err := shape.Of(reflect.TypeFor[T]())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSchema(t *testing.T) {
	t.Parallel()
	got, err := json.MarshalIndent(of[input](t).Schema, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	const want = `{
  "type": "object",
  "properties": {
    "title": {
      "type": "string",
      "pattern": "^[a-z]+$"
    },
    "state": {
      "type": "string",
      "default": "open",
      "enum": [
        "open",
        "closed"
      ]
    },
    "level": {
      "type": "string",
      "enum": [
        "low",
        "high"
      ]
    },
    "items": {
      "type": "array",
      "items": {
        "type": "object",
        "properties": {
          "name": {
            "type": "string",
            "minLength": 1,
            "maxLength": 3
          },
          "tags": {
            "type": "array",
            "items": {
              "type": "string"
            },
            "maxItems": 2
          }
        },
        "required": [
          "name"
        ],
        "additionalProperties": false
      }
    },
    "first": {
      "type": "object",
      "properties": {
        "name": {
          "type": "string",
          "minLength": 1,
          "maxLength": 3
        },
        "tags": {
          "type": "array",
          "items": {
            "type": "string"
          },
          "maxItems": 2
        }
      },
      "required": [
        "name"
      ],
      "additionalProperties": false
    },
    "ratio": {
      "type": "number",
      "maximum": 1.5
    },
    "sure": {
      "type": "boolean"
    },
    "when": {
      "type": "string"
    },
    "scores": {
      "type": "object",
      "additionalProperties": {
        "type": "number"
      }
    },
    "limit": {
      "type": "integer",
      "description": "How many.",
      "default": 20,
      "minimum": 1,
      "maximum": 50
    }
  },
  "required": [
    "title"
  ],
  "additionalProperties": false
}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
	open, err := json.Marshal(of[input](t).Open())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(open), `"additionalProperties":false`) || !strings.Contains(string(open), `"additionalProperties":{"type":"number"}`) {
		t.Errorf("open: %s", open)
	}
}

func TestBadTags(t *testing.T) {
	t.Parallel()
	for name, typ := range map[string]reflect.Type{
		"default": reflect.TypeFor[struct {
			A int `json:"a,omitempty" default:"x"`
		}](),
		"pattern": reflect.TypeFor[struct {
			A string `json:"a" pattern:"("`
		}](),
		"min": reflect.TypeFor[struct {
			A int `json:"a" min:"few"`
		}](),
		"function": reflect.TypeFor[struct {
			A func() `json:"a"`
		}](),
		"no struct": reflect.TypeFor[int](),
	} {
		if _, err := shape.Of(typ); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestIssues(t *testing.T) {
	t.Parallel()
	cases := []struct{ object, want string }{
		{`{"title":"a"}`, ""},
		{`{"title":"a","limit":5,"ratio":1.5,"sure":true,"scores":{"a":1},"first":{"name":"é€😀"}}`, ""},
		{`{}`, "title: missing, expected a string"},
		{`[]`, "arguments: expected an object, got an array"},
		{`{"title":null}`, "title: expected a string, got null"},
		{`{"Title":"a"}`, "title: missing, expected a string\nTitle: unknown; this tool takes title, state, level, items, first, ratio, sure, when, scores, limit"},
		{`{"title":"A"}`, "title: must be text that matches ^[a-z]+$"},
		{`{"title":"a","state":"opne"}`, `state: must be one of "open", "closed"`},
		{`{"title":"a","level":"mid"}`, `level: must be one of "low", "high"`},
		{`{"title":"a","limit":0}`, "limit: must be at least 1"},
		{`{"title":"a","limit":51}`, "limit: must be at most 50"},
		{`{"title":"a","limit":1.5}`, "limit: expected an integer, got a number"},
		{`{"title":"a","limit":"5"}`, "limit: expected an integer, got a string"},
		{`{"title":"a","ratio":1.51}`, "ratio: must be at most 1.5"},
		{`{"title":"a","sure":1,"when":5}`, "sure: expected a boolean, got a number\nwhen: expected a string, got a number"},
		{`{"title":"a","items":[{"name":"long"},{"name":"","x":1},5,{}]}`, "items[0].name: must be at most 3 characters\nitems[1].name: must be at least 1 characters\nitems[1].x: unknown; this tool takes name, tags\nitems[2]: expected an object, got a number\nitems[3].name: missing, expected a string"},
		{`{"title":"a","first":{"name":"a","tags":["1","2","3"]}}`, "first.tags: must be at most 2 items"},
		{`{"title":"a","scores":{"a":"1"}}`, "scores.a: expected a number, got a string"},
		{`{"title":"a","items":[` + strings.TrimSuffix(strings.Repeat("1,", 99), ",") + `]}`, strings.TrimSuffix(strings.Repeat("items: expected an object, got a number\n", 20), "\n")},
	}
	s := of[input](t)
	for _, tc := range cases {
		var in input
		issues, err := s.Decode([]byte(tc.object), false, &in)
		if err != nil {
			t.Errorf("%s: %v", tc.object, err)
		}
		lines := make([]string, len(issues))
		for i, issue := range issues {
			lines[i] = issue.String()
			if len(issues) == 20 {
				issue.Path = "items"
				lines[i] = issue.String()
			}
		}
		if diff := cmp.Diff(tc.want, strings.Join(lines, "\n")); diff != "" {
			t.Errorf("%s:\n%s", tc.object, diff)
		}
	}
}

func TestDecode(t *testing.T) {
	t.Parallel()
	s := of[input](t)
	var in input
	if err := s.Defaults(&in); err != nil {
		t.Fatal(err)
	}
	if issues, err := s.Decode([]byte(`{"title":"a","items":[{"name":"b"}]}`), false, &in); err != nil || issues != nil {
		t.Fatal(issues, err)
	}
	want := input{Title: "a", State: "open", Items: []item{{Name: "b"}}, page: page{Limit: 20}}
	if diff := cmp.Diff(want, in, cmp.AllowUnexported(input{}, page{})); diff != "" {
		t.Error(diff)
	}
	if _, err := s.Decode([]byte(`{"title":"a","limit":1.0}`), false, &in); !errors.Is(err, shape.ErrNumber) {
		t.Errorf("1.0 for an integer: %v", err)
	}
	if _, err := s.Decode([]byte(`{"title":`), false, &in); err == nil || errors.Is(err, shape.ErrNumber) {
		t.Errorf("broken JSON: %v", err)
	}
}

// An open shape ignores what it does not name, also where encoding/json would
// take it for a name in another case.
func TestDecodeOpen(t *testing.T) {
	t.Parallel()
	var in input
	issues, err := of[input](t).Decode([]byte(`{"title":"a","STATE":"x","more":[1],"items":[{"name":"b","Tags":["no"]}],"ratio":0.10}`), true, &in)
	if err != nil || issues != nil {
		t.Fatal(issues, err)
	}
	want := input{Title: "a", Items: []item{{Name: "b"}}, Ratio: 0.1}
	if diff := cmp.Diff(want, in, cmp.AllowUnexported(input{}, page{})); diff != "" {
		t.Error(diff)
	}
}
