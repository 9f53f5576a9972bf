package task

import (
	"context"
	"math"
	"strconv"
	"sync"
	"sync/atomic"

	"drawbridge/internal/jsonscan"
	"drawbridge/internal/mcpwire"
)

// ears is the sink of every request about one task. It makes progress of the
// task's statuses and keeps from the caller that there is a task at all.
type ears struct {
	sink   mcpwire.Sink
	token  []byte       // the caller's progress token, raw; nil: it wants no progress
	asking atomic.Int64 // questions that are open

	// mu guards what follows. It is held while the sink is told of progress, so
	// that what increases here increases there.
	mu    sync.Mutex
	last  float64 // progress that the caller has heard of
	own   float64 // the backend's own, as last heard
	total []byte  // raw, as the backend named it last
	told  state
}

func newEars(sink mcpwire.Sink, token []byte) *ears {
	return &ears{sink: sink, token: token, last: math.Inf(-1), own: math.Inf(-1)}
}

// Notify passes on what is not about the task itself: notifications of its status
// may be left out by any server, and the statuses are read by polling.
func (e *ears) Notify(n mcpwire.Notification) {
	if n.Method == MethodStatus || n.Method == MethodChanged {
		return
	}
	n.Params = mcpwire.WithoutMeta(n.Params, MetaRelated)
	at, has := jsonscan.Find(n.Params, "progress")
	value, isNumber := number(at.Value.Of(n.Params))
	if n.Method != mcpwire.MethodProgress || !has || !isNumber {
		e.sink.Notify(n)
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if value <= e.own {
		return // it has to increase
	}
	e.own = value
	if total := mcpwire.Member(n.Params, "total"); total != nil {
		e.total = append(e.total[:0], total...)
	}
	if value <= e.last { // a status was told in between
		if !e.raise() {
			return
		}
		out := append([]byte{}, n.Params[:at.Value.From]...)
		out = strconv.AppendFloat(out, e.last, 'f', stepDigits, 64)
		n.Params = append(out, n.Params[at.Value.To:]...)
	}
	e.last = max(e.last, value)
	e.sink.Notify(n)
}

// step is by how much a status raises the progress: how much there is to do is not
// known, and the backend's own progress, which may count from 0 to 1, must have room.
const (
	step       = 1e-6
	stepDigits = 6
	maxStepped = 1e9 // beyond it a step is lost in rounding
)

// raise makes the progress a step higher, if there is room. The caller holds mu.
func (e *ears) raise() bool {
	if e.last > maxStepped {
		return false
	}
	e.last = math.Floor(max(e.last, 0)/step+1.5) * step
	return true
}

// tell makes progress of a status, where it differs from the one before.
func (e *ears) tell(s state) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.token == nil || s.status == e.told.status && s.message == e.told.message || !e.raise() {
		return
	}
	e.told = s
	params := append([]byte(`{"progressToken":`), e.token...)
	params = strconv.AppendFloat(append(params, `,"progress":`...), e.last, 'f', stepDigits, 64)
	if e.total != nil {
		params = append(append(params, `,"total":`...), e.total...)
	}
	if s.message != "" {
		params = mcpwire.AppendString(append(params, `,"message":`...), s.message)
	}
	e.sink.Notify(mcpwire.Notification{Revision: mcpwire.LatestLegacy, Method: mcpwire.MethodProgress, Params: append(params, '}')})
}

// Ask puts a question of the task to the caller, who does not hear which task it
// belongs to; the answer names it as the question did (2025-11-25,
// basic/utilities/tasks, "Associating Task-Related Messages").
func (e *ears) Ask(ctx context.Context, q mcpwire.Question) (mcpwire.Answer, error) {
	e.asking.Add(1)
	defer e.asking.Add(-1)
	related := mcpwire.ObjectMember(mcpwire.ObjectMember(q.Params, "_meta"), MetaRelated)
	q.Params = mcpwire.WithoutMeta(q.Params, MetaRelated)
	a, err := e.sink.Ask(ctx, q)
	if err == nil && related != nil && mcpwire.IsObject(a.Result) {
		meta := mcpwire.ObjectMember(a.Result, "_meta")
		if meta == nil {
			meta = []byte("{}")
		}
		a.Result = withMember(a.Result, "_meta", withMember(meta, MetaRelated, related))
	}
	return a, err
}

// deaf is the sink where nobody listens any more.
type deaf struct{}

func (deaf) Notify(mcpwire.Notification) {}

func (deaf) Ask(context.Context, mcpwire.Question) (mcpwire.Answer, error) {
	return mcpwire.Answer{}, mcpwire.ErrCannotAsk
}
