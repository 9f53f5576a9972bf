package audit

import (
	"context"
	"fmt"
	"time"

	"drawbridge/internal/account"
)

// Archive is where Verify and Retain read.
type Archive interface {
	AuditChains(ctx context.Context) ([]account.Chain, error)
	// WalkAudit gives all chains and then all rows, those of a chain in order.
	WalkAudit(ctx context.Context, chains func([]account.Chain) error, row func(chain string, r account.ChainedRecord) error) error
	// AuditCut finds the last row before the first one not older than before.
	AuditCut(ctx context.Context, chain string, before time.Time) (seq int64, hash [32]byte, err error)
	// CutAudit removes the rows up to the new base.
	CutAudit(ctx context.Context, chain string, base account.ChainEnd) (removed int64, err error)
}

// maxProblems bounds a report.
const maxProblems = 100

// Report is what Verify found.
type Report struct {
	Chains     int
	Rows       int64
	Dropped    int64     // records that rows say were lost to a full ring
	Unanswered int       // intents without an outcome: what they announced may have run
	Problems   []Problem // at most 100
}

// Problem is a place where the log is not what was written.
type Problem struct {
	Chain string
	Seq   int64
	What  string
}

// check is how far Verify got in a chain.
type check struct {
	account.Chain
	next    int64 // seq that must follow
	hash    [32]byte
	pending map[int64]bool // intents without an outcome so far
}

// Verify reads the whole log and reports every break. The error is about
// reading, not about what was found.
func Verify(ctx context.Context, archive Archive, installation []byte) (Report, error) {
	v := verifier{sign: newSigner(installation), chains: map[string]*check{}}
	if err := archive.WalkAudit(ctx, v.begin, v.row); err != nil {
		return Report{}, fmt.Errorf("verify audit log: %w", err)
	}
	v.finish()
	return v.report, nil
}

type verifier struct {
	sign   *signer
	chains map[string]*check
	order  []*check
	report Report
}

func (v *verifier) begin(chains []account.Chain) error {
	v.report.Chains = len(chains)
	for _, c := range chains {
		if v.sign.end(c.ID, baseEnd, c.Base.Seq, c.Base.Hash) != c.Base || c.Base.Seq == 0 && c.Base.Hash != v.sign.start(c.ID) {
			v.problem(c.ID, c.Base.Seq, "the chain's beginning was altered")
		}
		if v.sign.end(c.ID, headEnd, c.Head.Seq, c.Head.Hash) != c.Head {
			v.problem(c.ID, c.Head.Seq, "the chain's end was altered")
		}
		at := &check{Chain: c, next: c.Base.Seq + 1, hash: c.Base.Hash, pending: map[int64]bool{}}
		v.chains[c.ID] = at
		v.order = append(v.order, at)
	}
	return nil
}

func (v *verifier) row(chain string, r account.ChainedRecord) error {
	v.report.Rows++
	c := v.chains[chain]
	if c == nil {
		v.problem(chain, r.Seq, "the row belongs to no chain")
		return nil
	}
	switch {
	case r.Seq > c.next:
		v.problem(chain, c.next, fmt.Sprintf("%d rows are missing from here on", r.Seq-c.next))
	case r.Seq < c.next:
		v.problem(chain, r.Seq, "the row is there twice or out of order")
	case v.sign.row(c.hash, r.Seq, &r.Record) != r.Hash:
		v.problem(chain, r.Seq, "the row was altered")
	}
	c.next, c.hash = r.Seq+1, r.Hash
	switch {
	case r.Outcome == account.Lost:
		v.report.Dropped += r.Ref
	case r.Outcome == account.Pending:
		c.pending[r.Seq] = true
	case r.Ref != 0:
		delete(c.pending, r.Ref)
	}
	return nil
}

func (v *verifier) finish() {
	for _, c := range v.order {
		v.report.Unanswered += len(c.pending)
		switch last := c.next - 1; {
		case last < c.Head.Seq:
			v.problem(c.ID, c.next, fmt.Sprintf("%d rows are missing at the end", c.Head.Seq-last))
		case last > c.Head.Seq || c.hash != c.Head.Hash:
			v.problem(c.ID, last, "the last row is not the one that was written last")
		}
	}
}

func (v *verifier) problem(chain string, seq int64, what string) {
	if len(v.report.Problems) < maxProblems {
		v.report.Problems = append(v.report.Problems, Problem{chain, seq, what})
	}
}

// Retain removes the rows that are older than before, and signs the new
// beginning of each chain. It gives the number of rows removed.
func Retain(ctx context.Context, archive Archive, installation []byte, before time.Time) (removed int64, err error) {
	sign := newSigner(installation)
	chains, err := archive.AuditChains(ctx)
	if err != nil {
		return 0, fmt.Errorf("retain audit log: %w", err)
	}
	for _, c := range chains {
		if c.Base.Seq == c.Head.Seq {
			continue // nothing is left of it
		}
		seq, hash, err := archive.AuditCut(ctx, c.ID, before)
		if err != nil {
			return removed, fmt.Errorf("retain audit log: %w", err)
		}
		if seq <= c.Base.Seq {
			continue
		}
		n, err := archive.CutAudit(ctx, c.ID, sign.end(c.ID, baseEnd, seq, hash))
		if err != nil {
			return removed, fmt.Errorf("retain audit log: %w", err)
		}
		removed += n
	}
	return removed, nil
}
