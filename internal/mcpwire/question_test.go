package mcpwire_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"drawbridge/internal/jsonscan"
	"drawbridge/internal/mcpwire"
)

func TestMayAsk(t *testing.T) {
	t.Parallel()
	may := map[string]bool{"tools/call": true, "prompts/get": true, "resources/read": true}
	for _, method := range []string{"tools/call", "prompts/get", "resources/read", "tools/list", "completion/complete", "resources/subscribe", "server/discover", "tasks/get", ""} {
		if mcpwire.MayAsk(method) != may[method] {
			t.Errorf("%q may ask: %v", method, !may[method])
		}
	}
}

func TestQuestionFor(t *testing.T) {
	t.Parallel()
	const (
		elicit, sample, roots = mcpwire.MethodElicit, mcpwire.MethodSample, mcpwire.MethodRootsList
		url                   = `{"mode":"url","message":"m","url":"https://example.com","elicitationId":"e"}`
		lists                 = `{"messages":[{"role":"user","content":[{"type":"text"}]},{"role":"user","content":{"type":"x"}},{"role":"assistant","content":[1,2]},{"content":[]},7],"maxTokens":1}`
		single                = `{"messages":[{"role":"user","content":{"type":"text"}},{"role":"user","content":{"type":"x"}},{"role":"assistant","content":[1,2]},{"content":[]},7],"maxTokens":1}`
	)
	tests := []struct {
		name         string
		from         mcpwire.Revision
		method       string
		params, want string // "" for none
		to           []mcpwire.Revision
	}{
		{"what belongs to the legacy wire", mcpwire.Rev20251125, elicit, `{"_meta":{"progressToken":1},"message":"m","task":{"ttl":1},"requestedSchema":{ }}`,
			`{"message":"m","requestedSchema":{ }}`, []mcpwire.Revision{mcpwire.Rev20260728}},
		{"the same revision", mcpwire.Rev20251125, elicit, `{"_meta":{"k":1}, "elicitationId":"e"}`, `{"_meta":{"k":1}, "elicitationId":"e"}`, []mcpwire.Revision{mcpwire.Rev20251125}},
		{"the id of a URL", mcpwire.Rev20251125, elicit, url, `{"mode":"url","message":"m","url":"https://example.com"}`, []mcpwire.Revision{mcpwire.Rev20260728}},
		{"a form", mcpwire.Rev20260728, elicit, `{"message":"m","requestedSchema":{}}`, `{"message":"m","requestedSchema":{}}`, mcpwire.Revisions()},
		{"roots without params to the old", mcpwire.Rev20260728, roots, ``, ``, []mcpwire.Revision{mcpwire.Rev20241105, mcpwire.Rev20250326, mcpwire.Rev20250618, mcpwire.Rev20251125}},
		{"roots without params to the new", mcpwire.Rev20241105, roots, ``, `{}`, []mcpwire.Revision{mcpwire.Rev20260728}},
		{"nothing changes within a revision", mcpwire.Rev20260728, roots, ``, ``, []mcpwire.Revision{mcpwire.Rev20260728}},
		{"only _meta", mcpwire.Rev20241105, roots, `{"_meta":{}}`, `{}`, []mcpwire.Revision{mcpwire.Rev20260728}},
		{"lists of one block to the old", mcpwire.Rev20260728, sample, lists, single, []mcpwire.Revision{mcpwire.Rev20241105, mcpwire.Rev20250326, mcpwire.Rev20250618}},
		{"lists to the new", mcpwire.Rev20260728, sample, lists, lists, []mcpwire.Revision{mcpwire.Rev20251125, mcpwire.Rev20260728}},
		{"old blocks to the new", mcpwire.Rev20241105, sample, single, single, []mcpwire.Revision{mcpwire.Rev20251125, mcpwire.Rev20260728}},
		{"messages are no list", mcpwire.Rev20260728, sample, `{"messages":{}}`, `{"messages":{}}`, []mcpwire.Revision{mcpwire.Rev20241105}},
		{"no messages", mcpwire.Rev20260728, sample, `{}`, `{}`, []mcpwire.Revision{mcpwire.Rev20241105}},
		{"an empty list", mcpwire.Rev20260728, sample, `{"messages":[ ]}`, `{"messages":[]}`, []mcpwire.Revision{mcpwire.Rev20241105}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, to := range tt.to {
				q := mcpwire.Question{Revision: tt.from, Method: tt.method}
				if tt.params != "" {
					q.Params = []byte(tt.params)
				}
				got := mcpwire.QuestionFor(to, q)
				if string(got.Params) != tt.want || got.Revision != to || got.Method != tt.method {
					t.Errorf("for %s: %s %s %s, want %s", to, got.Revision, got.Method, got.Params, tt.want)
				}
				if string(q.Params) != tt.params {
					t.Errorf("for %s: the question itself became %s", to, q.Params)
				}
			}
		})
	}
}

