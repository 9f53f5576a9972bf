package documents

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/erpnext/access"
	"drawbridge/internal/servers/erpnext/api"
	"drawbridge/internal/servers/erpnext/show"
	"drawbridge/internal/servers/kit"
)

type updateIn struct {
	access.DocIn
	Values   api.Doc `json:"values" jsonschema:"What changes. Rows with name or idx change rows, others are added; __delete: true takes one away."`
	Expected string  `json:"expected_modified,omitempty" jsonschema:"modified, as read: refuses to overwrite what others did."`
	Mode     string  `json:"child_mode,omitempty" jsonschema:"replace: the rows given are all." enum:"merge,replace"`
}

type updateOut struct {
	access.Saved
	Changes []change `json:"changes"`

	text string
}

type change struct {
	Field  string `json:"field"`
	Before any    `json:"before"`
	After  any    `json:"after"`
}

func (o updateOut) Text() string { return o.text }

// edit is a change that fits the document that it is made on.
type edit struct {
	s      api.Session
	before api.Doc
	send   api.Doc // with the version that it is made on
}

// prepare reads the document and makes of the values what is sent. Nothing is changed.
func (t Tools) prepare(ctx context.Context, c *kit.Call, in updateIn) (e edit, err error) {
	if e.s, e.before, err = t.Document(ctx, c, in.DocIn); err != nil {
		return e, err
	}
	b, err := t.Meta(ctx, c, e.s, in.Doctype)
	if err != nil {
		return e, err
	}
	if err := t.check(b, in.Values); err != nil {
		return e, err
	}
	if bool(b.Table) {
		return e, fault.New(fault.Invalid, "%s are rows of other documents. Change them with update_document of the document they stand in.", in.Doctype)
	}
	if _, ok := in.Values["name"]; ok {
		return e, fault.New(fault.Invalid, "The name of a document cannot change here. Leave name out of the values.")
	}
	if err := t.Owned(b, in.Values, true); err != nil {
		return e, err
	}
	if in.Expected != "" && in.Expected != e.before.Text("modified") {
		return e, conflict(c, nil, in, e.before)
	}
	e.send = maps.Clone(in.Values)
	e.send["modified"] = e.before.Text("modified")
	if in.Mode == "replace" {
		return e, nil
	}
	for name, value := range in.Values {
		if rows, ok := value.([]any); ok {
			if e.send[name], err = merged(name, e.before.Rows(name), rows); err != nil {
				return e, err
			}
		}
	}
	return e, nil
}

func (t Tools) update(ctx context.Context, c *kit.Call, in updateIn) (out updateOut, err error) {
	e, err := t.prepare(ctx, c, in)
	if err != nil {
		return out, err
	}
	if guarded(in.Doctype) {
		p := e.preview(c, in)
		if err := c.Approve(kit.Question{Target: p.Target, Effect: strings.Join(append([]string{p.Effect + " " + why}, p.Changes...), "\n"), Bound: p.Bound}); err != nil {
			return out, err
		}
	}
	after, err := e.s.Update(ctx, in.Doctype, in.Name, e.send)
	switch {
	case api.Is(err, "TimestampMismatchError"):
		now, readErr := e.s.Get(ctx, in.Doctype, in.Name)
		if readErr != nil {
			return out, err
		}
		return out, conflict(c, err, in, now)
	case err != nil:
		return out, t.needs(ctx, c, e.s, in.Doctype, e.send, err)
	}
	out.Saved = access.SavedOf(in.Doctype, after)
	if out.Name == "" {
		out.Name = in.Name
	}
	out.Changes = changes(in.Values, e.before, after)
	out.text = kit.Compact(out.Saved)
	if len(out.Changes) > 0 {
		out.text += "\n" + c.Outside(strings.Join(lines(out.Changes), "\n"))
	}
	if undo, ok := inverse(in, e.before, out.Modified); ok {
		c.Undo("update_document", undo)
	}
	return out, nil
}

// conflict refuses to overwrite what somebody else did, and shows both.
func conflict(c *kit.Call, cause error, in updateIn, now api.Doc) error {
	var both []string
	for _, name := range show.Names(in.Values) {
		if is, want := show.Cell(now[name]), show.Cell(in.Values[name]); is != want || strings.HasSuffix(want, " rows") {
			both = append(both, fmt.Sprintf("%s is %s now, and you want %s", name, is, want))
		}
	}
	text := "nothing that you want differs from what is there now"
	if len(both) > 0 {
		text = strings.Join(both, "; ")
	}
	by := now.Text("modified_by")
	return access.Say(cause, fault.Conflict, "%s %s was changed since you read it, so nothing was saved%s Read it again with get_document; to go on, send expected_modified as it is there now.",
		in.Doctype, in.Name, access.Data(c, show.Clip(text, show.WordsRoom)+" (changed "+show.Clip(now.Text("modified"), 40)+" by "+show.Clip(show.Plain(by), 80)+")"))
}

// changes are the fields that were to change, and those that ERPNext changed with them
// and people look at.
func changes(wanted, before, after api.Doc) (out []change) {
	names := show.Names(wanted)
	for _, also := range []string{"status", "total", "grand_total", "outstanding_amount"} {
		if _, asked := wanted[also]; !asked {
			names = append(names, also)
		}
	}
	for _, name := range names {
		was, is := before[name], after[name]
		if show.JSON(was) == show.JSON(is) {
			continue
		}
		if rows, ok := is.([]any); ok {
			out = append(out, change{name, fmt.Sprintf("%d rows", len(before.Rows(name))), fmt.Sprintf("%d rows", len(rows))})
			continue
		}
		out = append(out, change{name, show.Value(was, show.CellRoom), show.Value(is, show.CellRoom)})
	}
	return out
}

func lines(all []change) []string {
	out := make([]string, len(all))
	for i, one := range all {
		out[i] = fmt.Sprintf("%s: %s → %s", one.Field, show.Cell(one.Before), show.Cell(one.After))
	}
	return out
}

// inverse sets what a change has set to what it was. Tables are not put back: their
// rows may have other names by then.
func inverse(in updateIn, before api.Doc, modified string) (updateIn, bool) {
	undo := updateIn{DocIn: in.DocIn, Values: api.Doc{}, Expected: modified}
	for name, value := range in.Values {
		if _, table := value.([]any); table {
			return undo, false
		}
		if undo.Values[name] = before[name]; len(kit.Compact(undo.Values)) > show.ValueRoom {
			return undo, false
		}
	}
	return undo, true
}

func (t Tools) previewUpdate(ctx context.Context, c *kit.Call, in updateIn) (kit.Preview, error) {
	e, err := t.prepare(ctx, c, in)
	if err != nil {
		return kit.Preview{}, err
	}
	return e.preview(c, in), nil
}

// preview says what an edit does to the version that it is made on.
func (e edit) preview(c *kit.Call, in updateIn) kit.Preview {
	var all []string
	for _, name := range show.Names(in.Values) {
		all = append(all, show.Clip(fmt.Sprintf("%s: %s → %s", name, show.Cell(e.before[name]), show.Cell(e.send[name])), 2*show.CellRoom))
	}
	return access.Seen(c, in.Doctype+" "+in.Name, "Changes the document of "+show.Clip(e.before.Text("modified"), 40)+".", all)
}
