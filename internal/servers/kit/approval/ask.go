package approval

import (
	"drawbridge/internal/fault"
	"drawbridge/internal/mcpwire"
)

// CanAsk refuses a request whose client cannot show a form, in whatever way of its
// revision.
func CanAsk(req *mcpwire.Request, tool string) error {
	if req.Caller != nil && req.Caller.CanAnswer(mcpwire.Question{Method: mcpwire.MethodElicit}) {
		return nil
	}
	return fault.New(fault.Forbidden, "Not run: a person has to approve this call of %s, and this client cannot show a question. "+
		"Use a client with elicitation (MCP 2025-06-18 or newer, such as VS Code, Cursor, Claude Code or the MCP Inspector), or let a person do it without a model.", tool)
}

// Ask ends a request with the question, or refuses it where a person would not see it,
// or not all of it.
func (d *Desk) Ask(req *mcpwire.Request, a Act, f Form) (mcpwire.Outcome, error) {
	if err := CanAsk(req, a.Tool); err != nil {
		return mcpwire.Outcome{}, err
	}
	f.Args = a.Args
	if !f.Fits() {
		return mcpwire.Outcome{}, fault.New(fault.Limited, "Not run: a person has to approve this call of %s, and would not see all of it, since it is too long to be shown. Do it in smaller steps.", a.Tool)
	}
	a.Shown = f.Digest()
	ticket, err := d.Issue(a)
	if err != nil {
		return mcpwire.Outcome{}, err
	}
	return mcpwire.Outcome{Kind: mcpwire.InputRequired, Revision: mcpwire.LatestModern,
		Result: mcpwire.Result{Bytes: f.Append(nil, ticket)}}, nil
}

// Brought is the approval that comes with a request, if one does. An error is a
// refusal, as the caller reads it.
func (d *Desk) Brought(req *mcpwire.Request, a Act) (Pending, error) {
	if !req.HasRetryState {
		return Pending{}, nil
	}
	answers := req.Answers // of a client that the gateway has asked
	if answers == nil {
		answers = req.Inputs()
	}
	return d.Receive(a, req.RetryState, mcpwire.ObjectMember(answers, Key))
}
