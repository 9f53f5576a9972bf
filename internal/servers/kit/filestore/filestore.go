// Package filestore keeps files that calls hand over to later calls: a download
// of a browser, a file to upload. They are in a temporary folder, belong to one
// user, are bounded, and go away by themselves.
//
// A reference says nothing of where a file is and opens only for its user. Names
// are for people and never become part of a path. Package kit gives servers what
// the program made.
package filestore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"drawbridge/internal/fault"
)

// File is one kept file.
type File struct {
	Ref      string    `json:"ref" jsonschema:"Give this to a tool that takes a file."`
	Name     string    `json:"name"`
	MIMEType string    `json:"mime_type,omitempty"`
	Size     int64     `json:"size"`
	Expires  time.Time `json:"expires"`
}

// Limits bound what is kept. None may be zero.
type Limits struct {
	File      int64         // bytes of one file
	User      int64         // bytes of a user's files
	All       int64         // bytes of all files
	UserFiles int           // files of a user; an empty one takes room, too
	AllFiles  int           // files in all
	Keep      time.Duration // how long
}

// DefaultLimits are for a home: a gigabyte in all.
func DefaultLimits() Limits {
	return Limits{File: 100 << 20, User: 250 << 20, All: 1 << 30, UserFiles: 500, AllFiles: 5000, Keep: 24 * time.Hour}
}

// refPrefix starts every reference.
const refPrefix = "file_"

const maxName = 200

// Store is a folder of files. Safe for concurrent use.
type Store struct {
	dir    string
	limits Limits
	now    func() time.Time

	mu     sync.Mutex // guards files and coming
	files  map[string]kept
	coming map[string]int // files that are being written, by user
}

type kept struct {
	File
	user string
}

// Open makes a store in a folder of its own below dir ("" is the system's). What
// an earlier process left is not taken over: references end with the process.
func Open(dir string, limits Limits, now func() time.Time) (*Store, error) {
	if min(limits.File, limits.User, limits.All, int64(limits.UserFiles), int64(limits.AllFiles), int64(limits.Keep)) <= 0 {
		return nil, fmt.Errorf("open files: a limit is missing: %+v", limits)
	}
	own, err := os.MkdirTemp(dir, "drawbridge-files-")
	if err != nil {
		return nil, fmt.Errorf("make folder for files: %w", err)
	}
	return &Store{dir: own, limits: limits, now: now, files: map[string]kept{}, coming: map[string]int{}}, nil
}

// Close removes the folder with all files.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files = map[string]kept{}
	return os.RemoveAll(s.dir)
}

// Put keeps what content has, for a user. The whole of it is read before the
// reference exists; what does not fit the limits is not kept.
func (s *Store) Put(ctx context.Context, user string, f File, content io.Reader) (File, error) {
	if err := s.clean(); err != nil {
		return File{}, err
	}
	if err := s.begin(user); err != nil {
		return File{}, err
	}
	defer s.end(user)
	out, err := os.CreateTemp(s.dir, "part-")
	if err != nil {
		return File{}, fmt.Errorf("create file: %w", err)
	}
	defer os.Remove(out.Name()) // is gone where the file was kept
	n, err := io.Copy(out, io.LimitReader(reader{ctx, content}, s.limits.File+1))
	if err = errors.Join(err, out.Close()); err != nil {
		return File{}, fmt.Errorf("write file: %w", err)
	}
	if n > s.limits.File {
		return File{}, fault.New(fault.Limited, "The file is larger than the %d bytes that are kept. Take a smaller one.", s.limits.File)
	}
	f.Ref, f.Size, f.Expires = refPrefix+rand.Text(), n, s.now().Add(s.limits.Keep)
	f.Name = cleanName(f.Name)

	s.mu.Lock()
	defer s.mu.Unlock()
	mine, all := s.used(user)
	if mine+n > s.limits.User || all+n > s.limits.All {
		return File{}, fault.New(fault.Limited, "There is no room for a file of %d bytes. Files go away %s after they were made; try again later, or take a smaller one.", n, s.limits.Keep)
	}
	if err := os.Rename(out.Name(), s.path(f.Ref)); err != nil {
		return File{}, fmt.Errorf("keep file: %w", err)
	}
	s.files[f.Ref] = kept{f, user}
	return f, nil
}

// begin takes a place for a file that is being written, so that many at once are not
// more than may be kept.
func (s *Store) begin(user string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	mine, all := s.coming[user], len(s.files)
	for _, n := range s.coming {
		all += n
	}
	for _, f := range s.files {
		if f.user == user {
			mine++
		}
	}
	switch {
	case mine >= s.limits.UserFiles:
		return fault.New(fault.Limited, "You have %d files, and no more are kept. They go away %s after they were made; try again later.", mine, s.limits.Keep)
	case all >= s.limits.AllFiles:
		return fault.New(fault.Limited, "There is no room for another file. Files go away %s after they were made; try again later.", s.limits.Keep)
	}
	s.coming[user]++
	return nil
}

func (s *Store) end(user string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.coming[user]--; s.coming[user] == 0 {
		delete(s.coming, user)
	}
}

// Open opens a user's file by its reference. The caller closes it.
func (s *Store) Open(_ context.Context, user, ref string) (io.ReadCloser, File, error) {
	s.mu.Lock()
	f, ok := s.files[ref]
	s.mu.Unlock()
	if !ok || f.user != user || s.now().After(f.Expires) {
		return nil, File{}, errNoFile()
	}
	content, err := os.Open(s.path(ref))
	if errors.Is(err, os.ErrNotExist) { // cleaned in between
		return nil, File{}, errNoFile()
	}
	if err != nil {
		return nil, File{}, fmt.Errorf("open file: %w", err)
	}
	return content, f.File, nil
}

func errNoFile() error {
	return fault.New(fault.NotFound, "There is no file with this reference, or it has expired. Make it again with the tool that made it.")
}

// used counts bytes. The lock is held.
func (s *Store) used(user string) (mine, all int64) {
	for _, f := range s.files {
		all += f.Size
		if f.user == user {
			mine += f.Size
		}
	}
	return mine, all
}

// clean removes what has expired.
func (s *Store) clean() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	for ref, f := range s.files {
		if now.After(f.Expires) {
			delete(s.files, ref)
			if err := os.Remove(s.path(ref)); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("remove file: %w", err)
			}
		}
	}
	return nil
}

func (s *Store) path(ref string) string { return filepath.Join(s.dir, ref) }

// cleanName keeps the last element of a name, for people to recognise it.
func cleanName(name string) string {
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(name, ""))
	for len(name) > maxName {
		name = string([]rune(name)[:len([]rune(name))-1])
	}
	if name == "" || name == "." || name == ".." {
		return "file"
	}
	return name
}

// reader ends with its context.
type reader struct {
	ctx context.Context
	io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}
