package session

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"drawbridge/internal/mcpwire"
	"drawbridge/internal/secret"
)

// Sealer makes and reads legacy session ids. An id is sealed and bound to its
// owner: with another principal's name it does not open, exactly like an id that
// never was. It is not authentication.
type Sealer struct{ box *secret.Box }

// ticket is what an id carries.
type ticket struct {
	expires      time.Time
	revision     mcpwire.Revision
	info         []byte // clientInfo: name and version only, cut
	capabilities []byte
}

const (
	sealPurpose   = "drawbridge legacy session id v1"
	ticketVersion = 1
	maxToken      = 8 << 10
)

var errBadToken = errors.New("not a session id of this owner")

// NewSealer derives the key of session ids from the installation's key, which
// must have 32 bytes or more.
func NewSealer(installation secret.String) (*Sealer, error) {
	master := []byte(installation.Reveal())
	if len(master) < 32 {
		return nil, errors.New("derive session key: the installation key is shorter than 32 bytes")
	}
	box, err := secret.NewBox(secret.Derive(master, sealPurpose))
	if err != nil {
		return nil, fmt.Errorf("derive session key: %w", err)
	}
	return &Sealer{box}, nil
}

// seal writes a ticket as visible ASCII.
func (s *Sealer) seal(owner string, t ticket) string {
	plain := []byte{ticketVersion}
	plain = binary.BigEndian.AppendUint64(plain, uint64(t.expires.Unix()))
	for _, part := range [][]byte{[]byte(t.revision), t.info, t.capabilities} {
		plain = binary.AppendUvarint(plain, uint64(len(part)))
		plain = append(plain, part...)
	}
	return s.box.Seal(plain, []byte(owner))
}

// open reads a token of this owner, expired or not.
func (s *Sealer) open(owner, token string) (ticket, error) {
	if len(token) > maxToken {
		return ticket{}, errBadToken
	}
	plain, err := s.box.Open(token, []byte(owner))
	if err != nil || len(plain) < 9 || plain[0] != ticketVersion {
		return ticket{}, errBadToken
	}
	t := ticket{expires: time.Unix(int64(binary.BigEndian.Uint64(plain[1:9])), 0)}
	rest, revision, ok := plain[9:], []byte(nil), false
	for _, part := range []*[]byte{&revision, &t.info, &t.capabilities} {
		if *part, rest, ok = cutPart(rest); !ok {
			return ticket{}, errBadToken
		}
	}
	t.revision, ok = mcpwire.ParseRevision(string(revision))
	if !ok || !t.revision.Legacy() || len(rest) > 0 {
		return ticket{}, errBadToken
	}
	return t, nil
}

func cutPart(b []byte) (part, rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, nil, false
	}
	end := size + int(n)
	if n == 0 {
		return nil, b[end:], true
	}
	return b[size:end:end], b[end:], true
}

// keyOf is the name of a session in the store and toward the gateway: it tells
// nothing about the token.
func keyOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:16])
}
