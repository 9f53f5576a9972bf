package command_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/ssh/command"
)

// attack is a line that looks like reading and makes a file called p.
type attack struct {
	text string
	bash bool // only where sh is bash
	want string
}

// What each does was tried in dash and bash, and is tried again by the test, so
// that none of these lines is about a shell that does not exist.
var attacks = []attack{
	{text: "find -- . -maxdepth 0 -exec touch p ';'"},
	{text: "find . -maxdepth 0 -fprint p"},
	{text: "x='. -maxdepth 0 -exec touch p ;'; find ./$x", want: "refused"},
	{text: "x=' -maxdepth 0 -exec touch p ;'; find /$x", want: "refused"},
	{text: "x='hosts -o p'; sort /etc/$x"},
	{text: "x='hosts -o p'; sort /etc/*$x"},
	{text: "sh -c 'sort /etc/\"$@\"' x hosts -o p"},
	{text: "touch ./-op; cd .; sort /etc/hosts *"},
	{text: "uniq /etc/hostname p"},
	{text: "uniq /etc/hostnam* p"},
	{text: "sort -k 1 -uop /etc/hosts"},
	{text: "sort /etc/hosts -- -o p; sort -o p /etc/hosts --"},
	{text: "sort {-op}\"\",x} /etc/hosts; sort -op /etc/hosts"},
	{text: "export GIT_EXTERNAL_DIFF='touch p;:'; git diff --no-index /etc/passwd /etc/group"},
	{text: "for GIT_EXTERNAL_DIFF in 'touch p;:'; do export GIT_EXTERNAL_DIFF; git diff --no-index /etc/passwd /etc/group; done"},
	{text: "GIT_EXTERNAL_DIFF='touch p;:' sh -c 'git diff --no-index /etc/passwd /etc/group'"},
	{text: "git init -q .; git config core.fsmonitor 'touch p;:'; git status"},
	{text: "echo p | xargs -rE echo touch", want: "refused"},
	{text: "echo p | xargs -rI echo touch echo", want: "refused"},
	{text: "echo p | xargs --replace=ls touch ls", want: "refused"},
	{text: "echo p | xargs -I ls -I cat touch cat", want: "refused"},
	{text: "printf '%s\\n' -o p /etc/hosts | xargs sort"},
	{text: "printf '%s\\n' hosts | xargs -I X sort -o p /etc/X"},
	{text: "exec -la ls touch p", bash: true, want: "refused"},
	{text: "x='C touch'; env LANG=$x p", want: "refused"},
	{text: "env -S 'touch p'", want: "refused"},
	{text: "x='2 touch'; timeout -- $x p", want: "refused"},
	{text: "sh -c 'echo x' > p"},
	{text: "eval 'echo x' > p"},
	{text: "sh -c -e 'touch p'", want: "refused"},
	{text: "test -v 'a[$(touch p)]'", bash: true, want: "refused"},
	{text: "x='b[$(touch p)]'; test -v 'a[x]'", bash: true, want: "refused"},
	{text: "x=-v; y='a[$(touch p)]'; [ \"$x\" \"$y\" ]", bash: true, want: "refused"},
	{text: "x='-v a[$(touch${IFS}p)]'; [ $x ]", bash: true, want: "refused"},
	{text: "printf -v 'a[$(touch p)]' x", bash: true, want: "refused"},
	{text: "x='-va[$(touch p)]'; printf \"$x\" x", bash: true, want: "refused"},
	{text: "printf -vPATH %s /x; test \"$PATH\" = /x && /usr/bin/touch p", bash: true, want: "refused"},
	{text: "printf %n PATH; [ \"$PATH\" = 0 ] && /usr/bin/touch p", bash: true, want: "refused"},
	{text: "x='b[$(touch p)]'; echo 1 | read 'a[x]'", bash: true, want: "refused"},
	{text: "mapfile -C 'touch p;' -c 1 x </etc/passwd", bash: true, want: "refused"},
	{text: "compgen -C 'touch p' x", bash: true, want: "refused"},
	{text: "jobs -x touch p", bash: true, want: "refused"},
	{text: "command -p touch p", want: "refused"},
	{text: "nohup ls > p"},
	{text: "ls 2> p"},
	{text: "ls &> p"},
	{text: "ls >| p"},
	{text: "ls <> p"},
}

