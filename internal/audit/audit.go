// Package audit records who did what.
//
// A Recorder has two ways in. Call takes the record of an ordinary call: it
// never blocks, allocates nothing, and what it takes is written within a second;
// a crash can lose that second, and when records come faster than they can be
// written the surplus is counted and the count written. Intent and Outcome are
// for calls that destroy something: Intent returns when its row is on the disk,
// and a call whose intent cannot be written must not run.
//
// The rows of a process form a hash chain, keyed with a secret that is not in
// the log, so that Verify finds every row that was altered, removed or moved.
// What it cannot find is the removal of a whole chain together with its entry
// in the list of chains. Retain removes old rows and leaves the rest verifiable.
package audit

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
)

// Record is one row; see account.Record.
type Record = account.Record

// Log is where a Recorder writes.
type Log interface {
	OpenAuditChain(ctx context.Context, c account.Chain) error
	// AppendAudit adds rows after the row named, all or nothing; it fails with a
	// Conflict if that is not the chain's head.
	AppendAudit(ctx context.Context, chain string, after int64, rows []account.ChainedRecord, head account.ChainEnd) error
	AuditHead(ctx context.Context, chain string) (account.ChainEnd, error)
}

const (
	writeEvery = 500 * time.Millisecond // "within a second" with the time to write
	writeLimit = 5 * time.Second
	retryAfter = time.Second
)

// Config is what an operator may set.
type Config struct {
	Slots int // records that may wait for being written; 0: 4096
}

// Recorder writes the audit log of this process. Safe for concurrent use.
type Recorder struct {
	log  *slog.Logger
	sign *signer

	ring    *ring
	dropped atomic.Int64 // since the start
	direct  chan request // rows whose writing somebody waits for

	stop    chan struct{}
	stopped chan struct{} // closed when the writer has ended
	once    sync.Once
	end     error // of the last write; read after stopped

	writer writer // only the writer's goroutine uses it
}

// request asks the writer for a row now.
type request struct {
	record Record
	keep   bool        // on failure, write it later
	reply  chan answer // has room for one
}

type answer struct {
	seq int64
	err error
}

// Intent is an announced call.
type Intent struct {
	seq    int64
	record Record
}

// New starts a recorder; Close ends it. installation is the secret of
// store.InstallationSecret.
func New(log *slog.Logger, to Log, installation []byte, cfg Config) (*Recorder, error) {
	if log == nil || to == nil || len(installation) == 0 {
		return nil, errors.New("audit needs a logger, a log and the installation's secret")
	}
	if cfg.Slots <= 0 {
		cfg.Slots = 4096
	}
	r := &Recorder{
		log:     log,
		sign:    newSigner(installation),
		ring:    newRing(cfg.Slots),
		direct:  make(chan request),
		stop:    make(chan struct{}),
		stopped: make(chan struct{}),
	}
	r.writer = writer{to: to, sign: r.sign}
	go r.run() // ended and awaited by Close
	return r, nil
}

// Call takes the record of a call that has ended. Time, if zero, becomes now.
func (r *Recorder) Call(record Record) {
	if record.Time.IsZero() {
		record.Time = time.Now()
	}
	if len(record.Target) > maxText { // a client's word: thousands may wait in the ring
		record.Target = strings.Clone(record.Target[:maxText])
	}
	if !r.ring.push(&record) {
		r.dropped.Add(1)
	}
}

// Dropped counts the records that were lost because the ring was full or the
// recorder closed.
func (r *Recorder) Dropped() int64 { return r.dropped.Load() }

// Digest is what a record keeps of a call's arguments: enough to see that two
// calls had the same, too little to guess them without the key.
func (r *Recorder) Digest(arguments []byte) [16]byte { return r.sign.digest(arguments) }

// Intent writes that a call is about to run, and returns when the row is durable.
// On an error the call must not run.
func (r *Recorder) Intent(ctx context.Context, record Record) (Intent, error) {
	record.Outcome = account.Pending
	if record.Time.IsZero() {
		record.Time = time.Now()
	}
	seq, err := r.write(ctx, request{record: record})
	if err != nil {
		return Intent{}, fault.Wrap(fmt.Errorf("write intent: %w", err), fault.Unavailable,
			"The call was not run, because it could not be noted in the audit log. Make sure that the database can be written, then try again.")
	}
	return Intent{seq, record}, nil
}

// Outcome writes how an announced call ended. If that fails now it is tried
// again later; the error is for the log.
func (r *Recorder) Outcome(ctx context.Context, of Intent, outcome account.Outcome, sizeOut int64) error {
	record := of.record
	record.Time = time.Now()
	record.Duration = record.Time.Sub(of.record.Time)
	record.Outcome, record.SizeOut, record.Ref = outcome, sizeOut, of.seq
	if _, err := r.write(ctx, request{record: record, keep: true}); err != nil {
		return fmt.Errorf("write outcome: %w", err)
	}
	return nil
}

// Close writes what is waiting and ends the recorder. Later records are dropped.
func (r *Recorder) Close(ctx context.Context) error {
	r.once.Do(func() { close(r.stop) })
	select {
	case <-r.stopped:
		return r.end
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *Recorder) write(ctx context.Context, req request) (int64, error) {
	req.reply = make(chan answer, 1)
	select {
	case r.direct <- req:
	case <-r.stopped:
		return 0, errors.New("recorder is closed")
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	select {
	case a := <-req.reply:
		return a.seq, a.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// run is the writer's goroutine.
func (r *Recorder) run() {
	defer close(r.stopped)
	timer := time.NewTimer(writeEvery)
	timer.Stop()
	failing := false
	for {
		var waiting []request
		select {
		case <-r.ring.some: // the first record of a batch: give it company
			if !failing {
				timer.Reset(writeEvery)
			}
			continue
		case <-r.ring.many:
			if failing {
				continue
			}
		case <-timer.C:
		case req := <-r.direct:
			waiting = append(waiting, req)
		case <-r.stop:
			for r.end = r.flush(nil); r.end == nil && r.ring.waiting(); {
				r.end = r.flush(nil)
			}
			return
		}
		err := r.flush(r.gather(waiting))
		failing = err != nil
		switch {
		case failing:
			timer.Reset(retryAfter)
		case r.ring.waiting(): // came meanwhile, or did not fit into one batch
			timer.Reset(writeEvery)
		}
	}
}

// gather adds the requests that came meanwhile: one commit serves all.
func (r *Recorder) gather(waiting []request) []request {
	for len(waiting) > 0 {
		select {
		case req := <-r.direct:
			waiting = append(waiting, req)
		default:
			return waiting
		}
	}
	return waiting
}

// flush writes everything that waits and answers the requests.
func (r *Recorder) flush(waiting []request) error {
	ctx, cancel := context.WithTimeout(context.Background(), writeLimit)
	defer cancel()
	wasFailing := r.writer.failing
	seq, err := r.writer.write(ctx, r.ring, r.dropped.Load(), waiting)
	for i, req := range waiting {
		req.reply <- answer{seq + int64(i), err}
	}
	switch {
	case err != nil && !wasFailing:
		r.log.Error("audit log cannot be written: destructive calls are refused", "error", err)
	case err == nil && wasFailing:
		r.log.Info("audit log is written again", "dropped", r.dropped.Load())
	}
	return err
}

// newChainID tells chains apart, and people when the process started.
func newChainID() string {
	return time.Now().UTC().Format("20060102T150405Z-") + strings.ToLower(rand.Text()[:10])
}
