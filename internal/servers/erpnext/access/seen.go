package access

import (
	"strings"

	"drawbridge/internal/servers/kit"
)

// Seen is a preview with lines of what ERPNext holds. They stand between marks, for a
// model reads them in a dry run; the marks are new each time, so the approval stands on
// the text without them.
func Seen(c *kit.Call, target, effect string, lines []string) kit.Preview {
	p := kit.Preview{Target: target, Effect: effect}
	if text := strings.Join(lines, "\n"); text != "" {
		p.Changes = []string{c.Outside(text)}
	}
	p.Bound = kit.Compact(append([]string{target, effect}, lines...))
	return p
}
