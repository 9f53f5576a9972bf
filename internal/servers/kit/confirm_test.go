package kit_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"drawbridge/internal/mcpwire"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/kittest"
)

type wipeIn struct {
	Disk  string `json:"disk" jsonschema:"Which one." min:"1"`
	Force bool   `json:"force,omitempty" jsonschema:"Even if it is in use."`
}

type wipeOut struct {
	Wiped string `json:"wiped"`
}

// wiper has a tool that always asks, one that asks sometimes, and one that never
// does because it keeps a contract. It counts what reached the upstream.
type wiper struct{ wiped atomic.Int64 }

func (w *wiper) wipe(_ context.Context, _ *kit.Call, in wipeIn) (wipeOut, error) {
	w.wiped.Add(1)
	return wipeOut{in.Disk}, nil
}

func (w *wiper) merge(_ context.Context, c *kit.Call, in wipeIn) (wipeOut, error) {
	if in.Force && !c.Confirmed() {
		return wipeOut{}, kit.Ask(kit.Question{Target: in.Disk, Effect: "Merges by force."})
	}
	w.wiped.Add(1)
	return wipeOut{in.Disk}, nil
}

func (w *wiper) spec() kit.Spec {
	return kit.Spec{Name: "disks", Title: "Disks", Common: kit.Common{Mode: kit.ModeAll}, Tools: []kit.Tool{
		kit.WithPreview(kit.Destroy("wipe", "Wipe a disk", "Removes everything on it.", w.wipe), func(_ context.Context, _ *kit.Call, in wipeIn) (kit.Preview, error) {
			return kit.Preview{Target: in.Disk, Effect: "Removes 3 files.", Changes: []string{"a", "b\u202e", "c"}}, nil
		}),
		kit.Write("merge", "Merge disks", "Merges.", w.merge),
		kit.Destroy("merge_hard", "Merge disks", "Merges.", w.merge).AsksItself(),
		kit.Destroy("wipe_contract", "Wipe", "As another server does.", w.wipe).Keeping(kit.Contract{}),
		kit.Destroy("trash", "Trash", "Can be restored.", w.wipe).Restorable(),
	}}
}

const wipeSDA = `{"name":"wipe","arguments":{"disk":"sda"}}`

// The three kinds of client (design 4.7): modern and legacy ones show the form,
// which the gateway turns into an elicitation for the latter; others are refused.
func TestConfirm_clients(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		with  func(*kittest.Client) *kittest.Client
		asked int
	}{
		{"modern", func(c *kittest.Client) *kittest.Client { return c.Approving() }, 1},
		{"legacy with elicitation", func(c *kittest.Client) *kittest.Client { return c.With(mcpwire.Rev20250618, kittest.Approves) }, 1},
		{"before elicitation", func(c *kittest.Client) *kittest.Client { return c.With(mcpwire.Rev20250326, kittest.Approves) }, 0},
		{"neither", func(c *kittest.Client) *kittest.Client { return c }, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := &wiper{}
			base, _ := serve(t, w.spec())
			c := tc.with(base)
			if tc.asked == 0 {
				text := c.Refused(t, "wipe", `{"disk":"sda"}`)
				if !strings.Contains(text, "elicitation") || w.wiped.Load() != 0 {
					t.Errorf("%d wiped, %s", w.wiped.Load(), text)
				}
				return
			}
			var out wipeOut
			c.Must(t, "wipe", `{"disk":"sda"}`, &out)
			if out.Wiped != "sda" || c.Asked() != tc.asked || w.wiped.Load() != 1 {
				t.Errorf("wiped %q, asked %d, reached the upstream %d times", out.Wiped, c.Asked(), w.wiped.Load())
			}
		})
	}
}

func TestConfirm_message(t *testing.T) {
	t.Parallel()
	w := &wiper{}
	base, _ := serve(t, w.spec())
	var message string
	c := base.With(mcpwire.LatestModern, func(m string) string { message = m; return kittest.Declines(m) })
	text := c.Refused(t, "wipe", `{"force":true,"disk":"sda\u202ebda"}`)
	if !strings.Contains(text, "did not approve") || w.wiped.Load() != 0 {
		t.Errorf("declined: %d wiped, %s", w.wiped.Load(), text)
	}
	for _, want := range []string{"Disks: Wipe a disk?", "Target: sdabda", "What will happen:\n| Removes 3 files.\n| - a\n| - b\n| - c\n", `Arguments: {"force":true,"disk":"sda\u202ebda"}`} {
		if !strings.Contains(message, want) {
			t.Errorf("the question lacks %q:\n%s", want, message)
		}
	}
	if strings.Contains(message, "\u202e") {
		t.Error("the question has a character that turns the direction of what follows")
	}
	c.Refused(t, "wipe", "{\"disk\":\"sda\u202e\u200bbda\"}") // as themselves
	if !strings.Contains(message, `Arguments: {"disk":"sda\u202e\u200bbda"}`) {
		t.Errorf("characters that hide or move others are shown as they are:\n%s", message)
	}
	for _, answer := range []string{`{"action":"cancel"}`, `{"action":"accept"}`, `{"action":"accept","content":{"approve":"true"}}`, `{"action":"accept","content":{"approve":false}}`, `{}`} {
		c.Person = func(string) string { return answer }
		if c.Refused(t, "wipe", `{"disk":"sda"}`); w.wiped.Load() != 0 {
			t.Fatalf("%s counts as an approval", answer)
		}
	}
}

