package store

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/oauth"
)

const (
	grantColumns = `g.id, g.user_id, g.client_id, g.client_name, g.resource, g.rights, g.role,
		g.created, g.last_used, g.expires, g.revoked,
		u.role, u.disabled, u.profile, coalesce(c.kind, ''), coalesce(c.may_admin, FALSE)`
	grantTables = "grants g JOIN users u ON u.id = g.user_id LEFT JOIN clients c ON c.id = g.client_id"
)

// grantRow is a grant with what decides, beside itself, whether it may be used.
type grantRow struct {
	account.Grant
	disabled bool // its user is
	orphan   bool // its client is gone
	profile  string
}

// live tells whether the grant may be used at now.
func (g *grantRow) live(now time.Time) bool { return g.Live(now) && !g.disabled && !g.orphan }

func scanGrant(row rowScanner, more ...any) (g grantRow, err error) {
	var userRole account.Role
	var kind oauth.Kind
	var mayAdmin bool
	dest := append([]any{&g.ID, &g.User, &g.Client, &g.ClientName, &g.Resource, scanJSON{&g.Rights}, &g.Role,
		scanTime{&g.Created}, scanTime{&g.LastUsed}, scanTime{&g.Expires}, scanTime{&g.Revoked},
		&userRole, &g.disabled, &g.profile, &kind, &mayAdmin}, more...)
	if err := row.Scan(dest...); err != nil {
		return grantRow{}, err
	}
	g.orphan = kind == ""
	g.Role = allowedRole(g.Role, userRole, kind, mayAdmin)
	return g, nil
}

// Grants lists the grants of a user, or everybody's for "", the newest last,
// ended ones included. A grant's role is the one it has now.
func (s *Store) Grants(ctx context.Context, user string) (grants []account.Grant, err error) {
	query, args := "SELECT "+grantColumns+" FROM "+grantTables, []any{}
	if user != "" {
		query, args = query+" WHERE g.user_id = $1", []any{askable(user)}
	}
	err = s.view(ctx, func(tx *sql.Tx) error {
		return each(ctx, tx, func(rows *sql.Rows) error {
			g, err := scanGrant(rows)
			grants = append(grants, g.Grant)
			return err
		}, query+" ORDER BY g.created, g.id", args...)
	})
	if err != nil {
		return nil, fmt.Errorf("list grants: %w", err)
	}
	return grants, nil
}

// Grant is one grant.
func (s *Store) Grant(ctx context.Context, id string) (account.Grant, error) {
	g, err := scanGrant(s.reader.QueryRowContext(ctx, "SELECT "+grantColumns+" FROM "+grantTables+" WHERE g.id = $1", askable(id)))
	if errors.Is(err, sql.ErrNoRows) {
		err = fault.New(fault.NotFound, "There is no grant %q. See the list of grants.", id)
	}
	if err != nil {
		return account.Grant{}, fmt.Errorf("read grant: %w", s.coded(err))
	}
	return g.Grant, nil
}

// RevokeGrant ends a grant with all its tokens. They are refused everywhere from
// the next call on.
func (s *Store) RevokeGrant(ctx context.Context, id string) (account.Grant, error) {
	g, err := s.changeGrant(ctx, id, func(tx *sql.Tx, g *account.Grant) error {
		g.Revoked = moment(millis(time.Now()))
		_, err := revokeGrant(ctx, tx, g.Revoked, id)
		return err
	})
	if err != nil {
		return account.Grant{}, fmt.Errorf("revoke grant: %w", err)
	}
	return g, nil
}

