package memory

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"drawbridge/internal/servers/kit"
	"drawbridge/internal/tables"
)

// file is a file of the bank. A deleted one keeps its row, so that its versions
// go on counting when it is written again.
type file struct {
	id            int64 // 0: never existed
	project, name string
	version       int64
	content       string
	size          int64
	updated       int64
	deletedBy     int64
}

func (f file) live() bool { return f.id != 0 && f.deletedBy == 0 }

func (f file) uri() string { return kit.Expand(fileTemplate, f.project, f.name) }

// loadFile reads a file, deleted or not; one that never existed has id 0.
func loadFile(ctx context.Context, tx tables.Tx, user, project, name string) (file, error) {
	found, err := list(ctx, tx, func(scan func(...any) error) (f file, err error) {
		f.project, f.name = project, name
		err = scan(&f.id, &f.version, &f.content, &f.updated, &f.deletedBy)
		f.size = int64(len(f.content))
		return f, err
	}, "SELECT id, version, content, updated_at, deleted_by FROM memory_files WHERE user_id = $1 AND project = $2 AND name = $3", user, project, name)
	if err != nil {
		return file{}, fmt.Errorf("read file: %w", err)
	}
	if len(found) == 0 {
		return file{project: project, name: name}, nil
	}
	return found[0], nil
}

func (s *server) file(ctx context.Context, user, project, name string) (f file, err error) {
	err = s.read(ctx, func(tx tables.Tx) (err error) {
		f, err = loadFile(ctx, tx, user, project, name)
		return err
	})
	return f, err
}

// files are the live files of a project, or of all projects where it is "",
// sorted by bytes on both engines and without their contents.
func (s *server) files(ctx context.Context, user, project string) (all []file, err error) {
	sql, args := "SELECT id, project, name, version, octet_length(content), updated_at FROM memory_files WHERE user_id = $1 AND deleted_by = 0", []any{user}
	if project != "" {
		sql, args = sql+" AND project = $2", append(args, project)
	}
	err = s.read(ctx, func(tx tables.Tx) (err error) {
		all, err = list(ctx, tx, func(scan func(...any) error) (f file, err error) {
			return f, scan(&f.id, &f.project, &f.name, &f.version, &f.size, &f.updated)
		}, sql, args...)
		return err
	})
	slices.SortFunc(all, func(a, b file) int { return cmp.Or(cmp.Compare(a.project, b.project), cmp.Compare(a.name, b.name)) })
	return all, err
}

// changeFile lets change set a file's content, and saves it as a new version.
func (s *server) changeFile(ctx context.Context, c *kit.Call, project, name string, change func(*file) error) error {
	_, err := s.changedFile(ctx, c, project, name, change)
	return err
}

// changedFile is changeFile that gives the file as it is then.
func (s *server) changedFile(ctx context.Context, c *kit.Call, project, name string, change func(*file) error) (f file, err error) {
	appeared := false
	err = s.write(ctx, c, func(w *writer) error {
		before, err := loadFile(ctx, w.tx, w.user, project, name)
		if err != nil {
			return err
		}
		f = before
		if err := change(&f); err != nil {
			return err
		}
		appeared = !before.live()
		w.summary = "wrote " + project + "/" + name
		f, err = w.saveFile(ctx, before, f.content)
		return err
	})
	if err == nil {
		c.Updated(f.uri())
		if appeared {
			c.ResourcesChanged()
		}
	}
	return f, err
}

// saveFile writes the next version of a file and keeps the one before.
func (w *writer) saveFile(ctx context.Context, before file, content string) (file, error) {
	if err := storable(content); err != nil {
		return before, err
	}
	f := before
	f.version, f.content, f.updated, f.deletedBy, f.size = before.version+1, content, w.now, 0, int64(len(content))
	w.grown += f.size
	if before.id == 0 {
		id, _, err := one[int64](ctx, w.tx, `INSERT INTO memory_files (user_id, project, name, version, content, created_at, updated_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id`, w.user, f.project, f.name, f.version, f.content, w.now, w.now)
		if err != nil {
			return f, fmt.Errorf("write file: %w", err)
		}
		f.id = id
	} else {
		if err := w.keepVersion(ctx, before); err != nil {
			return f, fmt.Errorf("keep version: %w", err)
		}
		if err := w.exec(ctx, `UPDATE memory_files SET version = $1, content = $2, updated_at = $3, deleted_at = 0, deleted_by = 0 WHERE id = $4`,
			f.version, f.content, w.now, f.id); err != nil {
			return f, fmt.Errorf("write file: %w", err)
		}
	}
	return f, w.indexFile(ctx, f)
}

// keepVersion moves the content to the old versions, and the oldest of them out.
func (w *writer) keepVersion(ctx context.Context, f file) error {
	if err := w.exec(ctx, "INSERT INTO memory_file_versions (file_id, version, content, saved_at) VALUES ($1, $2, $3, $4)",
		f.id, f.version, f.content, f.updated); err != nil {
		return err
	}
	gone, err := list(ctx, w.tx, func(scan func(...any) error) (n int64, err error) { return n, scan(&n) },
		"DELETE FROM memory_file_versions WHERE file_id = $1 AND version <= $2 RETURNING octet_length(content)", f.id, f.version-maxVersions)
	for _, n := range gone {
		w.grown -= n
	}
	return err
}

// removeFile deletes a live file.
func (w *writer) removeFile(ctx context.Context, f file) error {
	if err := w.exec(ctx, "UPDATE memory_files SET deleted_at = $1, deleted_by = $2 WHERE id = $3", w.now, w.change, f.id); err != nil {
		return err
	}
	return w.unindex(ctx, fileDoc(f.id))
}

func (w *writer) indexFile(ctx context.Context, f file) error {
	return w.index(ctx, fileDoc(f.id), f.project+" "+f.name, f.content)
}
