package ssh

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/ssh/access"
	"drawbridge/internal/servers/ssh/output"
	"drawbridge/internal/servers/ssh/remote"
)

type listHostsIn struct {
	Group string `json:"group,omitempty" jsonschema:"Only hosts of this group."`
	kit.PageIn
}

type listHostsOut struct {
	Hosts []hostOut `json:"hosts"`
	kit.PageOut
}

type hostOut struct {
	Name    string   `json:"name"`
	Groups  []string `json:"groups,omitempty"`
	Tier    string   `json:"tier,omitempty"`
	May     []string `json:"may" jsonschema:"Your rights: read, run, write, sudo."`
	Confirm string   `json:"confirm" jsonschema:"What a person approves."`
}

func (s *server) listHosts(_ context.Context, c *kit.Call, in listHostsIn) (out listHostsOut, err error) {
	window, err := in.Window(50)
	if err != nil {
		return out, err
	}
	b, err := s.door.Book()
	if err != nil {
		return out, err
	}
	all := []hostOut{}
	for _, name := range b.Names() {
		h, g, err := b.Find(c.User(), name)
		if err != nil || in.Group != "" && !slices.Contains(h.Groups, in.Group) {
			continue
		}
		all = append(all, hostOut{name, h.Groups, h.Tier, access.Rights(g), string(g.Confirm)})
	}
	out.Hosts, out.PageOut = kit.Cut(window, all)
	return out, nil
}

type hostIn struct {
	Host string `json:"host" jsonschema:"A name from list_hosts." min:"1" max:"128"`
}

type checkHostOut struct {
	Host        string        `json:"host"`
	LatencyMS   int64         `json:"latency_ms"`
	Fingerprint string        `json:"host_key"`
	Server      kit.Untrusted `json:"server,omitempty"`
	System      kit.Untrusted `json:"system,omitempty"`
	UptimeS     int64         `json:"uptime_seconds,omitempty"`
	Sudo        string        `json:"sudo" jsonschema:"free, asks for a password, or none."`
}

// checker prints the system, its uptime in seconds, and whether sudo runs.
const checker = `(. /etc/os-release 2>/dev/null; echo "${PRETTY_NAME:-$(uname -s)} $(uname -rm)"); cut -d. -f1 /proc/uptime 2>/dev/null || echo 0; ` +
	`if ! command -v sudo >/dev/null 2>&1; then echo none; elif sudo -n true 2>/dev/null; then echo free; else echo asks; fi`

func (s *server) checkHost(ctx context.Context, c *kit.Call, in hostIn) (out checkHostOut, err error) {
	h, err := s.door.Connect(ctx, c, in.Host, access.Read)
	if err != nil {
		return out, err
	}
	began := s.deps.Now()
	if _, err := h.Run(ctx, remote.Command{Text: "true", Timeout: 20 * time.Second, Keep: 1 << 10}); err != nil {
		return out, err
	}
	out = checkHostOut{Host: in.Host, LatencyMS: s.deps.Now().Sub(began).Milliseconds(), Fingerprint: h.Fingerprint, Server: plain(h.Version), Sudo: "none"}
	res, err := h.Run(ctx, remote.Command{Text: checker, Timeout: 20 * time.Second, Keep: 4 << 10})
	if err != nil {
		return out, err
	}
	lines := strings.Split(res.Stdout.Text, "\n")
	if len(lines) >= 3 {
		out.System = kit.Untrusted(clip(lines[0], 200))
		out.UptimeS, _ = strconv.ParseInt(lines[1], 10, 64) // 0 is unknown
		if lines[2] == "free" || lines[2] == "asks" {
			out.Sudo = lines[2]
		}
	}
	return out, nil
}

// plain is short text of a host's, fit to show.
func plain(s string) kit.Untrusted {
	text, _ := output.Plain([]byte(s))
	return kit.Untrusted(clip(text, 200))
}

// clip is the beginning of s, at most n bytes and whole runes.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "..."
}
