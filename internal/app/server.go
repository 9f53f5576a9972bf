package app

import (
	"log/slog"
	"time"

	"drawbridge/internal/config"
	"drawbridge/internal/servers"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/tables"
)

// OpenServer makes a built-in server from its settings, for the gateway or to
// run alone.
func OpenServer(log *slog.Logger, e servers.Entry, s config.BuiltIn, db tables.DB, version string) (*kit.Server, error) {
	return e.New(kit.Settings{Mode: kit.Mode(s.Mode), Values: s.Settings},
		kit.Deps{Log: log, Now: time.Now, DB: db, Version: version})
}
