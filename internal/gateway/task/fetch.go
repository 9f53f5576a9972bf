package task

import (
	"context"

	"drawbridge/internal/mcpwire"
)

// fetch is one open tasks/result. Its goroutine ends with the answer or with
// cancel; take waits for it.
type fetch struct {
	cancel  context.CancelFunc // ends the request, and the stream of its result
	waiting context.Context    // ends when the answer is there
	done    chan struct{}      // closed when out is set
	out     mcpwire.Outcome
}

func (t *run) fetch(ctx context.Context) *fetch {
	ctx, cancel := context.WithCancel(ctx)
	waiting, arrived := context.WithCancel(ctx)
	f := &fetch{cancel: cancel, waiting: waiting, done: make(chan struct{})}
	go func() {
		defer arrived()
		defer close(f.done)
		f.out = t.serve(ctx, MethodResult, t.ears)
	}()
	return f
}

// take is the answer, and whether it came by itself: one that is not there is no
// longer waited for. A result that streams keeps its request open until it is closed.
func (f *fetch) take() (out mcpwire.Outcome, came bool) {
	select {
	case <-f.done:
		came = true
	default:
		f.cancel()
		<-f.done
		if f.out.Result.Rest != nil { // it came after all, and just lost its stream
			f.out.Close()
			f.out = mcpwire.Fail(mcpwire.Errorf(mcpwire.CodeInternal, "the result was no longer waited for"))
		}
	}
	if f.out.Result.Rest == nil {
		f.cancel()
		return f.out, came
	}
	f.out.Result.Rest = mcpwire.OnClose(f.out.Result.Rest, f.cancel)
	return f.out, came
}
