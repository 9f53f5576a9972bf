package desk

import (
	"slices"
	"strings"

	"drawbridge/internal/servers/homeassistant/show"
	"drawbridge/internal/servers/kit"
)

// mostReason bounds one reason: two ids and a name.
const mostReason = 700

// Approve asks a person, once. What they read, with the reasons, is what the approval
// is for: nothing in it may move by itself. What has changed by the time they have
// answered is asked anew.
func Approve(c *kit.Call, q kit.Question, reasons []string) error {
	for _, r := range slices.Compact(slices.Clone(reasons)) { // all of them; the kit refuses what cannot be shown whole
		q.Effect += "\n- " + show.Clip(r, mostReason)
	}
	q.Effect = strings.TrimSpace(q.Effect)
	return c.Approve(q)
}
