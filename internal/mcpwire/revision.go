package mcpwire

// Revision is a dated version of the MCP specification.
type Revision string

// The revisions, oldest first. They order as strings.
const (
	Rev20241105 Revision = "2024-11-05" // HTTP+SSE
	Rev20250326 Revision = "2025-03-26" // Streamable HTTP, batches
	Rev20250618 Revision = "2025-06-18" // structured output, elicitation
	Rev20251125 Revision = "2025-11-25" // URL elicitation, icons, tasks
	Rev20260728 Revision = "2026-07-28" // stateless
)

// LatestLegacy is what the gateway speaks at initialize.
const LatestLegacy = Rev20251125

// LatestModern is what the gateway speaks in _meta.
const LatestModern = Rev20260728

// Revisions are all of them, oldest first.
func Revisions() []Revision {
	return []Revision{Rev20241105, Rev20250326, Rev20250618, Rev20251125, Rev20260728}
}

// ParseRevision returns the revision named s, if it is one.
func ParseRevision(s string) (Revision, bool) {
	for _, r := range Revisions() {
		if string(r) == s {
			return r, true
		}
	}
	return "", false
}

// Modern tells the stateless revisions from those with a handshake.
func (r Revision) Modern() bool { return r >= Rev20260728 }

// Legacy is a known revision with a handshake.
func (r Revision) Legacy() bool { return r != "" && !r.Modern() }
