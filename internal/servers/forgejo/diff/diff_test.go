package diff_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/servers/forgejo/diff"
)

const sample = `diff --git a/kept.txt b/kept.txt
index 111..222 100644
--- a/kept.txt
+++ b/kept.txt
@@ -1,4 +1,4 @@ func x() {
 one
-two
+zwei
 three
-- not a header
+++ not one, either
@@ -10 +10,2 @@
 ten
+eleven
\ No newline at end of file
diff --git a/old name.txt b/new name.txt
similarity index 100%
rename from old name.txt
rename to new name.txt
diff --git "a/t\303\244st.txt" "b/t\303\244st.txt"
new file mode 100644
index 000..333
--- /dev/null
+++ "b/t\303\244st.txt"
@@ -0,0 +1 @@
+diff --git a/inside b/inside
diff --git a/gone.txt b/gone.txt
deleted file mode 100644
index 333..000
--- a/gone.txt
+++ /dev/null
@@ -1,2 +0,0 @@
-a
-b
diff --git a/pic.png b/pic.png
index 444..555 100644
Binary files a/pic.png and b/pic.png differ
`

func TestParse(t *testing.T) {
	t.Parallel()
	type row struct {
		Path, Old, New, Before string
		Binary                 bool
		Added, Deleted         int
	}
	var got []row
	whole := ""
	for _, f := range diff.Parse(sample) {
		got = append(got, row{f.Path, f.OldPath, f.Ranges(false), f.Ranges(true), f.Binary, f.Additions, f.Deleted})
		whole += f.Text
	}
	want := []row{
		{"kept.txt", "kept.txt", "1-4, 10-11", "1-4, 10-10", false, 3, 2},
		{"new name.txt", "old name.txt", "none", "none", false, 0, 0},
		{"täst.txt", "", "1-1", "none", false, 1, 0},
		{"gone.txt", "gone.txt", "none", "1-2", false, 0, 2},
		{"pic.png", "pic.png", "none", "none", true, 0, 0},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if whole != sample {
		t.Error("something of the text is lost")
	}
}

func TestHas(t *testing.T) {
	t.Parallel()
	f, ok := diff.Find(diff.Parse(sample), "kept.txt")
	if !ok || !f.Has(2, false) || !f.Has(2, true) || f.Has(5, false) || f.Has(0, false) || f.Has(11, true) || !f.Has(11, false) {
		t.Errorf("%v %+v", ok, f)
	}
	if _, ok := diff.Find(diff.Parse(sample), "inside"); ok {
		t.Error("a line of a file was taken for the head of another")
	}
}

func TestGenerated(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"go.sum": true, "web/package-lock.json": true, "Cargo.lock": true, "vendor/a/b.go": true, "a/node_modules/x.js": true, "x.min.js": true, "api/x.pb.go": true,
		"main.go": false, "locks.go": false, "vendors/a.go": false, "go.sum.md": false,
	} {
		if got := diff.Generated(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestPreview(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		before, after string
		most          int
		want          string
	}{
		{"a\nb\nc\n", "a\nB\nc\n", 9, "@@ -2,1 +2,1 @@\n-b\n+B"},
		{"", "a\nb\n", 9, "@@ -1,0 +1,2 @@\n+a\n+b"},
		{"a\n", "a\n", 9, "@@ -2,0 +2,0 @@"},
		{"x\nx\n", "x\nx\nx\n", 9, "@@ -3,0 +3,1 @@\n+x"},
		{"1\n2\n3\n", "4\n", 2, "@@ -1,3 +1,1 @@\n-1\n-2\n..."},
	} {
		if d := cmp.Diff(c.want, diff.Preview(c.before, c.after, c.most)); d != "" {
			t.Errorf("%q to %q:\n%s", c.before, c.after, d)
		}
	}
}

// Whatever a diff holds, nothing of it is lost and no line is out of bounds.
func FuzzParse(f *testing.F) {
	f.Add(sample)
	f.Add("diff --git a/x b/x\n@@ -999999999,999999999 +1 @@\n+a\n")
	f.Fuzz(func(t *testing.T, text string) {
		whole := ""
		for _, one := range diff.Parse(text) {
			whole += one.Text
			if one.Additions > strings.Count(one.Text, "\n+")+1 {
				t.Errorf("%d additions in %q", one.Additions, one.Text)
			}
			if one.Has(-1, false) {
				t.Error("a line before the first")
			}
		}
		if strings.HasPrefix(text, "diff --git ") && whole != text {
			t.Errorf("%q became %q", text, whole)
		}
	})
}
