package memory

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/memory/records"
)

// place names a file in the tools that are ours.
type place struct {
	ProjectName string `json:"projectName" jsonschema:"The name of the project." pattern:"^[a-zA-Z0-9_.-]+$" max:"512"`
	FileName    string `json:"fileName" jsonschema:"The name of the file." pattern:"^[a-zA-Z0-9_.-]+$" max:"512"`
}

// guard is the version that a careful caller expects.
type guard struct {
	ExpectedVersion int64 `json:"expected_version,omitempty" jsonschema:"Refuse if the file is at another version by now." min:"1"`
}

func (g guard) check(f records.File) error {
	if g.ExpectedVersion != 0 && g.ExpectedVersion != f.Version {
		return fault.New(fault.Conflict, "The file is at version %d, not %d. Read it again with memory_bank_read, then decide.", f.Version, g.ExpectedVersion)
	}
	return nil
}

// fileOut says what became of a file.
type fileOut struct {
	ProjectName string `json:"projectName"`
	FileName    string `json:"fileName"`
	Version     int64  `json:"version"`
	Bytes       int64  `json:"bytes"`
}

func outOf(f records.File) fileOut { return fileOut{f.Project, f.Name, f.Version, f.Size} }

func (p place) gone() error {
	return fault.New(fault.NotFound, "There is no file %s in the project %s. list_project_files has those there are.", p.FileName, p.ProjectName)
}

// valid refuses the names that the original's rules refuse.
func (p place) valid() error {
	for _, n := range []string{p.ProjectName, p.FileName} {
		if n == "." || strings.Contains(n, "..") {
			return fault.New(fault.Invalid, "The name %q is not one for a file or a project. Choose one without dots in a row.", n)
		}
	}
	return nil
}

type appendIn struct {
	place
	Content string `json:"content" jsonschema:"The text to add; it starts on a line of its own." min:"1"`
	guard
}

func (s *server) appendFile(ctx context.Context, c *kit.Call, in appendIn) (fileOut, error) {
	if err := in.valid(); err != nil {
		return fileOut{}, err
	}
	f, err := s.changeFile(ctx, c, in.ProjectName, in.FileName, func(f *records.File) error {
		if err := in.check(*f); err != nil {
			return err
		}
		if !f.Live() {
			f.Content = ""
		}
		if f.Content != "" && !strings.HasSuffix(f.Content, "\n") {
			f.Content += "\n"
		}
		f.Content += in.Content
		return nil
	})
	return outOf(f), err
}

type patchIn struct {
	place
	Section string `json:"section" jsonschema:"The heading whose text is replaced, without its # signs." min:"1"`
	Content string `json:"content" jsonschema:"The new text below the heading, up to the next heading of the same or a higher level."`
	guard
}

func (s *server) patchFile(ctx context.Context, c *kit.Call, in patchIn) (fileOut, error) {
	f, err := s.changeFile(ctx, c, in.ProjectName, in.FileName, func(f *records.File) error {
		if !f.Live() {
			return in.gone()
		}
		if err := in.check(*f); err != nil {
			return err
		}
		patched, headings, ok := patchSection(f.Content, in.Section, in.Content)
		if !ok {
			return fault.New(fault.NotFound, "There is no heading %q in %s, or more than one. Its headings are: %s.", records.Clip(in.Section, 100), in.FileName, strings.Join(headings, "; "))
		}
		f.Content = patched
		return nil
	})
	return outOf(f), err
}

// patchSection replaces the text below the one heading of that title. Headings
// inside fenced code are text.
func patchSection(content, title, text string) (patched string, headings []string, ok bool) {
	lines := strings.SplitAfter(content, "\n")
	from, to, level, found, fenced := -1, len(lines), 0, 0, false
	for i, line := range lines {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced = !fenced
		}
		marks := len(line) - len(strings.TrimLeft(line, "#"))
		if fenced || marks == 0 || marks > 6 || !strings.HasPrefix(line[marks:], " ") {
			continue
		}
		name := strings.TrimSpace(line[marks:])
		headings = append(headings, name)
		if from >= 0 && to == len(lines) && marks <= level {
			to = i
		}
		if strings.EqualFold(name, strings.TrimSpace(title)) {
			if found++; found == 1 {
				from, level = i+1, marks
			}
		}
	}
	if found != 1 {
		return "", headings, false
	}
	head, rest := strings.Join(lines[:from], ""), strings.Join(lines[to:], "")
	if !strings.HasSuffix(head, "\n") {
		head += "\n"
	}
	body := "\n" + strings.Trim(text, "\n") + "\n"
	if rest != "" {
		body += "\n"
	}
	return head + body + rest, headings, true
}

