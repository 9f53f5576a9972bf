package manual_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"drawbridge/test/harness"
)

var (
	testFunc = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	promised = regexp.MustCompile("`((?:Test|Fuzz)\\w+|[a-z-]+\\.txtar)`")
)

// TestSecurityModel looks for every test that docs/explanation/security-model.md
// names: a promise must not outlive what holds it.
func TestSecurityModel(t *testing.T) {
	t.Parallel()
	root := harness.Root(t)
	there := map[string]bool{}
	for _, dir := range []string{"cmd", "internal", "test", "testdata"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil || d.IsDir():
				return err
			case strings.HasSuffix(path, ".txtar"):
				there[filepath.Base(path)] = true
			case strings.HasSuffix(path, "_test.go"):
				source, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				for _, m := range testFunc.FindAllSubmatch(source, -1) {
					there[string(m[1])] = true
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	page, err := os.ReadFile(filepath.Join(root, "docs", "explanation", "security-model.md"))
	if err != nil {
		t.Fatal(err)
	}
	names := promised.FindAllStringSubmatch(string(page), -1)
	if len(names) < 50 {
		t.Fatalf("only %d names were found", len(names))
	}
	for _, m := range names {
		if !there[m[1]] {
			t.Errorf("security-model.md names %s, which does not exist", m[1])
		}
	}
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(line, "|")
		if len(cells) == 4 && !strings.HasPrefix(cells[1], "-") && strings.TrimSpace(cells[2]) != "held by" && !promised.MatchString(cells[2]) {
			t.Errorf("nothing holds this promise: %s", strings.TrimSpace(line))
		}
	}
}
