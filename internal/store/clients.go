package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"drawbridge/internal/account"
	"drawbridge/internal/fault"
	"drawbridge/internal/oauth"
)

const clientColumns = "id, kind, metadata, secret_hash, may_admin, coalesce(machine_user, ''), machine_rights, created, last_used, source"

// Of clients that can go without harm: never used, nothing hangs on them.
const idleClient = `last_used = 0 AND may_admin = FALSE
	AND NOT EXISTS (SELECT 1 FROM grants g WHERE g.client_id = clients.id)
	AND NOT EXISTS (SELECT 1 FROM codes o WHERE o.client_id = clients.id)`

// CreateClient adds a client that an admin has entered.
func (s *Store) CreateClient(ctx context.Context, c oauth.Client) error {
	c.Kind = oauth.Static
	err := s.update(ctx, quiet, func(tx *sql.Tx) error { return s.insertClient(ctx, tx, c) })
	if err != nil {
		return fmt.Errorf("create client: %w", err)
	}
	return nil
}

// RegisterClient adds a client that registered itself. There are at most limit of
// that kind: at the limit the oldest go that were never used.
func (s *Store) RegisterClient(ctx context.Context, c oauth.Client, limit int) error {
	c.Kind = oauth.Registered
	err := s.update(ctx, quiet, func(tx *sql.Tx) error {
		if err := takeTurn(ctx, tx, turnRegistrations); err != nil {
			return err
		}
		var count int
		err := tx.QueryRowContext(ctx, "SELECT count(*) FROM clients WHERE kind = $1", string(oauth.Registered)).Scan(&count)
		if err != nil {
			return err
		}
		if excess := count + 1 - limit; excess > 0 {
			n, err := affected(tx.ExecContext(ctx, `DELETE FROM clients WHERE id IN (SELECT id FROM clients
				WHERE kind = $1 AND `+idleClient+` ORDER BY created, id LIMIT $2)`, string(oauth.Registered), excess))
			if err != nil {
				return err
			}
			if n < int64(excess) {
				return fault.New(fault.Limited, "There are too many registered clients. Try again later, or ask an admin to delete some.")
			}
		}
		return s.insertClient(ctx, tx, c)
	})
	if err != nil {
		return fmt.Errorf("register client: %w", err)
	}
	return nil
}

