package store

import (
	"context"
	"database/sql"
	"fmt"

	"drawbridge/internal/account"
	"drawbridge/internal/oauth"
)

// On SQLite writing transactions run one after another. On PostgreSQL they
// overlap, and each statement sees what was committed when it began. So whoever
// decides on what it reads writes the row first that stands for it, without
// changing it: another that wants this row waits for the end of the transaction,
// and then reads what that one left. The order is always turn, user, client,
// profile, grant, code, token, so that no two wait for each other.

// turn is what transactions of one kind queue for.
type turn string

const (
	turnAdmins        turn = "admins"        // that may take away the last admin
	turnRegistrations turn = "registrations" // that count clients
)

func takeTurn(ctx context.Context, tx *sql.Tx, t turn) error {
	n, err := affected(tx.ExecContext(ctx, "UPDATE turns SET taken = taken + 1 WHERE name = $1", string(t)))
	if err == nil && n != 1 {
		err = fmt.Errorf("there is no turn %q", t)
	}
	return err
}

// holdUser takes a user's row; sql.ErrNoRows if there is none.
func holdUser(ctx context.Context, tx *sql.Tx, id string) (account.User, error) {
	return scanUser(tx.QueryRowContext(ctx, "UPDATE users SET created = created WHERE id = $1 RETURNING "+userColumns, askable(id)))
}

// holdClient takes a client's row; sql.ErrNoRows if there is none.
func holdClient(ctx context.Context, tx *sql.Tx, id string) (oauth.Client, error) {
	return scanClient(tx.QueryRowContext(ctx, "UPDATE clients SET created = created WHERE id = $1 RETURNING "+clientColumns, askable(id)))
}

// holdProfile takes a profile's row, so that it is not deleted while something is
// bound to it; sql.ErrNoRows if there is none. "" is no profile and always fine.
func holdProfile(ctx context.Context, tx *sql.Tx, name string) error {
	if name == "" {
		return nil
	}
	n, err := affected(tx.ExecContext(ctx, "UPDATE profiles SET rules = rules WHERE name = $1", askable(name)))
	if err == nil && n == 0 {
		err = sql.ErrNoRows
	}
	return err
}

// holdGrant takes a grant's row; sql.ErrNoRows if there is none.
func holdGrant(ctx context.Context, tx *sql.Tx, id string) (grantRow, error) {
	if _, err := tx.ExecContext(ctx, "UPDATE grants SET created = created WHERE id = $1", askable(id)); err != nil {
		return grantRow{}, err
	}
	return scanGrant(tx.QueryRowContext(ctx, "SELECT "+grantColumns+" FROM "+grantTables+" WHERE g.id = $1", askable(id)))
}
