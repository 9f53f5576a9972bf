package desk

import (
	"bytes"
	"context"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"
	"unicode/utf8"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/erpnext/access"
	"drawbridge/internal/servers/erpnext/api"
	"drawbridge/internal/servers/erpnext/show"
	"drawbridge/internal/servers/kit"
)

type uploadIn struct {
	File    string `json:"file,omitempty" jsonschema:"Reference of a kept file."`
	Text    string `json:"text,omitempty" jsonschema:"Or its content."`
	As      string `json:"file_name,omitempty" jsonschema:"Name to give; needed with text." max:"140"`
	Doctype string `json:"doctype,omitempty" jsonschema:"Attach to this document."`
	Name    string `json:"name,omitempty" jsonschema:"Its id."`
	Public  bool   `json:"public,omitempty" jsonschema:"Readable by anyone with the link; a person is asked."`
}

type fileOut struct {
	ID   string        `json:"id"`
	Name kit.Untrusted `json:"file_name"`
	URL  kit.Untrusted `json:"url,omitempty"`
}

func (t Tools) upload(ctx context.Context, c *kit.Call, in uploadIn) (out fileOut, err error) {
	switch {
	case (in.File == "") == (in.Text == ""), in.Text != "" && in.As == "":
		return out, fault.New(fault.Invalid, "Send file, the reference of a kept file, or text with file_name.")
	case (in.Doctype == "") != (in.Name == ""):
		return out, fault.New(fault.Invalid, "Name the document to attach to by doctype and name, or leave both out.")
	}
	s, err := t.place(ctx, c, in)
	if err != nil {
		return out, err
	}
	var content io.Reader = strings.NewReader(in.Text)
	if in.File != "" {
		kept, f, err := c.OpenFile(ctx, in.File)
		if err != nil {
			return out, err
		}
		defer kept.Close()
		content = kept
		if in.As == "" {
			in.As = f.Name
		}
	}
	if in.Public {
		if err := c.Approve(kit.Question{Target: in.As, Effect: "Puts a file into ERPNext that anyone with the link can read, without signing in."}); err != nil {
			return out, err
		}
	}
	up, err := s.Upload(ctx, api.File{Name: path.Base(in.As), Private: api.Flag(!in.Public), Doctype: in.Doctype, Doc: in.Name}, content)
	return fileOut{up.ID, kit.Untrusted(show.Plain(up.Name)), kit.Untrusted(show.Plain(up.URL))}, err
}

// place checks the document that a file goes to.
func (t Tools) place(ctx context.Context, c *kit.Call, in uploadIn) (api.Session, error) {
	if in.Doctype == "" {
		return t.Open(ctx, c, "File")
	}
	s, _, err := t.Document(ctx, c, access.DocIn{DoctypeIn: access.DoctypeIn{Doctype: in.Doctype}, Name: in.Name})
	return s, err
}

type listFilesIn struct {
	Query   string `json:"query,omitempty" jsonschema:"Part of a name."`
	Doctype string `json:"doctype,omitempty" jsonschema:"Attached to these."`
	Name    string `json:"name,omitempty" jsonschema:"Attached to this one."`
	kit.PageIn
}

// filesOf checks the documents whose files are wanted. Within one company it must be
// said which: files do not say whose they are.
func (t Tools) filesOf(ctx context.Context, c *kit.Call, in listFilesIn) (api.Session, error) {
	s, err := t.Open(ctx, c, "File")
	switch {
	case err != nil:
		return s, err
	case in.Doctype != "" && in.Name != "":
		_, _, err = t.Document(ctx, c, access.DocIn{DoctypeIn: access.DoctypeIn{Doctype: in.Doctype}, Name: in.Name})
	case in.Doctype != "":
		err = t.Check(in.Doctype)
	}
	if err == nil && t.Company != "" && (in.Doctype == "" || in.Name == "") {
		err = fault.New(fault.Forbidden, "This server is scoped to the company %s, so files are listed with the document they hang on. Name it by doctype and name.", t.Company)
	}
	return s, err
}

