package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/jsonscan"
)

const auditColumns = "seq, first, last, entry, hash"

// auditBatch is how many records a row of the table holds at most. Every row has its
// own cost, which would be a good part of what a call costs altogether.
const auditBatch = 64

// OpenAuditChain begins a chain.
func (s *Store) OpenAuditChain(ctx context.Context, c account.Chain) error {
	err := s.update(ctx, quiet, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO audit_chains
			(id, base_seq, base_hash, base_sign, head_seq, head_hash, head_sign) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			c.ID, c.Base.Seq, c.Base.Hash[:], c.Base.Sign[:], c.Head.Seq, c.Head.Hash[:], c.Head.Sign[:])
		return err
	})
	if err != nil {
		return fmt.Errorf("open audit chain: %w", err)
	}
	return nil
}

// AppendAudit adds rows to a chain and moves its head from the row after to the
// last of rows, all or nothing.
func (s *Store) AppendAudit(ctx context.Context, chain string, after int64, rows []account.ChainedRecord, head account.ChainEnd) error {
	err := s.update(ctx, quiet, func(tx *sql.Tx) error {
		var num int64
		err := tx.QueryRowContext(ctx, `UPDATE audit_chains SET head_seq = $1, head_hash = $2, head_sign = $3
			WHERE id = $4 AND head_seq = $5 RETURNING num`,
			head.Seq, head.Hash[:], head.Sign[:], chain, after).Scan(&num)
		if errors.Is(err, sql.ErrNoRows) {
			return fault.Wrap(fmt.Errorf("chain %s has no head %d", chain, after), fault.Conflict, "The audit log was changed by something else. Run its verification.")
		}
		if err != nil {
			return err
		}
		return s.insertAudit(ctx, tx, num, rows)
	})
	if err != nil {
		return fmt.Errorf("append to audit log: %w", err)
	}
	return nil
}

func (s *Store) insertAudit(ctx context.Context, tx *sql.Tx, chain int64, records []account.ChainedRecord) error {
	insert, err := tx.PrepareContext(ctx, "INSERT INTO audit (chain, "+auditColumns+") VALUES ($1, $2, $3, $4, $5, $6)")
	if err != nil {
		return err
	}
	defer insert.Close()
	var entry, hashes []byte
	for batch := range slices.Chunk(records, auditBatch) {
		entry, hashes = append(entry[:0], '['), hashes[:0]
		for i := range batch {
			entry = append(appendAudit(entry, &batch[i].Record), ',')
			hashes = append(hashes, batch[i].Hash[:]...)
		}
		entry[len(entry)-1] = ']'
		first, last := times(batch)
		if _, err := insert.ExecContext(ctx, chain, batch[0].Seq, first, last, string(entry), hashes); err != nil {
			return err
		}
	}
	return nil
}

// times are the earliest and the latest of a batch, in microseconds.
func times(batch []account.ChainedRecord) (first, last int64) {
	first, last = math.MaxInt64, math.MinInt64
	for i := range batch {
		at := batch[i].Time.UnixMicro()
		first, last = min(first, at), max(last, at)
	}
	return first, last
}

