package store_test

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/secret"
	"drawbridge/internal/store"
	"drawbridge/internal/store/storetest"
)

var prefixes = cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })

// profile is a profile that lets everything through.
func profile(name string) account.Profile {
	return account.Profile{
		Name: name, Title: "Profile " + name, Backends: []string{account.Any}, Allow: []string{account.Any}, Tier: account.TierDestroy,
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s := storetest.Open(t, cfg)
		expires := time.Now().Add(time.Hour).UTC().Truncate(time.Millisecond)
		if err := s.SaveProfile(t.Context(), profile("work")); err != nil {
			t.Fatal(err)
		}
		key, value, err := s.CreateKey(t.Context(), account.KeyRequest{
			Name: "laptop", Role: account.RoleMember, Expires: expires, Profile: "work",
			Rights:   account.Rights{Backends: []string{"a", "b"}, Destructive: []string{"a"}},
			Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")},
		})
		if err != nil {
			t.Fatal(err)
		}
		if !secret.WellFormed(secret.PrefixKey, value.Reveal()) || key.Hash != secret.Hash(value.Reveal()) {
			t.Error("value and hash of the key do not fit")
		}
		if key.User != account.Admin || !key.Expires.Equal(expires) || key.Prefix != value.Reveal()[:10] {
			t.Errorf("key %+v", key)
		}

		used := time.Now().Add(time.Minute).UTC().Truncate(time.Millisecond)
		touch := []account.Use{{ID: key.ID, At: used}, {ID: "key_nobody", At: used}, {ID: key.ID, At: used.Add(-time.Second)}}
		if err := s.TouchKeys(t.Context(), touch); err != nil {
			t.Fatal(err)
		}
		key.LastUsed = used
		all, err := s.Keys(t.Context())
		if diff := cmp.Diff([]account.Key{key}, all, prefixes); err != nil || diff != "" {
			t.Errorf("Keys: %v %s", err, diff)
		}
		live, err := s.LiveKeys(t.Context())
		if diff := cmp.Diff([]account.LiveKey{{Key: key}}, live, prefixes); err != nil || diff != "" {
			t.Errorf("LiveKeys: %v %s", err, diff)
		}
	})
}

func TestKeys_oneLiveKeyPerName(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s := storetest.Open(t, cfg)
		var made, refused atomic.Int64
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				_, _, err := s.CreateKey(t.Context(), account.KeyRequest{Name: "same", Role: account.RoleAdmin, Rights: account.FullRights()})
				switch {
				case err == nil:
					made.Add(1)
				case fault.CodeOf(err) == fault.Conflict:
					refused.Add(1)
				default:
					t.Errorf("create: %v", err)
				}
			})
		}
		wg.Wait()
		if made.Load() != 1 || refused.Load() != 15 {
			t.Errorf("%d made, %d refused", made.Load(), refused.Load())
		}
		if _, err := s.RevokeKey(t.Context(), "same"); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.CreateKey(t.Context(), account.KeyRequest{Name: "same", Role: account.RoleAdmin, Rights: account.FullRights()}); err != nil {
			t.Errorf("a revoked key keeps its name: %v", err)
		}
	})
}

