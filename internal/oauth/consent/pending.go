package consent

import (
	"encoding/json"
	"fmt"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/oauth"
	"drawbridge/internal/secret"
)

// pending is a request that was checked and waits for its answer, as the page holds
// it. What the client says of itself may change meanwhile; what was checked and
// shown does not.
type pending struct {
	Code  oauth.Code `json:"code"`
	Kind  oauth.Kind `json:"kind"`
	Host  string     `json:"host,omitempty"`  // checked
	Local bool       `json:"local,omitempty"` // all its redirects stay on the person's own machine
	Scope string     `json:"scope,omitempty"`
	State string     `json:"state,omitempty"`
	Until int64      `json:"until"` // Unix seconds
}

// seal makes p fit for a hidden field of a page for one browser.
func (p *pending) seal(box *secret.Box, browser string) (string, error) {
	plain, err := json.Marshal(p)
	if err != nil {
		return "", fmt.Errorf("seal request: %w", err)
	}
	return box.Seal(plain, []byte(browser)), nil
}

// open reads what seal made. The error is a *fault.Error of the code Forbidden.
func open(box *secret.Box, sealed, browser string, now time.Time) (pending, error) {
	if !secret.WellFormed(cookiePrefix, browser) {
		return pending{}, fault.New(fault.Forbidden, "The browser did not send the cookie that belongs to this page. Allow cookies for this address, and connect again from the program.")
	}
	plain, err := box.Open(sealed, []byte(browser))
	if err != nil {
		return pending{}, fault.Wrap(err, fault.Forbidden, "This page was made for another browser, or was changed. Connect again from the program.")
	}
	var p pending
	if err := json.Unmarshal(plain, &p); err != nil {
		return pending{}, fault.Wrap(err, fault.Forbidden, "This page is of another version of Drawbridge. Connect again from the program.")
	}
	if now.Unix() >= p.Until {
		return pending{}, fault.New(fault.Forbidden, "This page is older than %d minutes. Connect again from the program.", int(oauth.ConsentLife.Minutes()))
	}
	return p, nil
}
