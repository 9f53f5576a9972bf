package command

import (
	"maps"
	"slices"
	"strings"
)

// reading is what of a program only reads. Options are refused rather than listed,
// but for programs of which few are harmless.
type reading struct {
	short    string   // letters of options that do more than read
	long     []string // the same with names, without dashes; abbreviations count
	only     []string // if set, the only options
	operands int      // most operands; 0 is any number, -1 is none
	verbs    []string // if set, the first operands that only read, as "verb" or "noun verb"
	bare     bool     // with verbs: may be called without any
	lead     []string // with verbs: options that may stand before
	signed   bool     // operands start with +
}

// programs are those known to only read. A program not listed is taken to change
// things.
var programs = map[string]reading{
	":": {}, "true": {}, "false": {}, "echo": {}, "printf": {}, "test": {}, "[": {}, "cd": {}, "pwd": {}, "exit": {}, "export": {}, "readonly": {}, "sleep": {},
	"command": {verbs: []string{"-v", "-V"}}, "which": {}, "type": {}, "xargs": {operands: -1}, "env": {operands: -1, only: []string{"-0"}}, "printenv": {},
	"uptime": {}, "whoami": {}, "id": {}, "groups": {}, "uname": {}, "arch": {}, "nproc": {}, "free": {}, "tty": {}, "locale": {},
	"hostname": {only: []string{"-f", "-s", "-i", "-I", "-d", "-A", "--fqdn"}, operands: -1},
	"date":     {short: "sf", long: []string{"set", "file"}, signed: true}, "cal": {},
	"df": {}, "du": {}, "ls": {}, "stat": {}, "tree": {short: "oR"}, "readlink": {}, "realpath": {}, "basename": {}, "dirname": {},
	"file": {short: "Cm", long: []string{"compile", "magic-file"}}, "wc": {}, "head": {}, "tail": {}, "cat": {}, "tac": {}, "nl": {}, "od": {}, "hexdump": {}, "strings": {},
	"grep": {}, "egrep": {}, "fgrep": {}, "zgrep": {}, "zcat": {}, "cut": {}, "tr": {}, "column": {}, "paste": {}, "fold": {}, "seq": {}, "comm": {}, "cmp": {},
	"diff": {}, "md5sum": {}, "sha1sum": {}, "sha256sum": {}, "sha512sum": {}, "cksum": {}, "jq": {}, "getent": {},
	"uniq": {operands: 1},
	"sort": {short: "oT", long: []string{"output", "compress-program", "temporary-directory", "files0-from"}},
	"find": {long: []string{"exec", "execdir", "ok", "okdir", "delete", "fprint", "fprint0", "fprintf", "fls"}},
	"ps":   {}, "pgrep": {}, "pidof": {}, "pstree": {}, "vmstat": {}, "iostat": {}, "mpstat": {}, "lscpu": {}, "lsmem": {}, "lsblk": {}, "lspci": {short: "HF"}, "lsusb": {}, "lsof": {short: "D"},
	"top": {only: []string{"-b", "-bn1", "-bn", "-n", "-n1", "-o", "-w", "-c"}},
	"w":   {}, "who": {}, "last": {}, "lastlog": {short: "CS", long: []string{"clear", "set"}}, "findmnt": {}, "mount": {operands: -1, only: []string{"-l"}},
	"swapon": {operands: -1, only: []string{"--show", "-s"}}, "sensors": {short: "s", long: []string{"set"}}, "nvidia-smi": {operands: -1, only: []string{"-L", "-q"}},
	"dmesg": {only: []string{"-T", "-H", "-k", "-u", "-x", "-l", "-f", "--human", "--ctime"}}, "crontab": {only: []string{"-l"}, operands: -1},
	"ss": {short: "KDF", long: []string{"kill", "diag", "filter"}}, "netstat": {}, "arp": {operands: -1, only: []string{"-a", "-n", "-e"}},
	"ip": {only: brief, lead: brief, verbs: []string{"a", "addr", "address", "addr show", "address show", "a show", "a s", "l", "link", "link show", "route",
		"r", "route show", "route get", "r show", "neigh", "neigh show", "rule", "rule show", "maddr", "maddr show"}},
	"journalctl": {long: []string{"vacuum-size", "vacuum-time", "vacuum-files", "rotate", "flush", "sync", "relinquish-var", "smart-relinquish-var", "setup-keys",
		"update-catalog", "cursor-file", "image", "root"}},
	"systemctl": {short: "H", long: []string{"host", "root", "image"}, bare: true, lead: []string{"--no-pager", "--failed", "--all", "--user",
		"--plain"}, verbs: []string{"status", "show", "cat", "list-units", "list-unit-files", "list-timers", "list-sockets",
		"list-dependencies", "list-jobs", "is-active", "is-enabled", "is-failed", "is-system-running", "get-default", "show-environment"}},
	"timedatectl": {short: "H", long: []string{"host"}, bare: true, verbs: []string{"status", "show",
		"timesync-status"}}, "hostnamectl": {short: "H", long: []string{"host"}, bare: true, verbs: []string{"status"}},
	"loginctl": {short: "H", long: []string{"host"}, bare: true, verbs: []string{"list-sessions", "list-users", "session-status", "user-status"}},
	"service":  {verbs: []string{"--status-all"}},
	"docker":   containers, "podman": containers,
	"git": {short: "cC", long: []string{"output", "ext-diff", "textconv", "exec-path", "git-dir", "work-tree", "config-env", "open-files-in-pager", "upload-pack"},
		verbs: []string{"status", "log", "show", "diff", "rev-parse", "describe", "ls-files", "ls-tree", "shortlog", "blame", "for-each-ref", "stash list"}, lead: []string{"--no-pager"}},
	"apt": {verbs: []string{"list", "show", "search", "policy"}, short: "oc", long: []string{"option",
		"config-file"}}, "apt-cache": {short: "oc", long: []string{"option", "config-file"}, verbs: []string{"show", "policy", "search", "depends", "madison"}},
	"dpkg": {only: []string{"-l", "-s", "-L", "-S", "--list", "--status", "--listfiles", "--search", "-p"}}, "dpkg-query": {long: []string{"admindir", "root"}},
	"rpm": {only: []string{"-q", "-qa", "-qi", "-ql", "-qf", "-V"}}, "smartctl": {only: []string{"-a", "-H", "-i", "-A", "-x", "--all", "--health", "--info", "--scan"}},
	"zpool": {short: "c", verbs: []string{"status", "list", "iostat", "get", "history"}}, "zfs": {verbs: []string{"list", "get"}},
	"kubectl": {short: "s", long: []string{"kubeconfig", "server", "token", "raw"}, verbs: []string{"get", "describe", "logs", "top", "version", "api-resources"}},
}

