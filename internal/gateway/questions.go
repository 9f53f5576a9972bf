package gateway

import (
	"context"
	"strconv"

	"drawbridge/internal/account"
	"drawbridge/internal/backend"
	"drawbridge/internal/gateway/catalogue"
	"drawbridge/internal/gateway/fulfil"
	"drawbridge/internal/gateway/park"
	"drawbridge/internal/gateway/seal"
	"drawbridge/internal/gateway/vigil"
	"drawbridge/internal/jsonscan"
	"drawbridge/internal/mcpwire"
)

// converse runs a call and brings whatever its backend asks to the client, in the
// way of the client's era. st is what a retry has brought, zero for a first call.
//
// Of the four pairs of eras, two are elsewhere: a legacy client is asked by a
// legacy backend through sink, and of two modern ones the question is the outcome.
func (g *Gateway) converse(ctx context.Context, s *catalogue.Section, req *mcpwire.Request, sink mcpwire.Sink, how job, st seal.State) mcpwire.Outcome {
	p, _ := account.PrincipalFrom(ctx)
	name, run := s.Backend.Name(), how.run
	if run == nil {
		run = s.Backend.Serve
	}
	switch {
	case st.Park != "":
		out, asked, t := g.lot.Resume(ctx, park.Ticket{ID: st.Park, Round: st.Round}, req, sink)
		return g.parked(p, name, req, out, asked, t)
	case st.Again:
		if out, open := g.visited(req, st); open {
			return out
		}
	}
	if req.Caller.Revision.Legacy() {
		return g.vigil.Run(ctx, p, func(ctx context.Context) mcpwire.Outcome {
			out := run(ctx, req, sink)
			if out.Kind != mcpwire.InputRequired {
				return out
			}
			return fulfil.Fulfiller{Backend: name, Handler: s.Backend, Think: g.cfg.Think}.Serve(ctx, req, sink, out)
		})
	}
	if s.Lists.Info.Revision.Modern() || !mcpwire.MayAsk(req.Method) || req.Caller.Askable().None() {
		return g.asked(p, name, req, g.vigil.Run(ctx, p, func(ctx context.Context) mcpwire.Outcome { return run(ctx, req, sink) }))
	}
	kept := req.Keep()
	kept.Caller.Session = p.Credential
	out, asked, t := g.lot.Serve(ctx, park.Call{
		Info:    park.Info{Backend: name, User: p.User, Method: req.Method, Target: req.Target},
		Request: kept, Run: run,
		Guard: func(cut func(*mcpwire.Error)) func() {
			return g.vigil.Enter(p, func() { cut(vigil.ErrEnded) }).Leave
		},
	}, sink)
	return g.parked(p, name, req, out, asked, t)
}

// parked turns the questions of a parked call into the outcome of its client's
// request.
func (g *Gateway) parked(p account.Principal, name string, req *mcpwire.Request, out mcpwire.Outcome, asked []mcpwire.Asked, t park.Ticket) mcpwire.Outcome {
	if asked == nil {
		return g.asked(p, name, req, out)
	}
	st := g.stateOf(p, name, req)
	st.Park, st.Round = t.ID, t.Round
	return g.sealed(st, asked)
}

func (g *Gateway) stateOf(p account.Principal, name string, req *mcpwire.Request) seal.State {
	return seal.State{Backend: name, Owner: p.Owner(), Digest: seal.Digest(req), Expires: g.deps.Now().Add(g.cfg.StateTTL).Unix()}
}

// sealed asks questions of the gateway's own making.
func (g *Gateway) sealed(st seal.State, asked []mcpwire.Asked) mcpwire.Outcome {
	state, err := g.seal.Seal(st)
	if err != nil {
		return mcpwire.Fail(mcpwire.FromFault(err))
	}
	return mcpwire.Outcome{Kind: mcpwire.InputRequired, Revision: mcpwire.LatestModern,
		Result: mcpwire.Result{Bytes: mcpwire.AppendInputRequired(nil, asked, state)}}
}

// asked brings what a backend asks by its outcome to a modern client.
func (g *Gateway) asked(p account.Principal, name string, req *mcpwire.Request, out mcpwire.Outcome) mcpwire.Outcome {
	switch {
	case out.Kind == mcpwire.InputRequired:
		return g.inputRequired(p, name, req, out)
	case out.Kind == mcpwire.Failed && out.Err.Code == mcpwire.CodeURLElicitationNeeds:
		return g.urlNeeded(p, name, req, out)
	}
	return out
}

