package api

import (
	"fmt"
	"slices"
	"strings"

	"drawbridge/internal/servers/erpnext/fake/exc"
	"drawbridge/internal/servers/erpnext/fake/meta"
	"drawbridge/internal/servers/erpnext/fake/query"
	"drawbridge/internal/servers/erpnext/fake/site"
	"drawbridge/internal/servers/erpnext/fake/wire"
)

// desk are the methods that the desk lives on: search, forms, timelines, workflows.
func desk() map[string]method {
	return map[string]method{
		"frappe.desk.search.search_link":        {need: "doctype txt", run: (*API).searchLink},
		"frappe.desk.form.load.getdoctype":      {need: "doctype", run: (*API).getDoctype},
		"frappe.desk.form.load.getdoc":          {need: "doctype name", run: (*API).getDoc},
		"frappe.desk.form.load.get_docinfo":     {run: (*API).getDocinfo},
		"frappe.desk.form.utils.add_comment":    {http: "POST PUT", need: "reference_doctype reference_name content comment_email comment_by", run: (*API).addComment},
		"frappe.desk.form.assign_to.add":        {run: (*API).assign},
		"frappe.desk.form.assign_to.remove":     {need: "doctype name assign_to", run: (*API).unassign},
		"frappe.desk.doctype.tag.tag.add_tag":   {need: "tag dt dn", run: (*API).addTag},
		"frappe.model.workflow.get_transitions": {need: "doc", run: (*API).transitions},
		"frappe.model.workflow.apply_workflow":  {need: "doc action", run: (*API).applyWorkflow},
	}
}

// searchLink is search_link: the name, the title and the search fields are looked
// through, what is disabled is left out. Version 14 answers in "results".
func (a *API) searchLink(c *wire.Call) (any, error) {
	d, err := c.Site.Meta(c.Text("doctype"))
	if err != nil {
		return nil, err
	}
	filters, err := c.JSON("filters")
	if err != nil {
		return nil, err
	}
	size := c.Int("page_length")
	if size == 0 {
		size = 10
	}
	args := query.Args{Doctype: d.Name, Filters: alive(d, filters), OrderBy: "name asc", Limit: size, Start: c.Int("start"),
		Free: d.Name == "DocType"} // search_widget: for dynamic links everybody may look for one
	fields := []string{"name"}
	for f := range strings.SplitSeq(d.Title+","+d.Search, ",") {
		if f = strings.TrimSpace(f); f != "" && d.Field(f) != nil && !slices.Contains(fields, f) {
			fields = append(fields, f)
		}
	}
	list, or := []any{}, []any{}
	for _, f := range fields {
		list = append(list, f)
		or = append(or, []any{d.Name, f, "like", "%" + strings.TrimSpace(c.Text("txt")) + "%"})
	}
	args.Fields = list
	if strings.TrimSpace(c.Text("txt")) != "" {
		args.OrFilters = or
	}
	rows, err := query.List(c.Site, c.SS, args)
	if err != nil {
		return nil, err
	}
	found := []any{}
	for _, row := range rows {
		found = append(found, suggestion(c, d, fields, row.(obj)))
	}
	if c.Site.Version < 15 {
		c.Response["results"] = found
		return nil, nil
	}
	return found, nil
}

// alive adds what search_widget adds to filters.
func alive(d *meta.DocType, filters any) any {
	list := []any{}
	switch f := filters.(type) {
	case obj:
		for k, v := range f {
			if pair, is := v.([]any); is && len(pair) == 2 {
				list = append(list, []any{k, pair[0], pair[1]})
				continue
			}
			list = append(list, []any{k, "=", v})
		}
	case []any:
		list = append(list, f...)
	}
	if d.Field("disabled") != nil {
		list = append(list, []any{"disabled", "!=", 1})
	}
	if f := d.Field("enabled"); f != nil && f.Type == "Check" {
		list = append(list, []any{"enabled", "=", 1})
	}
	return list
}

// suggestion is build_for_autosuggest.
func suggestion(c *wire.Call, d *meta.DocType, fields []string, row obj) obj {
	name := site.Text(row, "name")
	label, rest := name, fields[1:]
	var parts []string
	if d.ShowTitle && d.Title != "" {
		label, rest, parts = site.Text(row, d.Title), fields[2:], []string{name}
	}
	for _, f := range rest {
		if v := site.Text(row, f); v != "" && !slices.Contains(parts, v) && (len(parts) == 0 || v != label || !d.ShowTitle) {
			parts = append(parts, v)
		}
	}
	o := obj{"value": name, "description": strings.Join(parts, ", ")}
	if d.ShowTitle || c.Site.Version >= 16 {
		o["label"] = label
	}
	return o
}

