package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/secret"
)

// Backend is a backend that was added by the CLI or the UI, not by a
// configuration file.
type Backend struct {
	Name    string
	Spec    json.RawMessage          // without secrets; config knows its form
	Secrets map[string]secret.String // e.g. header and environment values, by path in Spec
	Enabled bool
	Created time.Time
	Updated time.Time
}

// Backends lists the backends, by name.
func (s *Store) Backends(ctx context.Context) ([]Backend, error) {
	var found []Backend
	err := s.view(ctx, func(tx *sql.Tx) error {
		return each(ctx, tx, func(rows *sql.Rows) error {
			b, err := s.scanBackend(rows)
			found = append(found, b)
			return err
		}, "SELECT name, spec, secrets, enabled, created, updated FROM backends ORDER BY name")
	})
	if err != nil {
		return nil, fmt.Errorf("list backends: %w", err)
	}
	return found, nil
}

// PutBackend adds a backend or replaces the one of that name. Times are set by
// the store.
func (s *Store) PutBackend(ctx context.Context, b Backend) error {
	if b.Name == "" || !json.Valid(b.Spec) {
		return fault.New(fault.Invalid, "The backend needs a name and a specification in JSON. Correct them.")
	}
	sealed, err := s.sealSecrets(b)
	if err != nil {
		return fmt.Errorf("put backend: %w", err)
	}
	now := millis(time.Now())
	err = s.update(ctx, Backends, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO backends (name, spec, secrets, enabled, created, updated)
			VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (name) DO UPDATE SET spec = excluded.spec, secrets = excluded.secrets,
				enabled = excluded.enabled, updated = excluded.updated`,
			b.Name, string(b.Spec), sealed, b.Enabled, now, now)
		return err
	})
	if err != nil {
		return fmt.Errorf("put backend: %w", err)
	}
	return nil
}

// SetBackendEnabled switches a backend on or off.
func (s *Store) SetBackendEnabled(ctx context.Context, name string, enabled bool) error {
	return s.changeBackend(ctx, name, "UPDATE backends SET enabled = $1, updated = $2 WHERE name = $3",
		enabled, millis(time.Now()), name)
}

// DeleteBackend removes a backend with its secrets.
func (s *Store) DeleteBackend(ctx context.Context, name string) error {
	return s.changeBackend(ctx, name, "DELETE FROM backends WHERE name = $1", name)
}

func (s *Store) changeBackend(ctx context.Context, name, query string, args ...any) error {
	err := s.update(ctx, Backends, func(tx *sql.Tx) error {
		n, err := affected(tx.ExecContext(ctx, query, args...))
		if err == nil && n == 0 {
			return fault.New(fault.NotFound, "No backend %q was added by hand. One from the configuration file is changed there.", name)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("change backend: %w", err)
	}
	return nil
}

func (s *Store) scanBackend(rows *sql.Rows) (b Backend, err error) {
	var spec string
	var sealed []byte
	var created, updated int64
	if err := rows.Scan(&b.Name, &spec, &sealed, &b.Enabled, &created, &updated); err != nil {
		return b, err
	}
	b.Spec, b.Created, b.Updated = json.RawMessage(spec), moment(created), moment(updated)
	if len(sealed) == 0 {
		return b, nil
	}
	plain, err := s.ring.Open(secretsOf(b.Name), sealed)
	if err != nil {
		return b, fmt.Errorf("backend %s: %w", b.Name, err)
	}
	var values map[string]string
	if err := json.Unmarshal(plain, &values); err != nil {
		return b, fmt.Errorf("backend %s: secrets: %w", b.Name, err)
	}
	b.Secrets = make(map[string]secret.String, len(values))
	for k, v := range values {
		b.Secrets[k] = secret.New(v)
	}
	return b, nil
}

func (s *Store) sealSecrets(b Backend) ([]byte, error) {
	if len(b.Secrets) == 0 {
		return []byte{}, nil
	}
	values := make(map[string]string, len(b.Secrets))
	for k, v := range b.Secrets {
		values[k] = v.Reveal()
	}
	plain, err := json.Marshal(values)
	if err != nil {
		return nil, err
	}
	return s.ring.Seal(secretsOf(b.Name), plain), nil
}

func secretsOf(backend string) secret.Place {
	return secret.Place{Table: "backends", Row: backend, Column: "secrets"}
}
