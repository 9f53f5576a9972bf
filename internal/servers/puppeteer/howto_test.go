package puppeteer_test

import (
	"io"
	"net/http"
	"testing"
	"time"

	"drawbridge/internal/egress/egresstest"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/kit/filestore"
	"drawbridge/internal/servers/kittest"
	"drawbridge/internal/servers/kittest/pagetest"
	"drawbridge/internal/servers/puppeteer"
	"drawbridge/internal/servers/puppeteer/guard"
)

// example is the site that the page's examples are made on.
var example = map[string]string{
	"/changelog": `<!doctype html><title>Changelog</title><nav><a href=/>Home</a> <a href=/order>Order</a></nav><main><h1>Changelog</h1><p>What is new in the <b>kettle</b>.</p>
<table><tr><th>Version<th>Day<th>What</tr><tr class=v><td>2.1<td>2026-11-02<td>Keeps warm for an hour</tr><tr class=v><td>2.0<td>2026-06-15<td>A quieter lid</tr></table></main>`,
	"/order": `<!doctype html><title>Order</title><h1>Order</h1><form action=/thanks><label>Name <input name=name></label>
<label>How many <input name=n type=number value=1></label><label><input type=checkbox name=gift> As a gift</label>
<label>Colour <select name=colour><option>Red<option>Green</select></label><button>Send</button></form>`,
	"/thanks": `<!doctype html><title>Thanks</title><h1>Thank you</h1><p>Your order is number 4711.</p><a href=/manual.txt>The manual</a>`,
}

// The examples of the page are made in order, by a real browser on a site that only
// this test has.
func TestHowTo(t *testing.T) {
	t.Parallel()
	browser(t)
	n := egresstest.New(t)
	n.ServeFunc("shop.example.org", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/manual.txt" {
			w.Header().Set("Content-Disposition", `attachment; filename="manual.txt"`)
			io.WriteString(w, "Fill in water. Switch it on.\n")
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, example[r.URL.Path])
	})
	deps, own := kittest.Deps(&kittest.Log{}, nil), n.Deps()
	files, err := filestore.Open(t.TempDir(), filestore.DefaultLimits(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = files.Close() }) // its folder goes with the test
	deps.Files = files
	cfg := puppeteer.Config{Common: kit.Common{Mode: kit.ModeWrite}, Flags: []string{"--ignore-certificate-errors"}}
	srv, err := puppeteer.NewOn(cfg, deps, guard.Deps{Log: deps.Log, Own: own.Own, Resolver: n, Dial: n.Dial, Interfaces: own.Near})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Close(t.Context()) })
	pagetest.HowTo{Page: "browser.md", Client: kittest.NewClient(srv, "admin"), Varies: []string{`file_\w+`}}.Run(t)
}
