package gitstore

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Change is one file between two trees.
type Change struct {
	Path, From     string // From: its former path, where it moved
	Status         string // added, deleted, renamed, changed (swagger ChangedFile)
	Added, Removed int
	old, now       string // names of the blobs, "" where there is none
	hunks          []hunk
}

type hunk struct {
	oldStart, newStart int // of the first line, from 1
	section            string
	lines              []line
}

// line is one of a hunk: ' ' in both, '-' only old, '+' only new.
type line struct {
	kind byte
	text string
}

func (h hunk) count(kind byte) (n int) {
	for _, l := range h.lines {
		if l.kind == ' ' || l.kind == kind {
			n++
		}
	}
	return n
}

func (h hunk) String() string {
	var b strings.Builder
	start := func(at, n int) string {
		switch n {
		case 0:
			at--
		case 1: // git leaves a count of one out
			return strconv.Itoa(at)
		}
		return fmt.Sprintf("%d,%d", at, n)
	}
	fmt.Fprintf(&b, "@@ -%s +%s @@%s\n", start(h.oldStart, h.count('-')), start(h.newStart, h.count('+')), h.section)
	for _, l := range h.lines {
		b.WriteByte(l.kind)
		b.WriteString(l.text)
		if !strings.HasSuffix(l.text, "\n") {
			b.WriteString("\n\\ No newline at end of file\n")
		}
	}
	return b.String()
}

// Changes compares two trees. A file that went and came back whole under another path
// was renamed.
func (g *Store) Changes(old, now Tree) []Change {
	var out []Change
	moved := map[string]bool{}
	paths := slices.Compact(slices.Sorted(slices.Values(slices.Concat(slices.Collect(maps.Keys(old)), slices.Collect(maps.Keys(now))))))
	for _, path := range paths {
		if old[path] != "" || now[path] == "" {
			continue
		}
		c := Change{Path: path, Status: "added", now: now[path]}
		for _, from := range paths {
			if old[from] == now[path] && now[from] == "" && !moved[from] {
				c.Status, c.From, moved[from] = "renamed", from, true
				break
			}
		}
		if c.Status == "added" {
			c.compare("", g.Blobs[now[path]])
		}
		out = append(out, c)
	}
	for _, path := range paths {
		switch o, n := old[path], now[path]; {
		case o == "" || o == n || moved[path]:
		case n == "":
			c := Change{Path: path, Status: "deleted", old: o}
			c.compare(g.Blobs[o], "")
			out = append(out, c)
		default:
			c := Change{Path: path, Status: "changed", old: o, now: n}
			c.compare(g.Blobs[o], g.Blobs[n])
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b Change) int { return strings.Compare(a.Path, b.Path) })
	return out
}

// around is how many equal lines surround a change in a hunk.
const around = 3

func (c *Change) compare(old, now string) {
	var h *hunk
	oldLine, newLine, quiet := 1, 1, around*2+1
	var before []line // equal lines that may become the head of a hunk
	for _, l := range diffLines(old, now) {
		if l.kind == ' ' {
			quiet++
			before = append(before, l)
			if h != nil && quiet <= around {
				h.lines = append(h.lines, l)
			}
		} else {
			if h == nil || quiet > around*2 {
				lead := before[max(0, len(before)-around):]
				c.hunks = append(c.hunks, hunk{oldStart: oldLine - len(lead), newStart: newLine - len(lead),
					section: section(old, oldLine-len(lead)), lines: slices.Clone(lead)})
				h = &c.hunks[len(c.hunks)-1]
			} else if quiet > around {
				h.lines = append(h.lines, before[around:]...)
			}
			h.lines = append(h.lines, l)
			quiet, before = 0, nil
		}
		if l.kind != '+' {
			oldLine++
		}
		if l.kind != '-' {
			newLine++
		}
		switch l.kind {
		case '+':
			c.Added++
		case '-':
			c.Removed++
		}
	}
}

