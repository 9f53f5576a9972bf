package hosts

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// entry is one line of an OpenSSH client configuration with what must hold for it
// to count, ssh_config(5).
type entry struct {
	where string  // file:line
	conds []*cond // all of them
	key   string  // lower case
	args  []string
}

// cond is one criterion of a Host or Match line.
type cond struct {
	kind     string // all, host, originalhost, user, localuser; "name" is a Host line
	patterns []string
	not      bool
}

// maxIncludes bounds Include inside of Include, as OpenSSH does.
const maxIncludes = 16

// readConfig reads a configuration with what it includes.
func readConfig(file, home string) ([]entry, error) {
	p := configParser{home: home}
	if err := p.file(file, nil, 0); err != nil {
		return nil, err
	}
	return p.entries, nil
}

type configParser struct {
	home    string
	entries []entry
}

// file reads one file whose lines count under the conditions of the Include.
func (p *configParser) file(name string, outer []*cond, depth int) error {
	if depth > maxIncludes {
		return fmt.Errorf("%s: Include goes too deep", name)
	}
	content, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("read ssh configuration: %w", err)
	}
	conds := outer
	lines := bufio.NewScanner(bytes.NewReader(content))
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		where := fmt.Sprintf("%s:%d", name, n)
		key, args, err := splitLine(lines.Text())
		if err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
		switch key {
		case "":
		case "host":
			conds = append(slices.Clip(outer), &cond{kind: "name", patterns: args})
		case "match":
			more, err := matchConds(args)
			if err != nil {
				return fmt.Errorf("%s: %w", where, err)
			}
			conds = append(slices.Clip(outer), more...)
		case "include":
			if err := p.include(args, conds, depth); err != nil {
				return fmt.Errorf("%s: %w", where, err)
			}
		default:
			p.entries = append(p.entries, entry{where, conds, key, args})
		}
		if (key == "host" || key == "match") && len(args) == 0 {
			return fmt.Errorf("%s: %s needs something to match", where, key)
		}
		if key == "host" { // so that a host without settings has a name, too
			p.entries = append(p.entries, entry{where, conds, "host", args})
		}
	}
	return lines.Err()
}

