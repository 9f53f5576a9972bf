package approval_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"drawbridge/internal/mcpwire"
	"drawbridge/internal/servers/kit/approval"
)

func desk(t testing.TB, now *time.Time) *approval.Desk {
	t.Helper()
	d, err := approval.NewDesk(func() time.Time { return *now })
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func act(args string) approval.Act {
	return approval.Act{Owner: "ann", Tool: "wipe", Args: []byte(args)}
}

func TestDesk_sameArguments(t *testing.T) {
	t.Parallel()
	now := time.Now()
	d := desk(t, &now)
	for _, tc := range []struct {
		shown, sent string
		same        bool
	}{
		{`{"a":1,"b":[1,2]}`, `{ "b" : [1,2], "a":1}`, true},
		{`{"a":"x"}`, `{"a":"\u0078"}`, true},
		{``, `{}`, true},
		{`{"a":[1,2]}`, `{"a":[2,1]}`, false},
		{`{"a":9007199254740993}`, `{"a":9007199254740992}`, false},
		{`{"a":1}`, `{"a":1.0}`, false}, // stricter than need be
		{`{"a":null}`, `{}`, false},
		{`{"a":"1"}`, `{"a":1}`, false},
	} {
		ticket, err := d.Issue(act(tc.shown))
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Spend(ticket, act(tc.sent)); (err == nil) != tc.same || err != nil && !errors.Is(err, approval.ErrOther) {
			t.Errorf("shown %s, sent %s: %v", tc.shown, tc.sent, err)
		}
	}
}

// A spent ticket is remembered as long as it could be used, and no longer.
func TestDesk_forgets(t *testing.T) {
	t.Parallel()
	now := time.Now()
	d := desk(t, &now)
	ticket, err := d.Issue(act(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.Check(ticket, act(`{}`)), d.Spend(ticket, act(`{}`))); err != nil {
		t.Fatal(err)
	}
	for _, wait := range []time.Duration{0, approval.TTL - time.Second} {
		now = now.Add(wait)
		if err := d.Spend(ticket, act(`{}`)); !errors.Is(err, approval.ErrSpent) {
			t.Errorf("after %s: %v", wait, err)
		}
	}
	now = now.Add(time.Minute)
	next, err := d.Issue(act(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Spend(next, act(`{}`)); err != nil {
		t.Error(err)
	}
	if err := d.Spend(ticket, act(`{}`)); !errors.Is(err, approval.ErrExpired) {
		t.Errorf("a ticket that is forgotten: %v", err)
	}
}

// A user who has used up many approvals waits until they expire. Nobody else does, and
// none is ever forgotten while it could be used.
func TestDesk_boundedByUser(t *testing.T) {
	t.Parallel()
	now := time.Now()
	d := desk(t, &now)
	spend := func(owner string) (string, error) {
		t.Helper()
		a := approval.Act{Owner: owner, Tool: "wipe"}
		ticket, err := d.Issue(a)
		if err != nil {
			t.Fatal(err)
		}
		return ticket, d.Spend(ticket, a)
	}
	bobs, err := spend("bob\x00key")
	if err != nil {
		t.Fatal(err)
	}
	first, taken := "", 0
	for err == nil && taken < 5000 {
		var ticket string
		if ticket, err = spend("ann\x00key" + strconv.Itoa(taken%7)); err == nil && taken == 0 {
			first = ticket
		}
		taken++
	}
	if !errors.Is(err, approval.ErrFull) || taken < 1000 {
		t.Fatalf("after %d: %v", taken, err)
	}
	if err := d.Spend(first, approval.Act{Owner: "ann\x00key0", Tool: "wipe"}); !errors.Is(err, approval.ErrSpent) {
		t.Errorf("a used one, with no room left: %v", err)
	}
	if err := d.Drop(bobs, approval.Act{Owner: "bob\x00key", Tool: "wipe"}); !errors.Is(err, approval.ErrSpent) {
		t.Errorf("what another user has used, after many of somebody else's: %v", err)
	}
	if _, err := spend("bob\x00key"); err != nil {
		t.Errorf("another user: %v", err)
	}
	now = now.Add(approval.TTL + 2*time.Second)
	if _, err := spend("ann\x00key0"); err != nil {
		t.Errorf("after they have expired: %v", err)
	}
}

// What a person was shown is what the approval is for, to the letter.
func TestDesk_shown(t *testing.T) {
	t.Parallel()
	now := time.Now()
	d := desk(t, &now)
	shown := approval.Form{Server: "S", Title: "T", Question: approval.Question{Target: "disk", Effect: "Removes 3 files."}, Args: []byte(`{"a":1}`)}
	bound := act(`{"a":1}`)
	bound.Shown = shown.Digest()
	ticket, err := d.Issue(bound)
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range []func(f *approval.Form){
		func(f *approval.Form) { f.Effect = "Removes 4 files." },
		func(f *approval.Form) { f.Effect += "\u200b" }, // a person would not see it
		func(f *approval.Form) { f.Target = "disk2" },
		func(f *approval.Form) { f.Target, f.Effect = "", f.Target+f.Effect },
	} {
		f, other := shown, bound
		change(&f)
		if other.Shown = f.Digest(); !errors.Is(d.Spend(ticket, other), approval.ErrChanged) {
			t.Errorf("%+v passes for what was shown", f)
		}
	}
	// Figures may move where the server says what the approval stands on.
	first, second := approval.Question{Effect: "3 MB", Bound: "tank/a"}, approval.Question{Effect: "4 MB", Bound: "tank/a"}
	if !bytes.Equal(first.Digest(), second.Digest()) || bytes.Equal(first.Digest(), approval.Question{Effect: "3 MB", Bound: "tank/b"}.Digest()) {
		t.Error("what it is bound to does not count, or something else does")
	}
	if unbound := act(`{"a":1}`); !errors.Is(d.Spend(ticket, unbound), approval.ErrChanged) || d.Check(ticket, unbound) != nil {
		t.Error("what is shown now is not known: Check may pass, Spend must not")
	}
	if shown.Args = []byte(`{ "a": 1 }`); !bytes.Equal(shown.Digest(), bound.Shown) {
		t.Error("the spelling of the arguments counts")
	}
	if err := d.Spend(ticket, bound); err != nil {
		t.Errorf("the same: %v", err)
	}
	// Declined is declined, whatever would be shown by now.
	if ticket, err = d.Issue(bound); err != nil {
		t.Fatal(err)
	}
	if err := d.Drop(ticket, act(`{"a":1}`)); err != nil {
		t.Fatal(err)
	}
	if err := d.Spend(ticket, bound); !errors.Is(err, approval.ErrSpent) {
		t.Errorf("declined: %v", err)
	}
}

// A message is one that a person can read: no character hides or moves another,
// whatever the server and the model say.
func FuzzForm(f *testing.F) {
	f.Add("disk", "wipes it", `{"a":"b"}`)
	f.Add("a\u202eb", "\x1b[2J", `{"a":"`+"\u200b"+`"}`)
	f.Add("", strings.Repeat("é", 4000), `[`)
	f.Fuzz(func(t *testing.T, target, effect, args string) {
		raw := approval.Form{Server: "S", Title: "T", Question: approval.Question{Target: target, Effect: effect}, Args: []byte(args)}.Append(nil, "ticket")
		if !json.Valid(raw) {
			t.Fatalf("not JSON: %q", raw)
		}
		asked, state, has, err := mcpwire.ParseInputRequired(raw)
		if err != nil || !has || state != "ticket" || len(asked) != 1 {
			t.Fatalf("%s: %v", raw, err)
		}
		message, _ := mcpwire.TextMember(asked[0].Params, "message")
		if len(message) > 16<<10 || !utf8.ValidString(message) {
			t.Errorf("%d bytes", len(message))
		}
		for _, r := range message {
			if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) {
				t.Errorf("the message has %U", r)
			}
		}
	})
}

// Nothing but a ticket is a ticket.
func FuzzTicket(f *testing.F) {
	now := time.Now()
	d := desk(f, &now)
	good, err := d.Issue(act(`{}`))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good + "A")
	f.Add(good[1:])
	f.Fuzz(func(t *testing.T, text string) {
		if text != good && d.Check(text, act(`{}`)) == nil {
			t.Errorf("%q is taken for a ticket", text)
		}
	})
}
