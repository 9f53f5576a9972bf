// Package seal makes the requestState that travels through a client of 2026-07-28
// between a question and its answer (basic/patterns/mrtr).
//
// A state leads the retry to the backend that asked, and proves that nothing about
// the request has changed: it is bound to the owner, the method, the name and the
// arguments, and expires. What is in it nobody but this installation can read. The
// package gateway is its caller.
package seal

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"drawbridge/internal/mcpwire"
	"drawbridge/internal/secret"
)

// State is what a requestState says.
type State struct {
	Backend string `json:"b"`
	Owner   string `json:"o"`
	Digest  []byte `json:"d"`
	Expires int64  `json:"e"` // Unix seconds

	// Inner is the state of a modern backend, Has whether it sent one.
	Inner string `json:"i,omitempty"`
	Has   bool   `json:"h,omitempty"`

	// Park and Round lead to the parked call of a legacy backend.
	Park  string `json:"p,omitempty"`
	Round int    `json:"r,omitempty"`

	// Again says that the retry is sent as a new call: the backend ended the first
	// one, unrun, until a person has been to a URL. Asked are the questions that the
	// retry has to answer.
	Again bool            `json:"a,omitempty"`
	Asked []mcpwire.Asked `json:"k,omitempty"`
}

// Sealer seals states.
type Sealer struct{ box *secret.Box }

// New makes a Sealer with a key of 32 bytes.
func New(key []byte) (*Sealer, error) {
	box, err := secret.NewBox(key)
	if err != nil {
		return nil, fmt.Errorf("seal request states: %w", err)
	}
	return &Sealer{box}, nil
}

var label = []byte("drawbridge requestState 2")

// Seal writes a state.
func (s *Sealer) Seal(st State) (string, error) {
	plain, err := json.Marshal(st)
	if err != nil {
		return "", fmt.Errorf("encode request state: %w", err)
	}
	return s.box.Seal(plain, label), nil
}

func (s *Sealer) open(text string) (st State, err error) {
	plain, err := s.box.Open(text, label)
	if err != nil {
		return st, err
	}
	return st, json.Unmarshal(plain, &st)
}

// Open opens the state of a retry and checks that it belongs to this request of
// this owner, at this backend.
func (s *Sealer) Open(req *mcpwire.Request, owner, backend string, now time.Time) (State, *mcpwire.Error) {
	st, err := s.open(req.RetryState)
	switch {
	case err != nil:
		return st, mcpwire.Errorf(mcpwire.CodeInvalidParams, "The requestState is not one that this server gave out. Send the call again from the start.")
	case now.Unix() > st.Expires:
		return st, mcpwire.Errorf(mcpwire.CodeInvalidParams, "The requestState has expired. Send the call again from the start.")
	case st.Owner != owner || !bytes.Equal(st.Digest, Digest(req)):
		return st, mcpwire.Errorf(mcpwire.CodeInvalidParams, "The requestState belongs to another request. Retry with the same method, name and arguments, or send the call again from the start.")
	case st.Backend != backend:
		return st, mcpwire.Errorf(mcpwire.CodeInvalidParams, "The requestState belongs to another backend. Send the call again from the start.")
	}
	return st, nil
}

// Digest identifies method, name and arguments, however the client spells the
// JSON of its retry.
func Digest(req *mcpwire.Request) []byte {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q ", req.Method, req.Target)
	h.Write(canonical(req.Arguments()))
	return h.Sum(nil)
}

// canonical rewrites JSON with sorted keys and without spaces. What cannot be
// decoded, which checked input always can, stands for itself.
func canonical(raw []byte) []byte {
	if raw == nil {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return raw
	}
	out, err := json.Marshal(v)
	if err != nil {
		return raw
	}
	return out
}
