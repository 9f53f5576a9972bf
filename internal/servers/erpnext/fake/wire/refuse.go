package wire

import (
	"fmt"
	"net/http"
	"strings"

	"drawbridge/internal/servers/erpnext/fake/exc"
	"drawbridge/internal/servers/erpnext/fake/site"
)

// logs puts messages where the version of the API has them: v1 as a JSON string of an
// array of JSON strings, v2 as they are.
func (c *Call) logs(messages []exc.Message) {
	if len(messages) == 0 {
		return
	}
	for i := range messages {
		if c.Site.Version >= 16 {
			messages[i].AsTable = new(bool)
		}
	}
	if c.V2 {
		c.Response["messages"] = messages
		return
	}
	var texts []string
	for _, m := range messages {
		texts = append(texts, string(Encode(m)))
	}
	c.Response["_server_messages"] = string(Encode(texts))
}

// Fail makes the answer of an exception.
func (c *Call) Fail(err error) Reply {
	e := c.conceal(exc.From(err))
	c.Response, c.Status, c.Raw = site.Obj{}, e.Kind.Status(), nil
	if e.HTML {
		return c.page(http.StatusText(c.Status), e.Text)
	}
	accept := c.R.Header.Get("Accept")
	ajax := c.R.Header.Get("X-Requested-With") == "XMLHttpRequest"
	if accept == "" || !ajax && !strings.Contains(accept, "application/json") {
		if !strings.HasPrefix(c.R.URL.Path, "/api/") || strings.HasPrefix(accept, "text") {
			return c.humans(e)
		}
	}
	if e.Answer != "" {
		c.Response["message"] = e.Answer
	}
	messages := append(append([]exc.Message(nil), c.SS.Messages...), e.Messages...)
	if c.V2 {
		c.failV2(e, messages)
		return c.json()
	}
	c.Response["exc_type"] = string(e.Kind)
	if c.traced(e) {
		c.Response["exception"] = e.Line()
		c.Response["exc"] = string(Encode([]string{e.Traceback()}))
	}
	if e.Flag != "" {
		c.Response["_error_message"] = e.Flag
	}
	c.logs(messages)
	return c.json()
}

// failV2 takes the message that belongs to the exception into it. Where the exception
// was raised bare and a message said bare, both have no id, and so they match: that is
// how MandatoryError comes to have one (_link_error_with_message_log).
func (c *Call) failV2(e *exc.Error, messages []exc.Message) {
	o := site.Obj{"type": string(e.Kind)}
	if c.traced(e) {
		o["exception"] = e.Traceback()
	}
	for i, m := range messages {
		if m.ID != e.ID {
			continue
		}
		o["message"], o["title"] = m.Message, m.Title
		if m.Indicator != "" {
			o["indicator"] = m.Indicator
		}
		messages = append(messages[:i:i], messages[i+1:]...)
		break
	}
	c.Response["errors"] = []any{o}
	c.logs(messages)
}

// traced tells whether tracebacks are shown: not for 404, and from version 16 on not to
// people without a desk.
func (c *Call) traced(e *exc.Error) bool {
	u := c.SS.User
	return c.Trace && !e.Quiet && c.Status != http.StatusNotFound && (c.Site.Version < 16 || u.Name != "Guest" && !u.Website)
}

// conceal makes of "does not exist" what somebody hears who may not read the doctype
// (handle_does_not_exist_error, from version 16 on).
func (c *Call) conceal(e *exc.Error) *exc.Error {
	d := c.Site.Reg.Get(e.Doctype)
	if e.Kind != exc.NotFound || d == nil || c.Site.Version < 16 {
		return e
	}
	ok, why := c.Site.May(c.SS.User, d, "read", nil)
	if ok {
		return e
	}
	return &exc.Error{Kind: exc.Permission, Flag: "No permission for " + d.Name, Quiet: true,
		Messages: []exc.Message{exc.Said("%s", strings.Join(why, "<br>"))}}
}

// humans is what a browser gets.
func (c *Call) humans(e *exc.Error) Reply {
	switch c.Status {
	case http.StatusTooManyRequests:
		c.Header.Set("Content-Type", "text/plain; charset=utf-8")
		return c.reply([]byte("Too Many Requests"))
	case http.StatusUnauthorized:
		return c.page("Session Expired", "Your session has expired, please login again to continue.")
	case http.StatusForbidden:
		return c.page("Not Permitted", "You do not have enough permissions to complete the action")
	case http.StatusNotFound:
		return c.page("Not Found", "The resource you are looking for is not available")
	case http.StatusServiceUnavailable:
		return c.page("Updating", "The system is being updated. Please refresh again after a few moments.")
	}
	return c.page("Server Error", "Uncaught Exception")
}

func (c *Call) page(title, text string) Reply {
	c.Header.Set("Content-Type", "text/html; charset=utf-8")
	return c.reply(fmt.Appendf(nil, "<!doctype html>\n<html lang=en>\n<title>%d %s</title>\n<h1>%s</h1>\n<p>%s</p>\n", c.Status, title, title, text))
}
