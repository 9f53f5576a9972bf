package api

import (
	"bytes"
	"context"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/kit"
)

// MaxFile is the largest file that goes up or down.
const MaxFile = 25 << 20

// File is a file of the site.
type File struct {
	ID      string `json:"name"`
	Name    string `json:"file_name"`
	URL     string `json:"file_url"`
	Private Flag   `json:"is_private"`
	Doctype string `json:"attached_to_doctype"`
	Doc     string `json:"attached_to_name"`
}

// Upload adds a file, private unless public is wanted, to a document where one is named.
func (s Session) Upload(ctx context.Context, f File, content io.Reader) (File, error) {
	flavour, err := s.Flavour(ctx)
	if err != nil {
		return File{}, err
	}
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	fields := [][2]string{{"is_private", "1"}, {"folder", "Home"}, {"file_name", f.Name}}
	if !f.Private {
		fields[0][1] = "0"
	}
	if f.Doctype != "" {
		fields = append(fields, [2]string{"doctype", f.Doctype}, [2]string{"docname", f.Doc})
	}
	for _, one := range fields {
		if err := form.WriteField(one[0], one[1]); err != nil {
			return File{}, err
		}
	}
	part, err := form.CreateFormFile("file", f.Name)
	if err != nil {
		return File{}, err
	}
	n, err := io.Copy(part, io.LimitReader(content, MaxFile+1))
	switch {
	case err != nil:
		return File{}, err
	case n > MaxFile:
		return File{}, fault.New(fault.Limited, "The file is larger than 25 MB. Take a smaller one, or upload it in ERPNext.")
	}
	if err := form.Close(); err != nil {
		return File{}, err
	}
	var out envelope[File]
	err = s.change(ctx, kit.Request{Method: http.MethodPost, Path: flavour.method("upload_file"), Body: &body, Type: form.FormDataContentType(), Into: &out, What: "the place of the file"},
		"list_files, or get_document with include attachments, shows whether it is there.")
	return out.value(), err
}

// Download reads the bytes of a file. Files that are only links elsewhere are refused.
func (s Session) Download(ctx context.Context, f File) ([]byte, error) {
	elements := strings.Split(strings.TrimPrefix(f.URL, "/"), "/")
	inside := strings.HasPrefix(f.URL, "/files/") || strings.HasPrefix(f.URL, "/private/files/")
	if !inside || slices.ContainsFunc(elements, func(e string) bool { return e == "" || e == "." || e == ".." }) {
		return nil, fault.New(fault.Invalid, "This file is a link to another place, and no file of ERPNext. Open its address yourself.")
	}
	return s.bytes(ctx, kit.Path(elements...), nil, "the file "+f.ID)
}

// PDF prints a document.
func (s Session) PDF(ctx context.Context, q url.Values, what string) ([]byte, error) {
	content, err := s.bytes(ctx, V1.method("frappe.utils.print_format.download_pdf"), q, what)
	if err == nil && !bytes.HasPrefix(content, []byte("%PDF-")) {
		return nil, garbage()
	}
	return content, err
}

func (s Session) bytes(ctx context.Context, path string, q url.Values, what string) ([]byte, error) {
	header := s.headers()
	header.Set("Accept", "*/*")
	a, err := s.client.files.Call(ctx, kit.Request{Path: path, Query: q, Header: header, What: what})
	if err != nil {
		return nil, refine(err)
	}
	if strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") && !strings.Contains(strings.ToLower(path), ".htm") { // a login page, or a proxy's
		return nil, garbage()
	}
	return a.Body, nil
}