func TestAnswerFor(t *testing.T) {
	t.Parallel()
	const (
		list = `{"resultType":"complete","role":"assistant","model":"m","content":[{"type":"text","text":"t"}]}`
		two  = `{"role":"assistant","content":[{"type":"text"},{"type":"tool_use"}]}`
	)
	tests := []struct {
		name, method, result string
		want                 map[mcpwire.Revision]string
	}{
		{"a completion", mcpwire.MethodSample, list, map[mcpwire.Revision]string{
			mcpwire.Rev20241105: `{"role":"assistant","model":"m","content":{"type":"text","text":"t"}}`,
			mcpwire.Rev20250618: `{"role":"assistant","model":"m","content":{"type":"text","text":"t"}}`,
			mcpwire.Rev20251125: `{"role":"assistant","model":"m","content":[{"type":"text","text":"t"}]}`,
			mcpwire.Rev20260728: list,
		}},
		{"two blocks", mcpwire.MethodSample, two, map[mcpwire.Revision]string{mcpwire.Rev20241105: two, mcpwire.Rev20251125: two, mcpwire.Rev20260728: two}},
		{"a form", mcpwire.MethodElicit, `{"action":"accept","resultType":"complete","content":{"resultType":"mine","list":[1]}}`, map[mcpwire.Revision]string{
			mcpwire.Rev20250618: `{"action":"accept","content":{"resultType":"mine","list":[1]}}`,
			mcpwire.Rev20251125: `{"action":"accept","content":{"resultType":"mine","list":[1]}}`,
		}},
		{"no content in a form is a list", mcpwire.MethodElicit, `{"content":[1]}`, map[mcpwire.Revision]string{mcpwire.Rev20250618: `{"content":[1]}`}},
		{"roots", mcpwire.MethodRootsList, `{"roots":[{"uri":"file:///a"}]}`, map[mcpwire.Revision]string{mcpwire.Rev20241105: `{"roots":[{"uri":"file:///a"}]}`}},
		{"none", mcpwire.MethodSample, ``, map[mcpwire.Revision]string{mcpwire.Rev20241105: ``, mcpwire.Rev20260728: ``}},
	}
	for _, tt := range tests {
		for rev, want := range tt.want {
			in := []byte(tt.result)
			if got := string(mcpwire.AnswerFor(rev, tt.method, in)); got != want {
				t.Errorf("%s for %s: %s, want %s", tt.name, rev, got, want)
			}
			if string(in) != tt.result {
				t.Errorf("%s for %s: the client's bytes became %s", tt.name, rev, in)
			}
		}
	}
}

