package session

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"
)

// The bounds on what is kept of a user beyond his sessions.
const (
	maxShots    = 30
	maxShotSize = 24 << 20 // bytes of all
	shelfTime   = time.Hour
)

// shelf is what a user keeps across his sessions.
type shelf struct {
	last  string // the session used last
	used  time.Time
	shots []Shot // oldest first
}

// Shot is a screenshot under its name.
type Shot struct {
	Name string
	PNG  []byte
}

// shelf finds or makes a user's. The lock is held.
func (s *Pool) shelf(user string) *shelf {
	one := s.users[user]
	if one == nil {
		one = &shelf{}
		s.users[user] = one
	}
	one.used = s.now()
	return one
}

// Keep puts a screenshot on the shelf. One of the same name goes, and the oldest
// where there are too many.
func (s *Pool) Keep(user, name string, png []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.shelf(user)
	one.shots = slices.DeleteFunc(one.shots, func(o Shot) bool { return o.Name == name })
	one.shots = append(one.shots, Shot{name, png})
	size := 0
	for i, o := range slices.Backward(one.shots) {
		if size += len(o.PNG); size > maxShotSize || len(one.shots)-i > maxShots {
			one.shots = slices.Clone(one.shots[i+1:])
			return
		}
	}
}

// Shots is the shelf of a user, oldest first.
func (s *Pool) Shots(user string) []Shot {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one := s.users[user]; one != nil {
		return slices.Clone(one.shots)
	}
	return nil
}

// LastConsole is the console of the session that a user has used last.
func (s *Pool) LastConsole(user string) []string {
	s.mu.Lock()
	one := s.users[user]
	var last *Session
	if one != nil {
		last = s.open[key{user, one.last}]
	}
	s.mu.Unlock()
	if last == nil {
		return nil
	}
	lines, _ := last.Console()
	return lines
}

// folderName is a key as the name of a folder.
func folderName(k key) string {
	sum := sha256.Sum256([]byte(k.user + "\x00" + k.name))
	return hex.EncodeToString(sum[:8])
}
