package approval

import (
	"errors"

	"drawbridge/internal/fault"
)

// Pending is the approval that came with a call, not used yet. The zero value is none.
type Pending struct {
	desk   *Desk
	act    Act
	ticket string
}

// Receive reads what a client brings back: the ticket, and what it answered under Key,
// nil for nothing. An error is a refusal, as the caller reads it.
func (d *Desk) Receive(a Act, sealed string, response []byte) (Pending, error) {
	if err := d.Check(sealed, a); err != nil {
		return Pending{}, Fault(err, a.Tool)
	}
	switch {
	case response == nil: // something else was answered: the person is asked again
		return Pending{}, nil
	case Given(response):
		return Pending{d, a, sealed}, nil
	}
	if err := d.Drop(sealed, a); err != nil {
		return Pending{}, Fault(err, a.Tool)
	}
	return Pending{}, fault.New(fault.Forbidden, "Not run: the person who was asked did not approve %s. Do not call it again unless they ask for it.", a.Tool)
}

// There tells whether there is an approval.
func (p Pending) There() bool { return p.ticket != "" }

// Covers uses the approval up, if there is one and q is what the person was shown. An
// error is a refusal.
func (p Pending) Covers(q Question) (bool, error) {
	if !p.There() {
		return false, nil
	}
	p.act.Shown = q.Digest()
	err := p.desk.Spend(p.ticket, p.act)
	if errors.Is(err, ErrChanged) {
		return false, nil
	}
	return err == nil, Fault(err, p.act.Tool)
}

// Use uses the approval up, whatever the person was shown.
func (p Pending) Use() bool { return p.There() && p.desk.Drop(p.ticket, p.act) == nil }

// Fault is why a ticket is not good, for who called the tool; nil stays nil.
func Fault(err error, tool string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrOther):
		return fault.Wrap(err, fault.Conflict, "Not run: the approval is for another call of %s. Call it from the start, without requestState, to ask for an approval of these arguments.", tool)
	case errors.Is(err, ErrSpent):
		return fault.Wrap(err, fault.Conflict, "Not run: this approval was used before, and one approval is for one call. Call %s from the start to ask again.", tool)
	case errors.Is(err, ErrChanged):
		return fault.Wrap(err, fault.Conflict, "Not run: what %s would do has changed since the person was asked. Call it from the start to ask again.", tool)
	case errors.Is(err, ErrFull):
		return fault.Wrap(err, fault.Limited, "Not run: you have used too many approvals in the last minutes. Call %s again in ten minutes.", tool)
	}
	return fault.Wrap(err, fault.Conflict, "Not run: the approval has expired, or is not one of this server. Call %s from the start to ask again.", tool)
}
