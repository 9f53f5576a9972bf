package audit

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"sync"

	"drawbridge/internal/account"
	"drawbridge/internal/secret"
)

// The two ends of a chain, told apart in what is signed.
const (
	baseEnd = "base"
	headEnd = "head"
)

// signer makes the chain's hashes: HMAC-SHA-256 with a key derived from the
// installation's secret, so that nobody with the database alone can make a
// chain that verifies. Safe for concurrent use.
type signer struct {
	chains  sync.Pool // of *mac
	digests sync.Pool // of *mac with the key for arguments
}

// mac is a keyed hash with the buffers it needs, used by one goroutine at a time.
type mac struct {
	hash hash.Hash
	buf  []byte
	sum  [sha256.Size]byte
}

func newSigner(installation []byte) *signer {
	pool := func(label string) sync.Pool {
		key := secret.Derive(installation, label)
		return sync.Pool{New: func() any { return &mac{hash: hmac.New(sha256.New, key)} }}
	}
	return &signer{chains: pool("audit chain"), digests: pool("audit arguments")}
}

// seal hashes what was put into buf.
func (m *mac) seal() [sha256.Size]byte {
	m.hash.Reset()
	m.hash.Write(m.buf)
	m.hash.Sum(m.sum[:0])
	m.buf = m.buf[:0]
	return m.sum
}

func (m *mac) text(s string) {
	m.buf = binary.BigEndian.AppendUint32(m.buf, uint32(len(s)))
	m.buf = append(m.buf, s...)
}

func (m *mac) number(n int64) { m.buf = binary.BigEndian.AppendUint64(m.buf, uint64(n)) }

// row is the hash of a row after the row with the hash previous.
func (s *signer) row(previous [32]byte, seq int64, r *Record) [32]byte {
	m := s.chains.Get().(*mac)
	defer s.chains.Put(m)
	m.text("row")
	m.buf = append(m.buf, previous[:]...)
	m.number(seq)
	m.number(r.Time.UnixMicro())
	for _, text := range [...]string{r.User, r.Credential, r.Client, r.Backend, r.Method, r.Target, string(r.Decision), string(r.Outcome)} {
		m.text(text)
	}
	for _, n := range [...]int64{r.Duration.Microseconds(), r.SizeIn, r.SizeOut, r.Ref} {
		m.number(n)
	}
	m.buf = append(m.buf, r.Digest[:]...)
	return m.seal()
}

// genesis is the base of a new chain. Its hash depends on the chain's id, so
// that no row of one chain fits into another.
func (s *signer) genesis(chain string) account.ChainEnd {
	return s.end(chain, baseEnd, 0, s.start(chain))
}

func (s *signer) start(chain string) [32]byte {
	m := s.chains.Get().(*mac)
	defer s.chains.Put(m)
	m.text("start")
	m.text(chain)
	return m.seal()
}

// end is a signed end of a chain.
func (s *signer) end(chain, which string, seq int64, hash [32]byte) account.ChainEnd {
	m := s.chains.Get().(*mac)
	defer s.chains.Put(m)
	m.text(which)
	m.text(chain)
	m.number(seq)
	m.buf = append(m.buf, hash[:]...)
	return account.ChainEnd{Seq: seq, Hash: hash, Sign: m.seal()}
}

func (s *signer) digest(arguments []byte) [16]byte {
	m := s.digests.Get().(*mac)
	defer s.digests.Put(m)
	m.hash.Reset()
	m.hash.Write(arguments)
	m.hash.Sum(m.sum[:0])
	return [16]byte(m.sum[:16])
}
