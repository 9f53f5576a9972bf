package page

import (
	"context"
	"errors"
	"fmt"
	"time"

	"drawbridge/internal/fault"
)

// NetError is a navigation that the network or the server ended. Code is Chromium's
// name for it, such as net::ERR_NAME_NOT_RESOLVED; URL is where it ended, which
// redirects may have changed.
type NetError struct{ Code, URL string }

// Error is code and URL, as the reference server says it.
func (e *NetError) Error() string { return e.Code + " at " + e.URL }

// Navigate opens a URL and waits until the page has loaded with all its parts. The
// error of a navigation that failed has a *NetError in it.
func (p *Page) Navigate(ctx context.Context, url string) error {
	var r struct{ LoaderID, ErrorText string }
	p.mu.Lock()
	clear(p.redirect)
	p.mu.Unlock()
	if err := p.call(ctx, "Page.navigate", m{"url": url}, &r); err != nil {
		return err
	}
	if r.ErrorText != "" && r.ErrorText != "net::ERR_HTTP_RESPONSE_CODE_FAILURE" { // the latter is a page after all
		at := url
		p.mu.Lock()
		if last := p.redirect[r.LoaderID]; last != "" {
			at = last
		}
		p.mu.Unlock()
		return fault.Wrap(&NetError{r.ErrorText, at}, fault.Upstream, "The page could not be opened: %s at %s. Check the address, or try again later.", r.ErrorText, bounded(at, 500))
	}
	if r.LoaderID == "" {
		return nil // inside of the document
	}
	return p.arrived(ctx, r.LoaderID)
}

// arrived waits for the document of a loader, or the one that has taken its place.
func (p *Page) arrived(ctx context.Context, loader string) error {
	came := false
	err := p.await(ctx, func() bool {
		if !came && p.stages[loader] == loaded {
			p.become(loader) // of the first document of a tab the browser does not always tell
		}
		came = came || p.doc.loader == loader
		return came && p.stages[p.doc.loader] == loaded
	})
	if errors.Is(err, context.DeadlineExceeded) {
		return fault.Wrap(err, fault.Timeout, "The page has not finished loading in time. What is there can be used: take a snapshot, or wait for what you need.")
	}
	if err != nil {
		return err
	}
	p.mu.Lock()
	known := p.told == p.doc.loader
	p.mu.Unlock()
	if known {
		return nil
	}
	var top struct {
		FrameTree struct{ Frame struct{ URL string } }
	}
	if err := p.call(ctx, "Page.getFrameTree", nil, &top); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.url = bounded(top.FrameTree.Frame.URL, maxLine)
	return nil
}

// Reload loads the page again.
func (p *Page) Reload(ctx context.Context) error {
	mark := p.mark()
	if err := p.call(ctx, "Page.reload", nil, nil); err != nil {
		return err
	}
	return p.await(ctx, func() bool { return p.doc.generation != mark.generation && p.stages[p.doc.loader] == loaded })
}

// Back goes one page back, or forward for steps of 1.
func (p *Page) Back(ctx context.Context, steps int) error {
	var h struct {
		CurrentIndex int
		Entries      []struct{ ID int }
	}
	if err := p.call(ctx, "Page.getNavigationHistory", nil, &h); err != nil {
		return err
	}
	to := h.CurrentIndex + steps
	if to < 0 || to >= len(h.Entries) {
		return fault.New(fault.NotFound, "There is no page in that direction in the history of this tab. Open one with a URL.")
	}
	mark := p.mark()
	if err := p.call(ctx, "Page.navigateToHistoryEntry", m{"entryId": h.Entries[to].ID}, nil); err != nil {
		return err
	}
	return p.settle(ctx, mark)
}

// mark is a moment to which settle compares.
type mark struct{ started, diverted, generation int }

func (p *Page) mark() mark {
	p.mu.Lock()
	defer p.mu.Unlock()
	return mark{p.started, p.diverted, p.doc.generation}
}

// settleTime is how long an action waits for the page that it has led to.
const settleTime = 8 * time.Second

// settle waits for the page to which an action has led, if it has led to one. A page
// that takes long is no failure of the action.
func (p *Page) settle(ctx context.Context, since mark) error {
	// What the page's process has to say of the action comes before this answer.
	if err := p.call(ctx, "Runtime.evaluate", m{"expression": "0", "silent": true}, nil); err != nil && errors.Is(err, ErrGone) {
		return err
	}
	p.mu.Lock()
	quiet := p.started == since.started && p.doc.generation == since.generation
	p.mu.Unlock()
	if quiet {
		return nil
	}
	wait, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	err := p.await(wait, func() bool {
		return p.doc.generation != since.generation && p.stages[p.doc.loader] == loaded || p.diverted != since.diverted
	})
	if err != nil && wait.Err() != nil && ctx.Err() == nil {
		return nil
	}
	return err
}

// WaitFor waits until a condition, an expression of our own world, is true. what
// names it in the error.
func (p *Page) WaitFor(ctx context.Context, expression, what string) error {
	for step := 20 * time.Millisecond; ; step = min(step*3/2, 250*time.Millisecond) {
		var is bool
		err := p.own(ctx, expression, &is)
		switch {
		case err == nil && is:
			return nil
		case errors.Is(err, ErrGone) || errors.Is(err, ErrSelector):
			return err
		}
		if err := pause(ctx, step); err != nil {
			return fault.Wrap(fmt.Errorf("%w: %w", ErrMissing, err), fault.Timeout, "Waiting for %s took too long. Take a snapshot to see what is there.", what)
		}
	}
}

// Has is the condition that an element is there, for WaitFor.
func Has(t Target) string { return "!!own.find(" + literal(string(t)) + ")" }

// HasText is the condition that the page shows a text.
func HasText(s string) string {
	return "(document.body ? document.body.innerText : '').includes(" + literal(s) + ")"
}
