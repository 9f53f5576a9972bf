package records

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"drawbridge/internal/tables"
)

// File is a file of the bank. A deleted one keeps its row, so that its versions
// go on counting when it is written again.
type File struct {
	Project, Name string
	Version       int64
	Content       string
	Size          int64
	Updated       int64 // milliseconds since 1970

	id        int64 // 0: never existed
	deletedBy int64
}

// Known tells whether there ever was such a file that is still kept.
func (f File) Known() bool { return f.id != 0 }

// Live tells whether it is there and not deleted.
func (f File) Live() bool { return f.id != 0 && f.deletedBy == 0 }

// loadFile reads a file, deleted or not; one that never existed has id 0.
func loadFile(ctx context.Context, tx tables.Tx, user, project, name string) (File, error) {
	found, err := list(ctx, tx, func(scan func(...any) error) (f File, err error) {
		f.Project, f.Name = project, name
		err = scan(&f.id, &f.Version, &f.Content, &f.Updated, &f.deletedBy)
		f.Size = int64(len(f.Content))
		return f, err
	}, "SELECT id, version, content, updated_at, deleted_by FROM memory_files WHERE user_id = $1 AND project = $2 AND name = $3", user, project, name)
	if err != nil {
		return File{}, fmt.Errorf("read file: %w", err)
	}
	if len(found) == 0 {
		return File{Project: project, Name: name}, nil
	}
	return found[0], nil
}

// File reads a file of a user, deleted or not. One that never existed is not
// Known.
func (s *Store) File(ctx context.Context, user, project, name string) (f File, err error) {
	err = s.db.Read(ctx, func(tx tables.Tx) (err error) {
		f, err = loadFile(ctx, tx, user, project, name)
		return err
	})
	return f, err
}

// Files are the live files of a project, or of all projects where it is "",
// sorted by bytes on both engines and without their contents.
func (s *Store) Files(ctx context.Context, user, project string) (all []File, err error) {
	sql, args := "SELECT id, project, name, version, octet_length(content), updated_at FROM memory_files WHERE user_id = $1 AND deleted_by = 0", []any{user}
	if project != "" {
		sql, args = sql+" AND project = $2", append(args, project)
	}
	err = s.db.Read(ctx, func(tx tables.Tx) (err error) {
		all, err = list(ctx, tx, func(scan func(...any) error) (f File, err error) {
			return f, scan(&f.id, &f.Project, &f.Name, &f.Version, &f.Size, &f.Updated)
		}, sql, args...)
		return err
	})
	slices.SortFunc(all, func(a, b File) int { return cmp.Or(cmp.Compare(a.Project, b.Project), cmp.Compare(a.Name, b.Name)) })
	return all, err
}

// Projects are the names of a user's projects, sorted by bytes on both engines.
func (s *Store) Projects(ctx context.Context, user string) (all []string, err error) {
	err = s.db.Read(ctx, func(tx tables.Tx) (err error) {
		all, err = list(ctx, tx, func(scan func(...any) error) (p string, err error) { return p, scan(&p) },
			"SELECT DISTINCT project FROM memory_files WHERE user_id = $1 AND deleted_by = 0", user)
		return err
	})
	slices.Sort(all)
	return all, err
}

// Version is one version of a file.
type Version struct {
	Number, Size, Saved int64
}

// Versions are the older versions of a file that are kept, latest first.
func (s *Store) Versions(ctx context.Context, f File) (all []Version, err error) {
	err = s.db.Read(ctx, func(tx tables.Tx) (err error) {
		all, err = list(ctx, tx, func(scan func(...any) error) (v Version, err error) {
			return v, scan(&v.Number, &v.Size, &v.Saved)
		}, "SELECT version, octet_length(content), saved_at FROM memory_file_versions WHERE file_id = $1 ORDER BY version DESC", f.id)
		return err
	})
	return all, err
}

// Content is the content of a version of a file, the current one included; there
// is false when it is not kept.
func (s *Store) Content(ctx context.Context, f File, version int64) (content string, there bool, err error) {
	if version == f.Version {
		return f.Content, true, nil
	}
	err = s.db.Read(ctx, func(tx tables.Tx) (err error) {
		content, there, err = oldContent(ctx, tx, f, version)
		return err
	})
	return content, there, err
}

// Content is Store.Content inside a change.
func (c *Change) Content(ctx context.Context, f File, version int64) (content string, there bool, err error) {
	if version == f.Version {
		return f.Content, true, nil
	}
	return oldContent(ctx, c.tx, f, version)
}

func oldContent(ctx context.Context, tx tables.Tx, f File, version int64) (string, bool, error) {
	return one[string](ctx, tx, "SELECT content FROM memory_file_versions WHERE file_id = $1 AND version = $2", f.id, version)
}

// File reads a file of the change's user, as Store.File does.
func (c *Change) File(ctx context.Context, project, name string) (File, error) {
	return loadFile(ctx, c.tx, c.user, project, name)
}

// SaveFile writes the next version of a file and keeps the one before.
func (c *Change) SaveFile(ctx context.Context, before File, content string) (File, error) {
	if err := storable(content); err != nil {
		return before, err
	}
	f := before
	f.Version, f.Content, f.Updated, f.deletedBy, f.Size = before.Version+1, content, c.now, 0, int64(len(content))
	c.grown += f.Size
	if before.id == 0 {
		id, _, err := one[int64](ctx, c.tx, `INSERT INTO memory_files (user_id, project, name, version, content, created_at, updated_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id`, c.user, f.Project, f.Name, f.Version, f.Content, c.now, c.now)
		if err != nil {
			return f, fmt.Errorf("write file: %w", err)
		}
		f.id = id
	} else {
		if err := c.keepVersion(ctx, before); err != nil {
			return f, fmt.Errorf("keep version: %w", err)
		}
		if err := c.exec(ctx, `UPDATE memory_files SET version = $1, content = $2, updated_at = $3, deleted_at = 0, deleted_by = 0 WHERE id = $4`,
			f.Version, f.Content, c.now, f.id); err != nil {
			return f, fmt.Errorf("write file: %w", err)
		}
	}
	return f, c.indexFile(ctx, f)
}

// keepVersion moves the content to the old versions, and the oldest of them out.
func (c *Change) keepVersion(ctx context.Context, f File) error {
	if err := c.exec(ctx, "INSERT INTO memory_file_versions (file_id, version, content, saved_at) VALUES ($1, $2, $3, $4)",
		f.id, f.Version, f.Content, f.Updated); err != nil {
		return err
	}
	gone, err := list(ctx, c.tx, func(scan func(...any) error) (n int64, err error) { return n, scan(&n) },
		"DELETE FROM memory_file_versions WHERE file_id = $1 AND version <= $2 RETURNING octet_length(content)", f.id, f.Version-MaxVersions)
	for _, n := range gone {
		c.grown -= n
	}
	return err
}

// RemoveFile deletes a live file.
func (c *Change) RemoveFile(ctx context.Context, f File) error {
	if err := c.exec(ctx, "UPDATE memory_files SET deleted_at = $1, deleted_by = $2 WHERE id = $3", c.now, c.id, f.id); err != nil {
		return err
	}
	return c.unindex(ctx, fileDoc(f.id))
}

func (c *Change) indexFile(ctx context.Context, f File) error {
	return c.index(ctx, fileDoc(f.id), f.Project+" "+f.Name, f.Content)
}
