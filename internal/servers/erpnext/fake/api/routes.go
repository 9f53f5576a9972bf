package api

import (
	"fmt"
	"net/http"
	"strings"

	"drawbridge/internal/servers/erpnext/fake/exc"
	"drawbridge/internal/servers/erpnext/fake/query"
	"drawbridge/internal/servers/erpnext/fake/site"
	"drawbridge/internal/servers/erpnext/fake/wire"
)

func (a *API) v1(c *wire.Call, parts []string) error {
	switch {
	case len(parts) < 2:
	case parts[0] == "method":
		v, err := a.call(c, parts[1])
		return give(c, "message", v, err)
	case parts[0] == "resource" && len(parts) == 2:
		switch c.R.Method {
		case http.MethodGet:
			return a.listV1(c, parts[1])
		case http.MethodPost:
			doc, err := c.Site.Insert(c.SS, parts[1], a.data(c))
			return give(c, "data", shown(c, doc), err)
		}
		return exc.NoMethod()
	case parts[0] == "resource" && len(parts) > 2:
		return a.one(c, parts[1], strings.Join(parts[2:], "/"))
	}
	return noRoute()
}

// data is get_request_form_data.
func (a *API) data(c *wire.Call) obj {
	if text, is := c.Form["data"].(string); is {
		if v, err := wire.Parse(text); err == nil {
			if o, is := v.(obj); is {
				return o
			}
		}
	}
	if o, is := c.Form["data"].(obj); is {
		return o
	}
	return c.Form
}

// one is a resource: read, changed, removed, or asked to do something.
func (a *API) one(c *wire.Call, doctype, name string) error {
	switch c.R.Method {
	case http.MethodGet:
		if _, asked := c.Form["run_method"]; asked {
			v, err := a.docMethod(c, doctype, name, c.Text("run_method"))
			return give(c, "data", v, err)
		}
		doc, err := a.read(c, doctype, name)
		return give(c, "data", doc, err)
	case http.MethodPut:
		doc, err := a.update(c, doctype, name, a.data(c))
		return give(c, "data", doc, err)
	case http.MethodDelete:
		c.Status = http.StatusAccepted
		err := c.Site.Delete(c.SS, doctype, name)
		if c.Site.Version < 16 { // ref 2.1: "message" in 14 and 15
			return give(c, "message", "ok", err)
		}
		return give(c, "data", "ok", err)
	case http.MethodPost:
		if _, asked := c.Form["run_method"]; !asked {
			return exc.Raise(exc.Key, "'run_method'")
		}
		v, err := a.docMethod(c, doctype, name, c.Text("run_method"))
		return give(c, "data", v, err)
	}
	return exc.NoMethod()
}

func give(c *wire.Call, key string, v any, err error) error {
	if err == nil && v != nil {
		c.Response[key] = v
	}
	return err
}

func (a *API) read(c *wire.Call, doctype, name string) (any, error) {
	doc, _, err := c.Load(doctype, name, "read")
	if err != nil {
		return nil, err
	}
	return shown(c, c.Site.Hide(c.SS.User, doc)), nil
}

func (a *API) update(c *wire.Call, doctype, name string, values obj) (any, error) {
	doc, d, err := c.Load(doctype, name, "")
	if err != nil {
		return nil, err
	}
	delete(values, "flags")
	if err := c.Site.Update(d, doc, values); err != nil {
		return nil, err
	}
	saved, err := c.Site.Save(c.SS, doc)
	if err != nil {
		return nil, err
	}
	if c.V2 && c.Site.Version >= 16 { // elsewhere a save answers with all of it
		saved = c.Site.Hide(c.SS.User, saved)
	}
	return shown(c, saved), nil
}

