package kit

import (
	"context"
	"encoding/json"
	"fmt"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/jsonscan"
	"drawbridge/internal/mcpwire"
	"drawbridge/internal/servers/kit/approval"
	"drawbridge/internal/servers/kit/output"
	"drawbridge/internal/servers/kit/typed"
)

// Question is what a person reads before a call runs that must be approved.
type Question struct {
	Target string // what it happens to: "acme/site#5"
	Effect string // what will happen, in a sentence or two
	Bound  string // what the approval stands on, where that is not the text, see approval.Form
}

func (q Question) form() approval.Form {
	return approval.Form{Target: q.Target, Effect: q.Effect, Bound: q.Bound}
}

// Ask is the error of a handler that needs a person's approval and has not done
// anything yet. Where Confirmed is false, it returns Ask; the kit puts the
// question to a person outside of the model and runs the handler again, from the
// start, after the approval. Tools made with Destroy are asked about without it.
func Ask(q Question) error { return &askError{q} }

type askError struct{ Question }

func (*askError) Error() string { return "a person has to approve this first" }

// Approve has a person asked, once in a call. Its error is what the handler returns,
// before it has done anything. After the approval the handler runs again from its
// start; then it is nil where q is what the person was shown, to the letter. What has
// changed since is shown to them again.
func (c *Call) Approve(q Question) (err error) {
	if !c.confirmed {
		c.confirmed, err = c.pending.Covers(q.form())
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
	return t.tier == TierDestroy && !t.restorable && t.contract == nil && !t.asksItself
}

// AsksItself says of a tool made with Destroy that its handler decides by Ask which
// calls a person has to approve: those that only look need none.
func (t Tool) AsksItself() Tool { t.asksItself = true; return t }

// act is what an approval is bound to.
func act(ctx context.Context, t *Tool, args []byte) approval.Act {
	p, _ := account.PrincipalFrom(ctx)
	return approval.Act{Owner: p.Owner(), Tool: t.Name, Args: args}
}

// approved reads the approval that comes with a call, if one does; Approve uses it up.
// An error is a refusal: nothing has been done.
func (s *Server) approved(ctx context.Context, t *Tool, req *mcpwire.Request, args []byte) (approval.Pending, error) {
	if !req.HasRetryState {
		return approval.Pending{}, nil
	}
	answers := req.Answers // of a client that the gateway has asked
	if answers == nil {
		answers = req.Inputs()
	}
	return s.desk.Receive(act(ctx, t, args), req.RetryState, mcpwire.ObjectMember(answers, approval.Key))
}

// ask ends a call with the question, or refuses it where the client cannot show one.
func (s *Server) ask(ctx context.Context, t *Tool, req *mcpwire.Request, args []byte, q Question) (mcpwire.Outcome, error) {
	if !canAsk(req) {
		return mcpwire.Outcome{}, cannotAsk(t)
	}
	form := q.form()
	form.Server, form.Title, form.Args = s.shownName(), t.Title, args
	if !form.Fits() {
		return mcpwire.Outcome{}, fault.New(fault.Limited, "Not run: a person has to approve this call of %s, and would not see all of it, since it is too long to be shown. Do it in smaller steps.", t.Name)
	}
	a := act(ctx, t, args)
	a.Shown = form.Digest()
	ticket, err := s.desk.Issue(a)
	if err != nil {
		return mcpwire.Outcome{}, err
	}
	return mcpwire.Outcome{Kind: mcpwire.InputRequired, Revision: mcpwire.LatestModern,
		Result: mcpwire.Result{Bytes: form.Append(nil, ticket)}}, nil
}

// canAsk tells whether the client can show a form, in whatever way of its revision.
func canAsk(req *mcpwire.Request) bool {
	return req.Caller != nil && req.Caller.CanAnswer(mcpwire.Question{Method: mcpwire.MethodElicit})
}

func cannotAsk(t *Tool) error {
	return fault.New(fault.Forbidden, "Not run: a person has to approve this call of %s, and this client cannot show a question. "+
		"Use a client with elicitation (MCP 2025-06-18 or newer, such as VS Code, Cursor, Claude Code or the MCP Inspector), or let a person do it without a model.", t.Name)
}

func (s *Server) shownName() string {
	if s.spec.Title != "" {
		return s.spec.Title
	}
	return s.spec.Name
}

// Preview says what a call would do, without doing it.
type Preview struct {
	Target  string   `json:"target,omitempty"`
	Effect  string   `json:"effect"`
	Changes []string `json:"changes,omitempty"`
	Bound   string   `json:"-"` // see Question
}

// question is the preview as what a person is asked.
func (p Preview) question() Question {
	q := Question{p.Target, p.Effect, p.Bound}
	for _, c := range p.Changes {
		q.Effect += "\n- " + c
	}
	return q
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

// rendered is the preview as the result of a dry run.
func (p Preview) rendered(t *Tool, c *Call) result {
	text := "Dry run, nothing was changed. " + p.Effect
	if p.Target != "" {
		text = "Dry run, nothing was changed. " + p.Target + ": " + p.Effect
	}
	for _, change := range p.Changes {
		text += "\n- " + change
	}
	r := result{Text: output.Within(text, &c.marks)}
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
		Tool string  `json:"tool"`
		Args rawJSON `json:"arguments"`
	}{tool, raw})
}

// Undoable says that results carry undo: the call that takes the work back.
func (t Tool) Undoable() Tool { t.undoable = true; return t }
