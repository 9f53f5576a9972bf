package page_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/puppeteer/page"
)

// target is a browser's end of a session, with answers by method.
type target struct {
	mu      sync.Mutex // guards sent
	sent    []string
	answers map[string]string
}

func (f *target) Call(_ context.Context, method string, params, result any) error {
	f.Send(method, params)
	answer, ok := f.answers[method]
	if !ok || result == nil {
		return nil
	}
	return json.Unmarshal([]byte(answer), result)
}

func (f *target) Send(method string, params any) {
	raw, _ := json.Marshal(params) // of our own maps
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent = append(f.sent, method+" "+string(raw))
}

// tab is a page on a target that is not there.
func tab(answers map[string]string) (*page.Page, *target, *[]string) {
	f := &target{answers: answers}
	n, lines := 0, &[]string{}
	p := page.New(f, page.Options{Frame: "F", Width: 800, Height: 600,
		Generation: func() int { n++; return n }, Console: func(line string) { *lines = append(*lines, line) }})
	return p, f, lines
}

func navigated(p *page.Page, loader, url string) {
	p.Event("Page.frameNavigated", json.RawMessage(fmt.Sprintf(`{"frame":{"id":"F","loaderId":%q,"url":%q}}`, loader, url)))
}

const axTree = `{"nodes":[{"nodeId":"1","role":{"value":"RootWebArea"},"name":{"value":"T"},"childIds":["2"],"backendDOMNodeId":1},
	{"nodeId":"2","parentId":"1","role":{"value":"button"},"name":{"value":"Go"},"backendDOMNodeId":7}]}`

// A reference ends with its document, even where the browser would still take its
// number.
func TestReferenceEndsWithItsDocument(t *testing.T) {
	t.Parallel()
	p, f, _ := tab(map[string]string{
		"Accessibility.getFullAXTree": axTree, "Page.getFrameTree": `{"frameTree":{"frame":{"id":"F","loaderId":"L1"}}}`,
		"DOM.resolveNode": `{"object":{"objectId":"O"}}`, "Runtime.callFunctionOn": `{"result":{"value":{"x":1,"y":1}}}`,
	})
	navigated(p, "L1", "https://one.example/")
	snap, err := p.Snapshot(t.Context(), page.Looking{Max: 1000})
	if err != nil || snap.Text != `- button "Go" [d2e1]` {
		t.Fatalf("%q, %v", snap.Text, err)
	}
	if err := p.Click(t.Context(), "d2e1", page.Clicking{}); err != nil {
		t.Fatal(err)
	}
	before := len(f.sent)
	navigated(p, "L2", "https://two.example/")
	if err := p.Click(t.Context(), "d2e1", page.Clicking{}); !errors.Is(err, page.ErrStale) || fault.CodeOf(err) != fault.Conflict {
		t.Errorf("%v", err)
	}
	if sent := f.sent[before:]; len(sent) > 0 {
		t.Errorf("the browser was asked: %v", sent)
	}
	if err := p.Click(t.Context(), "d3e1", page.Clicking{}); !errors.Is(err, page.ErrMissing) {
		t.Errorf("a reference that was never given: %v", err)
	}
}

// A reference into a frame ends with the frame's document, though the page stays.
func TestReferenceEndsWithItsFrame(t *testing.T) {
	t.Parallel()
	p, f, _ := tab(map[string]string{
		"Accessibility.getFullAXTree": axTree, "DOM.getFrameOwner": `{"backendNodeId":7}`,
		"Page.getFrameTree": `{"frameTree":{"frame":{"id":"F","loaderId":"L1"},"childFrames":[{"frame":{"id":"G","loaderId":"L5"}}]}}`,
		"DOM.resolveNode":   `{"object":{"objectId":"O"}}`, "Runtime.callFunctionOn": `{"result":{"value":{"x":1,"y":1}}}`, "DOM.getContentQuads": `{"quads":[[0,0,10,0,10,10,0,10]]}`,
	})
	navigated(p, "L1", "https://one.example/")
	snap, err := p.Snapshot(t.Context(), page.Looking{Max: 1000})
	if err != nil || snap.Text != "- button \"Go\" [d2e1]\n  - button \"Go\" [d2e2]" {
		t.Fatalf("%q, %v", snap.Text, err)
	}
	if err := p.Click(t.Context(), "d2e2", page.Clicking{}); err != nil || !strings.Contains(strings.Join(f.sent, "\n"), `"x":5,"y":5`) {
		t.Fatalf("%v: %v", err, f.sent)
	}
	p.Event("Page.frameNavigated", json.RawMessage(`{"frame":{"id":"G","parentId":"F","loaderId":"L6","url":"https://two.example/"}}`))
	if err := p.Click(t.Context(), "d2e2", page.Clicking{}); !errors.Is(err, page.ErrStale) {
		t.Errorf("%v", err)
	}
	if err := p.Click(t.Context(), "d2e1", page.Clicking{}); err != nil {
		t.Errorf("the page itself: %v", err)
	}
}

