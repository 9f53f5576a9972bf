package harness

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// Browser is a tab of a headless Chromium that a person could sit at.
type Browser struct {
	tb  testing.TB
	ctx context.Context // a tab is a context to chromedp
}

// Chromium starts a browser with a profile of its own. It ends with the test.
func Chromium(tb testing.TB) *Browser {
	tb.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		Missing(tb, "chromium is not installed: run make deps")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.WindowSize(900, 1000),
		chromedp.UserDataDir(tb.TempDir()), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	if os.Geteuid() == 0 {
		opts = append(opts, chromedp.NoSandbox)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), 5*time.Minute)
	alloc, stop := chromedp.NewExecAllocator(ctx, opts...)
	tab, closeTab := chromedp.NewContext(alloc)
	tb.Cleanup(func() { closeTab(); stop(); cancel() })
	// The browser lives as long as the context it is launched with.
	if err := chromedp.Do(tab); err != nil {
		tb.Fatalf("start chromium: %v", err)
	}
	return &Browser{tb, tab}
}

// Tab is another tab of the same browser: it has the same cookies.
func (b *Browser) Tab() *Browser {
	b.tb.Helper()
	tab, closeTab := chromedp.NewContext(b.ctx)
	b.tb.Cleanup(closeTab)
	if err := chromedp.Do(tab); err != nil {
		b.tb.Fatalf("open a tab: %v", err)
	}
	return &Browser{b.tb, tab}
}

func (b *Browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.tb.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, Patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.tb.Fatalf("browser: %v; it shows %s:\n%.2000s", err, b.Location(), b.Text())
	}
}

// Open goes to a page.
func (b *Browser) Open(url string) { b.tb.Helper(); b.do(chromedp.Navigate(url)) }

// Fill types into the field that a CSS selector names.
func (b *Browser) Fill(selector, text string) {
	b.tb.Helper()
	b.do(chromedp.WaitVisible(chromedp.CSS(selector)), chromedp.SendKeys(chromedp.CSS(selector), text))
}

// Click clicks what a CSS selector names, once it can be clicked.
func (b *Browser) Click(selector string) {
	b.tb.Helper()
	b.do(chromedp.WaitVisible(chromedp.CSS(selector)), chromedp.WaitEnabled(chromedp.CSS(selector)))
	deadline := time.Now().Add(Patience)
	for !b.is("getComputedStyle(document.querySelector(" + quote(selector) + ")).pointerEvents !== 'none'") {
		if time.Now().After(deadline) {
			b.tb.Fatalf("%s never takes a click", selector)
		}
		b.do(chromedp.Sleep(20 * time.Millisecond))
	}
	b.do(chromedp.Click(chromedp.CSS(selector)))
}

// Has tells whether the page has what a CSS selector names.
func (b *Browser) Has(selector string) bool {
	b.tb.Helper()
	return b.is("document.querySelector(" + quote(selector) + ") !== null")
}

// is evaluates a condition in the page.
func (b *Browser) is(condition string) bool {
	b.tb.Helper()
	yes, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](condition))
	if err != nil {
		b.tb.Fatalf("browser: %v", err)
	}
	return yes
}

// Location is the address of the page.
func (b *Browser) Location() string {
	at, err := chromedp.Run(b.ctx, chromedp.Location())
	if err != nil {
		return err.Error()
	}
	return at
}

// Text is what a person reads on the page.
func (b *Browser) Text() string {
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("document.body ? document.body.innerText : ''"))
	if err != nil {
		return err.Error()
	}
	return text
}

// Await returns when the page's address satisfies f.
func (b *Browser) Await(what string, f func(location string) bool) {
	b.tb.Helper()
	deadline := time.Now().Add(Patience)
	for !f(b.Location()) {
		if time.Now().After(deadline) {
			b.tb.Fatalf("the browser never came to %s; it shows %s:\n%.2000s", what, b.Location(), b.Text())
		}
		b.do(chromedp.Sleep(50 * time.Millisecond))
	}
}

// Screenshot keeps a picture of the page in a file, for whoever looks into a failure.
func (b *Browser) Screenshot(file string) {
	b.tb.Helper()
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(file, png, 0o600)
	}
	if err != nil {
		b.tb.Logf("no screenshot: %v", err)
	}
}

// quote writes text as a JavaScript string.
func quote(text string) string {
	raw, err := json.Marshal(text)
	if err != nil {
		panic("quote: " + err.Error()) // strings always encode
	}
	return string(raw)
}
