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
			if err := setPasswordHash(ctx, tx, account.Admin, set); err != nil {
				return err
			}
		}
		return tx.QueryRowContext(ctx, "SELECT count(*) FROM api_keys").Scan(&keys)
	})
	if err == nil && keys == 0 {
		_, first.Key, err = s.CreateKey(ctx, account.KeyRequest{
			Name: firstKeyName, User: account.Admin, Role: account.RoleAdmin, Rights: account.FullRights(),
		})
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
	if err := checkUser(user); err != nil {
		return err
	}
	if user.Created.IsZero() {
		user.Created = time.Now()
	}
	err := s.update(ctx, Keys, func(tx *sql.Tx) error {
		if err := holdProfile(ctx, tx, user.Profile); err != nil {
			return missingProfile(err, user.Profile)
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO users (id, name, role, password_hash, profile, disabled, created)
			VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			user.ID, user.Name, string(user.Role), user.PasswordHash, user.Profile, user.Disabled, millis(user.Created))
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

func checkUser(user account.User) error {
	if err := errors.Join(account.CheckUserID(user.ID), account.CheckName("name", user.Name)); err != nil {
		return fault.New(fault.Invalid, "The user cannot be saved: %v.", err)
	}
	if !user.Role.Valid() {
		return fault.New(fault.Invalid, "Unknown role %q. Use %s or %s.", user.Role, account.RoleAdmin, account.RoleMember)
	}
	return nil
}

// User is one user.
func (s *Store) User(ctx context.Context, id string) (account.User, error) {
	users, err := s.selectUsers(ctx, "WHERE id = $1", askable(id))
	if err == nil && len(users) == 0 {
		err = noUser(id)
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

// ChangeUser changes a user's name, role and profile as change says, and whether it
// is disabled: shut out with its keys, grants and browser sessions, which have to
// begin anew when it is let in again. The last enabled admin with a password stays
// one. change must not use the store.
func (s *Store) ChangeUser(ctx context.Context, id string, change func(*account.User) error) (account.User, error) {
	var user account.User
	err := s.changeUser(ctx, id, func(tx *sql.Tx, before account.User) error {
		user = before
		if err := change(&user); err != nil {
			return err
		}
		user = account.User{
			ID: before.ID, Name: user.Name, Role: user.Role, Profile: user.Profile,
			PasswordHash: before.PasswordHash, Disabled: user.Disabled, Created: before.Created,
		}
		if err := checkUser(user); err != nil {
			return err
		}
		if user.Profile != before.Profile {
			if err := holdProfile(ctx, tx, user.Profile); err != nil {
				return missingProfile(err, user.Profile)
			}
		}
		if user.Role != account.RoleAdmin || user.Disabled {
			if err := keepAnAdmin(ctx, tx, before); err != nil {
				return err
			}
		}
		if user.Disabled {
			if err := endSignIns(ctx, tx, id); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, "UPDATE users SET name = $1, role = $2, profile = $3, disabled = $4 WHERE id = $5",
			user.Name, string(user.Role), user.Profile, user.Disabled, id)
		return err
	})
	return user, err
}

// SetUserDisabled is ChangeUser for that alone.
func (s *Store) SetUserDisabled(ctx context.Context, id string, disabled bool) error {
	_, err := s.ChangeUser(ctx, id, func(user *account.User) error { user.Disabled = disabled; return nil })
	return err
}

// SetPasswordHash replaces a user's password. Whoever came in with the old one is
// out: browser sessions end, grants are revoked.
func (s *Store) SetPasswordHash(ctx context.Context, id, hash string) error {
	return s.changeUser(ctx, id, func(tx *sql.Tx, user account.User) error {
		if hash == "" {
			if err := keepAnAdmin(ctx, tx, user); err != nil {
				return err
			}
		}
		return setPasswordHash(ctx, tx, id, hash)
	})
}

func setPasswordHash(ctx context.Context, tx *sql.Tx, id, hash string) error {
	_, err := tx.ExecContext(ctx, "UPDATE users SET password_hash = $1 WHERE id = $2", hash, id)
	if err != nil {
		return err
	}
	return signOut(ctx, tx, id)
}

// SignOutEverywhere ends a user's browser sessions and revokes its grants. Its
// keys stay.
func (s *Store) SignOutEverywhere(ctx context.Context, id string) error {
	return s.changeUser(ctx, id, func(tx *sql.Tx, _ account.User) error { return signOut(ctx, tx, id) })
}

// signOut needs the user's row to be held.
func signOut(ctx context.Context, tx *sql.Tx, user string) error {
	if err := endSignIns(ctx, tx, user); err != nil {
		return err
	}
	_, err := revokeGrants(ctx, tx, time.Now(), "user_id = $1", user)
	return err
}

// endSignIns ends browser sessions, and drops the codes that they have brought.
func endSignIns(ctx context.Context, tx *sql.Tx, user string) error {
	for _, table := range []string{"sign_ins", "codes"} {
		if _, err := tx.ExecContext(ctx, "DELETE FROM "+table+" WHERE user_id = $1", user); err != nil {
			return err
		}
	}
	return nil
}

// DeleteUser removes a user with its keys, grants, tokens, codes and browser
// sessions. Clients that acted for it act for nobody any more.
func (s *Store) DeleteUser(ctx context.Context, id string) error {
	if id == account.Admin {
		return fault.New(fault.Conflict, "The user %q cannot be deleted. Disable it instead.", id)
	}
	return s.changeUser(ctx, id, func(tx *sql.Tx, user account.User) error {
		if err := keepAnAdmin(ctx, tx, user); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "DELETE FROM users WHERE id = $1", id) // foreign keys take the rest with it
		return err
	})
}

// changeUser runs f with a user whose row is held.
func (s *Store) changeUser(ctx context.Context, id string, f func(*sql.Tx, account.User) error) error {
	err := s.update(ctx, Keys, func(tx *sql.Tx) error {
		if err := takeTurn(ctx, tx, turnAdmins); err != nil {
			return err
		}
		user, err := holdUser(ctx, tx, id)
		if errors.Is(err, sql.ErrNoRows) {
			return noUser(id)
		}
		if err != nil {
			return err
		}
		return f(tx, user)
	})
	if err != nil {
		return fmt.Errorf("change user: %w", err)
	}
	return nil
}

// keepAnAdmin refuses to take the last one away who could let somebody in again.
func keepAnAdmin(ctx context.Context, tx *sql.Tx, user account.User) error {
	if user.Role != account.RoleAdmin || user.Disabled || user.PasswordHash == "" {
		return nil
	}
	var others int
	err := tx.QueryRowContext(ctx, `SELECT count(*) FROM users
		WHERE role = $1 AND disabled = FALSE AND password_hash <> '' AND id <> $2`, string(account.RoleAdmin), user.ID).Scan(&others)
	if err == nil && others == 0 {
		err = fault.New(fault.Conflict, "%q is the last admin who can sign in. Give another user the role admin and a password first.", user.ID)
	}
	return err
}

// holdSigned takes the row of a user who has just given a password that hash is of:
// what comes of it is either here before the user is shut out or gets another
// password, and ends with that, or refused. sql.ErrNoRows if there is no such user,
// or not any more.
func holdSigned(ctx context.Context, tx *sql.Tx, id, hash string) error {
	user, err := holdUser(ctx, tx, id)
	switch {
	case err != nil:
		return err
	case user.Disabled:
		return sql.ErrNoRows
	case user.PasswordHash != hash:
		return fault.New(fault.Conflict, "The password was changed while it was checked. Start again, with the new one.")
	}
	return nil
}

func noUser(id string) error {
	return fault.New(fault.NotFound, "There is no user %q. See the list of users.", id)
}

func (s *Store) selectUsers(ctx context.Context, rest string, args ...any) (users []account.User, err error) {
	err = s.view(ctx, func(tx *sql.Tx) error {
		return each(ctx, tx, func(rows *sql.Rows) error {
			user, err := scanUser(rows)
			users = append(users, user)
			return err
		}, "SELECT "+userColumns+" FROM users "+rest, args...)
	})
	return users, err
}

const userColumns = "id, name, role, password_hash, profile, disabled, created"

func scanUser(row rowScanner) (u account.User, err error) {
	err = row.Scan(&u.ID, &u.Name, &u.Role, &u.PasswordHash, &u.Profile, &u.Disabled, scanTime{&u.Created})
	return u, err
}
