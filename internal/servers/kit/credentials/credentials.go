// Package credentials finds out whose credential a call of a built-in server uses: the
// caller's own, or the operator's. Where there is neither, the error says who can set
// one. Package kit asks it for a call; who stores credentials implements Store.
package credentials

import (
	"context"
	"fmt"

	"drawbridge/internal/fault"
	"drawbridge/internal/secret"
)

// Store has what the callers of servers have stored for the servers' upstreams.
type Store interface {
	// For gives the values that a user has for a server, by the keys of the
	// server's settings ("token"). None is an empty map and no error.
	For(ctx context.Context, user, server string) (map[string]secret.String, error)
}

// Fallback gives a caller's own credentials, and the operator's to those who have
// none. first may be nil.
func Fallback(first Store, operator map[string]secret.String) Store {
	return fallback{first, operator}
}

type fallback struct {
	first    Store
	operator map[string]secret.String
}

func (f fallback) For(ctx context.Context, user, server string) (map[string]secret.String, error) {
	if f.first == nil {
		return f.operator, nil
	}
	own, err := f.first.For(ctx, user, server)
	if err != nil || len(own) > 0 {
		return own, err
	}
	return f.operator, nil
}

// Of gives one value of a user's credentials for a server. from may be nil.
func Of(ctx context.Context, from Store, user, server, key string) (secret.String, error) {
	if from != nil {
		all, err := from.For(ctx, user, server)
		if err != nil {
			return secret.String{}, fmt.Errorf("read credentials: %w", err)
		}
		if v := all[key]; !v.Empty() {
			return v, nil
		}
	}
	return secret.String{}, fault.New(fault.Forbidden, "You have no credential (%s) for the server %s. Store one for yourself, or ask the operator to set one for everybody.", key, server)
}
