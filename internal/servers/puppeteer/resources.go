package puppeteer

import (
	"context"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
)

const (
	consoleURI     = "console://logs"
	screenshotsURI = "screenshot://{name}"
)

// resources are the original's.
func (s *server) resources() []kit.Resource {
	return []kit.Resource{{
		URI: consoleURI, Name: "Browser console logs", Title: "Browser console", MIMEType: "text/plain",
		Description: "What the consoles of your pages said, in the session you used last.",
		Read: func(_ context.Context, c *kit.Call) (kit.Content, error) {
			return kit.Content{Text: strings.Join(s.sessions.LastConsole(c.User()), "\n"), Untrusted: true}, nil
		},
	}}
}

func (s *server) templates() []kit.Template {
	return []kit.Template{{
		URITemplate: screenshotsURI, Name: "Screenshot", Title: "Screenshot", MIMEType: "image/png",
		Description: "A screenshot that you took, by its name.",
		Read: func(_ context.Context, c *kit.Call, vars map[string]string) (kit.Content, error) {
			for _, one := range s.sessions.Shots(c.User()) {
				if one.Name == vars["name"] {
					return kit.Content{Blob: one.PNG}, nil
				}
			}
			return kit.Content{}, fault.New(fault.NotFound, "There is no screenshot %q. resources/list has those there are.", vars["name"])
		},
		List: func(_ context.Context, c *kit.Call) ([]kit.Listed, error) {
			listed := []kit.Listed{}
			for _, one := range s.sessions.Shots(c.User()) {
				listed = append(listed, kit.Listed{URI: kit.Expand(screenshotsURI, one.Name), Name: "Screenshot: " + one.Name, MIMEType: "image/png", Size: int64(len(one.PNG))})
			}
			return listed, nil
		},
		Complete: func(_ context.Context, c *kit.Call, _, typed string) ([]string, error) {
			var names []string
			for _, one := range s.sessions.Shots(c.User()) {
				if strings.HasPrefix(one.Name, typed) {
					names = append(names, one.Name)
				}
			}
			return names, nil
		},
	}}
}
