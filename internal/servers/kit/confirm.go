package kit

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"

	"drawbridge/internal/account"
	"drawbridge/internal/jsonscan"
	"drawbridge/internal/mcpwire"
	"drawbridge/internal/servers/kit/approval"
	"drawbridge/internal/servers/kit/output"
	"drawbridge/internal/servers/kit/settings"
	"drawbridge/internal/servers/kit/typed"
)

// Question is what a person reads before a call runs that must be approved, and
// Preview what a call would do, without doing it; see package approval.
type (
	Question = approval.Question
	Preview  = approval.Preview
)

// Ask is the error of a handler that needs a person's approval and has not done
// anything yet. Where Confirmed is false, it returns Ask; the kit puts the
// question to a person outside of the model and runs the handler again, from the
// start, after the approval. Tools made with Destroy are asked about without it.
func Ask(q Question) error { return &approval.Needed{Question: q} }

// Approve has a person asked, once in a call. Its error is what the handler returns,
// before it has done anything. After the approval the handler runs again from its
// start; then it is nil where q is what the person was shown, to the letter. What has
// changed since is shown to them again.
func (c *Call) Approve(q Question) (err error) {
	if !c.confirmed {
		c.confirmed, err = c.pending.Covers(q)
	}
	if err == nil && !c.confirmed {
		err = Ask(q)
	}
	return err
}

// Confirmed tells whether a person has approved this call, with these arguments.
// Whether they were shown what it does now is not looked at: Approve does.
func (c *Call) Confirmed() bool {
	c.confirmed = c.confirmed || c.pending.Use()
	return c.confirmed
}

// confirms tells whether each call of a tool needs an approval. A drop-in keeps
// the contract of another server, and what is restorable needs none.
func (t *Tool) confirms() bool {
	return t.tier == settings.Destroy && !t.restorable && t.contract == nil && !t.asksItself
}

// AsksItself says of a tool made with Destroy that its handler decides by Ask which
// calls a person has to approve: those that only look need none.
func (t Tool) AsksItself() Tool { t.asksItself = true; return t }

// act is what an approval is bound to.
func act(ctx context.Context, t *Tool, args []byte) approval.Act {
	p, _ := account.PrincipalFrom(ctx)
	return approval.Act{Owner: p.Owner(), Tool: t.Name, Args: args}
}

// ask ends a call with the question, or refuses it.
func (s *Server) ask(ctx context.Context, t *Tool, req *mcpwire.Request, args []byte, q Question) (mcpwire.Outcome, error) {
	return s.desk.Ask(req, act(ctx, t, args), approval.Form{Server: cmp.Or(s.spec.Title, s.spec.Name), Title: t.Title, Question: q})
}

// WithPreview gives a tool made with Write or Destroy a preview: it takes dry_run,
// which answers with the preview, and a person who is asked for an approval reads
// it. p must only read.
func WithPreview[In any](t Tool, p func(ctx context.Context, c *Call, in In) (Preview, error)) Tool {
	t.preview = func(ctx context.Context, c *Call, in any) (Preview, error) {
		typed, ok := in.(*In)
		if !ok {
			return Preview{}, fmt.Errorf("the preview of %s is for another input", t.Name)
		}
		return p(ctx, c, *typed)
	}
	return t
}

// wantsDryRun reads dry_run of checked arguments.
func (t *Tool) wantsDryRun(args []byte) bool {
	if t.preview == nil {
		return false
	}
	m, ok := jsonscan.Find(args, typed.DryRun)
	return ok && string(m.Value.Of(args)) == "true"
}

// previewed is the result of a dry run.
func (t *Tool) previewed(p Preview, c *Call) result {
	r := result{Text: output.Within(p.Text(), &c.marks)}
	if t.ready.Output != nil {
		r.Structured = mustJSON(map[string]Preview{typed.DryRun: p})
	}
	return r
}

// Undo tells how to take back what the call has done: a call of another tool of
// the server. The tool must be Undoable.
func (c *Call) Undo(tool string, args any) {
	raw, err := json.Marshal(args)
	if err != nil {
		panic(err) // an argument type that cannot be encoded
	}
	c.undo = mustJSON(struct {
		Tool string          `json:"tool"`
		Args json.RawMessage `json:"arguments"`
	}{tool, raw})
}

// Undoable says that results carry undo: the call that takes the work back.
func (t Tool) Undoable() Tool { t.undoable = true; return t }
