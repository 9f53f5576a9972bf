package approval

import (
	"crypto/sha256"
	"fmt"
)

// Question is what a person reads before a call runs that must be approved.
type Question struct {
	Target string // what it happens to: "acme/site#5"
	Effect string // what will happen, in a sentence or two
	// Bound is what the approval stands on, where that is not the text: more than can
	// be shown, or shown in figures that move by themselves. It is not shown.
	Bound string
}

// Digest identifies what an approval stands on: Target and Effect, or Bound. A ticket
// is bound to the tool and the arguments by themselves.
func (q Question) Digest() []byte {
	sum := sha256.New()
	if q.Bound != "" {
		fmt.Fprintf(sum, "bound %q", q.Bound)
		return sum.Sum(nil)
	}
	fmt.Fprintf(sum, "shown %q %q", q.Target, q.Effect)
	return sum.Sum(nil)
}

// Needed is the error of a call that a person has to approve, and that has not done
// anything yet.
type Needed struct{ Question }

// Error is not what anybody reads: the question is.
func (*Needed) Error() string { return "a person has to approve this first" }

// Preview says what a call would do, without doing it.
type Preview struct {
	Target  string   `json:"target,omitempty"`
	Effect  string   `json:"effect"`
	Changes []string `json:"changes,omitempty"`
	Bound   string   `json:"-"` // see Question
}

// Question is the preview as what a person is asked.
func (p Preview) Question() Question { return Question{p.Target, p.Effect + p.changes(), p.Bound} }

// Text is the preview as the answer to a dry run.
func (p Preview) Text() string {
	if p.Target != "" {
		return "Dry run, nothing was changed. " + p.Target + ": " + p.Effect + p.changes()
	}
	return "Dry run, nothing was changed. " + p.Effect + p.changes()
}

func (p Preview) changes() (lines string) {
	for _, change := range p.Changes {
		lines += "\n- " + change
	}
	return lines
}