var containers = reading{short: "H", long: []string{"host", "context", "config"}, verbs: []string{"ps", "logs", "inspect", "images", "stats --no-stream", "version", "info", "top", "port", "diff", "container ls",
	"container inspect", "image ls", "volume ls", "volume inspect", "network ls", "network inspect", "compose ps", "compose logs", "compose ls", "system df"}}

// brief are options of ip about how it shows things.
var brief = []string{"-br", "-brief", "-4", "-6", "-s", "-d", "-o", "-j", "-p", "-c"}

// ofShell are names in the table that are not for argument lists.
var ofShell = []string{":", "[", "true", "false", "test", "cd", "exit", "export", "readonly", "xargs", "command", "type"}

// ReadingPrograms are the names of the programs that run_readonly knows, without
// those of the shell itself.
func ReadingPrograms() []string {
	names := slices.DeleteFunc(slices.Collect(maps.Keys(programs)), func(n string) bool {
		return slices.Contains(ofShell, n)
	})
	slices.Sort(names)
	return names
}

// readsOnly tells a simple command that is known to change nothing.
func readsOnly(s Simple) bool {
	rule, known := programs[s.Program()]
	if !known {
		return false
	}
	operands, words := 0, s.Words[1:]
	if len(rule.verbs) > 0 && !rule.verb(words) {
		return false
	}
	for i, w := range words {
		if !w.Fixed && (w.Text == "" || strings.HasPrefix(w.Text, "-")) && !(s.Program() == "echo" || s.Program() == "test" || s.Program() == "[") {
			return false // might become an option
		}
		if w.Text == "--" && w.Fixed {
			operands += len(words) - i - 1
			break
		}
		if !strings.HasPrefix(w.Text, "-") || w.Text == "-" {
			if operands++; rule.signed && !strings.HasPrefix(w.Text, "+") {
				return false
			}
			continue
		}
		if !rule.option(w.Text) && !slices.Contains(rule.verbs, w.Text) {
			return false
		}
	}
	switch {
	case rule.operands < 0:
		return operands == 0
	case rule.operands > 0:
		return operands <= rule.operands
	}
	return true
}

// option tells one that only reads. In a cluster every letter counts, though the
// rest may be a value: better one question too many.
func (r reading) option(o string) bool {
	if len(r.only) > 0 {
		name, _, _ := strings.Cut(o, "=")
		return slices.Contains(r.only, o) || slices.Contains(r.only, name)
	}
	name, _, _ := strings.Cut(strings.TrimLeft(o, "-"), "=")
	if strings.HasPrefix(o, "--") {
		return !slices.ContainsFunc(r.long, func(l string) bool { return strings.HasPrefix(l, name) })
	}
	return !strings.ContainsAny(o, r.short) && !slices.Contains(r.long, name)
}

// verb tells whether the command's first operands only read. Options before them
// could take a value that looks like a verb, so only some may be there.
func (r reading) verb(words []Word) bool {
	for len(words) > 0 && slices.Contains(r.lead, words[0].Text) {
		words = words[1:]
	}
	if len(words) == 0 {
		return r.bare
	}
	for _, v := range r.verbs {
		parts := strings.Fields(v)
		if len(words) < len(parts) || !slices.EqualFunc(words[:len(parts)], parts, func(w Word, p string) bool { return w.Fixed && w.Text == p }) {
			continue
		}
		if len(parts) == 1 && followed[parts[0]] && len(words) > 1 && !strings.HasPrefix(words[1].Text, "-") {
			continue // "ip addr add"
		}
		return true
	}
	return false
}

// followed are verbs after which another verb may come.
var followed = map[string]bool{"a": true, "addr": true, "address": true, "l": true, "link": true, "route": true, "r": true, "neigh": true, "rule": true, "maddr": true}
