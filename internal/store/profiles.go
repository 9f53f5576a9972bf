package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/oauth"
)

// SaveProfile adds a profile or replaces the one of that name.
func (s *Store) SaveProfile(ctx context.Context, p account.Profile) error {
	if err := p.Check(); err != nil {
		return fault.New(fault.Invalid, "The profile cannot be saved: %v.", err)
	}
	rules, err := jsonColumn(p)
	if err != nil {
		return fmt.Errorf("save profile: %w", err)
	}
	err = s.update(ctx, Keys, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO profiles (name, rules) VALUES ($1, $2)
			ON CONFLICT (name) DO UPDATE SET rules = excluded.rules`, p.Name, rules)
		return err
	})
	if err != nil {
		return fmt.Errorf("save profile: %w", err)
	}
	return nil
}

// Profiles lists all profiles, by name.
func (s *Store) Profiles(ctx context.Context) ([]account.Profile, error) {
	profiles, err := s.selectProfiles(ctx, "ORDER BY name")
	if err != nil {
		return nil, fmt.Errorf("list profiles: %w", err)
	}
	return profiles, nil
}

// Profile is one profile.
func (s *Store) Profile(ctx context.Context, name string) (account.Profile, error) {
	profiles, err := s.selectProfiles(ctx, "WHERE name = $1", askable(name))
	if err == nil && len(profiles) == 0 {
		err = noProfile(name)
	}
	if err != nil {
		return account.Profile{}, fmt.Errorf("read profile: %w", err)
	}
	return profiles[0], nil
}

// DeleteProfile removes a profile that nothing is bound to. What is bound to one
// would otherwise be free of its rules, or bound to the next of that name.
func (s *Store) DeleteProfile(ctx context.Context, name string) error {
	err := s.update(ctx, Keys, func(tx *sql.Tx) error {
		if name == "" {
			return noProfile(name)
		}
		if err := holdProfile(ctx, tx, name); err != nil {
			return missingProfile(err, name)
		}
		bound, err := boundTo(ctx, tx, name, time.Now())
		if err != nil {
			return err
		}
		if len(bound) > 0 {
			return fault.New(fault.Conflict, "The profile %q is in use by %s. Change or revoke that first.", name, strings.Join(bound, ", "))
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM profiles WHERE name = $1", name)
		return err
	})
	if err != nil {
		return fmt.Errorf("delete profile: %w", err)
	}
	return nil
}

// maxBound is how many of those bound to a profile are named.
const maxBound = 5

// boundTo names users, live keys and live grants that are bound to a profile.
func boundTo(ctx context.Context, tx *sql.Tx, name string, now time.Time) (bound []string, err error) {
	for _, q := range []struct {
		format, query string
		args          []any
	}{
		{"user %[1]s", "SELECT id, '' FROM users WHERE profile = $1 ORDER BY id", []any{name}},
		{"key %[2]s (%[1]s)", `SELECT id, name FROM api_keys
			WHERE profile = $1 AND revoked = 0 AND (expires = 0 OR expires > $2) ORDER BY created, id`, []any{name, millis(now)}},
		{"grant of %[2]s (%[1]s)", `SELECT id, client_name FROM grants
			WHERE resource = $1 AND revoked = 0 AND (expires = 0 OR expires > $2) ORDER BY created, id`,
			[]any{oauth.DefaultResource + "/" + name, millis(now)}},
	} {
		err := each(ctx, tx, func(rows *sql.Rows) error {
			var id, called string
			err := rows.Scan(&id, &called)
			bound = append(bound, fmt.Sprintf(q.format, id, called))
			return err
		}, q.query, q.args...)
		if err != nil {
			return nil, err
		}
	}
	if more := len(bound) - maxBound; more > 0 {
		bound = append(bound[:maxBound], fmt.Sprintf("and %d more", more))
	}
	return bound, nil
}

func (s *Store) selectProfiles(ctx context.Context, rest string, args ...any) (profiles []account.Profile, err error) {
	err = s.view(ctx, func(tx *sql.Tx) error {
		return each(ctx, tx, func(rows *sql.Rows) error {
			var p account.Profile
			err := rows.Scan(scanJSON{&p})
			profiles = append(profiles, p)
			return err
		}, "SELECT rules FROM profiles "+rest, args...)
	})
	return profiles, err
}

func noProfile(name string) error {
	return fault.New(fault.NotFound, "There is no profile %q. See the list of profiles.", name)
}

// missingProfile puts into words that holdProfile found none.
func missingProfile(err error, name string) error {
	if errors.Is(err, sql.ErrNoRows) {
		return noProfile(name)
	}
	return err
}
