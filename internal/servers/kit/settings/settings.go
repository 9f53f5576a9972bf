// Package settings has what an operator sets for a built-in server, and which of its
// tools that leaves.
//
// Settings are read from the values of a configuration, never from the environment; a
// value that is not good is an error that says what would be. A Gate refuses the tools
// that a mode or the toolsets leave out. Package kit gives both to servers.
package settings

import (
	"fmt"
	"strconv"
	"strings"
	"time"

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

// List is the values of a key that holds several, separated by commas.
func (s Settings) List(key string) (list []string) {
	for one := range strings.SplitSeq(s.Text(key), ",") {
		if one = strings.TrimSpace(one); one != "" {
			list = append(list, one)
		}
	}
	return list
}

// VariableName is how a server is called in the names of its environment variables.
func VariableName(server string) string { return strings.ToUpper(server) }

// Common are the settings that every server has.
type Common struct {
	Mode     Mode          // <NAME>_MODE
	Toolsets []string      // <NAME>_TOOLSETS, separated by commas; empty is those with Default, "all" is all
	Parallel int           // <NAME>_PARALLEL: calls that run at once; 0 is the kit's
	Timeout  time.Duration // <NAME>_TIMEOUT: of a call whose tool says nothing else; 0 is the kit's
}

// Bounds of the settings in Common.
const (
	MaxParallel = 1000
	MaxTimeout  = time.Hour
)

// CommonVariables names the environment variables of the settings in Common.
func CommonVariables(server string) []string {
	name := VariableName(server)
	return []string{name + "_MODE", name + "_TOOLSETS", name + "_PARALLEL", name + "_TIMEOUT"}
}

// Common reads them; mode is the server's default.
func (s Settings) Common(mode Mode) (Common, error) {
	c := Common{Mode: mode, Toolsets: s.List("toolsets")}
	switch s.Mode {
	case "":
	case ModeRead, ModeWrite, ModeAll:
		c.Mode = s.Mode
	default:
		return c, fmt.Errorf("mode is %q; set it to read, write or all", s.Mode)
	}
	if text := s.Text("parallel"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > MaxParallel {
			return c, fmt.Errorf("parallel is %q; set it to a number of calls from 1 to %d", text, MaxParallel)
		}
		c.Parallel = n
	}
	if text := s.Text("timeout"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil || d < time.Second || d > MaxTimeout {
			return c, fmt.Errorf("timeout is %q; set it to a time from 1s to %s, such as 45s", text, MaxTimeout)
		}
		c.Timeout = d
	}
	return c, nil
}
