package durability_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"drawbridge/internal/gatewaytest"
	"drawbridge/test/harness"
)

// How many go on after a check: the next round is to have some of the rounds before,
// and not all of them.
const (
	keepVisitors = 16
	keepKeys     = 2
)

// checker looks for what is in the ledger.
type checker struct {
	t    *testing.T
	l    *ledger
	last bool // it looks at what was counted before
}

func (c *checker) count(what string) {
	if c.last {
		what = secondLook
	}
	c.l.count(what)
}

// check looks for what was acknowledged since the last time, in a program that was
// started anew.
func (l *ledger) check(t *testing.T) {
	t.Helper()
	l.begin()
	c := &checker{t: t, l: l}
	c.pages()
	all(l.clients, c.client)
	all(l.visitors, c.visitor)
	all(l.keys, c.key)
	c.clear()
}

// clear ends most of what is left, by the program's own means.
func (c *checker) clear() {
	l := c.l
	var stay, leave []*visitor
	mine := map[string]bool{}
	for _, v := range l.visitors {
		mine[v.Client] = true
		if v.ended == unsent && len(stay) < keepVisitors {
			stay = append(stay, v)
		} else {
			leave = append(leave, v)
		}
	}
	all(leave, c.leave)
	l.old.visitors, l.visitors = append(l.old.visitors, leave...), stay
	for _, id := range l.clients {
		if !mine[id] {
			l.old.clients = append(l.old.clients, id)
		}
	}
	l.clients = nil
	live := 0
	all(l.keys, func(k *key) {
		l.mu.Lock()
		live++
		keep := live <= keepKeys
		l.mu.Unlock()
		if k.ended == unsent && !keep {
			c.want(http.StatusOK)(c.revokeKey(k))
			k.ended = done
			c.key(k)
		}
	})
	l.old.keys, l.keys = append(l.old.keys, l.keys...), nil
}

// checkOld looks once more for all that ever was.
func (l *ledger) checkOld(t *testing.T) {
	t.Helper()
	c := &checker{t: t, l: l, last: true}
	all(l.old.clients, c.client)
	all(l.old.gone, c.gone)
	all(l.old.visitors, c.dead)
	all(l.old.keys, c.key)
}

// want takes an answer that has to be of a status.
func (c *checker) want(status ...int) func(a gatewaytest.Reply, err error) gatewaytest.Reply {
	c.t.Helper()
	return func(a gatewaytest.Reply, err error) gatewaytest.Reply {
		c.t.Helper()
		for _, s := range status {
			if err == nil && a.Status == s {
				return a
			}
		}
		c.t.Errorf("%d, want %v: %s %v", a.Status, status, a.Body, err)
		return a
	}
}

// client expects a registered client to be known.
func (c *checker) client(id string) {
	a, err := c.l.door("").Ask(c.t.Context(), id, "a verifier", nil)
	if err != nil || a.Status != http.StatusOK || a.Request == "" {
		c.t.Errorf("registered client %s is lost: %d %v", id, a.Status, err)
	}
	c.count(foundClients)
}

// gone expects a client not to be known.
func (c *checker) gone(id string) {
	a, err := c.l.door("").Ask(c.t.Context(), id, "a verifier", nil)
	if err != nil || a.Status != http.StatusBadRequest || a.Request != "" {
		c.t.Errorf("deleted client %s is there: %d %v", id, a.Status, err)
	}
	c.l.count(goneClients) // nobody has looked before
}

// pages answers two consent pages again that were answered before the kill.
func (c *checker) pages() {
	tried := 0
	for _, v := range c.l.visitors {
		if tried == 2 || v.page.Request == "" || !fresh(v.issued) {
			continue
		}
		tried++
		a := c.want(http.StatusForbidden)(c.l.door("").Allow(c.t.Context(), v.page, password, nil))
		if a.Back().Get("code") != "" {
			c.t.Errorf("a consent page is good twice")
		}
		v.page.Request = ""
		c.count(usedPages)
	}
}

// visitor expects that what a visitor was given is there, and what was ended is not.
func (c *checker) visitor(v *visitor) {
	ctx, d := c.t.Context(), c.l.door(v.from)
	switch {
	case v.ended == sent: // it may have been ended or not: until it is said again
		c.count(unsureVisitors)
		c.want(http.StatusOK)(d.Revoke(ctx, v.Client, v.Refresh))
		v.ended = done
		c.dead(v)
	case v.ended == done:
		c.dead(v)
	case v.redeemed == sent:
		c.unsure(v)
	case v.redeemed == unsent:
		if !fresh(v.issued) {
			v.ended = done
			return
		}
		v.took(c.want(http.StatusOK)(d.Redeem(ctx, v.Client, v.Code, v.Verifier)), "")
		v.redeemed = done
		c.count(goodCodes)
		c.again(v)
	default:
		c.live(v)
		c.again(v)
	}
}

