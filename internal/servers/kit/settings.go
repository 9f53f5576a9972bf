package kit

import (
	"fmt"
	"strings"

	"drawbridge/internal/secret"
)

// Settings are what the operator has set for a server, by the keys of the
// configuration file: "url", "token".
type Settings struct {
	Mode   Mode // "" is the server's own default
	Values map[string]secret.String
}

// Text is the value of a key that is no secret; "" where it is not set.
func (s Settings) Text(key string) string { return strings.TrimSpace(s.Values[key].Reveal()) }

// Mode caps what a server's tools may do.
type Mode string

// The modes.
const (
	ModeRead  Mode = "read"  // only tools that change nothing
	ModeWrite Mode = "write" // not those that destroy
	ModeAll   Mode = "all"
)

func (m Mode) allows(t Tier) bool {
	switch m {
	case ModeAll:
		return true
	case ModeWrite:
		return t <= TierWrite
	default:
		return t == TierRead
	}
}

func modeFor(t Tier) Mode {
	if t == TierDestroy {
		return ModeAll
	}
	return ModeWrite
}

// VariableName is how a server is called in the names of its environment variables.
func VariableName(server string) string { return strings.ToUpper(server) }

// Common are the settings that every server has.
type Common struct {
	Mode     Mode     // <NAME>_MODE
	Toolsets []string // <NAME>_TOOLSETS, separated by commas
}

// CommonVariables names the environment variables of the settings in Common.
func CommonVariables(server string) []string {
	return []string{VariableName(server) + "_MODE", VariableName(server) + "_TOOLSETS"}
}

// Common reads them; mode is the server's default.
func (s Settings) Common(mode Mode) (Common, error) {
	c := Common{Mode: mode}
	switch s.Mode {
	case "":
	case ModeRead, ModeWrite, ModeAll:
		c.Mode = s.Mode
	default:
		return c, fmt.Errorf("mode is %q; set it to read, write or all", s.Mode)
	}
	for name := range strings.SplitSeq(s.Text("toolsets"), ",") {
		if name = strings.TrimSpace(name); name != "" {
			c.Toolsets = append(c.Toolsets, name)
		}
	}
	return c, nil
}
