package kit_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/mcpwire"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/kittest"
)

type copyIn struct {
	Seconds int    `json:"seconds" jsonschema:"How long."`
	Fail    string `json:"fail,omitempty" jsonschema:"How it ends."`
}

type copyOut struct {
	Copied int           `json:"copied"`
	Said   kit.Untrusted `json:"said"`
}

const half = 500 * time.Millisecond

func copySlowly(ctx context.Context, c *kit.Call, in copyIn) (copyOut, error) {
	start := time.Now()
	defer func() {
		c.Log.Debug("work ended", "after", time.Since(start).String(), "unwanted", errors.Is(context.Cause(ctx), kit.ErrUnwanted))
	}()
	time.Sleep(half) // of the bubble, so that no step falls on another timer
	for i := range in.Seconds {
		select {
		case <-time.After(time.Second):
			c.Progress(float64(i+1), float64(in.Seconds), "copying")
		case <-ctx.Done():
			return copyOut{}, ctx.Err()
		}
	}
	switch in.Fail {
	case "public":
		return copyOut{}, fault.New(fault.Conflict, "The disk is full. Make room.")
	case "panic":
		panic("at the end")
	}
	return copyOut{in.Seconds, "done"}, nil
}

type status struct {
	ID, State, Message, Error string
	Done                      float64
	Result                    *struct{ Copied int }
}

// longServer runs f in a bubble with a server that has a long tool.
func longServer(t *testing.T, f func(t *testing.T, c *kittest.Client, log *kittest.Log)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := kit.Spec{Name: "sample", Tools: []kit.Tool{kit.Write("copy", "Copy", "Copies.", copySlowly).Long(time.Hour)}}
		log := &kittest.Log{}
		srv, err := kit.New(s, kittest.Deps(log, nil))
		if err != nil {
			t.Fatal(err)
		}
		f(t, kittest.NewClient(srv, "ann"), log)
		if err := srv.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

func startCopy(t *testing.T, c *kittest.Client, args string) string {
	t.Helper()
	var out struct{ Job struct{ ID, Resource string } }
	r := c.Must(t, "copy", args, &out)
	if out.Job.ID == "" || out.Job.Resource != "job://sample/"+out.Job.ID || !strings.Contains(r.Text, out.Job.ID) {
		t.Fatalf("no job: %s", r.Text)
	}
	return out.Job.ID
}

func TestLong_waits(t *testing.T) {
	t.Parallel()
	longServer(t, func(t *testing.T, c *kittest.Client, _ *kittest.Log) {
		start := time.Now()
		r := c.Must(t, "copy", `{"seconds":49}`, nil)
		if string(r.Structured) != `{"copied":49,"said":"done"}` || time.Since(start) != 49*time.Second+half {
			t.Errorf("%s after %s", r.Structured, time.Since(start))
		}
	})
}

func TestLong_goesOnAsJob(t *testing.T) {
	t.Parallel()
	longServer(t, func(t *testing.T, c *kittest.Client, _ *kittest.Log) {
		start := time.Now()
		id := startCopy(t, c, `{"seconds":90}`)
		if time.Since(start) != 50*time.Second {
			t.Errorf("the answer took %s", time.Since(start))
		}
		told := c.Watch(t, mcpwire.Filter{Resources: []string{"job://sample/" + id}})
		var s status
		c.Must(t, "job_status", `{"id":"`+id+`","wait_seconds":10}`, &s)
		if s.State != "running" || s.Done != 59 || s.Message != "copying" {
			t.Errorf("after a minute: %+v", s)
		}
		if first := <-told; !strings.Contains(first, "job://sample/"+id) {
			t.Errorf("the watch was told %s", first)
		}
		r := c.Must(t, "job_status", `{"id":"`+id+`","wait_seconds":50}`, &s)
		if s.State != "done" || s.Result == nil || s.Result.Copied != 90 || time.Since(start) != 90*time.Second+half {
			t.Errorf("at the end, after %s: %+v", time.Since(start), s)
		}
		if !strings.Contains(r.Text, "[outside-") || r.Meta["drawbridge/untrusted"] != "true" {
			t.Errorf("what is from outside is not marked: %s", r.Text)
		}
		if raw := string(c.Ask(t, mcpwire.MethodResourcesRead, `{"uri":"job://sample/`+id+`"}`)); !strings.Contains(raw, `\"state\":\"done\"`) || !strings.Contains(raw, `"drawbridge/untrusted":"true"`) {
			t.Errorf("resource: %s", raw)
		}
		if list := string(c.Ask(t, mcpwire.MethodResourcesList, "")); !strings.Contains(list, id) {
			t.Errorf("the job is not listed: %s", list)
		}
		bob := kittest.NewClient(c.Server, "bob")
		bob.Refused(t, "job_status", `{"id":"`+id+`"}`)
		bob.Refused(t, "job_cancel", `{"id":"`+id+`"}`)
		time.Sleep(time.Hour + time.Minute) // of the bubble
		c.Refused(t, "job_status", `{"id":"`+id+`"}`)
	})
}

func TestLong_ends(t *testing.T) {
	t.Parallel()
	longServer(t, func(t *testing.T, c *kittest.Client, log *kittest.Log) {
		var s status
		cancelled := startCopy(t, c, `{"seconds":3000}`)
		c.Must(t, "job_cancel", `{"id":"`+cancelled+`"}`, nil)
		if c.Must(t, "job_status", `{"id":"`+cancelled+`","wait_seconds":5}`, &s); s.State != "cancelled" || s.Error == "" || strings.Count(log.String(), `"unwanted":true`) != 1 {
			t.Errorf("cancelled: %+v", s)
		}
		full := startCopy(t, c, `{"seconds":55,"fail":"public"}`)
		if c.Must(t, "job_status", `{"id":"`+full+`","wait_seconds":20}`, &s); s.State != "failed" || s.Error != "The disk is full. Make room." {
			t.Errorf("failed: %+v", s)
		}
		broken := startCopy(t, c, `{"seconds":55,"fail":"panic"}`)
		if c.Must(t, "job_status", `{"id":"`+broken+`","wait_seconds":20}`, &s); s.State != "failed" || s.Error != fault.PublicInternal {
			t.Errorf("panicked: %+v", s)
		}
		if !strings.Contains(log.String(), "at the end") {
			t.Error("the cause of a job's failure is not in the log")
		}
		late := startCopy(t, c, `{"seconds":7200}`)
		time.Sleep(time.Hour) // of the bubble: beyond the tool's own limit
		if c.Must(t, "job_status", `{"id":"`+late+`"}`, &s); s.State != "failed" || !strings.Contains(s.Error, "did not finish within 1h0m0s") {
			t.Errorf("too late: %+v", s)
		}
	})
}

// A client that goes away before it has the job's id takes the work with it: nobody
// could ask for it any more. One that has it does not.
func TestLong_clientGoes(t *testing.T) {
	t.Parallel()
	longServer(t, func(t *testing.T, c *kittest.Client, log *kittest.Log) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Second, cancel)
		start := time.Now()
		out := c.Outcome(ctx, t, mcpwire.MethodToolsCall, `{"name":"copy","arguments":{"seconds":3000}}`)
		if r := kittest.ParseResult(t, out.Result.Bytes); !r.IsError || time.Since(start) != 10*time.Second {
			t.Errorf("after %s: %+v", time.Since(start), r)
		}
		synctest.Wait()
		if !strings.Contains(log.String(), `"after":"10s"`) || strings.Contains(log.String(), `"unwanted":true`) {
			t.Errorf("the work goes on for nobody: %s", log)
		}

		ctx, cancel = context.WithCancel(t.Context())
		r := kittest.ParseResult(t, c.Outcome(ctx, t, mcpwire.MethodToolsCall, `{"name":"copy","arguments":{"seconds":60}}`).Result.Bytes)
		cancel()
		var s status
		id, _, _ := strings.Cut(strings.Split(r.Text, "job ")[1], ".")
		if c.Must(t, "job_status", `{"id":"`+id+`","wait_seconds":20}`, &s); s.State != "done" {
			t.Errorf("a kept job ended with its client: %+v", s)
		}
	})
}