// SetGrantRights replaces what a grant allows, from its next call on.
func (s *Store) SetGrantRights(ctx context.Context, id string, r account.Rights) (account.Grant, error) {
	if err := r.Check(); err != nil {
		return account.Grant{}, fault.New(fault.Invalid, "The rights cannot be set: %v.", err)
	}
	g, err := s.changeGrant(ctx, id, func(tx *sql.Tx, g *account.Grant) error {
		g.Rights = r
		rights, err := jsonColumn(r)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "UPDATE grants SET rights = $1 WHERE id = $2", rights, id)
		return err
	})
	if err != nil {
		return account.Grant{}, fmt.Errorf("set rights of grant: %w", err)
	}
	return g, nil
}

// changeGrant runs f with a live grant whose row is held.
func (s *Store) changeGrant(ctx context.Context, id string, f func(*sql.Tx, *account.Grant) error) (account.Grant, error) {
	var g grantRow
	err := s.update(ctx, Keys, func(tx *sql.Tx) (err error) {
		g, err = holdGrant(ctx, tx, id)
		if errors.Is(err, sql.ErrNoRows) || err == nil && !g.Live(time.Now()) {
			return fault.New(fault.NotFound, "There is no live grant %q. See the list of grants.", id)
		}
		if err != nil {
			return err
		}
		return f(tx, &g.Grant)
	})
	return g.Grant, err
}

// TouchGrants notes when grants, and with them their clients, were last used. A
// time before the one that is there changes nothing.
func (s *Store) TouchGrants(ctx context.Context, uses []account.Use) error {
	uses = slices.Clone(uses)
	slices.SortFunc(uses, func(a, b account.Use) int { return cmp.Compare(a.ID, b.ID) }) // one order for all
	err := s.update(ctx, quiet, func(tx *sql.Tx) error {
		for _, query := range []string{
			`UPDATE clients SET last_used = $1 WHERE id = (SELECT client_id FROM grants WHERE id = $2) AND last_used < $3`,
			`UPDATE grants SET last_used = $1 WHERE id = $2 AND last_used < $3`,
		} {
			for _, use := range uses {
				if _, err := tx.ExecContext(ctx, query, millis(use.At), use.ID, millis(use.At)); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("note use of grants: %w", err)
	}
	return nil
}

// insertGrant gives the grant its id and adds it. machine tells that it is the
// client's own.
func insertGrant(ctx context.Context, tx *sql.Tx, g *account.Grant, machine bool) error {
	g.ID = "grant_" + strings.ToLower(rand.Text()[:12])
	// The client chose its name; a part that cannot be kept is no reason to turn it away.
	g.ClientName = strings.ReplaceAll(strings.ToValidUTF8(g.ClientName, ""), "\x00", "")
	rights, err := jsonColumn(g.Rights)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO grants
		(id, user_id, client_id, client_name, resource, rights, role, machine, created, last_used, expires, revoked)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, $10, 0)`,
		g.ID, g.User, g.Client, g.ClientName, g.Resource, rights, string(g.Role), machine, millis(g.Created), millis(g.Expires))
	return err
}

// revokeGrant ends a grant; false means that it has ended already.
func revokeGrant(ctx context.Context, tx *sql.Tx, at time.Time, id string) (bool, error) {
	n, err := affected(tx.ExecContext(ctx, "UPDATE grants SET revoked = $1 WHERE id = $2 AND revoked = 0", millis(at), id))
	return n > 0, err
}

// revokeGrants ends all grants of a user or client whose row is held. One by one,
// because two that ended the same grants in different orders would wait for each
// other.
func revokeGrants(ctx context.Context, tx *sql.Tx, at time.Time, of, value string) (revoked int, err error) {
	var ids []string
	err = each(ctx, tx, func(rows *sql.Rows) error {
		var id string
		err := rows.Scan(&id)
		ids = append(ids, id)
		return err
	}, "SELECT id FROM grants WHERE revoked = 0 AND "+of+" ORDER BY id", value)
	if err != nil {
		return 0, err
	}
	for _, id := range ids {
		did, err := revokeGrant(ctx, tx, at, id)
		if err != nil {
			return 0, err
		}
		if did {
			revoked++
		}
	}
	return revoked, nil
}
