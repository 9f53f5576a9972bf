package page

import (
	"encoding/json"
	"strings"
)

// Event takes an event of the target. They come in order.
func (p *Page) Event(method string, params json.RawMessage) {
	take := events[method]
	if take == nil {
		return
	}
	var e event
	if json.Unmarshal(params, &e) != nil {
		return // not what we know under that name: nothing to learn from it
	}
	take(p, &e)
}

// event has the members of all events that are followed.
type event struct {
	FrameID    string
	LoaderID   string
	Name       string
	URL        string
	Reason     string
	Type       string
	Message    string
	RequestID  string
	ErrorText  string
	Blocked    string `json:"blockedReason"`
	Default    string `json:"defaultPrompt"`
	Frame      struct{ ID, ParentID, LoaderID, URL, UnreachableURL string }
	Request    struct{ Method, URL string }
	Response   struct{ Status int }
	Args       []remote
	Entry      struct{ Source, Level, Text string }
	Exception  exception `json:"exceptionDetails"`
	ParentID   string    `json:"parentFrameId"`
	Navigation string    `json:"navigationType"`
}

// events are the events that a Page follows.
var events = map[string]func(*Page, *event){
	"Page.frameNavigated":                        (*Page).navigated,
	"Page.navigatedWithinDocument":               (*Page).within,
	"Page.frameDetached":                         (*Page).frameGone,
	"Page.frameRequestedNavigation":              (*Page).begun,
	"Page.frameStartedNavigating":                (*Page).begun,
	"Page.lifecycleEvent":                        (*Page).lifecycle,
	"Page.javascriptDialogOpening":               (*Page).dialog,
	"Runtime.consoleAPICalled":                   (*Page).console,
	"Runtime.exceptionThrown":                    (*Page).thrown,
	"Log.entryAdded":                             (*Page).entry,
	"Network.requestWillBeSent":                  (*Page).request,
	"Network.responseReceived":                   (*Page).response,
	"Network.loadingFailed":                      (*Page).loadingFailed,
	"Network.webSocketCreated":                   (*Page).webSocket,
	"Network.webSocketHandshakeResponseReceived": (*Page).response,
	"Network.webSocketFrameError":                (*Page).loadingFailed,
}

func (p *Page) navigated(e *event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frames[e.Frame.ID] = e.Frame.LoaderID
	if e.Frame.ID != p.o.Frame {
		return
	}
	p.url = bounded(e.Frame.URL, maxLine)
	if strings.HasPrefix(e.Frame.UnreachableURL, "http") { // an error page of that address
		p.url = bounded(e.Frame.UnreachableURL, maxLine)
	}
	p.become(e.Frame.LoaderID)
	p.told = e.Frame.LoaderID
	if e.Type == "BackForwardCacheRestore" {
		p.stages[e.Frame.LoaderID] = loaded // it had loaded before, and does not say so again
	}
	p.wake()
}

// become notes a new document of the main frame, with which all that was known of the
// old one ends. The lock is held.
func (p *Page) become(loader string) {
	if loader == p.doc.loader {
		return
	}
	p.doc = document{loader: loader, generation: p.o.Generation()}
	p.world, p.before = 0, nil
	clear(p.refs)
	clear(p.names)
	clear(p.frames)
	p.frames[p.o.Frame] = loader
	p.wake()
}

func (p *Page) within(e *event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.FrameID == p.o.Frame {
		p.url = bounded(e.URL, maxLine)
		p.wake()
	}
}

func (p *Page) frameGone(e *event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.frames, e.FrameID)
}

