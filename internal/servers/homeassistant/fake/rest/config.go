package rest

import (
	"drawbridge/internal/servers/homeassistant/fake/house"
	"drawbridge/internal/servers/homeassistant/fake/service"
)

// config is components/config: the editors of automations, scripts and scenes, the check of
// the configuration, config entries.
var config = []route{
	{method: "POST", path: "/api/config/core/check_config", admin: true, do: func(r *Request) Reply {
		if r.H.BadConfig != "" {
			return JSON(200, m{"result": "invalid", "errors": r.H.BadConfig, "warnings": nil})
		}
		return JSON(200, m{"result": "valid", "errors": nil, "warnings": nil})
	}},
	{method: "GET", path: "/api/config/{domain}/config/{id}", admin: true, do: func(r *Request) Reply {
		if x, ok := r.item(); ok && x != nil {
			return JSON(200, x.Body)
		} else if ok {
			return Message(404, "Resource not found")
		}
		return Plain(404)
	}},
	{method: "POST", path: "/api/config/{domain}/config/{id}", admin: true, do: save},
	{method: "DELETE", path: "/api/config/{domain}/config/{id}", admin: true, do: remove},
	{method: "POST", path: "/api/config/config_entries/entry/{id}/reload", admin: true, do: func(r *Request) Reply {
		e := r.H.ConfigEntry(r.Parts["id"])
		switch {
		case e == nil:
			return Message(404, "Invalid entry specified")
		case !e.CanUnload || e.State == "failed_unload":
			return Message(403, "Entry cannot be reloaded")
		}
		return JSON(200, m{"require_restart": false})
	}},
}

// item is the one of the path, if the editor's file has it; false is no such file.
func (r *Request) item() (*house.Config, bool) {
	domain := r.Parts["domain"]
	if domain != "automation" && domain != "script" && domain != "scene" {
		return nil, false
	}
	return house.Find(*r.H.List(domain), func(c *house.Config) bool { return c.ID == r.Parts["id"] && !c.Package }), true
}

// save is BaseEditConfigView.post (components/config/view.py): the body replaces what was
// there, then the domain reloads, after the answer.
func save(r *Request) Reply {
	body, isObject, isJSON := r.object()
	x, ok := r.item()
	domain, id := r.Parts["domain"], r.Parts["id"]
	switch {
	case !ok:
		return Plain(404)
	case !isJSON || len(r.Body) == 0:
		return Message(400, "Invalid JSON specified")
	case domain == "script" && house.Slug(id) != id:
		return Message(400, "Key malformed: invalid slug "+id+" (try "+house.Slug(id)+")")
	case !isObject:
		return Message(400, "Message malformed: expected a dictionary")
	}
	if err := service.CheckItem(r.H, domain, body); err != nil {
		return Message(400, "Message malformed: "+err.Error())
	}
	if domain != "script" {
		if _, has := body["id"]; !has {
			body["id"] = id
		}
	}
	if x == nil {
		x = &house.Config{ID: id}
		list := r.H.List(domain)
		*list = append(*list, x)
	}
	x.Body = body
	r.H.After(r.H.Lag, func() {
		r.H.Load(domain, x, r.H.NewContext(nil, ""))
		r.S.Changed(domain, x, false)
		r.H.Fire(domain+"_reloaded", m{}, r.H.NewContext(nil, ""))
	})
	return JSON(200, m{"result": "ok"})
}

// remove answers 400 to what is not there, not 404.
func remove(r *Request) Reply {
	x, ok := r.item()
	switch {
	case !ok:
		return Plain(404)
	case x == nil:
		return Message(400, "Resource not found")
	}
	r.H.Unload(r.Parts["domain"], x, r.H.NewContext(nil, ""))
	r.S.Changed(r.Parts["domain"], x, true)
	return JSON(200, m{"result": "ok"})
}
