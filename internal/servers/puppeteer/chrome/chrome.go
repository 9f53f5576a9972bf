// Package chrome runs one browser process and speaks its protocol.
//
// The process is a headless Chromium with an empty profile in a folder of its own,
// which is removed with it. It gets none of the gateway's environment, opens no port
// and is spoken to over two pipes, so that neither a page nor another program of the
// machine can reach the protocol; it ends when the pipes do. All its traffic goes to
// the proxy that Config names: it resolves no name and connects to nothing itself.
//
// The protocol is the Chrome DevTools Protocol, messages of JSON that end in a zero
// byte. A Session carries the calls and events of one target; calls are plain
// structs of the caller, and what a caller does not ask for is never decoded. The
// package knows no pages: what is done with a session is its user's matter.
package chrome

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// Config is how a browser is started.
type Config struct {
	Path      string   // of the program; see Find
	Proxy     string   // host:port through which everything goes
	NoSandbox bool     // Chromium's own sandbox is off
	Flags     []string // further ones, for tests
	Folder    string   // where its folder is made; "" is the system's for temporary files
}

// startTime is how long a start may take on a busy machine.
const startTime = 45 * time.Second

// ErrGone is in the errors of calls whose browser or target has ended.
var ErrGone = errors.New("the browser or the page has ended")

// Browser is a running process. Its Root session is that of the browser itself.
type Browser struct {
	Root *Session

	log    *slog.Logger
	folder string
	wire   *wire
	cmd    *exec.Cmd
	done   chan struct{} // closed when the process is reaped and its folder gone
	output *tail
	stop   sync.Once
}

// names are those under which distributions install the browser.
var names = []string{"chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "headless-shell", "chrome"}

// Find gives the path of the browser: the one that is set, or one of the usual names.
func Find(set string) (string, error) {
	if set != "" {
		path, err := exec.LookPath(set)
		if err != nil {
			return "", fmt.Errorf("look up browser %q: %w", set, err)
		}
		return path, nil
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("look up browser: %w", exec.ErrNotFound)
}

// Start starts a browser and waits until it answers. handle gets the events of the
// root session, see Session. ctx bounds the start alone; Close ends the browser.
func Start(ctx context.Context, log *slog.Logger, cfg Config, handle Handler) (*Browser, error) {
	folder, err := os.MkdirTemp(cfg.Folder, "drawbridge-browser-")
	if err != nil {
		return nil, fmt.Errorf("make folder of the browser: %w", err)
	}
	b := &Browser{log: log, folder: folder, done: make(chan struct{}), output: &tail{}}
	if err := b.launch(cfg, handle); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	var version struct{ Product string }
	if err := b.Root.Call(ctx, "Browser.getVersion", nil, &version); err != nil {
		b.Close()
		return nil, fmt.Errorf("start browser: %w; it said: %s", err, b.output)
	}
	log.Info("browser started", "product", version.Product, "pid", b.cmd.Process.Pid, "sandbox", !cfg.NoSandbox)
	return b, nil
}

// launch starts the process with the far ends of the two pipes as its descriptors
// 3 and 4, where Chromium expects them.
func (b *Browser) launch(cfg Config, handle Handler) error {
	theirIn, ourOut, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("open pipe: %w", err)
	}
	ourIn, theirOut, err := os.Pipe()
	if err != nil {
		return errors.Join(fmt.Errorf("open pipe: %w", err), theirIn.Close(), ourOut.Close())
	}
	cmd := &exec.Cmd{
		Path: cfg.Path, Args: append([]string{cfg.Path}, flags(cfg, b.folder)...), Dir: b.folder,
		Env:    []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + b.folder, "TMPDIR=" + b.folder, "LANG=C.UTF-8"},
		Stderr: b.output, ExtraFiles: []*os.File{theirIn, theirOut}, SysProcAttr: attributes(),
		// A grandchild may hold standard error open after the browser has ended.
		WaitDelay: time.Second,
	}
	err = cmd.Start()
	_, _ = theirIn.Close(), theirOut.Close() // the child has its own
	if err != nil {
		return errors.Join(fmt.Errorf("start process: %w", err), ourOut.Close(), ourIn.Close())
	}
	b.cmd = cmd
	b.wire, b.Root = newWire(ourIn, ourOut, handle)
	go b.live(ourIn, ourOut) // ends with the process
	return nil
}

