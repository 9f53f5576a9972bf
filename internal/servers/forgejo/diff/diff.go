// Package diff reads unified diffs as git writes them, for reviews: which files,
// which of their lines can bear a comment, and which files nobody reads because a
// program wrote them. It also writes the small difference of a preview.
//
// Package forgejo uses it. Diffs are data from outside: what does not parse is kept
// as text and has no lines.
package diff

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"drawbridge/internal/servers/kit/pattern"
)

// File is the part of a diff about one file.
type File struct {
	Path, OldPath      string // OldPath is "" for a new file, Path for a deleted one is its old path
	Text               string // as it came
	Binary             bool
	Additions, Deleted int

	newLines, oldLines []int // that stand in the diff, ascending
}

const fileHead = "diff --git "

// Parse splits a diff by files.
func Parse(text string) (files []File) {
	for rest := text; rest != ""; {
		next := strings.Index(rest[1:], "\n"+fileHead)
		one := rest
		if next >= 0 {
			one, rest = rest[:next+2], rest[next+2:]
		} else {
			rest = ""
		}
		if strings.HasPrefix(one, fileHead) {
			files = append(files, parseFile(one))
		}
	}
	return files
}

// hunkRule is the head of a hunk: @@ -12,3 +14,5 @@
var hunkRule = pattern.New(`^@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@`)

func parseFile(text string) File {
	f := File{Text: text}
	inHunk, oldAt, newAt, oldLeft, newLeft := false, 0, 0, 0, 0
	for line := range strings.SplitSeq(text, "\n") {
		if inHunk && (oldLeft > 0 || newLeft > 0) && line != "" {
			switch line[0] {
			case ' ':
				f.oldLines, f.newLines = append(f.oldLines, oldAt), append(f.newLines, newAt)
				oldAt, newAt, oldLeft, newLeft = oldAt+1, newAt+1, oldLeft-1, newLeft-1
			case '-':
				f.oldLines, f.Deleted = append(f.oldLines, oldAt), f.Deleted+1
				oldAt, oldLeft = oldAt+1, oldLeft-1
			case '+':
				f.newLines, f.Additions = append(f.newLines, newAt), f.Additions+1
				newAt, newLeft = newAt+1, newLeft-1
			}
			continue
		}
		if m := hunkRule().FindStringSubmatch(line); m != nil {
			inHunk, oldAt, newAt, oldLeft, newLeft = true, number(m[1], 0), number(m[3], 0), number(m[2], 1), number(m[4], 1)
			continue
		}
		if !inHunk {
			f.head(line)
		}
	}
	if f.Path == "" {
		f.Path = f.OldPath
	}
	return f
}

// number is digits of the rule; "" is the default.
func number(digits string, without int) int {
	if digits == "" {
		return without
	}
	n, _ := strconv.Atoi(digits)
	return n
}

// head reads a line before the first hunk.
func (f *File) head(line string) {
	switch {
	case strings.HasPrefix(line, fileHead):
		// Where no other line names it: "a/x b/x", the same path twice.
		rest := line[len(fileHead):]
		if half := len(rest) / 2; len(rest)%2 == 1 && rest[half] == ' ' {
			f.OldPath, f.Path = unquote(rest[:half], "a/"), unquote(rest[half+1:], "b/")
		}
	case strings.HasPrefix(line, "new file mode"):
		f.OldPath = ""
	case strings.HasPrefix(line, "--- "):
		f.OldPath = unquote(line[4:], "a/")
	case strings.HasPrefix(line, "+++ "):
		f.Path = unquote(line[4:], "b/")
	case strings.HasPrefix(line, "rename from "):
		f.OldPath = unquote(line[len("rename from "):], "")
	case strings.HasPrefix(line, "rename to "):
		f.Path = unquote(line[len("rename to "):], "")
	case strings.HasPrefix(line, "Binary files "), line == "GIT binary patch":
		f.Binary = true
	}
}

// unquote is a path of a diff: git quotes those with unusual bytes as C does, and
// ends those with blanks by a tab.
func unquote(name, prefix string) string {
	name = strings.TrimSuffix(name, "\t")
	if name == "/dev/null" {
		return ""
	}
	if strings.HasPrefix(name, `"`) {
		if plain, err := strconv.Unquote(name); err == nil {
			name = plain
		}
	}
	return strings.TrimPrefix(name, prefix)
}

// Find is the part about a path.
func Find(files []File, name string) (File, bool) {
	for _, f := range files {
		if f.Path == name || f.OldPath == name {
			return f, true
		}
	}
	return File{}, false
}

// Has tells whether a line of the new file, or of the old one, stands in the diff,
// so that a comment can be put on it.
func (f File) Has(line int, old bool) bool {
	lines := f.newLines
	if old {
		lines = f.oldLines
	}
	_, found := slices.BinarySearch(lines, line)
	return found
}

// mostRanges bounds what Ranges tells.
const mostRanges = 8

// Ranges says which lines stand in the diff: "10-16, 40-47".
func (f File) Ranges(old bool) string {
	lines := f.newLines
	if old {
		lines = f.oldLines
	}
	var parts []string
	for i := 0; i < len(lines); {
		end := i
		for end+1 < len(lines) && lines[end+1] == lines[end]+1 {
			end++
		}
		if len(parts) == mostRanges {
			return strings.Join(parts, ", ") + ", ..."
		}
		parts = append(parts, fmt.Sprintf("%d-%d", lines[i], lines[end]))
		i = end + 1
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// written are names of files that programs write.
var written = []string{
	"package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock", "bun.lockb", "go.sum", "cargo.lock",
	"poetry.lock", "uv.lock", "pipfile.lock", "composer.lock", "gemfile.lock", "flake.lock", "mix.lock", "pubspec.lock",
	"*.min.js", "*.min.css", "*.map", "*.pb.go", "*_pb2.py", "*.snap", "*.svg",
}

// Generated tells whether a program wrote the file, by its name.
func Generated(name string) bool {
	base := strings.ToLower(path.Base(name))
	if slices.ContainsFunc(written, func(pattern string) bool { ok, _ := path.Match(pattern, base); return ok }) {
		return true
	}
	for part := range strings.SplitSeq(strings.ToLower(path.Dir(name)), "/") {
		if part == "vendor" || part == "node_modules" || part == "third_party" {
			return true
		}
	}
	return false
}

// Preview is the difference of two texts as one hunk: what they have in common at
// both ends is left out. At most n lines are shown.
func Preview(before, after string, n int) string {
	old, now := lines(before), lines(after)
	from := 0
	for from < len(old) && from < len(now) && old[from] == now[from] {
		from++
	}
	oldEnd, newEnd := len(old), len(now)
	for oldEnd > from && newEnd > from && old[oldEnd-1] == now[newEnd-1] {
		oldEnd, newEnd = oldEnd-1, newEnd-1
	}
	var b strings.Builder
	fmt.Fprintf(&b, "@@ -%d,%d +%d,%d @@", from+1, oldEnd-from, from+1, newEnd-from)
	shown := 0
	for _, part := range []struct {
		sign  string
		lines []string
	}{{"-", old[from:oldEnd]}, {"+", now[from:newEnd]}} {
		for _, line := range part.lines {
			if shown++; shown > n {
				return b.String() + "\n..."
			}
			b.WriteString("\n" + part.sign + line)
		}
	}
	return b.String()
}

func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}
