package gateway

import (
	"context"

	"drawbridge/internal/account"
	"drawbridge/internal/gateway/catalogue"
	"drawbridge/internal/gateway/task"
	"drawbridge/internal/mcpwire"
)

// callTasked calls a tool of a backend that may answer with a task. Whoever knows
// its kind of tasks and wants one gets it, under a sealed id; for all others the
// gateway waits for the result, where the tool runs as a task only.
func (g *Gateway) callTasked(ctx context.Context, it *catalogue.Item, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
	s, how := it.Section, job{destructive: it.Tier == account.TierDestroy}
	wanted := task.Declared(req.Caller)
	if s.Lists.Info.Revision.Legacy() {
		wanted = s.Member.Tasks && task.Asked(req)
		switch {
		case wanted:
		case it.Task:
			how.run = func(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
				return g.tasks.Run(ctx, s.Backend, req, sink)
			}
		case task.Asked(req): // it was not offered, so it counts as not sent
			plain, err := mcpwire.NewRequest(req.Method, req.Revision, mcpwire.Without(req.Params, "task"))
			if err != nil {
				return mcpwire.Fail(err)
			}
			plain.Caller, plain.Target = req.Caller, req.Target
			req = plain
		}
	}
	if !wanted {
		return task.Guard(req, g.forward(ctx, s, req, sink, how))
	}
	w := g.weave(ctx, s.Backend.Name(), sink)
	return w.result(req.Method, task.Guard(req, g.forward(ctx, s, req, w, how)))
}

// taskRequest serves the requests about a task, for the owner of its sealed id.
func (g *Gateway) taskRequest(ctx context.Context, req *mcpwire.Request, sink mcpwire.Sink) mcpwire.Outcome {
	switch modern := req.Caller.Revision.Modern(); {
	case modern && !task.Declared(req.Caller):
		e := mcpwire.Errorf(mcpwire.CodeMissingCapability, "%s needs the extension %s. Declare it in the client's capabilities.", req.Method, task.Extension)
		e.Data = []byte(`{"requiredCapabilities":{"extensions":{"` + task.Extension + `":{}}}}`)
		return mcpwire.Fail(e)
	case req.Method == task.MethodList,
		modern && req.Method == task.MethodResult,
		!modern && (req.Method == task.MethodUpdate || req.Caller.Revision != mcpwire.Rev20251125):
		return mcpwire.Fail(noMethod(req.Method))
	}
	p, _ := account.PrincipalFrom(ctx)
	name, id, ok := g.taskIDs.Open(req.Target, p.Owner())
	if ok {
		for _, s := range g.current.Load().View(p.Access).Sections {
			if s.Backend.Name() == name {
				req.Target = id
				w := g.weave(ctx, name, sink)
				return w.result(req.Method, g.forward(ctx, s, req, w, job{}))
			}
		}
	}
	g.deny(ctx, "", req)
	return mcpwire.Fail(mcpwire.Errorf(mcpwire.CodeInvalidParams, "Unknown task. It may have expired, or its backend is gone; call the tool again."))
}

// weaver is a sink that seals a backend's task ids on their way to the client, and
// opens those that come back.
type weaver struct {
	mcpwire.Sink
	wrap, open func(id string) string
}

func (g *Gateway) weave(ctx context.Context, name string, sink mcpwire.Sink) *weaver {
	p, _ := account.PrincipalFrom(ctx)
	owner := p.Owner()
	return &weaver{
		Sink: sink,
		wrap: func(id string) string { return g.taskIDs.Wrap(name, owner, id) },
		open: func(text string) string {
			_, id, _ := g.taskIDs.Open(text, owner)
			return id
		},
	}
}

func (w *weaver) Notify(n mcpwire.Notification) { w.Sink.Notify(task.WrapNotification(n, w.wrap)) }

func (w *weaver) Ask(ctx context.Context, q mcpwire.Question) (mcpwire.Answer, error) {
	if q.Params != nil {
		q.Params = task.WrapRelated(q.Params, w.wrap)
	}
	a, err := w.Sink.Ask(ctx, q)
	if a.Result != nil {
		a.Result = task.WrapRelated(a.Result, w.open)
	}
	return a, err
}

// result seals the ids in an outcome.
func (w *weaver) result(method string, out mcpwire.Outcome) mcpwire.Outcome {
	if out.Kind != mcpwire.Complete || out.Result.Rest != nil {
		return out // what is too large to hold is no handle
	}
	sealed := task.WrapResult(method, out.Result.Bytes, w.wrap)
	if len(sealed) == len(out.Result.Bytes) && &sealed[0] == &out.Result.Bytes[0] {
		return out
	}
	if free := out.Result.Free; free != nil {
		free()
	}
	out.Result.Bytes, out.Result.Free = sealed, nil
	return out
}