// live waits for the end of the process and cleans up after it.
func (b *Browser) live(in, out io.Closer) {
	defer close(b.done)
	ended := make(chan error, 1)
	go func() { ended <- b.cmd.Wait() }() // awaited in every case
	var err error
	select {
	case err = <-ended:
	case <-b.wire.gone: // a broken pipe: the process is of no use any more
		_ = out.Close()
		select {
		case err = <-ended:
		case <-time.After(3 * time.Second):
			killGroup(b.cmd.Process.Pid)
			err = <-ended
		}
	}
	killGroup(b.cmd.Process.Pid) // helpers that outlived it
	_, _ = in.Close(), out.Close()
	b.wire.end()
	if rerr := removeAll(b.folder); rerr != nil {
		b.log.Warn("folder of the browser not removed", "error", rerr)
	}
	b.log.Info("browser ended", "status", fmt.Sprint(err))
}

// Done is closed when the process has ended, by itself or not.
func (b *Browser) Done() <-chan struct{} { return b.done }

// Gone is closed when the browser can no longer be spoken to, which is before Done.
func (b *Browser) Gone() <-chan struct{} { return b.wire.gone }

// Pid is the number of the process.
func (b *Browser) Pid() int { return b.cmd.Process.Pid }

// Folder is where the browser may keep files until it ends.
func (b *Browser) Folder() string { return b.folder }

// Close ends the process and waits for it.
func (b *Browser) Close() {
	b.stop.Do(func() { b.wire.end() })
	<-b.done
}

// Session makes the session of a target that the browser has attached. To be
// called by the root session's handler, so that no event is missed.
func (b *Browser) Session(id string, handle Handler) *Session { return b.wire.session(id, handle) }

// Detached forgets a session whose target is gone; its calls end.
func (b *Browser) Detached(id string) { b.wire.detach(id) }

// removeAll removes a folder in which helpers of the browser may still be writing.
func removeAll(folder string) error {
	var err error
	for range 50 {
		if err = os.RemoveAll(folder); err == nil {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return err
}

// flags is the command line. Whatever Chromium would do on its own is off: it
// fetches, updates, reports and syncs nothing, and shows nothing.
func flags(cfg Config, folder string) []string {
	all := []string{
		"--headless", "--remote-debugging-pipe", "--user-data-dir=" + filepath.Join(folder, "profile"),
		"--no-first-run", "--no-default-browser-check", "--no-service-autorun", "--no-pings", "--noerrdialogs",
		"--hide-scrollbars", "--mute-audio", "--force-color-profile=srgb", "--window-size=800,600", "--lang=en-US",
		"--disable-background-networking", "--disable-component-update", "--disable-default-apps", "--disable-extensions",
		"--disable-component-extensions-with-background-pages", "--disable-domain-reliability", "--disable-client-side-phishing-detection",
		"--disable-sync", "--disable-breakpad", "--disable-crash-reporter", "--metrics-recording-only", "--disable-field-trial-config",
		"--disable-hang-monitor", "--disable-prompt-on-repost", "--disable-notifications", "--disable-print-preview",
		"--disable-background-timer-throttling", "--disable-backgrounding-occluded-windows", "--disable-renderer-backgrounding",
		"--disable-dev-shm-usage", "--disable-gpu", "--password-store=basic", "--use-mock-keychain", "--safebrowsing-disable-auto-update",
		"--disable-features=" + "Translate,MediaRouter,DialMediaRouteProvider,OptimizationHints,AutofillServerCommunication,InterestFeedContentSuggestions," +
			"BackForwardCache,CertificateTransparencyComponentUpdater,PrivacySandboxSettings4,GlobalMediaControls,WebBluetooth,DirectSockets,NetworkPrediction",
		// The way out is the proxy and nothing else: also for this machine's own
		// addresses, which are past a proxy by default; no QUIC; WebRTC not past it;
		// and no name is ever resolved here.
		"--proxy-server=http://" + cfg.Proxy, "--proxy-bypass-list=<-loopback>", "--disable-quic",
		"--force-webrtc-ip-handling-policy=disable_non_proxied_udp", "--webrtc-ip-handling-policy=disable_non_proxied_udp",
		"--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
	}
	if cfg.NoSandbox {
		all = append(all, "--no-sandbox")
	}
	return append(append(all, cfg.Flags...), "about:blank")
}

// tail keeps the end of what the browser prints, for the error of a failed start.
type tail struct {
	mu  sync.Mutex // guards buf
	buf []byte
}

const tailSize = 2 << 10

// Write keeps the end of p.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - tailSize; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(p), nil
}

// String is what was kept.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf)
}
