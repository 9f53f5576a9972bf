package auth_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/auth"
	"drawbridge/internal/fault"
	"drawbridge/internal/oauth"
	"drawbridge/internal/secret"
	"drawbridge/internal/store"
	"drawbridge/internal/store/storetest"
)

const static = "static-key-of-at-least-32-characters"

// fakeKeys is a store with state that can be down.
type fakeKeys struct {
	mu       sync.Mutex // guards the rest
	version  uint64
	keys     map[string]account.Key
	bound    map[string]string // users' profiles
	profiles []account.Profile
	tokens   map[[32]byte]account.LiveToken
	loads    int
	lookups  int   // of tokens
	down     error // of LiveKeys
	blind    error // of KeysVersion
	touches  [][]account.Use
	broken   error // of TouchKeys
}

func (f *fakeKeys) LiveKeys(context.Context) (keys []account.LiveKey, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.loads++
	for _, k := range f.keys {
		keys = append(keys, account.LiveKey{Key: k, UserProfile: f.bound[k.User]})
	}
	return keys, f.down
}

func (f *fakeKeys) Profiles(context.Context) (profiles []account.Profile, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.profiles, f.down
}

func (f *fakeKeys) LiveToken(_ context.Context, hash [32]byte) (account.LiveToken, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lookups++
	if f.down != nil {
		return account.LiveToken{}, f.down
	}
	if t, ok := f.tokens[hash]; ok {
		return t, nil
	}
	return account.LiveToken{}, fault.New(fault.NotFound, "no such token")
}

func (f *fakeKeys) LiveGrant(_ context.Context, id string) (account.LiveToken, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down != nil {
		return account.LiveToken{}, f.down
	}
	for _, t := range f.tokens {
		if t.Grant.ID == id {
			t.Expires = time.Time{}
			return t, nil
		}
	}
	return account.LiveToken{}, fault.New(fault.NotFound, "no such grant")
}

func (f *fakeKeys) TouchGrants(ctx context.Context, uses []account.Use) error {
	return f.TouchKeys(ctx, uses)
}

// nobody is signed in with a browser.
type nobody struct{}

func (nobody) Authenticate(*http.Request) (account.Principal, error) {
	return account.Principal{}, auth.ErrNoCredential
}

func (f *fakeKeys) KeysVersion() (uint64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.version, f.blind
}

func (f *fakeKeys) TouchKeys(_ context.Context, uses []account.Use) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.touches = append(f.touches, uses)
	return f.broken
}

// change alters the store as another process would.
func (f *fakeKeys) change(alter func()) { f.set(func() { alter(); f.version++ }) }

// set changes how the store fails.
func (f *fakeKeys) set(alter func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	alter()
}

// add makes a live key of a user and returns its value.
func (f *fakeKeys) add(id, user string, alter ...func(*account.Key)) string {
	value, hash := secret.NewToken(secret.PrefixKey)
	key := account.Key{ID: id, User: user, Role: account.RoleMember, Hash: hash, Rights: account.FullRights()}
	for _, a := range alter {
		a(&key)
	}
	f.change(func() { f.keys[id] = key })
	return value.Reveal()
}

// grant makes a live access token and returns its value.
func (f *fakeKeys) grant(id, user, resource string, alter ...func(*account.LiveToken)) string {
	value, hash := secret.NewToken(oauth.PrefixAccess)
	token := account.LiveToken{
		Grant:   account.Grant{ID: id, User: user, Client: "dcr_x", Resource: resource, Rights: account.ReadRights(), Role: account.RoleMember},
		Expires: time.Now().Add(time.Hour),
	}
	for _, a := range alter {
		a(&token)
	}
	f.set(func() { f.tokens[hash] = token }) // issuing is no change of what is there
	return value.Reveal()
}

func newFake() *fakeKeys {
	return &fakeKeys{keys: map[string]account.Key{}, tokens: map[[32]byte]account.LiveToken{}, bound: map[string]string{}}
}

