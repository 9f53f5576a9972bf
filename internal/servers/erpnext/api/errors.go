package api

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/kit/pattern"
)

// Refusal is what a site says of a request that it refused, in either version's shape.
// Words are the site's: they may repeat what strangers wrote.
type Refusal struct {
	Status int
	Type   string   // "MandatoryError"; letters only
	Words  []string // messages for people, HTML taken out by nobody yet
	Detail string   // last line of the trace, where the site shows it
	cause  error
}

func (r *Refusal) Error() string { return "frappe " + r.Type }

// Unwrap gives the answer.
func (r *Refusal) Unwrap() error { return r.cause }

// RefusalOf finds the Refusal in err's chain.
func RefusalOf(err error) (*Refusal, bool) { return errors.AsType[*Refusal](err) }

// Is tells whether err is a Refusal of a type.
func Is(err error, kind string) bool {
	r, ok := RefusalOf(err)
	return ok && r.Type == kind
}

// envelopes of errors. Version 1 has a text that is an array of texts, each of which
// is an object again.
type (
	told struct {
		Message string `json:"message"`
		Title   string `json:"title"`
	}
	refused struct {
		Type      string `json:"exc_type"`
		Exception string `json:"exception"`
		Messages  string `json:"_server_messages"`
		Errors    []struct {
			told
			Type      string `json:"type"`
			Exception string `json:"exception"`
		} `json:"errors"`
		More []json.RawMessage `json:"messages"`
	}
)

// typeRule is what an exception can be called.
var typeRule = pattern.New(`^[A-Z][A-Za-z]{2,60}$`)

// refine puts a Refusal into the chain of an error that the site explains. The public
// text stays the kit's: package access makes a better one of it.
func refine(err error) error {
	e, ok := errors.AsType[*kit.StatusError](err)
	if !ok {
		return err
	}
	var body refused
	if json.Unmarshal(e.Body, &body) != nil {
		return err
	}
	r := &Refusal{Status: e.Status, Type: body.Type, Detail: lastLine(body.Exception), cause: e}
	if len(body.Errors) > 0 {
		first := body.Errors[0]
		r.Type, r.Detail = first.Type, lastLine(first.Exception)
		for _, one := range body.Errors {
			r.add(one.Message)
		}
	}
	if !typeRule().MatchString(r.Type) {
		return err
	}
	var listed []string
	if json.Unmarshal([]byte(body.Messages), &listed) == nil {
		for _, one := range listed {
			r.add(words([]byte(one)))
		}
	}
	for _, one := range body.More {
		r.add(words(one))
	}
	return fault.Wrap(r, fault.CodeOf(err), "%s", fault.PublicOf(err))
}

func (r *Refusal) add(text string) {
	if text != "" {
		r.Words = append(r.Words, text)
	}
}

// words are the message in an entry: an object, an object in a text, or a plain text.
func words(entry []byte) string {
	var text string
	if json.Unmarshal(entry, &text) == nil {
		entry = []byte(text)
	}
	var one told
	if json.Unmarshal(entry, &one) == nil {
		return one.Message
	}
	return string(entry)
}

func lastLine(trace string) string {
	trace = strings.TrimSpace(trace)
	return trace[strings.LastIndexByte(trace, '\n')+1:]
}

// fieldsRule finds the fields in the detail of a MandatoryError: "[Customer, X]: a, b".
var fieldsRule = pattern.New(`\]:\s*([a-z][a-z0-9_]*(?:\s*,\s*[a-z][a-z0-9_]*)*)\s*$`)

// Fields are the fields that a MandatoryError names in its detail.
func (r *Refusal) Fields() []string {
	m := fieldsRule().FindStringSubmatch(r.Detail)
	if m == nil {
		return nil
	}
	fields := strings.Split(m[1], ",")
	for i := range fields {
		fields[i] = strings.TrimSpace(fields[i])
	}
	return fields
}

// Undetermined is an error after which nobody knows whether the change was made.
type Undetermined struct{ error }

// Unwrap gives the fault.
func (u *Undetermined) Unwrap() error { return u.error }

// undetermined marks an error of a change whose answer was lost. Determined are:
// answers of the site that refuse, and what was never sent.
func undetermined(err error, lookup string) error {
	if err == nil || !lost(err) {
		return err
	}
	became := fault.PublicOf(err)
	if kit.StatusOf(err) == http.StatusServiceUnavailable { // "try again" would be wrong here
		became = "A proxy before ERPNext lost it or did not reach it (503)."
	}
	return &Undetermined{fault.Wrap(err, fault.CodeOf(err), "%s It is undetermined whether this was done. %s", became, lookup)}
}

func lost(err error) bool {
	if _, ok := RefusalOf(err); ok {
		return false // Frappe takes back what a request that fails has done
	}
	if status := kit.StatusOf(err); status != 0 { // of a proxy; some say 503 of a connection that broke, too
		return status >= 500
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return false
	}
	code := fault.CodeOf(err)
	return code != fault.Unavailable && code != fault.Forbidden
}
