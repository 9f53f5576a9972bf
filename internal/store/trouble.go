package store

import (
	"context"
	"errors"

	"drawbridge/internal/fault"
)

// trouble is a kind of database failure, the same for both engines.
type trouble int

const (
	other       trouble = iota
	duplicate           // a unique constraint
	orphan              // a foreign key names no row
	full                // no space, read-only, no rights
	busy                // locked for longer than the busy timeout
	corrupt             // the file is damaged
	unsynced            // fsync failed: what was written may not be on the disk
	unreachable         // no connection
)

// coded gives err the code and public text of its kind. What already has a code,
// and the end of a context, stay as they are.
func (s *Store) coded(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	switch s.engine.trouble(err) {
	case full:
		return fault.Wrap(err, fault.Unavailable, "Drawbridge cannot write to its database now: the disk is full or read-only. Free some space, then try again.")
	case busy:
		return fault.Wrap(err, fault.Unavailable, "The database is busy. Try again in a few seconds.")
	case corrupt:
		err = corruptFault(err, s.engine.where())
		s.fail(err)
		return err
	case unsynced:
		err = fault.Wrap(err, fault.Unavailable, "Drawbridge cannot be sure that its database reaches the disk, and stopped writing. Check the disk, then start it again.")
		s.fail(err)
		return err
	case unreachable:
		return fault.Wrap(errors.Join(ErrUnreachable, err), fault.Unavailable, "Drawbridge cannot reach its database now. Try again in a few seconds.")
	}
	return err
}

func corruptFault(err error, where string) error {
	return fault.Wrap(errors.Join(ErrCorrupt, err), fault.Unavailable,
		"The database %s is damaged. Drawbridge has left it as it is: keep a copy, then restore the latest backup in its place.", where)
}
