package desk

import (
	"context"
	"fmt"
	"html"
	"slices"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/erpnext/access"
	"drawbridge/internal/servers/erpnext/api"
	"drawbridge/internal/servers/erpnext/show"
	"drawbridge/internal/servers/kit"
)

type actionsOut struct {
	access.Saved
	Workflow kit.Untrusted `json:"workflow"`
	At       kit.Untrusted `json:"state"`
	Actions  []action      `json:"actions"`
}

type action struct {
	Action kit.Untrusted `json:"action"`
	Next   kit.Untrusted `json:"next_state"`
}

// workflowOf is the workflow of a DocType as it is now: a person is told what a step of
// it does.
func workflowOf(ctx context.Context, s api.Session, doctype string) (*api.Workflow, error) {
	b, err := s.Describe(ctx, doctype)
	if err != nil {
		return nil, err
	}
	if w := b.Workflow(); w != nil {
		return w, nil
	}
	return nil, fault.New(fault.Conflict, "%s has no active workflow. submit_document and cancel_document change where a document stands.", doctype)
}

func (t Tools) workflowActions(ctx context.Context, c *kit.Call, in access.DocIn) (out actionsOut, err error) {
	s, doc, err := t.Document(ctx, c, in)
	if err != nil {
		return out, err
	}
	w, err := workflowOf(ctx, s, in.Doctype)
	if err != nil {
		return out, err
	}
	steps, err := s.Transitions(ctx, in.Doctype, in.Name)
	if err != nil {
		return out, err
	}
	out = actionsOut{Saved: access.SavedOf(in.Doctype, doc), Workflow: kit.Untrusted(show.Words(w.Name)), At: kit.Untrusted(show.Words(doc.Text(w.StateField)))}
	for _, one := range steps {
		out.Actions = append(out.Actions, action{kit.Untrusted(show.Words(one.Action)), kit.Untrusted(show.Words(one.Next))})
	}
	return out, nil
}

type applyIn struct {
	access.VersionIn
	Action string `json:"action" jsonschema:"From get_workflow_actions." min:"1"`
}

// step finds the step that an action is, for a version of a document.
func (t Tools) step(ctx context.Context, c *kit.Call, in applyIn) (s api.Session, w *api.Workflow, found api.Transition, err error) {
	s, _, err = t.Version(ctx, c, in.VersionIn)
	if err != nil {
		return s, nil, found, err
	}
	if w, err = workflowOf(ctx, s, in.Doctype); err != nil {
		return s, nil, found, err
	}
	steps, err := s.Transitions(ctx, in.Doctype, in.Name)
	if err != nil {
		return s, w, found, err
	}
	i := slices.IndexFunc(steps, func(x api.Transition) bool { return x.Action == in.Action })
	if i < 0 {
		return s, w, found, fault.New(fault.Conflict, "The workflow does not offer the action %q to you now. get_workflow_actions has those that it does.", show.Clip(in.Action, 60))
	}
	return s, w, steps[i], nil
}

func (t Tools) previewAction(ctx context.Context, c *kit.Call, in applyIn) (kit.Preview, error) {
	_, w, found, err := t.step(ctx, c, in)
	if err != nil {
		return kit.Preview{}, err
	}
	effect := "Takes a step of the workflow."
	for _, state := range w.States {
		if state.State == found.Next && state.DocStatus == "1" {
			effect += " It submits the document if it is a draft: it counts in books and stock from then on."
		}
		if state.State == found.Next && state.DocStatus == "2" {
			effect += " It cancels the document for good."
		}
	}
	line := fmt.Sprintf("%s: from %s to %s", show.Words(found.Action), show.Words(found.State), show.Words(found.Next))
	return access.Seen(c, in.Doctype+" "+in.Name, effect, []string{line}), nil
}

type appliedOut struct {
	access.Saved
	State kit.Untrusted `json:"state"`
}

func (t Tools) applyAction(ctx context.Context, c *kit.Call, in applyIn) (out appliedOut, err error) {
	s, w, _, err := t.step(ctx, c, in)
	if err != nil {
		return out, err
	}
	if err := s.Apply(ctx, in.Doctype, in.Name, in.Action); err != nil {
		return out, err
	}
	doc, err := s.Get(ctx, in.Doctype, in.Name)
	if err != nil { // it is done, and only cannot be shown
		c.Log.DebugContext(ctx, "document not readable after its workflow step", "error", err)
		return appliedOut{Saved: access.Saved{Doctype: in.Doctype, Name: in.Name}}, nil
	}
	return appliedOut{access.SavedOf(in.Doctype, doc), kit.Untrusted(show.Words(doc.Text(w.StateField)))}, nil
}

type commentIn struct {
	access.DocIn
	Text string `json:"text" jsonschema:"What to say." min:"1" max:"20000"`
}

type doneOut struct {
	Done string `json:"done"`
}

func (t Tools) comment(ctx context.Context, c *kit.Call, in commentIn) (out doneOut, err error) {
	s, _, err := t.Document(ctx, c, in.DocIn)
	if err != nil {
		return out, err
	}
	me, err := s.Me(ctx)
	if err != nil {
		return out, err
	}
	_, err = api.Do[any](ctx, s, "frappe.desk.form.utils.add_comment", api.Doc{"reference_doctype": in.Doctype, "reference_name": in.Name, "content": markup(in.Text), "comment_email": me, "comment_by": me},
		in.Doctype+" "+in.Name, "get_document with include comments shows whether it is there.")
	return doneOut{"commented on " + in.Doctype + " " + in.Name}, err
}

// markup is a text as the HTML that comments are.
func markup(text string) string {
	return "<div>" + strings.ReplaceAll(html.EscapeString(text), "\n", "<br>") + "</div>"
}

type assignIn struct {
	access.DocIn
	Users []string `json:"users" jsonschema:"Ids of users: mail addresses." min:"1" max:"20"`
	Text  string   `json:"description,omitempty" jsonschema:"What is to do."`
	Date  string   `json:"date,omitempty" jsonschema:"Until: 2026-01-31." pattern:"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"`
}

func (t Tools) assign(ctx context.Context, c *kit.Call, in assignIn) (out doneOut, err error) {
	s, _, err := t.Document(ctx, c, in.DocIn)
	if err != nil {
		return out, err
	}
	args := api.Doc{"doctype": in.Doctype, "name": in.Name, "assign_to": kit.Compact(in.Users), "description": in.Text}
	if in.Date != "" {
		args["date"] = in.Date
	}
	_, err = api.Do[any](ctx, s, "frappe.desk.form.assign_to.add", args, in.Doctype+" "+in.Name, "get_document with include assignments shows whether it is there.")
	return doneOut{"assigned to " + strings.Join(in.Users, ", ")}, err
}

type tagIn struct {
	access.DocIn
	Tag string `json:"tag" jsonschema:"One word." pattern:"^[^,<>]{1,60}$"`
}

func (t Tools) tag(ctx context.Context, c *kit.Call, in tagIn) (out doneOut, err error) {
	s, _, err := t.Document(ctx, c, in.DocIn)
	if err != nil {
		return out, err
	}
	_, err = api.Do[any](ctx, s, "frappe.desk.doctype.tag.tag.add_tag", api.Doc{"tag": in.Tag, "dt": in.Doctype, "dn": in.Name}, in.Doctype+" "+in.Name, "Tagging twice does no harm: call again.")
	return doneOut{"tagged " + in.Tag}, err
}
