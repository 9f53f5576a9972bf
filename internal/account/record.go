package account

import "time"

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
	Lost      Outcome = "lost" // not a call: Count rows were dropped before this one
)

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
	Seq  int64    // 1, 2, ... within the chain
	Hash [32]byte // over the row and the Hash before it
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
