package gateway

import (
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/jsonscan"
	"drawbridge/internal/mcpwire"
)

// record writes the audit record of a call that has ended. It runs on every
// call, so it only copies.
func (g *Gateway) record(p account.Principal, backend string, req *mcpwire.Request, out *mcpwire.Outcome, took time.Duration) {
	g.deps.Recorder.Call(account.Record{
		Time: g.deps.Now(), User: p.User, Credential: p.Credential, Client: p.Client,
		Backend: backend, Method: req.Method, Target: req.Target,
		Decision: account.Allowed, Outcome: outcomeOf(out), Duration: took,
		SizeIn: int64(len(req.Params)), SizeOut: int64(len(out.Result.Bytes)),
	})
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
	if len(result) > maxErrorScan {
		return false
	}
	m, ok := jsonscan.Find(result, "isError")
	return ok && string(m.Value.Of(result)) == "true"
}
