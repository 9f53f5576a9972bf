package erpnext

import (
	"context"
	"slices"

	"drawbridge/internal/servers/erpnext/access"
	"drawbridge/internal/servers/erpnext/documents"
	"drawbridge/internal/servers/erpnext/find"
	"drawbridge/internal/servers/kit"
)

// Resources. A name is one element, percent-encoded. What a DocType is made of stands
// before the documents, whose template would match it, too.
const (
	doctypeTemplate  = "erpnext://doctype/{doctype}"
	documentTemplate = "erpnext://{doctype}/{name}"
)

func (s *server) templates() []kit.Template {
	return []kit.Template{
		{URITemplate: doctypeTemplate, Name: "doctype", Title: "DocType", Description: "Fields, permissions and workflow of a DocType.", MIMEType: "application/json", Read: s.doctypeResource, Complete: s.complete},
		{URITemplate: documentTemplate, Name: "document", Title: "Document", Description: "A document with its tables.", MIMEType: "application/json", Read: s.documentResource, Complete: s.complete},
	}
}

func (s *server) doctypeResource(ctx context.Context, c *kit.Call, vars map[string]string) (kit.Content, error) {
	out, err := s.find.GetDoctype(ctx, c, find.GetDoctypeIn{DoctypeIn: access.DoctypeIn{Doctype: vars["doctype"]}, Include: []string{"permissions", "workflow", "links"}})
	return kit.Content{Text: kit.Compact(out), Untrusted: true}, access.Explain(c, err)
}

func (s *server) documentResource(ctx context.Context, c *kit.Call, vars map[string]string) (kit.Content, error) {
	out, err := s.documents.GetDocument(ctx, c, documents.GetIn{DocIn: access.DocIn{DoctypeIn: access.DoctypeIn{Doctype: vars["doctype"]}, Name: vars["name"]}})
	return kit.Content{Text: kit.Compact(out), Untrusted: true}, access.Explain(c, err)
}

// complete suggests DocTypes, and names of documents where it is clear of which
// DocType: a completion does not say what was chosen before.
func (s *server) complete(ctx context.Context, c *kit.Call, variable, typed string) ([]string, error) {
	if variable != "doctype" {
		return nil, nil
	}
	return s.names(ctx, c, "DocType", typed)
}

// mostNames bounds a completion.
const mostNames = 50

// names are those of documents that begin with, or hold, what is typed.
func (s *server) names(ctx context.Context, c *kit.Call, doctype, typed string) ([]string, error) {
	session, err := s.Session(ctx, c)
	if err != nil {
		return nil, err
	}
	if doctype != "DocType" {
		if err := s.Check(doctype); err != nil {
			return nil, err
		}
	}
	found, err := session.Search(ctx, doctype, typed, nil, mostNames)
	if err != nil {
		return nil, access.Explain(c, err)
	}
	var all []string
	for _, f := range found {
		if doctype != "DocType" || s.Allows(f.Value) {
			all = append(all, f.Value)
		}
	}
	return slices.Clip(all), nil
}
