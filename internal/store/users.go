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

// First is what the first start made, to be shown once. Its fields are empty
// where nothing had to be made.
type First struct {
	Password secret.String // of the admin, when none was configured
	Key      secret.String // an admin key, when there was never a key
}

// firstKeyName is the name of the key that the first start makes.
const firstKeyName = "first key"

// Bootstrap makes sure that somebody can come in: the user admin with a
// password, and at least one key. password, when not empty, is the admin's from
// now on. Later calls change nothing but that.
func (s *Store) Bootstrap(ctx context.Context, password secret.String) (First, error) {
	var first First
	hash, err := s.adminHash(ctx)
	if err != nil {
		return first, fmt.Errorf("bootstrap: %w", err)
	}
	set := ""
	switch {
	case !password.Empty() && !secret.CheckPassword(hash, password):
		set = secret.HashPassword(password)
	case password.Empty() && hash == "":
		first.Password = secret.NewPassword()
		set = secret.HashPassword(first.Password)
	}
	var keys int
	err = s.update(ctx, Keys, func(tx *sql.Tx) error {
		if err := ensureAdmin(ctx, tx, time.Now()); err != nil {
			return err
		}
		if set != "" {
			_, err := tx.ExecContext(ctx, "UPDATE users SET password_hash = $1 WHERE id = $2", set, account.Admin)
			if err != nil {
				return err
			}
		}
		return tx.QueryRowContext(ctx, "SELECT count(*) FROM api_keys").Scan(&keys)
	})
	if err == nil && keys == 0 {
		_, first.Key, err = s.CreateKey(ctx, account.KeyRequest{Name: firstKeyName, User: account.Admin, Role: account.RoleAdmin})
	}
	if err != nil {
		return First{}, fmt.Errorf("bootstrap: %w", err)
	}
	return first, nil
}

// adminHash is the hash of the admin's password; "" if there is none yet.
func (s *Store) adminHash(ctx context.Context) (hash string, err error) {
	user, err := s.User(ctx, account.Admin)
	if fault.CodeOf(err) == fault.NotFound {
		return "", nil
	}
	return user.PasswordHash, err
}

func ensureAdmin(ctx context.Context, tx *sql.Tx, now time.Time) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO users (id, name, role, password_hash, disabled, created)
		VALUES ($1, 'Admin', $2, '', FALSE, $3) ON CONFLICT (id) DO NOTHING`,
		account.Admin, string(account.RoleAdmin), millis(now))
	return err
}

// CreateUser adds a user.
func (s *Store) CreateUser(ctx context.Context, user account.User) error {
	if err := errors.Join(account.CheckUserID(user.ID), account.CheckName("name", user.Name)); err != nil {
		return fault.New(fault.Invalid, "The user cannot be made: %v.", err)
	}
	if !user.Role.Valid() {
		return fault.New(fault.Invalid, "Unknown role %q. Use %s or %s.", user.Role, account.RoleAdmin, account.RoleMember)
	}
	if user.Created.IsZero() {
		user.Created = time.Now()
	}
	err := s.update(ctx, Keys, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO users (id, name, role, password_hash, disabled, created)
			VALUES ($1, $2, $3, $4, $5, $6)`,
			user.ID, user.Name, string(user.Role), user.PasswordHash, user.Disabled, millis(user.Created))
		if err != nil && s.engine.trouble(err) == duplicate {
			return fault.Wrap(err, fault.Conflict, "There is already a user %q. Choose another id.", user.ID)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("create user: %w", err)
	}
	return nil
}

// User is one user.
func (s *Store) User(ctx context.Context, id string) (account.User, error) {
	users, err := s.selectUsers(ctx, "WHERE id = $1", id)
	if err == nil && len(users) == 0 {
		err = fault.New(fault.NotFound, "There is no user %q. See the list of users.", id)
	}
	if err != nil {
		return account.User{}, fmt.Errorf("read user: %w", err)
	}
	return users[0], nil
}

// Users lists all users.
func (s *Store) Users(ctx context.Context) ([]account.User, error) {
	users, err := s.selectUsers(ctx, "ORDER BY id")
	if err != nil {
		return nil, fmt.Errorf("list users: %w", err)
	}
	return users, nil
}

// SetUserDisabled shuts a user out, keys included, or lets it in again.
func (s *Store) SetUserDisabled(ctx context.Context, id string, disabled bool) error {
	return s.changeUser(ctx, id, "UPDATE users SET disabled = $1 WHERE id = $2", disabled, id)
}

// SetPassword replaces a user's password.
func (s *Store) SetPassword(ctx context.Context, id string, password secret.String) error {
	return s.changeUser(ctx, id, "UPDATE users SET password_hash = $1 WHERE id = $2", secret.HashPassword(password), id)
}

// DeleteUser removes a user with its keys.
func (s *Store) DeleteUser(ctx context.Context, id string) error {
	if id == account.Admin {
		return fault.New(fault.Conflict, "The user %q cannot be deleted. Disable it instead.", id)
	}
	return s.changeUser(ctx, id, "DELETE FROM users WHERE id = $1", id)
}

func (s *Store) changeUser(ctx context.Context, id, query string, args ...any) error {
	err := s.update(ctx, Keys, func(tx *sql.Tx) error {
		n, err := affected(tx.ExecContext(ctx, query, args...))
		if err == nil && n == 0 {
			return fault.New(fault.NotFound, "There is no user %q. See the list of users.", id)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("change user: %w", err)
	}
	return nil
}

func (s *Store) selectUsers(ctx context.Context, rest string, args ...any) (users []account.User, err error) {
	err = s.view(ctx, func(tx *sql.Tx) error {
		return each(ctx, tx, func(rows *sql.Rows) error {
			var u account.User
			var created int64
			err := rows.Scan(&u.ID, &u.Name, &u.Role, &u.PasswordHash, &u.Disabled, &created)
			u.Created = moment(created)
			users = append(users, u)
			return err
		}, "SELECT id, name, role, password_hash, disabled, created FROM users "+rest, args...)
	})
	return users, err
}
