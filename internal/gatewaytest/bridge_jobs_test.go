package gatewaytest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
)

// quizJob is a task of 2025-11-25 that the quiz's tool job has become. It works while
// somebody waits for its result.
type quizJob struct {
	id, mark string
	spec     quizSpec
	token    json.RawMessage // of the call that made it
	status   string          // guarded, as message is, by the quiz's mu
	message  string
}

// take makes a task of a call.
func (q *quiz) take(s quizSpec, p quizParams) (result string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	j := &quizJob{id: fmt.Sprintf("task-%d", len(q.jobs)+1), mark: s.Mark, spec: s, token: p.Meta.ProgressToken, status: "working", message: "taken on"}
	q.jobs = append(q.jobs, j)
	return `{"task":` + j.describe() + `}`
}

func (j *quizJob) describe() string {
	return `{"taskId":"` + j.id + `","status":"` + j.status + `","statusMessage":"` + j.message +
		`","createdAt":"2026-01-01T00:00:00Z","lastUpdatedAt":"2026-01-01T00:00:00Z","ttl":60000,"pollInterval":250}`
}

// ofJob serves the requests about tasks.
func (q *quiz) ofJob(ctx context.Context, session string, m quizMessage, say mouth) (result, fail string, err error) {
	var p struct{ TaskID string }
	if json.Unmarshal(m.Params, &p) != nil {
		return "", `{"code":-32602,"message":"no params"}`, nil
	}
	j := q.job(p.TaskID)
	switch {
	case m.Method == "tasks/list":
		q.tell(happening{"", "listed tasks", m.whole})
		return "", `{"code":-32603,"message":"nobody should ask"}`, nil
	case j == nil:
		return "", `{"code":-32602,"message":"no such task"}`, nil
	case m.Method == "tasks/result":
		return q.work(ctx, j, session, m, say), "", nil
	}
	if m.Method == "tasks/cancel" {
		q.tell(happening{j.mark, "cancelled", string(m.Params)})
		q.note(j, "cancelled", "by its requestor")
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if j.message == "half way" {
		q.tell(happening{j.mark, "told", j.message})
	}
	return j.describe(), "", nil
}

// job is the task of an id, nil for none.
func (q *quiz) job(id string) *quizJob {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, j := range q.jobs {
		if j.id == id {
			return j
		}
	}
	return nil
}

func (q *quiz) note(j *quizJob, status, message string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	j.status, j.message = status, message
}

// work is what a task does: it reports under the token of the call that made it, as
// 2025-11-25 has it (basic/utilities/progress), and has a message for people.
func (q *quiz) work(ctx context.Context, j *quizJob, session string, m quizMessage, say mouth) (result string) {
	ctx, c, end := q.begin(ctx, j.mark, session, string(m.ID))
	defer end()
	voice := say.call
	if j.spec.Via == "get" {
		voice = say.session
	}
	report := func(progress float64) {
		if j.token != nil {
			voice(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":` + string(j.token) +
				`,"progress":` + strconv.FormatFloat(progress, 'f', -1, 64) + `,"total":1,"message":"own"}}`)
		}
	}
	report(0.25)
	q.note(j, "working", "half way")
	how := "complete"
	if j.spec.Hold {
		select {
		case <-c.orders:
		case <-ctx.Done():
			how = "left"
		}
	}
	report(1)
	q.note(j, "completed", "done")
	return q.finish(j.mark, how, nil)
}
