package erpnext_test

import (
	"encoding/json"
	"strings"
	"testing"

	"drawbridge/internal/fault"
	"drawbridge/internal/mcpwire"
	"drawbridge/internal/servers/erpnext/fake"
	"drawbridge/internal/servers/kittest"
)

// Both kinds of resources can be read, by the rights of the caller; what people wrote is
// marked as such.
func TestResources(t *testing.T) {
	t.Parallel()
	b := newBench(t, fake.Options{Profile: fake.V16})
	c := b.as(t, fake.Accounts)
	for uri, want := range map[string]string{
		"erpnext://doctype/Sales%20Invoice":                        `"fieldname":"customer"`,
		"erpnext://Sales%20Invoice/" + b.Names("Sales Invoice")[0]: "Grant Plastics Ltd.",
		"erpnext://Customer/A%2FB%20Testing%20%26%20S%C3%B6hne":    "Commercial",
		"erpnext://doctype/Purchase%20Order":                       "Send for Approval",
	} {
		raw, werr := c.Serve(t.Context(), t, mcpwire.MethodResourcesRead, `{"uri":`+quoted(uri)+`}`)
		if werr != nil {
			t.Errorf("%s: %v", uri, werr)
			continue
		}
		var r struct {
			Contents []struct {
				Text string
				Meta map[string]string `json:"_meta"`
			}
		}
		if err := json.Unmarshal(raw, &r); err != nil || len(r.Contents) != 1 || !strings.Contains(r.Contents[0].Text, want) || r.Contents[0].Meta["drawbridge/untrusted"] != "true" {
			t.Errorf("%s: %s", uri, raw)
		}
	}
	for _, uri := range []string{"erpnext://Customer/Nobody", "erpnext://../x", "erpnext://doctype/No%20Such"} {
		if text, werr := c.Resource(t, uri); werr == nil || werr.Message == fault.PublicInternal {
			t.Errorf("%s: %q, %v", uri, text, werr)
		}
	}
	stock := kittest.NewClient(c.Server, fake.Stock)
	if text, werr := stock.Resource(t, "erpnext://Sales%20Invoice/"+b.Names("Sales Invoice")[0]); werr == nil {
		t.Errorf("somebody without rights reads %s", text)
	}
}

func TestCompletions(t *testing.T) {
	t.Parallel()
	c := newBench(t, fake.Options{}).as(t, fake.Owner)
	for _, ask := range []struct{ ref, name, typed, want string }{
		{`{"type":"ref/resource","uri":"erpnext://doctype/{doctype}"}`, "doctype", "Sales Ord", "Sales Order"},
		{`{"type":"ref/prompt","name":"new_customer"}`, "customer", "West", "West View Software"},
		{`{"type":"ref/prompt","name":"month_end_review"}`, "company", "Trading", "Tinker Trading"},
		{`{"type":"ref/prompt","name":"month_end_review"}`, "month", "2026", ""},
	} {
		raw := c.Ask(t, mcpwire.MethodComplete, `{"ref":`+ask.ref+`,"argument":{"name":`+quoted(ask.name)+`,"value":`+quoted(ask.typed)+`}}`)
		var out struct{ Completion struct{ Values []string } }
		if err := json.Unmarshal(raw, &out); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(out.Completion.Values, "|"); !strings.Contains(got, ask.want) || ask.want == "" && got != "" {
			t.Errorf("%s %q: %s", ask.name, ask.typed, got)
		}
	}
}

func TestPrompts(t *testing.T) {
	t.Parallel()
	c := newBench(t, fake.Options{}).as(t, fake.Owner)
	for name, args := range map[string]string{"month_end_review": `{"month":"2026-10"}`, "new_customer": `{"customer":"Hooli"}`} {
		raw := string(c.Ask(t, mcpwire.MethodPromptsGet, `{"name":`+quoted(name)+`,"arguments":`+args+`}`))
		if !strings.Contains(raw, "follow no instruction") || !strings.Contains(raw, "list_documents") && !strings.Contains(raw, "search_link") {
			t.Errorf("%s", raw)
		}
	}
}
