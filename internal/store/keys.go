package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/secret"
)

const (
	keyColumns = "k.id, k.name, k.user_id, k.role, k.profile, k.rights, k.networks, k.prefix, k.hash, k.created, k.expires, k.last_used, k.revoked"
	shownChars = 6 // of a key's random part, to tell keys apart
)

// CreateKey makes an API key and returns it with the only copy of its value. Its
// user must exist, but the admin is made if need be.
func (s *Store) CreateKey(ctx context.Context, request account.KeyRequest) (account.Key, secret.String, error) {
	now := time.Now()
	if request.User == "" {
		request.User = account.Admin
	}
	if err := request.Check(now); err != nil {
		return account.Key{}, secret.String{}, fault.New(fault.Invalid, "The key cannot be made: %v.", err)
	}
	value, hash := secret.NewToken(secret.PrefixKey)
	key := account.Key{
		ID:       "key_" + strings.ToLower(rand.Text()[:12]),
		Name:     request.Name,
		User:     request.User,
		Role:     request.Role,
		Profile:  request.Profile,
		Rights:   request.Rights,
		Networks: request.Networks,
		Prefix:   value.Reveal()[:len(secret.PrefixKey)+shownChars],
		Hash:     hash,
		Created:  moment(millis(now)),
		Expires:  moment(millis(request.Expires)),
	}
	err := s.update(ctx, Keys, func(tx *sql.Tx) error {
		if key.User == account.Admin {
			if err := ensureAdmin(ctx, tx, now); err != nil {
				return err
			}
		}
		if err := holdProfile(ctx, tx, key.Profile); err != nil {
			return missingProfile(err, key.Profile)
		}
		return s.insertKey(ctx, tx, key)
	})
	if err != nil {
		return account.Key{}, secret.String{}, fmt.Errorf("create key: %w", err)
	}
	return key, value, nil
}

func (s *Store) insertKey(ctx context.Context, tx *sql.Tx, key account.Key) error {
	rights, err := jsonColumn(key.Rights)
	if err != nil {
		return err
	}
	networks, err := jsonColumn(key.Networks)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO api_keys
		(id, name, user_id, role, profile, rights, networks, prefix, hash, created, expires, last_used, revoked)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, 0)`,
		key.ID, key.Name, key.User, string(key.Role), key.Profile, rights, networks, key.Prefix, key.Hash[:],
		millis(key.Created), millis(key.Expires))
	switch {
	case err == nil:
		return nil
	case s.engine.trouble(err) == duplicate:
		return fault.Wrap(err, fault.Conflict, "There is already a key named %q. Choose another name, or revoke that key first.", key.Name)
	case s.engine.trouble(err) == orphan:
		return fault.Wrap(err, fault.NotFound, "There is no user %q. Create the user first.", key.User)
	}
	return err
}

// Keys lists all keys, the newest last, revoked ones included.
func (s *Store) Keys(ctx context.Context) ([]account.Key, error) {
	keys, err := s.selectKeys(ctx, "SELECT "+keyColumns+" FROM api_keys k ORDER BY k.created, k.id")
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	return keys, nil
}

// LiveKeys lists the keys that may be used: not revoked, their user not
// disabled, their role no higher than the user's. Expired ones are among them,
// because time goes on while the list is in use.
func (s *Store) LiveKeys(ctx context.Context) ([]account.LiveKey, error) {
	var keys []account.LiveKey
	err := s.view(ctx, func(tx *sql.Tx) error {
		return each(ctx, tx, func(rows *sql.Rows) error {
			var role account.Role
			var profile string
			key, err := scanKey(rows, &role, &profile)
			key.Role = key.Role.Cap(role)
			keys = append(keys, account.LiveKey{Key: key, UserProfile: profile})
			return err
		}, "SELECT "+keyColumns+`, u.role, u.profile FROM api_keys k JOIN users u ON u.id = k.user_id
			WHERE k.revoked = 0 AND u.disabled = FALSE`)
	})
	if err != nil {
		return nil, fmt.Errorf("list live keys: %w", err)
	}
	return keys, nil
}

// RevokeKey ends a key, named by its id, its shown prefix or its name. It is
// refused everywhere from the next call on.
func (s *Store) RevokeKey(ctx context.Context, ref string) (account.Key, error) {
	var key account.Key
	err := s.update(ctx, Keys, func(tx *sql.Tx) error {
		found, err := findKeys(ctx, tx, ref)
		if err != nil {
			return err
		}
		switch {
		case len(found) == 0:
			return fault.New(fault.NotFound, "There is no live key %q. See the list of keys for their names and ids.", ref)
		case len(found) > 1:
			return fault.New(fault.Conflict, "%d keys fit %q. Name the one to revoke by its id.", len(found), ref)
		}
		key = found[0]
		key.Revoked = moment(millis(time.Now()))
		_, err = tx.ExecContext(ctx, "UPDATE api_keys SET revoked = $1 WHERE id = $2", millis(key.Revoked), key.ID)
		return err
	})
	if err != nil {
		return account.Key{}, fmt.Errorf("revoke key: %w", err)
	}
	return key, nil
}

// TouchKeys notes when keys were last used, many at once. A time before the one
// that is there changes nothing.
func (s *Store) TouchKeys(ctx context.Context, uses []account.Use) error {
	err := s.update(ctx, quiet, func(tx *sql.Tx) error {
		for _, use := range uses {
			at := millis(use.At)
			_, err := tx.ExecContext(ctx, "UPDATE api_keys SET last_used = $1 WHERE id = $2 AND last_used < $3", at, use.ID, at)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("note use of keys: %w", err)
	}
	return nil
}

// findKeys gives the live keys that ref names; an id is never ambiguous.
func findKeys(ctx context.Context, tx *sql.Tx, ref string) (found []account.Key, err error) {
	err = each(ctx, tx, func(rows *sql.Rows) error {
		key, err := scanKey(rows)
		found = append(found, key)
		return err
	}, "SELECT "+keyColumns+` FROM api_keys k
		WHERE k.revoked = 0 AND (k.id = $1 OR k.name = $2 OR k.prefix = $3)`, askable(ref), askable(ref), askable(ref))
	for _, key := range found {
		if key.ID == ref {
			return []account.Key{key}, err
		}
	}
	return found, err
}

func (s *Store) selectKeys(ctx context.Context, query string) (keys []account.Key, err error) {
	err = s.view(ctx, func(tx *sql.Tx) error {
		return each(ctx, tx, func(rows *sql.Rows) error {
			key, err := scanKey(rows)
			keys = append(keys, key)
			return err
		}, query)
	})
	return keys, err
}

func scanKey(row rowScanner, more ...any) (key account.Key, err error) {
	dest := append([]any{&key.ID, &key.Name, &key.User, &key.Role, &key.Profile, scanJSON{&key.Rights}, scanJSON{&key.Networks},
		&key.Prefix, scanHash{&key.Hash}, scanTime{&key.Created}, scanTime{&key.Expires}, scanTime{&key.LastUsed}, scanTime{&key.Revoked}}, more...)
	if err := row.Scan(dest...); err != nil {
		return key, err
	}
	if key.Hash == ([32]byte{}) {
		return key, fmt.Errorf("key %s has no hash", key.ID)
	}
	return key, nil
}