// SaveDocumentClient keeps what the metadata document of a client says now. What
// an admin has decided about the client stays.
func (s *Store) SaveDocumentClient(ctx context.Context, c oauth.Client) error {
	c.Kind = oauth.Document
	if askable(c.ID) == "" {
		return noClientID()
	}
	metadata, rights, err := clientJSON(c)
	if err != nil {
		return fmt.Errorf("save client: %w", err)
	}
	err = s.update(ctx, quiet, func(tx *sql.Tx) error {
		n, err := affected(tx.ExecContext(ctx, `INSERT INTO clients
			(id, kind, metadata, secret_hash, may_admin, machine_user, machine_rights, created, last_used, source)
			VALUES ($1, $2, $3, $4, FALSE, NULL, $5, $6, 0, $7)
			ON CONFLICT (id) DO UPDATE SET metadata = excluded.metadata WHERE clients.kind = excluded.kind`,
			c.ID, string(c.Kind), metadata, []byte{}, rights, millis(created(c)), c.Source))
		if err == nil && n == 0 {
			return clientExists(nil, c.ID)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("save client: %w", err)
	}
	return nil
}

// Client is one client.
func (s *Store) Client(ctx context.Context, id string) (oauth.Client, error) {
	c, err := scanClient(s.reader.QueryRowContext(ctx, "SELECT "+clientColumns+" FROM clients WHERE id = $1", askable(id)))
	if err != nil {
		return oauth.Client{}, fmt.Errorf("read client: %w", s.coded(missingClient(err, id)))
	}
	return c, nil
}

// Clients lists all clients, the newest last.
func (s *Store) Clients(ctx context.Context) (clients []oauth.Client, err error) {
	err = s.view(ctx, func(tx *sql.Tx) error {
		return each(ctx, tx, func(rows *sql.Rows) error {
			c, err := scanClient(rows)
			clients = append(clients, c)
			return err
		}, "SELECT "+clientColumns+" FROM clients ORDER BY created, id")
	})
	if err != nil {
		return nil, fmt.Errorf("list clients: %w", err)
	}
	return clients, nil
}

// ChangeClient changes a client as change says; its id, kind and times stay. When
// it is to act for somebody else or with other rights, its own grants end. change
// must not use the store.
func (s *Store) ChangeClient(ctx context.Context, id string, change func(*oauth.Client) error) (oauth.Client, error) {
	var c oauth.Client
	err := s.update(ctx, Keys, func(tx *sql.Tx) error {
		before, err := holdClient(ctx, tx, id)
		if err != nil {
			return missingClient(err, id)
		}
		c = before
		if err := change(&c); err != nil {
			return err
		}
		c.ID, c.Kind, c.Created, c.LastUsed, c.Source = before.ID, before.Kind, before.Created, before.LastUsed, before.Source
		if err := checkMachine(c); err != nil {
			return err
		}
		metadata, rights, err := clientJSON(c)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE clients SET metadata = $1, secret_hash = $2, may_admin = $3,
			machine_user = NULLIF($4, ''), machine_rights = $5 WHERE id = $6`,
			metadata, hashColumn(c.SecretHash), c.MayAdmin, c.MachineUser, rights, id)
		if err != nil {
			return s.noMachineUser(err, c)
		}
		if sameMachine(before, c) {
			return nil
		}
		_, err = revokeGrants(ctx, tx, time.Now(), "machine = TRUE AND client_id = $1", id)
		return err
	})
	if err != nil {
		return oauth.Client{}, fmt.Errorf("change client: %w", err)
	}
	return c, nil
}

// DeleteClient removes a client. Its grants are revoked, its codes dropped.
func (s *Store) DeleteClient(ctx context.Context, id string) error {
	err := s.update(ctx, Keys, func(tx *sql.Tx) error {
		n, err := affected(tx.ExecContext(ctx, "DELETE FROM clients WHERE id = $1", askable(id))) // foreign keys take its codes
		if err != nil {
			return err
		}
		if n == 0 {
			return missingClient(sql.ErrNoRows, id)
		}
		_, err = revokeGrants(ctx, tx, time.Now(), "client_id = $1", id)
		return err
	})
	if err != nil {
		return fmt.Errorf("delete client: %w", err)
	}
	return nil
}

// PurgeClients removes clients that came by themselves longer than unused ago and
// that nobody has let in since.
func (s *Store) PurgeClients(ctx context.Context, now time.Time, unused time.Duration) (removed int64, err error) {
	err = s.update(ctx, quiet, func(tx *sql.Tx) error {
		removed, err = affected(tx.ExecContext(ctx, "DELETE FROM clients WHERE kind <> $1 AND created <= $2 AND "+idleClient,
			string(oauth.Static), millis(now.Add(-unused))))
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("purge clients: %w", err)
	}
	return removed, nil
}

func (s *Store) insertClient(ctx context.Context, tx *sql.Tx, c oauth.Client) error {
	if askable(c.ID) == "" {
		return noClientID()
	}
	if err := checkMachine(c); err != nil {
		return err
	}
	metadata, rights, err := clientJSON(c)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO clients
		(id, kind, metadata, secret_hash, may_admin, machine_user, machine_rights, created, last_used, source)
		VALUES ($1, $2, $3, $4, $5, NULLIF($6, ''), $7, $8, 0, $9)`,
		c.ID, string(c.Kind), metadata, hashColumn(c.SecretHash), c.MayAdmin, c.MachineUser, rights, millis(created(c)), c.Source)
	if err != nil && s.engine.trouble(err) == duplicate {
		return clientExists(err, c.ID)
	}
	return s.noMachineUser(err, c)
}

func (s *Store) noMachineUser(err error, c oauth.Client) error {
	if err != nil && s.engine.trouble(err) == orphan {
		return fault.Wrap(err, fault.NotFound, "There is no user %q. Create the user first.", c.MachineUser)
	}
	return err
}

// checkMachine refuses a client that would act for a user without rights.
func checkMachine(c oauth.Client) error {
	if c.MachineUser == "" {
		return nil
	}
	if err := c.MachineRights.Check(); err != nil {
		return fault.New(fault.Invalid, "The client cannot be saved: %v.", err)
	}
	return nil
}

// sameMachine tells whether what a client may do by itself is the same.
func sameMachine(a, b oauth.Client) bool {
	mayAsk := func(c oauth.Client) bool { return slices.Contains(c.Metadata.GrantTypes, oauth.GrantMachine) }
	return a.MachineUser == b.MachineUser && a.MayAdmin == b.MayAdmin && mayAsk(a) == mayAsk(b) &&
		a.MachineRights.Within(b.MachineRights) && b.MachineRights.Within(a.MachineRights)
}

func clientJSON(c oauth.Client) (metadata, rights string, err error) {
	if metadata, err = jsonColumn(c.Metadata); err != nil {
		return "", "", err
	}
	rights, err = jsonColumn(c.MachineRights)
	return metadata, rights, err
}

func created(c oauth.Client) time.Time {
	if c.Created.IsZero() {
		return time.Now()
	}
	return c.Created
}

func noClientID() error {
	return fault.New(fault.Invalid, "The client has no id that can be kept. Give it another one.")
}

func clientExists(err error, id string) error {
	return fault.Wrap(err, fault.Conflict, "There is already a client %q. Choose another id, or delete that client first.", id)
}

// missingClient puts into words that a client was not found.
func missingClient(err error, id string) error {
	if errors.Is(err, sql.ErrNoRows) {
		return fault.New(fault.NotFound, "There is no client %q. See the list of clients.", id)
	}
	return err
}

func scanClient(row rowScanner) (c oauth.Client, err error) {
	err = row.Scan(&c.ID, &c.Kind, scanJSON{&c.Metadata}, scanHash{&c.SecretHash}, &c.MayAdmin,
		&c.MachineUser, scanJSON{&c.MachineRights}, scanTime{&c.Created}, scanTime{&c.LastUsed}, &c.Source)
	return c, err
}

// useClient notes that a client was used; a time before the one that is there
// changes nothing.
func useClient(ctx context.Context, tx *sql.Tx, id string, at time.Time) error {
	_, err := tx.ExecContext(ctx, "UPDATE clients SET last_used = $1 WHERE id = $2 AND last_used < $3", millis(at), id, millis(at))
	return err
}

// allowedRole is the role that a grant has for as long as this is so: what was
// ticked, no more than its user's, and no admin through a client that no admin
// has let in.
func allowedRole(ticked, user account.Role, kind oauth.Kind, mayAdmin bool) account.Role {
	if kind != oauth.Static && !mayAdmin {
		return account.RoleMember
	}
	return ticked.Cap(user)
}
