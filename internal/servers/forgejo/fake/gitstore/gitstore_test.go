package gitstore_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/servers/forgejo/fake/gitstore"
)

var ada = gitstore.Person{Name: "Ada", Email: "ada@example.org"}

func plant(g *gitstore.Store, contents map[string]string) gitstore.Tree {
	out := gitstore.Tree{}
	for path, content := range contents {
		out[path] = g.Put(content)
	}
	return out
}

var first = map[string]string{
	"list.txt": "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\nm\nn\no\np\nq\nr\ns\nt\n", "docs/x.md": "# x\n", "gone.txt": "gone\n", "moved.txt": "moved\n",
}

// The names were taken from git 2.x, given the same content.
func TestNames_areThoseOfGit(t *testing.T) {
	t.Parallel()
	g := gitstore.New()
	tree := plant(g, first)
	if got := g.Put("hello\n"); got != "ce013625030ba8dba906f756967f9e9ca394464a" {
		t.Errorf("blob %s", got)
	}
	if got := gitstore.TreeSHA(tree, ""); got != "5bd5b86c58b8162004ac98429e08278df8d21b41" {
		t.Errorf("tree %s", got)
	}
	if got := g.Commit(tree, "first", ada, time.Unix(1700000000, 0)).SHA; got != "db295a3b0e852d6edee58faa8dad6e29e6a5ba1d" {
		t.Errorf("commit %s", got)
	}
}

// The text is what git diff -M printed for the same two trees, index lines included.
func TestChanges_readAsGitPrintsThem(t *testing.T) {
	t.Parallel()
	g := gitstore.New()
	now := plant(g, map[string]string{
		"list.txt": "a\nB\nc\nd\ne\nf\ng\nh\ni\nj\nK\nK2\nl\nm\nn\no\np\nq\nr\ns\n", "docs/x.md": "# x\n", "docs/moved.txt": "moved\n", "new.txt": "no newline",
	})
	if got := gitstore.TreeSHA(now, ""); got != "b2d77f05660f08f0fe47720a5904abd928ee4b2d" {
		t.Errorf("tree %s", got)
	}
	var text strings.Builder
	counts := map[string][2]int{}
	for _, c := range g.Changes(plant(g, first), now) {
		text.WriteString(c.Patch())
		counts[c.Status+" "+c.Path] = [2]int{c.Added, c.Removed}
	}
	want := `diff --git a/moved.txt b/docs/moved.txt
similarity index 100%
rename from moved.txt
rename to docs/moved.txt
diff --git a/gone.txt b/gone.txt
deleted file mode 100644
index 286c5f5..0000000
--- a/gone.txt
+++ /dev/null
@@ -1 +0,0 @@
-gone
diff --git a/list.txt b/list.txt
index b64b08c..1776d1d 100644
--- a/list.txt
+++ b/list.txt
@@ -1,5 +1,5 @@
 a
-b
+B
 c
 d
 e
@@ -8,7 +8,8 @@ g
 h
 i
 j
-k
+K
+K2
 l
 m
 n
@@ -17,4 +18,3 @@ p
 q
 r
 s
-t
diff --git a/new.txt b/new.txt
new file mode 100644
index 0000000..20cbb4d
--- /dev/null
+++ b/new.txt
@@ -0,0 +1 @@
+no newline
\ No newline at end of file
`
	if d := cmp.Diff(want, text.String()); d != "" {
		t.Error(d)
	}
	wantCounts := map[string][2]int{"renamed docs/moved.txt": {0, 0}, "deleted gone.txt": {0, 1}, "changed list.txt": {3, 3}, "added new.txt": {1, 0}}
	if d := cmp.Diff(wantCounts, counts); d != "" {
		t.Error(d)
	}
}

// Changes that are near share a hunk, those that are far do not.
func TestChanges_hunks(t *testing.T) {
	t.Parallel()
	g := gitstore.New()
	var old, now []string
	for n := range 40 {
		old = append(old, "line "+string(rune('A'+n)))
	}
	now = append(now, old...)
	now[5], now[12], now[30] = "x", "y", "z" // six lines between the first two, more to the third
	changes := g.Changes(plant(g, map[string]string{"f": strings.Join(old, "\n") + "\n"}), plant(g, map[string]string{"f": strings.Join(now, "\n") + "\n"}))
	text := changes[0].Patch()
	if n := strings.Count(text, "\n@@ "); n != 2 || !strings.Contains(text, "@@ -3,14 +3,14 @@ line B\n") || !strings.Contains(text, "@@ -28,7 +28,7 @@ line ") {
		t.Errorf("%d hunks:\n%s", n, text)
	}
}

