package store

import (
	"context"

	"drawbridge/internal/fault"
)

// Lock takes the lock that only one serve can have on a database; commands of
// the CLI work beside it without. release gives it back. The system gives it
// back when the process dies.
func (s *Store) Lock(ctx context.Context) (release func(), err error) {
	return s.engine.lock(ctx, s)
}

func locked(err error, where string) error {
	return fault.Wrap(err, fault.Conflict,
		"Another `drawbridge serve` is running on the database %s. Stop it, or give this one another --state-dir.", where)
}
