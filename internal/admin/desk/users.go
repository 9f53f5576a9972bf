package desk

import (
	"context"
	"fmt"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/secret"
)

// UserStore keeps users.
type UserStore interface {
	UserLister
	UserEditor
	UserDoor
}

// UserLister reads users.
type UserLister interface {
	User(ctx context.Context, id string) (account.User, error)
	Users(ctx context.Context) ([]account.User, error)
}

// UserEditor changes what users are. It keeps the last admin who can sign in from
// losing the role, from being disabled and from being deleted, and lets no user have
// a profile that does not exist.
type UserEditor interface {
	CreateUser(ctx context.Context, u account.User) error
	// ChangeUser makes a whole change or none; disabling ends browser sessions.
	ChangeUser(ctx context.Context, id string, change func(*account.User) error) (account.User, error)
	// DeleteUser kills keys, grants, tokens, codes and sessions in one transaction.
	DeleteUser(ctx context.Context, id string) error
}

// UserDoor decides how users come in.
type UserDoor interface {
	SetPasswordHash(ctx context.Context, id, hash string) error
	SignOutEverywhere(ctx context.Context, id string) error
}

// Users is the desk for users.
type Users struct {
	*book
	store UserStore
	hash  func(ctx context.Context, password secret.String) (string, error)
}

// NewUser is what a new user shall be. An empty password is made up.
type NewUser struct {
	ID       string
	Name     string // "": the id
	Role     account.Role
	Profile  string
	Password secret.String
}

// UserChange is what shall be different about a user; nil stays as it is.
type UserChange struct {
	Name     *string
	Role     *account.Role
	Profile  *string
	Disabled *bool
}

// The lengths of a password that somebody chose, in bytes (A22). The upper one
// bounds what is hashed.
const (
	minPassword = 12
	maxPassword = 1024
)

// List is all users.
func (u *Users) List(ctx context.Context) ([]account.User, error) {
	if _, err := caller(ctx); err != nil {
		return nil, err
	}
	return u.store.Users(ctx)
}

// Get is one user.
func (u *Users) Get(ctx context.Context, id string) (account.User, error) {
	if _, err := caller(ctx); err != nil {
		return account.User{}, err
	}
	return u.store.User(ctx, id)
}

// Create makes a user. It returns the password if it had to make one up.
func (u *Users) Create(ctx context.Context, n NewUser) (user account.User, password secret.String, err error) {
	err = u.change(ctx, "user.create", n.ID, func(account.Principal, *string) error {
		if n.Name == "" {
			n.Name = n.ID
		}
		user = account.User{ID: n.ID, Name: n.Name, Role: n.Role, Profile: n.Profile, Created: time.Now()}
		if err := checkUser(user); err != nil {
			return err
		}
		if user.PasswordHash, password, err = u.password(ctx, n.Password); err != nil {
			return err
		}
		return u.store.CreateUser(ctx, user)
	})
	if err != nil {
		return account.User{}, secret.String{}, err
	}
	return user, password, nil
}

// checkUser says what is wrong with a user, in words for whoever made it.
func checkUser(user account.User) error {
	if err := invalid(account.CheckUserID(user.ID), "The user cannot be saved"); err != nil {
		return err
	}
	if err := invalid(account.CheckName("name", user.Name), "The user cannot be saved"); err != nil {
		return err
	}
	if !user.Role.Valid() {
		return fault.New(fault.Invalid, "Unknown role %q. Use %s or %s.", user.Role, account.RoleAdmin, account.RoleMember)
	}
	return nil
}

// password gives the hash of a password, and the password if it was made up.
func (u *Users) password(ctx context.Context, chosen secret.String) (hash string, made secret.String, err error) {
	length := len(chosen.Reveal())
	switch {
	case chosen.Empty():
		chosen = secret.NewPassword()
		made = chosen
	case length < minPassword || length > maxPassword:
		return "", made, fault.New(fault.Invalid, "The password has %d characters. Choose one of %d to %d, or leave it out to have one made.", length, minPassword, maxPassword)
	}
	if hash, err = u.hash(ctx, chosen); err != nil {
		return "", secret.String{}, fmt.Errorf("hash password: %w", err)
	}
	return hash, made, nil
}

// Change changes a user. Nobody disables themselves: they could not take it back.
func (u *Users) Change(ctx context.Context, id string, c UserChange) (user account.User, err error) {
	err = u.change(ctx, "user.change", id, func(by account.Principal, _ *string) error {
		if c.Disabled != nil && *c.Disabled && by.User == id {
			return fault.New(fault.Conflict, "You are %q yourself and would be shut out at once. Ask another admin to disable this user.", id)
		}
		user, err = u.store.ChangeUser(ctx, id, func(user *account.User) error {
			set(&user.Name, c.Name)
			set(&user.Role, c.Role)
			set(&user.Profile, c.Profile)
			set(&user.Disabled, c.Disabled)
			return checkUser(*user)
		})
		return err
	})
	if err != nil {
		return account.User{}, err
	}
	return user, nil
}

// SetPassword replaces a user's password, or makes one up and returns it. Whatever
// is signed in as the user is signed out, and its grants end.
func (u *Users) SetPassword(ctx context.Context, id string, chosen secret.String) (made secret.String, err error) {
	err = u.change(ctx, "user.password", id, func(account.Principal, *string) error {
		if _, err := u.store.User(ctx, id); err != nil { // before the costly hash
			return err
		}
		var hash string
		if hash, made, err = u.password(ctx, chosen); err != nil {
			return err
		}
		return u.store.SetPasswordHash(ctx, id, hash)
	})
	if err != nil {
		return secret.String{}, err
	}
	return made, nil
}

// SignOut ends a user's browser sessions and grants. Its keys stay.
func (u *Users) SignOut(ctx context.Context, id string) error {
	return u.change(ctx, "user.sign-out", id, func(account.Principal, *string) error {
		return u.store.SignOutEverywhere(ctx, id)
	})
}

// Delete removes a user with its keys, grants and sessions. Nobody deletes
// themselves.
func (u *Users) Delete(ctx context.Context, id string) error {
	return u.change(ctx, "user.delete", id, func(by account.Principal, _ *string) error {
		if by.User == id {
			return fault.New(fault.Conflict, "You are %q yourself. Ask another admin to delete this user.", id)
		}
		return u.store.DeleteUser(ctx, id)
	})
}

// set writes what a change names.
func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}
