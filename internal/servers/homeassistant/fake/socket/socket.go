// Package socket is the WebSocket connections of the fake: authentication, ids, queue,
// coalescing, and how connections end. Only the fake uses it.
//
// Order and words are those of websocket_api/http.py, auth.py and connection.py, numbers
// those of const.py.
package socket

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"

	"drawbridge/internal/servers/homeassistant/fake/command"
	"drawbridge/internal/servers/homeassistant/fake/faults"
	"drawbridge/internal/servers/homeassistant/fake/house"
	"drawbridge/internal/servers/homeassistant/fake/schema"
	"drawbridge/internal/servers/homeassistant/fake/service"
)

// What a client gets away with.
const (
	authTime   = 10 * time.Second
	maxPending = 4096
	peak       = 1024
	peakTime   = 5 * time.Second
	maxMessage = 4 << 20 // aiohttp's default
)

// Record is a command that arrived.
type Record struct {
	Line    int // which connection, from 1
	Command string
	Body    house.Map
	User    string
	Code    string // of the error, "" if it went well
	Done    bool   // it was carried out
}

// Host is what connections need of the server. All is called with the house's lock held.
type Host struct {
	House    *house.House
	Services *service.Set
	Commands command.Table
	Faults   *faults.Plan
	Record   func(Record)
	Restart  func()
	Failed   func(remote string) // somebody did not get in
	Entered  func(remote string)
	Up       func() bool // connections may be made
}

// Hub holds the connections.
type Hub struct {
	host Host

	mu    sync.Mutex // guards what follows
	lines map[*line]bool
	last  int
	idle  sync.WaitGroup
}

// New makes a hub.
func New(h Host) *Hub { return &Hub{host: h, lines: map[*line]bool{}} }

// line is one connection.
type line struct {
	*Hub
	number  int
	remote  string
	conn    *websocket.Conn
	closing sync.WaitGroup // closing handshakes under way

	// The house's lock guards what follows.
	user      *house.User
	lastID    int
	subs      map[int]func()
	uncheck   func()
	replacing *faults.Fault // of the answer under way

	mu       sync.Mutex // guards what follows
	queue    [][]byte
	coalesce bool
	wake     chan struct{}
	ending   bool // nothing more is queued
}

// Serve is one connection from its upgrade to its end.
func (h *Hub) Serve(w http.ResponseWriter, r *http.Request, remote string) {
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true}) // Home Assistant asks for no origin
	if err != nil {
		return
	}
	conn.SetReadLimit(maxMessage)
	l := &line{Hub: h, remote: remote, conn: conn, subs: map[int]func(){}, wake: make(chan struct{}, 1)}
	h.mu.Lock()
	h.last++
	l.number = h.last
	h.lines[l] = true
	h.idle.Add(1)
	h.mu.Unlock()
	defer h.idle.Done()
	h.host.House.Lock()
	up := h.host.Up() // a stop between the upgrade and the list above would have passed it over
	h.host.House.Unlock()
	if !up {
		l.stop()
	}
	var writer sync.WaitGroup
	writer.Go(l.write) // ends with the queue or the connection, awaited below
	l.talk()
	l.leave()
	l.end()
	writer.Wait()
	_ = conn.Close(websocket.StatusNormalClosure, "") // aiohttp's default code; a peer that is gone cannot hear it
	h.mu.Lock()
	delete(h.lines, l)
	h.mu.Unlock()
	l.closing.Wait()
}

// stop ends the connection as a cancelled handler does: with code 1000, what is queued is
// lost.
func (l *line) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ending {
		return
	}
	l.ending, l.queue = true, nil
	l.closing.Go(func() { _ = l.conn.Close(websocket.StatusNormalClosure, "") }) // Serve waits for it
}

// leave takes the connection out of the house.
func (l *line) leave() {
	l.host.House.Lock()
	defer l.host.House.Unlock()
	for _, stop := range l.subs {
		stop()
	}
	l.subs = map[int]func(){}
	if l.uncheck != nil {
		l.uncheck()
	}
}

// Close ends all connections in order, as a stop of Home Assistant does.
func (h *Hub) Close() { h.each((*line).stop) }

// CloseOf ends those of one user, whose token was revoked. Called with the house's lock.
func (h *Hub) CloseOf(user *house.User) {
	h.each(func(l *line) {
		if l.user == user {
			l.stop()
		}
	})
}

// Break ends all connections without a word.
func (h *Hub) Break() { h.each(func(l *line) { _ = l.conn.CloseNow() }) }

// Open is how many there are.
func (h *Hub) Open() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.lines)
}

// Wait is for the end of all.
func (h *Hub) Wait() { h.idle.Wait() }

func (h *Hub) each(f func(*line)) {
	h.mu.Lock()
	var all []*line
	for l := range h.lines {
		all = append(all, l)
	}
	h.mu.Unlock()
	for _, l := range all {
		f(l)
	}
}

// talk is the authentication and the commands after it.
func (l *line) talk() {
	ctx := context.Background() // a connection ends by being closed
	hs := l.host.House
	l.push(house.Map{"type": "auth_required", "ha_version": hs.Version})
	late := hs.Clock.After(authTime, l.stop)
	kind, data, err := l.conn.Read(ctx)
	late()
	if err != nil || kind != websocket.MessageText || !l.auth(data) {
		return
	}
	for {
		kind, data, err := l.conn.Read(ctx)
		if err != nil || kind != websocket.MessageText {
			return
		}
		v, err := decode(data)
		if err != nil {
			return
		}
		list, many := v.([]any)
		if !many {
			list = []any{v}
		}
		for _, msg := range list {
			if !l.handle(msg) {
				return
			}
		}
	}
}

