// Package admin is the JSON API for whoever runs the installation: users, keys,
// OAuth clients, grants, profiles, credentials and the audit log, described by the OpenAPI
// document that it serves at /openapi.json.
//
// It translates between HTTP and internal/admin/desk, which has the rules. Bodies
// are strict: one JSON object of at most 1 MiB, every member known, none twice.
// Lists are bounded and never have hashes; a secret is in the one answer that made
// it. It refuses to add backends: they come from the configuration.
//
// app mounts its routes, all of which need an admin; httpd has checked that before.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"reflect"
	"slices"

	"drawbridge/internal/account"
	"drawbridge/internal/admin/desk"
	"drawbridge/internal/route"
)

// AuditLog is where the rows of the audit log are read.
type AuditLog interface {
	// AuditRecords gives each the rows that fit, oldest first, until it fails.
	AuditRecords(ctx context.Context, f account.AuditFilter, each func(account.ChainedRecord) error) error
}

// API serves the JSON API.
type API struct {
	log        *slog.Logger
	desk       *desk.Desk
	audit      AuditLog
	operations []operation
	document   []byte
}

// New makes the API. version is the program's, for the document.
func New(log *slog.Logger, d *desk.Desk, audit AuditLog, version string) (*API, error) {
	if log == nil || d == nil || audit == nil {
		return nil, errors.New("the admin API lacks a dependency")
	}
	a := &API{log: log, desk: d, audit: audit}
	a.operations = slices.Concat(a.userOperations(), a.keyOperations(), a.clientOperations(),
		a.grantOperations(), a.profileOperations(), a.credentialOperations(), []operation{a.auditOperation(), a.documentOperation()})
	var err error
	a.document, err = document(version, a.operations)
	return a, err
}

// Routes are the API's routes: one for each path, whatever its methods.
func (a *API) Routes() []route.Route {
	var routes []route.Route
	at := map[string]int{} // path -> index in routes
	for _, o := range a.operations {
		i, there := at[o.path]
		if !there {
			i = len(routes)
			at[o.path] = i
			routes = append(routes, route.Route{Pattern: o.path, Policy: route.Admin, Handler: methods{}})
		}
		r := &routes[i]
		r.Methods = append(r.Methods, o.method)
		r.Handler.(methods)[o.method] = a.handler(o)
		if o.method == http.MethodGet {
			r.Methods = append(r.Methods, http.MethodHead)
			r.Handler.(methods)[http.MethodHead] = a.handler(o)
		}
	}
	return routes
}

// methods is the handlers of one path. httpd lets no other methods through.
type methods map[string]http.Handler

func (m methods) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := m[r.Method]
	if h == nil {
		http.Error(w, "This address does not take that method.", http.StatusMethodNotAllowed)
		return
	}
	h.ServeHTTP(w, r)
}

// documentOperation serves the document.
func (a *API) documentOperation() operation {
	return operation{method: http.MethodGet, path: "/openapi.json", name: "getDocument", status: http.StatusOK,
		summary: "This document.", in: reflect.TypeFor[nothing](), out: reflect.TypeFor[json.RawMessage](),
		call: func(*http.Request, []byte) (any, error) { return json.RawMessage(a.document), nil }}
}