func TestCheckAnswer(t *testing.T) {
	t.Parallel()
	tests := []struct {
		method string
		good   []string
		bad    []string
	}{
		{mcpwire.MethodElicit,
			[]string{`{"action":"accept","content":{"a":1}}`, `{"action":"accept"}`, `{"action":"decline"}`, `{"action":"c\u0061ncel","_meta":{}}`},
			[]string{``, `[]`, `"accept"`, `{}`, `{"action":"Accept"}`, `{"action":null}`, `{"action":["accept"]}`, `{"Action":"accept"}`, `{"action":"accept","content":"a"}`, `{"action":"accept","content":[{}]}`}},
		{mcpwire.MethodSample,
			[]string{`{"role":"assistant","model":"m","content":{"type":"text"}}`, `{"role":"assistant","model":"m","content":[]}`},
			[]string{``, `{}`, `{"role":"assistant","model":"m"}`, `{"role":"assistant","model":"m","content":"text"}`, `{"model":"m","content":{}}`, `{"role":"assistant","content":{}}`, `{"role":1,"model":"m","content":{}}`, `{"role":"assistant","model":null,"content":{}}`}},
		{mcpwire.MethodRootsList,
			[]string{`{"roots":[]}`, `{"roots":[{"uri":"file:///a"}]}`},
			[]string{``, `{}`, `{"roots":{}}`, `{"roots":null}`, `{"Roots":[]}`}},
	}
	for _, tt := range tests {
		for _, in := range tt.good {
			if why := mcpwire.CheckAnswer(tt.method, []byte(in)); why != "" {
				t.Errorf("%s %s: %s", tt.method, in, why)
			}
		}
		for _, in := range tt.bad {
			if mcpwire.CheckAnswer(tt.method, []byte(in)) == "" {
				t.Errorf("%s: %s is taken for an answer", tt.method, in)
			}
		}
	}
}

