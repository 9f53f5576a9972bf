package puppeteer_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"drawbridge/internal/servers/kittest"
	"drawbridge/internal/servers/kittest/pagetest"
	"drawbridge/internal/servers/puppeteer"
)

// shop is a page with what pages have beside their content: a menu, a banner, icons,
// classes, data for scripts, a footer. One click adds to a counter.
func shop() string {
	var b strings.Builder
	icon := `<svg class="icon icon--sm" width="16" height="16" viewBox="0 0 24 24" aria-hidden="true"><path d="M12 21.35l-1.45-1.32C5.4 15.36 2 12.28 2 8.5 2 5.42 4.42 3 7.5 3c1.74 0 3.41.81 4.5 2.09C13.09 3.81 14.76 3 16.5 3 19.58 3 22 5.42 22 8.5c0 3.78-3.4 6.86-8.55 11.54L12 21.35z"/></svg>`
	link := func(class, name string) {
		fmt.Fprintf(&b, `<li class="%s__item"><a class="%s__link" href="/c/%s?ref=%s" data-track="{&quot;area&quot;:&quot;%s&quot;}">%s<span class="%s__label">%s</span></a></li>`, class, class, strings.ToLower(name), class, class, icon, class, name)
	}
	b.WriteString(`<!doctype html><html lang=en><title>Tea</title><body class="page page--list theme-light"><header class="site-header"><nav class="main-nav" aria-label="Main"><ul class="main-nav__list">`)
	for name := range strings.FieldsSeq("Tea Coffee Cocoa Cups Pots Filters Kettles Gifts Offers Journal Shops Help") {
		link("main-nav", name)
	}
	b.WriteString(`</ul></nav><button class="btn btn--icon cart-button" id="cart" data-count="0" aria-label="Cart, 0 items">` + icon + `<span class="cart-button__count">0</span></button></header><main class="content" id="content"><h1 class="content__title">Tea</h1>` +
		`<p class="content__lead">Fourteen teas from five countries, packed in Bremen, sent within two days. Store them dark and dry; green tea keeps for a year, black tea for three.</p><ul class="grid grid--4 product-list">`)
	for i := range 14 {
		fmt.Fprintf(&b, `<li class="grid__cell product" data-sku="T%03d" data-price="%d.90" data-analytics="{&quot;list&quot;:&quot;tea&quot;,&quot;position&quot;:%d}"><article class="product__card"><a class="product__image" href="/p/tea-%d"><picture><source srcset="/i/tea-%d@2x.webp 2x, /i/tea-%d.webp 1x" type="image/webp"><img loading="lazy" alt="" src="/i/tea-%d.jpg" class="product__img"></picture></a>`+
			`<h2 class="product__name"><a href="/p/tea-%d">Tea number %d</a></h2><p class="product__price"><span class="price price--now">%d.90 EUR</span></p><button type="button" class="btn btn--primary product__add" onclick="let c=document.querySelector('.cart-button__count');c.textContent=+c.textContent+1;document.getElementById('cart').setAttribute('aria-label','Cart, '+c.textContent+' items')">%s Add</button></article></li>`, i, 5+i, i, i, i, i, i, i, i, 5+i, icon)
	}
	b.WriteString(`</ul></main><footer class="site-footer"><ul class="footer-nav">`)
	for name := range strings.FieldsSeq("Imprint Privacy Terms Delivery Returns Careers Press Newsletter") {
		link("footer-nav", name)
	}
	b.WriteString(`</ul></footer><script type="application/json" id="state">{"user":null,"cart":{"items":[]},"flags":{"a":true,"b":false},"currency":"EUR"}</script></body></html>`)
	return b.String()
}

// The original has no other way to read a page than a script or a picture. Pictures
// cost the same on both sides and are not counted.
func TestCost(t *testing.T) {
	t.Parallel()
	pages := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, shop())
	}))
	t.Cleanup(pages.Close)
	peer := original(t)
	cfg := config()
	cfg.Toolsets = []string{puppeteer.Name, "browser"} // those that are on by themselves
	srv, _ := open(t, cfg)
	c := kittest.NewClient(srv, "admin")
	open := `{"url":"` + pages.URL + `/"}`
	ours := func(tool, args string) int { return pagetest.Spent(t, c.Must(t, tool, args, nil)) }
	script := func(js string) int { return pagetest.SpentBy(t, peer, "puppeteer_evaluate", `{"script":"`+js+`"}`) }
	costs := []pagetest.Cost{
		{Question: "definitions of the tools", Ours: pagetest.Definitions(t, c), Theirs: pagetest.DefinitionsOf(t, peer), Because: "the seven keep their texts, and 17 more are on; `PUPPETEER_TOOLSETS=puppeteer` leaves the seven"},
		{Question: "`puppeteer_navigate`", Ours: ours("puppeteer_navigate", open), Theirs: pagetest.SpentBy(t, peer, "puppeteer_navigate", open), Because: "clients of the original get its answer to the letter"},
	}
	html := script("document.body.outerHTML")
	costs = append(costs, pagetest.Cost{Question: "what can be done on a page of a shop", Ours: ours("browser_snapshot", `{"only":"actions"}`), Theirs: html})
	costs = append(costs, pagetest.Cost{Question: "the words of its content", Ours: ours("browser_get_text", `{"target":"main","format":"text"}`), Theirs: script("document.querySelector('main').innerText"),
		Because: "they are the same words, here between marks"})
	ours("browser_snapshot", `{}`) // what the difference is to
	pagetest.SpentBy(t, peer, "puppeteer_click", `{"selector":".product__add"}`)
	costs = append(costs, pagetest.Cost{Question: "what a click has changed", Ours: ours("browser_click", `{"target":".product__add","snapshot":"diff"}`), Theirs: script("document.body.outerHTML")})
	pagetest.Costs(t, "puppeteer.md", costs)
}
