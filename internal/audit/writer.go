package audit

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
)

const (
	maxBatch = 8192 // rows in one transaction
	maxText  = 512  // bytes of a text in a row
)

// writer owns the chain. A failed append may have been committed all the same
// (the answer was lost), so before the next one it asks the log where the chain
// stands.
type writer struct {
	to   Log
	sign *signer

	chain   string // "" = none is open
	head    account.ChainEnd
	pending []Record // taken from the ring, not acknowledged
	noted   int64    // drops that a row tells of

	failing bool
	unsure  bool             // the last append failed
	aim     account.ChainEnd // the head that the last append was to make
	aimed   int              // and how many of pending, from the first, it wrote
}

// write appends what is pending, what is in the ring and what others wait for.
// It returns the seq of the first of waiting.
func (w *writer) write(ctx context.Context, ring *ring, dropped int64, waiting []request) (seq int64, err error) {
	if len(waiting)+len(w.pending) == 0 && dropped == w.noted && !ring.waiting() {
		return 0, nil // a process that does nothing leaves no chain
	}
	if err = w.settle(ctx); err != nil {
		w.keep(waiting)
	} else {
		seq, err = w.append(ctx, ring, dropped, waiting)
	}
	w.failing = err != nil
	return seq, err
}

// keep puts records that somebody waited for in vain among those to be written
// later.
func (w *writer) keep(waiting []request) {
	for _, req := range waiting {
		if req.keep && len(w.pending) < maxBatch {
			w.pending = append(w.pending, req.record)
		}
	}
}

// settle opens a chain if there is none, and learns whether an append that
// failed was committed.
func (w *writer) settle(ctx context.Context) error {
	if w.unsure {
		head, err := w.to.AuditHead(ctx, w.chain)
		if err != nil && fault.CodeOf(err) != fault.NotFound {
			return err
		}
		switch head {
		case w.head: // it was not; pending is to be written yet
		case w.aim:
			w.acknowledge()
		default: // not our doing, and Verify will say so; go on in a chain of our own
			w.chain = ""
		}
		w.unsure = false
	}
	if w.chain != "" {
		return nil
	}
	id := newChainID()
	base := w.sign.genesis(id)
	head := w.sign.end(id, headEnd, base.Seq, base.Hash)
	if err := w.to.OpenAuditChain(ctx, account.Chain{ID: id, Base: base, Head: head}); err != nil {
		return fmt.Errorf("open chain: %w", err)
	}
	w.chain, w.head = id, head
	return nil
}

func (w *writer) append(ctx context.Context, ring *ring, dropped int64, waiting []request) (int64, error) {
	if dropped > w.noted && len(w.pending) < maxBatch {
		w.pending = append(w.pending, Record{Time: time.Now(), Decision: account.Allowed, Outcome: account.Lost, Ref: dropped - w.noted})
		w.noted = dropped
	}
	w.pending = ring.drain(w.pending, maxBatch-len(w.pending))
	if len(w.pending)+len(waiting) == 0 {
		return 0, nil
	}
	rows := make([]account.ChainedRecord, 0, len(w.pending)+len(waiting))
	for i := range w.pending {
		rows = append(rows, account.ChainedRecord{Record: w.pending[i]})
	}
	for i := range waiting {
		rows = append(rows, account.ChainedRecord{Record: waiting[i].record})
	}
	seq, hash := w.head.Seq, w.head.Hash
	for i := range rows {
		clean(&rows[i].Record)
		seq++
		hash = w.sign.row(hash, seq, &rows[i].Record)
		rows[i].Seq, rows[i].Hash = seq, hash
	}
	w.aim, w.aimed = w.sign.end(w.chain, headEnd, seq, hash), len(w.pending)
	first := seq - int64(len(waiting)) + 1
	if err := w.to.AppendAudit(ctx, w.chain, w.head.Seq, rows, w.aim); err != nil {
		w.unsure = true
		w.keep(waiting)
		w.aimed = len(w.pending)
		return 0, err
	}
	w.acknowledge()
	return first, nil
}

// acknowledge notes that the append was committed.
func (w *writer) acknowledge() {
	w.head = w.aim
	w.pending = append([]Record(nil), w.pending[w.aimed:]...) // mostly none; a burst's memory is not kept
	w.aimed = 0
}

// clean makes a record writable on both engines: valid UTF-8 without NUL,
// bounded, times in whole microseconds.
func clean(r *Record) {
	for _, text := range []*string{&r.User, &r.Credential, &r.Client, &r.Backend, &r.Method, &r.Target} {
		*text = cleanText(*text)
	}
	r.Time = r.Time.UTC().Truncate(time.Microsecond)
	r.Duration = r.Duration.Truncate(time.Microsecond)
}

func cleanText(s string) string {
	if len(s) > maxText {
		s = s[:maxText]
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "")
	}
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "")
	}
	return s
}
