package puppeteer

import (
	"context"
	"strconv"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/puppeteer/page"
	"drawbridge/internal/servers/puppeteer/session"
)

// onTarget is how tools name an element.
type onTarget struct {
	Target string `json:"target" jsonschema:"Reference of a snapshot, or CSS selector." max:"2000"`
}

type clickIn struct {
	onTarget
	DoubleClick bool     `json:"doubleClick,omitempty" jsonschema:"Click twice."`
	Button      string   `json:"button,omitempty" jsonschema:"Mouse button." enum:"left,right,middle" default:"left"`
	Modifiers   []string `json:"modifiers,omitempty" jsonschema:"Alt, Control, Meta, Shift." max:"4"`
	looks
}

func (s *server) press(ctx context.Context, c *kit.Call, in clickIn) (seen, error) {
	return s.acted(ctx, c, in.looks, func(_ *session.Session, t *session.Tab) error {
		return t.Page.Click(ctx, page.Target(in.Target), page.Clicking{Button: in.Button, Double: in.DoubleClick, Modifiers: in.Modifiers, Uncovered: true})
	})
}

// maxTyped bounds a text to type.
const maxTyped = 100_000

type typeIn struct {
	onTarget
	Text   string `json:"text" jsonschema:"What to put into the field." max:"100000"`
	Submit bool   `json:"submit,omitempty" jsonschema:"Press Enter afterwards."`
	Slowly bool   `json:"slowly,omitempty" jsonschema:"Key by key at the caret, for pages that listen to keys."`
	looks
}

func (s *server) typeText(ctx context.Context, c *kit.Call, in typeIn) (seen, error) {
	if in.Slowly && len(in.Text) > maxTyped/50 {
		return seen{}, fault.New(fault.Limited, "Slowly, at most %d characters are typed at once. Leave slowly out, or type less.", maxTyped/50)
	}
	return s.acted(ctx, c, in.looks, func(_ *session.Session, t *session.Tab) error {
		if in.Slowly {
			return t.Page.Type(ctx, page.Target(in.Target), in.Text, in.Submit)
		}
		return t.Page.Fill(ctx, page.Target(in.Target), in.Text, in.Submit)
	})
}

// formField is one field of a form.
type formField struct {
	Target string `json:"target" jsonschema:"Reference of a snapshot, or CSS selector." max:"2000"`
	Type   string `json:"type,omitempty" jsonschema:"Kind of field." enum:"textbox,checkbox,radio,combobox" default:"textbox"`
	Value  string `json:"value" jsonschema:"Text; true or false for a checkbox; value or label for a combobox." max:"100000"`
}

type formIn struct {
	Fields []formField `json:"fields" jsonschema:"The fields, in the order in which they are filled." min:"1" max:"50"`
	looks
}

func (s *server) fillForm(ctx context.Context, c *kit.Call, in formIn) (seen, error) {
	return s.acted(ctx, c, in.looks, func(_ *session.Session, t *session.Tab) error {
		for i, f := range in.Fields {
			if err := fillField(ctx, t, f); err != nil {
				return fault.Wrap(err, fault.CodeOf(err), "Field %d (of %d; those before it are filled): %s", i+1, len(in.Fields), fault.PublicOf(err))
			}
		}
		return nil
	})
}

func fillField(ctx context.Context, t *session.Tab, f formField) error {
	switch f.Type {
	case "checkbox", "radio":
		want, err := strconv.ParseBool(f.Value)
		if err != nil {
			return fault.Wrap(err, fault.Invalid, "The value of a %s is true or false. Correct it.", f.Type)
		}
		return t.Page.Check(ctx, page.Target(f.Target), want)
	case "combobox":
		_, err := t.Page.Select(ctx, page.Target(f.Target), []string{f.Value}, true)
		return err
	}
	return t.Page.Fill(ctx, page.Target(f.Target), f.Value, false)
}

type optionIn struct {
	onTarget
	Values []string `json:"values" jsonschema:"Values or labels; several only where the list allows it." min:"1" max:"100"`
	looks
}

func (s *server) selectOption(ctx context.Context, c *kit.Call, in optionIn) (seen, error) {
	return s.acted(ctx, c, in.looks, func(_ *session.Session, t *session.Tab) error {
		_, err := t.Page.Select(ctx, page.Target(in.Target), in.Values, true)
		return err
	})
}

type keyIn struct {
	Key string `json:"key" jsonschema:"Name of a key or one character, with modifiers before it." min:"1" max:"60"`
	looks
}

func (s *server) pressKey(ctx context.Context, c *kit.Call, in keyIn) (seen, error) {
	return s.acted(ctx, c, in.looks, func(_ *session.Session, t *session.Tab) error { return t.Page.Press(ctx, in.Key) })
}

type pointIn struct {
	onTarget
	looks
}

func (s *server) pointAt(ctx context.Context, c *kit.Call, in pointIn) (seen, error) {
	return s.acted(ctx, c, in.looks, func(_ *session.Session, t *session.Tab) error { return t.Page.Hover(ctx, page.Target(in.Target)) })
}

type dragIn struct {
	Start string `json:"startTarget" jsonschema:"Reference or CSS selector of what to drag." max:"2000"`
	End   string `json:"endTarget" jsonschema:"Reference or CSS selector of where to drop it." max:"2000"`
	looks
}

func (s *server) drag(ctx context.Context, c *kit.Call, in dragIn) (seen, error) {
	return s.acted(ctx, c, in.looks, func(_ *session.Session, t *session.Tab) error {
		return t.Page.Drag(ctx, page.Target(in.Start), page.Target(in.End))
	})
}

type dialogIn struct {
	Accept     bool   `json:"accept" jsonschema:"OK, rather than Cancel."`
	PromptText string `json:"promptText,omitempty" jsonschema:"Answer to a prompt." max:"4000"`
	inSession
}

type dialogOut struct {
	Next string `json:"next"`
}

func (s *server) dialog(ctx context.Context, c *kit.Call, in dialogIn) (dialogOut, error) {
	err := s.run(ctx, c, in.inSession, func(_ *session.Session, t *session.Tab) error {
		t.Page.Answer(in.Accept, in.PromptText)
		return nil
	})
	return dialogOut{map[bool]string{true: "The next dialog of this tab is accepted.", false: "The next dialog of this tab is dismissed."}[in.Accept]}, err
}

type resizeIn struct {
	Width  int `json:"width" jsonschema:"Pixels." min:"100" max:"4000"`
	Height int `json:"height" jsonschema:"Pixels." min:"100" max:"4000"`
	looks
}

func (s *server) resize(ctx context.Context, c *kit.Call, in resizeIn) (seen, error) {
	return s.acted(ctx, c, in.looks, func(_ *session.Session, t *session.Tab) error { return t.Page.Resize(ctx, in.Width, in.Height) })
}
