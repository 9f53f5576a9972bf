package matrix_test

import (
	"fmt"
	"slices"
	"strings"
)

const head = `# Compatibility

Which client reaches which backend through Drawbridge, and with what. Written by
` + "`go test ./test/matrix -update`" + `; every ` + "`make test`" + ` tries each cell again and fails where
this page is not what it saw.

There is one table for each kind of client, with one row for each kind of backend. A cell names
the client programs with which the feature was seen to work:

%s
"no" names an entry of the list of what cannot work, at the end. A dot means that the program of
that row does not offer the feature; another row of the same revision and transport does. Where
a client program is missing in a cell, its SDK does not have the feature, or the sample's tool
takes seconds and was tried with one program only.

The backends called fixture are servers made with the Go SDK that speak one revision and offer
exactly what it defines; tasks, which that SDK does not have, come from a fixture of our own
beside it. What reaches them is read beneath the SDK. Over stdio one process serves all clients,
or, where it is ` + "`interactive`" + `, each of them its own. The other backends are official sample
servers as they are, whose results are the only witness of their end; the one that is
2025-11-25 over HTTP+SSE is newer than its transport.

Tasks of 2025-11-25 are offered to clients because the gateway runs with ` + "`legacy_tasks`" + ` here.

| feature | works when |
|---|---|
%s`

// meanings say what must be seen for a feature to work.
var meanings = map[feature]string{
	lifecycle:   "the client speaks the revision it asked for; the backend was greeted, or told with each request, in its own; a legacy client's ping is answered",
	lists:       "tools, prompts, resources and templates of the backend are listed",
	calls:       "a tool, a prompt and a resource of a template answer with what the client sent",
	progress:    "every report arrives, in order, with the client's own token, and with its message from 2025-03-26 on",
	cancelling:  "the backend is told in the way of its own revision, and its tool ends",
	logging:     "exactly the messages from the level on that the client asked for arrive, at two levels",
	listChanges: "the client is told after the backend has a new tool, and finds it in the list",
	updates:     "the client is told after a resource changed that it subscribed to, and reads the new text",
	elicitForm:  "the client is asked once, in the way of its own revision, and the backend's result has its answer",
	elicitURL:   "the same in URL mode",
	sampling:    "the same with a message for the client's model",
	roots:       "the backend's result has the client's roots",
	completion:  "values come back; the context of other arguments reaches a backend whose revision has it, and no other",
	tasks:       "the client runs a tool as a task of its own revision, looks at it until it is done, and has the result; the backend's id stays inside",
	taskTools:   "a client that does not ask for a task has the plain result of a tool that needs or may make one, which ran once",
	structured:  "the tool is listed with its schema, and the result is an object that fits, with the same as text",
}

// render writes the page.
func (m *matrix) render() string {
	var b strings.Builder
	var means strings.Builder
	for _, f := range features {
		fmt.Fprintf(&means, "| %s | %s |\n", f, meanings[f])
	}
	fmt.Fprintf(&b, head, m.legend(), means.String())
	for _, d := range m.ways {
		fmt.Fprintf(&b, "\n## Client: %s\n\n", d)
		m.table(&b, d)
	}
	b.WriteString("\n## What cannot work\n\nThe list is frozen in the test: a cell that is on it and works fails it, too.\n\n")
	for i, e := range frozen {
		fmt.Fprintf(&b, "%d. %s: %s. \"%s\" (%s)\n", i+1, e.feature, e.why, e.sentence, e.source)
	}
	return b.String()
}

// legend is the list of client programs.
func (m *matrix) legend() string {
	var names []string
	for _, d := range m.ways {
		for _, p := range d.programs {
			if n := fmt.Sprintf("- `%c` %s\n", p.letter, p.name); !slices.Contains(names, n) {
				names = append(names, n)
			}
		}
	}
	slices.Sort(names)
	return strings.Join(names, "")
}

func (m *matrix) table(b *strings.Builder, d door) {
	b.WriteString("| backend | program |")
	for _, f := range features {
		fmt.Fprintf(b, " %s |", f)
	}
	b.WriteString("\n|---|---|" + strings.Repeat("---|", len(features)) + "\n")
	for _, row := range m.rows {
		fmt.Fprintf(b, "| %s %s | %s |", row.revision, row.transport, row.program)
		for _, f := range features {
			fmt.Fprintf(b, " %s |", m.mark(d, row, f))
		}
		b.WriteString("\n")
	}
}

// mark is what stands in a cell of the page.
func (m *matrix) mark(d door, row *backend, f feature) string {
	s := m.seen[key(d, row, f)]
	switch {
	case s == nil:
		return "·"
	case s.frozen >= 0:
		return fmt.Sprintf("no %d", s.frozen+1)
	}
	return s.letters
}
