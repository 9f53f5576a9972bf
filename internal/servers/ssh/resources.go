package ssh

import (
	"context"
	"strings"
	"unicode/utf8"

	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/ssh/access"
	"drawbridge/internal/servers/ssh/remote"
)

const fileTemplate = "ssh://{host}/file/{path}"

// mostRead bounds a file that is read as a resource.
const mostRead = 1 << 20

func (s *server) templates() []kit.Template {
	return []kit.Template{
		{
			URITemplate: fileTemplate, Name: "file", Title: "File on a host", Description: "A file on a host, up to 1 MB; the path is percent-encoded.",
			MIMEType: "text/plain", Read: s.readFileResource, Complete: s.completeFile,
		},
		{
			URITemplate: jobTemplate, Name: "remote-job", Title: "Job on a host", Description: "How a job of start_job stands, with the end of its output.",
			MIMEType: "application/json", Read: s.readJobResource, List: s.listJobResources, Complete: s.completeJob,
		},
	}
}

func (s *server) readFileResource(ctx context.Context, c *kit.Call, vars map[string]string) (kit.Content, error) {
	h, p, err := s.at(ctx, c, pathIn{hostIn{vars["host"]}, vars["path"]}, access.Read)
	if err != nil {
		return kit.Content{}, err
	}
	part, err := h.Read(ctx, remote.Reading{Path: p, Size: mostRead, Allowed: h.ReadRule()})
	if err != nil {
		return kit.Content{}, err
	}
	if !utf8.Valid(part.Data) {
		return kit.Content{Blob: part.Data, MIMEType: "application/octet-stream"}, nil
	}
	return kit.Content{Text: string(part.Data), Untrusted: true}, nil
}

func (s *server) readJobResource(ctx context.Context, c *kit.Call, vars map[string]string) (kit.Content, error) {
	out, err := s.getJob(ctx, c, getJobIn{ID: vars["id"], Stream: "stdout", Offset: -textRoom, Most: textRoom})
	if err != nil {
		return kit.Content{}, err
	}
	return kit.Content{Text: kit.Compact(out), Untrusted: true}, nil
}

func (s *server) listJobResources(ctx context.Context, c *kit.Call) ([]kit.Listed, error) {
	all, err := s.jobs.List(ctx, c.User())
	if err != nil {
		return nil, err
	}
	var listed []kit.Listed
	for _, j := range all {
		listed = append(listed, kit.Listed{URI: kit.Expand(jobTemplate, j.Host, j.ID), Name: j.ID, Title: "Job on " + j.Host, MIMEType: "application/json"})
	}
	return listed, nil
}

// completeHost suggests hosts that the caller may use.
func (s *server) completeHost(c *kit.Call, typed string) ([]string, error) {
	b, err := s.door.Book()
	if err != nil {
		return nil, err
	}
	var found []string
	for _, name := range b.Names() {
		if _, _, err := b.Find(c.User(), name); err == nil && strings.HasPrefix(name, typed) {
			found = append(found, name)
		}
	}
	return found, nil
}

// completeFile suggests hosts. Paths are not suggested: a completion does not say
// on which host.
func (s *server) completeFile(_ context.Context, c *kit.Call, variable, typed string) ([]string, error) {
	if variable != "host" {
		return nil, nil
	}
	return s.completeHost(c, typed)
}

func (s *server) completeJob(ctx context.Context, c *kit.Call, variable, typed string) ([]string, error) {
	if variable == "host" {
		return s.completeHost(c, typed)
	}
	all, err := s.jobs.List(ctx, c.User())
	if err != nil {
		return nil, err
	}
	var found []string
	for _, j := range all {
		if strings.HasPrefix(j.ID, typed) {
			found = append(found, j.ID)
		}
	}
	return found, nil
}
