package api

import (
	"fmt"
	"net/http"
	"slices"

	"drawbridge/internal/servers/erpnext/fake/exc"
	"drawbridge/internal/servers/erpnext/fake/meta"
	"drawbridge/internal/servers/erpnext/fake/query"
	"drawbridge/internal/servers/erpnext/fake/site"
	"drawbridge/internal/servers/erpnext/fake/wire"
)

// clients are the methods of frappe/client.py.
func clients() map[string]method {
	const p = "frappe.client."
	return map[string]method{
		p + "get_list":         {need: "doctype", run: func(a *API, c *wire.Call) (any, error) { rows, err := a.list(c, c.Text("doctype")); return rows, err }},
		p + "get_count":        {need: "doctype", run: func(a *API, c *wire.Call) (any, error) { return a.count(c, c.Text("doctype")) }},
		p + "get":              {need: "doctype", run: (*API).clientGet},
		p + "get_value":        {need: "doctype fieldname", run: (*API).getValue},
		p + "get_single_value": {need: "doctype field", run: (*API).getSingle},
		p + "set_value":        {http: "POST PUT", need: "doctype name fieldname", run: (*API).setValue},
		p + "insert":           {http: "POST PUT", run: (*API).clientInsert},
		p + "insert_many":      {http: "POST PUT", run: (*API).insertMany},
		p + "save":             {http: "POST PUT", need: "doc", run: func(a *API, c *wire.Call) (any, error) { return a.clientSave(c, -1) }},
		p + "submit":           {http: "POST PUT", need: "doc", run: func(a *API, c *wire.Call) (any, error) { return a.clientSave(c, 1) }},
		p + "cancel":           {http: "POST PUT", need: "doctype name", run: (*API).clientCancel},
		p + "delete": {http: "POST DELETE", need: "doctype name", run: func(_ *API, c *wire.Call) (any, error) {
			return nil, c.Site.Delete(c.SS, c.Text("doctype"), c.Text("name"))
		}},
		p + "rename_doc": {http: "POST PUT", need: "doctype old_name new_name", run: func(_ *API, c *wire.Call) (any, error) {
			return c.Site.Rename(c.SS, c.Text("doctype"), c.Text("old_name"), c.Text("new_name"))
		}},
		p + "has_permission": {need: "doctype docname", run: (*API).hasPermission},
		p + "validate_link":  {need: "doctype docname", run: (*API).validateLink},
		"frappe.desk.reportview.get_count": {need: "doctype", run: func(a *API, c *wire.Call) (any, error) {
			return a.count(c, c.Text("doctype"))
		}},
	}
}

// child answers for a child doctype, which wants a parent (check_parent_permission).
func child(c *wire.Call) error {
	d := c.Site.Reg.Get(c.Text("doctype"))
	if d == nil || !d.Table {
		return nil
	}
	_, err := query.Count(c.Site, c.SS, query.Args{Doctype: d.Name, Parent: c.Text("parent")})
	return err
}

func (a *API) clientGet(c *wire.Call) (any, error) {
	if err := child(c); err != nil {
		return nil, err
	}
	name := c.Text("name")
	if filters, err := c.JSON("filters"); err == nil && filters != nil && name == "" {
		rows, err := query.List(c.Site, c.SS, query.Args{Doctype: c.Text("doctype"), Filters: filters, Limit: 1, Free: true})
		if err != nil {
			return nil, err
		}
		if len(rows) == 0 {
			return nil, exc.Throw(exc.Validation, "", "No document found for given filters")
		}
		name = site.Text(rows[0].(obj), "name")
	}
	doc, _, err := c.Load(c.Text("doctype"), name, "read")
	if err != nil {
		return nil, err
	}
	return wire.Dict(c.Site.Hide(c.SS.User, doc), false), nil
}

func (a *API) getValue(c *wire.Call) (any, error) {
	if err := child(c); err != nil {
		return nil, err
	}
	d, err := c.Site.Meta(c.Text("doctype"))
	if err != nil {
		return nil, err
	}
	if ok, _ := c.Site.May(c.SS.User, d, "read", nil); !ok && !d.Table {
		return nil, exc.Throw(exc.Permission, "", "No permission for %s", d.Name)
	}
	fields, filters := loose(c.Form["fieldname"]), loose(c.Form["filters"])
	if name, is := filters.(string); is && name != "" {
		filters = obj{"name": name}
	}
	if one, is := fields.(string); is {
		fields = []any{one}
	}
	if d.Single {
		doc, err := c.Site.Load(d.Name, d.Name)
		o := obj{}
		for _, f := range fields.([]any) {
			o[fmt.Sprint(f)] = doc[fmt.Sprint(f)]
		}
		return o, err
	}
	rows, err := query.List(c.Site, c.SS, query.Args{Doctype: d.Name, Fields: fields, Filters: filters, Limit: 1, Parent: c.Text("parent")})
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return obj{}, nil
	}
	return rows[0], nil
}

// loose is JSON where it is some, and the text itself where it is not.
func loose(v any) any {
	text, is := v.(string)
	if !is {
		return v
	}
	if parsed, err := wire.Parse(text); err == nil {
		return parsed
	}
	return text
}

func (a *API) getSingle(c *wire.Call) (any, error) {
	d, err := c.Site.Meta(c.Text("doctype"))
	if err != nil {
		return nil, err
	}
	if ok, _ := c.Site.May(c.SS.User, d, "read", nil); !ok {
		return nil, exc.Throw(exc.Permission, "", "No permission for %s", d.Name)
	}
	doc, err := c.Site.Load(d.Name, d.Name)
	return doc[c.Text("field")], err
}