// The attack: the harmful part of a call stands behind so much that a person would
// not get to see it, or among lines that look like the form's own.
func TestConfirm_allOfItIsShown(t *testing.T) {
	t.Parallel()
	w := &wiper{}
	c, _ := serve(t, w.spec())
	asked := ""
	c = c.With(mcpwire.LatestModern, func(m string) string { asked = m; return kittest.Approves(m) })
	long := strings.Repeat("a", 20_000)
	if text := c.Refused(t, "wipe", `{"disk":"`+long+`"}`); !strings.Contains(text, "would not see all of it") || asked != "" || w.wiped.Load() != 0 {
		t.Errorf("%d wiped, asked %.80q: %.200s", w.wiped.Load(), asked, text)
	}
}

// An approval is for one call of one caller with the arguments that were shown.
func TestConfirm_binding(t *testing.T) {
	t.Parallel()
	w := &wiper{}
	base, _ := serve(t, w.spec())
	c := base.Approving()
	ask := func(params string) mcpwire.Outcome {
		t.Helper()
		out := c.Outcome(t.Context(), t, mcpwire.MethodToolsCall, params)
		if out.Kind != mcpwire.InputRequired || w.wiped.Load() != 0 {
			t.Fatalf("%s: outcome %v, %d wiped", params, out.Kind, w.wiped.Load())
		}
		return out
	}
	send := func(who *kittest.Client, params string) kittest.Result {
		t.Helper()
		out := who.Outcome(t.Context(), t, mcpwire.MethodToolsCall, params)
		if out.Kind != mcpwire.Complete {
			t.Fatalf("%s: outcome %v", params, out.Kind)
		}
		return kittest.ParseResult(t, out.Result.Bytes)
	}
	approved := c.Retry(t, wipeSDA, ask(wipeSDA))
	bob := kittest.NewClient(c.Server, "bob").Approving()
	other, _ := serve(t, w.spec())
	for name, tc := range map[string]struct {
		who    *kittest.Client
		params string
	}{
		"other arguments": {c, strings.Replace(approved, "sda", "sdb", 1)},
		"more arguments":  {c, strings.Replace(approved, `"disk":"sda"`, `"disk":"sda","force":true`, 1)},
		"another tool":    {c, strings.Replace(approved, `"wipe"`, `"merge"`, 1)},
		"another caller":  {bob, approved},
		"another process": {other.Approving(), approved},
		"forged":          {c, strings.Replace(approved, `"requestState":"`, `"requestState":"A`, 1)},
	} {
		if r := send(tc.who, tc.params); !r.IsError || !strings.Contains(r.Text, "Not run") || w.wiped.Load() != 0 {
			t.Errorf("%s: %d wiped, %s", name, w.wiped.Load(), r.Text)
		}
	}
	// A retry without an answer is asked again, and its ticket stays good.
	var m map[string]json.RawMessage
	if err := json.Unmarshal([]byte(approved), &m); err != nil {
		t.Fatal(err)
	}
	delete(m, "inputResponses")
	without, _ := json.Marshal(m)
	ask(string(without))
	// The same arguments in another spelling are the same arguments.
	spelled := strings.Replace(approved, `{"disk":"sda"}`, `{ "disk" : "s\u0064a" }`, 1)
	if r := send(c, spelled); r.IsError || w.wiped.Load() != 1 {
		t.Fatalf("approved: %d wiped, %s", w.wiped.Load(), r.Text)
	}
	if r := send(c, approved); !r.IsError || !strings.Contains(r.Text, "used before") || w.wiped.Load() != 1 {
		t.Errorf("replayed: %d wiped, %s", w.wiped.Load(), r.Text)
	}
}

