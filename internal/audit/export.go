package audit

import (
	"encoding/hex"

	"drawbridge/internal/account"
)

// Line is a row of the log as it is exported: one JSON object per line. Members
// may be added; those that are here keep their name and meaning.
type Line struct {
	Time       string           `json:"time"` // RFC 3339 in UTC, with six decimals
	User       string           `json:"user"`
	Credential string           `json:"credential"` // id of the key, grant or browser session
	Client     string           `json:"client"`
	Backend    string           `json:"backend"`
	Method     string           `json:"method"` // such as tools/call, account/sign-in, admin/key.create
	Target     string           `json:"target"` // tool, prompt, resource, or what an admin changed
	Decision   account.Decision `json:"decision"`
	Outcome    account.Outcome  `json:"outcome"`
	DurationUS int64            `json:"duration_us"`
	SizeIn     int64            `json:"size_in"` // bytes
	SizeOut    int64            `json:"size_out"`
	Digest     string           `json:"digest,omitempty"` // keyed hash of the arguments
	Intent     int64            `json:"intent,omitempty"` // seq of the row, in the same chain, that announced this call
	Lost       int64            `json:"lost,omitempty"`   // how many rows were dropped before this one
	Chain      string           `json:"chain"`
	Seq        int64            `json:"seq"`
	Hash       string           `json:"hash"`
}

// timeFormat has as many digits as the log keeps, so that lines sort as text.
const timeFormat = "2006-01-02T15:04:05.000000Z07:00"

// LineOf is the exported form of a row.
func LineOf(r account.ChainedRecord) Line {
	l := Line{
		Time: r.Time.UTC().Format(timeFormat), User: r.User, Credential: r.Credential, Client: r.Client,
		Backend: r.Backend, Method: r.Method, Target: r.Target, Decision: r.Decision, Outcome: r.Outcome,
		DurationUS: r.Duration.Microseconds(), SizeIn: r.SizeIn, SizeOut: r.SizeOut,
		Chain: r.Chain, Seq: r.Seq, Hash: hex.EncodeToString(r.Hash[:]),
	}
	if r.Digest != [16]byte{} {
		l.Digest = hex.EncodeToString(r.Digest[:])
	}
	if r.Outcome == account.Lost {
		l.Lost = r.Ref
	} else {
		l.Intent = r.Ref
	}
	return l
}
