package approval_test

import (
	"encoding/json"
	"errors"
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

// A message is one that a person can read: no character hides or moves another,
// whatever the server and the model say.
func FuzzForm(f *testing.F) {
	f.Add("disk", "wipes it", `{"a":"b"}`)
	f.Add("a\u202eb", "\x1b[2J", `{"a":"`+"\u200b"+`"}`)
	f.Add("", strings.Repeat("é", 4000), `[`)
	f.Fuzz(func(t *testing.T, target, effect, args string) {
		raw := approval.Form{Server: "S", Title: "T", Target: target, Effect: effect, Args: []byte(args)}.Append(nil, "ticket")
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
