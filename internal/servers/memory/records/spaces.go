package records

import (
	"context"
	"strings"

	"drawbridge/internal/tables"
)

// spaceMark stands between a user and a space in what owns a row. No user's id and
// no space's name has it.
const spaceMark = "\x1f"

// Owner is what owns the state of a space of a user; "" is the space that every
// user starts with.
func Owner(user, space string) string {
	if space == "" {
		return user
	}
	return user + spaceMark + space
}

// userOf is the user of an owner: quotas are theirs, over all spaces.
func userOf(owner string) string {
	user, _, _ := strings.Cut(owner, spaceMark)
	return user
}

// Space is one of a user's spaces with what it has.
type Space struct {
	Name     string // "" for the one that every user starts with
	Entities int
	Files    int
}

// Spaces lists the spaces of a user that have something, sorted by name.
func (s *Store) Spaces(ctx context.Context, user string) (all []Space, err error) {
	err = s.db.Read(ctx, func(tx tables.Tx) error {
		all, err = list(ctx, tx, func(scan func(...any) error) (sp Space, err error) {
			var owner string
			err = scan(&owner, &sp.Entities, &sp.Files)
			_, sp.Name, _ = strings.Cut(owner, spaceMark)
			return sp, err
		}, `SELECT owner, sum(entities), sum(files) FROM (
				SELECT user_id AS owner, count(*) AS entities, 0 AS files FROM memory_entities
				WHERE deleted_by = 0 AND (user_id = $1 OR substr(user_id, 1, length($2)) = $3) GROUP BY user_id
				UNION ALL
				SELECT user_id, 0, count(*) FROM memory_files
				WHERE deleted_by = 0 AND (user_id = $4 OR substr(user_id, 1, length($5)) = $6) GROUP BY user_id) AS both_kinds
			GROUP BY owner ORDER BY owner`, user, user+spaceMark, user+spaceMark, user, user+spaceMark, user+spaceMark)
		return err
	})
	return all, err
}