// getDoctype answers in "docs", the children's doctypes beside, and has no message.
func (a *API) getDoctype(c *wire.Call) (any, error) {
	d, err := c.Site.Meta(c.Text("doctype"))
	if err != nil {
		return nil, err
	}
	main := d.Show(true)
	main["__workflow_docs"] = workflowDocs(c, d.Name)
	c.Docs(main)
	for _, f := range d.Tables() {
		c.Docs(c.Site.Reg.Get(f.Options).Show(true))
	}
	c.Response["user_settings"] = "{}"
	return nil, nil
}

func workflowDocs(c *wire.Call, doctype string) []any {
	docs := []any{}
	w := c.Site.Workflow(doctype)
	if w == nil {
		return docs
	}
	docs = append(docs, wire.Dict(w, true))
	for _, row := range site.Rows(w, "states") {
		docs = append(docs, wire.Dict(c.Site.Get("Workflow State", site.Text(row, "state")), true))
	}
	return docs
}

// getDoc is the desk's read: a document that is not there is an empty answer.
func (a *API) getDoc(c *wire.Call) (any, error) {
	doctype, name := c.Text("doctype"), c.Text("name")
	if _, err := c.Site.Meta(doctype); err != nil {
		return nil, err
	}
	if c.Site.Get(doctype, name) == nil {
		return []any{}, nil
	}
	doc, _, err := c.Load(doctype, name, "")
	if err != nil {
		return nil, err
	}
	if ok, why := c.Site.May(c.SS.User, c.Site.Reg.Get(doctype), "read", doc); !ok {
		e := exc.Raise(exc.Permission, "('read', '%s', '%s')", doctype, name)
		e.Flag = "Insufficient Permission for " + exc.Bold(doctype+" "+name)
		e.Messages = []exc.Message{exc.Said("%s", strings.Join(why, "<br>"))}
		return nil, e
	}
	c.Docs(wire.Dict(c.Site.Hide(c.SS.User, doc), true))
	c.Response["docinfo"] = a.docinfo(c, doctype, name)
	return nil, nil
}

func (a *API) getDocinfo(c *wire.Call) (any, error) {
	doctype, name := c.Text("doctype"), c.Text("name")
	if _, _, err := c.Load(doctype, name, "read"); err != nil {
		return nil, err
	}
	c.Response["docinfo"] = a.docinfo(c, doctype, name)
	return nil, nil
}

// docinfo is the timeline and what else stands around a form (get_docinfo).
func (a *API) docinfo(c *wire.Call, doctype, name string) obj {
	pick := func(table, of, at string, match obj, fields ...string) []any {
		found := []any{}
		c.Site.Each(table, func(doc obj) bool {
			if doc[of] != doctype || doc[at] != name {
				return true
			}
			for k, v := range match {
				if doc[k] != v {
					return true
				}
			}
			o := obj{}
			for _, f := range fields {
				o[f] = doc[f]
			}
			found = append(found, o)
			return true
		})
		return found
	}
	comments := func(kind string) []any {
		return pick("Comment", "reference_doctype", "reference_name", obj{"comment_type": kind}, "name", "creation", "content", "owner", "comment_type", "comment_by")
	}
	rights := obj{}
	doc := c.Site.Get(doctype, name)
	for _, right := range meta.Rights() {
		ok, _ := c.Site.May(c.SS.User, c.Site.Reg.Get(doctype), right, doc)
		rights[right] = meta.Bit(ok)
	}
	return obj{"doctype": doctype, "name": name, "user_info": obj{}, "communications": []any{}, "automated_messages": []any{}, "total_comments": len(comments("Comment")), "comments": comments("Comment"), "workflow_logs": comments("Workflow"),
		"assignment_logs": comments("Assigned"), "attachment_logs": comments("Attachment"), "info_logs": comments("Info"), "like_logs": comments("Like"),
		"attachments": pick("File", "attached_to_doctype", "attached_to_name", nil, "name", "file_name", "file_url", "is_private"),
		"versions":    pick("Version", "ref_doctype", "docname", nil, "name", "owner", "creation", "data"),
		"assignments": pick("ToDo", "reference_type", "reference_name", obj{"status": "Open"}, "name", "allocated_to", "description", "status"),
		"permissions": rights, "shared": []any{}, "views": []any{}, "tags": strings.Trim(site.Text(doc, "_user_tags"), ","), "is_document_followed": nil}
}

