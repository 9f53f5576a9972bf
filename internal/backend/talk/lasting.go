// Package talk is what a session with a legacy backend has to remember beyond a single
// call: the progress of calls that have become tasks, and questions that come before
// the first call. It sends and reads nothing; the peers that keep such sessions do,
// over HTTP and over pipes.
package talk

import (
	"bytes"
	"slices"
	"sync"

	"drawbridge/internal/mcpwire"
)

const (
	methodTaskResult = "tasks/result"
	maxLasting       = 256 // tasks of one session; the oldest are forgotten
)

// Lasting knows the progress tokens of calls that became tasks of 2025-11-25. They
// are good until the task ends, so the progress that a backend reports after the
// call's answer belongs to whoever waits for the task's result (2025-11-25,
// basic/utilities/progress, "Behavior Requirements" 3). A session has one. Safe for
// concurrent use.
type Lasting struct {
	mu    sync.Mutex // guards tasks
	tasks []lasting
}

// lasting is one call that became a task.
type lasting struct {
	id    int64  // of the call at its backend, and its token there
	task  string // the backend's id
	token []byte // the caller's progress token, raw
}

// Made takes the result of a call, which may be a task; id was its progress token at
// the backend.
func (l *Lasting) Made(id int64, req *mcpwire.Request, result []byte) {
	token := req.ProgressToken()
	if token == nil || req.Method != mcpwire.MethodToolsCall || mcpwire.Member(req.Params, "task") == nil {
		return
	}
	task, ok := mcpwire.TextMember(mcpwire.ObjectMember(result, "task"), "taskId")
	if !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tasks = append(l.tasks, lasting{id, task, bytes.Clone(token)})
	if len(l.tasks) > maxLasting {
		l.tasks = slices.Delete(l.tasks, 0, len(l.tasks)-maxLasting)
	}
}

// Of is the task that a progress token of ours belongs to, and its caller's token.
func (l *Lasting) Of(id int64) (task string, token []byte, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.tasks {
		if t.id == id {
			return t.task, t.token, true
		}
	}
	return "", nil, false
}

// Done forgets the task whose result a request has brought.
func (l *Lasting) Done(req *mcpwire.Request) {
	if req.Method != methodTaskResult {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tasks = slices.DeleteFunc(l.tasks, func(t lasting) bool { return t.task == req.Target })
}

// Awaits is the task whose result a request waits for; "" for any other request.
func Awaits(req *mcpwire.Request) string {
	if req.Method != methodTaskResult {
		return ""
	}
	return req.Target
}
