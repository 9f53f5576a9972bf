package pagetest

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"drawbridge/internal/servers/kittest"
)

// HowTo is a page of docs/how-to whose examples are made, not told.
type HowTo struct {
	Page   string
	Client *kittest.Client
	// Shown are texts of the test with what the page says in their place. In calls, the
	// first of those with the same place is meant.
	Shown []Shown
	// Varies are expressions for what is different each time.
	Varies []string
}

// Shown is a text of a test, and what a page says in its place.
type Shown struct{ Real, As string }

// always differs: marks, times and their fractions.
var always = []string{`outside-[a-z0-9]{10}\]`, `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`, `\d+ ms`}

// mostLines is how much of an answer is written onto a page.
const mostLines = 24

// Run makes the calls of the page's examples, in order, and holds the answers on it to
// what comes back. A call is an indented block that begins with a tool's name. The
// indented blocks after it, up to the next call, are what the person was asked and then
// the answer, with "..." for lines left out. -update writes those that differ.
func (h HowTo) Run(t *testing.T) {
	t.Helper()
	path := filepath.Join("..", "..", "..", "docs", "how-to", h.Page)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	tools := map[string]bool{}
	for _, tool := range kittest.Tools(t, h.Client) {
		tools[tool.Name] = true
	}
	parts, calls := blocks(string(raw)), 0
	defer func() { // also after a call that failed, to show how far it came
		if !kittest.Updating() {
			return
		}
		if err := os.WriteFile(path, []byte(joined(parts)), 0o644); err != nil {
			t.Error(err)
		}
	}()
	var asked []string
	if person := h.Client.Person; person != nil {
		h.Client.Person = func(message string) string { asked = append(asked, message); return person(message) }
	}
	for i, part := range parts {
		tool, args, _ := strings.Cut(strings.ReplaceAll(part.text, "\n", " "), " ")
		if !part.code || !tools[tool] {
			continue
		}
		if strings.Contains(part.text, "\n\n") {
			t.Fatalf("%s: put words between the blocks of %q: Markdown makes one of them", h.Page, part.text)
		}
		calls++
		for _, s := range h.Shown {
			args = strings.ReplaceAll(args, s.As, s.Real)
		}
		asked = nil
		answer := h.Client.Must(t, tool, args, nil).Text
		said := append(asked, answer)
		for at := i + 2; len(said) > 0 && at < len(parts); at, said = at+2, said[1:] {
			if word, _, _ := strings.Cut(parts[at].text, " "); !parts[at].code || tools[word] {
				break // nothing is said of what comes back
			}
			h.compare(t, part.text, &parts[at], said[0])
		}
	}
	if calls < 3 {
		t.Errorf("%s has %d calls", h.Page, calls)
	}
}

// compare holds a block of the page to what a call said.
func (h HowTo) compare(t *testing.T, call string, at *block, said string) {
	t.Helper()
	for _, s := range h.Shown {
		said = strings.ReplaceAll(said, s.Real, s.As)
	}
	if h.same(at.text, said) {
		return
	}
	if !kittest.Updating() {
		t.Errorf("%s: %s comes back with\n%s\nthe page says\n%s", h.Page, call, said, at.text)
	}
	at.text = shortened(said)
}

// same compares the answer on a page with a real one.
func (h HowTo) same(page, real string) bool {
	for _, v := range slices.Concat(always, h.Varies) {
		varying := regexp.MustCompile(v)
		page, real = varying.ReplaceAllString(page, "~"), varying.ReplaceAllString(real, "~")
	}
	var pattern strings.Builder
	for line := range strings.Lines(strings.TrimRight(page, "\n") + "\n") {
		if line == "...\n" {
			pattern.WriteString(`(?:.*\n)*`)
			continue
		}
		pattern.WriteString(regexp.QuoteMeta(strings.TrimRight(line, " \n")) + ` *\n`)
	}
	return regexp.MustCompile(`^` + pattern.String() + `\n*$`).MatchString(real + "\n")
}

func shortened(text string) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if len(lines) > mostLines {
		lines = append(lines[:mostLines:mostLines], "...")
	}
	return strings.Join(lines, "\n")
}

// block is a part of a page: indented by four, which is code, or not.
type block struct {
	code bool
	text string // without the indentation
}

// blocks cuts a page. Empty lines between indented ones are part of the code.
func blocks(page string) (all []block) {
	const indent = "    "
	var code, text []string
	empty := 0
	flush := func() {
		if code != nil {
			all = append(all, block{true, strings.Join(code, "\n")})
		}
		code = nil
		for ; empty > 0; empty-- {
			text = append(text, "")
		}
	}
	for line := range strings.SplitSeq(page, "\n") {
		rest, is := strings.CutPrefix(line, indent)
		switch {
		case is && !strings.HasPrefix(line, indent+"   ") || is && code != nil:
			if code == nil {
				all, text = append(all, block{false, strings.Join(text, "\n")}), nil
			}
			for ; empty > 0; empty-- {
				code = append(code, "")
			}
			code = append(code, rest)
		case strings.TrimSpace(line) == "" && code != nil:
			empty++
		default:
			flush()
			text = append(text, line)
		}
	}
	flush()
	return append(all, block{false, strings.Join(text, "\n")})
}

// joined is the page again.
func joined(parts []block) string {
	var lines []string
	for _, p := range parts {
		for line := range strings.SplitSeq(p.text, "\n") {
			if p.code {
				line = strings.TrimRight("    "+line, " ")
			}
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}
