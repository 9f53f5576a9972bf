package puppeteer_test

import (
	"bytes"
	"context"
	"crypto/sha1"
	"drawbridge/internal/fault"
	"encoding/base64"
	"fmt"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/kittest"
	"drawbridge/internal/servers/puppeteer"
	"drawbridge/internal/servers/puppeteer/chrome"
)

// browser tells whether there is one; without, the test is skipped, on a CI machine it
// fails.
func browser(t *testing.T) string {
	t.Helper()
	path, err := chrome.Find("")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("no browser; run make deps")
		}
		t.Skip("no browser; run make deps")
	}
	return path
}

// config opens this machine to the browser, where the tests' pages are.
func config() puppeteer.Config {
	return puppeteer.Config{Common: kit.Common{Mode: kit.ModeWrite, Toolsets: []string{"all"}}, Allow: []string{"127.0.0.1"}}
}

// open starts a server whose browser ends with the test.
func open(t *testing.T, cfg puppeteer.Config, change ...func(*kit.Deps)) (*kit.Server, *kittest.Log) {
	t.Helper()
	browser(t)
	log := &kittest.Log{}
	deps := kittest.Deps(log, nil)
	for _, f := range change {
		f(&deps)
	}
	srv, err := puppeteer.New(cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return srv, log
}

// site is pages to try everything on.
func site(t *testing.T) string {
	t.Helper()
	mux := http.NewServeMux()
	pages := map[string]string{
		"/form":   formPage,
		"/next":   "<title>Next</title><h1>You came</h1><a href=/form>back to the form</a>",
		"/dialog": "<title>Dialogs</title><button onclick=\"document.title=confirm('Sure?')+'/'+prompt('Name?','x')\">ask</button><button id=a onclick=\"alert('hi');document.title='alerted'\">tell</button>",
		"/frames": "<title>Frames</title><p>outside</p><iframe src=/inner title=inner style='margin-left:50px'></iframe>",
		"/inner":  "<button onclick=\"this.textContent='pushed'\">push</button>",
		"/popup":  "<title>Opener</title><a href=/next target=_blank>new tab</a><button onclick=\"for(let i=0;i<30;i++)window.open('/next?'+i)\">many</button>",
		"/shadow": "<title>Shadow</title><div id=host></div><script>host.attachShadow({mode:'open'}).innerHTML='<button>deep</button>'</script>",
		"/cover":  "<title>Cover</title><button id=b>below</button><div id=veil style='position:fixed;inset:0;background:#fff8'></div><button id=off disabled>off</button><button id=none style='display:none'>none</button>",
		"/files":  "<title>Files</title><input type=file id=f multiple onchange=\"Promise.all(Array.from(f.files,async x=>x.name+'='+await x.text())).then(r=>document.title=r.join())\"><a id=d href=/download>get</a>",
		"/late":   "<title>Late</title><script>setTimeout(()=>{document.body.innerHTML='<input id=late><p>it is here</p>'},300)</script>",
		"/list":   "<title>List</title><main><h1>Goods</h1><p>Some <b>bold</b> and <a href=/next>linked</a> text.</p><table><tr><th>Name<th>Price</tr><tr class=row><td class=n>Tea<td class=p>3</tr><tr class=row><td class=n>Jam<td class=p>4</tr></table><ul><li>one<li>two<ol><li>inner</ol></ul><pre>a\n b</pre></main><nav>menu</nav>",
		"/click":  "<title>0</title><button id=b onclick=\"document.title=+document.title+1\">count</button>",
		"/keys":   "<title>Keys</title><input id=k onkeydown=\"log.textContent+=event.key+(event.ctrlKey?'!':'')+' '\"><p id=log></p>",
		"/drag":   "<title>Drag</title><div id=a style='width:80px;height:40px;background:#ccc'>drag</div><div id=z style='width:80px;height:40px;margin-top:90px;background:#eee' onmouseup=\"document.title='dropped'\">drop</div>",
	}
	for path, body := range pages {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			io.WriteString(w, body)
		})
	}
	mux.HandleFunc("/big", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, "<title>Big</title><table>"+strings.Repeat("<tr><td>cell one<td>cell two<td><a href=/x>go</a></tr>", 5000)+"</table>")
	})
	mux.HandleFunc("/download", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Disposition", `attachment; filename="report.txt"`)
		io.WriteString(w, "the report")
	})
	mux.HandleFunc("/cookie", func(w http.ResponseWriter, r *http.Request) {
		if v := r.URL.Query().Get("set"); v != "" {
			http.SetCookie(w, &http.Cookie{Name: "who", Value: v, Path: "/"})
		}
		fmt.Fprintf(w, "cookies: %s", r.Header.Get("Cookie"))
	})
	mux.HandleFunc("/gone", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) })
	mux.HandleFunc("/submit", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, "<title>Submitted</title><p>%s</p>", r.URL.RawQuery)
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv.URL
}

const formPage = `<!doctype html><title>Form</title><h1>A form</h1>
<form action=/submit><label>Name <input name=n id=name value=old></label>
<label>Note <textarea name=t id=note></textarea></label>
<label><input type=checkbox name=c id=box> agree</label>
<label><input type=radio name=r value=1 id=r1> one</label><label><input type=radio name=r value=2 id=r2> two</label>
<label>Colour <select name=s id=colour><option value=r>Red<option value=g>Green</select></label>
<input type=date name=d id=day><div contenteditable id=rich>rich</div>
<button id=send>Send</button></form>
<div id=hov onmouseover="this.textContent='hovered'">hover me</div><p id=empty style="display:none">x</p>
<script>console.log('form', 1, true); for (const e of ['input','change']) addEventListener(e, x => document.body.dataset[e] = x.target.id)</script>`

// pictureSize tells the size of a PNG in base64.
func pictureSize(data string) string {
	raw, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return "no base64"
	}
	at, err := png.DecodeConfig(bytes.NewReader(raw))
	if err != nil {
		return "no png"
	}
	return fmt.Sprintf("png %dx%d", at.Width, at.Height)
}

// acceptKey is the answer to a WebSocket's key (RFC 6455, section 4.2.2).
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// shelf is a keeper of files in memory.
type shelf struct {
	mu   sync.Mutex // guards kept
	kept map[string][]byte
}

// Put keeps content under a new reference.
func (s *shelf) Put(_ context.Context, _ string, f kit.File, content io.Reader) (kit.File, error) {
	raw, err := io.ReadAll(content)
	if err != nil {
		return f, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f.Ref, f.Size = fmt.Sprintf("file_%d", len(s.kept)), int64(len(raw))
	s.kept[f.Ref] = raw
	return f, nil
}

// Open opens what was kept.
func (s *shelf) Open(_ context.Context, _, ref string) (io.ReadCloser, kit.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	raw, ok := s.kept[ref]
	if !ok {
		return nil, kit.File{}, fault.New(fault.NotFound, "There is no file %s. Put it there first.", ref)
	}
	return io.NopCloser(bytes.NewReader(raw)), kit.File{Ref: ref, Name: ref + ".txt", Size: int64(len(raw))}, nil
}
