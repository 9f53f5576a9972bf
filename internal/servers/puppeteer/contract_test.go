package puppeteer_test

import (
	"testing"

	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/kittest"
	"drawbridge/internal/servers/puppeteer"
)

const canary = "canary-3f70"

// suite holds the server to the contract of all built-in servers.
func suite(url string) kittest.Suite {
	form := []kittest.Step{{Tool: "puppeteer_navigate", Args: `{"url":"` + url + `/form"}`}}
	files := []kittest.Step{{Tool: "puppeteer_navigate", Args: `{"url":"` + url + `/files"}`}}
	list := []kittest.Step{{Tool: "puppeteer_navigate", Args: `{"url":"` + url + `/list"}`}}
	drag := []kittest.Step{{Tool: "puppeteer_navigate", Args: `{"url":"` + url + `/drag"}`}}
	two := []kittest.Step{form[0], list[0]}
	open := kittest.Opens(puppeteer.ReadConfig, puppeteer.New)
	return kittest.Suite{
		New: func(set kit.Settings, deps kit.Deps) (*kit.Server, error) {
			deps.Files = &shelf{kept: map[string][]byte{"file_a": []byte(canary)}}
			return open(set, deps)
		},
		Settings: map[string]string{"allow": "127.0.0.1"},
		Secrets:  []string{canary},
		Cases: []kittest.Case{
			{Tool: "puppeteer_navigate", Good: `{"url":"` + url + `/next"}`, Bad: `{"url":"file:///etc/passwd"}`},
			{Tool: "puppeteer_screenshot", Before: form, Good: `{"name":"a"}`, Bad: `{"name":""}`},
			{Tool: "puppeteer_click", Before: form, Good: `{"selector":"#box"}`, Bad: `{"selector":"##"}`},
			{Tool: "puppeteer_fill", Before: form, Good: `{"selector":"#name","value":"x"}`, Bad: `{"selector":"##","value":"x"}`},
			{Tool: "puppeteer_select", Before: form, Good: `{"selector":"#colour","value":"g"}`, Bad: `{"selector":"h1","value":"g"}`},
			{Tool: "puppeteer_hover", Before: form, Good: `{"selector":"#hov"}`, Bad: `{"selector":"##"}`},
			{Tool: "puppeteer_evaluate", Before: form, Good: `{"script":"1+1"}`, Bad: `{"script":"nothing.here"}`, Restorable: true},
			{Tool: "browser_navigate", Good: `{"url":"` + url + `/form"}`, Bad: `{"url":"http://10.0.0.1/"}`},
			{Tool: "browser_navigate_back", Before: two, Good: `{}`, Bad: `{"forward":"x"}`},
			{Tool: "browser_snapshot", Before: form, Good: `{}`, Bad: `{"depth":0}`},
			{Tool: "browser_click", Before: form, Good: `{"target":"#box"}`, Bad: `{"target":"d9999e1"}`},
			{Tool: "browser_type", Before: form, Good: `{"target":"#name","text":"x"}`, Bad: `{"target":"h1","text":"x"}`},
			{Tool: "browser_fill_form", Before: form, Good: `{"fields":[{"target":"#name","value":"x"}]}`, Bad: `{"fields":[]}`},
			{Tool: "browser_select_option", Before: form, Good: `{"target":"#colour","values":["Green"]}`, Bad: `{"target":"#colour","values":["Blue"]}`},
			{Tool: "browser_press_key", Before: form, Good: `{"key":"Tab"}`, Bad: `{"key":"Nokey"}`},
			{Tool: "browser_hover", Before: form, Good: `{"target":"#hov"}`, Bad: `{"target":"#nope"}`},
			{Tool: "browser_wait_for", Before: form, Good: `{"text":"A form"}`, Bad: `{"time":-1}`},
			{Tool: "browser_tabs", Before: form, Good: `{"action":"list"}`, Bad: `{"action":"select","index":7}`},
			{Tool: "browser_get_text", Before: list, Good: `{}`, Bad: `{"target":"#nope"}`},
			{Tool: "browser_extract", Before: list, Good: `{"rows":".row","fields":[{"name":"n","selector":".n","attr":""}]}`, Bad: `{"rows":"##","fields":[{"name":"n","selector":"","attr":""}]}`},
			{Tool: "browser_take_screenshot", Before: form, Good: `{"target":"h1"}`, Bad: `{"target":"#nope"}`},
			{Tool: "browser_file_upload", Before: files, Good: `{"target":"#f","files":["file_a"]}`, Bad: `{"target":"#f","files":["file_of_another"]}`},
			{Tool: "browser_downloads", Before: files, Good: `{}`, Bad: `{"wait_seconds":-1}`},
			{Tool: "browser_close", Before: form, Good: `{}`, Bad: `{"session_id":1}`},
			{Tool: "browser_drag", Before: drag, Good: `{"startTarget":"#a","endTarget":"#z"}`, Bad: `{"startTarget":"#a","endTarget":"#nope"}`},
			{Tool: "browser_handle_dialog", Before: form, Good: `{"accept":true}`, Bad: `{}`},
			{Tool: "browser_resize", Before: form, Good: `{"width":640,"height":480}`, Bad: `{"width":1,"height":1}`},
			{Tool: "browser_console_messages", Before: form, Good: `{}`, Bad: `{"level":"loud"}`},
			{Tool: "browser_network_requests", Before: form, Good: `{}`, Bad: `{"limit":-1}`},
			{Tool: "browser_pdf_save", Before: form, Good: `{}`, Bad: `{"landscape":1}`},
			{Tool: "browser_evaluate", Before: form, Good: `{"function":"() => 1"}`, Bad: `{"function":"() => nothing.here"}`, Restorable: true},
			{Tool: "browser_cookies_get", Before: form, Good: `{}`, Bad: `{"limit":-1}`},
			{Tool: "browser_cookies_set", Before: form, Good: `{"url":"` + url + `/form","name":"a","value":"b"}`, Bad: `{"url":"http://10.0.0.1/","name":"a","value":"b"}`},
			{Tool: "browser_cookies_clear", Before: form, Good: `{}`, Bad: `{"session_id":1}`},
		},
	}
}

func TestContract(t *testing.T) {
	browser(t)
	kittest.Run(t, suite(site(t)))
}
