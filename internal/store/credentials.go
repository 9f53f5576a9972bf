package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/secret"
)

// PutCredential stores one value that a user has for a server, sealed, in place of
// the one before.
func (s *Store) PutCredential(ctx context.Context, user, server, name string, value secret.String) error {
	sealed := s.ring.Seal(credentialOf(user, server, name), []byte(value.Reveal()))
	err := s.update(ctx, quiet, func(tx *sql.Tx) error {
		var known string
		err := tx.QueryRowContext(ctx, "SELECT id FROM users WHERE id = $1", askable(user)).Scan(&known)
		if errors.Is(err, sql.ErrNoRows) {
			return noUser(user)
		}
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO user_credentials (user_id, server, name, value, updated) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (user_id, server, name) DO UPDATE SET value = excluded.value, updated = excluded.updated`,
			user, server, name, sealed, millis(time.Now()))
		return err
	})
	if err != nil {
		return fmt.Errorf("store credential: %w", err)
	}
	return nil
}

// DeleteCredential removes one value, or all of a user's for the server where name
// is "".
func (s *Store) DeleteCredential(ctx context.Context, user, server, name string) error {
	err := s.update(ctx, quiet, func(tx *sql.Tx) error {
		n, err := affected(tx.ExecContext(ctx, "DELETE FROM user_credentials WHERE user_id = $1 AND server = $2 AND (name = $3 OR $3 = '')", user, server, name))
		if err == nil && n == 0 {
			return fault.New(fault.NotFound, "The user %q has stored no such credential for %s. List what there is.", user, server)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("delete credential: %w", err)
	}
	return nil
}

// CredentialNames lists what a user has stored, without the values.
func (s *Store) CredentialNames(ctx context.Context, user string) (found []account.CredentialName, err error) {
	err = s.view(ctx, func(tx *sql.Tx) error {
		return each(ctx, tx, func(rows *sql.Rows) error {
			var c account.CredentialName
			var updated int64
			err := rows.Scan(&c.Server, &c.Name, &updated)
			c.Updated = moment(updated)
			found = append(found, c)
			return err
		}, "SELECT server, name, updated FROM user_credentials WHERE user_id = $1 ORDER BY server, name", askable(user))
	})
	if err != nil {
		return nil, fmt.Errorf("list credentials: %w", err)
	}
	return found, nil
}

// Credentials are the values that a user has stored for a server, by name. None is
// an empty map.
func (s *Store) Credentials(ctx context.Context, user, server string) (map[string]secret.String, error) {
	found := map[string]secret.String{}
	err := s.view(ctx, func(tx *sql.Tx) error {
		return each(ctx, tx, func(rows *sql.Rows) error {
			var name string
			var sealed []byte
			if err := rows.Scan(&name, &sealed); err != nil {
				return err
			}
			plain, err := s.ring.Open(credentialOf(user, server, name), sealed)
			if err != nil {
				return fmt.Errorf("%s of %s: %w", name, server, err)
			}
			found[name] = secret.New(string(plain))
			return nil
		}, "SELECT name, value FROM user_credentials WHERE user_id = $1 AND server = $2", askable(user), server)
	})
	if err != nil {
		return nil, fmt.Errorf("read credentials: %w", err)
	}
	return found, nil
}

// credentialOf is the place to which a value is bound: it opens for no other user,
// server or name, none of which has a slash in it.
func credentialOf(user, server, name string) secret.Place {
	return secret.Place{Table: "user_credentials", Row: user + "/" + server + "/" + name, Column: "value"}
}
