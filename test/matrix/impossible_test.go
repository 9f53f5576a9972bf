package matrix_test

// impossible is a set of cells that cannot work, with the sentence of the
// specification that says so.
type impossible struct {
	feature  feature
	why      string // in one line
	sentence string // of the specification
	source   string // where it stands
	holds    func(d door, b *backend) bool
}

// olderClient and olderBackend are cells in which one side's revision is from
// before the feature.
func olderClient(since string) func(door, *backend) bool {
	return func(d door, _ *backend) bool { return d.revision < since }
}

func olderBackend(since string) func(door, *backend) bool {
	return func(_ door, b *backend) bool { return b.revision < since }
}

// acrossEras are the cells whose sides are of different eras, both with tasks.
func acrossEras(d door, b *backend) bool {
	return d.revision >= r1125 && b.revision >= r1125 && d.modern() != (b.revision == r2026)
}

// Sentences of the specification.
const (
	saysElicitation = "Add support for elicitation, enabling servers to request additional information from users during interactions."
	saysURL         = "Added support for URL mode elicitation"
	saysStructured  = "Add support for structured tool output"
	saysTasks       = "Add experimental support for tasks to enable tracking durable requests with polling and deferred result retrieval"
	saysExtension   = "Move experimental tasks out of the core protocol and into an official extension (`io.modelcontextprotocol/tasks`). " +
		"The redesigned extension replaces the blocking `tasks/result` method"
)

// frozen is the whole list. A cell that is on it and works fails the test, as
// does one that is not on it and does not work.
var frozen = []impossible{
	{elicitForm, "the client's revision has no elicitation", saysElicitation, "2025-06-18, changelog", olderClient(r0618)},
	{elicitForm, "the backend's revision has no elicitation", saysElicitation, "2025-06-18, changelog", olderBackend(r0618)},
	{elicitURL, "the client's revision has no URL mode", saysURL, "2025-11-25, changelog", olderClient(r1125)},
	{elicitURL, "the backend's revision has no URL mode", saysURL, "2025-11-25, changelog", olderBackend(r1125)},
	{tasks, "the client's revision has no tasks", saysTasks, "2025-11-25, changelog", olderClient(r1125)},
	{tasks, "the backend's revision has no tasks", saysTasks, "2025-11-25, changelog", olderBackend(r1125)},
	{tasks, "the tasks of 2025-11-25 and of the extension are two protocols", saysExtension, "2026-07-28, changelog", acrossEras},
	{taskTools, "the backend's revision has no tasks", saysTasks, "2025-11-25, changelog", olderBackend(r1125)},
	{structured, "the backend's revision has no structured output", saysStructured, "2025-06-18, changelog", olderBackend(r0618)},
}

// impossibleAt is the index of the first entry that a cell is on, or -1.
func impossibleAt(f feature, d door, b *backend) int {
	for i, e := range frozen {
		if e.feature == f && e.holds(d, b) {
			return i
		}
	}
	return -1
}