// docMethod runs a whitelisted method of a document: reading is enough for a GET.
func (a *API) docMethod(c *wire.Call, doctype, name, method string) (any, error) {
	doc, d, err := c.Load(doctype, name, "")
	if err != nil {
		return nil, err
	}
	switch method {
	case "submit", "cancel", "add_comment":
	case "save", "insert", "delete", "reload", "validate", "update", "as_dict":
		return nil, exc.Throw(exc.Permission, "Method Not Allowed", "<details><summary>You are not permitted to access this resource.</summary>Function %s is not whitelisted.</details>",
			exc.Bold("frappe.model.document."+method))
	default:
		return nil, exc.NoRoute("Method " + method + " not found")
	}
	right := map[string]string{http.MethodGet: "read", http.MethodPost: "write"}[c.R.Method]
	if err := c.Site.Check(c.SS, d, right, doc); err != nil {
		return nil, err
	}
	if method == "add_comment" {
		made := c.Site.Comment(c.SS, fmt.Sprint(wire.Or(c.Form["comment_type"], "Comment")), doctype, site.Text(doc, "name"), c.Text("text"))
		if c.V2 {
			c.Docs(wire.Dict(doc, false))
		}
		return wire.Dict(made, true), nil
	}
	doc["docstatus"] = map[string]int{"submit": 1, "cancel": 2}[method]
	saved, err := c.Site.Save(c.SS, doc)
	if err != nil {
		return nil, err
	}
	if c.V2 {
		c.Docs(wire.Dict(saved, false))
	}
	return wire.Dict(saved, true), nil
}

func (a *API) listV1(c *wire.Call, doctype string) error {
	if text, is := c.Form["fields"].(string); is && text != "" {
		v, err := wire.Parse(text)
		if err != nil {
			return err
		}
		c.Form["fields"] = v
	}
	if _, given := c.Form["limit_page_length"]; !given {
		c.Form["limit_page_length"] = wire.Or(c.Form["limit"], 20)
	}
	rows, err := a.list(c, doctype)
	return give(c, "data", rows, err)
}

// list is frappe.client.get_list.
func (a *API) list(c *wire.Call, doctype string) ([]any, error) {
	args, err := a.args(c, doctype)
	if err != nil {
		return nil, err
	}
	args.Start = c.Int("limit_start")
	args.Limit = int(site.ToFloat(wire.Or(c.Form["limit_page_length"], 20)))
	return query.List(c.Site, c.SS, args)
}

// args reads what all lists have; texts that should be JSON and are not are an error.
func (a *API) args(c *wire.Call, doctype string) (query.Args, error) {
	args := query.Args{Doctype: doctype, OrderBy: c.Text("order_by"), GroupBy: c.Text("group_by"), Parent: c.Text("parent")}
	if _, given := c.Form["as_dict"]; given {
		args.AsList = !c.Bool("as_dict")
	}
	if text, is := c.Form["fields"].(string); is && !strings.HasPrefix(strings.TrimSpace(text), "[") {
		list := []any{}
		for f := range strings.SplitSeq(text, ",") {
			if f = strings.TrimSpace(f); f != "" {
				list = append(list, f)
			}
		}
		c.Form["fields"] = list
	}
	var err error
	for name, into := range map[string]*any{"fields": &args.Fields, "filters": &args.Filters, "or_filters": &args.OrFilters} {
		if *into, err = c.JSON(name); err != nil {
			return args, err
		}
	}
	return args, nil
}

func (a *API) v2(c *wire.Call, parts []string) error {
	switch {
	case len(parts) > 1 && parts[0] == "method":
		return a.methodV2(c, parts[1:])
	case len(parts) == 2 && parts[0] == "document":
		switch c.R.Method {
		case http.MethodGet:
			return a.listV2(c, parts[1])
		case http.MethodPost:
			delete(c.Form, "doctype")
			doc, err := c.Site.Insert(c.SS, parts[1], c.Form)
			return give(c, "data", shown(c, doc), err)
		}
		return exc.NoMethod()
	case len(parts) > 2 && parts[0] == "document":
		return a.oneV2(c, parts[1], parts[2:])
	case len(parts) == 3 && parts[0] == "doctype" && c.R.Method == http.MethodGet:
		return a.doctypeV2(c, parts[1], parts[2])
	}
	return noRoute()
}

func (a *API) methodV2(c *wire.Call, parts []string) error {
	path := parts[0]
	if len(parts) == 2 { // a function of the doctype's module
		suffix := "." + wire.Scrub(parts[0]) + "." + wire.Scrub(parts[0]) + "." + parts[1]
		path = parts[1]
		for known := range a.methods {
			if strings.HasSuffix(known, suffix) {
				path = known
			}
		}
	}
	if len(parts) > 2 {
		return noRoute()
	}
	v, err := a.call(c, path)
	return give(c, "data", v, err)
}

