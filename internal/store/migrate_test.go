package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pressly/goose/v3"

	"drawbridge/internal/account"
	"drawbridge/internal/secret"
	"drawbridge/internal/store"
	"drawbridge/internal/store/storetest"
	"drawbridge/internal/tables"
)

// schemaOne makes a database as the first version of Drawbridge left it.
func schemaOne(t *testing.T, cfg store.Config, statements ...string) {
	t.Helper()
	driver, dsn, engine, dialect := "sqlite", file(cfg), tables.SQLite, goose.DialectSQLite3
	if !cfg.URL.Empty() {
		driver, dsn, engine, dialect = "pgx", cfg.URL.Reveal(), tables.Postgres, goose.DialectPostgres
	}
	db, err := sql.Open(driver, dsn)
	must(t, err)
	defer db.Close()
	provider, err := goose.NewProvider(dialect, db, os.DirFS("migrations/"+engine),
		goose.WithDisableGlobalRegistry(true), goose.WithSlog(slog.New(slog.DiscardHandler)))
	must(t, err)
	_, err = provider.UpTo(t.Context(), 1)
	must(t, err)
	for _, statement := range statements {
		_, err := db.ExecContext(t.Context(), statement)
		must(t, err)
	}
}

// An upgrade from the first schema: keys go on working for everything they did,
// what is made afterwards has the rights it was given and no more.
func TestOpen_upgradesSchemaOne(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		value, hash := secret.NewToken(secret.PrefixKey)
		blob := map[bool]string{true: "x'%s'", false: `'\x%s'`}[cfg.URL.Empty()]
		schemaOne(t, cfg,
			`INSERT INTO users (id, name, role, password_hash, disabled, created)
				VALUES ('admin', 'Admin', 'admin', 'phc', FALSE, 1), ('anna', 'Anna', 'member', '', TRUE, 2)`,
			`INSERT INTO api_keys (id, name, user_id, role, prefix, hash, created, expires, last_used, revoked)
				VALUES ('key_one', 'first key', 'admin', 'admin', 'dbk_x', `+fmt.Sprintf(blob, hex.EncodeToString(hash[:]))+`, 3, 0, 4, 0)`,
			strings.ReplaceAll(`INSERT INTO audit_chains (id, base_seq, base_hash, base_sign, head_seq, head_hash, head_sign)
				VALUES ('c1', 0, B, B, 1, B, B)`, "B", fmt.Sprintf(blob, strings.Repeat("07", 32))),
			`INSERT INTO audit (chain, seq, time, entry, hash)
				SELECT num, 1, 1700000000000001, '{"user":"an\"na","credential":"c","client":"","backend":"b","method":"tools/call",'
				|| '"target":"b_t","decision":"allowed","outcome":"ok","duration_us":5,"size_in":6,"size_out":7,"ref":0}', `+
				fmt.Sprintf(blob, strings.Repeat("07", 32))+` FROM audit_chains`,
		)
		s := storetest.Open(t, cfg)
		keys, err := s.LiveKeys(t.Context())
		must(t, err)
		if len(keys) != 1 || keys[0].Hash != secret.Hash(value.Reveal()) || keys[0].Role != account.RoleAdmin ||
			keys[0].Profile != "" || keys[0].UserProfile != "" || len(keys[0].Networks) != 0 || keys[0].LastUsed.IsZero() {
			t.Fatalf("keys %+v", keys)
		}
		if diff := cmp.Diff(account.FullRights(), keys[0].Rights); diff != "" {
			t.Errorf("rights of an old key: %s", diff)
		}
		if !account.NewAccess(keys[0].Rights).All() {
			t.Error("an old key is held back")
		}
		if anna, err := s.User(t.Context(), "anna"); err != nil || !anna.Disabled || anna.Profile != "" {
			t.Errorf("anna %+v: %v", anna, err)
		}
		raises(t, s, true, "revoking an old key", func(ctx context.Context) {
			_, err := s.RevokeKey(ctx, "key_one")
			must(t, err)
		})
		register(t, s, "app")
		if _, m := granted(t, s, account.Admin, "app"); !isLive(t, s, m.Access) {
			t.Error("the new tables do not work")
		}
		var records []account.ChainedRecord
		must(t, s.AuditRecords(t.Context(), account.AuditFilter{User: `an"na`}, func(r account.ChainedRecord) error {
			records = append(records, r)
			return nil
		}))
		if diff := cmp.Diff([]account.ChainedRecord{{Chain: "c1", Seq: 1, Hash: [32]byte(bytes.Repeat([]byte{7}, 32)), Record: account.Record{
			Time: time.UnixMicro(1700000000000001).UTC(), User: `an"na`, Credential: "c", Backend: "b", Method: "tools/call", Target: "b_t",
			Decision: account.Allowed, Outcome: account.Succeeded, Duration: 5 * time.Microsecond, SizeIn: 6, SizeOut: 7,
		}}}, records); diff != "" {
			t.Errorf("the audit log: %s", diff)
		}
		if cfg.URL.Empty() {
			if _, err := os.Stat(file(cfg) + ".schema1.backup"); err != nil {
				t.Errorf("no copy of the database before the upgrade: %v", err)
			}
		}
	})
}

// A row that says nothing of rights has none: no way past this package may make a
// key for everything.
func TestMigration_defaultIsNothing(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, cfg store.Config) {
		s := storetest.Open(t, cfg)
		people(t, s)
		blob := map[bool]string{true: "x'%064d'", false: `'\x%064d'`}[cfg.URL.Empty()]
		raw(t, cfg, `INSERT INTO api_keys (id, name, user_id, role, prefix, hash, created, expires, last_used, revoked)
			VALUES ('key_two', 'k', 'anna', 'member', 'dbk_x', `+fmt.Sprintf(blob, 1)+`, 1, 0, 0, 0)`)
		keys, err := s.LiveKeys(t.Context())
		if err != nil || len(keys) != 1 || account.NewAccess(keys[0].Rights).Backend("a") {
			t.Errorf("keys %+v: %v", keys, err)
		}
	})
}