// section is what git puts behind the numbers of a hunk: the last line above it that
// begins like the head of a function.
func section(old string, first int) string {
	above := slices.Collect(strings.Lines(old))[:first-1]
	for _, l := range slices.Backward(above) {
		if strings.IndexFunc(l, func(r rune) bool { return r == '_' || r == '$' || unicode.IsLetter(r) }) == 0 {
			return " " + strings.TrimSpace(l)
		}
	}
	return ""
}

// diffLines is the shortest way from old to now, by their longest common subsequence.
func diffLines(old, now string) []line {
	a, b := slices.Collect(strings.Lines(old)), slices.Collect(strings.Lines(now))
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i, x := range slices.Backward(a) {
		for j, y := range slices.Backward(b) {
			common[i][j] = max(common[i+1][j], common[i][j+1])
			if x == y {
				common[i][j] = common[i+1][j+1] + 1
			}
		}
	}
	var out []line
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			out = append(out, line{' ', a[i]})
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			out = append(out, line{'-', a[i]})
			i++
		default:
			out = append(out, line{'+', b[j]})
			j++
		}
	}
	return out
}

// Patch is the change as git prints it.
func (c Change) Patch() string {
	from := c.Path
	if c.From != "" {
		from = c.From
	}
	var b strings.Builder
	fmt.Fprintf(&b, "diff --git a/%s b/%s\n", from, c.Path)
	oldName, newName := "a/"+from, "b/"+c.Path
	switch c.Status {
	case "added":
		b.WriteString("new file mode 100644\n")
		oldName = "/dev/null"
	case "deleted":
		b.WriteString("deleted file mode 100644\n")
		newName = "/dev/null"
	case "renamed":
		fmt.Fprintf(&b, "similarity index 100%%\nrename from %s\nrename to %s\n", from, c.Path)
	}
	if c.From == "" {
		short := func(sha string) string { return (sha + "0000000")[:7] }
		fmt.Fprintf(&b, "index %s..%s", short(c.old), short(c.now))
		if c.old != "" && c.now != "" {
			b.WriteString(" 100644")
		}
		b.WriteByte('\n')
	}
	if len(c.hunks) > 0 {
		fmt.Fprintf(&b, "--- %s\n+++ %s\n", oldName, newName)
	}
	for _, h := range c.hunks {
		b.WriteString(h.String())
	}
	return b.String()
}

// Excerpt is the hunk a comment on a line sits in, up to that line; "" if the diff does
// not show the line. Lines are numbers in the new or the old file (ref 4.2: positions).
func (c Change) Excerpt(at int, inOld bool) string {
	for _, h := range c.hunks {
		oldLine, newLine := h.oldStart, h.newStart
		for i, l := range h.lines {
			if inOld && l.kind != '+' && oldLine == at || !inOld && l.kind != '-' && newLine == at {
				h.lines = h.lines[:i+1]
				return h.String()
			}
			if l.kind != '+' {
				oldLine++
			}
			if l.kind != '-' {
				newLine++
			}
		}
	}
	return ""
}

// ChangesOf is what a commit changed over its first parent.
func (g *Store) ChangesOf(c *Commit) []Change {
	var before Tree
	if len(c.Parents) > 0 {
		before = g.Commits[c.Parents[0]].Files
	}
	return g.Changes(before, c.Files)
}

// Format is a diff, or a patch with the head of a mail for each commit.
func Format(ext string, commits []*Commit, changes func(*Commit) []Change) string {
	var b strings.Builder
	for _, m := range commits {
		if ext == ".patch" {
			fmt.Fprintf(&b, "From %s Mon Sep 17 00:00:00 2001\nFrom: %s <%s>\nDate: %s\nSubject: [PATCH] %s\n\n---\n",
				m.SHA, m.Author.Name, m.Author.Email, m.When.Format("Mon, 2 Jan 2006 15:04:05 -0700"), m.Title())
		}
		for _, ch := range changes(m) {
			b.WriteString(ch.Patch())
		}
		if ext == ".patch" {
			b.WriteString("-- \n2.39.5\n\n")
		}
	}
	return b.String()
}