// backing is all that the verifier needs of a store.
type backing interface {
	auth.Keys
	auth.Grants
	auth.Uses
}

func deps(s backing) auth.Deps {
	return auth.Deps{Log: slog.New(slog.DiscardHandler), Keys: s, Grants: s, Uses: s, Browsers: nobody{}}
}

func newVerifier(t testing.TB, keys backing) *auth.Verifier {
	t.Helper()
	v, err := auth.New(auth.Config{Static: secret.New(static)}, deps(keys))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func request(t testing.TB, headers ...string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/mcp", http.NoBody)
	for _, h := range headers {
		r.Header.Add("Authorization", h)
	}
	return r
}

// Threat T4: nothing but a live credential leads to an identity.
func TestAuthenticate(t *testing.T) {
	t.Parallel()
	keys := newFake()
	good := keys.add("key_good", "anna")
	admin := keys.add("key_admin", "ben", func(k *account.Key) { k.Role = account.RoleAdmin })
	expired := keys.add("key_expired", "anna", func(k *account.Key) { k.Expires = time.Now().Add(-time.Second) })
	noUser := keys.add("key_nouser", "")
	noRole := keys.add("key_norole", "anna", func(k *account.Key) { k.Role = "" })
	deleted := keys.add("key_deleted", "carl")
	keys.change(func() { delete(keys.keys, "key_deleted") })
	keys.add("key_nohash", "anna", func(k *account.Key) { k.Hash = [32]byte{} })
	v := newVerifier(t, keys)

	anna := account.Principal{User: "anna", Credential: "key_good", Role: account.RoleMember}
	for name, c := range map[string]struct {
		headers []string
		want    account.Principal
		err     error
	}{
		"live key":                  {[]string{"Bearer " + good}, anna, nil},
		"scheme in lower case":      {[]string{"bearer " + good}, anna, nil},
		"scheme in upper case":      {[]string{"BEARER " + good}, anna, nil},
		"admin key":                 {[]string{"Bearer " + admin}, account.Principal{User: "ben", Credential: "key_admin", Role: account.RoleAdmin}, nil},
		"static key":                {[]string{"Bearer " + static}, account.Principal{User: "admin", Credential: "static", Role: account.RoleAdmin}, nil},
		"no header":                 {nil, account.Principal{}, auth.ErrNoCredential},
		"fabricated":                {[]string{"Bearer sk-x"}, account.Principal{}, auth.ErrUnknown},
		"fabricated of our form":    {[]string{"Bearer " + strings.Repeat("x", len(good))}, account.Principal{}, auth.ErrUnknown},
		"one character more":        {[]string{"Bearer " + good + "x"}, account.Principal{}, auth.ErrUnknown},
		"one character less":        {[]string{"Bearer " + good[:len(good)-1]}, account.Principal{}, auth.ErrUnknown},
		"static key, a part":        {[]string{"Bearer " + static[:32]}, account.Principal{}, auth.ErrUnknown},
		"expired":                   {[]string{"Bearer " + expired}, account.Principal{}, auth.ErrUnknown},
		"deleted user":              {[]string{"Bearer " + deleted}, account.Principal{}, auth.ErrUnknown},
		"row without user":          {[]string{"Bearer " + noUser}, account.Principal{}, auth.ErrUnknown},
		"row without role":          {[]string{"Bearer " + noRole}, account.Principal{}, auth.ErrUnknown},
		"the hash itself":           {[]string{"Bearer " + string(bytes.Repeat([]byte{'0'}, 64))}, account.Principal{}, auth.ErrUnknown},
		"key id":                    {[]string{"Bearer key_good"}, account.Principal{}, auth.ErrUnknown},
		"empty header":              {[]string{""}, account.Principal{}, auth.ErrMalformed},
		"scheme alone":              {[]string{"Bearer"}, account.Principal{}, auth.ErrMalformed},
		"empty bearer":              {[]string{"Bearer "}, account.Principal{}, auth.ErrMalformed},
		"basic":                     {[]string{"Basic " + good}, account.Principal{}, auth.ErrMalformed},
		"no scheme":                 {[]string{good}, account.Principal{}, auth.ErrMalformed},
		"scheme that starts alike":  {[]string{"BearerX " + good}, account.Principal{}, auth.ErrMalformed},
		"two headers":               {[]string{"Bearer " + good, "Bearer " + good}, account.Principal{}, auth.ErrMalformed},
		"two headers, one empty":    {[]string{"Bearer " + good, ""}, account.Principal{}, auth.ErrMalformed},
		"two in one":                {[]string{"Bearer " + good + ", Bearer " + good}, account.Principal{}, auth.ErrMalformed},
		"comma":                     {[]string{"Bearer " + good + ",x"}, account.Principal{}, auth.ErrMalformed},
		"two spaces":                {[]string{"Bearer  " + good}, account.Principal{}, auth.ErrMalformed},
		"space inside":              {[]string{"Bearer " + good + " x"}, account.Principal{}, auth.ErrMalformed},
		"tab":                       {[]string{"Bearer\t" + good}, account.Principal{}, auth.ErrMalformed},
		"NUL":                       {[]string{"Bearer " + good + "\x00"}, account.Principal{}, auth.ErrMalformed},
		"not ASCII":                 {[]string{"Bearer ключ"}, account.Principal{}, auth.ErrMalformed},
		"a megabyte":                {[]string{"Bearer " + strings.Repeat("x", 1<<20)}, account.Principal{}, auth.ErrMalformed},
		"the longest":               {[]string{"Bearer " + strings.Repeat("x", 512)}, account.Principal{}, auth.ErrUnknown},
		"one more than the longest": {[]string{"Bearer " + strings.Repeat("x", 513)}, account.Principal{}, auth.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := v.Authenticate(request(t, c.headers...), "/mcp")
			if err == nil && !got.Access.All() {
				t.Error("a key with full rights may not do everything")
			}
			got.Access = nil
			if got != c.want || !errors.Is(err, c.err) {
				t.Errorf("got %+v, %v; want %+v, %v", got, err, c.want, c.err)
			}
			if err != nil && fault.Status(fault.CodeOf(err)) != http.StatusUnauthorized {
				t.Errorf("status %d", fault.Status(fault.CodeOf(err)))
			}
		})
	}
}

