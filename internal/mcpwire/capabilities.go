package mcpwire

import "drawbridge/internal/jsonscan"

// maxExtensions bounds what is kept of a client's extensions.
const maxExtensions = 2 << 10

// DecodeCapabilities reads the questions a client declares it can answer. raw is
// a client capabilities object of any revision, checked; nil is none.
func DecodeCapabilities(raw []byte) Capabilities {
	var c Capabilities
	if first(raw) != '{' {
		return c
	}
	for m := range jsonscan.Members(raw) {
		value := m.Value.Of(raw)
		if first(value) != '{' {
			continue
		}
		switch {
		case jsonscan.Is(m.Key, "elicitation"):
			_, form := jsonscan.Find(value, "form")
			_, url := jsonscan.Find(value, "url")
			c.ElicitationURL = url
			c.Elicitation = form || !url // an empty object means form (2025-11-25, client/elicitation)
		case jsonscan.Is(m.Key, "sampling"):
			c.Sampling = true
			_, c.SamplingTools = jsonscan.Find(value, "tools")
		case jsonscan.Is(m.Key, "roots"):
			c.Roots = true
		case jsonscan.Is(m.Key, "extensions") && len(value) <= maxExtensions:
			c.Extensions = string(value)
		}
	}
	return c
}

// Askable are the questions that the client may be put: those that it declared
// and its revision defines.
func (c *Caller) Askable() Capabilities {
	can := c.Can
	can.Elicitation = can.Elicitation && c.Revision >= Rev20250618
	can.ElicitationURL = can.ElicitationURL && c.Revision >= Rev20251125
	can.SamplingTools = can.SamplingTools && c.Revision >= Rev20251125
	return can
}

// CanAnswer tells whether the client declared that it can answer a question, in a
// revision that defines it.
func (c *Caller) CanAnswer(q Question) bool {
	switch q.Method {
	case MethodRootsList:
		return c.Can.Roots
	case MethodSample:
		if Member(q.Params, "tools") != nil {
			return c.Can.SamplingTools && c.Revision >= Rev20251125
		}
		return c.Can.Sampling
	case MethodElicit:
		if mode, _ := TextMember(q.Params, "mode"); mode == "url" {
			return c.Can.ElicitationURL && c.Revision >= Rev20251125
		}
		return c.Can.Elicitation && c.Revision >= Rev20250618
	}
	return false
}

// EncodeCapabilities writes c as a client capabilities object of a revision,
// without what that revision does not define (reference: protocol revisions'
// client capabilities).
func EncodeCapabilities(c Capabilities, rev Revision) []byte {
	out := append(make([]byte, 0, 64), '{')
	add := func(s string) {
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(out, s...)
	}
	if rev >= Rev20250618 {
		switch {
		case c.ElicitationURL && rev >= Rev20251125 && c.Elicitation:
			add(`"elicitation":{"form":{},"url":{}}`)
		case c.ElicitationURL && rev >= Rev20251125:
			add(`"elicitation":{"url":{}}`)
		case c.Elicitation:
			add(`"elicitation":{}`)
		}
	}
	switch {
	case c.SamplingTools && rev >= Rev20251125:
		add(`"sampling":{"tools":{}}`)
	case c.Sampling:
		add(`"sampling":{}`)
	}
	switch {
	case c.Roots && rev.Modern():
		add(`"roots":{}`)
	case c.Roots:
		add(`"roots":{"listChanged":true}`)
	}
	if c.Extensions != "" && rev >= Rev20251125 {
		add(`"extensions":` + c.Extensions)
	}
	return append(out, '}')
}
