package memory

import (
	"context"
	"encoding/json"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/kit/pattern"
	"drawbridge/internal/servers/memory/records"
)

// bankContract: the original's schemas have nothing special.
var bankContract = kit.Contract{}

// nameRule is the original's for projects and files.
var nameRule = pattern.New(`^[a-zA-Z0-9_.-]+$`)

// bankError is an error in the original's shape.
func bankError(name, text string) error {
	body, err := json.Marshal(struct {
		Name  string `json:"name"`
		Error string `json:"error"`
	}{name, text})
	if err != nil {
		return err // two strings always encode
	}
	return fault.New(fault.Invalid, "%s", body)
}

func missingParam(name string) error {
	return bankError("MissingParamError", "Missing parameter: "+name)
}

func invalidParam(what string) error {
	return bankError("InvalidParamError", "Invalid parameter: "+what)
}

func fileNotFound(name string) error {
	return bankError("NotFoundError", "Resource not found: "+name)
}

// param is one argument of the original's tools and where it goes.
type param struct {
	name string
	into *string
	rule func(name, value string) error // nil: any text
}

// bankArguments checks arguments in the original's order: all that is missing,
// then what does not fit. A value that is no text is the caller's mistake; the
// original fails inside on it.
func bankArguments(raw []byte, params ...param) error {
	var args map[string]any
	if err := json.Unmarshal(raw, &args); err != nil {
		return fault.Wrap(err, fault.Invalid, "The arguments are not an object. Send one.")
	}
	for _, p := range params {
		switch v := args[p.name].(type) {
		case nil:
			return missingParam(p.name)
		case string:
			if *p.into = v; v == "" {
				return missingParam(p.name)
			}
		default:
			return invalidParam(p.name + " must be a string")
		}
	}
	for _, p := range params {
		if p.rule != nil {
			if err := p.rule(p.name, *p.into); err != nil {
				return err
			}
		}
	}
	for _, p := range params {
		if p.rule != nil && (strings.Contains(*p.into, "..") || strings.Contains(*p.into, "/")) {
			return invalidParam(p.name + " contains invalid path segments")
		}
	}
	return nil
}

// written is the rule for names that are about to exist. "." passes the
// original's expression and writes beside the projects; not here.
func written(_, value string) error {
	if !nameRule().MatchString(value) || value == "." || len(value) > records.MaxName {
		return invalidParam(value)
	}
	return nil
}

// asked is the rule for names that are looked up.
func asked(_, _ string) error { return nil }

type projectIn struct {
	ProjectName string `json:"projectName" jsonschema:"The name of the project"`
}

// DecodeArguments applies the original's rules.
func (in *projectIn) DecodeArguments(_ string, raw []byte) error {
	return bankArguments(raw, param{"projectName", &in.ProjectName, nil})
}

type fileIn struct {
	ProjectName string `json:"projectName" jsonschema:"The name of the project"`
	FileName    string `json:"fileName" jsonschema:"The name of the file"`
}

// DecodeArguments applies the original's rules.
func (in *fileIn) DecodeArguments(_ string, raw []byte) error {
	return bankArguments(raw, param{"projectName", &in.ProjectName, asked}, param{"fileName", &in.FileName, asked})
}

type contentIn struct {
	ProjectName string `json:"projectName" jsonschema:"The name of the project"`
	FileName    string `json:"fileName" jsonschema:"The name of the file"`
	Content     string `json:"content" jsonschema:"The content of the file"`
}

// DecodeArguments applies the original's rules.
func (in *contentIn) DecodeArguments(_ string, raw []byte) error {
	return bankArguments(raw, param{"projectName", &in.ProjectName, written}, param{"fileName", &in.FileName, written},
		param{"content", &in.Content, nil})
}

func (s *server) listProjects(ctx context.Context, c *kit.Call, _ struct{}) (kit.Text, error) {
	all, err := s.records.Projects(ctx, owner(c))
	return kit.Text(strings.Join(all, ",")), err
}

// listFiles answers for an unknown project as the original does, less the path.
func (s *server) listFiles(ctx context.Context, c *kit.Call, in projectIn) (kit.Text, error) {
	files, err := s.records.Files(ctx, owner(c), in.ProjectName)
	if err == nil && len(files) == 0 {
		err = bankError("UnexpectedError", "An unexpected error occurred: Error: ENOENT: no such file or directory, stat '"+in.ProjectName+"'")
	}
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = f.Name
	}
	return kit.Text(strings.Join(names, ",")), err
}

func (s *server) readFile(ctx context.Context, c *kit.Call, in fileIn) (kit.Text, error) {
	f, err := s.records.File(ctx, owner(c), in.ProjectName, in.FileName)
	if err == nil && !f.Live() {
		err = fileNotFound(in.FileName)
	}
	return kit.Text(f.Content), err
}

// writeFile makes a file. Where there is one its content stays, as in the
// original, which however reports success.
func (s *server) writeFile(ctx context.Context, c *kit.Call, in contentIn) (kit.Text, error) {
	_, err := s.changeFile(ctx, c, in.ProjectName, in.FileName, func(f *records.File) error {
		if f.Live() {
			return bankError("InvalidParamError", "File "+in.FileName+" already exists in project "+in.ProjectName+
				" and was not changed. Use memory_bank_update to replace its content.")
		}
		f.Content = in.Content
		return nil
	})
	return kit.Text("File " + in.FileName + " written successfully to project " + in.ProjectName), err
}

func (s *server) updateFile(ctx context.Context, c *kit.Call, in contentIn) (kit.Text, error) {
	_, err := s.changeFile(ctx, c, in.ProjectName, in.FileName, func(f *records.File) error {
		if !f.Live() {
			return fileNotFound(in.FileName)
		}
		f.Content = in.Content
		return nil
	})
	return kit.Text("File " + in.FileName + " updated successfully in project " + in.ProjectName), err
}

// changeFile lets change set a file's content, saves it as a new version, and
// tells the watchers.
func (s *server) changeFile(ctx context.Context, c *kit.Call, project, name string, change func(*records.File) error) (f records.File, err error) {
	appeared := false
	err = s.change(ctx, c, func(ch *records.Change) error {
		before, err := ch.File(ctx, project, name)
		if err != nil {
			return err
		}
		wanted := before
		if err := change(&wanted); err != nil {
			return err
		}
		appeared = !before.Live()
		ch.Summary = "wrote " + project + "/" + name
		f, err = ch.SaveFile(ctx, before, wanted.Content)
		return err
	})
	if err == nil {
		warnOfSecrets(c, f.Content)
		tell(c, f, appeared)
	}
	return f, err
}

func uriOf(f records.File) string { return kit.Expand(fileTemplate, f.Project, f.Name) }

// tell has the watchers hear of a changed file, and of another list of files.
// Files in spaces are no resources.
func tell(c *kit.Call, f records.File, listed bool) {
	if c.Space() != "" {
		return
	}
	c.Updated(uriOf(f))
	if listed {
		c.ResourcesChanged()
	}
}