func TestNew_refusesWeakStaticKeys(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]string{
		"short":     strings.Repeat("x", 31),
		"space":     strings.Repeat("x", 31) + " y",
		"comma":     strings.Repeat("x", 31) + ",y",
		"newline":   strings.Repeat("x", 32) + "\n",
		"not ASCII": strings.Repeat("ä", 32),
		"too long":  strings.Repeat("x", 513),
	} {
		_, err := auth.New(auth.Config{Static: secret.New(key)}, deps(newFake()))
		if fault.CodeOf(err) != fault.Invalid || strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Without one, the empty token is still nobody's.
	v, err := auth.New(auth.Config{}, deps(newFake()))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range []string{"Bearer ", "Bearer x"} {
		if p, err := v.Authenticate(request(t, h), "/mcp"); err == nil {
			t.Errorf("%q is %+v", h, p)
		}
	}
}

func TestAuthenticate_storeDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		keys := newFake()
		good := keys.add("key_good", "anna")
		v := newVerifier(t, keys)
		check := func(when string, want fault.Code) {
			t.Helper()
			p, err := v.Authenticate(request(t, "Bearer "+good), "/mcp")
			if want == "" {
				if err != nil || p.User != "anna" {
					t.Errorf("%s: %+v %v", when, p, err)
				}
				return
			}
			if fault.CodeOf(err) != want || p != (account.Principal{}) {
				t.Errorf("%s: %+v %v", when, p, err)
			}
			if fault.PublicOf(err) == "" || strings.Contains(fault.PublicOf(err), "canary") {
				t.Errorf("%s: public text %q", when, fault.PublicOf(err))
			}
			if _, err := v.Authenticate(request(t, "Bearer "+static), "/mcp"); err != nil {
				t.Errorf("%s: the static key needs no store: %v", when, err)
			}
			if _, err := v.Authenticate(request(t), "/mcp"); !errors.Is(err, auth.ErrNoCredential) {
				t.Errorf("%s: no header: %v", when, err)
			}
		}
		keys.set(func() { keys.down = errors.New("canary: connection refused") })
		check("down at the start", fault.Unavailable)
		keys.set(func() { keys.down = nil })
		check("right after a failed try", fault.Unavailable)
		time.Sleep(time.Second) // of the fake clock
		check("up again", "")
		keys.set(func() { keys.blind = errors.New("canary: nobody knows") })
		check("cannot be followed", fault.Unavailable)
		keys.set(func() { keys.blind = nil })
		check("followed again", "")
		keys.change(func() { keys.down = errors.New("canary") })
		check("changed and down", fault.Unavailable)
	})
}