// begun notes that the main frame will go elsewhere. A jump inside of the document
// is no such thing.
func (p *Page) begun(e *event) {
	if e.FrameID != p.o.Frame || e.Navigation == "sameDocument" || strings.HasPrefix(e.URL, "javascript:") {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.started++
	p.wake()
}

// Diverted notes that what a frame has begun to load became a download, so that no
// page will come of it.
func (p *Page) Diverted(frame string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if frame == p.o.Frame {
		p.diverted++
		p.wake()
	}
}

func (p *Page) lifecycle(e *event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.FrameID != p.o.Frame {
		return
	}
	if len(p.stages) > 64 {
		clear(p.stages) // of documents that are long gone
	}
	// The word that the frame shows this document may come after, and that of the
	// document before may come late.
	switch e.Name {
	case "DOMContentLoaded":
		p.stages[e.LoaderID] = max(p.stages[e.LoaderID], parsed)
	case "load":
		p.stages[e.LoaderID] = loaded
	default:
		return
	}
	p.wake()
}

// dialog answers a dialog: what only informs is accepted, a question is declined
// unless an answer was set.
func (p *Page) dialog(e *event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := answer{accept: e.Type == "alert" || e.Type == "beforeunload"}
	if p.answer != nil && e.Type != "beforeunload" {
		a, p.answer = *p.answer, nil
	}
	p.s.Send("Page.handleJavaScriptDialog", m{"accept": a.accept, "promptText": a.text})
	if len(p.dialogs) < maxDialogs {
		p.dialogs = append(p.dialogs, Dialog{e.Type, bounded(e.Message, maxLine), a.accept})
	}
}

// console tells a line as the reference server does: type in brackets, arguments
// with spaces between.
func (p *Page) console(e *event) {
	var args []string
	for i := range e.Args {
		args = append(args, e.Args[i].line())
	}
	kind := e.Type
	if kind == "warning" {
		kind = "warn"
	}
	p.o.Console(bounded("["+kind+"] "+strings.Join(args, " "), maxLine))
}

func (p *Page) thrown(e *event) {
	p.o.Console(bounded("[exception] "+e.Exception.message(), maxLine))
}

func (p *Page) entry(e *event) {
	if e.Entry.Source == "worker" {
		return // the worker's own console has it
	}
	level := e.Entry.Level
	if level == "warning" {
		level = "warn"
	}
	p.o.Console(bounded("["+level+"] "+e.Entry.Text, maxLine))
}

func (p *Page) request(e *event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.Type == "Document" && e.FrameID == p.o.Frame {
		if len(p.redirect) > 16 {
			clear(p.redirect)
		}
		p.redirect[e.LoaderID] = e.Request.URL
	}
	p.keep(Request{Method: e.Request.Method, URL: bounded(e.Request.URL, maxLine), Type: e.Type, id: e.RequestID})
}

func (p *Page) webSocket(e *event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keep(Request{Method: "GET", URL: bounded(e.URL, maxLine), Type: "WebSocket", id: e.RequestID})
}

// keep adds a request; the oldest half goes where there are too many. The lock is held.
func (p *Page) keep(r Request) {
	if len(p.requests) >= maxRequests {
		p.requests = append(p.requests[:0], p.requests[maxRequests/2:]...)
	}
	p.requests = append(p.requests, r)
}

func (p *Page) response(e *event) { p.ended(e.RequestID, e.Response.Status, "") }

func (p *Page) loadingFailed(e *event) {
	why := e.ErrorText
	if e.Blocked != "" {
		why += " (" + e.Blocked + ")"
	}
	p.ended(e.RequestID, 0, why)
}

func (p *Page) ended(id string, status int, why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.requests) - 1; i >= 0; i-- {
		if r := &p.requests[i]; r.id == id {
			r.Status, r.Error = max(r.Status, status), why
			return
		}
	}
}

// remote is a value of the page's scripts (Runtime.RemoteObject).
type remote struct {
	Type           string
	Subtype        string
	Value          json.RawMessage
	Unserializable string `json:"unserializableValue"`
	Description    string
	ClassName      string
}

// line is the value in a line of the console.
func (r *remote) line() string {
	switch {
	case r.Unserializable != "":
		return r.Unserializable
	case r.Type == "undefined":
		return "undefined"
	case r.Subtype == "null":
		return "null"
	case len(r.Value) > 0:
		return text(r.Value)
	case r.Type == "object" && r.Subtype != "error":
		kind := r.Subtype
		if kind == "" {
			kind = r.Type
		}
		return "JSHandle@" + kind // as the original's library says it
	}
	return r.Description
}

// exception is Runtime.ExceptionDetails.
type exception struct {
	Text      string
	Exception *remote
	Line      int `json:"lineNumber"`
}

// message is what the script has thrown, as its error says it.
func (x exception) message() string {
	if x.Exception == nil {
		return x.Text
	}
	if x.Exception.Subtype != "error" {
		return x.Text + " " + x.Exception.line()
	}
	line, _, _ := strings.Cut(x.Exception.Description, "\n    at ")
	return line
}
