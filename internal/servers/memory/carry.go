package memory

import (
	"context"
	"fmt"

	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/memory/records"
)

// carried is a file of the bank on its way out or in: root/project/file of the
// original's folder.
type carried struct {
	place
	Content string `json:"content" jsonschema:"The whole file."`
}

type exportBankIn struct {
	ProjectName string `json:"projectName,omitempty" jsonschema:"Only this project."`
	kit.PageIn
}

type exportBankOut struct {
	Files []carried `json:"files"`
	kit.PageOut
}

// exportBank pages through the files with their content. A page has as many as fit
// the budget, and at least one.
func (s *server) exportBank(ctx context.Context, c *kit.Call, in exportBankIn) (out exportBankOut, err error) {
	window, err := in.Window(50)
	if err != nil {
		return out, err
	}
	files, err := s.records.Files(ctx, owner(c), in.ProjectName)
	if err != nil {
		return out, err
	}
	start := min(window.Offset, len(files))
	var page []carried
	for _, f := range files[start:min(start+window.Limit, len(files))] {
		full, err := s.records.File(ctx, owner(c), f.Project, f.Name)
		if err != nil {
			return out, err
		}
		page = append(page, carried{place{f.Project, f.Name}, full.Content})
	}
	out.Files, out.PageOut = kit.Fit(window, page, len(files))
	return out, nil
}

type importBankIn struct {
	Files []carried `json:"files" jsonschema:"The files to add." min:"1" max:"500"`
}

type importBankOut struct {
	Files   int `json:"files" jsonschema:"How many are new."`
	Skipped int `json:"skipped" jsonschema:"How many were there already and stay as they are."`
}

// importBank adds files, all or nothing.
func (s *server) importBank(ctx context.Context, c *kit.Call, in importBankIn) (out importBankOut, err error) {
	for _, f := range in.Files {
		if err := f.valid(); err != nil {
			return out, err
		}
	}
	var stored []string
	err = s.change(ctx, c, func(ch *records.Change) error {
		for _, f := range in.Files {
			before, err := ch.File(ctx, f.ProjectName, f.FileName)
			if err != nil {
				return err
			}
			if before.Live() {
				out.Skipped++
				continue
			}
			if _, err := ch.SaveFile(ctx, before, f.Content); err != nil {
				return err
			}
			out.Files++
			stored = append(stored, f.Content)
		}
		ch.Summary = fmt.Sprintf("imported %d files", out.Files)
		return nil
	})
	warnOfSecrets(c, stored...)
	if err == nil && c.Space() == "" {
		c.ResourcesChanged()
	}
	return out, err
}