type deleteIn struct {
	place
	guard
}

// deleteFile is idempotent: a file that is gone already is no error.
func (s *server) deleteFile(ctx context.Context, c *kit.Call, in deleteIn) (fileOut, error) {
	var f records.File
	err := s.change(ctx, c, func(ch *records.Change) (err error) {
		if f, err = ch.File(ctx, in.ProjectName, in.FileName); err != nil {
			return err
		}
		if !f.Known() {
			return in.gone()
		}
		if !f.Live() {
			return nil
		}
		if err := in.check(f); err != nil {
			return err
		}
		ch.Summary = "deleted " + f.Project + "/" + f.Name
		return ch.RemoveFile(ctx, f)
	})
	if err == nil {
		tell(c, f, true)
	}
	return outOf(f), err
}

type historyIn struct {
	place
	Version int64 `json:"version,omitempty" jsonschema:"Give the content of this version too." min:"1"`
	kit.PageIn
}

type historyOut struct {
	Deleted  bool         `json:"deleted"`
	Versions []versionOut `json:"versions"`
	Content  string       `json:"content,omitempty"`
	kit.PageOut
}

type versionOut struct {
	Version int64  `json:"version"`
	Bytes   int64  `json:"bytes"`
	SavedAt string `json:"saved_at"`
	Current bool   `json:"current,omitempty"`
}

func (s *server) fileHistory(ctx context.Context, c *kit.Call, in historyIn) (out historyOut, err error) {
	window, err := in.Window(20)
	if err != nil {
		return out, err
	}
	f, err := s.records.File(ctx, owner(c), in.ProjectName, in.FileName)
	if err != nil {
		return out, err
	}
	if !f.Known() {
		return out, in.gone()
	}
	older, err := s.records.Versions(ctx, f)
	if err != nil {
		return out, err
	}
	all := []versionOut{{f.Version, f.Size, stamp(f.Updated), f.Live()}}
	for _, v := range older {
		all = append(all, versionOut{v.Number, v.Size, stamp(v.Saved), false})
	}
	out.Deleted = !f.Live()
	out.Versions, out.PageOut = kit.Cut(window, all)
	if in.Version == 0 {
		return out, nil
	}
	content, there, err := s.records.Content(ctx, f, in.Version)
	if err == nil && !there {
		err = in.noVersion(in.Version)
	}
	out.Content = content
	return out, err
}

func (p place) noVersion(version int64) error {
	return fault.New(fault.NotFound, "Version %d of %s is not kept. memory_bank_history lists those that are.", version, p.FileName)
}

type restoreFileIn struct {
	place
	Version int64 `json:"version,omitempty" jsonschema:"The version to bring back; without it the last one of a deleted file." min:"1"`
	guard
}

func (s *server) restoreFile(ctx context.Context, c *kit.Call, in restoreFileIn) (out fileOut, err error) {
	var f records.File
	err = s.change(ctx, c, func(ch *records.Change) error {
		before, err := ch.File(ctx, in.ProjectName, in.FileName)
		if err != nil {
			return err
		}
		if !before.Known() {
			return in.gone()
		}
		if err := in.check(before); err != nil {
			return err
		}
		version := in.Version
		if version == 0 {
			if version = before.Version; before.Live() {
				return fault.New(fault.Invalid, "%s is not deleted. Say which version to bring back; memory_bank_history lists them.", in.FileName)
			}
		}
		content, there, err := ch.Content(ctx, before, version)
		if err != nil {
			return err
		}
		if !there {
			return in.noVersion(version)
		}
		ch.Summary = fmt.Sprintf("restored version %d of %s/%s", version, before.Project, before.Name)
		f, err = ch.SaveFile(ctx, before, content)
		return err
	})
	if err == nil {
		tell(c, f, true)
	}
	return outOf(f), err
}