// AuditChains lists the chains, the oldest first.
func (s *Store) AuditChains(ctx context.Context) (list []account.Chain, err error) {
	err = s.view(ctx, func(tx *sql.Tx) error {
		list, _, err = readChains(ctx, tx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list audit chains: %w", err)
	}
	return list, nil
}

// AuditHead is the head of a chain.
func (s *Store) AuditHead(ctx context.Context, chain string) (account.ChainEnd, error) {
	var end account.ChainEnd
	var hash, sign []byte
	err := s.reader.QueryRowContext(ctx, "SELECT head_seq, head_hash, head_sign FROM audit_chains WHERE id = $1", chain).
		Scan(&end.Seq, &hash, &sign)
	if errors.Is(err, sql.ErrNoRows) {
		return end, fault.New(fault.NotFound, "There is no audit chain %q. Run the verification of the audit log.", chain)
	}
	if err != nil {
		return end, fmt.Errorf("read audit head: %w", s.coded(err))
	}
	copy(end.Hash[:], hash)
	copy(end.Sign[:], sign)
	return end, nil
}

// WalkAudit gives all chains, then all rows in the order they were written, from
// one unchanging view. Rows of different chains mix.
func (s *Store) WalkAudit(ctx context.Context, chains func([]account.Chain) error, row func(chain string, r account.ChainedRecord) error) error {
	err := s.view(ctx, func(tx *sql.Tx) error {
		list, names, err := readChains(ctx, tx)
		if err != nil {
			return err
		}
		if err := chains(list); err != nil {
			return err
		}
		return each(ctx, tx, func(rows *sql.Rows) error {
			num, batch, err := scanAudit(rows)
			for i := 0; err == nil && i < len(batch); i++ {
				err = row(names[num], batch[i])
			}
			return err
		}, "SELECT chain, "+auditColumns+" FROM audit ORDER BY id")
	})
	if err != nil {
		return fmt.Errorf("read audit log: %w", err)
	}
	return nil
}

// errEnough ends a reading that has what it wants.
var errEnough = errors.New("enough rows")

// AuditRecords gives the rows that a filter selects, from one unchanging view.
func (s *Store) AuditRecords(ctx context.Context, f account.AuditFilter, row func(account.ChainedRecord) error) error {
	if err := f.Check(); err != nil {
		return fault.New(fault.Invalid, "The audit log cannot be read that way: %v.", err)
	}
	query, args := auditQuery(f)
	given := 0
	err := s.view(ctx, func(tx *sql.Tx) error {
		_, names, err := readChains(ctx, tx)
		if err != nil {
			return err
		}
		return each(ctx, tx, func(rows *sql.Rows) error {
			num, batch, err := scanAudit(rows)
			if err != nil {
				return err
			}
			if f.NewestFirst {
				slices.Reverse(batch)
			}
			for _, r := range batch {
				if !f.Selects(&r.Record) {
					continue
				}
				r.Chain = names[num]
				if err := row(r); err != nil {
					return err
				}
				if given++; given == f.Limit {
					return errEnough
				}
			}
			return nil
		}, query, args...)
	})
	if err != nil && !errors.Is(err, errEnough) {
		return fmt.Errorf("read audit log: %w", err)
	}
	return nil
}

// auditQuery is the statement for a filter. The text of a row is searched for what
// appendAudit made of each value, which both engines can do without taking every
// row apart; they find too much, so each record of it is compared again.
func auditQuery(f account.AuditFilter) (query string, args []any) {
	var where []string
	add := func(condition string, value any) {
		args = append(args, value)
		where = append(where, strings.ReplaceAll(condition, "?", "$"+strconv.Itoa(len(args))))
	}
	if !f.Since.IsZero() {
		add("last >= ?", f.Since.UnixMicro())
	}
	if !f.Until.IsZero() {
		add("first <= ?", f.Until.UnixMicro())
	}
	for _, c := range [...][2]string{
		{"user", f.User}, {"client", f.Client}, {"backend", f.Backend}, {"method", f.Method},
		{"target", f.Target}, {"decision", string(f.Decision)}, {"outcome", string(f.Outcome)},
	} {
		if c[1] != "" {
			member := string(jsonscan.AppendQuote([]byte(`"`+c[0]+`":`), c[1]))
			add(`entry LIKE ? ESCAPE '!'`, "%"+likeText.Replace(member)+"%")
		}
	}
	query = "SELECT chain, " + auditColumns + " FROM audit"
	if len(where) > 0 {
		query += " WHERE " + strings.Join(where, " AND ")
	}
	query += " ORDER BY id"
	if f.NewestFirst {
		query += " DESC"
	}
	return query, args
}

// likeText escapes a text for LIKE.
var likeText = strings.NewReplacer("!", "!!", "%", "!%", "_", "!_")

// AuditCut finds where retention may cut a chain: the last record of the last batch
// before the first one with a record that is not older than before. Seq 0 means
// nowhere.
func (s *Store) AuditCut(ctx context.Context, chain string, before time.Time) (seq int64, hash [32]byte, err error) {
	err = s.view(ctx, func(tx *sql.Tx) error {
		var num, head, kept int64
		err := tx.QueryRowContext(ctx, "SELECT num, head_seq FROM audit_chains WHERE id = $1", chain).Scan(&num, &head)
		if err != nil {
			return err
		}
		err = tx.QueryRowContext(ctx, "SELECT coalesce(min(seq), $1) FROM audit WHERE chain = $2 AND last >= $3",
			head+1, num, before.UnixMicro()).Scan(&kept)
		if err != nil {
			return err
		}
		var stored []byte
		err = tx.QueryRowContext(ctx, "SELECT hash FROM audit WHERE chain = $1 AND seq < $2 ORDER BY seq DESC LIMIT 1", num, kept).Scan(&stored)
		if errors.Is(err, sql.ErrNoRows) { // what is kept begins with the first row there is
			return nil
		}
		if err != nil || len(stored) < len(hash) { // if short, it is not as it was written
			return err
		}
		seq = kept - 1
		copy(hash[:], stored[len(stored)-len(hash):])
		return nil
	})
	if err != nil {
		return 0, hash, fmt.Errorf("find old audit rows: %w", err)
	}
	return seq, hash, nil
}

// CutAudit removes a chain's records up to its new base, which AuditCut found.
func (s *Store) CutAudit(ctx context.Context, chain string, base account.ChainEnd) (removed int64, err error) {
	const old = "chain = $1 AND seq + length(hash) / 32 - 1 <= $2" // whole batches
	err = s.update(ctx, quiet, func(tx *sql.Tx) error {
		var num int64
		err := tx.QueryRowContext(ctx, `UPDATE audit_chains SET base_seq = $1, base_hash = $2, base_sign = $3
			WHERE id = $4 AND base_seq < $5 RETURNING num`, base.Seq, base.Hash[:], base.Sign[:], chain, base.Seq).Scan(&num)
		if errors.Is(err, sql.ErrNoRows) { // another process has cut as far
			return nil
		}
		if err != nil {
			return err
		}
		err = tx.QueryRowContext(ctx, "SELECT coalesce(sum(length(hash) / 32), 0) FROM audit WHERE "+old, num, base.Seq).Scan(&removed)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM audit WHERE "+old, num, base.Seq)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("remove old audit rows: %w", err)
	}
	return removed, nil
}

func readChains(ctx context.Context, tx *sql.Tx) (list []account.Chain, names map[int64]string, err error) {
	names = map[int64]string{}
	err = each(ctx, tx, func(rows *sql.Rows) error {
		var num int64
		var c account.Chain
		var blobs [4][]byte
		err := rows.Scan(&num, &c.ID, &c.Base.Seq, &blobs[0], &blobs[1], &c.Head.Seq, &blobs[2], &blobs[3])
		copy(c.Base.Hash[:], blobs[0])
		copy(c.Base.Sign[:], blobs[1])
		copy(c.Head.Hash[:], blobs[2])
		copy(c.Head.Sign[:], blobs[3])
		names[num] = c.ID
		list = append(list, c)
		return err
	}, `SELECT num, id, base_seq, base_hash, base_sign, head_seq, head_hash, head_sign FROM audit_chains ORDER BY num`)
	return list, names, err
}

// scanAudit reads a row, and gives as many records as it has hashes.
func scanAudit(rows *sql.Rows) (chain int64, batch []account.ChainedRecord, err error) {
	var seq, first, last int64
	var text, hashes []byte
	if err := rows.Scan(&chain, &seq, &first, &last, &text, &hashes); err != nil {
		return 0, nil, err
	}
	batch = make([]account.ChainedRecord, max(1, len(hashes)/sha256.Size))
	if len(hashes)%sha256.Size != 0 || readAudit(text, batch) != nil || !spans(batch, first, last) {
		// Nobody here wrote that. Without its content the hashes do not fit, and
		// verification names it; the rows around it can be read all the same.
		clear(batch)
		for i := range batch {
			batch[i].Time = time.UnixMicro(first).UTC()
		}
	}
	for i := range batch {
		batch[i].Seq = seq + int64(i)
		hashes = hashes[copy(batch[i].Hash[:], hashes):]
	}
	return chain, batch, nil
}

// spans tells whether these are the times that a row is found by.
func spans(batch []account.ChainedRecord, first, last int64) bool {
	from, to := times(batch)
	return from == first && to == last
}

// auditEntry is a record in the text of a row, which SQL reaches into as JSON.
type auditEntry struct {
	TimeUS     int64            `json:"time"`
	User       string           `json:"user"`
	Credential string           `json:"credential"`
	Client     string           `json:"client"`
	Backend    string           `json:"backend"`
	Method     string           `json:"method"`
	Target     string           `json:"target"`
	Decision   account.Decision `json:"decision"`
	Outcome    account.Outcome  `json:"outcome"`
	DurationUS int64            `json:"duration_us"`
	SizeIn     int64            `json:"size_in"`
	SizeOut    int64            `json:"size_out"`
	Ref        int64            `json:"ref"`
	Digest     string           `json:"digest,omitempty"` // hexadecimal
}

// appendAudit writes an auditEntry: by hand, since every call needs one.
func appendAudit(b []byte, r *account.Record) []byte {
	text := func(name, value string) {
		b = append(append(append(b, '"'), name...), `":`...)
		b = append(jsonscan.AppendQuote(b, value), ',')
	}
	number := func(name string, value int64) {
		b = append(append(append(b, '"'), name...), `":`...)
		b = append(strconv.AppendInt(b, value, 10), ',')
	}
	b = append(b, '{')
	number("time", r.Time.UnixMicro())
	text("user", r.User)
	text("credential", r.Credential)
	text("client", r.Client)
	text("backend", r.Backend)
	text("method", r.Method)
	text("target", r.Target)
	text("decision", string(r.Decision))
	text("outcome", string(r.Outcome))
	number("duration_us", r.Duration.Microseconds())
	number("size_in", r.SizeIn)
	number("size_out", r.SizeOut)
	number("ref", r.Ref)
	if r.Digest != [16]byte{} {
		text("digest", hex.EncodeToString(r.Digest[:]))
	}
	b[len(b)-1] = '}'
	return b
}

// readAudit reads the text of a row.
func readAudit(text []byte, batch []account.ChainedRecord) error {
	var entries []auditEntry
	if err := json.Unmarshal(text, &entries); err != nil {
		return fmt.Errorf("read audit entries: %w", err)
	}
	if len(entries) != len(batch) {
		return fmt.Errorf("read audit entries: %d, but %d hashes", len(entries), len(batch))
	}
	for i, e := range entries {
		digest, err := hex.DecodeString(e.Digest)
		if err != nil {
			return fmt.Errorf("read audit entries: %w", err)
		}
		batch[i].Record = account.Record{
			Time: time.UnixMicro(e.TimeUS).UTC(),
			User: e.User, Credential: e.Credential, Client: e.Client, Backend: e.Backend, Method: e.Method, Target: e.Target,
			Decision: e.Decision, Outcome: e.Outcome, Duration: time.Duration(e.DurationUS) * time.Microsecond,
			SizeIn: e.SizeIn, SizeOut: e.SizeOut, Ref: e.Ref,
		}
		copy(batch[i].Digest[:], digest)
	}
	return nil
}