func TestExcerpt_endsAtTheLine(t *testing.T) {
	t.Parallel()
	g := gitstore.New()
	c := g.Changes(plant(g, map[string]string{"f": "a\nb\nc\n"}), plant(g, map[string]string{"f": "a\nB\nc\n"}))[0]
	for _, tt := range []struct {
		at    int
		inOld bool
		last  string
	}{{2, false, "+B\n"}, {2, true, "-b\n"}, {3, false, " c\n"}, {9, false, ""}} {
		if got := c.Excerpt(tt.at, tt.inOld); !strings.HasSuffix(got, tt.last) || (tt.last == "") != (got == "") {
			t.Errorf("line %d (old %v): %q", tt.at, tt.inOld, got)
		}
	}
}

func TestMerge(t *testing.T) {
	t.Parallel()
	base := gitstore.Tree{"same": "1", "ours": "1", "theirs": "1", "gone": "1", "both": "1"}
	ours := gitstore.Tree{"same": "1", "ours": "2", "theirs": "1", "gone": "1", "both": "3", "new": "4"}
	theirs := gitstore.Tree{"same": "1", "ours": "1", "theirs": "2", "both": "3", "fresh": "5"}
	got, ok := gitstore.Merge(base, ours, theirs)
	want := gitstore.Tree{"same": "1", "ours": "2", "theirs": "2", "both": "3", "new": "4", "fresh": "5"}
	if d := cmp.Diff(want, got); !ok || d != "" {
		t.Error(ok, d)
	}
	for name, theirs := range map[string]gitstore.Tree{"both changed": {"both": "9"}, "deleted there": {"ours": ""}, "both added": {"new": "7"}} {
		clash := gitstore.Tree{"same": "1", "ours": "1", "theirs": "1", "gone": "1", "both": "1"}
		for path, sha := range theirs {
			clash[path] = sha
			if sha == "" {
				delete(clash, path)
			}
		}
		if _, ok := gitstore.Merge(base, ours, clash); ok {
			t.Errorf("%s: merged", name)
		}
	}
}

func TestHistory(t *testing.T) {
	t.Parallel()
	g := gitstore.New()
	at := func(n int64) time.Time { return time.Unix(1700000000+n, 0) }
	root := g.Commit(plant(g, map[string]string{"a": "1"}), "root", ada, at(0))
	left := g.Commit(plant(g, map[string]string{"a": "2"}), "left", ada, at(1), root.SHA)
	right := g.Commit(plant(g, map[string]string{"a": "3"}), "right", ada, at(2), root.SHA)
	top := g.Commit(plant(g, map[string]string{"a": "3"}), "top", ada, at(3), right.SHA, left.SHA)
	other := g.Commit(nil, "other", ada, at(4))
	g.Branches["main"], g.Tags["v1"] = top.SHA, left.SHA
	titles := func(commits []*gitstore.Commit) (out []string) {
		for _, c := range commits {
			out = append(out, c.Title())
		}
		return out
	}
	if d := cmp.Diff([]string{"top", "right", "left", "root"}, titles(g.Log(top.SHA))); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"top", "right"}, titles(g.Ahead(left.SHA, top.SHA))); d != "" {
		t.Error(d)
	}
	if g.MergeBase(left.SHA, right.SHA) != root.SHA || g.MergeBase(left.SHA, other.SHA) != "" {
		t.Error("merge base")
	}
	for ref, want := range map[string]*gitstore.Commit{"main": top, "refs/heads/main": top, "v1": left, root.SHA[:7]: root, root.SHA[:6]: nil, "nope": nil} {
		if got := g.Resolve(ref); got != want {
			t.Errorf("%s is %v", ref, got)
		}
	}
	fork := g.Fork()
	fork.Branches["main"] = left.SHA
	if g.Branches["main"] != top.SHA {
		t.Error("a fork moved a branch of the original")
	}
}
