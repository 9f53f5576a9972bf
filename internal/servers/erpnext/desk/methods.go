package desk

import (
	"context"
	"net/url"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/erpnext/api"
	"drawbridge/internal/servers/erpnext/show"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/kit/pattern"
)

type callIn struct {
	Method string  `json:"method" jsonschema:"Dotted name." min:"1" max:"200"`
	Args   api.Doc `json:"args,omitempty" jsonschema:"By name."`
	HTTP   string  `json:"http,omitempty" jsonschema:"GET reads only; POST without it." enum:"GET,POST"`
}

type callOut struct {
	Result kit.Untrusted `json:"result"`
}

// methodRule is what a function can be called. A slash would lead to another one.
var methodRule = pattern.New(`^[A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z_][A-Za-z0-9_-]*)*$`)

// allowed refuses a function that the operator does not name, and arguments by which
// Frappe would call another.
func (t Tools) allowed(in callIn) error {
	if err := t.Function(in.Method); err != nil {
		return err
	}
	if !methodRule().MatchString(in.Method) {
		return fault.New(fault.Invalid, "The method is not the dotted name of a function. Send it as ERPNEXT_METHODS allows it.")
	}
	if _, ok := in.Args[api.Dispatch]; ok {
		return fault.New(fault.Invalid, "By an argument called %s Frappe calls another function than the one named. Leave it out.", api.Dispatch)
	}
	return nil
}

func (t Tools) previewCall(_ context.Context, _ *kit.Call, in callIn) (kit.Preview, error) {
	return kit.Preview{Target: in.Method, Effect: "Calls this function of ERPNext, with whatever it does."}, t.allowed(in)
}

func (t Tools) callMethod(ctx context.Context, c *kit.Call, in callIn) (out callOut, err error) {
	if err := t.allowed(in); err != nil {
		return out, err
	}
	s, err := t.Session(ctx, c)
	if err != nil {
		return out, err
	}
	var result any
	if in.HTTP == "GET" {
		q := url.Values{}
		for k, v := range in.Args {
			text, ok := v.(string)
			if !ok {
				text = show.JSON(v)
			}
			q.Set(k, text)
		}
		result, err = api.Read[any](ctx, s, in.Method, q, "the function")
	} else {
		args := in.Args
		if args == nil {
			args = api.Doc{}
		}
		result, err = api.Do[any](ctx, s, in.Method, args, "the function", "Look at what the function was to change.")
	}
	if err != nil {
		return out, err
	}
	if result == nil {
		return callOut{"nothing"}, nil
	}
	text := kit.Compact(show.Value(result, show.ValueRoom))
	if len(text) > show.TextRoom {
		return out, fault.New(fault.Limited, "The function was called, and its answer of %d bytes is too long to be shown. Call it with arguments that give less.", len(text))
	}
	return callOut{kit.Untrusted(text)}, nil
}