func (t Tools) listFiles(ctx context.Context, c *kit.Call, in listFilesIn) (out access.Table, err error) {
	w, err := in.Window(show.Rows)
	if err != nil {
		return out, err
	}
	s, err := t.filesOf(ctx, c, in)
	if err != nil {
		return out, err
	}
	columns := []string{"name", "file_name", "file_size", "is_private", "attached_to_doctype", "attached_to_name", "modified"}
	q := api.Query{Fields: columns, Filters: [][]any{{"is_folder", "=", 0}}, OrderBy: "modified desc", Start: w.Offset, Limit: w.Limit}
	for _, f := range []struct {
		field, op, value string
	}{{"file_name", "like", in.Query}, {"attached_to_doctype", "=", in.Doctype}, {"attached_to_name", "=", in.Name}} {
		if f.value == "" {
			continue
		}
		if f.op == "like" {
			f.value = "%" + f.value + "%"
		}
		q.Filters = append(q.Filters, []any{f.field, f.op, f.value})
	}
	rows, more, err := s.List(ctx, "File", q)
	if err != nil {
		return out, err
	}
	return access.Sifted(c, w, columns, rows, more, func(r api.Doc) bool {
		to := r.Text("attached_to_doctype")
		return to == "" || t.Allows(to)
	}), nil
}

type downloadIn struct {
	ID string `json:"file" jsonschema:"Id of the File." min:"1"`
}

type keptOut struct {
	File keptFile      `json:"file"`
	Text kit.Untrusted `json:"text,omitempty"`
}

// keptFile is a kept file whose name somebody else has chosen.
type keptFile struct {
	Ref      string        `json:"ref" jsonschema:"Give this to a tool that takes a file."`
	Name     kit.Untrusted `json:"name"`
	MIMEType string        `json:"mime_type,omitempty"`
	Size     int64         `json:"size"`
	Expires  time.Time     `json:"expires"`
}

// textRoom bounds the text of a file that is shown.
const textRoom = 12 << 10

func (t Tools) download(ctx context.Context, c *kit.Call, in downloadIn) (out keptOut, err error) {
	s, doc, err := t.Document(ctx, c, access.DocIn{DoctypeIn: access.DoctypeIn{Doctype: "File"}, Name: in.ID})
	if err != nil {
		return out, err
	}
	content, err := s.Download(ctx, api.File{ID: in.ID, URL: doc.Text("file_url")})
	if err != nil {
		return out, err
	}
	name := show.Clip(show.Plain(path.Base(doc.Text("file_name"))), 140)
	kind := mime.TypeByExtension(path.Ext(name))
	if kind == "" {
		kind = http.DetectContentType(content)
	}
	kept, err := c.PutFile(ctx, kit.File{Name: name, MIMEType: kind}, bytes.NewReader(content))
	if err != nil {
		return out, err
	}
	out.File = keptFile{kept.Ref, kit.Untrusted(kept.Name), kept.MIMEType, kept.Size, kept.Expires}
	if utf8.Valid(content) && !bytes.ContainsRune(content, 0) {
		out.Text = kit.Untrusted(show.Clip(show.Plain(string(content)), textRoom))
	}
	return out, nil
}

type printIn struct {
	access.DocIn
	Format string `json:"format,omitempty" jsonschema:"Print format."`
	Plain  bool   `json:"no_letterhead,omitempty" jsonschema:"Without letter head."`
}

type printOut struct {
	File kit.File `json:"file"`
}

func (t Tools) print(ctx context.Context, c *kit.Call, in printIn) (out printOut, err error) {
	s, _, err := t.Document(ctx, c, in.DocIn)
	if err != nil {
		return out, err
	}
	q := url.Values{"doctype": {in.Doctype}, "name": {in.Name}}
	if in.Format != "" {
		q.Set("format", in.Format)
	}
	if in.Plain {
		q.Set("no_letterhead", "1")
	}
	content, err := s.PDF(ctx, q, "a print of "+in.Doctype+" "+in.Name)
	if err != nil {
		return out, err
	}
	out.File, err = c.PutFile(ctx, kit.File{Name: strings.ReplaceAll(in.Name, "/", "-") + ".pdf", MIMEType: "application/pdf"}, bytes.NewReader(content))
	return out, err
}