// include reads files; a relative name is below ~/.ssh, and none need exist.
func (p *configParser) include(patterns []string, conds []*cond, depth int) error {
	for _, pattern := range patterns {
		full := below(p.home, pattern)
		if !filepath.IsAbs(full) {
			full = filepath.Join(p.home, ".ssh", full)
		}
		files, err := filepath.Glob(full)
		if err != nil {
			return fmt.Errorf("include %q: %w", pattern, err)
		}
		for _, f := range files {
			if err := p.file(f, conds, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// splitLine takes a line into its keyword and arguments, which may be quoted.
func splitLine(line string) (key string, args []string, err error) {
	line = strings.TrimSpace(line)
	if line == "" || line[0] == '#' {
		return "", nil, nil
	}
	end := strings.IndexAny(line, " \t=\"")
	if end < 0 {
		return strings.ToLower(line), nil, nil
	}
	key = strings.ToLower(line[:end])
	rest := strings.TrimLeft(line[end:], " \t")
	rest = strings.TrimLeft(strings.TrimPrefix(rest, "="), " \t")
	for rest != "" && rest[0] != '#' {
		if rest[0] == '"' {
			value, after, closed := strings.Cut(rest[1:], `"`)
			if !closed {
				return "", nil, fmt.Errorf("a quote is not closed")
			}
			args, rest = append(args, value), strings.TrimLeft(after, " \t")
			continue
		}
		value, after := rest, ""
		if i := strings.IndexAny(rest, " \t"); i >= 0 {
			value, after = rest[:i], rest[i:]
		}
		args, rest = append(args, value), strings.TrimLeft(after, " \t")
	}
	return key, args, nil
}

// matchConds reads the criteria of Match. exec is refused: it would run a program
// of the gateway's for every lookup.
func matchConds(args []string) (conds []*cond, err error) {
	for i := 0; i < len(args); i++ {
		kind, not := strings.CutPrefix(strings.ToLower(args[i]), "!")
		switch kind {
		case "all":
			conds = append(conds, &cond{kind: "all", not: not})
		case "host", "originalhost", "user", "localuser":
			if i++; i >= len(args) {
				return nil, fmt.Errorf("match %s needs a pattern", kind)
			}
			conds = append(conds, &cond{kind, strings.Split(args[i], ","), not})
		default:
			return nil, fmt.Errorf("match %s is not supported; use host, originalhost, user, localuser or all", kind)
		}
	}
	return conds, nil
}

// named are the names that Host lines give without wildcards.
func named(entries []entry) (names []string) {
	for _, e := range entries {
		if e.key != "host" {
			continue
		}
		for _, p := range e.args {
			if !strings.ContainsAny(p, "*?!") && NameRule().MatchString(p) {
				names = append(names, p)
			}
		}
	}
	return names
}

// holds tells whether a condition holds for a host as far as it is known.
func (b *Book) holds(c cond, h *Host) bool {
	subject := ""
	switch c.kind {
	case "all":
		return !c.not
	case "name", "originalhost":
		subject = h.Alias
	case "host":
		if subject = h.Address; subject == "" {
			subject = h.Alias
		}
	case "user":
		if subject = h.User; subject == "" {
			subject = b.local
		}
	case "localuser":
		subject = b.local
	}
	return matchesList(c.patterns, subject) != c.not
}

// matchesList is true where a pattern fits and no negated one does.
func matchesList(patterns []string, subject string) bool {
	found := false
	for _, p := range patterns {
		p, negated := strings.CutPrefix(p, "!")
		if ok, err := path.Match(strings.NewReplacer("[", `\[`, `\`, `\\`).Replace(p), subject); err != nil || !ok {
			continue
		}
		if negated {
			return false
		}
		found = true
	}
	return found
}

// fromConfig fills a host from the configuration: the first value of a keyword
// counts, but every identity and certificate. What is not set is looked for beside
// the configuration, where OpenSSH has it, too.
func (b *Book) fromConfig(h *Host) error {
	seen, known := map[string]bool{}, map[*cond]bool{}
	for _, e := range b.config {
		several := e.key == "identityfile" || e.key == "certificatefile"
		if e.key == "host" || seen[e.key] && !several || !b.all(e.conds, h, known) {
			continue
		}
		seen[e.key] = true
		if len(e.args) == 0 {
			return fmt.Errorf("%s: %s has no value", e.where, e.key)
		}
		if err := b.set(h, e); err != nil {
			return fmt.Errorf("%s: %w", e.where, err)
		}
	}
	if beside := filepath.Dir(b.files.Config); b.files.Config != "" {
		if !seen["userknownhostsfile"] {
			h.KnownHosts = []string{filepath.Join(beside, "known_hosts")}
		}
		if !seen["identityfile"] {
			for _, name := range []string{"id_ed25519", "id_ecdsa", "id_rsa"} {
				h.Identities = append(h.Identities, filepath.Join(beside, name))
			}
		}
	}
	for _, list := range []*[]string{&h.Identities, &h.Certificates, &h.KnownHosts} {
		for i, name := range *list {
			full, err := b.expand(name, h)
			if err != nil {
				return err
			}
			(*list)[i] = below(b.home, full)
		}
	}
	return nil
}

// all tells whether conditions hold. One is decided where its line stands, by what
// is set up to there, and stays so: known keeps it.
func (b *Book) all(conds []*cond, h *Host, known map[*cond]bool) bool {
	for _, c := range conds {
		if _, decided := known[c]; !decided {
			known[c] = b.holds(*c, h)
		}
		if !known[c] {
			return false
		}
	}
	return true
}

// set takes one keyword over. Those that only concern a person's terminal, or
// forward something, have no effect here.
func (b *Book) set(h *Host, e entry) (err error) {
	v := e.args[0]
	switch e.key {
	case "hostname":
		h.Address, err = b.expand(v, h)
	case "port":
		h.Port, err = portOf(v)
	case "user":
		h.User = v
	case "proxyjump":
		if v != "none" {
			h.Jump = strings.Split(strings.Join(e.args, ""), ",")
		}
	case "identityfile":
		if v != "none" {
			h.Identities = append(h.Identities, v)
		}
	case "certificatefile":
		h.Certificates = append(h.Certificates, v)
	case "userknownhostsfile":
		h.KnownHosts = append([]string{}, e.args...)
	case "hostkeyalias":
		h.KeyName = v
	case "connecttimeout":
		h.ConnectTimeout, err = seconds(v, h.ConnectTimeout)
	case "serveraliveinterval":
		h.AliveInterval, err = seconds(v, h.AliveInterval)
	case "serveralivecountmax":
		h.AliveMax, err = strconv.Atoi(v)
	case "proxycommand":
		if v != "none" {
			err = fmt.Errorf("ProxyCommand would run a program of the gateway's; use ProxyJump")
		}
	case "stricthostkeychecking":
		if w := strings.ToLower(v); w != "yes" && w != "ask" && w != "true" {
			err = fmt.Errorf("StrictHostKeyChecking is %s; only yes is taken, an unknown key is never accepted by itself", v)
		}
	}
	return err
}

func portOf(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 65535 {
		return 0, fmt.Errorf("the port %q is not a number from 1 to 65535", s)
	}
	return n, nil
}

// seconds reads a time; 0 keeps what is set, since nothing may wait for ever.
func seconds(s string, otherwise time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if n, isNumber := strconv.Atoi(s); isNumber == nil {
		d, err = time.Duration(n)*time.Second, nil
	}
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is not a number of seconds", s)
	}
	if d == 0 {
		return otherwise, nil
	}
	return d, nil
}

// expand replaces the tokens of ssh_config(5) that are known before connecting.
func (b *Book) expand(s string, h *Host) (string, error) {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			out.WriteByte(s[i])
			continue
		}
		if i++; i >= len(s) {
			return "", fmt.Errorf("%q ends in a bare %%", s)
		}
		address := h.Address
		if address == "" {
			address = h.Alias
		}
		switch s[i] {
		case '%':
			out.WriteByte('%')
		case 'd':
			out.WriteString(b.home)
		case 'h':
			out.WriteString(address)
		case 'n':
			out.WriteString(h.Alias)
		case 'p':
			out.WriteString(strconv.Itoa(h.Port))
		case 'r':
			account := h.User
			if account == "" {
				account = b.local
			}
			out.WriteString(account)
		case 'u':
			out.WriteString(b.local)
		default:
			return "", fmt.Errorf("the token %%%c in %q is not supported; %%%% %%d %%h %%n %%p %%r %%u are", s[i], s)
		}
	}
	return out.String(), nil
}