func decode(data []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return v, nil
}

// auth takes the first message (auth.py).
func (l *line) auth(data []byte) bool {
	v, err := decode(data)
	if err != nil {
		return false
	}
	l.host.House.Lock()
	defer l.host.House.Unlock()
	msg, _ := v.(house.Map)
	if msg == nil {
		l.push(house.Map{"type": "auth_invalid", "message": "Auth message incorrectly formatted: expected a dictionary. Got " + schema.Repr(v)})
		return false
	}
	checked, err := (schema.Dict{"type": schema.Need(schema.Literal("auth")), "access_token": schema.May(schema.Str), "api_password": schema.May(schema.Str)}).Apply(msg)
	if bad, ok := errors.AsType[schema.Many](err); ok {
		l.push(house.Map{"type": "auth_invalid", "message": "Auth message incorrectly formatted: " + bad.Human()})
		return false
	}
	token, _ := checked["access_token"].(string)
	f := l.host.Faults.ForCommand("auth", "")
	l.user = l.host.House.User(token)
	if f != nil && f.Drop {
		_ = l.conn.CloseNow()
		return false
	}
	if l.user == nil || f != nil && f.Code != "" {
		l.host.Record(Record{Line: l.number, Command: "auth", Code: "auth_invalid"})
		l.push(house.Map{"type": "auth_invalid", "message": "Invalid access token or password"})
		l.host.Failed(l.remote)
		return false
	}
	l.host.Record(Record{Line: l.number, Command: "auth", User: l.user.Name, Done: true})
	l.host.Entered(l.remote)
	l.push(house.Map{"type": "auth_ok", "ha_version": l.host.House.Version})
	return true
}

// handle takes one command (connection.py, async_handle); false ends the connection.
func (l *line) handle(v any) bool {
	l.host.House.Lock()
	defer l.host.House.Unlock()
	msg, _ := v.(house.Map)
	id, isID := number(msg["id"])
	kind, _ := msg["type"].(string)
	rec := Record{Line: l.number, Command: kind, Body: msg, User: l.user.Name}
	refuse := func(at any, code, text string) bool {
		rec.Code = code
		l.host.Record(rec)
		l.push(house.Map{"id": at, "type": "result", "success": false, "error": house.Map{"code": code, "message": text}})
		return true
	}
	switch {
	case msg == nil:
		return refuse(0, "invalid_format", "Message incorrectly formatted.")
	case !isID || id == 0 || kind == "":
		return refuse(msg["id"], "invalid_format", "Message incorrectly formatted.")
	case id <= l.lastID:
		return refuse(id, "id_reuse", "Identifier values have to increase.")
	}
	if _, known := l.host.Commands[kind]; !known {
		return refuse(id, "unknown_command", "Unknown command.")
	}
	l.lastID = id
	f := l.host.Faults.ForCommand(kind, serviceOf(msg))
	if f != nil && !f.Late {
		if f.Code != "" {
			return refuse(id, f.Code, f.Message)
		}
		l.host.Record(rec)
		return !l.spoil(f)
	}
	l.replacing = f
	result, err := l.host.Commands.Run(&command.Request{H: l.host.House, S: l.host.Services, User: l.user, Line: l, ID: id}, msg)
	if rec.Done = err == nil; err != nil {
		rec.Code = command.Error(err)["code"].(string)
	}
	l.host.Record(rec)
	if result != command.Later || err != nil {
		l.Finish(id, result, err)
	}
	l.replacing = nil
	return f == nil || !l.spoil(f)
}

func serviceOf(msg house.Map) string {
	d, _ := msg["domain"].(string)
	s, _ := msg["service"].(string)
	return d + "." + s
}

func number(v any) (int, bool) {
	n, err := schema.Int(v)
	if err != nil {
		return 0, false
	}
	return n.(int), true
}

// spoil does what a fault does beside answers; true ends the connection.
func (l *line) spoil(f *faults.Fault) bool {
	if f.Restart {
		l.host.Restart()
	}
	if f.Drop {
		_ = l.conn.CloseNow()
	}
	return f.Drop
}

// Finish answers a command.
func (l *line) Finish(id int, result any, err error) {
	msg := house.Map{"id": id, "type": "result", "success": true, "result": result}
	switch {
	case err != nil:
		msg = house.Map{"id": id, "type": "result", "success": false, "error": command.Error(err)}
	case result == command.Pong{}:
		msg = house.Map{"id": id, "type": "pong"}
	}
	f := l.replacing
	if f == nil {
		l.push(msg)
		return
	}
	if f.Drop || f.Silent {
		return
	}
	if f.Oversize > 0 {
		msg["padding"] = string(bytes.Repeat([]byte("x"), f.Oversize))
	}
	data := encode(msg)
	if f.Garbage {
		data = []byte(`{"id": <html>`)
	}
	l.host.House.After(f.Delay, func() { l.send(data) })
}

// Event, Subscribe, Unsubscribe and Coalesce are the rest of command.Line.
func (l *line) Event(id int, body any) { l.push(house.Map{"id": id, "type": "event", "event": body}) }

func (l *line) Subscribe(id int, stop func()) { l.subs[id] = stop }

func (l *line) Unsubscribe(id int) bool {
	stop, there := l.subs[id]
	if there {
		delete(l.subs, id)
		stop()
	}
	return there
}

func (l *line) Coalesce(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.coalesce = on
}

func encode(msg house.Map) []byte {
	data, err := json.Marshal(msg)
	if err != nil { // messages.py, message_to_json_bytes
		data, _ = json.Marshal(house.Map{"id": msg["id"], "type": "result", "success": false, "error": house.Map{"code": "unknown_error", "message": "Invalid JSON in response"}})
	}
	return data
}
