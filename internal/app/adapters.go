package app

import (
	"context"
	"crypto/sha256"
	"time"

	"drawbridge/internal/endpoint/session"
	"drawbridge/internal/store"
)

// shelf lets the gateway keep lists in the store.
type shelf struct{ *store.Store }

func (s shelf) SaveLists(ctx context.Context, backend string, lists []byte) error {
	return s.SaveCatalogue(ctx, backend, lists, time.Now())
}

func (s shelf) LoadLists(ctx context.Context, backend string) ([]byte, error) {
	lists, _, err := s.LoadCatalogue(ctx, backend)
	return lists, err
}

// sessions lets the endpoints keep what a session id cannot carry in the store,
// whose ids are hashes of theirs.
type sessions struct{ *store.Store }

func (s sessions) Revoke(ctx context.Context, key string, until time.Time) error {
	return s.RevokeSession(ctx, sha256.Sum256([]byte(key)), until)
}

func (s sessions) Revoked(ctx context.Context, key string) (bool, error) {
	return s.SessionRevoked(ctx, sha256.Sum256([]byte(key)))
}

func (s sessions) SaveSettings(ctx context.Context, key string, set session.Settings, until time.Time) error {
	return s.SaveSession(ctx, sha256.Sum256([]byte(key)), set.LogLevel, set.Subscriptions, until)
}

func (s sessions) LoadSettings(ctx context.Context, key string) (set session.Settings, err error) {
	set.LogLevel, set.Subscriptions, err = s.LoadSession(ctx, sha256.Sum256([]byte(key)))
	return set, err
}
