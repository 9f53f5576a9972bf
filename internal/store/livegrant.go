package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
)

// LiveGrant is what a grant allows now, without regard to any token; for streams,
// which outlive the token that opened them. fault.NotFound, when it has ended.
func (s *Store) LiveGrant(ctx context.Context, id string) (account.LiveToken, error) {
	g, err := scanGrant(s.reader.QueryRowContext(ctx, "SELECT "+grantColumns+" FROM "+grantTables+" WHERE g.id = $1", id))
	if errors.Is(err, sql.ErrNoRows) || err == nil && !g.live(time.Now()) {
		err = fault.New(fault.NotFound, "The grant is unknown, expired or revoked. Authorize again.")
	}
	if err != nil {
		return account.LiveToken{}, fmt.Errorf("look up grant: %w", s.coded(err))
	}
	return account.LiveToken{Grant: g.Grant, UserProfile: g.profile}, nil
}