func TestAuthenticate_manyWaitForOneTry(t *testing.T) {
	t.Parallel()
	keys := newFake()
	good := keys.add("key_good", "anna")
	v := newVerifier(t, keys)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, err := v.Authenticate(request(t, "Bearer "+good), "/mcp"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if keys.loads != 1 {
		t.Errorf("keys were read %d times", keys.loads)
	}
}

func TestAuthenticate_expiresWhileInUse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		keys := newFake()
		good := keys.add("key_good", "anna", func(k *account.Key) { k.Expires = time.Now().Add(time.Hour) })
		v := newVerifier(t, keys)
		p, err := v.Authenticate(request(t, "Bearer "+good), "/mcp")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour - time.Nanosecond)
		if err := v.Recheck(t.Context(), p); err != nil {
			t.Errorf("just before: %v", err)
		}
		time.Sleep(time.Nanosecond)
		if _, err := v.Authenticate(request(t, "Bearer "+good), "/mcp"); !errors.Is(err, auth.ErrUnknown) {
			t.Errorf("at its expiry: %v", err)
		}
		if err := v.Recheck(t.Context(), p); !errors.Is(err, auth.ErrUnknown) {
			t.Errorf("stream at its expiry: %v", err)
		}
	})
}

func TestRecheck(t *testing.T) {
	t.Parallel()
	keys := newFake()
	good := keys.add("key_good", "anna")
	keys.add("key_read", "anna", func(k *account.Key) { k.Rights = account.ReadRights() })
	v := newVerifier(t, keys)
	p, err := v.Authenticate(request(t, "Bearer "+good), "/mcp")
	if err != nil {
		t.Fatal(err)
	}
	root, err := v.Authenticate(request(t, "Bearer "+static), "/mcp")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(v.Recheck(t.Context(), p), v.Recheck(t.Context(), root)); err != nil {
		t.Error(err)
	}
	for what, other := range map[string]account.Principal{
		"nobody":          {},
		"another user":    {User: "ben", Credential: "key_good", Role: account.RoleMember, Access: account.Everything()},
		"a higher role":   {User: "anna", Credential: "key_good", Role: account.RoleAdmin, Access: account.Everything()},
		"no access":       {User: "anna", Credential: "key_good", Role: account.RoleMember},
		"wider access":    {User: "anna", Credential: "key_read", Role: account.RoleMember, Access: account.Everything()},
		"another profile": {User: "anna", Credential: "key_good", Role: account.RoleMember, Access: account.Everything(), Profile: "office"},
		"not quite root":  {User: "anna", Credential: "static", Role: account.RoleAdmin, Access: account.Everything()},
		"the stdio user":  account.Local(),
		"unknown account": {User: "x", Credential: "key_x", Role: account.RoleMember},
	} {
		if err := v.Recheck(t.Context(), other); !errors.Is(err, auth.ErrUnknown) {
			t.Errorf("%s: %v", what, err)
		}
	}
	narrow := p
	narrow.Access = account.NewAccess(account.ReadRights())
	if err := v.Recheck(t.Context(), narrow); err != nil {
		t.Errorf("whoever has less than it may: %v", err)
	}
	keys.change(func() { delete(keys.keys, "key_good") })
	if err := v.Recheck(t.Context(), p); !errors.Is(err, auth.ErrUnknown) {
		t.Errorf("revoked: %v", err)
	}
}

