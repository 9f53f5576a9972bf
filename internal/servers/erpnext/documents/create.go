package documents

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/erpnext/access"
	"drawbridge/internal/servers/erpnext/api"
	"drawbridge/internal/servers/erpnext/show"
	"drawbridge/internal/servers/kit"
)

type createIn struct {
	access.DoctypeIn
	Values api.Doc `json:"values" jsonschema:"Fields; tables as lists of rows."`
	Submit bool    `json:"submit,omitempty" jsonschema:"Submit it, too; a person is asked."`
	Key    string  `json:"idempotency_key,omitempty" jsonschema:"Any text: the same key creates once." max:"100"`
}

// create inserts a document; with submit it is asked about first, and submitted in a
// second step, so that a draft remains where ERPNext refuses that.
func (t Tools) create(ctx context.Context, c *kit.Call, in createIn) (out access.Saved, err error) {
	s, b, err := t.fresh(ctx, c, in)
	if err != nil {
		return out, err
	}
	if err := t.approved(c, b, in); err != nil {
		return out, err
	}
	done, before, err := t.Once(c, in.Doctype, in.Key)
	if err != nil {
		return out, err
	}
	if before != "" {
		doc, err := s.Get(ctx, in.Doctype, before)
		return access.SavedOf(in.Doctype, doc), err
	}
	doc, err := s.Create(ctx, in.Doctype, in.Values)
	done(access.NameOf(doc), err)
	if err != nil {
		return out, t.needs(ctx, c, s, in.Doctype, in.Values, err)
	}
	out = access.SavedOf(in.Doctype, doc)
	if in.Submit {
		after, err := s.Update(ctx, in.Doctype, out.Name, api.Doc{"docstatus": submitted, "modified": out.Modified})
		if err != nil {
			became := "and is not submitted"
			if _, lost := errors.AsType[*api.Undetermined](err); lost {
				became = "and may be submitted"
			}
			return out, access.Say(err, fault.CodeOf(err), "The draft %s %s was created %s. %s", in.Doctype, out.Name, became, fault.PublicOf(access.Explain(c, t.needs(ctx, c, s, in.Doctype, doc, err))))
		}
		return access.SavedOf(in.Doctype, after), nil
	}
	c.Undo("delete_document", access.VersionIn{DocIn: access.DocIn{DoctypeIn: in.DoctypeIn, Name: out.Name}, Expected: out.Modified})
	return out, nil
}

// fresh checks the values of a new document.
func (t Tools) fresh(ctx context.Context, c *kit.Call, in createIn) (api.Session, *api.Bundle, error) {
	s, err := t.Open(ctx, c, in.Doctype)
	if err != nil {
		return s, nil, err
	}
	b, err := t.Meta(ctx, c, s, in.Doctype)
	if err != nil {
		return s, nil, err
	}
	switch {
	case bool(b.Table):
		return s, nil, fault.New(fault.Invalid, "%s are rows of other documents. Add them with update_document of the document they belong to.", in.Doctype)
	case b.Name == "File":
		return s, nil, fault.New(fault.Invalid, "A File made as a document could claim the content of another. Use upload_file.")
	case bool(b.Single):
		return s, nil, fault.New(fault.Invalid, "There is one %s, and no more. Change it with update_document; its name is %s.", in.Doctype, in.Doctype)
	}
	if err := t.check(b, in.Values); err != nil {
		return s, nil, err
	}
	return s, b, t.Owned(b, in.Values, false)
}

// approved has a person asked, in one question, about what counts at once and about
// what changes ERPNext itself.
func (t Tools) approved(c *kit.Call, b *api.Bundle, in createIn) error {
	effect := "Creates this document."
	if in.Submit {
		if err := t.maySubmit(b); err != nil {
			return err
		}
		effect = "Creates this document and submits it: it counts in books and stock from then on."
	}
	if guarded(b.Name) {
		effect += " " + why
	} else if !in.Submit {
		return nil
	}
	return c.Approve(kit.Question{Target: b.Name, Effect: effect})
}

func (t Tools) maySubmit(b *api.Bundle) error {
	switch {
	case !bool(b.Submittable):
		return fault.New(fault.Invalid, "%s cannot be submitted. Create it without submit.", b.Name)
	case b.Workflow() != nil:
		return fault.New(fault.Conflict, "%s goes through a workflow. Create it without submit; apply_workflow_action takes its steps.", b.Name)
	case t.Mode != kit.ModeAll:
		return fault.New(fault.Forbidden, "Submitting is switched off because ERPNEXT_MODE is %s. Create a draft, or ask the operator to set ERPNEXT_MODE=all.", t.Mode)
	}
	return nil
}

func (t Tools) previewCreate(ctx context.Context, c *kit.Call, in createIn) (kit.Preview, error) {
	s, b, err := t.fresh(ctx, c, in)
	if err != nil {
		return kit.Preview{}, err
	}
	effect := "Creates a draft. All fields are known."
	if in.Submit {
		effect = "Creates a document and submits it. All fields are known."
	}
	var all []string
	for _, one := range missing(b, in.Values) {
		all = append(all, "needs a value unless ERPNext fills it in: "+one)
	}
	dead, err := t.deadLinks(ctx, s, b, in.Values)
	return access.Seen(c, in.Doctype, effect, append(all, dead...)), err
}

// mostLinks bounds how many links a dry run looks up.
const mostLinks = 12

// deadLinks are the fields that name documents which there are not.
func (t Tools) deadLinks(ctx context.Context, s api.Session, b *api.Bundle, values api.Doc) (out []string, err error) {
	looked := 0
	for _, f := range b.Fields {
		name := values.Text(f.Name)
		if f.Type != "Link" || name == "" || looked == mostLinks || !t.Allows(string(f.Options)) {
			continue
		}
		looked++
		_, err := s.Get(ctx, string(f.Options), name)
		switch {
		case api.Is(err, "DoesNotExistError"):
			out = append(out, fmt.Sprintf("%s: there is no %s %q", titled(f), f.Options, show.Clip(name, 80)))
		case api.Is(err, "PermissionError"): // links may lead to what the user cannot read
		case err != nil:
			return nil, err
		}
	}
	for _, f := range b.Fields {
		if choice := values.Text(f.Name); f.Type == "Select" && choice != "" && f.Options != "" && !strings.Contains("\n"+string(f.Options)+"\n", "\n"+choice+"\n") {
			out = append(out, fmt.Sprintf("%s: %q is none of the choices", titled(f), show.Clip(choice, 80)))
		}
	}
	return out, nil
}