// The same document keeps its references.
func TestReferenceStays(t *testing.T) {
	t.Parallel()
	p, _, _ := tab(map[string]string{"Accessibility.getFullAXTree": axTree, "Page.getFrameTree": `{"frameTree":{"frame":{"id":"F","loaderId":"L1"}}}`})
	navigated(p, "L1", "https://one.example/")
	for range 3 {
		p.Event("Page.navigatedWithinDocument", json.RawMessage(`{"frameId":"F","url":"https://one.example/#a"}`))
		if snap, err := p.Snapshot(t.Context(), page.Looking{Max: 1000}); err != nil || !strings.Contains(snap.Text, "[d2e1]") || snap.URL != "https://one.example/#a" {
			t.Errorf("%+v, %v", snap, err)
		}
	}
	if snap, err := p.Snapshot(t.Context(), page.Looking{Max: 1000, Diff: true}); err != nil || snap.Text != "" {
		t.Errorf("nothing changed, and the difference is %q, %v", snap.Text, err)
	}
}

// What a page makes us remember is bounded, and its dialogs are answered at once.
func TestEventsAreBounded(t *testing.T) {
	t.Parallel()
	p, f, lines := tab(nil)
	long := strings.Repeat("x", 10_000)
	for i := range 1000 {
		p.Event("Network.requestWillBeSent", json.RawMessage(fmt.Sprintf(`{"requestId":"%d","type":"Fetch","request":{"method":"GET","url":%q}}`, i, long)))
		p.Event("Page.javascriptDialogOpening", json.RawMessage(fmt.Sprintf(`{"type":"confirm","message":%q}`, long)))
	}
	p.Event("Runtime.consoleAPICalled", json.RawMessage(`{"type":"log","args":[{"type":"string","value":"`+long+`"}]}`))
	p.Event("Runtime.consoleAPICalled", json.RawMessage(`{"type":"log","args":"not a list"}`))
	p.Event("No.such", json.RawMessage(`{`))
	if n := len(p.Requests()); n == 0 || n > 200 {
		t.Errorf("%d requests are kept", n)
	}
	if d := p.Dialogs(); len(d) != 20 || len(d[0].Message) > 5000 || d[0].Accepted {
		t.Errorf("%d dialogs", len(d))
	}
	if len(*lines) != 1 || len((*lines)[0]) > 5000 {
		t.Errorf("%d lines", len(*lines))
	}
	if n := len(f.sent); n != 1000 {
		t.Errorf("%d of 1000 dialogs were answered", n)
	}
}

func TestCrash(t *testing.T) {
	t.Parallel()
	p, _, _ := tab(map[string]string{"Page.navigate": `{"loaderId":"L9"}`})
	p.Crash()
	if err := p.Navigate(t.Context(), "https://one.example/"); !errors.Is(err, page.ErrGone) || fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("%v", err)
	}
}

// The word that a document has loaded may come before the one that it is shown.
func TestNavigate_anyOrder(t *testing.T) {
	t.Parallel()
	p, _, _ := tab(map[string]string{"Page.navigate": `{"loaderId":"L1"}`, "Page.getFrameTree": `{"frameTree":{"frame":{"url":"https://one.example/moved"}}}`})
	p.Event("Page.lifecycleEvent", json.RawMessage(`{"frameId":"F","loaderId":"L1","name":"load"}`))
	p.Event("Page.lifecycleEvent", json.RawMessage(`{"frameId":"F","loaderId":"L0","name":"load"}`)) // of the one before, late
	if err := p.Navigate(t.Context(), "https://one.example/"); err != nil || p.URL() != "https://one.example/moved" || p.Generation() != 2 {
		t.Errorf("%v, %s, %d", err, p.URL(), p.Generation())
	}
}

func TestPlain(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`{"a":"\u00e9\u6f22","b":[1.2345678901234567e+19,1e21,0.1,-0.5,1e-7],"c":null,"d":true}`: `{"a":"é漢","b":[12345678901234567000,1e+21,0.1,-0.5,1e-7],"c":null,"d":true}`,
		`"<a href=\"x\">&\n\\"`: `"<a href=\"x\">&\n\\"`,
		`"\\"`:                  `"\\"`,
		`[]`:                    `[]`,
	} {
		if got := string(page.Plain(json.RawMessage(in))); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}
