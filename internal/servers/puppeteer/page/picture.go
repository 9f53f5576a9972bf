package page

import (
	"context"
	"math"

	"drawbridge/internal/fault"
)

// Shooting is how a picture is taken.
type Shooting struct {
	Target  Target // "" is the viewport
	Full    bool   // the whole page, as far as MaxEdge allows
	JPEG    bool
	Quality int
}

// The bounds on a picture: what models look at is scaled down to that anyway.
const (
	maxEdge    = 1568
	maxPicture = 3 << 20 // bytes
	maxTall    = 8 * maxEdge
)

// Picture is a picture and its size in pixels.
type Picture struct {
	Data          []byte
	MIMEType      string
	Width, Height int
}

// Shoot takes a picture, scaled down where an edge is too long or the bytes are too many.
func (p *Page) Shoot(ctx context.Context, how Shooting) (Picture, error) {
	clip, err := p.clip(ctx, how)
	if err != nil {
		return Picture{}, err
	}
	scale := min(1, maxEdge/math.Max(clip.width, clip.height))
	if how.Full {
		scale = min(1, maxEdge/clip.width, maxTall/clip.height)
	}
	out := Picture{MIMEType: "image/png"}
	params := m{"format": "png", "captureBeyondViewport": how.Full || how.Target != "", "optimizeForSpeed": false}
	if how.JPEG {
		out.MIMEType = "image/jpeg"
		params["format"], params["quality"] = "jpeg", how.Quality
	}
	for range 4 {
		params["clip"] = m{"x": clip.x, "y": clip.y, "width": clip.width, "height": clip.height, "scale": scale}
		var r struct{ Data []byte }
		if err := p.call(ctx, "Page.captureScreenshot", params, &r); err != nil {
			return Picture{}, err
		}
		out.Data, out.Width, out.Height = r.Data, int(math.Round(clip.width*scale)), int(math.Round(clip.height*scale))
		if len(out.Data) <= maxPicture {
			return out, nil
		}
		scale /= 2
	}
	return Picture{}, fault.New(fault.Limited, "The picture has more than %d bytes. Ask for one element, or for jpeg.", maxPicture)
}

type clip struct{ x, y, width, height float64 }

// clip is the part of the page to take, in its own coordinates.
func (p *Page) clip(ctx context.Context, how Shooting) (clip, error) {
	var c clip
	if how.Target != "" {
		var at struct{ X, Y, Width, Height float64 }
		const corner = `(el) => { el.scrollIntoView({ block: 'nearest', inline: 'nearest', behavior: 'instant' }); const r = el.getBoundingClientRect();
			return { x: r.left + scrollX, y: r.top + scrollY, width: r.width, height: r.height }; }`
		if err := p.on(ctx, how.Target, inline(corner), &at); err != nil {
			return c, err
		}
		if at.Width < 1 || at.Height < 1 {
			return c, fault.Wrap(ErrHidden, fault.Conflict, "The element %s is hidden: there is nothing to take a picture of. Take a snapshot.", bounded(string(how.Target), 300))
		}
		x, y := math.Round(at.X), math.Round(at.Y) // as the original rounds
		return clip{x, y, math.Max(1, math.Round(at.Width+at.X-x)), math.Max(1, math.Round(at.Height+at.Y-y))}, nil
	}
	var metrics struct {
		CSSVisualViewport struct{ PageX, PageY, ClientWidth, ClientHeight float64 }
		CSSContentSize    struct{ Width, Height float64 }
	}
	if err := p.call(ctx, "Page.getLayoutMetrics", nil, &metrics); err != nil {
		return c, err
	}
	if how.Full {
		return clip{0, 0, math.Max(1, metrics.CSSContentSize.Width), math.Max(1, math.Min(metrics.CSSContentSize.Height, 4*maxTall))}, nil
	}
	width, height := p.Size()
	return clip{metrics.CSSVisualViewport.PageX, metrics.CSSVisualViewport.PageY, float64(width), float64(height)}, nil
}

// maxPDF bounds a printed page.
const maxPDF = 20 << 20

// PDF prints the page.
func (p *Page) PDF(ctx context.Context, landscape, background bool) ([]byte, error) {
	var r struct{ Data []byte }
	err := p.call(ctx, "Page.printToPDF", m{
		"landscape": landscape, "printBackground": background, "preferCSSPageSize": true, "paperWidth": 8.27, "paperHeight": 11.69,
	}, &r)
	if err != nil {
		return nil, err
	}
	if len(r.Data) > maxPDF {
		return nil, fault.New(fault.Limited, "The printed page has %d bytes, at most %d are kept. Print a smaller page.", len(r.Data), maxPDF)
	}
	return r.Data, nil
}
