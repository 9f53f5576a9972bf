// Package access is the way from a call to a document: the caller's key, the
// operator's lists of DocTypes, the company that the operator scopes the server to,
// and the words for what ERPNext refuses. It also has what the tools of the erpnext
// server share.
//
// The packages of tools embed a Desk. What a caller may do in ERPNext is decided there,
// by the user of the key: nothing here widens it.
package access

import (
	"context"
	"sync"
	"time"
	"unicode/utf8"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/erpnext/api"
	"drawbridge/internal/servers/kit"
	"drawbridge/internal/servers/kit/pattern"
)

// The keys of a caller's credential.
const (
	KeyCredential    = "api_key"
	SecretCredential = "api_secret"
)

// Slow is the time of tools that make ERPNext work hard.
const Slow = 100 * time.Second

// Desk opens documents for calls.
type Desk struct {
	Client   *api.Client
	Doctypes kit.Targets // what the operator lets the server touch
	Methods  kit.Targets // functions that may be called by name; none without a list
	Company  string      // "" for all
	Mode     kit.Mode
	Now      func() time.Time

	mu    sync.Mutex // guards known and once
	known map[metaKey]kept
	once  map[onceKey]made
}

// DoctypeIn is the member of an input that names a DocType.
type DoctypeIn struct {
	Doctype string `json:"doctype" jsonschema:"DocType: Sales Invoice."`
}

// DocIn names a document.
type DocIn struct {
	DoctypeIn
	Name string `json:"name" jsonschema:"Id."`
}

// VersionIn names a version of a document, for what a person approves.
type VersionIn struct {
	DocIn
	Expected string `json:"expected_modified" jsonschema:"modified, as read."`
}

// Saved is what tools answer that save a document.
type Saved struct {
	Doctype   string `json:"doctype"`
	Name      string `json:"name"`
	DocStatus int    `json:"docstatus"`
	Modified  string `json:"modified"`
	Status    string `json:"status,omitempty"`
}

// SavedOf is a document after it was saved.
func SavedOf(doctype string, doc api.Doc) Saved {
	return Saved{doctype, NameOf(doc), doc.Int("docstatus"), doc.Text("modified"), doc.Text("status")}
}

// NameOf is the name of a document, which some DocTypes number.
func NameOf(doc api.Doc) string {
	if n, ok := doc["name"].(interface{ String() string }); ok {
		return n.String()
	}
	return doc.Text("name")
}

// Session is the site as the caller's key sees it.
func (d *Desk) Session(ctx context.Context, c *kit.Call) (api.Session, error) {
	key, err := c.Credential(ctx, KeyCredential)
	if err != nil {
		return api.Session{}, err
	}
	pair, err := c.Credential(ctx, SecretCredential)
	return d.Client.As(key, pair), err
}

// doctypeRule is what a DocType can be called. No slash: it would be a path to others.
// No blank at the end and no two: the database overlooks the first, lists do not.
var doctypeRule = pattern.New(`^[\p{L}\p{N}](?: ?[\p{L}\p{N}_&()-])*$`)

// maxDoctype is how many characters the name has room for in the database. The rule
// does not count: written out 140 times it would cost every process ten megabytes.
const maxDoctype = 140

// Check refuses what is no name of a DocType, or none that may be touched.
func (d *Desk) Check(doctype string) error {
	if len(doctype) > maxDoctype*utf8.UTFMax || utf8.RuneCountInString(doctype) > maxDoctype || !doctypeRule().MatchString(doctype) {
		return fault.New(fault.Invalid, "The doctype is not the name of a DocType, such as Sales Invoice. list_doctypes has the names.")
	}
	if err := d.shadowed(doctype); err != nil {
		return err
	}
	return d.Doctypes.Check("DocType", doctype)
}

// Allows is Check as a question, to sift lists.
func (d *Desk) Allows(doctype string) bool { return d.Check(doctype) == nil }

// Open is Check and Session.
func (d *Desk) Open(ctx context.Context, c *kit.Call, doctype string) (api.Session, error) {
	if err := d.Check(doctype); err != nil {
		return api.Session{}, err
	}
	s, err := d.Session(ctx, c)
	if err != nil {
		return s, err
	}
	return s, d.spelled(ctx, c, s, doctype)
}

// Document reads a document that the operator lets the server touch.
func (d *Desk) Document(ctx context.Context, c *kit.Call, in DocIn) (api.Session, api.Doc, error) {
	s, err := d.Open(ctx, c, in.Doctype)
	if err != nil {
		return s, nil, err
	}
	if in.Name == "" {
		return s, nil, fault.New(fault.Invalid, "The name is empty. list_documents and search_link have the names.")
	}
	doc, err := s.Get(ctx, in.Doctype, in.Name)
	if err != nil {
		return s, nil, err
	}
	if err := d.Within(in.Doctype, doc); err != nil {
		return s, nil, err
	}
	return s, doc, d.held(ctx, s, in.Doctype, doc)
}

// Version is Document for a version that a person is asked about: one that has
// changed since it was read is refused.
func (d *Desk) Version(ctx context.Context, c *kit.Call, in VersionIn) (api.Session, api.Doc, error) {
	s, doc, err := d.Document(ctx, c, in.DocIn)
	if err == nil && (in.Expected == "" || doc.Text("modified") != in.Expected) {
		err = fault.New(fault.Conflict, "%s %s has changed since it was read: it is no longer of %s, so nothing was done. Read it again with get_document and decide from there.", in.Doctype, in.Name, clipped(in.Expected))
	}
	return s, doc, err
}

func clipped(text string) string { return text[:min(len(text), 40)] }
