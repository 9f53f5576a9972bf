package httpd

import (
	"net/http"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/limit"
)

// How many requests are let through.
const (
	defaultClientRate = 60 // a second, of one grant
	pacedClients      = 10_000
)

// pace bounds what a client that was let in may send. API keys are the operator's
// own and have no pace: the limits on calls at once hold for them, too. Nor has
// whoever tries credentials: in 256 random bits there is nothing to guess, and what
// has not even the form of a credential is refused without asking the store.
type pace struct{ clients *limit.Buckets }

func newPace(cfg Config) *pace {
	rate := cfg.ClientRate
	if rate <= 0 {
		rate = defaultClientRate
	}
	return &pace{limit.New(rate, time.Second, 2*rate, pacedClients)}
}

// admit counts a request of a grant. Streams are opened and closed at will: Open
// WebUI does it for every message (ecosystem reference, section 2).
func (p *pace) admit(who account.Principal, method string) error {
	if who.Client == "" || method != http.MethodPost {
		return nil
	}
	if _, ok := p.clients.Take(who.Credential, time.Now()); !ok {
		return fault.New(fault.Limited, "This client sends requests faster than it may. Wait a second, then go on more slowly.")
	}
	return nil
}
