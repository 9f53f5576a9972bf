package kittest_test

import (
	"context"
	"strings"
	"testing"

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
		New: func(deps kit.Deps, all bool) (*kit.Server, error) {
			spec := kit.Spec{Name: "smallest", Sets: []kit.Set{{Name: "rare"}}, Tools: []kit.Tool{
				kit.Read("keep", "Keep", "Keeps nothing.", func(context.Context, *kit.Call, in) (out, error) { return out{}, nil }),
				kit.Read("rare", "Rare", "Is seldom there.", func(context.Context, *kit.Call, struct{}) (kit.Text, error) { return "here", nil }).InSet("rare"),
			}}
			if all {
				spec.Active = []string{"all"}
			}
			return kit.New(spec, deps)
		},
		Cases:   []kittest.Case{{Tool: "keep", Good: `{"text":"x"}`, Bad: `{"text":"too long"}`}, {Tool: "rare", Good: `{}`}},
		Secrets: []string{"hunter2"},
	})
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
