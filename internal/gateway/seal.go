package gateway

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"drawbridge/internal/mcpwire"
	"drawbridge/internal/secret"
)

// sealedState travels through the client as requestState: it leads the retry to
// the backend that asked and proves that nothing about the request has changed.
type sealedState struct {
	Backend string `json:"b"`
	Owner   string `json:"o"`
	Digest  []byte `json:"d"`
	Expires int64  `json:"e"` // Unix seconds
	Inner   string `json:"i"` // the backend's own state
	Has     bool   `json:"h"` // whether the backend sent one
}

// sealer seals request states.
type sealer struct{ box *secret.Box }

func newSealer(key []byte) (*sealer, error) {
	box, err := secret.NewBox(key)
	if err != nil {
		return nil, fmt.Errorf("seal request states: %w", err)
	}
	return &sealer{box}, nil
}

var stateLabel = []byte("drawbridge requestState 1")

func (s *sealer) seal(st sealedState) (string, error) {
	plain, err := json.Marshal(st)
	if err != nil {
		return "", fmt.Errorf("encode request state: %w", err)
	}
	return s.box.Seal(plain, stateLabel), nil
}

func (s *sealer) open(text string) (st sealedState, err error) {
	plain, err := s.box.Open(text, stateLabel)
	if err != nil {
		return st, err
	}
	return st, json.Unmarshal(plain, &st)
}

// openFor opens the state of a retry and checks that it belongs to this request
// of this owner.
func (s *sealer) openFor(req *mcpwire.Request, owner string, now time.Time) (sealedState, *mcpwire.Error) {
	st, err := s.open(req.RetryState)
	switch {
	case err != nil:
		return st, mcpwire.Errorf(mcpwire.CodeInvalidParams, "The requestState is not one that this server gave out. Send the call again from the start.")
	case now.Unix() > st.Expires:
		return st, mcpwire.Errorf(mcpwire.CodeInvalidParams, "The requestState has expired. Send the call again from the start.")
	case st.Owner != owner || !bytes.Equal(st.Digest, digest(req)):
		return st, mcpwire.Errorf(mcpwire.CodeInvalidParams, "The requestState belongs to another request. Retry with the same method, name and arguments, or send the call again from the start.")
	}
	return st, nil
}

// digest identifies method, name and arguments, however the client spells the
// JSON of its retry.
func digest(req *mcpwire.Request) []byte {
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