type deleteProjectIn struct {
	ProjectName string `json:"projectName" jsonschema:"The name of the project."`
}

type deleteProjectOut struct {
	Deleted []string `json:"deleted" jsonschema:"The names of the files."`
}

func (s *server) deleteProject(ctx context.Context, c *kit.Call, in deleteProjectIn) (out deleteProjectOut, err error) {
	files, err := s.records.Files(ctx, owner(c), in.ProjectName)
	if err != nil {
		return out, err
	}
	err = s.change(ctx, c, func(ch *records.Change) error {
		for _, f := range files {
			if err := ch.RemoveFile(ctx, f); err != nil {
				return err
			}
			out.Deleted = append(out.Deleted, f.Name)
		}
		ch.Summary = "deleted the project " + records.Clip(in.ProjectName, 100)
		return nil
	})
	if err == nil {
		c.ResourcesChanged()
	}
	return out, err
}

func (s *server) readFileResource(ctx context.Context, c *kit.Call, vars map[string]string) (kit.Content, error) {
	f, err := s.records.File(ctx, owner(c), vars["project"], vars["file"])
	if err == nil && !f.Live() {
		err = fault.New(fault.NotFound, "There is no file %q in the project %q. resources/list has those there are.", vars["file"], vars["project"])
	}
	return kit.Content{Text: f.Content}, err
}

func (s *server) listFileResources(ctx context.Context, c *kit.Call) ([]kit.Listed, error) {
	files, err := s.records.Files(ctx, owner(c), "")
	all := make([]kit.Listed, len(files))
	for i, f := range files {
		all[i] = kit.Listed{URI: uriOf(f), Name: f.Project + "/" + f.Name, MIMEType: "text/markdown", Size: f.Size}
	}
	return all, err
}

func (s *server) completeFile(ctx context.Context, c *kit.Call, variable, typed string) ([]string, error) {
	if variable == "project" {
		all, err := s.records.Projects(ctx, owner(c))
		return startingWith(typed, all), err
	}
	files, err := s.records.Files(ctx, owner(c), "")
	var all []string
	for _, f := range files {
		all = append(all, f.Name)
	}
	slices.Sort(all)
	return startingWith(typed, slices.Compact(all)), err
}

func startingWith(prefix string, all []string) []string {
	return slices.DeleteFunc(all, func(s string) bool { return !strings.HasPrefix(s, prefix) })
}

// contextPrompt hands a project's files to the model, those of the Cline memory
// bank first and in their order.
func (s *server) contextPrompt() kit.Prompt {
	return kit.Prompt{
		Name: "load_project_context", Title: "Load project context",
		Description: "Start from what the memory bank knows of a project.",
		Arguments:   []kit.Argument{{Name: "project", Description: "The name of the project.", Required: true}},
		Complete: func(ctx context.Context, c *kit.Call, _, typed string) ([]string, error) {
			all, err := s.records.Projects(ctx, owner(c))
			return startingWith(typed, all), err
		},
		Render: s.renderContext,
	}
}

func coreFiles() []string {
	return []string{"projectbrief.md", "productContext.md", "activeContext.md", "systemPatterns.md", "techContext.md", "progress.md"}
}

func (s *server) renderContext(ctx context.Context, c *kit.Call, args map[string]string) ([]kit.Message, error) {
	project := args["project"]
	files, err := s.records.Files(ctx, owner(c), project)
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fault.New(fault.NotFound, "There is no project %q in the memory bank. list_projects has those there are.", project)
	}
	core := coreFiles()
	rank := func(f records.File) int {
		if i := slices.Index(core, f.Name); i >= 0 {
			return i
		}
		return len(core)
	}
	slices.SortStableFunc(files, func(a, b records.File) int { return rank(a) - rank(b) })
	var b strings.Builder
	fmt.Fprintf(&b, "This is what the memory bank holds of the project %s. Read it before you begin.\n", project)
	for _, f := range files {
		full, err := s.records.File(ctx, owner(c), project, f.Name)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "\n<file name=%q>\n%s\n</file>\n", f.Name, full.Content)
	}
	return []kit.Message{{Role: "user", Text: b.String()}}, nil
}
