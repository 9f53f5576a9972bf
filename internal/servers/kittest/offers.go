package kittest

import (
	"encoding/json"
	"strings"
	"testing"

	"drawbridge/internal/fault"
	"drawbridge/internal/mcpwire"
)

// maxRead bounds how many listed resources are read.
const maxRead = 20

// offers checks what is not a tool, after the cases have left something to offer:
// what is listed can be read, what is not there is no failure of ours, every prompt
// renders or says what it lacks, and completions answer.
func (s Suite) offers(t *testing.T, c *Client, outputs *strings.Builder) {
	s.resources(t, c, outputs)
	s.templates(t, c, outputs)
	s.prompts(t, c, outputs)
}

// ours tells an error that only a mistake of the server's explains.
func ours(werr *mcpwire.Error) bool { return werr != nil && werr.Message == fault.PublicInternal }

func (s Suite) resources(t *testing.T, c *Client, outputs *strings.Builder) {
	var list struct {
		Resources []struct{ URI, Name string }
	}
	decode(t, c.Ask(t, mcpwire.MethodResourcesList, ""), &list)
	for i, r := range list.Resources {
		if r.URI == "" || r.Name == "" {
			t.Errorf("a resource without URI or name: %+v", r)
		}
		if i >= maxRead {
			continue
		}
		raw, werr := c.Serve(t.Context(), t, mcpwire.MethodResourcesRead, params("uri", r.URI))
		if werr != nil {
			t.Errorf("the listed resource %s cannot be read: %v", r.URI, werr)
			continue
		}
		outputs.Write(raw)
	}
	if _, werr := c.Serve(t.Context(), t, mcpwire.MethodResourcesRead, params("uri", "nothing://of/the/kind")); werr == nil || werr.Code != mcpwire.CodeInvalidParams {
		t.Errorf("a resource that nobody has: %v", werr)
	}
}

func (s Suite) templates(t *testing.T, c *Client, outputs *strings.Builder) {
	var list struct {
		Templates []struct{ URITemplate, Name, Description string } `json:"resourceTemplates"`
	}
	decode(t, c.Ask(t, mcpwire.MethodTemplatesList, ""), &list)
	for _, tp := range list.Templates {
		if tp.Name == "" || tp.Description == "" {
			t.Errorf("the template %s has no name or description", tp.URITemplate)
		}
		uri, variable := tp.URITemplate, ""
		for strings.Contains(uri, "{") {
			head, rest, _ := strings.Cut(uri, "{")
			name, tail, _ := strings.Cut(rest, "}")
			uri, variable = head+"no-such-thing"+tail, name
		}
		raw, werr := c.Serve(t.Context(), t, mcpwire.MethodResourcesRead, params("uri", uri))
		if ours(werr) {
			t.Errorf("%s, which there is not: %v", uri, werr)
		}
		outputs.Write(raw)
		s.completes(t, c, `{"type":"ref/resource","uri":`+quote(tp.URITemplate)+`}`, variable)
	}
}

func (s Suite) prompts(t *testing.T, c *Client, outputs *strings.Builder) {
	var list struct {
		Prompts []struct {
			Name, Description string
			Arguments         []struct {
				Name, Description string
			}
		}
	}
	decode(t, c.Ask(t, mcpwire.MethodPromptsList, ""), &list)
	for _, p := range list.Prompts {
		if p.Description == "" {
			t.Errorf("the prompt %s has no description", p.Name)
		}
		args := map[string]string{}
		for _, a := range p.Arguments {
			if a.Description == "" {
				t.Errorf("the argument %s of the prompt %s has no description", a.Name, p.Name)
			}
			args[a.Name] = "x"
			if found := s.completes(t, c, `{"type":"ref/prompt","name":`+quote(p.Name)+`}`, a.Name); len(found) > 0 {
				args[a.Name] = found[0]
			}
		}
		encoded, _ := json.Marshal(args) // strings always encode
		raw, werr := c.Serve(t.Context(), t, mcpwire.MethodPromptsGet, `{"name":`+quote(p.Name)+`,"arguments":`+string(encoded)+`}`)
		if ours(werr) {
			t.Errorf("the prompt %s: %v", p.Name, werr)
		}
		outputs.Write(raw)
	}
}

// completes asks for values of an argument and gives them.
func (s Suite) completes(t *testing.T, c *Client, ref, argument string) []string {
	t.Helper()
	raw, werr := c.Serve(t.Context(), t, mcpwire.MethodComplete, `{"ref":`+ref+`,"argument":{"name":`+quote(argument)+`,"value":""}}`)
	if werr != nil {
		t.Errorf("completion of %s for %s: %v", argument, ref, werr)
		return nil
	}
	var out struct{ Completion struct{ Values []string } }
	decode(t, raw, &out)
	return out.Completion.Values
}

func decode(t *testing.T, raw json.RawMessage, into any) {
	t.Helper()
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
}

func params(key, value string) string { return `{` + quote(key) + `:` + quote(value) + `}` }

func quote(text string) string {
	b, _ := json.Marshal(text) // a string always encodes
	return string(b)
}
