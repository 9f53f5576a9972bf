package web_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"drawbridge/internal/route"
	"drawbridge/internal/web"
)

const base = "https://home.example.ts.net"

func request(t *testing.T, https bool, host string, header ...string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(route.WithPeer(t.Context(), route.Peer{HTTPS: https}), http.MethodPost, "/x", http.NoBody)
	r.Host = host
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

func TestFromOwnPage(t *testing.T) {
	t.Parallel()
	const lan = "192.168.1.5:4444"
	for name, c := range map[string]struct {
		base, host string
		https      bool
		header     []string
		want       bool
	}{
		"site":                           {base, "home.example.ts.net", true, []string{"Sec-Fetch-Site", "same-origin"}, true},
		"site wins over a hidden origin": {base, "home.example.ts.net", true, []string{"Sec-Fetch-Site", "same-origin", "Origin", "null"}, true},
		"site wins over our origin":      {base, "home.example.ts.net", true, []string{"Sec-Fetch-Site", "cross-site", "Origin", base}, false},
		"empty site":                     {base, "home.example.ts.net", true, []string{"Sec-Fetch-Site", "", "Origin", base}, false},
		"public URL":                     {base, "home.example.ts.net", true, []string{"Origin", base}, true},
		"public URL, in capitals":        {base, "home.example.ts.net", true, []string{"Origin", "https://HOME.example.ts.net"}, true},
		"public URL behind a proxy":      {base, "127.0.0.1:4444", false, []string{"Origin", base}, true},
		"public URL with its port":       {"https://home.example.ts.net:443", "x", true, []string{"Origin", base}, true},
		"public URL, http with port":     {"http://nas:80", "x", false, []string{"Origin", "http://nas"}, true},
		"the request's host":             {base, lan, false, []string{"Origin", "http://" + lan}, true},
		"the request's host, https":      {base, lan, true, []string{"Origin", "https://" + lan}, true},
		"http page of an https host":     {base, lan, true, []string{"Origin", "http://" + lan}, false},
		"https page of an http host":     {base, lan, false, []string{"Origin", "https://" + lan}, false},
		"another port":                   {base, lan, false, []string{"Origin", "http://192.168.1.5:8080"}, false},
		"no port":                        {base, lan, false, []string{"Origin", "http://192.168.1.5"}, false},
		"no host":                        {base, "", false, []string{"Origin", "http://"}, false},
		"no base":                        {"", "", false, []string{"Origin", ""}, false},
		"hidden":                         {base, lan, false, []string{"Origin", "null"}, false},
		"two origins":                    {base, lan, false, []string{"Origin", base, "Origin", base}, false},
		"two sites":                      {base, lan, false, []string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Site", "same-origin"}, false},
		"two sites, our origin":          {base, lan, false, []string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Site", "cross-site", "Origin", base}, false},
		"neither":                        {base, lan, false, nil, false},
		"referrer alone":                 {base, lan, false, []string{"Referer", base + "/login"}, false},
	} {
		if got := web.FromOwnPage(request(t, c.https, c.host, c.header...), c.base); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestSecure(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		base, host    string
		https         bool
		secure, plain bool
	}{
		"https":                       {base, "home.example.ts.net", true, true, false},
		"proxy that is not trusted":   {base, "home.example.ts.net", false, true, false},
		"https by another name":       {base, "other", true, true, false},
		"LAN":                         {base, "192.168.1.5:4444", false, false, true},
		"LAN, that is the public URL": {"http://nas:4444", "nas:4444", false, false, true},
		"this machine":                {"http://localhost:4444", "localhost:4444", false, false, false},
		"this machine, IPv4":          {base, "127.0.0.1:4444", false, false, false},
		"this machine, IPv6":          {base, "[::1]:4444", false, false, false},
		"a name that starts like it":  {base, "localhost.example:4444", false, false, true},
		"a host that cannot be":       {base, "%zz", false, false, true},
		"public name on another port": {base, "home.example.ts.net:4444", false, false, true},
	} {
		r := request(t, c.https, c.host)
		if got := web.Secure(r, c.base); got != c.secure {
			t.Errorf("%s: secure %v", name, got)
		}
		if got := web.Plain(r, c.base); got != c.plain {
			t.Errorf("%s: plain %v", name, got)
		}
	}
}

func TestCookie(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		https  bool
		header string
		want   string
	}{
		"prefixed":               {true, "__Host-a=1", "1"},
		"prefixed wins":          {true, "a=2; __Host-a=1", "1"},
		"plain over https":       {true, "a=2", ""},
		"plain over http":        {false, "a=2", "2"},
		"prefixed over http":     {false, "a=2; __Host-a=1", "1"}, // of a proxy that is not trusted
		"two":                    {false, "a=2; a=3", ""},
		"two, prefixed":          {true, "__Host-a=2; __Host-a=2", ""},
		"two, one prefixed each": {false, "__Host-a=1; __Host-a=2; a=3", ""},
		"none":                   {false, "b=1", ""},
	} {
		r := request(t, c.https, "nas", "Cookie", c.header)
		if got := web.Cookie(r, "a"); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestSeeOther(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		uri  string
		add  url.Values
		want string
	}{
		{"/admin", nil, "/admin"},
		{"https://a.example/cb", url.Values{"code": {"x y&z"}}, "https://a.example/cb?code=x+y%26z"},
		{"https://a.example/cb?q=%20+", url.Values{"code": {"x"}}, "https://a.example/cb?q=%20+&code=x"},
		{"cursor://a/cb", url.Values{"code": {"x"}}, "cursor://a/cb?code=x"},
		{"http://127.0.0.1:1/", url.Values{"state": {"a\r\nSet-Cookie: x=y"}}, "http://127.0.0.1:1/?state=a%0D%0ASet-Cookie%3A+x%3Dy"},
	} {
		w := httptest.NewRecorder()
		web.SeeOther(w, c.uri, c.add)
		if got := w.Header().Get("Location"); w.Code != http.StatusSeeOther || got != c.want || w.Body.Len() > 0 || w.Header().Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: %d %q", c.uri, w.Code, got)
		}
	}
}
