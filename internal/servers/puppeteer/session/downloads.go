package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/puppeteer/page"
)

// The bounds on files that go through a session.
const (
	maxDownload  = 100 << 20 // bytes
	maxDownloads = 20        // kept of a session
)

const tooLarge = "tooLarge"

// download is one file that a page has given. Its lock is the session's.
type download struct {
	id, url, name string
	state         string // inProgress, completed, canceled
	size          int64
	file          *kit.File // once it is handed over
}

// downloadBegins takes a download over for the session whose frame has started it. A
// download of nobody is cancelled.
func (s *Pool) downloadBegins(frame, id, url, name string) {
	s.mu.Lock()
	b := s.browser
	var owner *Session
	var context string
	for in, one := range s.contexts {
		if one.owns(frame) {
			owner, context = one, in
		}
	}
	s.mu.Unlock()
	if owner == nil {
		if b != nil {
			b.Root.Send("Browser.cancelDownload", m{"guid": id})
		}
		return
	}
	owner.mu.Lock()
	defer owner.mu.Unlock()
	for _, t := range owner.tabs {
		t.Page.Diverted(frame)
	}
	if len(owner.downloads) >= maxDownloads {
		owner.browser.Root.Send("Browser.cancelDownload", m{"guid": id, "browserContextId": context})
		return
	}
	owner.downloads = append(owner.downloads, &download{id: id, url: url, name: name, state: "inProgress"})
	owner.wake()
}

func (s *Session) owns(frame string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.tabs, func(t *Tab) bool { return t.Page.HasFrame(frame) })
}

// downloadGoesOn follows a download; one that grows too large is cancelled.
func (s *Pool) downloadGoesOn(id, state string, most, received int64) {
	s.mu.Lock()
	all := maps.Clone(s.contexts)
	s.mu.Unlock()
	for context, one := range all {
		one.follow(context, id, state, most, received)
	}
}

func (s *Session) follow(context, id, state string, most, received int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.downloads, func(d *download) bool { return d.id == id })
	if i < 0 {
		return
	}
	d := s.downloads[i]
	if d.state == tooLarge {
		return // its cancellation
	}
	d.state, d.size = state, received
	if most > maxDownload && state == "inProgress" {
		d.state = tooLarge
		s.browser.Root.Send("Browser.cancelDownload", m{"guid": id, "browserContextId": context})
	}
	s.wake()
}

// Begun is how many downloads there were.
func (s *Session) Begun() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.downloads)
}

// TookOver tells whether a navigation ended because it became a download, after as
// many as there were before. The word of that may come a little later.
func (s *Session) TookOver(ctx context.Context, err error, before int) bool {
	var net *page.NetError
	if !errors.As(err, &net) || net.Code != "net::ERR_ABORTED" {
		return false
	}
	wait, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return s.await(wait, func() bool { return len(s.downloads) > before }) == nil
}

// AwaitDownloads waits until there is a download and none runs any more. The end of
// the time is no error.
func (s *Session) AwaitDownloads(ctx context.Context, seconds float64) error {
	if seconds <= 0 {
		return nil
	}
	wait, cancel := context.WithTimeout(ctx, duration(seconds))
	defer cancel()
	err := s.await(wait, func() bool {
		return len(s.downloads) > 0 && !slices.ContainsFunc(s.downloads, func(d *download) bool { return d.state == "inProgress" })
	})
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil
	}
	return err
}

// Download is a download in a list.
type Download struct {
	URL, Name, State string
	Size             int64
	File             *kit.File // once it is handed over
}

// Downloads are those of the session, oldest first; what has been finished is given to
// the gateway's files.
func (s *Session) Downloads(ctx context.Context, c *kit.Call) ([]Download, error) {
	s.mu.Lock()
	all := slices.Clone(s.downloads)
	s.mu.Unlock()
	list := make([]Download, len(all))
	for i, d := range all {
		if err := s.hand(ctx, c, d); err != nil {
			return nil, err
		}
		s.mu.Lock()
		list[i] = Download{d.url, d.name, d.state, d.size, d.file}
		s.mu.Unlock()
	}
	return list, nil
}

// hand gives a finished download to the gateway's files, once.
func (s *Session) hand(ctx context.Context, c *kit.Call, d *download) error {
	s.mu.Lock()
	ready, id, name := d.state == "completed" && d.file == nil, d.id, d.name
	s.mu.Unlock()
	if !ready {
		return nil
	}
	path := filepath.Join(s.folder(), filepath.Base(id))
	content, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open download: %w", err)
	}
	defer content.Close()
	file, err := c.PutFile(ctx, kit.File{Name: safeName(name)}, content)
	if err != nil {
		return err
	}
	s.mu.Lock()
	d.file = &file
	s.mu.Unlock()
	if err := os.Remove(path); err != nil {
		c.Log.Warn("download not removed", "error", err)
	}
	return nil
}

// maxUploaded bounds what the uploads of a session take on the disk.
const maxUploaded = 250 << 20

// Place copies a file of the gateway to where the browser can read it, until the
// session ends: a page reads it when it is sent off.
func (s *Session) Place(ctx context.Context, c *kit.Call, ref string) (string, error) {
	content, file, err := c.OpenFile(ctx, ref)
	if err != nil {
		return "", err
	}
	defer content.Close()
	s.mu.Lock()
	s.uploaded += file.Size
	over := s.uploaded > maxUploaded
	s.serial++
	folder := filepath.Join(s.folder(), "uploads", strconv.Itoa(s.serial))
	s.mu.Unlock()
	if over {
		return "", fault.New(fault.Limited, "This browser session has uploaded %d bytes, which is the most. Close it with browser_close and go on in a new one.", maxUploaded)
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", fmt.Errorf("make folder of an upload: %w", err)
	}
	path := filepath.Join(folder, safeName(file.Name))
	copied, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", fmt.Errorf("make file of an upload: %w", err)
	}
	if _, err := io.Copy(copied, content); err != nil {
		return "", errors.Join(fmt.Errorf("copy upload: %w", err), copied.Close())
	}
	return path, copied.Close()
}

// safeName is a name of a file that is no path.
func safeName(name string) string {
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r == '/' || r == '\\' || r == 0x7f {
			return '_'
		}
		return r
	}, name)
	name = strings.TrimLeft(name, ".")
	if len(name) > 150 {
		name = strings.ToValidUTF8(name[len(name)-150:], "")
	}
	if name == "" {
		return "file"
	}
	return name
}

func duration(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