func TestInputRequired_roundTrip(t *testing.T) {
	t.Parallel()
	q := func(method, params string) mcpwire.Question {
		out := mcpwire.Question{Revision: mcpwire.LatestModern, Method: method}
		if params != "" {
			out.Params = []byte(params)
		}
		return out
	}
	tests := []struct {
		name  string
		asked []mcpwire.Asked
		state string
		want  string
	}{
		{"one", []mcpwire.Asked{{Key: "a", Question: q("roots/list", "")}}, "s",
			`{"resultType":"input_required","inputRequests":{"a":{"method":"roots/list"}},"requestState":"s"}`},
		{"what has to be escaped", []mcpwire.Asked{{Key: "q\"\\\n\u2028é", Question: q("elicitation/create", `{"a": [1 , 2]}`)}, {Key: "", Question: q("sampling/createMessage", `{}`)}}, "\"\x01",
			`{"resultType":"input_required","inputRequests":{"q\"\\\n` + "\u2028é" + `":{"method":"elicitation/create","params":{"a": [1 , 2]}},"":{"method":"sampling/createMessage","params":{}}},"requestState":"\"\u0001"}`},
		{"none", nil, "", `{"resultType":"input_required","inputRequests":{},"requestState":""}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			written := mcpwire.AppendInputRequired([]byte("x"), tt.asked, tt.state)[1:]
			if string(written) != tt.want || !json.Valid(written) {
				t.Errorf("written %s\nwant    %s", written, tt.want)
			}
			asked, state, has, err := mcpwire.ParseInputRequired(written)
			if diff := cmp.Diff(tt.asked, asked); diff != "" || state != tt.state || !has || err != nil {
				t.Errorf("state %q, %v, %v (-want +got):\n%s", state, has, err, diff)
			}
			clear(written)
			if diff := cmp.Diff(tt.asked, asked); diff != "" {
				t.Errorf("the questions are parts of the result (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseInputRequired(t *testing.T) {
	t.Parallel()
	for _, in := range []string{`{"requestState":1}`, `{"requestState":null}`, `{"inputRequests":[]}`, `{"inputRequests":null}`, `{"inputRequests":"a"}`,
		`{"inputRequests":{"a":{}}}`, `{"inputRequests":{"a":null}}`, `{"inputRequests":{"a":{"method":"Roots/list"}}}`, `{"inputRequests":{"a":{"method":7}}}`,
		`{"inputRequests":{"a":{"method":"roots/list"},"\u0061":{"method":"roots/list"}}}`} {
		if asked, _, _, err := mcpwire.ParseInputRequired([]byte(in)); err == nil || asked != nil {
			t.Errorf("%s: %v questions, %v", in, asked, err)
		}
	}
	for _, in := range []string{`{}`, `{"resultType":"input_required"}`, `{"inputRequests":{}}`} {
		if asked, state, has, err := mcpwire.ParseInputRequired([]byte(in)); err != nil || asked != nil || state != "" || has {
			t.Errorf("%s: %v questions, state %q %v, %v", in, asked, state, has, err)
		}
	}
	asked, state, has, err := mcpwire.ParseInputRequired([]byte(` { "inputRequests" : { "\u0061" : { "params":7, "method" : "roots\/list" } } , "requestState" : "" } `))
	want := []mcpwire.Asked{{Key: "a", Question: mcpwire.Question{Revision: mcpwire.LatestModern, Method: "roots/list"}}}
	if diff := cmp.Diff(want, asked); diff != "" || state != "" || !has || err != nil {
		t.Errorf("state %q %v, %v (-want +got):\n%s", state, has, err, diff)
	}
}

func FuzzParseInputRequired(f *testing.F) {
	for _, in := range []string{
		`{}`, `[]`, `null`, `{"inputRequests":{}}`, `{"requestState":"\ud83d\ude39\u0000"}`, `{"inputRequests":{"a":7}}`,
		`{"resultType":"input_required","inputRequests":{"k\"\n\u00e9":{"method":"elicitation/create","params":{"message":"m"}},"r":{"method":"roots/list"}},"requestState":"s"}`,
		`{"inputRequests":{"a":{"method":"sampling/createMessage","params":[]},"b":{"method":"tools/call"}}}`,
	} {
		f.Add([]byte(in))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		asked, state, has, err := mcpwire.ParseInputRequired(in)
		if jsonscan.Check(in) != nil {
			return // what has two readings need not survive being written; that nothing panics is enough
		}
		if err != nil {
			if asked != nil || state != "" || has {
				t.Fatalf("an error, and %v %q %v", asked, state, has)
			}
			return
		}
		written := mcpwire.AppendInputRequired(nil, asked, state)
		if checkErr := jsonscan.Check(written); checkErr != nil {
			t.Fatalf("written as %s: %v", written, checkErr)
		}
		again, state2, _, err := mcpwire.ParseInputRequired(written)
		if diff := cmp.Diff(asked, again, cmpopts.EquateEmpty()); diff != "" || state2 != state || err != nil {
			t.Fatalf("state %q after %q, %v (-first +second):\n%s", state2, state, err, diff)
		}
		for _, a := range again {
			if _, ok := mcpwire.TextMember(mcpwire.ObjectMember(mcpwire.ObjectMember(written, "inputRequests"), a.Key), "method"); !ok {
				t.Fatalf("the key %q is not found in %s", a.Key, written)
			}
		}
	})
}

func TestAppendParams_retries(t *testing.T) {
	t.Parallel()
	const sent = `{"inputResponses":{"mine":{}},"name":"a","requestState":"mine"}`
	tests := []struct {
		name, params string
		set          func(*mcpwire.Request)
		edit         mcpwire.Edit
		want         string
	}{
		{"state replaced where it stands", sent, func(r *mcpwire.Request) { r.RetryState = "their \"own\"" }, mcpwire.Edit{},
			`{"inputResponses":{"mine":{}},"name":"a","requestState":"their \"own\""}`},
		{"state taken away", sent, func(r *mcpwire.Request) { r.RetryState, r.HasRetryState = "", false }, mcpwire.Edit{}, `{"inputResponses":{"mine":{}},"name":"a"}`},
		{"answers replaced", sent, func(r *mcpwire.Request) { r.Answers = []byte(`{"q":{}}`) }, mcpwire.Edit{}, `{"name":"a","requestState":"mine","inputResponses":{"q":{}}}`},
		{"state and answers added", `{"name":"a"}`, func(r *mcpwire.Request) { r.RetryState, r.HasRetryState, r.Answers = "s", true, []byte(`{"q":{}}`) }, mcpwire.Edit{},
			`{"name":"a","requestState":"s","inputResponses":{"q":{}}}`},
		{"an empty state is one", `{"name":"a"}`, func(r *mcpwire.Request) { r.HasRetryState = true }, mcpwire.Edit{}, `{"name":"a","requestState":""}`},
		{"no answers are none", `{"name":"a"}`, func(r *mcpwire.Request) { r.Answers = []byte(`{}`) }, mcpwire.Edit{}, `{"name":"a","inputResponses":{}}`},
		{"dropped", sent, func(r *mcpwire.Request) { r.Answers = []byte(`{"q":{}}`) }, mcpwire.Edit{DropRetry: true}, `{"name":"a"}`},
		{"added ones dropped", `{"name":"a"}`, func(r *mcpwire.Request) { r.HasRetryState, r.Answers = true, []byte(`{}`) }, mcpwire.Edit{DropRetry: true}, `{"name":"a"}`},
		{"behind _meta that is added", `{"name":"a"}`, func(r *mcpwire.Request) { r.HasRetryState = true }, mcpwire.Edit{ProgressToken: []byte("7")},
			`{"name":"a","_meta":{"progressToken":7},"requestState":""}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := mustRequest(t, mcpwire.MethodToolsCall, tt.params)
			tt.set(r)
			got := string(r.AppendParams(nil, tt.edit))
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if string(r.Keep().AppendParams(nil, tt.edit)) != got {
				t.Error("a kept request is written otherwise")
			}
		})
	}
	if got := string(mustRequest(t, mcpwire.MethodToolsCall, sent).Inputs()); got != `{"mine":{}}` {
		t.Errorf("the client's answers: %s", got)
	}
}

