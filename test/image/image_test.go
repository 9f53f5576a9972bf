// Package image_test runs the container image without a container engine: the
// root file system of `make image-root`, read-only but for its state, in a
// chroot, as the Dockerfile's user and with its command, and asks it with curl
// what the first user of an installation asks.
package image_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"drawbridge/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// Inside a mount namespace of its own: the root file system read-only, the state
// over it, then away from root. $1 is the root, $2 the state, $3 the user; the
// rest is the command.
//
// An ordinary user gets there through a user namespace, where it may be anybody.
const enter = `set -eu
root=$1 state=$2 user=$3
shift 3
mount --bind "$root" "$root"
mount --bind "$state" "$root/var/lib/drawbridge"
mount -o remount,bind,ro "$root"
cd "$root"
if [ -n "${NESTED:-}" ]; then exec unshare --user --map-user="$user" --map-group="$user" --root="$root" --wd=/var/lib/drawbridge "$@"; fi
exec unshare --root="$root" --wd=/var/lib/drawbridge --setuid="$user" --setgid="$user" "$@"
`

func TestImage(t *testing.T) {
	for _, tool := range []string{"unshare", "curl", "make"} {
		if _, err := exec.LookPath(tool); err != nil {
			harness.Missing(t, "%s is not installed: run make deps", tool)
		}
	}
	root := filepath.Join(t.TempDir(), "root")
	made := exec.CommandContext(t.Context(), "make", "image-root", "IMAGE_ROOT="+root, "VERSION=test")
	made.Dir = harness.Root(t)
	if out, err := made.CombinedOutput(); err != nil {
		t.Fatalf("make image-root: %v\n%s", err, out)
	}
	box := newBox(t, root)
	box.refusesToWrite(t)

	addr := harness.FreeAddr(t)
	args := dockerfile(t, "ENTRYPOINT")
	for _, a := range dockerfile(t, "CMD") {
		args = append(args, strings.Replace(a, "0.0.0.0:4444", addr, 1))
	}
	harness.Start(t, box.command(t, args)).Await(t, addr)
	t.Run("healthcheck", func(t *testing.T) {
		check := append(dockerfile(t, "HEALTHCHECK"), "--listen", addr)
		if out, err := box.command(t, check).CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", check, err, out)
		}
	})
	for _, tt := range questions {
		t.Run(tt.name, func(t *testing.T) { ask(t, addr, tt) })
	}
}

// question is one curl command and what its answer must hold, headers included.
type question struct {
	name string
	args []string
	path string
	want []string
}

const initialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"curl","version":"0"}}}`

// questions are the commands of the first evening with an installation.
var questions = []question{
	{"health", nil, "/health", []string{"HTTP/1.1 200", `"ok"`}},
	{"status", []string{"-H", "Authorization: Bearer " + harness.Key}, "/status", []string{"HTTP/1.1 200", `"backends"`, `"memory"`}},
	{"resource metadata", nil, "/.well-known/oauth-protected-resource", []string{"HTTP/1.1 200", `"resource":"https://mcp.example.com/mcp"`}},
	{"server metadata", nil, "/.well-known/oauth-authorization-server", []string{"HTTP/1.1 200", `"issuer":"https://mcp.example.com"`, `"S256"`}},
	{"without a key", []string{"-X", "POST", "-H", "Content-Type: application/json", "-d", initialize}, "/mcp",
		[]string{"HTTP/1.1 401", "WWW-Authenticate: Bearer", `resource_metadata="`}},
	{"with the static key", []string{"-X", "POST", "-H", "Authorization: Bearer " + harness.Key,
		"-H", "Content-Type: application/json", "-H", "Accept: application/json, text/event-stream", "-d", initialize}, "/mcp",
		[]string{"HTTP/1.1 200", "Mcp-Session-Id: ", `"protocolVersion":"2025-11-25"`}},
}

func ask(t *testing.T, addr string, q question) {
	t.Helper()
	args := append([]string{"-sS", "-i", "--max-time", "20", "--noproxy", "*"}, q.args...)
	out, err := exec.CommandContext(t.Context(), "curl", append(args, "http://"+addr+q.path)...).CombinedOutput()
	if err != nil {
		t.Fatalf("curl: %v\n%s", err, out)
	}
	answer := strings.ToLower(string(out))
	for _, want := range q.want {
		if !strings.Contains(answer, strings.ToLower(want)) {
			t.Errorf("the answer lacks %q:\n%s", want, out)
		}
	}
}

// box runs commands in the image.
type box struct {
	root, state, user string
	nested            bool
	env               []string
}

func newBox(t *testing.T, root string) *box {
	t.Helper()
	b := &box{root: root, state: filepath.Join(t.TempDir(), "state"), nested: os.Getuid() != 0, env: fillEnv(t)}
	user, _, _ := strings.Cut(dockerfileLine(t, "USER"), ":")
	b.user = user
	if err := os.Mkdir(b.state, 0o700); err != nil {
		t.Fatal(err)
	}
	if !b.nested {
		if out, err := exec.CommandContext(t.Context(), "chown", user+":"+user, b.state).CombinedOutput(); err != nil {
			t.Fatalf("chown: %v\n%s", err, out)
		}
		openPath(t, root)
	}
	return b
}

// openPath lets the image's user pass through the test's private folders.
func openPath(t *testing.T, dir string) {
	t.Helper()
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func (b *box) command(t *testing.T, args []string) *exec.Cmd {
	t.Helper()
	outer := []string{"--mount"}
	env := append([]string{"PATH=" + os.Getenv("PATH")}, b.env...)
	if b.nested {
		outer, env = append(outer, "--user", "--map-root-user"), append(env, "NESTED=1")
	}
	cmd := harness.Command(t, "unshare", append(append(outer, "sh", "-c", enter, "enter", b.root, b.state, b.user), args...))
	cmd.Env = env
	return cmd
}

// refusesToWrite proves that the box is what it claims: the binary cannot put its
// state where the file system is read-only.
func (b *box) refusesToWrite(t *testing.T) {
	t.Helper()
	args := append(dockerfile(t, "ENTRYPOINT"), "key", "create", "--name", "probe", "--state-dir", "/config/state")
	out, err := b.command(t, args).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "read-only") {
		t.Fatalf("a state directory on the read-only root was accepted: %v\n%s", err, out)
	}
}

var emptySetting = regexp.MustCompile(`(?m)^(OAUTH_PASSWORD|GATEWAY_STATIC_API_KEY)=$`)

// fillEnv is .env.example filled in as its comments say, as the environment that
// docker compose makes of it.
func fillEnv(t *testing.T) []string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(harness.Root(t), ".env.example"))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(emptySetting.FindAll(raw, -1)); n != 2 {
		t.Fatalf(".env.example leaves %d of the two secrets to fill in", n)
	}
	filled := emptySetting.ReplaceAllString(string(raw), "$1="+harness.Key)
	var env []string
	for line := range strings.Lines(filled) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			env = append(env, line)
		}
	}
	return env
}

// dockerfile is the command of an instruction in its JSON form.
func dockerfile(t *testing.T, instruction string) []string {
	t.Helper()
	line := dockerfileLine(t, instruction)
	var args []string
	if err := json.Unmarshal([]byte(line[strings.IndexByte(line, '['):]), &args); err != nil {
		t.Fatalf("Dockerfile: %s %s: %v", instruction, line, err)
	}
	return args
}

func dockerfileLine(t *testing.T, instruction string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(harness.Root(t), "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, instruction+" "); ok {
			return strings.TrimSpace(rest)
		}
	}
	t.Fatalf("the Dockerfile has no %s", instruction)
	return ""
}
