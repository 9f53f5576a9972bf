package puppeteer

import (
	"context"
	"strings"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/puppeteer/page"
	"drawbridge/internal/servers/puppeteer/session"
)

type downloadsIn struct {
	Wait float64 `json:"wait_seconds,omitempty" jsonschema:"Wait for a download to begin and for those that run to end." min:"0" max:"50"`
	inSession
}

// fetched is a download in a list.
type fetched struct {
	URL   kit.Untrusted `json:"url"`
	Name  kit.Untrusted `json:"name"`
	State string        `json:"state" jsonschema:"completed, inProgress, canceled, or tooLarge."`
	Size  int64         `json:"size"`
	File  *kit.File     `json:"file,omitempty"`
}

type downloadsOut struct {
	Downloads []fetched `json:"downloads"`
}

func (s *server) downloaded(ctx context.Context, c *kit.Call, in downloadsIn) (downloadsOut, error) {
	out := downloadsOut{Downloads: []fetched{}}
	one, release, err := s.sessions.Use(ctx, c.User(), in.SessionID)
	if err != nil {
		return out, err
	}
	defer release()
	if err := one.AwaitDownloads(ctx, in.Wait); err != nil {
		return out, err
	}
	all, err := one.Downloads(ctx, c)
	for _, d := range all {
		out.Downloads = append(out.Downloads, fetched{kit.Untrusted(short(d.URL)), kit.Untrusted(short(d.Name)), d.State, d.Size, d.File})
	}
	return out, err
}

// maxUploads bounds the files of one call.
const maxUploads = 10

type uploadIn struct {
	onTarget
	Files []string `json:"files" jsonschema:"References of files that the gateway keeps." min:"1" max:"10"`
	looks
}

func (s *server) upload(ctx context.Context, c *kit.Call, in uploadIn) (seen, error) {
	if len(in.Files) > maxUploads {
		return seen{}, fault.New(fault.Limited, "At most %d files are uploaded at once. Send fewer.", maxUploads)
	}
	return s.acted(ctx, c, in.looks, func(one *session.Session, t *session.Tab) error {
		var paths []string
		for _, ref := range in.Files {
			path, err := one.Place(ctx, c, ref)
			if err != nil {
				return err
			}
			paths = append(paths, path)
		}
		return t.Page.Upload(ctx, page.Target(in.Target), paths)
	})
}

// short is the beginning of what a page says in a list.
func short(s string) string {
	if len(s) <= 500 {
		return s
	}
	return strings.ToValidUTF8(s[:500], "") + "..."
}

func duration(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