// TestKeep outlives the bytes that a request was read from.
func TestKeep(t *testing.T) {
	t.Parallel()
	body := []byte(`{"name":"book","arguments":{"n":1},"_meta":{"progressToken":"t"}}`)
	r, err := mcpwire.NewRequest(mcpwire.MethodToolsCall, mcpwire.LatestModern, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Caller = &mcpwire.Caller{Revision: mcpwire.LatestModern, Info: []byte(`{"name":"c"}`), Capabilities: []byte(`{"roots":{}}`)}
	kept := r.Keep()
	kept.Caller.Session = "of the copy"
	info, can := r.Caller.Info, r.Caller.Capabilities
	for _, b := range [][]byte{body, info, can} {
		clear(b)
	}
	got := []string{kept.Target, string(kept.Arguments()), string(kept.ProgressToken()), string(kept.Caller.Info), string(kept.Caller.Capabilities), string(kept.AppendParams(nil, mcpwire.Edit{}))}
	want := []string{"book", `{"n":1}`, `"t"`, `{"name":"c"}`, `{"roots":{}}`, `{"name":"book","arguments":{"n":1}}`}
	if diff := cmp.Diff(want, got); diff != "" || r.Caller.Session != "" {
		t.Errorf("session of the first %q (-want +got):\n%s", r.Caller.Session, diff)
	}
	modern := mustRequest(t, mcpwire.MethodToolsCall, `{"name":"a","_meta":{"io.modelcontextprotocol/clientInfo":{"name":"d"},"io.modelcontextprotocol/clientCapabilities":{"sampling":{}}}}`)
	modern.Caller = &mcpwire.Caller{Revision: mcpwire.LatestModern, Info: modern.MetaInfo(), Capabilities: modern.MetaCapabilitiesRaw()}
	kept = modern.Keep()
	clear(modern.Params)
	if string(kept.Caller.Info) != `{"name":"d"}` || string(kept.Caller.Capabilities) != `{"sampling":{}}` {
		t.Errorf("a kept caller has %s, %s", kept.Caller.Info, kept.Caller.Capabilities)
	}
	bare := (&mcpwire.Request{Method: mcpwire.MethodToolsList}).Keep()
	if bare.Params != nil || bare.Caller != nil {
		t.Errorf("a bare request got %s, %v", bare.Params, bare.Caller)
	}
}