func (a *API) setValue(c *wire.Call) (any, error) {
	values, is := loose(c.Form["fieldname"]).(obj)
	if !is {
		field := c.Text("fieldname")
		if field != "idx" && slices.Contains(append(meta.Standard()[:7:7], append(meta.Child(), "doctype")...), field) {
			return nil, exc.Throw(exc.Validation, "", "Cannot edit standard fields")
		}
		values = obj{field: c.Form["value"]}
	}
	doctype, name := c.Text("doctype"), c.Text("name")
	if d := c.Site.Reg.Get(doctype); d != nil && d.Table {
		return a.setRow(c, d, name, values)
	}
	doc, d, err := c.Load(doctype, name, "")
	if err != nil {
		return nil, err
	}
	if err := c.Site.Update(d, doc, values); err != nil {
		return nil, err
	}
	return saved(c, doc)
}

// setRow changes a row through its document, which is what is saved.
func (a *API) setRow(c *wire.Call, d *meta.DocType, name string, values obj) (any, error) {
	var found obj
	c.Site.EachRow(d.Name, func(row obj) bool {
		if site.Text(row, "name") == name {
			found = row
		}
		return found == nil
	})
	if found == nil {
		return nil, exc.Missing(d.Name, name)
	}
	doc, _, err := c.Load(site.Text(found, "parenttype"), site.Text(found, "parent"), "")
	if err != nil {
		return nil, err
	}
	for _, row := range site.Rows(doc, site.Text(found, "parentfield")) {
		if row["name"] == found["name"] {
			if err := c.Site.Update(d, row, values); err != nil {
				return nil, err
			}
		}
	}
	return saved(c, doc)
}

func saved(c *wire.Call, doc obj) (any, error) {
	doc, err := c.Site.Save(c.SS, doc)
	if err != nil {
		return nil, err
	}
	return wire.Dict(doc, false), nil
}

func (a *API) clientInsert(c *wire.Call) (any, error) {
	sent, err := c.Doc("doc")
	if err != nil {
		return nil, err
	}
	doc, err := a.insert(c, sent)
	if err != nil {
		return nil, err
	}
	return wire.Dict(doc, false), nil
}

// insert makes a document, or a row where a parent is named.
func (a *API) insert(c *wire.Call, sent obj) (obj, error) {
	doctype, is := sent["doctype"].(string)
	if !is {
		return nil, exc.Raise(exc.Key, "'doctype'")
	}
	if site.Text(sent, "parent") == "" || site.Text(sent, "parenttype") == "" {
		return c.Site.Insert(c.SS, doctype, sent)
	}
	doc, d, err := c.Load(site.Text(sent, "parenttype"), site.Text(sent, "parent"), "")
	if err != nil {
		return nil, err
	}
	field := site.Text(sent, "parentfield")
	rows := []any{}
	for _, row := range site.Rows(doc, field) {
		rows = append(rows, row)
	}
	if err := c.Site.Update(d, doc, obj{field: append(rows, sent)}); err != nil {
		return nil, err
	}
	return c.Site.Save(c.SS, doc)
}

func (a *API) insertMany(c *wire.Call) (any, error) {
	v, err := c.JSON("docs")
	if err != nil {
		return nil, err
	}
	list, _ := v.([]any)
	if len(list) > 200 {
		return nil, exc.Throw(exc.Validation, "", "Only 200 inserts allowed in one request")
	}
	names := []any{}
	for _, item := range list {
		sent, _ := item.(obj)
		doc, err := a.insert(c, sent)
		if err != nil {
			return nil, err
		}
		names = append(names, doc["name"])
	}
	return names, nil
}

// clientSave saves what the client holds: its `modified` counts, and rows that it does
// not send are gone.
func (a *API) clientSave(c *wire.Call, status int) (any, error) {
	sent, err := c.Doc("doc")
	if err != nil {
		return nil, err
	}
	doc, _, err := c.Site.Make(sent)
	if err != nil {
		return nil, err
	}
	if status >= 0 {
		doc["docstatus"] = status
	}
	return saved(c, doc)
}

func (a *API) clientCancel(c *wire.Call) (any, error) {
	doc, _, err := c.Load(c.Text("doctype"), c.Text("name"), "")
	if err != nil {
		return nil, err
	}
	doc["docstatus"] = 2
	return saved(c, doc)
}

func (a *API) hasPermission(c *wire.Call) (any, error) {
	doc, d, err := c.Load(c.Text("doctype"), c.Text("docname"), "")
	if err != nil {
		return nil, err
	}
	right := c.Text("perm_type")
	if right == "" {
		right = "read"
	}
	ok, _ := c.Site.May(c.SS.User, d, right, doc)
	return obj{"has_permission": ok}, nil
}

func (a *API) validateLink(c *wire.Call) (any, error) {
	d, err := c.Site.Meta(c.Text("doctype"))
	if err != nil {
		return nil, err
	}
	if ok, _ := c.Site.May(c.SS.User, d, "select", nil); !ok {
		return nil, exc.Throw(exc.Permission, "Not Permitted", "You do not have Read or Select Permissions for %s", exc.Bold(d.Name))
	}
	if c.R.Method == http.MethodGet {
		c.Header.Set("Cache-Control", "private,max-age=60")
	}
	doc := c.Site.Get(d.Name, c.Text("docname"))
	if doc == nil {
		return obj{"name": nil}, nil
	}
	return obj{"name": doc["name"]}, nil
}
