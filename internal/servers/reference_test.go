package servers_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"drawbridge/internal/secret"
	"drawbridge/internal/servers"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/kittest"
)

// samples are the settings with which a server opens that needs some. They lead
// nowhere.
var samples = map[string]map[string]string{
	"erpnext":       {"url": "https://erp.example", "api_key": "made-up", "api_secret": "made-up"},
	"forgejo":       {"url": "https://forge.example", "token": "made-up"},
	"homeassistant": {"url": "http://house.example:8123", "token": "made-up"},
	"puppeteer":     {"path": "/usr/bin/chromium"},
	"ssh":           {"config": "/dev/null"},
	"truenas":       {"url": "https://nas.example", "username": "me", "api_key": "1-made-up"},
}

// open opens a server with its samples.
func open(t *testing.T, e servers.Entry, mode kit.Mode, sets string) *kittest.Client {
	t.Helper()
	values := map[string]secret.String{"toolsets": secret.New(sets)}
	for k, v := range samples[e.Name] {
		values[k] = secret.New(v)
	}
	srv, err := e.New(kit.Settings{Mode: mode, Values: values}, kittest.Deps(&kittest.Log{}, nil))
	if err != nil {
		t.Fatal(err)
	}
	return kittest.NewClient(srv, "admin")
}

const reference = "../../docs/reference/servers.md"

const head = `# Built-in servers

<!-- Made from the servers by go test ./internal/servers -update; edit those. -->

What is compiled in: no further process, no further download. Names are those without the prefix that the
gateway puts before them. A server is switched on when its variables are set, or at once where it needs none;
` + "`<NAME>_ENABLED=false`" + ` switches it off. ` + "`drawbridge server NAME`" + ` runs one alone.

A tool **reads**, **writes** or is **dangerous**. ` + "`<NAME>_MODE`" + ` caps what is offered: ` + "`read`, `write` or `all`" + `.
Before a dangerous tool runs, a person approves the call outside of the model, with its arguments, once; a client
that cannot show a question gets a refusal. "Dangerous, restorable" tools need neither, since what they remove comes
back on request. Tools in a toolset that is off are switched on with ` + "`<NAME>_TOOLSETS`" + `, separated by commas;
` + "`all`" + ` is all of them.

Where a server needs a credential, it works with the operator's, or for those who have stored their own with theirs
alone: on the user's page under ` + "`/admin`" + `, with ` + "`drawbridge credential set USER SERVER NAME`" + `, or by the API. They are sealed.

Tokens are those of the definitions that a model reads before its first call, counted with o200k.
`

// The page about the servers is made from them and held to them.
func TestReference(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(head)
	for _, e := range servers.Table {
		describe(t, &b, e)
	}
	if kittest.Updating() {
		if err := os.WriteFile(reference, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(reference)
	if err != nil {
		t.Fatalf("%v; run the test with -update to write it", err)
	}
	if diff := cmp.Diff(string(have), b.String()); diff != "" {
		t.Errorf("%s differs from the servers (-have +servers); run go test ./internal/servers -update:\n%s", filepath.Base(reference), diff)
	}
}

func describe(t *testing.T, b *strings.Builder, e servers.Entry) {
	t.Helper()
	all, some := open(t, e, kit.ModeAll, "all"), open(t, e, kit.ModeAll, "")
	mode := open(t, e, "", "").Server.Mode()
	shown := kittest.Tools(t, some)
	info := all.Server.Info()
	fmt.Fprintf(b, "\n## %s\n\n%s\n\n", e.Name, info.Instructions)
	on := "when its variables are set"
	if e.On.When != "" {
		on = e.On.When
	}
	fmt.Fprintf(b, "On %s. Mode without a setting: `%s`. Offered by default: %d tools, %d tokens; with everything: %d tools, %d tokens.\n\n",
		on, mode, len(shown), kittest.Tokens(t, kittest.Definitions(t, some)),
		len(kittest.Tools(t, all)), kittest.Tokens(t, kittest.Definitions(t, all)))
	originals(t, b, e)
	fmt.Fprintf(b, "Variables: `%s`\n\n", strings.Join(e.Variables, "`, `"))
	b.WriteString("| tool | what it does | it | toolset | tokens |\n|---|---|---|---|---|\n")
	listed := map[string]bool{}
	for _, tool := range shown {
		listed[tool.Name] = true
	}
	var raw []json.RawMessage
	if err := json.Unmarshal(kittest.Definitions(t, all), &raw); err != nil {
		t.Fatal(err)
	}
	for i, tool := range kittest.Tools(t, all) {
		set := all.Server.Toolset(tool.Name)
		if set != "" && !listed[tool.Name] {
			set += " (off)"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s | %d |\n", tool.Name, oneLine(tool.Description), all.Server.Does(tool.Name), set, kittest.Tokens(t, raw[i]))
	}
	offers(t, b, all, "resources/list", "Resources", "resources", "uri")
	offers(t, b, all, "resources/templates/list", "Resource templates", "resourceTemplates", "uriTemplate")
	offers(t, b, all, "prompts/list", "Prompts", "prompts", "name")
}

// originals compares the cost with that of the servers that e stands in for, as
// recorded from them.
func originals(t *testing.T, b *strings.Builder, e servers.Entry) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(e.Name, "testdata", "original*.tools.json"))
	if err != nil {
		t.Fatal(err)
	}
	count, tokens := 0, 0
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var tools []json.RawMessage
		if err := json.Unmarshal(raw, &tools); err != nil {
			t.Fatal(err)
		}
		compact, err := json.Marshal(tools)
		if err != nil {
			t.Fatal(err)
		}
		count, tokens = count+len(tools), tokens+kittest.Tokens(t, compact)
	}
	if count > 0 {
		fmt.Fprintf(b, "It stands in for servers with %d tools, %d tokens. Those tools answer to the letter as the originals do and cost the same.\n\n", count, tokens)
	}
}

// offers lists what is not a tool. The client has no user, since the page is about
// what everybody has.
func offers(t *testing.T, b *strings.Builder, c *kittest.Client, method, title, member, key string) {
	t.Helper()
	nobody := kittest.NewClient(c.Server, "")
	var list map[string]json.RawMessage
	if err := json.Unmarshal(nobody.Ask(t, method, ""), &list); err != nil {
		t.Fatal(err)
	}
	var items []map[string]any
	if err := json.Unmarshal(list[member], &items); err != nil {
		t.Fatal(err)
	}
	if len(items) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s:\n\n", title)
	for _, it := range items {
		description, _ := it["description"].(string)
		fmt.Fprintf(b, "- `%s`: %s\n", it[key], oneLine(description))
	}
}

// oneLine is text for a cell of a table: its first paragraph, bounded.
func oneLine(text string) string {
	text, _, _ = strings.Cut(text, "\n\n")
	text = strings.Join(strings.Fields(text), " ")
	const most = 200
	if len(text) > most {
		text = text[:strings.LastIndexByte(text[:most], ' ')] + " ..."
	}
	return strings.NewReplacer("|", `\|`, "<", "&lt;").Replace(text)
}
