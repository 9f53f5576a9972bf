// Package call is what each method of the fake is made with and made of. Only the fake
// uses it.
package call

import (
	"math/rand/v2"
	"strconv"
	"time"

	"drawbridge/internal/servers/truenas/fake/access"
	"drawbridge/internal/servers/truenas/fake/fail"
	"drawbridge/internal/servers/truenas/fake/filter"
	"drawbridge/internal/servers/truenas/fake/jobs"
	"drawbridge/internal/servers/truenas/fake/model"
	"drawbridge/internal/servers/truenas/fake/nas"
)

// Row is an entry as the wire has it.
type Row = map[string]any

// Version is one of the API, and of the system that brought it.
type Version int

// The versions that our client has adapters for (ref 2.2 "Releases").
const (
	V2504 Version = iota + 1
	V2510
	V26
)

// Names of API versions as GET /api/versions lists them, oldest first, with the version
// that each behaves as.
var Names = []struct {
	Path string
	As   Version
}{
	{"v25.04.0", V2504}, {"v25.04.1", V2504}, {"v25.04.2", V2504},
	{"v25.10.0", V2510}, {"v25.10.1", V2510}, {"v25.10.2", V2510}, {"v26.0.0", V26},
}

// System is the version of the system, without a prefix.
func (v Version) System() string { return []string{"", "25.04.2", "25.10.2", "26.0.0"}[v] }

// Method is one that may be called.
type Method struct {
	Name  string
	From  Version
	Until Version  // the last one that has it; 0 for all later ones
	Free  bool     // also before login, but not too often
	Often bool     // as often as one likes
	Open  bool     // no role is needed
	Roles []string // any of them
	Args  []model.Arg
	Run   func(*Call) (any, error)        // what it answers
	Job   func(*Call) (*jobs.Work, error) // or the job it starts
}

// In is whether a version has the method.
func (m *Method) In(v Version) bool {
	return v >= m.From && (m.Until == 0 || v <= m.Until)
}

// Session is the connection that a call came over.
type Session interface {
	Enter(*access.Principal)
	Leave()
	Talk() *access.Talk
	Subscribe(name string) (id string, err error)
	Unsubscribe(id string)
	Options(map[string]any) Row
}

// Call is one that runs. The lock of the fake is held.
type Call struct {
	Method   string
	Args     []any // checked, with defaults
	API      Version
	Server   Version
	NAS      *nas.NAS
	Book     *access.Book
	Who      *access.Principal // nil before login
	Session  Session
	Jobs     *jobs.Engine
	Now      time.Time
	Emit     func(kind, collection string, id any, fields Row) // an event
	Later    func(d time.Duration, do func())                  // with the lock held again
	Power    func(again bool)                                  // the system goes down, and comes up again or not
	Download func(lines []string) string                       // offers text once, at a path
}

// Text is the n-th argument.
func (c *Call) Text(n int) string { s, _ := c.Args[n].(string); return s }

// Int is the n-th argument.
func (c *Call) Int(n int) int { i, _ := c.Args[n].(int64); return int(i) }

// Map is the n-th argument.
func (c *Call) Map(n int) Row { m, _ := c.Args[n].(map[string]any); return m }

// Flag is a member of the n-th argument.
func (c *Call) Flag(n int, name string) bool { b, _ := c.Map(n)[name].(bool); return b }

// Extra is a member of options.extra of a query.
func (c *Call) Extra(name string) any {
	options, _ := c.Args[len(c.Args)-1].(map[string]any)
	extra, _ := options["extra"].(map[string]any)
	return extra[name]
}

// Seconds are what a random wait of up to ten lasts.
func Seconds() time.Duration { return time.Second + time.Duration(rand.Int64N(int64(9*time.Second))) }

// Date is a time as the wire has it.
func Date(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return jobs.Date(t)
}

// Query makes X.query and X.get_instance of rows. what is the name of the entry's model,
// as "does not exist" has it.
func Query(name, what string, from Version, roles []string, rows func(*Call) []Row) []Method {
	return []Method{
		{Name: name + ".query", From: from, Roles: roles, Args: filter.Args, Run: func(c *Call) (any, error) {
			return filter.Query(rows(c), c.Args)
		}},
		{Name: name + ".get_instance", From: from, Roles: roles, Args: []model.Arg{model.Need("id", model.Any), model.May("options", filter.Options, nil)}, Run: func(c *Call) (any, error) {
			return Instance(c, what, rows(c), c.Args[0])
		}},
	}
}

// Instance is the row with an id.
func Instance(c *Call, what string, rows []Row, id any) (any, error) {
	options := c.Map(1)
	options["get"] = true
	found, err := filter.Query(rows, []any{[]any{[]any{"id", "=", id}}, options})
	if err != nil && fail.Of(err).Class == "MatchNotFound" {
		return nil, fail.Missing("%s %s does not exist", what, said(id))
	}
	return found, err
}

func said(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	}
	return "None"
}

// List makes what the filter engine can look into of a list of texts.
func List(items []string) []any {
	out := make([]any, len(items))
	for i, s := range items {
		out[i] = s
	}
	return out
}

// Until limits methods to versions up to one.
func Until(last Version, methods []Method) []Method {
	for i := range methods {
		methods[i].Until = last
	}
	return methods
}
