package pages

import (
	"errors"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"drawbridge/internal/account"
	"drawbridge/internal/auth"
	"drawbridge/internal/fault"
)

const (
	maxForm   = 64 << 10
	maxFields = 1000
)

// form is what a form sent. It remembers what was asked for, so that a field that
// the page does not have is noticed: somebody else made that form.
type form struct {
	values url.Values
	known  map[string]bool
}

// readForm reads the body of a POST and makes sure that a page of ours sent it.
func readForm(w http.ResponseWriter, r *http.Request) (*form, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, fault.New(fault.Invalid, "The form cannot be read. Open the page anew and send its form; programs use the JSON API.")
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return nil, fault.Wrap(err, fault.Invalid, "The form is too large. Enter less.")
		}
		return nil, fault.Wrap(err, fault.Invalid, "The form cannot be read. Send it again.")
	}
	if err := auth.CheckForm(r); err != nil {
		return nil, err
	}
	n := 0
	for _, list := range r.PostForm {
		n += len(list)
		for _, one := range list {
			if !plain(one) {
				return nil, fault.New(fault.Invalid, "A field has a character that no text has. Enter it anew.")
			}
		}
	}
	if n > maxFields {
		return nil, fault.New(fault.Invalid, "The form has too many fields. Enter less.")
	}
	return &form{values: r.PostForm, known: map[string]bool{auth.FormField: true}}, nil
}

// plain tells whether the store has a place for a text.
func plain(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

// text is the value of a field, without space around it.
func (f *form) text(name string) string { return strings.TrimSpace(f.secret(name)) }

// secret is the value of a field as it was typed.
func (f *form) secret(name string) string {
	f.known[name] = true
	return f.values.Get(name)
}

// ticked tells whether a box was ticked.
func (f *form) ticked(name string) bool { return f.text(name) != "" }

// list is the values of boxes of one name.
func (f *form) list(name string) []string {
	f.known[name] = true
	return f.values[name]
}

// lines is the lines or words of a field, empty ones left out.
func (f *form) lines(name string) []string { return strings.Fields(f.secret(name)) }

// rights are the boxes of the template "rights".
func (f *form) rights() account.Rights {
	all := func(list []string) []string {
		if slices.Contains(list, account.Any) {
			return []string{account.Any}
		}
		return list
	}
	return account.Rights{Backends: all(f.list("backends")), Write: f.ticked("write"), Destructive: all(f.list("destructive"))}
}

// end is called when an action has read its fields, before it does anything.
func (f *form) end() error {
	for name := range f.values {
		if !f.known[name] {
			return fault.New(fault.Invalid, "The form has a field %q that this page does not have. Open the page anew and use its form.", name)
		}
	}
	return nil
}

// confirm is end for what cannot be taken back: word was to be typed.
func (f *form) confirm(word string) error {
	typed := f.text("confirm")
	if err := f.end(); err != nil {
		return err
	}
	if typed != word {
		return fault.New(fault.Invalid, "What you typed is not %q. Nothing was changed; type it exactly to go on.", word)
	}
	return nil
}

// Was is what a field had when the form came back with a problem, for templates. They
// ask for no passwords: those are typed anew.
func (f form) Was(name string) string { return f.values.Get(name) }

// Sent tells whether a form came back with a problem, for templates.
func (f form) Sent() bool { return f.values != nil }

// Is tells whether a field had a value when the form came back.
func (f form) Is(name, value string) bool { return f.values.Get(name) == value }