func TestRun_writesLastUsesInBatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		keys := newFake()
		one, two := keys.add("key_1", "anna"), keys.add("key_2", "ben")
		keys.add("key_3", "carl")
		v := newVerifier(t, keys)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); v.Run(ctx) }() // ends with stop, awaited below
		use := func(token string) {
			t.Helper()
			if _, err := v.Authenticate(request(t, "Bearer "+token), "/mcp"); err != nil {
				t.Fatal(err)
			}
		}
		expect := func(when string, want ...int) {
			t.Helper()
			synctest.Wait()
			keys.mu.Lock()
			defer keys.mu.Unlock()
			if len(keys.touches) != len(want) {
				t.Fatalf("%s: written %v, want %v", when, keys.touches, want)
			}
			for i, n := range want {
				if len(keys.touches[i]) != n {
					t.Errorf("%s: batch %d is %v, want %d", when, i, keys.touches[i], n)
				}
			}
		}
		for range 1000 {
			use(one)
		}
		use(two)
		expect("at once: nothing")
		time.Sleep(30 * time.Second)
		expect("after a while: one batch of two keys", 2)
		time.Sleep(5 * time.Minute)
		expect("nothing was used since", 2)

		keys.set(func() { keys.broken = errors.New("disk full") })
		use(one)
		time.Sleep(30 * time.Second)
		expect("a write that fails", 2, 1)
		keys.set(func() { keys.broken = nil })
		keys.change(func() { delete(keys.keys, "key_2") }) // the uses survive a reload
		use(one)
		time.Sleep(30 * time.Second)
		expect("is tried again", 2, 1, 1)

		use(one)
		stop()
		<-done
		expect("the end writes the rest", 2, 1, 1, 1)
	})
}

// The whole way, with a store: revoked here is refused at the next call, revoked
// by another process within a second.
func TestVerifier_withStore(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		serve, cli := storetest.Open(t, cfg), storetest.Open(t, cfg)
		v := newVerifier(t, serve)
		for _, by := range []*store.Store{serve, cli} {
			key, value, err := by.CreateKey(t.Context(), account.KeyRequest{Name: "k", Role: account.RoleMember, Rights: account.FullRights()})
			if err != nil {
				t.Fatal(err)
			}
			await := func(what string, accepted bool, limit time.Duration) {
				t.Helper()
				changes := serve.Changes(t.Context())
				deadline := time.After(limit)
				for {
					_, err := v.Authenticate(request(t, "Bearer "+value.Reveal()), "/mcp")
					if (err == nil) == accepted {
						return
					}
					if by == serve {
						t.Fatalf("%s in this process was not seen at the next call: %v", what, err)
					}
					select {
					case <-changes:
					case <-deadline:
						t.Fatalf("%s by another process was not seen in %v: %v", what, limit, err)
					}
				}
			}
			await("a new key", true, 20*time.Second)
			if _, err := by.RevokeKey(t.Context(), key.ID); err != nil {
				t.Fatal(err)
			}
			await("a revocation", false, 20*time.Second)
		}
	})
}

func TestAuthenticate_allocatesNothing(t *testing.T) {
	keys := newFake()
	v := newVerifier(t, keys)
	r := request(t, "Bearer "+keys.add("key_good", "anna"))
	if n := testing.AllocsPerRun(1000, func() {
		if _, err := v.Authenticate(r, "/mcp"); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations per call", n)
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	keys := newFake()
	v := newVerifier(b, keys)
	r := request(b, "Bearer "+keys.add("key_good", "anna"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Authenticate(r, "/mcp"); err != nil {
			b.Fatal(err)
		}
	}
}
