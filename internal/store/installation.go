package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/secret"
)

const (
	markerName  = "initialized"
	keyFileName = "secret.key"
	markerText  = "# Drawbridge wrote this at its first start. It proves that there is a database; without\n" +
		"# one, Drawbridge refuses to start rather than begin anew. Remove this file only to begin anew.\n"
)

var secretPlace = secret.Place{Table: "installation", Row: "1", Column: "secret"}

// marker is the note in the state directory that there was a first start.
type marker struct{ installation string }

func markerPath(stateDir string) string { return filepath.Join(stateDir, markerName) }

func readMarker(stateDir string) (marker, error) {
	text, err := os.ReadFile(markerPath(stateDir))
	if errors.Is(err, fs.ErrNotExist) {
		return marker{}, nil
	}
	if err != nil {
		return marker{}, fault.Wrap(err, fault.Unavailable, "The file %s cannot be read. Make it readable for the user that runs Drawbridge.", markerPath(stateDir))
	}
	for line := range bytes.Lines(text) {
		if id, ok := strings.CutPrefix(string(line), "installation "); ok && strings.TrimSpace(id) != "" {
			return marker{strings.TrimSpace(id)}, nil
		}
	}
	// Cut or empty: it still proves that there was a first start.
	return marker{"?"}, nil
}

// missing refuses to begin anew where there once was a database.
func missing(where, stateDir string) error {
	marker := markerPath(stateDir)
	return fault.Wrap(ErrMissing, fault.Conflict,
		"The database %s is missing or empty, but %s shows that Drawbridge has run here. Put the database back from a backup or correct where it is looked for. To begin anew with no users and keys, remove %s.", where, marker, marker)
}

// identify reads who this installation is, or decides it at the very first
// start: its public id, and the secret, which only the key file can open.
func (s *Store) identify(ctx context.Context, stateDir string, mark marker) error {
	id, sealed, err := s.installationRow(ctx)
	if err != nil {
		return fmt.Errorf("read installation: %w", err)
	}
	keyFile := filepath.Join(stateDir, keyFileName)
	if id != "" {
		if _, err := os.Stat(keyFile); errors.Is(err, fs.ErrNotExist) {
			return keyFault(err, keyFile)
		}
	}
	if s.ring, err = secret.LoadRing(keyFile); err != nil {
		return keyFault(err, keyFile)
	}
	if id == "" {
		if id, sealed, err = s.createInstallation(ctx); err != nil {
			return fmt.Errorf("create installation: %w", err)
		}
	}
	if _, err := s.ring.Open(secretPlace, sealed); err != nil {
		return keyFault(err, keyFile)
	}
	s.installation = id
	if mark.installation == id {
		return nil
	}
	if mark.installation != "" && mark.installation != "?" {
		return fault.Wrap(ErrForeign, fault.Conflict,
			"The database %s belongs to another installation than the state directory %s. Use the two that belong together; if you moved the database here on purpose, remove %s.",
			s.engine.where(), stateDir, markerPath(stateDir))
	}
	if err := secret.WriteFile(markerPath(stateDir), []byte(markerText+"installation "+id+"\n")); err != nil {
		return fmt.Errorf("write marker: %w", err)
	}
	return nil
}

func keyFault(err error, keyFile string) error {
	return fault.Wrap(errors.Join(ErrKeyFile, err), fault.Conflict,
		"The key file %s is missing, unreadable or does not fit the database. Put it back from a backup, owned by the user that runs Drawbridge and with mode 0600; the secrets in the database cannot be read without it.", keyFile)
}

func (s *Store) installationRow(ctx context.Context) (id string, sealed []byte, err error) {
	err = s.writer.QueryRowContext(ctx, "SELECT id, secret FROM installation").Scan(&id, &sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil, nil
	}
	return id, sealed, err
}

// createInstallation returns what is in the database afterwards: another process
// may have been faster.
func (s *Store) createInstallation(ctx context.Context) (id string, sealed []byte, err error) {
	random := make([]byte, 16+32)
	rand.Read(random) // never fails; crypto/rand ends the program instead
	_, err = s.writer.ExecContext(ctx, `INSERT INTO installation (one, id, secret, created) VALUES (1, $1, $2, $3)
		ON CONFLICT (one) DO NOTHING`,
		hex.EncodeToString(random[:16]), s.ring.Seal(secretPlace, random[16:]), millis(time.Now()))
	if err != nil {
		return "", nil, err
	}
	return s.installationRow(ctx)
}

// Installation is the random public id of this installation.
func (s *Store) Installation() string { return s.installation }

// InstallationSecret is 32 bytes that never change; secret.Derive makes keys of
// it, one per purpose.
func (s *Store) InstallationSecret(ctx context.Context) ([]byte, error) {
	var sealed []byte
	if err := s.reader.QueryRowContext(ctx, "SELECT secret FROM installation").Scan(&sealed); err != nil {
		return nil, s.coded(fmt.Errorf("read installation secret: %w", err))
	}
	plain, err := s.ring.Open(secretPlace, sealed)
	if err != nil {
		return nil, fmt.Errorf("read installation secret: %w", err)
	}
	return plain, nil
}