func TestLong_limitAndClose(t *testing.T) {
	t.Parallel()
	longServer(t, func(t *testing.T, c *kittest.Client, _ *kittest.Log) {
		over := make(chan kittest.Result)
		for range 8 {
			go func() { // ends with its call, awaited below
				out := c.Outcome(t.Context(), t, mcpwire.MethodToolsCall, `{"name":"copy","arguments":{"seconds":3000}}`)
				over <- kittest.ParseResult(t, out.Result.Bytes)
			}()
		}
		for range 8 {
			<-over
		}
		if text := c.Refused(t, "copy", `{"seconds":1}`); !strings.Contains(text, "8 long calls") {
			t.Errorf("the ninth: %s", text)
		}
		kittest.NewClient(c.Server, "bob").Must(t, "copy", `{"seconds":1}`, nil)
		// Close, in longServer, ends the eight: the bubble waits for them.
	})
}

// Tools of jobs are there only where a long tool is offered.
func TestLong_tools(t *testing.T) {
	t.Parallel()
	s := spec()
	s.Mode = kit.ModeRead
	c, _ := serve(t, s, kit.Write("copy", "Copy", "Copies.", copySlowly).Long(time.Hour))
	for _, tool := range kittest.Tools(t, c) {
		if strings.HasPrefix(tool.Name, "job_") {
			t.Errorf("%s is offered where no long tool is", tool.Name)
		}
	}
}

// A failure that only the deadline explains is told as one.
func TestTimeoutOfSpec(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := spec()
		s.Timeout = 3 * time.Second
		c, _ := serve(t, s, kit.Read("hang", "Hang", "Hangs.", func(ctx context.Context, _ *kit.Call, _ none) (none, error) {
			<-ctx.Done()
			return none{}, fmt.Errorf("hung: %w", errors.New("late"))
		}))
		if text := c.Refused(t, "hang", ``); !strings.Contains(text, "within 3s") {
			t.Error(text)
		}
	})
}
