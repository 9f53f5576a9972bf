package upkeep

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"drawbridge/internal/fault"
	"drawbridge/internal/servers/homeassistant/api"
	"drawbridge/internal/servers/homeassistant/desk"
	"drawbridge/internal/servers/homeassistant/house"
	"drawbridge/internal/servers/homeassistant/show"
	"drawbridge/internal/servers/kit"
)

type getListIn struct {
	Entity string `json:"entity_id" jsonschema:"todo.... or calendar...."`
	Start  string `json:"start,omitempty" jsonschema:"Of a calendar: a time; now without it."`
	End    string `json:"end,omitempty" jsonschema:"Seven days later without it."`
	kit.PageIn
}

type getListOut struct {
	Items kit.Untrusted `json:"items" jsonschema:"uid | what | status or time | due or place | description"`
	kit.PageOut
}

// listed finds a to-do list or calendar.
func (t Tools) listed(ctx context.Context, c *kit.Call, name string) (*desk.Visit, *house.Entity, error) {
	v, err := t.Visit(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	e, err := v.Find(name)
	if err != nil {
		return nil, nil, err
	}
	if e.Domain != "todo" && e.Domain != "calendar" {
		return nil, nil, fault.New(fault.Invalid, "%s is no to-do list and no calendar. search_entities with domain todo or calendar finds them.", e.ID)
	}
	return v, e, nil
}

func (t Tools) getList(ctx context.Context, c *kit.Call, in getListIn) (out getListOut, err error) {
	w, err := in.Window(show.Rows)
	if err != nil {
		return out, err
	}
	v, e, err := t.listed(ctx, c, in.Entity)
	if err != nil {
		return out, err
	}
	var lines []string
	if e.Domain == "todo" {
		items, err := v.Todos(ctx, e.ID)
		if err != nil {
			return out, err
		}
		for _, i := range items {
			lines = append(lines, show.Row(show.Clip(string(i.UID), 80), show.Clip(string(i.Summary), 200), show.Clip(string(i.Status), 20), show.Clip(string(i.Due), 40), show.Clip(string(i.Description), 300)))
		}
	} else if lines, err = events(ctx, v, e, in); err != nil {
		return out, err
	}
	lines, out.PageOut = kit.Cut(w, lines)
	out.Items = kit.Untrusted(strings.Join(lines, "\n"))
	return out, nil
}

func events(ctx context.Context, v *desk.Visit, e *house.Entity, in getListIn) (lines []string, err error) {
	from, err := show.Moment("start", in.Start, v.Now, v.Now, v.Zone)
	if err != nil {
		return nil, err
	}
	to, err := show.Moment("end", in.End, v.Now, from.AddDate(0, 0, 7), v.Zone)
	if err != nil {
		return nil, err
	}
	all, err := v.Events(ctx, e.ID, from, to)
	for _, i := range all {
		id := string(i.UID)
		if i.Recurrence != "" {
			id += " recurrence_id=" + string(i.Recurrence)
		}
		lines = append(lines, show.Row(show.Clip(id, 160), show.Clip(string(i.Summary), 200), show.Clip(i.Start.String()+" - "+i.End.String(), 80), show.Clip(string(i.Location), 100), show.Clip(string(i.Description), 300)))
	}
	return lines, err
}

type manageListIn struct {
	Entity      string `json:"entity_id" jsonschema:"todo.... or calendar...."`
	Op          string `json:"op" jsonschema:"What to do; complete is for to-do lists." enum:"add,update,complete,remove"`
	UID         string `json:"uid,omitempty" jsonschema:"Of the item, from get_list."`
	Recurrence  string `json:"recurrence_id,omitempty" jsonschema:"Only this one of a series."`
	Summary     string `json:"summary,omitempty" jsonschema:"What."`
	Description string `json:"description,omitempty" jsonschema:"More about it."`
	Due         string `json:"due,omitempty" jsonschema:"Of a to-do item: a day or time."`
	Start       string `json:"start,omitempty" jsonschema:"Of an event: a day or time."`
	End         string `json:"end,omitempty" jsonschema:"Of an event; a day later, or an hour, without it."`
	Rule        string `json:"rrule,omitempty" jsonschema:"Of a series: FREQ=WEEKLY ..."`
}

type manageListOut struct {
	Entity string `json:"entity_id"`
	Done   string `json:"done"`
}

func (t Tools) manageList(ctx context.Context, c *kit.Call, in manageListIn) (out manageListOut, err error) {
	v, e, err := t.listed(ctx, c, in.Entity)
	if err != nil {
		return out, err
	}
	switch {
	case in.Op == "add" && in.Summary == "":
		return out, fault.New(fault.Invalid, "A new item needs a summary. Add it.")
	case in.Op != "add" && in.UID == "":
		return out, fault.New(fault.Invalid, "Which item? Send its uid; get_list has it.")
	case in.Op == "complete" && e.Domain == "calendar":
		return out, fault.New(fault.Invalid, "An event of a calendar cannot be completed. Use a to-do list, or remove it.")
	}
	verdict, err := v.Judge(ctx, []*house.Entity{e}, in.Op)
	if err != nil {
		return out, err
	}
	if in.Op == "remove" {
		verdict.Ask = append(verdict.Ask, "what is removed does not come back")
	}
	if len(verdict.Ask) > 0 {
		what, err := item(ctx, v, e, in)
		if err != nil {
			return out, err
		}
		if err := desk.Approve(c, kit.Question{Target: e.ID, Effect: in.Op + " " + what}, verdict.Ask); err != nil {
			return out, err
		}
	}
	if e.Domain == "todo" {
		err = t.todo(ctx, v, e, in)
	} else {
		err = t.calendar(ctx, v, e, in)
	}
	return manageListOut{e.ID, in.Op}, err
}

// item says which item a call is about, as a person knows it. What the call says of it
// is not believed.
func item(ctx context.Context, v *desk.Visit, e *house.Entity, in manageListIn) (string, error) {
	if in.Op == "add" {
		return show.Clip(in.Summary, 200), nil
	}
	if e.Domain == "calendar" {
		o, err := event(ctx, v, e, in)
		if err != nil {
			return "", err
		}
		if in.Recurrence == "" && o.Rule+o.Recurrence != "" {
			return show.Clip(string(o.Summary), 200) + ", the whole series", nil
		}
		return show.Clip(string(o.Summary), 200) + ", " + show.Clip(o.Start.String(), 40), nil
	}
	all, err := v.Todos(ctx, e.ID)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(all, func(o api.Todo) bool { return string(o.UID) == in.UID })
	if i < 0 { // Home Assistant takes the summary, too
		i = slices.IndexFunc(all, func(o api.Todo) bool { return string(o.Summary) == in.UID })
	}
	if i < 0 {
		return "", fault.New(fault.NotFound, "There is no item with this uid in %s. get_list has the uids.", e.ID)
	}
	return show.Clip(string(all[i].Summary), 200), nil
}

// event finds an event of a calendar.
func event(ctx context.Context, v *desk.Visit, e *house.Entity, in manageListIn) (api.Event, error) {
	all, err := v.Events(ctx, e.ID, v.Now.AddDate(-1, 0, 0), v.Now.AddDate(2, 0, 0))
	if err != nil {
		return api.Event{}, err
	}
	i := slices.IndexFunc(all, func(o api.Event) bool {
		return string(o.UID) == in.UID && (in.Recurrence == "" || string(o.Recurrence) == in.Recurrence)
	})
	if i < 0 {
		return api.Event{}, fault.New(fault.NotFound, "There is no event with this uid in %s, a year back to two years on. get_list has the uids.", e.ID)
	}
	return all[i], nil
}

func (t Tools) todo(ctx context.Context, v *desk.Visit, e *house.Entity, in manageListIn) error {
	data := map[string]any{}
	put := func(name, value string) {
		if value != "" {
			data[name] = value
		}
	}
	put("description", in.Description)
	if in.Due != "" {
		due, day, err := when("due", in.Due, v)
		if err != nil {
			return err
		}
		if day {
			data["due_date"] = due.Format(time.DateOnly)
		} else {
			data["due_datetime"] = due.In(v.Zone).Format("2006-01-02T15:04:05")
		}
	}
	service := map[string]string{"add": "add_item", "update": "update_item", "complete": "update_item", "remove": "remove_item"}[in.Op]
	switch in.Op {
	case "add":
		data["item"] = in.Summary
	case "remove":
		data = map[string]any{"item": []string{in.UID}}
	default:
		data["item"] = in.UID
		put("rename", in.Summary)
		if in.Op == "complete" {
			data["status"] = "completed"
		}
	}
	_, err := v.Session.Call(ctx, "todo", service, api.Target{Entities: []string{e.ID}}, data, false)
	return err
}

// when reads a day or a time.
func when(name, text string, v *desk.Visit) (t time.Time, day bool, err error) {
	t, err = show.Moment(name, text, v.Now, v.Now, v.Zone)
	_, no := time.Parse(time.DateOnly, strings.TrimSpace(text))
	return t, no == nil, err
}

func (t Tools) calendar(ctx context.Context, v *desk.Visit, e *house.Entity, in manageListIn) error {
	members := map[string]any{}
	if in.UID != "" {
		members["uid"] = in.UID
	}
	if in.Recurrence != "" {
		members["recurrence_id"] = in.Recurrence
	}
	if in.Op == "remove" {
		return v.ChangeEvent(ctx, "delete", e.ID, members)
	}
	event, err := t.event(ctx, v, e, in)
	if err != nil {
		return err
	}
	members["event"] = event
	return v.ChangeEvent(ctx, map[string]string{"add": "create", "update": "update"}[in.Op], e.ID, members)
}

// event is an event as the API takes it: whole, so that an update begins with what is
// there.
func (t Tools) event(ctx context.Context, v *desk.Visit, e *house.Entity, in manageListIn) (map[string]any, error) {
	change := map[string]any{}
	if in.Op == "update" {
		o, err := event(ctx, v, e, in)
		if err != nil {
			return nil, err
		}
		change["summary"], change["dtstart"], change["dtend"] = string(o.Summary), o.Start.String(), o.End.String()
		for name, value := range map[string]api.Text{"description": o.Description, "location": o.Location, "rrule": o.Rule} {
			if value != "" {
				change[name] = string(value)
			}
		}
	}
	for name, value := range map[string]string{"summary": in.Summary, "description": in.Description, "rrule": in.Rule} {
		if value != "" {
			change[name] = value
		}
	}
	if in.Start == "" && in.Op == "add" {
		return nil, fault.New(fault.Invalid, "A new event needs a start. Add it.")
	}
	if in.Start == "" && in.End == "" {
		return change, nil
	}
	start, day, err := when("start", cmp.Or(in.Start, text(change["dtstart"])), v)
	if err != nil {
		return nil, err
	}
	end := start.Add(time.Hour)
	if day {
		end = start.AddDate(0, 0, 1)
	}
	if in.Op == "update" { // as long as it was
		was, whole, _ := when("start", text(change["dtstart"]), v)
		if till, _, err := when("end", text(change["dtend"]), v); err == nil && whole == day {
			end = start.Add(till.Sub(was))
		}
	}
	if in.End != "" {
		if end, _, err = when("end", in.End, v); err != nil {
			return nil, err
		}
	}
	layout := time.RFC3339
	if day {
		layout = time.DateOnly
	}
	change["dtstart"], change["dtend"] = start.In(v.Zone).Format(layout), end.In(v.Zone).Format(layout)
	return change, nil
}

func text(v any) string {
	s, _ := v.(string)
	return s
}