// inputRequired seals a modern backend's question for a modern client.
func (g *Gateway) inputRequired(p account.Principal, name string, req *mcpwire.Request, out mcpwire.Outcome) mcpwire.Outcome {
	defer out.Close()
	switch {
	case !mcpwire.MayAsk(req.Method):
		return mcpwire.Fail(backend.Failure(name, "input_required",
			"Backend "+name+" asked a question where the protocol allows none. Look at the backend's own log."))
	case out.Result.Rest != nil:
		return mcpwire.Fail(backend.Failure(name, "input_required too large",
			"Backend "+name+" asked a question that is too large to be passed on. Look at the backend's own log."))
	}
	result := out.Result.Bytes
	st := g.stateOf(p, name, req)
	at, has := jsonscan.Find(result, "requestState")
	if has {
		var ok bool
		if st.Inner, ok = jsonscan.Unquote(at.Value.Of(result)); !ok {
			return mcpwire.Fail(backend.Failure(name, "bad requestState",
				"Backend "+name+" asked a question with a requestState that is not a string. Look at the backend's own log."))
		}
		st.Has = true
	}
	sealed, err := g.seal.Seal(st)
	if err != nil {
		return mcpwire.Fail(mcpwire.FromFault(err))
	}
	var next []byte
	if has {
		next = append(next, result[:at.Value.From]...)
		next = mcpwire.AppendString(next, sealed)
		next = append(next, result[at.Value.To:]...)
	} else {
		next = mcpwire.AppendString(append(next, `{"requestState":`...), sealed)
		next = append(append(next, ','), result[1:]...) // never empty: resultType is in it
	}
	return mcpwire.Outcome{Kind: mcpwire.InputRequired, Revision: out.Revision, Result: mcpwire.Result{Bytes: next}}
}

// Bounds of the pages that one call may send a person to: their questions travel in
// the client's state.
const (
	maxURLs     = 16
	maxURLBytes = 16 << 10
)

// urlNeeded turns the error by which a backend of 2025-11-25 asks for visits to
// URLs before it runs a call into questions (client/elicitation, "URL Elicitation
// Required Error"; protocol reference 2.5). The retry is a call of its own.
func (g *Gateway) urlNeeded(p account.Principal, name string, req *mcpwire.Request, out mcpwire.Outcome) mcpwire.Outcome {
	list := mcpwire.Member(out.Err.Data, "elicitations")
	if !mcpwire.MayAsk(req.Method) || !req.Caller.Askable().ElicitationURL || len(list) == 0 || list[0] != '[' || len(list) > maxURLBytes {
		return out
	}
	st := g.stateOf(p, name, req)
	st.Again = true
	var asked []mcpwire.Asked
	for e := range jsonscan.Elements(list) {
		params := e.Of(list)
		if mode, _ := mcpwire.TextMember(params, "mode"); mode != "url" {
			return out
		}
		q := mcpwire.Question{Revision: mcpwire.Rev20251125, Method: mcpwire.MethodElicit, Params: params}
		if len(asked) == maxURLs {
			return out
		}
		key := "url-" + strconv.Itoa(len(asked)+1)
		asked = append(asked, mcpwire.Asked{Key: key, Question: mcpwire.QuestionFor(mcpwire.LatestModern, q)})
	}
	if asked == nil {
		return out
	}
	st.Asked = asked
	return g.sealed(st, asked)
}

// visited tells what keeps the retry of such a call from running, if anything does:
// a question without an answer is put again, and where a person did not agree to go
// there is nothing to run.
func (g *Gateway) visited(req *mcpwire.Request, st seal.State) (out mcpwire.Outcome, open bool) {
	for _, q := range st.Asked {
		answer := mcpwire.Member(req.Inputs(), q.Key)
		if answer == nil {
			return g.sealed(st, st.Asked), true
		}
		if why := mcpwire.CheckAnswer(mcpwire.MethodElicit, answer); why != "" {
			return mcpwire.Fail(mcpwire.Errorf(mcpwire.CodeInvalidParams, "The answer to %q does not fit its question: %s. Correct it and send the same retry again.", q.Key, why)), true
		}
		if action, _ := mcpwire.TextMember(answer, "action"); action == "accept" {
			continue
		}
		const text = "Not run: the person did not agree to open the page that this needs. Ask them, and call again."
		if req.Method != mcpwire.MethodToolsCall {
			return mcpwire.Fail(mcpwire.Errorf(mcpwire.CodeInvalidRequest, text)), true
		}
		return toolError(text), true
	}
	return mcpwire.Outcome{}, false
}

// Parked tells which calls wait for a person's answer: of one user, or of all for "".
func (g *Gateway) Parked(user string) []park.Info {
	list := g.lot.List()
	if user == "" {
		return list
	}
	var mine []park.Info
	for _, i := range list {
		if i.User == user {
			mine = append(mine, i)
		}
	}
	return mine
}

// CancelParked ends a parked call of a user, or anybody's for "".
func (g *Gateway) CancelParked(id, user string) bool {
	return g.lot.Cancel(id, func(i park.Info) bool { return user == "" || i.User == user })
}
