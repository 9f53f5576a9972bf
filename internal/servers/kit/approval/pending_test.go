package approval_test

import (
	"strings"
	"testing"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit/approval"
)

const yes, no = `{"action":"accept","content":{"approve":true}}`, `{"action":"decline"}`

func TestPending(t *testing.T) {
	t.Parallel()
	now := time.Now()
	d := desk(t, &now)
	shown, changed := approval.Question{Target: "disk", Effect: "Removes 3 files."}, approval.Question{Target: "disk", Effect: "Removes 4 files."}
	issue := func() string {
		t.Helper()
		a := act(`{}`)
		a.Shown = shown.Digest()
		ticket, err := d.Issue(a)
		if err != nil {
			t.Fatal(err)
		}
		return ticket
	}
	receive := func(ticket, response string) approval.Pending {
		t.Helper()
		p, err := d.Receive(act(`{}`), ticket, []byte(response))
		if err != nil || !p.There() {
			t.Fatalf("%s: %v", response, err)
		}
		return p
	}
	refused := func(err error, code fault.Code, says string) {
		t.Helper()
		if fault.CodeOf(err) != code || !strings.Contains(fault.PublicOf(err), says) {
			t.Errorf("%v does not say %q", err, says)
		}
	}
	ticket := issue()
	if p, err := d.Receive(act(`{}`), ticket, nil); err != nil || p.There() || p.Use() {
		t.Errorf("without an answer: %v, %v", p, err)
	}
	p := receive(ticket, yes)
	if ok, err := p.Covers(changed); ok || err != nil {
		t.Errorf("what was not shown: %v, %v", ok, err)
	}
	if ok, err := p.Covers(shown); !ok || err != nil {
		t.Errorf("what was shown: %v, %v", ok, err)
	}
	ok, err := p.Covers(shown)
	if refused(err, fault.Conflict, "used before"); ok || p.Use() {
		t.Error("one approval covers two calls")
	}
	_, err = d.Receive(act(`{}`), ticket, []byte(yes))
	refused(err, fault.Conflict, "used before")

	ticket = issue()
	_, err = d.Receive(act(`{}`), ticket, []byte(no))
	refused(err, fault.Forbidden, "did not approve")
	_, err = d.Receive(act(`{}`), ticket, []byte(yes)) // after all
	refused(err, fault.Conflict, "used before")
	_, err = d.Receive(act(`{"a":1}`), issue(), []byte(yes))
	refused(err, fault.Conflict, "another call")
	_, err = d.Receive(act(`{}`), "x", []byte(yes))
	refused(err, fault.Conflict, "not one of this server")
	if p = receive(issue(), yes); !p.Use() || p.Use() {
		t.Error("whatever was shown, it is good once")
	}
	if ok, err := (approval.Pending{}).Covers(shown); ok || err != nil {
		t.Errorf("none covers: %v, %v", ok, err)
	}
}
