package gateway

import (
	"context"

	"drawbridge/internal/account"
	"drawbridge/internal/audit"
	"drawbridge/internal/mcpwire"
)

// note is the audit record of a call under way.
type note struct {
	g      *Gateway
	record account.Record
	intent audit.Intent
	strict bool // an intent was written
}

// record begins the audit record of a request for a backend; "" is none.
func (g *Gateway) record(p account.Principal, backend string, req *mcpwire.Request) account.Record {
	r := account.Record{
		Time: g.deps.Now(), User: p.User, Credential: p.Credential, Client: p.Client,
		Backend: backend, Method: req.Method, Target: req.Target, SizeIn: int64(len(req.Params)),
	}
	if arguments := req.Arguments(); arguments != nil {
		r.Digest = g.deps.Recorder.Digest(arguments)
	}
	return r
}

// begin opens the record of a call. That of a destructive one is durable before
// the call runs; where it cannot be written, the call must not run.
func (g *Gateway) begin(ctx context.Context, p account.Principal, backend string, req *mcpwire.Request, destructive bool) (note, *mcpwire.Error) {
	n := note{g: g, strict: destructive, record: g.record(p, backend, req)}
	n.record.Decision = account.Allowed
	if !destructive {
		return n, nil
	}
	var err error
	if n.intent, err = g.deps.Recorder.Intent(ctx, n.record); err != nil {
		g.deps.Log.Error("destructive call refused: the audit log cannot be written", "backend", backend, "error", err)
		return n, mcpwire.Errorf(mcpwire.CodeInternal, "The call was not run: its audit record cannot be written now. Try again later, or look at the disk of the server.")
	}
	return n, nil
}

// deny records a call that was refused before it reached a backend.
func (g *Gateway) deny(ctx context.Context, backend string, req *mcpwire.Request) {
	p, _ := account.PrincipalFrom(ctx)
	r := g.record(p, backend, req)
	r.Decision, r.Outcome = account.Denied, account.Failed
	g.deps.Recorder.Call(r)
}

// end closes the record.
func (n *note) end(ctx context.Context, out *mcpwire.Outcome) {
	outcome, size := outcomeOf(out), int64(len(out.Result.Bytes))
	if n.strict {
		if err := n.g.deps.Recorder.Outcome(context.WithoutCancel(ctx), n.intent, outcome, size); err != nil {
			n.g.deps.Log.Error("the outcome of a destructive call is not in the audit log", "backend", n.record.Backend, "outcome", outcome, "error", err)
		}
		return
	}
	n.record.Outcome, n.record.SizeOut = outcome, size
	n.record.Duration = n.g.deps.Now().Sub(n.record.Time)
	n.g.deps.Recorder.Call(n.record)
}

func outcomeOf(out *mcpwire.Outcome) account.Outcome {
	switch out.Kind {
	case mcpwire.Complete:
		if out.Result.Rest == nil && isToolError(out.Result.Bytes) {
			return account.ToolError
		}
		return account.Succeeded
	case mcpwire.InputRequired:
		return account.Asked
	}
	return account.Failed
}

// maxErrorScan is how large a result may be to be looked at for isError.
const maxErrorScan = 4 << 10

func isToolError(result []byte) bool {
	return len(result) <= maxErrorScan && string(mcpwire.Member(result, "isError")) == "true"
}