func (a *API) addComment(c *wire.Call) (any, error) {
	doctype, name := c.Text("reference_doctype"), c.Text("reference_name")
	if _, _, err := c.Load(doctype, name, "read"); err != nil {
		return nil, err
	}
	doc := c.Site.Comment(c.SS, "Comment", doctype, name, c.Text("content"))
	doc["comment_email"], doc["comment_by"] = c.Text("comment_email"), c.Text("comment_by")
	c.Site.Put(doc)
	return wire.Dict(doc, true), nil
}

// assign is assign_to.add: a ToDo for each, and who has it on the document.
func (a *API) assign(c *wire.Call) (any, error) {
	doctype, name := c.Text("doctype"), c.Text("name")
	who, err := c.JSON("assign_to")
	if err != nil {
		return nil, err
	}
	list, _ := who.([]any)
	if _, _, err := c.Load(doctype, name, "read"); err != nil {
		return nil, err
	}
	for _, u := range list {
		user := fmt.Sprint(u)
		if open := a.assigned(c, doctype, name); slices.ContainsFunc(open, func(t any) bool { return t.(obj)["owner"] == user }) {
			c.SS.Say(exc.Said("Already in the following Users ToDo list:%s", exc.Bold(user)))
			continue
		}
		text := c.Text("description")
		if text == "" {
			text = fmt.Sprintf("Assignment for %s %s", doctype, name)
		}
		if _, err := c.Site.Insert(c.SS, "ToDo", obj{"allocated_to": user, "reference_type": doctype, "reference_name": name, "description": text,
			"priority": wire.Or(c.Form["priority"], "Medium"), "date": c.Form["date"], "assigned_by": c.SS.User.Name}); err != nil {
			return nil, err
		}
		c.Site.Comment(c.SS, "Assigned", doctype, name, fmt.Sprintf("%s assigned %s: %s", c.SS.User.FullName, user, text))
	}
	open := a.assigned(c, doctype, name)
	a.noteAssigned(c, doctype, name, open)
	return open, nil
}

func (a *API) noteAssigned(c *wire.Call, doctype, name string, open []any) {
	names := []string{}
	for _, t := range open {
		names = append(names, site.Text(t.(obj), "owner"))
	}
	c.Site.Set(doctype, name, obj{"_assign": string(wire.Encode(names))})
}

// assigned is assign_to.get: who has it is called "owner" there.
func (a *API) assigned(c *wire.Call, doctype, name string) []any {
	open := []any{}
	c.Site.Each("ToDo", func(t obj) bool {
		if t["reference_type"] == doctype && t["reference_name"] == name && t["status"] == "Open" {
			open = append(open, obj{"owner": t["allocated_to"], "name": t["name"]})
		}
		return true
	})
	return open
}

func (a *API) unassign(c *wire.Call) (any, error) {
	doctype, name := c.Text("doctype"), c.Text("name")
	if _, _, err := c.Load(doctype, name, "read"); err != nil {
		return nil, err
	}
	for _, t := range a.assigned(c, doctype, name) {
		if t.(obj)["owner"] == c.Text("assign_to") {
			c.Site.Set("ToDo", site.Text(t.(obj), "name"), obj{"status": "Cancelled"})
		}
	}
	open := a.assigned(c, doctype, name)
	a.noteAssigned(c, doctype, name, open)
	return open, nil
}

func (a *API) addTag(c *wire.Call) (any, error) {
	doc, _, err := c.Load(c.Text("dt"), c.Text("dn"), "write")
	if err != nil {
		return nil, err
	}
	tags := site.Text(doc, "_user_tags")
	if !slices.Contains(strings.Split(tags, ","), c.Text("tag")) {
		c.Site.Set(c.Text("dt"), c.Text("dn"), obj{"_user_tags": tags + "," + c.Text("tag")})
	}
	return c.Text("tag"), nil
}

// held is a document that a workflow method is given: doctype and name are read, and
// what is stored counts from version 15 on, as it loads the document again.
func held(c *wire.Call) (obj, error) {
	sent, err := c.Doc("doc")
	if err != nil {
		return nil, err
	}
	doc, _, err := c.Load(site.Text(sent, "doctype"), site.Text(sent, "name"), "")
	return doc, err
}

func (a *API) transitions(c *wire.Call) (any, error) {
	doc, err := held(c)
	if err != nil {
		return nil, err
	}
	steps, err := c.Site.Transitions(c.SS, doc)
	if err != nil {
		return nil, err
	}
	list := []any{}
	for _, t := range steps {
		list = append(list, wire.Dict(t, false))
	}
	return list, nil
}

func (a *API) applyWorkflow(c *wire.Call) (any, error) {
	doc, err := held(c)
	if err != nil {
		return nil, err
	}
	doc, err = c.Site.ApplyWorkflow(c.SS, doc, c.Text("action"))
	if err != nil {
		return nil, err
	}
	return wire.Dict(doc, true), nil
}
