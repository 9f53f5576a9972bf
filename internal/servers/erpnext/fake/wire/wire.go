// Package wire is how a request comes in and an answer goes out: form_dict from queries,
// forms and JSON, who sent it, and the two envelopes of API v1 and v2. Only the fake
// uses it.
//
// Sources: frappe/app.py (init_request, make_form_dict, handle_exception), auth.py,
// utils/response.py (report_error, _make_logs_v1, _make_logs_v2), rate_limiter.py.
package wire

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"

	"drawbridge/internal/servers/erpnext/fake/exc"
	"drawbridge/internal/servers/erpnext/fake/site"
)

// Upload is a file of a multipart form.
type Upload struct {
	Name    string
	Content []byte
}

// Raw is an answer that is no JSON: a download, a PDF.
type Raw struct {
	Kind, Disposition string
	Content           []byte
}

// Call is one request. Whoever makes it fills in the first group and holds the lock of
// the site for as long as it lives.
type Call struct {
	R     *http.Request
	Body  []byte
	Site  *site.Site
	Trace bool // the site's setting allow_error_traceback

	V2       bool
	SS       *site.Session
	Form     site.Obj
	Files    map[string]Upload
	Response site.Obj // frappe.response
	Status   int
	Header   http.Header
	Raw      *Raw
}

// Reply is an answer that depends on nothing any more.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
}

// Write sends it.
func (p Reply) Write(w http.ResponseWriter) {
	maps.Copy(w.Header(), p.Header)
	w.WriteHeader(p.Status)
	_, _ = w.Write(p.Body) // a client that hung up is no fault of ours
}

// Begin reads the request. Version 14 knows no API v2 and answers what looks like it in v1.
func (c *Call) Begin() error {
	c.V2 = c.Site.Version >= 15 && strings.HasPrefix(c.R.URL.Path, "/api/v2")
	c.SS = &site.Session{User: &site.User{Name: "Guest", FullName: "Guest"}}
	c.Response, c.Status, c.Header = site.Obj{}, http.StatusOK, http.Header{}
	return c.form()
}

// form is make_form_dict: with a JSON body the query is not looked at.
func (c *Call) form() error {
	c.Form, c.Files = site.Obj{}, map[string]Upload{}
	kind, params, _ := mime.ParseMediaType(c.R.Header.Get("Content-Type"))
	if len(c.Body) > 0 && (kind == "application/json" || strings.HasPrefix(kind, "application/") && strings.HasSuffix(kind, "+json")) {
		v, err := Parse(string(c.Body))
		if err != nil {
			return err
		}
		switch v := v.(type) {
		case site.Obj:
			c.Form = v
		case []any:
			c.Form["data"] = v
		default:
			return exc.Throw(exc.Validation, "", "Invalid request arguments")
		}
		return nil
	}
	c.take(c.R.URL.Query())
	switch kind {
	case "application/x-www-form-urlencoded":
		values, err := url.ParseQuery(string(c.Body))
		if err == nil {
			c.take(values)
		}
	case "multipart/form-data":
		c.multipart(params["boundary"])
	}
	delete(c.Form, "_")
	return nil
}

func (c *Call) take(values url.Values) {
	for k, v := range values {
		c.Form[k] = v[0]
	}
}

func (c *Call) multipart(boundary string) {
	r := multipart.NewReader(bytes.NewReader(c.Body), boundary)
	for {
		part, err := r.NextPart()
		if err != nil {
			return
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return
		}
		if part.FileName() != "" {
			c.Files[part.FormName()] = Upload{part.FileName(), content}
			continue
		}
		c.Form[part.FormName()] = string(content)
	}
}

// Parse is json.loads.
func Parse(text string) (any, error) {
	var v any
	d := json.NewDecoder(strings.NewReader(text))
	if err := d.Decode(&v); err != nil || d.More() {
		return nil, exc.Raise(exc.JSONDecode, "Expecting value: line 1 column 1 (char 0)")
	}
	return v, nil
}

// Text, Int and Bool read an argument.
func (c *Call) Text(name string) string { return site.Text(c.Form, name) }

// Int is cint of an argument.
func (c *Call) Int(name string) int { return site.Int(c.Form, name) }

// Bool is sbool of an argument.
func (c *Call) Bool(name string) bool {
	switch strings.ToLower(c.Text(name)) {
	case "true", "1", "y", "yes":
		return true
	}
	return false
}

// JSON is parse_json of an argument: text is decoded, what is decoded already stays.
func (c *Call) JSON(name string) (any, error) {
	text, is := c.Form[name].(string)
	if !is {
		return c.Form[name], nil
	}
	if text == "" {
		return nil, nil
	}
	return Parse(text)
}

// Doc is an argument that holds a document.
func (c *Call) Doc(name string) (site.Obj, error) {
	v, err := c.JSON(name)
	if err != nil {
		return nil, err
	}
	o, is := v.(site.Obj)
	if !is {
		return nil, exc.Raise(exc.Attribute, "'NoneType' object has no attribute 'get'")
	}
	return o, nil
}

// Docs appends to the documents that travel beside an answer.
func (c *Call) Docs(doc any) {
	docs, _ := c.Response["docs"].([]any)
	c.Response["docs"] = append(docs, doc)
}

// Finish makes the answer of what the response holds.
func (c *Call) Finish() Reply {
	if c.Raw != nil {
		c.Header.Set("Content-Type", c.Raw.Kind)
		if c.Raw.Disposition != "" {
			c.Header.Set("Content-Disposition", c.Raw.Disposition)
		}
		return c.reply(c.Raw.Content)
	}
	c.logs(c.SS.Messages)
	return c.json()
}

func (c *Call) json() Reply {
	c.Header.Set("Content-Type", "application/json")
	return c.reply(Encode(c.Response))
}

func (c *Call) reply(body []byte) Reply {
	if c.Header.Get("Cache-Control") == "" {
		c.Header.Set("Cache-Control", "no-store,no-cache,must-revalidate,max-age=0")
	}
	return Reply{Status: c.Status, Header: c.Header, Body: body}
}

// Encode is JSON as Python's libraries write it: nothing is escaped for HTML.
func Encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil { // a shape that is no JSON
		panic(err)
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}
