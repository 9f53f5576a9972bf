package store_test

import (
	"bytes"
	"testing"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/oauth"
	"drawbridge/internal/store"
	"drawbridge/internal/store/storetest"
)

// Threat A24: the machine's clock is set while a code is on its way, or an answer with
// tokens. What the database has for it is an hour off then; the code lives no longer
// for that, and nobody loses a grant.
func TestA24_clockIsSet(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s := storetest.Open(t, cfg)
		people(t, s)
		register(t, s, "app")
		back := consent(t, s, "anna", "app")
		raw(t, cfg, "UPDATE codes SET expires = expires + 3600000") // as a clock that was set back sees it
		never := func(account.Grant) oauth.Minted { t.Error("tokens were minted"); return minted(time.Now()) }
		if _, err := s.RedeemCode(t.Context(), back, time.Now().Add(oauth.CodeLife), allow, never); word(err) != "invalid_grant" {
			t.Errorf("after its life: %v", err)
		}
		forward := consent(t, s, "anna", "app")
		raw(t, cfg, "UPDATE codes SET expires = expires - 3600000")
		if _, err := s.RedeemCode(t.Context(), forward, time.Now(), allow, give(minted(time.Now()))); err != nil {
			t.Errorf("within its life: %v", err)
		}

		_, m := granted(t, s, "anna", "app")
		first := rotation("app", m.Refresh, time.Now())
		first.Replay = []byte("sealed")
		_, err := s.Rotate(t.Context(), first)
		must(t, err)
		raw(t, cfg, "UPDATE tokens SET used = used - 3600000 WHERE used <> 0") // set forward
		if replay, err := s.Rotate(t.Context(), rotation("app", m.Refresh, time.Now())); err != nil || !bytes.Equal(replay, first.Replay) {
			t.Errorf("the lost answer: %q, %v", replay, err)
		}
		if !isLive(t, s, first.Minted.Access) {
			t.Error("the grant ended")
		}
		raw(t, cfg, "UPDATE tokens SET used = used + 7200000 WHERE used <> 0") // set back
		if _, err := s.Rotate(t.Context(), rotation("app", m.Refresh, time.Now().Add(oauth.ReplayWindow))); word(err) != "invalid_grant" {
			t.Errorf("after the window: %v", err)
		}
	})
}
