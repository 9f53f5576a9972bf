// Package gitstore is the git side of the fake: blobs, trees and commits under the names
// git gives them, branches, merges and diffs, in memory. Only the fake uses it. It knows
// plain files only, and merges by file: where both sides changed one, it is a conflict.
package gitstore

import (
	"crypto/sha1" // git names its objects so
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Tree is a tree, flat: path to the name of a blob.
type Tree map[string]string

// Person is who made a commit.
type Person struct{ Name, Email string }

// Commit is one commit.
type Commit struct {
	SHA, Message string
	Author       Person
	When         time.Time
	Parents      []string
	Files        Tree
}

// Title is the first line of the message.
func (c *Commit) Title() string { t, _, _ := strings.Cut(c.Message, "\n"); return t }

// Store is the git side of one repository. Objects have the names git would give
// them, so that a client may compute or compare them. Only plain files are kept.
type Store struct {
	Blobs    map[string]string
	Commits  map[string]*Commit
	Branches map[string]string
	Tags     map[string]string
}

// New makes an empty one.
func New() *Store {
	return &Store{Blobs: map[string]string{}, Commits: map[string]*Commit{}, Branches: map[string]string{}, Tags: map[string]string{}}
}

// Fork shares objects, which never change, and copies names.
func (g *Store) Fork() *Store {
	return &Store{Blobs: maps.Clone(g.Blobs), Commits: maps.Clone(g.Commits), Branches: maps.Clone(g.Branches), Tags: maps.Clone(g.Tags)}
}

// Fetch takes over what another repository has, as before a pull request across forks.
func (g *Store) Fetch(from *Store) {
	maps.Copy(g.Blobs, from.Blobs)
	maps.Copy(g.Commits, from.Commits)
}

// Hash is the name git gives an object.
func Hash(kind string, content []byte) string {
	sum := sha1.Sum(append([]byte(kind+" "+strconv.Itoa(len(content))+"\x00"), content...))
	return hex.EncodeToString(sum[:])
}

// Put keeps a file's content and returns its name.
func (g *Store) Put(content string) string {
	sha := Hash("blob", []byte(content))
	g.Blobs[sha] = content
	return sha
}

// Commit makes a commit of a tree; it moves no branch.
func (g *Store) Commit(f Tree, message string, by Person, when time.Time, parents ...string) *Commit {
	var b strings.Builder
	fmt.Fprintf(&b, "tree %s\n", TreeSHA(f, ""))
	for _, p := range parents {
		fmt.Fprintf(&b, "parent %s\n", p)
	}
	stamp := fmt.Sprintf("%s <%s> %d +0000", by.Name, by.Email, when.Unix())
	fmt.Fprintf(&b, "author %s\ncommitter %s\n\n%s\n", stamp, stamp, message)
	c := &Commit{SHA: Hash("commit", []byte(b.String())), Message: message, Author: by, When: when, Parents: parents, Files: f}
	g.Commits[c.SHA] = c
	return c
}

// Resolve finds what a branch, a tag or the beginning of a sha stands for.
func (g *Store) Resolve(ref string) *Commit {
	ref = strings.TrimPrefix(strings.TrimPrefix(ref, "refs/heads/"), "refs/tags/")
	if sha, ok := g.Branches[ref]; ok {
		return g.Commits[sha]
	}
	if sha, ok := g.Tags[ref]; ok {
		return g.Commits[sha]
	}
	if len(ref) < 7 {
		return nil
	}
	for sha, c := range g.Commits {
		if strings.HasPrefix(sha, ref) {
			return c
		}
	}
	return nil
}

// Log is a commit and all before it, newest first.
func (g *Store) Log(sha string) []*Commit {
	seen := map[string]bool{}
	var out []*Commit
	for todo := []string{sha}; len(todo) > 0; todo = todo[1:] {
		c := g.Commits[todo[0]]
		if c == nil || seen[c.SHA] {
			continue
		}
		seen[c.SHA] = true
		out = append(out, c)
		todo = append(todo, c.Parents...)
	}
	slices.SortStableFunc(out, func(a, b *Commit) int { return b.When.Compare(a.When) })
	return out
}

// Ahead are the commits of head that base does not have, newest first.
func (g *Store) Ahead(base, head string) []*Commit {
	old := map[string]bool{}
	for _, c := range g.Log(base) {
		old[c.SHA] = true
	}
	return slices.DeleteFunc(g.Log(head), func(c *Commit) bool { return old[c.SHA] })
}

// MergeBase is the newest commit both come from, "" if there is none.
func (g *Store) MergeBase(a, b string) string {
	mine := g.Log(a)
	for _, c := range g.Log(b) {
		if slices.Contains(mine, c) {
			return c.SHA
		}
	}
	return ""
}

// Merge joins two trees over their common one. A file that both sides changed, each in
// its own way, is a conflict.
func Merge(base, ours, theirs Tree) (Tree, bool) {
	out := maps.Clone(ours)
	for _, path := range slices.Concat(slices.Collect(maps.Keys(base)), slices.Collect(maps.Keys(theirs))) {
		b, o, t := base[path], ours[path], theirs[path]
		switch {
		case o == t || b == t: // same, or only ours changed
		case b != o:
			return nil, false
		case t == "":
			delete(out, path)
		default:
			out[path] = t
		}
	}
	return out, true
}

// Node is one entry of a folder.
type Node struct {
	Name, Path, SHA string
	Dir             bool
}

// Folder lists a folder of a tree as git sorts it; nil if there is none.
func Folder(f Tree, dir string) []Node {
	if dir != "" {
		dir += "/"
	}
	found := map[string]Node{}
	for path, sha := range f {
		rest, inside := strings.CutPrefix(path, dir)
		if !inside {
			continue
		}
		if name, _, deeper := strings.Cut(rest, "/"); deeper {
			found[name] = Node{Name: name, Path: dir + name, Dir: true}
		} else {
			found[name] = Node{Name: name, Path: path, SHA: sha}
		}
	}
	out := slices.Collect(maps.Values(found))
	for i := range out {
		if out[i].Dir {
			out[i].SHA = TreeSHA(f, out[i].Path)
		}
	}
	key := func(n Node) string {
		if n.Dir {
			return n.Name + "/"
		}
		return n.Name
	}
	slices.SortFunc(out, func(a, b Node) int { return strings.Compare(key(a), key(b)) })
	return out
}

// Deep lists a tree with all folders in it.
func Deep(f Tree, dir string) []Node {
	var out []Node
	for _, n := range Folder(f, dir) {
		out = append(out, n)
		if n.Dir {
			out = append(out, Deep(f, n.Path)...)
		}
	}
	return out
}

// TreeSHA is the name of a folder.
func TreeSHA(f Tree, dir string) string {
	var b []byte
	for _, n := range Folder(f, dir) {
		mode := "100644 "
		if n.Dir {
			mode = "40000 "
		}
		raw, _ := hex.DecodeString(n.SHA)
		b = append(append(append(b, mode+n.Name...), 0), raw...)
	}
	return Hash("tree", b)
}