// An approval is for what the person was shown. What has changed since is shown again,
// by tools that always ask and by those that ask themselves.
func TestConfirm_shown(t *testing.T) {
	t.Parallel()
	found, ran := "3 files", 0
	spec := kit.Spec{Name: "disks", Title: "Disks", Common: kit.Common{Mode: kit.ModeAll}, Tools: []kit.Tool{
		kit.WithPreview(kit.Destroy("wipe", "Wipe a disk", "Removes everything on it.", func(_ context.Context, _ *kit.Call, in wipeIn) (wipeOut, error) {
			ran++
			return wipeOut{in.Disk}, nil
		}), func(_ context.Context, _ *kit.Call, in wipeIn) (kit.Preview, error) {
			return kit.Preview{Target: in.Disk, Effect: "Removes " + found + "."}, nil
		}),
		kit.Write("merge", "Merge disks", "Merges.", func(_ context.Context, c *kit.Call, in wipeIn) (wipeOut, error) {
			if err := c.Approve(kit.Question{Target: in.Disk, Effect: "Merges " + found + "."}); err != nil {
				return wipeOut{}, err
			}
			ran++
			return wipeOut{in.Disk}, nil
		}),
	}}
	base, _ := serve(t, spec)
	c := base.Approving()
	for _, params := range []string{wipeSDA, strings.Replace(wipeSDA, "wipe", "merge", 1)} {
		found, ran = "3 files", 0
		asked := c.Outcome(t.Context(), t, mcpwire.MethodToolsCall, params)
		approved := c.Retry(t, params, asked)
		found = "4 files"
		again := c.Outcome(t.Context(), t, mcpwire.MethodToolsCall, approved)
		if again.Kind != mcpwire.InputRequired || ran != 0 || !strings.Contains(string(again.Result.Bytes), "4 files") {
			t.Fatalf("%s: outcome %v, ran %d times: %s", params, again.Kind, ran, again.Result.Bytes)
		}
		anew := c.Retry(t, params, again)
		for i, ok := range []bool{true, false} { // once
			r := kittest.ParseResult(t, c.Outcome(t.Context(), t, mcpwire.MethodToolsCall, anew).Result.Bytes)
			if r.IsError == ok || ran != 1 {
				t.Errorf("%s: approved anew, call %d: ran %d times, %s", params, i, ran, r.Text)
			}
		}
	}
}

// Of many who bring the same approval at once, one gets through.
func TestConfirm_race(t *testing.T) {
	t.Parallel()
	w := &wiper{}
	base, _ := serve(t, w.spec())
	c := base.Approving()
	out := c.Outcome(t.Context(), t, mcpwire.MethodToolsCall, wipeSDA)
	approved := c.Retry(t, wipeSDA, out)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { c.Outcome(t.Context(), t, mcpwire.MethodToolsCall, approved) })
	}
	all.Wait()
	if w.wiped.Load() != 1 {
		t.Errorf("one approval let %d calls through", w.wiped.Load())
	}
}

func TestConfirm_expires(t *testing.T) {
	t.Parallel()
	w := &wiper{}
	now := time.Date(2026, 7, 28, 12, 0, 0, 0, time.UTC)
	deps := kittest.Deps(&kittest.Log{}, nil)
	deps.Now = func() time.Time { return now }
	srv, err := kit.New(w.spec(), deps)
	if err != nil {
		t.Fatal(err)
	}
	c := kittest.NewClient(srv, "ann").Approving()
	approved := c.Retry(t, wipeSDA, c.Outcome(t.Context(), t, mcpwire.MethodToolsCall, wipeSDA))
	now = now.Add(10*time.Minute + time.Second)
	r := kittest.ParseResult(t, c.Outcome(t.Context(), t, mcpwire.MethodToolsCall, approved).Result.Bytes)
	if !r.IsError || !strings.Contains(r.Text, "expired") || w.wiped.Load() != 0 {
		t.Errorf("%d wiped, %s", w.wiped.Load(), r.Text)
	}
}

// A tool that is dangerous only sometimes asks only then; drop-ins and what can be
// restored never do, and bad arguments bother nobody.
func TestConfirm_sometimes(t *testing.T) {
	t.Parallel()
	w := &wiper{}
	base, _ := serve(t, w.spec())
	c := base.Approving()
	for _, tc := range []struct {
		tool, args string
		asked      int
	}{
		{"merge", `{"disk":"a"}`, 0},
		{"merge", `{"disk":"a","force":true}`, 1},
		{"merge_hard", `{"disk":"a"}`, 0},
		{"merge_hard", `{"disk":"a","force":true}`, 1},
		{"wipe_contract", `{"disk":"a"}`, 0},
		{"trash", `{"disk":"a"}`, 0},
		{"wipe", `{"disk":"a","dry_run":true}`, 0},
	} {
		before := c.Asked()
		c.Must(t, tc.tool, tc.args, nil)
		if asked := c.Asked() - before; asked != tc.asked {
			t.Errorf("%s %s asked %d times, want %d", tc.tool, tc.args, asked, tc.asked)
		}
	}
	before := c.Asked()
	c.Refused(t, "wipe", `{"disk":""}`)
	if c.Asked() != before {
		t.Error("a person was asked about arguments that do not fit")
	}
	if text := base.Refused(t, "merge", `{"disk":"a","force":true}`); !strings.Contains(text, "elicitation") {
		t.Errorf("a client that cannot be asked: %s", text)
	}
}