func TestJudge_attacks(t *testing.T) {
	t.Parallel()
	dash, bash := shellNamed(t, "dash"), shellNamed(t, "bash")
	for _, a := range attacks {
		t.Run(a.text, func(t *testing.T) {
			t.Parallel()
			v, err := command.Judge(a.text, command.Rules{})
			switch {
			case a.want == "refused" && fault.CodeOf(err) != fault.Forbidden:
				t.Errorf("passes as %v, %v", v.Class, err)
			case err == nil && v.Class == command.Reads:
				t.Error("counts as reading")
			}
			shells := [][]string{append(bash, "--posix")}
			if !a.bash {
				shells = append(shells, dash)
			}
			for _, sh := range shells {
				if needs := strings.Contains(a.text, "git"); needs && missing("git") {
					continue
				}
				if !makes(t, append(sh, "-c", a.text)) {
					t.Errorf("%s makes no p of it, so the row shows nothing", sh[0])
				}
			}
		})
	}
}

// An argument list reaches no shell's syntax, but its builtins all the same.
func TestJudgeArguments_attacks(t *testing.T) {
	t.Parallel()
	for _, argv := range [][]string{
		{"find", "--", ".", "-maxdepth", "0", "-exec", "touch", "p", ";"}, {"find", "--", ".", "-delete"}, {"find", ".", "-fls", "p"}, {"find", ".", "-name", "-exec", "touch", "p", ";"},
		{"date", "--", "01010101"}, {"date", "01010101", "+%F"}, {"date", "+%F", "-s", "x"}, {"date", "-us", "x"}, {"date", "-d", "x", "01010101"},
		{"test", "-v", "a[$(touch p)]"}, {"printf", "-v", "a[$(touch p)]", "x"}, {"/usr/bin/printf", "x"}, {"[", "a", "]"}, {"cd", "/"}, {"export", "A=b"}, {"command", "-v", "ls"}, {"echo", "x"},
		{"crontab"}, {"crontab", "x"}, {"crontab", "-r"}, {"uniq", "a", "b"}, {"tree", "-Lo", "1", "p"}, {"tree", "-R", "-H", ".", "-L", "1"}, {"lsof", "+m", "m"}, {"sort", "-ko", "p"},
		{"git", "log"}, {"git", "diff", "--no-index", "a", "b"}, {"docker", "compose", "ps"}, {"docker", "--config", "x", "ps"}, {"podman", "ps", "--sync"}, {"kubectl", "get", "--kubeconfig=x", "pods"},
		{"kubectl", "--kubeconfig", "x", "get"}, {"rpm", "-q", "--pipe", "touch p", "x"}, {"rpm", "-V", "x"}, {"service", "--status-all"}, {"dpkg", "--pre-invoke=x", "-l"}, {"apt", "list", "-oX=y"},
		{"systemctl", "-t", "status", "stop", "x"}, {"systemctl", "--no-pager", "stop", "x"}, {"systemctl", "status", "-H", "x"}, {"ip", "addr", "add", "x"}, {"ip", "-b", "x"}, {"ip", "-n", "x", "a"},
		{"journalctl", "--vacuum-size=1"}, {"journalctl", "--rot"}, {"ss", "-tK"}, {"dmesg", "-TC"}, {"hostname", "-b", "x"}, {"hostname", "x"}, {"mount", "a"}, {"swapon", "-a"}, {"smartctl", "-s", "off", "x"},
		{"file", "-Cm", "x"}, {"diff", "-l", "a", "b"}, {"sort", "--compress-program=x", "a"}, {"jq", "-L", "x", "."}, {"zpool", "status", "-c", "x"}, {"env", "ls"}, {"timedatectl", "set-time", "x"},
	} {
		if err := command.JudgeArguments(argv, command.Rules{}); fault.CodeOf(err) != fault.Forbidden {
			t.Errorf("%q: %v", argv, err)
		}
	}
	for _, argv := range [][]string{
		{"find", "/var/log", "-maxdepth", "2", "-name", "*.log", "-mtime", "-7", "-perm", "-u+x", "-ls"}, {"date", "-u", "-d", "yesterday", "+%F"}, {"date", "+%s"}, {"crontab", "-l"}, {"uniq", "-f", "1"},
		{"tree", "-aL", "2", "/etc"}, {"lsof", "-nP", "-i:80"}, {"sort", "-k2,2n", "-t", ":", "/etc/passwd"}, {"docker", "logs", "--tail", "5", "x"}, {"kubectl", "get", "pods", "-A", "-o", "wide"},
		{"systemctl", "--no-pager", "status", "nginx", "-n", "20"}, {"systemctl", "--failed"}, {"ip", "-br", "addr", "show", "dev", "eth0"}, {"journalctl", "--since", "yesterday", "-p3", "-u", "ssh"},
		{"grep", "-rn", "--", "-x", "/etc"}, {"ss", "-tulpn"}, {"top", "-bn1"}, {"dpkg", "-l", "nginx"}, {"jq", "-r", ".a", "f"}, {"df", "-hT"}, {"ps", "aux", "--sort=-pcpu"},
	} {
		if err := command.JudgeArguments(argv, command.Rules{}); err != nil {
			t.Errorf("%q: %v", argv, err)
		}
	}
}

