package kit

import (
	"fmt"
	"strings"
)

// Settings are the values of the variables a server declares, by their names.
// A variable that is not set is absent or empty.
type Settings map[string]string

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

// SettingName is how a server is called in the names of its variables.
func SettingName(server string) string { return strings.ToUpper(server) }

// Common are the variables that every server has.
type Common struct {
	Mode     Mode     // <NAME>_MODE
	Toolsets []string // <NAME>_TOOLSETS, separated by commas
}

// CommonVariables names the variables that Common reads.
func CommonVariables(server string) []string {
	return []string{SettingName(server) + "_MODE", SettingName(server) + "_TOOLSETS"}
}

// Common reads them; mode is the server's default.
func (s Settings) Common(server string, mode Mode) (Common, error) {
	c := Common{Mode: mode}
	key := SettingName(server) + "_MODE"
	switch v := Mode(strings.ToLower(strings.TrimSpace(s[key]))); v {
	case "":
	case ModeRead, ModeWrite, ModeAll:
		c.Mode = v
	default:
		return c, fmt.Errorf("%s is %q; set it to read, write or all", key, v)
	}
	for name := range strings.SplitSeq(s[SettingName(server)+"_TOOLSETS"], ",") {
		if name = strings.TrimSpace(name); name != "" {
			c.Toolsets = append(c.Toolsets, name)
		}
	}
	return c, nil
}
