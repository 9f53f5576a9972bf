// Package manual_test holds what the documents say of the commands and of the
// configuration to the binary, so that neither can change alone.
package manual_test

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"drawbridge/test/harness"
)

var update = flag.Bool("update", false, "write docs/reference/cli.md anew")

func TestMain(m *testing.M) { harness.Main(m) }

const head = "# Commands\n\n" +
	"    drawbridge COMMAND [flags]\n\n" +
	"Settings come from the defaults, the file of `--config`, `.env` in the working directory, the environment\n" +
	"and the flags, each over the one before. What a script may want goes to standard output, everything\n" +
	"else to standard error. Exit codes: 0 done, 1 failed, 2 wrong usage.\n\n" +
	"Scripts may rely on: `serve --config FILE --listen HOST:PORT --state-dir DIR`; `key create --name N` printing\n" +
	"the key and nothing else; `server NAME --state-dir DIR` speaking stdio; the exit codes; and in the\n" +
	"configuration file the `mcpServers` entries with `command`, `args`, `env`, `cwd` or `url`, `type` (`http`, `sse`),\n" +
	"`headers`, `prefix` (`\"\"` for none) and `enabled`. `check --schema` prints the JSON Schema of that file.\n\n" +
	"Below is what `--help` says, written by `go test ./test/manual -update`.\n"

// TestCommands compares docs/reference/cli.md with the help of every command.
func TestCommands(t *testing.T) {
	t.Parallel()
	var page strings.Builder
	page.WriteString(head)
	commands := walk(t, nil)
	if len(commands) < 10 {
		t.Fatalf("only %d commands were found: %v", len(commands), commands)
	}
	for _, c := range commands {
		page.WriteString("\n## " + strings.Join(c, " ") + "\n\n```text\n" + help(t, c) + "```\n")
	}
	file := filepath.Join(harness.Root(t), "docs", "reference", "cli.md")
	if *update {
		if err := os.WriteFile(file, []byte(page.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(old), page.String()); diff != "" {
		t.Errorf("docs/reference/cli.md is not what the binary says; run make golden (-page +binary):\n%s", diff)
	}
}

// TestReadme checks the configuration that README.md shows, as it stands there.
func TestReadme(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join(harness.Root(t), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(raw), "```yaml\n")
	block, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("README.md shows no configuration")
	}
	file := filepath.Join(t.TempDir(), "drawbridge.yaml")
	if err := os.WriteFile(file, []byte(block), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"check", "--config", file, "--state-dir", t.TempDir()}
	if out, err := harness.Command(t, harness.Binary(t), args, "GITHUB_TOKEN=secret").CombinedOutput(); err != nil {
		t.Errorf("drawbridge check: %v\n%s", err, out)
	}
	without := harness.Command(t, harness.Binary(t), args)
	without.Env = []string{"PATH=" + os.Getenv("PATH")}
	if out, err := without.CombinedOutput(); err == nil || !strings.Contains(string(out), "GITHUB_TOKEN") {
		t.Errorf("drawbridge check does not miss GITHUB_TOKEN: %v\n%s", err, out)
	}
}

// listed is a line of the COMMANDS section.
var listed = regexp.MustCompile(`(?m)^   ([a-z-]+)  +\S`)

// walk finds all commands that do something, those of groups included.
func walk(t *testing.T, above []string) [][]string {
	t.Helper()
	_, section, group := strings.Cut(help(t, above), "COMMANDS:\n")
	if !group {
		return [][]string{above}
	}
	section, _, _ = strings.Cut(section, "\n\n")
	var out [][]string
	for _, m := range listed.FindAllStringSubmatch(section, -1) {
		out = append(out, walk(t, append(append([]string{}, above...), m[1]))...)
	}
	return out
}

func help(t *testing.T, command []string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), harness.Binary(t), append(command, "--help")...).CombinedOutput()
	if err != nil {
		t.Fatalf("drawbridge %s --help: %v\n%s", strings.Join(command, " "), err, out)
	}
	_, text, ok := strings.Cut(string(out), "USAGE:\n")
	if !ok {
		t.Fatalf("drawbridge %s --help has no USAGE:\n%s", strings.Join(command, " "), out)
	}
	name, _, _ := strings.Cut(string(out), "\n\n")
	return strings.TrimSpace(strings.TrimPrefix(name, "NAME:\n")) + "\n\n" + text
}