// Where a word may become several, no rule that names the words after it holds.
func TestJudge_splittingRules(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text        string
		allow, deny []string
		ok          bool
	}{
		{"cat /etc/$x", []string{"cat *"}, nil, false},
		{"cat \"/etc/$x\"", []string{"cat *"}, nil, true},
		{"ls | xargs cat", []string{"ls", "xargs *", "cat *"}, nil, false},
		{"systemctl re$x foo", nil, []string{"systemctl restart nginx foo"}, false},
		{"systemctl re* foo", nil, []string{"systemctl restart nginx foo"}, false},
		{"systemctl \"re$x\" foo", nil, []string{"systemctl restart nginx foo"}, true},
		{"time -f x rm a", nil, []string{"rm *"}, false},
		{"setsid -f rm a", nil, []string{"rm *"}, false},
		{"zsh -c 'noglob rm a'", nil, []string{"rm *"}, false},
		{"run-parts /tmp/rm", nil, []string{"rm *"}, false},
		{"chrt 1 rm a", nil, []string{"rm *"}, false},
		{"taskset 1 rm a", nil, []string{"rm *"}, false},
	} {
		_, err := command.Judge(c.text, command.Rules{Allow: patterns(t, c.allow), Deny: patterns(t, c.deny)})
		if (err == nil) != c.ok {
			t.Errorf("%q with allow %q, deny %q: %v", c.text, c.allow, c.deny, err)
		}
	}
}

