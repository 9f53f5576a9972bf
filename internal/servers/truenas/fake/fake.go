// Package fake is a TrueNAS that lives in memory: the part of the JSON-RPC API over
// WebSocket that our TrueNAS server uses, with state behind it, so that what a call
// changed the next one sees.
//
// It is strict where the real one is strict: TLS, sizes of messages and their close codes,
// who may log in how, roles, parameters by type and name, concurrent calls, the rate of
// calls before login, methods by version, rollbacks over newer snapshots. And it is as odd
// as the real one is: job methods answer with a number, core.job_wait is a job itself, a
// good key over a connection without TLS is revoked, HTTP/2 is offered where a WebSocket
// cannot be opened, a field must be selected to be ordered by.
//
// Shapes and words come from two places, named at each as "ref 2.2" (our collected facts
// about infrastructure servers, that section) or as a file of truenas/middleware, the
// public source, of which names, types and messages are taken, no code.
//
// Tests start a Server with Start.
package fake

import (
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"drawbridge/internal/servers/kittest/upstreamtest"
	"drawbridge/internal/servers/truenas/fake/access"
	"drawbridge/internal/servers/truenas/fake/call"
	"drawbridge/internal/servers/truenas/fake/core"
	"drawbridge/internal/servers/truenas/fake/jobs"
	"drawbridge/internal/servers/truenas/fake/nas"
	"drawbridge/internal/servers/truenas/fake/plan"
	"drawbridge/internal/servers/truenas/fake/storage"
	"drawbridge/internal/servers/truenas/fake/system"
	"drawbridge/internal/servers/truenas/fake/workloads"
)

// Version is which release the fake passes for.
type Version = call.Version

// The releases that our server has adapters for.
const (
	V2504 = call.V2504 // 25.04.2
	V2510 = call.V2510 // 25.10.2
	V26   = call.V26   // 26.0.0
)

// What a server starts with, and its parts.
type (
	Seed    = nas.NAS
	Account = access.Account
	Key     = access.Key
	Clock   = upstreamtest.Clock
	Fault   = plan.Fault
	Restart = plan.Restart
	Job     = jobs.Job
)

// Home is the seed of a server without one; Large one of a firm. at is the time of the
// clock that the server gets.
func Home(at time.Time) *Seed  { return nas.Home(at) }
func Large(at time.Time) *Seed { return nas.Large(at) }

// NewClock stands still until Advance moves it.
func NewClock(at time.Time) *Clock { return upstreamtest.StillClock(at) }

// Keys of the accounts that every server has, and what they may do. The user name goes
// with a key.
var (
	AdminUser, AdminKey   = "truenas_admin", keyText(1, 'a') // FULL_ADMIN
	ReadUser, ReadKey     = "reader", keyText(2, 'b')        // READONLY_ADMIN
	ShareUser, ShareKey   = "sharer", keyText(3, 'c')        // SHARING_ADMIN
	NobodyUser, NobodyKey = "nobody", keyText(4, 'd')        // no roles: DENIED
	ExpiredKey            = keyText(5, 'e')                  // of AdminUser
	RevokedKey            = keyText(6, 'f')                  // of AdminUser
	Password              = "correct horse"                  // of AdminUser and, with OTP, of OTPUser
	OTPUser, OTP          = "careful", "123456"
)

func keySecret(letter byte) string {
	return "made-up-key-" + string(slices.Repeat([]byte{letter}, 52))
}

func keyText(id int, letter byte) string { return fmt.Sprintf("%d-%s", id, keySecret(letter)) }

// Options differ between servers. The zero value is a 25.10.2 with Home in it, in the
// time of the machine.
type Options struct {
	Version    Version
	Seed       *Seed                    // the server's from then on
	Clock      *Clock                   // nil for the machine's, or that of a synctest bubble
	JobTime    map[string]time.Duration // by method; "" for all others, which take no time
	Accounts   []*Account               // beside the ones every server has
	Keys       []*Key
	Mechanisms []string // of logging in; nil for those of the release
	Redirect   []string // a standby, which sends everybody to these URLs
	Iterations int      // of SCRAM; 0 for 50,000: the real 500,000 take half a second each
	RateLimit  int      // calls of a method before login in a minute; 0 for 20, below for any number
}

// Server is one system.
type Server struct {
	options Options
	clock   *Clock
	methods map[string][]*call.Method
	front   upstreamtest.Front
	cert    []byte         // DER; nil before it listens with TLS
	done    sync.WaitGroup // what later calls at once

	mu       sync.Mutex // guards what follows, and all that hangs on it
	nas      *nas.NAS
	book     *access.Book
	jobs     *jobs.Engine
	jobTime  map[string]time.Duration
	faults   plan.Plan
	sessions []*session
	log      *upstreamtest.Log[Request]
	rates    map[string]*rate
	files    map[string][]byte // offered once, by path and token
	down     bool
	closed   bool
	frames   []string // everything that arrived
}