func TestKeys_manyAtOnceAreAllDifferent(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		a, b := storetest.Open(t, cfg), storetest.Open(t, cfg)
		var wg sync.WaitGroup
		for i := range 40 {
			s := []*store.Store{a, b}[i%2]
			wg.Go(func() {
				if _, _, err := s.CreateKey(t.Context(), account.KeyRequest{Name: fmt.Sprint(i), Role: account.RoleAdmin, Rights: account.FullRights()}); err != nil {
					t.Errorf("create %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		keys, err := a.Keys(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ids, hashes := map[string]bool{}, map[[32]byte]bool{}
		for _, k := range keys {
			ids[k.ID], hashes[k.Hash] = true, true
		}
		if len(keys) != 40 || len(ids) != 40 || len(hashes) != 40 {
			t.Errorf("%d keys, %d ids, %d hashes", len(keys), len(ids), len(hashes))
		}
	})
}

func TestKeys_revokedIsSeenAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s := storetest.Open(t, cfg)
		for _, ref := range []func(account.Key) string{
			func(k account.Key) string { return k.ID },
			func(k account.Key) string { return k.Name },
			func(k account.Key) string { return k.Prefix },
		} {
			key, _, err := s.CreateKey(t.Context(), account.KeyRequest{Name: "k", Role: account.RoleAdmin, Rights: account.FullRights()})
			if err != nil {
				t.Fatal(err)
			}
			before, err := s.KeysVersion()
			if err != nil {
				t.Fatal(err)
			}
			revoked, err := s.RevokeKey(t.Context(), ref(key))
			if err != nil || revoked.ID != key.ID || revoked.Revoked.IsZero() {
				t.Fatalf("revoked %+v: %v", revoked, err)
			}
			if after, err := s.KeysVersion(); err != nil || after <= before {
				t.Errorf("version %d after %d: %v", after, before, err)
			}
			if keys, err := s.LiveKeys(t.Context()); err != nil || len(keys) != 0 {
				t.Errorf("live: %v %v", keys, err)
			}
			if _, err := s.RevokeKey(t.Context(), ref(key)); fault.CodeOf(err) != fault.NotFound {
				t.Errorf("revoked again: %v", err)
			}
		}
	})
}

func TestRevokeKey_ambiguous(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s := storetest.Open(t, cfg)
		if err := s.CreateUser(t.Context(), account.User{ID: "anna", Name: "Anna", Role: account.RoleMember}); err != nil {
			t.Fatal(err)
		}
		first, _, err := s.CreateKey(t.Context(), account.KeyRequest{Name: "k", Role: account.RoleMember, Rights: account.FullRights()})
		if err != nil {
			t.Fatal(err)
		}
		// A key named like another's id must not shield that one.
		for _, name := range []string{"k", first.ID} {
			if _, _, err := s.CreateKey(t.Context(), account.KeyRequest{Name: name, User: "anna", Role: account.RoleMember, Rights: account.FullRights()}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.RevokeKey(t.Context(), "k"); fault.CodeOf(err) != fault.Conflict {
			t.Errorf("ambiguous: %v", err)
		}
		if got, err := s.RevokeKey(t.Context(), first.ID); err != nil || got.ID != first.ID {
			t.Errorf("by id: %+v %v", got, err)
		}
	})
}

func TestCreateKey_refuses(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s := storetest.Open(t, cfg)
		for name, c := range map[string]struct {
			request account.KeyRequest
			code    fault.Code
		}{
			"no name":      {account.KeyRequest{Role: account.RoleAdmin, Rights: account.FullRights()}, fault.Invalid},
			"no rights":    {account.KeyRequest{Name: "k", Role: account.RoleAdmin}, fault.Invalid},
			"no profile":   {account.KeyRequest{Name: "k", Role: account.RoleMember, Rights: account.FullRights(), Profile: "work"}, fault.NotFound},
			"one address":  {account.KeyRequest{Name: "k", Role: account.RoleAdmin, Rights: account.FullRights(), Profile: "work"}, fault.Invalid},
			"no role":      {account.KeyRequest{Name: "k", Rights: account.FullRights()}, fault.Invalid},
			"expired":      {account.KeyRequest{Name: "k", Role: account.RoleAdmin, Expires: time.Now(), Rights: account.FullRights()}, fault.Invalid},
			"unknown user": {account.KeyRequest{Name: "k", Role: account.RoleAdmin, User: "nobody", Rights: account.FullRights()}, fault.NotFound},
		} {
			if _, _, err := s.CreateKey(t.Context(), c.request); fault.CodeOf(err) != c.code {
				t.Errorf("%s: %v, want %s", name, err, c.code)
			}
		}
		if keys, err := s.Keys(t.Context()); err != nil || len(keys) != 0 {
			t.Errorf("refused keys are there: %v %v", keys, err)
		}
	})
}