// unsure is a visitor whose code was sent, and not answered: it may be good once.
func (c *checker) unsure(v *visitor) {
	ctx, d := c.t.Context(), c.l.door(v.from)
	c.count(unsureCodes)
	a := c.want(http.StatusOK, http.StatusBadRequest)(d.Redeem(ctx, v.Client, v.Code, v.Verifier))
	if a.Status == http.StatusOK && fresh(v.issued) {
		v.took(a, "")
		c.want(http.StatusOK)(d.List(ctx, v.Access))
	}
	v.redeemed, v.ended = done, done
	c.dead(v)
}

// live expects a visitor's tokens to be good, and the last exchange to be repeatable.
func (c *checker) live(v *visitor) {
	ctx, d := c.t.Context(), c.l.door(v.from)
	c.want(http.StatusOK)(d.List(ctx, v.Access))
	c.count(goodAccess)
	switch {
	case v.rotating:
		// The exchange was done or not: either way the token still brings an answer, unless
		// that took too long.
		c.count(unsureRefresh)
		if !fresh(v.got) {
			v.ended = done
			c.want(http.StatusOK)(d.Revoke(ctx, v.Client, v.Access))
			return
		}
	case v.before != "" && fresh(v.got):
		if a := c.want(http.StatusOK)(d.Refresh(ctx, v.Client, v.before)); a.Body != v.answer {
			c.t.Errorf("an exchange that is repeated has another answer")
		}
		c.count(sameAnswers)
	}
	v.took(c.want(http.StatusOK)(d.Refresh(ctx, v.Client, v.Refresh)), v.Refresh)
	c.count(goodRefresh)
	c.want(http.StatusOK)(d.List(ctx, v.Access))
}

// again presents the codes of some visitors a second time, which ends their grants.
func (c *checker) again(v *visitor) {
	if v.ended != unsent || rand.IntN(6) > 0 {
		return
	}
	v.ended = done
	c.dead(v)
}

// dead expects nothing of a visitor to be good, and its code least of all.
func (c *checker) dead(v *visitor) {
	ctx, d := c.t.Context(), c.l.door(v.from)
	if v.Code != "" {
		c.useless(d.Redeem(ctx, v.Client, v.Code, v.Verifier))
		c.count(usedCodes)
	}
	if v.Access != "" {
		c.want(http.StatusUnauthorized)(d.List(ctx, v.Access))
		c.useless(d.Refresh(ctx, v.Client, v.Refresh))
		c.count(deadVisitors)
	}
}

// useless expects a code or a refresh token to be of no use, or its client unknown.
func (c *checker) useless(a gatewaytest.Reply, err error) {
	c.t.Helper()
	if word := a.Get("error"); err != nil || word != "invalid_grant" && word != "invalid_client" {
		c.t.Errorf("%d %s %v: what was used or revoked is good", a.Status, a.Body, err)
	}
}

// leave ends a visitor, and most times its client, for good.
func (c *checker) leave(v *visitor) {
	ctx, d := c.t.Context(), c.l.door(v.from)
	if v.ended == unsent {
		c.want(http.StatusOK)(d.Revoke(ctx, v.Client, v.Refresh))
		v.ended = done
	}
	if rand.IntN(8) > 0 {
		c.want(http.StatusNoContent)(d.JSON(ctx, "POST", "/clients/delete", harness.Key, fmt.Sprintf(`{"id":%q}`, v.Client)))
		c.l.mu.Lock()
		c.l.old.gone = append(c.l.old.gone, v.Client)
		c.l.mu.Unlock()
	}
}

// key expects a key to be good, or not to be.
func (c *checker) key(k *key) {
	if k.ended == sent { // it may have been ended or not: until it is said again
		c.count(unsureKeys)
		c.want(http.StatusOK, http.StatusNotFound)(c.revokeKey(k))
		k.ended = done
	}
	a, err := c.l.door("").List(c.t.Context(), k.value)
	if k.ended == done {
		c.want(http.StatusUnauthorized)(a, err)
		c.count(deadKeys)
		return
	}
	if a = c.want(http.StatusOK)(a, err); !strings.Contains(a.Body, `"tools"`) {
		c.t.Errorf("a key lists %s", a.Body)
	}
	c.count(goodKeys)
}

func (c *checker) revokeKey(k *key) (gatewaytest.Reply, error) {
	return c.l.door("").JSON(c.t.Context(), "POST", "/keys/revoke", harness.Key, fmt.Sprintf(`{"key":%q}`, k.id))
}
