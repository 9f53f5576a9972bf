package account

import (
	"fmt"
	"slices"
	"time"
	"unicode/utf8"
)

// Decision is what Drawbridge decided about a call.
type Decision string

// The decisions.
const (
	Allowed Decision = "allowed"
	Denied  Decision = "denied"
)

// Outcome is how a call ended.
type Outcome string

// The outcomes. Pending is the outcome of an intent: the row written before a
// destructive call runs. An intent that no row answers means that the call may
// have run and nobody saw its end.
const (
	Pending   Outcome = "pending"
	Succeeded Outcome = "ok"
	ToolError Outcome = "tool_error" // the tool itself reported a failure
	Failed    Outcome = "error"      // a protocol or gateway error
	Cancelled Outcome = "cancelled"
	Asked     Outcome = "input_required"
	Lost      Outcome = "lost" // not a call: Ref rows were dropped before this one
)

var outcomes = []Outcome{Pending, Succeeded, ToolError, Failed, Cancelled, Asked, Lost}

// Record is one row of the audit log: who did what through which backend, and
// how it ended. It never has arguments or results, only a keyed digest and sizes.
type Record struct {
	Time       time.Time
	User       string
	Credential string
	Client     string // client name or OAuth client id, as far as known
	Backend    string
	Method     string // e.g. "tools/call"
	Target     string // tool, prompt or resource
	Decision   Decision
	Outcome    Outcome
	Duration   time.Duration
	SizeIn     int64
	SizeOut    int64
	Digest     [16]byte // keyed hash of the arguments; zero: not taken
	Ref        int64    // of an outcome: Seq of its intent; of Lost: how many
}

// ChainedRecord is a Record in its place in a hash chain.
type ChainedRecord struct {
	Record
	Chain string   // its id; only where rows of several chains are read together
	Seq   int64    // 1, 2, ... within the chain
	Hash  [32]byte // over the row and the Hash before it
}

// ChainEnd is a place in a chain that is signed by itself: the base, before
// which retention removed the rows, or the head, the last row written.
type ChainEnd struct {
	Seq  int64
	Hash [32]byte
	Sign [32]byte
}

// Chain is what one process wrote to the audit log.
type Chain struct {
	ID   string
	Base ChainEnd
	Head ChainEnd
}

// AuditFilter selects rows of the audit log. A field that is left empty selects
// all; texts are compared as a whole.
type AuditFilter struct {
	Since       time.Time // from this moment on
	Until       time.Time // before this moment
	User        string
	Client      string
	Backend     string
	Method      string // such as "tools/call", "account/sign-in", "admin/key.create"
	Target      string // tool, prompt, resource, or what an admin changed
	Decision    Decision
	Outcome     Outcome
	Limit       int  // at most so many; 0: all
	NewestFirst bool // else in the order they were written
}

// Check says what is wrong with a filter, in words for whoever asked.
func (f AuditFilter) Check() error {
	switch {
	case f.Limit < 0:
		return fmt.Errorf("the limit %d is below nothing: use 0 for all rows", f.Limit)
	case !f.Since.IsZero() && !f.Until.IsZero() && !f.Since.Before(f.Until):
		return fmt.Errorf("nothing lies between %s and %s: choose a later end", f.Since.Format(time.RFC3339), f.Until.Format(time.RFC3339))
	case f.Decision != "" && f.Decision != Allowed && f.Decision != Denied:
		return fmt.Errorf("unknown decision %q: use %s or %s", f.Decision, Allowed, Denied)
	case f.Outcome != "" && !slices.Contains(outcomes, f.Outcome):
		return fmt.Errorf("unknown outcome %q: use one of %s", f.Outcome, outcomes)
	}
	for _, text := range []string{f.User, f.Client, f.Backend, f.Method, f.Target} {
		if !utf8.ValidString(text) {
			return fmt.Errorf("a value is not UTF-8: write it as UTF-8")
		}
	}
	return nil
}

// Selects tells whether a row is one that the filter selects, its limit apart.
func (f AuditFilter) Selects(r *Record) bool {
	same := func(want, is string) bool { return want == "" || want == is }
	return (f.Since.IsZero() || !r.Time.Before(f.Since)) && (f.Until.IsZero() || r.Time.Before(f.Until)) &&
		same(f.User, r.User) && same(f.Client, r.Client) && same(f.Backend, r.Backend) &&
		same(f.Method, r.Method) && same(f.Target, r.Target) &&
		same(string(f.Decision), string(r.Decision)) && same(string(f.Outcome), string(r.Outcome))
}