// oneV2 is a document; its name may have slashes.
func (a *API) oneV2(c *wire.Call, doctype string, rest []string) error {
	n := len(rest)
	switch {
	case n > 2 && rest[n-2] == "method":
		if c.R.Method != http.MethodGet && c.R.Method != http.MethodPost {
			return exc.NoMethod()
		}
		v, err := a.docMethod(c, doctype, strings.Join(rest[:n-2], "/"), rest[n-1])
		return give(c, "data", v, err)
	case n > 1 && rest[n-1] == "copy" && c.R.Method == http.MethodGet:
		doc, err := a.copied(c, doctype, strings.Join(rest[:n-1], "/"))
		return give(c, "data", doc, err)
	}
	name := strings.Join(rest, "/")
	switch c.R.Method {
	case http.MethodGet:
		doc, err := a.read(c, doctype, name)
		return give(c, "data", doc, err)
	case http.MethodPut, http.MethodPatch:
		doc, err := a.update(c, doctype, name, c.Form)
		return give(c, "data", doc, err)
	case http.MethodDelete:
		c.Status = http.StatusAccepted
		return give(c, "data", "ok", c.Site.Delete(c.SS, doctype, name))
	}
	return exc.NoMethod()
}

// copied is copy_doc: what a new document of the same kind may start from.
func (a *API) copied(c *wire.Call, doctype, name string) (any, error) {
	doc, d, err := c.Load(doctype, name, "read")
	if err != nil {
		return nil, err
	}
	o := obj{"doctype": doctype}
	for i := range d.Fields {
		if f := &d.Fields[i]; !f.Is("nc") && doc[f.Name] != nil {
			o[f.Name] = doc[f.Name]
		}
	}
	o = wire.Dict(c.Site.Hide(c.SS.User, o), true)
	for _, f := range d.Tables() {
		rows, _ := o[f.Name].([]any)
		for _, row := range rows {
			for _, k := range []string{"name", "owner", "creation", "modified", "modified_by", "docstatus", "parent", "parentfield", "parenttype"} {
				delete(row.(obj), k)
			}
		}
	}
	return o, nil
}

// listV2 differs by version: 15 hands over to frappe.client.get_list, which does not know
// "start" and says nothing about a next page.
func (a *API) listV2(c *wire.Call, doctype string) error {
	if c.Site.Version < 16 {
		c.Form["limit_page_length"] = wire.Or(c.Form["limit"], 20)
		rows, err := a.list(c, doctype)
		return give(c, "data", rows, err)
	}
	for name, kinds := range map[string]string{"fields": "a list", "filters": "a list or dictionary", "or_filters": "a list or dictionary"} {
		v, err := c.JSON(name)
		if err != nil {
			return err
		}
		if _, isList := v.([]any); v != nil && !isList {
			if _, isDict := v.(obj); !isDict || name == "fields" {
				return exc.Raise(exc.FrappeValue, "'%s' must be %s", name, kinds)
			}
		}
	}
	args, err := a.args(c, doctype)
	if err != nil {
		return err
	}
	limit := int(site.ToFloat(wire.Or(c.Form["limit"], 20)))
	args.Start, args.Limit, args.AsList = c.Int("start"), limit+1, c.Form["as_dict"] == ""
	rows, err := query.List(c.Site, c.SS, args)
	if err != nil {
		return err
	}
	c.Response["has_next_page"] = len(rows) > limit
	return give(c, "data", rows[:min(limit, len(rows))], nil)
}

func (a *API) doctypeV2(c *wire.Call, doctype, what string) error {
	switch what {
	case "meta":
		if c.SS.User.Name == "Guest" {
			return exc.Throw(exc.Permission, "Not Permitted", "This action is only allowed for %s", exc.Bold("All"))
		}
		d, err := c.Site.Meta(doctype)
		if err != nil {
			return err
		}
		return give(c, "data", d.Show(c.Site.Version < 16), nil)
	case "count":
		n, err := a.count(c, doctype)
		return give(c, "data", n, err)
	}
	return noRoute()
}

func (a *API) count(c *wire.Call, doctype string) (any, error) {
	args, err := a.args(c, doctype)
	if err != nil {
		return nil, err
	}
	args.Fields = nil
	n, err := query.Count(c.Site, c.SS, args)
	return n, err
}
