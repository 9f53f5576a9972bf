package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"drawbridge/internal/servers/kit"
)

// Read calls a whitelisted function that only reads: by GET, which Frappe never
// commits.
func Read[T any](ctx context.Context, s Session, method string, q url.Values, what string) (v T, err error) {
	f, err := s.Flavour(ctx)
	if err != nil {
		return v, err
	}
	var out envelope[T]
	err = s.get(ctx, f.method(method), q, &out, what)
	return out.value(), err
}

// Dispatch is the parameter that Frappe reads before the path, as the function to call
// (frappe/app.py). Nobody may send it.
const Dispatch = "cmd"

// Do calls a whitelisted function that changes something. lookup says how to find
// out what became of it.
func Do[T any](ctx context.Context, s Session, method string, args any, what, lookup string) (v T, err error) {
	f, err := s.Flavour(ctx)
	if err != nil {
		return v, err
	}
	var out envelope[T]
	err = s.change(ctx, kit.Request{Method: http.MethodPost, Path: f.method(method), JSON: args, Into: &out, What: what}, lookup)
	return out.value(), err
}

// Found is one hit of a search.
type Found struct {
	Value       string `json:"value"`
	Label       string `json:"label"`
	Description string `json:"description"`
}

// Search finds documents as a link field does: by name, title and search fields. It
// finds DocTypes for everybody, too.
func (s Session) Search(ctx context.Context, doctype, text string, filters [][]any, limit int) ([]Found, error) {
	q := url.Values{"doctype": {doctype}, "txt": {text}, "page_length": {strconv.Itoa(limit)}}
	if len(filters) > 0 {
		q.Set("filters", encoded(filters))
	}
	return Read[[]Found](ctx, s, "frappe.desk.search.search_link", q, "the search in "+doctype)
}

// Me is the user of the key.
func (s Session) Me(ctx context.Context) (string, error) {
	return Read[string](ctx, s, "frappe.auth.get_logged_user", nil, "the user of the key")
}

// Mapped is the document that a mapper makes of another one. It is not saved.
func (s Session) Mapped(ctx context.Context, method string, q url.Values, what string) (Doc, error) {
	doc, err := Read[Doc](ctx, s, method, q, what)
	if err == nil && len(doc) == 0 {
		return nil, garbage()
	}
	return doc, err
}

// Mapper is the function that calls mappers.
const Mapper = "frappe.model.mapper.make_mapped_doc"

// Transition is what can be done with a document in its state of a workflow.
type Transition struct {
	Action  string `json:"action"`
	State   string `json:"state"`
	Next    string `json:"next_state"`
	Allowed string `json:"allowed"`
}

// Transitions are those that the caller may make.
func (s Session) Transitions(ctx context.Context, doctype, name string) ([]Transition, error) {
	q := url.Values{"doc": {encoded(Doc{"doctype": doctype, "name": name})}}
	return Read[[]Transition](ctx, s, "frappe.model.workflow.get_transitions", q, "the workflow of "+doctype)
}

// Apply makes a transition. Where the site submits in the background, what it answers
// is empty.
func (s Session) Apply(ctx context.Context, doctype, name, action string) error {
	_, err := Do[any](ctx, s, "frappe.model.workflow.apply_workflow", Doc{"doc": encoded(Doc{"doctype": doctype, "name": name}), "action": action},
		doctype+" "+name, "Read "+doctype+" "+name+" with get_document: its state tells.")
	return err
}

// Around is what stands around a document: who may read that may read this.
type Around struct {
	Attachments []Doc `json:"attachments"`
	Comments    []Doc `json:"comments"`
	Assignments []Doc `json:"assignments"`
}

// Around reads what a form shows beside a document.
func (s Session) Around(ctx context.Context, doctype, name string) (Around, error) {
	f, err := s.Flavour(ctx)
	if err != nil {
		return Around{}, err
	}
	var out struct {
		Docinfo Around `json:"docinfo"`
	}
	err = s.get(ctx, f.method("frappe.desk.form.load.get_docinfo"), url.Values{"doctype": {doctype}, "name": {name}}, &out, doctype+" "+name)
	return out.Docinfo, err
}