// New makes a server.
func New(o Options) *Server {
	s := &Server{options: o, clock: o.Clock, methods: map[string][]*call.Method{}, rates: map[string]*rate{}, files: map[string][]byte{}, jobTime: map[string]time.Duration{}}
	s.log = upstreamtest.NewLog[Request](&s.mu)
	if s.options.Version == 0 {
		s.options.Version = V2510
	}
	if s.clock == nil {
		s.clock = upstreamtest.NewClock()
	}
	if s.nas = o.Seed; s.nas == nil {
		s.nas = Home(s.clock.Now())
	}
	maps.Copy(s.jobTime, o.JobTime)
	s.book = s.accounts()
	s.jobs = jobs.New(&s.mu, s.clock, s.jobEvent)
	for _, m := range methods() {
		s.methods[m.Name] = append(s.methods[m.Name], &m)
	}
	return s
}

// methods are all that the fake has, of every version.
func methods() []call.Method {
	return slices.Concat(core.Methods(), storage.Methods(), workloads.Methods(), system.Methods())
}

func (s *Server) accounts() *access.Book {
	b := &access.Book{Redirect: s.options.Redirect, Iterations: s.options.Iterations, Mechanisms: s.options.Mechanisms}
	if b.Iterations == 0 {
		b.Iterations = 50_000
	}
	if b.Mechanisms == nil {
		b.Mechanisms = []string{"API_KEY_PLAIN", "TOKEN_PLAIN", "PASSWORD_PLAIN"}
		if s.options.Version >= V26 {
			b.Mechanisms = append(b.Mechanisms, "SCRAM")
		}
	}
	b.Accounts = append([]*Account{
		{Name: AdminUser, Password: Password, Roles: []string{"FULL_ADMIN"}},
		{Name: ReadUser, Roles: []string{"READONLY_ADMIN"}},
		{Name: ShareUser, Roles: []string{"SHARING_ADMIN"}},
		{Name: NobodyUser},
		{Name: OTPUser, Password: Password, OTP: OTP, Roles: []string{"FULL_ADMIN"}},
	}, s.options.Accounts...)
	b.Keys = append([]*Key{
		{ID: 1, Name: "drawbridge", User: AdminUser, Secret: keySecret('a')},
		{ID: 2, Name: "drawbridge reads", User: ReadUser, Secret: keySecret('b')},
		{ID: 3, Name: "drawbridge shares", User: ShareUser, Secret: keySecret('c')},
		{ID: 4, Name: "left over", User: NobodyUser, Secret: keySecret('d')},
		{ID: 5, Name: "old", User: AdminUser, Secret: keySecret('e'), Expires: s.clock.Now().AddDate(0, 0, -1)},
		{ID: 6, Name: "leaked", User: AdminUser, Secret: keySecret('f'), Revoked: "Revoked by the administrator"},
	}, s.options.Keys...)
	return b
}

// jobEvent is called with the lock held.
func (s *Server) jobEvent(kind string, j *jobs.Job) {
	for _, c := range s.sessions {
		if c.who != nil && (c.who.Admin() || c.who.Account.Name == j.Owner.User) {
			c.event(kind, "core.get_jobs", j.ID, j.Row())
		}
	}
}

// emit tells all who subscribed. It is called with the lock held.
func (s *Server) emit(kind, collection string, id any, fields map[string]any) {
	for _, c := range s.sessions {
		c.event(kind, collection, id, fields)
	}
}

// later calls do in d, with the lock held, unless the server is closed by then. Nothing is
// as soon as the lock is free, whatever the clock shows. It is called with the lock held.
func (s *Server) later(d time.Duration, do func()) (stop func()) {
	if d <= 0 {
		stopped := s.closed
		if !stopped {
			s.done.Go(func() { // ends as soon as it has the lock; awaited by Close
				s.mu.Lock()
				defer s.mu.Unlock()
				if !s.closed && !stopped {
					do()
				}
			})
		}
		return func() { stopped = true }
	}
	return s.clock.After(d, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.closed {
			do()
		}
	})
}

// offer puts text where it can be fetched once (ref 2.2 "/_download").
func (s *Server) offer(lines []string) string {
	var text []byte
	for _, l := range lines {
		text = append(text, l+"\n"...)
	}
	path := fmt.Sprintf("/_download/%d?auth_token=%s", len(s.files)+1, rand.Text()+rand.Text())
	s.files[path] = text
	s.later(time.Minute, func() { delete(s.files, path) })
	return path
}
