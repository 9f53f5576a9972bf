package tree

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// errNotFile is for paths such as /dev/zero that have no end.
var errNotFile = errors.New("not a regular file")

// ReadFile reads a regular file of at most maxFile bytes.
func ReadFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errNotFile
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		return nil, fmt.Errorf("larger than %d bytes", maxFile)
	}
	return data, err
}

// FileReason says in the user's words why a file could not be read.
func FileReason(err error) string {
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "does not exist"
	case errors.Is(err, os.ErrPermission):
		return "may not be read by this user"
	case errors.Is(err, errNotFile):
		return "is not a regular file"
	}
	return "cannot be read"
}

// Absolute is path, or path below dir where it is relative.
func Absolute(path, dir string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}
