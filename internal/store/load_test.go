package store_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/oauth"
	"drawbridge/internal/secret"
	"drawbridge/internal/store"
)

// The lines that the killed process says, each after what it tells is true:
//
//	live <kind> <id> [<client>]   this was made
//	ending <kind> <id>            an operation that ends this is about to be tried
//	ended <kind> <id>             this was ended
//	tokens <grant> <client> <access> <refresh> <kind> <id>
//	                              these came of a code or refresh token, which is spent
//
// Kinds are key, client, code, grant and refresh; codes and tokens are named by
// their hashes, which are not secret.

// workers is how many write at the same time.
const workers = 3

// load writes for ever and says on standard output what was acknowledged.
func load(place string) error {
	dir, url, _ := strings.Cut(place, "\n")
	ctx := context.Background()
	s, err := store.Open(ctx, slog.New(slog.DiscardHandler), store.Config{StateDir: dir, URL: secret.New(url)})
	if err != nil {
		return err
	}
	var speaking sync.Mutex
	say := func(format string, args ...any) {
		speaking.Lock()
		defer speaking.Unlock()
		fmt.Printf(format+"\n", args...)
	}
	say("open %s", s.Installation())
	failed := make(chan error, workers)
	for i := range workers {
		w := &worker{ctx: ctx, s: s, say: say, user: fmt.Sprint("worker", i), grants: map[string]bool{}}
		go func() { failed <- w.work() }() // ends with the process
	}
	return <-failed
}

// worker writes for one user.
type worker struct {
	ctx    context.Context
	s      *store.Store
	say    func(format string, args ...any)
	user   string
	made   int
	grants map[string]bool // that live
	codes  []string        // that nobody has redeemed
}

func (w *worker) work() error {
	err := w.s.CreateUser(w.ctx, account.User{ID: w.user, Name: w.user, Role: account.RoleMember})
	if err != nil && fault.CodeOf(err) != fault.Conflict { // made before an earlier kill
		return err
	}
	for {
		if err := w.key(); err != nil {
			return err
		}
		if err := w.flow(); err != nil {
			return err
		}
	}
}

func (w *worker) key() error {
	w.made++
	key, _, err := w.s.CreateKey(w.ctx, account.KeyRequest{
		Name: fmt.Sprintf("%d-%d", os.Getpid(), w.made), User: w.user, Role: account.RoleMember, Rights: account.FullRights(),
	})
	if err != nil {
		return err
	}
	w.say("live key %s", key.ID)
	if rand.IntN(2) == 0 {
		return nil
	}
	return w.end(func() error { _, err := w.s.RevokeKey(w.ctx, key.ID); return err }, "key "+key.ID)
}

// end does what ends things, and says so before and after.
func (w *worker) end(do func() error, things ...string) error {
	for _, thing := range things {
		w.say("ending %s", thing)
	}
	if err := do(); err != nil {
		return err
	}
	for _, thing := range things {
		w.say("ended %s", thing)
		if id, ok := strings.CutPrefix(thing, "grant "); ok {
			delete(w.grants, id)
		}
	}
	return nil
}

// flow is the way of one client from its registration to the end of its grant.
func (w *worker) flow() error {
	_, random := secret.NewToken(oauth.PrefixClient)
	client := program(oauth.PrefixClient + hex.EncodeToString(random[:8]))
	if err := w.s.RegisterClient(w.ctx, client, 1<<30); err != nil {
		return err
	}
	w.say("live client %s", client.ID)
	_, code := secret.NewToken(oauth.PrefixCode)
	err := w.s.CreateCode(w.ctx, oauth.Code{
		Hash: code, Client: client.ID, User: w.user, Resource: oauth.DefaultResource,
		Rights: account.FullRights(), Role: account.RoleMember, Expires: time.Now().Add(24 * time.Hour),
	})
	if err != nil {
		return err
	}
	w.say("live code %x %s", code, client.ID)
	if rand.IntN(4) == 0 {
		w.codes = append(w.codes, fmt.Sprintf("code %x", code))
		return nil
	}
	w.say("ending code %x", code)
	m := minted(time.Now())
	g, err := w.s.RedeemCode(w.ctx, code, time.Now(), allow, give(m))
	if err != nil {
		return err
	}
	w.say("tokens %s %s %x %x code %x", g.ID, client.ID, m.Access, m.Refresh, code)
	w.grants[g.ID] = true
	for range rand.IntN(3) {
		w.say("ending refresh %x", m.Refresh)
		r := rotation(client.ID, m.Refresh, time.Now())
		if _, err := w.s.Rotate(w.ctx, r); err != nil {
			return err
		}
		w.say("tokens %s %s %x %x refresh %x", g.ID, client.ID, r.Minted.Access, r.Minted.Refresh, m.Refresh)
		m = r.Minted
	}
	return w.endGrant(g.ID, client.ID, code, m)
}

// endGrant ends a grant in one of many ways, or leaves it.
func (w *worker) endGrant(id, client string, code [32]byte, m oauth.Minted) error {
	grant := "grant " + id
	switch rand.IntN(10) {
	case 0:
		return w.end(func() error { return w.s.RevokeToken(w.ctx, m.Refresh, client) }, grant)
	case 1:
		return w.end(func() error { return w.s.RevokeToken(w.ctx, m.Access, client) }, grant)
	case 2:
		return w.end(func() error { _, err := w.s.RevokeGrant(w.ctx, id); return err }, grant)
	case 3:
		return w.end(func() error { return w.s.DeleteClient(w.ctx, client) }, grant, "client "+client)
	case 4:
		return w.end(func() error { // the code is presented once more
			_, err := w.s.RedeemCode(w.ctx, code, time.Now(), allow, give(minted(time.Now())))
			if word(err) != "invalid_grant" {
				return fmt.Errorf("code redeemed twice: %w", err)
			}
			return nil
		}, grant)
	case 5:
		things := w.codes
		w.codes = nil
		for id := range w.grants {
			things = append(things, "grant "+id)
		}
		return w.end(func() error { return w.s.SignOutEverywhere(w.ctx, w.user) }, things...)
	}
	return nil
}
