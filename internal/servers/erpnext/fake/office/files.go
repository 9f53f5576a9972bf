package office

import (
	"crypto/md5"
	"fmt"
	"mime"
	"path"
	"strings"

	"drawbridge/internal/servers/erpnext/fake/exc"
	"drawbridge/internal/servers/erpnext/fake/site"
	"drawbridge/internal/servers/erpnext/fake/wire"
)

// files are the methods about files (handler.py, core/doctype/file).
func (o *Office) files() map[string]wire.Method {
	return map[string]wire.Method{
		"upload_file":                {Guest: true, HTTP: "POST", Run: o.upload},
		"frappe.handler.upload_file": {Guest: true, HTTP: "POST", Run: o.upload},
		"download_file":              {Guest: true, Need: "file_url", Run: o.downloadFile},
		"frappe.core.doctype.file.file.download_file": {Guest: true, Need: "file_url", Run: o.downloadFile},
		"frappe.utils.print_format.download_pdf":      {Guest: true, Need: "doctype name", Run: o.pdf},
	}
}

// upload is upload_file: bytes in the form's "file", or a link in "file_url".
func (o *Office) upload(c *wire.Call) (any, error) {
	if c.SS.User.Name == "Guest" {
		return nil, exc.Raise(exc.Permission, "")
	}
	doctype, name := c.Text("doctype"), c.Text("docname")
	if err := attachable(c, doctype, name); err != nil {
		return nil, err
	}
	file, given := c.Files["file"]
	values := obj{"file_name": c.Text("file_name"), "file_url": c.Text("file_url"), "is_private": c.Int("is_private"), "folder": wire.Or(c.Form["folder"], "Home"),
		"attached_to_doctype": doctype, "attached_to_name": name, "attached_to_field": c.Text("fieldname")}
	if given {
		values["file_name"] = file.Name
		if len(file.Content) > o.MaxFile {
			return nil, exc.Throw(exc.MaxFileSize, "", "File size exceeded the maximum allowed size of %v MB", float64(o.MaxFile)/1048576)
		}
		if kind := mime.TypeByExtension(path.Ext(file.Name)); c.SS.User.Website && !strings.HasPrefix(kind, "image/") && kind != "application/pdf" && !strings.HasPrefix(kind, "text/plain") {
			return nil, exc.Throw(exc.Validation, "", "You can only upload JPG, PNG, PDF, TXT or Microsoft documents.")
		}
	}
	if !given && values["file_url"] == "" {
		return nil, exc.Throw(exc.Validation, "", "Please attach a file or set a URL")
	}
	if given {
		values["content_hash"] = fmt.Sprintf("%x", md5.Sum(file.Content))
		values["file_size"] = len(file.Content)
		values["file_url"] = place(c, file, site.Int(values, "is_private") == 1, site.Text(values, "content_hash"))
	}
	if values["file_name"] == "" {
		values["file_name"] = path.Base(site.Text(values, "file_url"))
	}
	values["file_type"] = strings.ToUpper(strings.TrimPrefix(path.Ext(site.Text(values, "file_name")), "."))
	doc, err := c.Site.Insert(c.SS, "File", values)
	if err != nil {
		return nil, err
	}
	if doctype != "" {
		c.Site.Comment(c.SS, "Attachment", doctype, name, fmt.Sprintf("<a href='%s' target='_blank'>%s</a>", doc["file_url"], doc["file_name"]))
	}
	return wire.Dict(doc, true), nil
}

// attachable asks for the right to write what a file is put on. A document that is not
// there yet is let pass: the desk uploads ahead of saving.
func attachable(c *wire.Call, doctype, name string) error {
	if doctype == "" {
		return nil
	}
	d, err := c.Site.Meta(doctype)
	if err != nil {
		return err
	}
	doc := c.Site.Get(doctype, name)
	if doc == nil && name != "" {
		return nil
	}
	return c.Site.Check(c.SS, d, "write", doc)
}

// place finds a URL for a content: the same for the same, a new one where the name is
// taken by another.
func place(c *wire.Call, file wire.Upload, private bool, hash string) string {
	dir := "/files/"
	if private {
		dir = "/private/files/"
	}
	name := strings.NewReplacer("/", "", "\\", "", "%", "", "?", "", "#", "").Replace(file.Name)
	url := dir + name
	if old, taken := c.Site.Files[url]; taken && string(old) != string(file.Content) {
		ext := path.Ext(name)
		url = dir + strings.TrimSuffix(name, ext) + hash[len(hash)-6:] + ext
	}
	c.Site.Files[url] = file.Content
	return url
}

// Download serves what stands under /files, and under /private/files to those who may.
// What is not there is forbidden, too.
func (o *Office) Download(c *wire.Call, url string) error {
	if strings.HasPrefix(url, "/files/") {
		if content, there := c.Site.Files[url]; there {
			return attach(c, url, content, "")
		}
		return exc.NoRoute("The page you are looking for has gone missing.")
	}
	if c.SS.User.Name != "Guest" && o.mayRead(c, url) {
		return attach(c, url, c.Site.Files[url], "")
	}
	return exc.Forbidden("You don't have permission to access this file")
}

// mayRead tells whether one of the File documents of a URL lets somebody in: it is
// public, their own, or on a document that they may read.
func (o *Office) mayRead(c *wire.Call, url string) bool {
	found := false
	c.Site.Each("File", func(f obj) bool {
		if f["file_url"] == url {
			found, _ = c.Site.May(c.SS.User, c.Site.Reg.Get("File"), "read", f)
		}
		return !found
	})
	return found
}

func attach(c *wire.Call, url string, content []byte, disposition string) error {
	kind := mime.TypeByExtension(path.Ext(url))
	if kind == "" {
		kind = "application/octet-stream"
	}
	if disposition == "" && (strings.Contains(kind, "html") || strings.Contains(kind, "svg") || strings.Contains(kind, "xml")) {
		disposition = fmt.Sprintf("attachment; filename=%s", path.Base(url)) // what could carry a script
	}
	c.Raw = &wire.Raw{Kind: kind, Disposition: disposition, Content: content}
	return nil
}

func (o *Office) downloadFile(c *wire.Call) (any, error) {
	url := c.Text("file_url")
	content, there := c.Site.Files[url]
	if !there {
		return nil, exc.Missing("File", url)
	}
	if strings.HasPrefix(url, "/private/") && !o.mayRead(c, url) {
		return nil, exc.Raise(exc.Permission, "")
	}
	return nil, attach(c, url, content, fmt.Sprintf("attachment; filename=%s", path.Base(url)))
}

// pdf is download_pdf. What it draws is no more than a header and the document's name.
func (o *Office) pdf(c *wire.Call) (any, error) {
	doc, _, err := c.Load(c.Text("doctype"), c.Text("name"), "print")
	if err != nil {
		return nil, err
	}
	if format := c.Text("format"); format != "" && format != "Standard" {
		return nil, exc.Missing("Print Format", format)
	}
	name := strings.ReplaceAll(strings.ReplaceAll(site.Text(doc, "name"), " ", "-"), "/", "-")
	c.Raw = &wire.Raw{Kind: "application/pdf", Disposition: fmt.Sprintf("filename=%s.pdf", name),
		Content: fmt.Appendf(nil, "%%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\n%% %s %s\n%%%%EOF\n", doc["doctype"], doc["name"])}
	return nil, nil
}
