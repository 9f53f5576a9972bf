package desk

import (
	"context"
	"net/netip"
	"slices"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/secret"
)

// KeyStore keeps API keys.
type KeyStore interface {
	// CreateKey fails with NotFound if the user or the profile does not exist.
	CreateKey(ctx context.Context, r account.KeyRequest) (account.Key, secret.String, error)
	Keys(ctx context.Context) ([]account.Key, error)
	// RevokeKey ends the live key that has this id, name or shown prefix.
	RevokeKey(ctx context.Context, ref string) (account.Key, error)
}

// Keys is the desk for API keys.
type Keys struct {
	*book
	store KeyStore
	users UserLister
}

// maxNetworks bounds the networks of a key.
const maxNetworks = 50

// List is all keys, revoked ones too, the newest first.
func (k *Keys) List(ctx context.Context) ([]account.Key, error) {
	if _, err := caller(ctx); err != nil {
		return nil, err
	}
	keys, err := k.store.Keys(ctx)
	slices.SortStableFunc(keys, func(a, b account.Key) int { return b.Created.Compare(a.Created) })
	return keys, err
}

// Get is the key of an id.
func (k *Keys) Get(ctx context.Context, id string) (account.Key, error) {
	keys, err := k.List(ctx)
	if err != nil {
		return account.Key{}, err
	}
	i := slices.IndexFunc(keys, func(key account.Key) bool { return key.ID == id })
	if i < 0 {
		return account.Key{}, fault.New(fault.NotFound, "There is no key %q. See the list of keys.", id)
	}
	return keys[i], nil
}

// Create makes a key and returns its only copy. "" belongs to the caller. Its role is
// no higher than that of the user it belongs to, nor than that of whoever makes it:
// only admins make keys (A21).
func (k *Keys) Create(ctx context.Context, r account.KeyRequest) (key account.Key, value secret.String, err error) {
	err = k.change(ctx, "key.create", r.Name, func(by account.Principal, target *string) error {
		if r.User == "" {
			r.User = by.User
		}
		if err := k.check(ctx, r); err != nil {
			return err
		}
		if key, value, err = k.store.CreateKey(ctx, r); err != nil {
			return err
		}
		*target = key.ID
		return nil
	})
	if err != nil {
		return account.Key{}, secret.String{}, err
	}
	return key, value, nil
}

func (k *Keys) check(ctx context.Context, r account.KeyRequest) error {
	if len(r.Networks) > maxNetworks {
		return fault.New(fault.Invalid, "There are more than %d networks. Name larger ones.", maxNetworks)
	}
	if err := invalid(account.CheckUserID(r.User), "The key cannot be made"); err != nil {
		return err
	}
	user, err := k.users.User(ctx, r.User)
	if err != nil {
		return err
	}
	if r.Role.Cap(user.Role) != r.Role && r.Role.Valid() {
		return fault.New(fault.Invalid, "The user %q is a %s, so its key cannot be an %s's. Choose the role %s.", user.ID, user.Role, r.Role, user.Role)
	}
	return nil
}

// Revoke ends the live key that has this id, name or shown prefix.
func (k *Keys) Revoke(ctx context.Context, ref string) (key account.Key, err error) {
	err = k.change(ctx, "key.revoke", ref, func(_ account.Principal, target *string) error {
		if key, err = k.store.RevokeKey(ctx, ref); err != nil {
			return err
		}
		*target = key.ID
		return nil
	})
	return key, err
}

// RevokeID is Revoke for an id alone: a key that happens to be named like it is
// left alone.
func (k *Keys) RevokeID(ctx context.Context, id string) (account.Key, error) {
	if _, err := k.Get(ctx, id); err != nil {
		return account.Key{}, err
	}
	return k.Revoke(ctx, id)
}

// ParseNetworks reads addresses and networks as people write them.
func ParseNetworks(list []string) (networks []netip.Prefix, err error) {
	for _, one := range list {
		network, err := netip.ParsePrefix(one)
		if err != nil {
			addr, failed := netip.ParseAddr(one)
			if failed != nil || addr.Zone() != "" {
				return nil, fault.New(fault.Invalid, "%q is no network. Write one like 192.168.1.0/24 or 2001:db8::/48.", one)
			}
			network = netip.PrefixFrom(addr, addr.BitLen())
		}
		if network.Addr().Is4In6() { // callers' addresses are compared unmapped
			network = netip.PrefixFrom(network.Addr().Unmap(), max(0, network.Bits()-96))
		}
		networks = append(networks, network.Masked())
	}
	return networks, nil
}