// A list of allowed commands is an approval of them, not of what is around them.
func TestJudge_allowedAsTheyAre(t *testing.T) {
	t.Parallel()
	allow := patterns(t, []string{"git status", "systemctl restart nginx"})
	for text, ok := range map[string]bool{
		"git status": true, "LANG=C git status": true, "x=1; git status 2>/dev/null": true, "systemctl restart nginx > /srv/log/a": true,
		"GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=core.fsmonitor GIT_CONFIG_VALUE_0='touch /tmp/p' git status": false,
		"HOME=/tmp/p; git status": false, "for HOME in /tmp/p; do git status; done": false, "export HOME=/tmp/p; git status": false, "env HOME=/tmp/p git status": false,
		"HOME=/tmp/p sh -c 'git status'": false, "nohup git status": false,
		"> /home/ben/.ssh/authorized_keys": false, "systemctl restart nginx > /home/ben/.bashrc": false, "sh -c 'git status' > /home/ben/.bashrc": false, "{ git status; } >> /etc/x": false,
	} {
		if _, err := command.Judge(text, command.Rules{Allow: allow, Write: []string{"/srv/log/*"}}); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := command.Judge("git status > /srv/log/a", command.Rules{Allow: allow}); fault.CodeOf(err) != fault.Forbidden {
		t.Errorf("writes though no path is named: %v", err)
	}
}

// Nothing that is judged to read changes a folder, whatever options and expansions
// are put together. Programs and shells are real.
func TestJudge_readsChangeNothing(t *testing.T) {
	t.Parallel()
	var shells [][]string
	for _, s := range [][]string{{"dash"}, {"bash", "--posix"}} {
		if path, err := exec.LookPath(s[0]); err == nil {
			shells = append(shells, append([]string{path}, s[1:]...))
		}
	}
	if len(shells) == 0 {
		without(t, "there is no shell here")
	}
	r, passed := rand.New(rand.NewPCG(3, 26)), 0
	for range *judgements * 20 {
		text := sly(r)
		if v, err := command.Judge(text, command.Rules{}); err != nil || v.Class != command.Reads {
			continue
		}
		if passed++; passed > *judgements {
			break
		}
		for _, sh := range shells {
			if makes(t, append(sh, "-c", text)) {
				t.Fatalf("%s changes something by %q, which is judged to only read", sh[0], text)
			}
		}
	}
	if passed < *judgements/4 {
		t.Errorf("only %d commands pass, so the test shows little", passed)
	}
}

// sly is a random command that would like to make p, by options of wrappers, words
// that split, and programs with an option or an operand that writes.
func sly(r *rand.Rand) string {
	one := func(of ...string) string { return of[r.IntN(len(of))] }
	some := func(most int, of ...string) string {
		var w []string
		for range r.IntN(most + 1) {
			w = append(w, one(of...))
		}
		return strings.Join(w, " ")
	}
	cluster := func(letters string) string {
		b := "-"
		for range 1 + r.IntN(3) {
			b += string(letters[r.IntN(len(letters))])
		}
		return b
	}
	set := one("", "", "x=p; ", "x='f -o p'; ", "x='. -exec touch p ;'; ", "x='-op'; ", "export LANG=C; ", "y='a[$(touch p)]'; x=-v; ", "x='C touch p'; ", "for x in -o p; do :; done; ")
	word := func() string {
		return one("f", "p", "$x", "\"$x\"", "./$x", "\"./$x\"", "f*", "*", "--", "-", "-o", "-op", "+1", "{-op,f}", "{-op}\"\",f}", "''", "ls", "\"$y\"", "echo", "touch", "5", "1")
	}
	words := func(most int) string {
		var w []string
		for range r.IntN(most + 1) {
			w = append(w, word())
		}
		return strings.Join(w, " ")
	}
	program := one(
		"sort "+some(2, cluster("bnruokTt"), "-k 1", "-k", "-t", "--output=p", "--outp=p", "--key=1", "-T .")+" "+words(3),
		"uniq "+some(2, cluster("cdfw"), "-f 1")+" "+words(2),
		"find "+some(1, "--", "-H", ".", "./f")+" "+words(1)+" "+some(3, "-maxdepth 0", "-exec touch p ';'", "-name", "-name f", "-fprint p", "-newer f", "-o", "!", "-print", "-delete", "-mtime -1", "-ls"),
		"date "+some(2, "-u", "-d", "--date=now", "-r f", cluster("uRIdr"))+" "+one("", "+%F", "--"),
		"touch p", "cat "+words(3), "echo "+words(3), "ls "+words(2), "grep "+words(3), "tail -n 1 "+words(1), "wc "+words(2),
		"diff "+some(2, cluster("uqrNl"))+" "+words(2), "printf "+one("", "-v", "%s", "%n", "\"$x\"", "-vx")+" "+words(2),
		"test "+some(3, "-v", "\"$x\"", "\"$y\"", "=", "-n", "!", "-eq", "f", "-a"), "file "+some(2, cluster("bihCm"))+" "+words(2), "tree "+some(2, cluster("aLoRH"), "1")+" "+words(2),
	)
	for range r.IntN(3) {
		program = one(
			"env "+some(2, "LANG=C", "LANG=$x", "\"LANG=$x\"", "-i", "-S", "A=b", cluster("iSu0"))+" ",
			"nice "+some(2, cluster("n5"), "-n 5", "-n", "--")+" ", "timeout "+some(2, cluster("ksv"), "-k 1", "--", "--signal=9", "--signal")+" 5 ",
			"stdbuf "+some(2, cluster("oeiL"), "-oL", "-o L")+" ", "command "+some(1, "-p", "-v", "--", cluster("pvV"))+" ", "exec "+some(1, "-a", "-la", "-c", "--", "ls")+" ",
			"echo p | xargs "+some(3, cluster("0rtnIELPad"), "-n 1", "-I X", "-I{}", "-E", "-i", "--replace", "--max-args=1", "ls", "--", "echo")+" ",
			"echo -op | xargs "+some(1, "-r", "-0", "-n1")+" ",
			"nohup ", "time "+some(1, "-p", "-o p", "-f")+" ", "! ",
		) + program
	}
	switch r.IntN(8) {
	case 0:
		program = "sh " + one("-c", "-ec", "-c -e", "-c --") + " '" + strings.ReplaceAll(program, "'", `'\''`) + "' " + words(3)
	case 1:
		program = "( " + program + "\n)" + one("", " >p", " >/dev/null", " 2>&1")
	case 2:
		program += one(" >p", " >/dev/null", " 2>p", " {x}>p", " <f", " </dev/null")
	}
	return set + program
}

// makes runs a command in a folder with a file f, and tells whether the folder is
// another one afterwards.
func makes(t *testing.T, argv []string) bool {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("2\n1\n1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := listing(t, dir)
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = dir, []string{"PATH=/usr/bin:/bin", "HOME=" + dir}
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	return listing(t, dir) != before
}

func listing(t *testing.T, dir string) (all string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		all += fmt.Sprintln(path, info.ModTime().UnixNano(), info.Size(), info.Mode())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func shellNamed(t *testing.T, name string) []string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		without(t, fmt.Sprintf("there is no %s here", name))
	}
	return []string{path}
}

func missing(program string) bool { _, err := exec.LookPath(program); return err != nil }

// without ends a test that lacks a program: on a CI machine that is a failure.
func without(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}
