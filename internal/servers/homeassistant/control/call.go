package control

import (
	"context"
	"fmt"
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

type callIn struct {
	Action   string         `json:"action" jsonschema:"domain.service" max:"120" pattern:"^[a-z0-9_]+[.][a-z0-9_]+$"`
	Target   []string       `json:"target,omitempty" jsonschema:"As in control_entities." max:"100"`
	Data     map[string]any `json:"data,omitempty" jsonschema:"What the action takes."`
	Response bool           `json:"return_response,omitempty" jsonschema:"Ask for its answer."`
}

// calledOut is what an action has done.
type calledOut struct {
	effects
	Context  string        `json:"context_id,omitempty"`
	Response kit.Untrusted `json:"response,omitempty" jsonschema:"JSON"`
}

// Text is the effects, and the answer where there is one.
func (o calledOut) Text() string {
	text := o.effects.Text()
	if o.Response != "" {
		text += "\nresponse: " + string(o.Response)
	}
	return text
}

const actionWait = 2 * time.Second

// request is a call of call_action that is about to be done.
type request struct {
	*desk.Visit
	domain, service string
	target          api.Target
	entities        []*house.Entity
	skipped         []string
	ask             []string
}

func (r request) ids() []string { return step{entities: r.entities}.ids() }

// examine finds out what an action would touch: its target, and every entity, area,
// device or label that its data names.
func (t Tools) examine(ctx context.Context, c *kit.Call, in callIn) (r request, err error) {
	if r.Visit, err = t.Visit(ctx, c); err != nil {
		return r, err
	}
	r.domain, r.service, _ = strings.Cut(in.Action, ".")
	ask, err := r.Permit(in.Action)
	if err != nil {
		return r, err
	}
	if ask != "" {
		r.ask = append(r.ask, ask)
	}
	found, err := r.Resolve(ctx, in.Target, nil)
	if err != nil {
		return r, err
	}
	if len(in.Target) > 0 && len(found.Entities) == 0 {
		return r, nothing(nil)
	}
	if found.Left > 0 {
		r.skipped = append(r.skipped, fmt.Sprintf("%d that are kept from models", found.Left))
	}
	mentioned, err := r.Mentioned(ctx, in.Data, r.domain)
	if err != nil {
		return r, err
	}
	verdict, err := r.Judge(ctx, found.Entities, in.Action)
	if err != nil {
		return r, err
	}
	r.entities, r.skipped = verdict.Allowed, append(r.skipped, verdict.Refused...)
	if len(found.Entities) > 0 && len(r.entities) == 0 {
		return r, nothing(r.skipped)
	}
	r.target = api.Target{Entities: r.ids()}
	inData, err := r.Judge(ctx, mentioned, in.Action)
	if err != nil {
		return r, err
	}
	if len(inData.Refused) > 0 {
		return r, nothing(inData.Refused)
	}
	script, err := r.own(ctx, in.Action)
	if err != nil {
		return r, err
	}
	if len(script.Refused) > 0 {
		return r, nothing(script.Refused)
	}
	all := desk.Verdict{Allowed: append(slices.Clone(r.entities), inData.Allowed...)}
	r.Count(&all)
	r.ask = slices.Concat(r.ask, verdict.Ask, inData.Ask, script.Ask, all.Ask, r.Peeks(in.Data))
	r.entities = append(r.entities, inData.Allowed...)
	return r, nil
}

// own judges the script whose name is the action: script.good_night.
func (r request) own(ctx context.Context, action string) (out desk.Verdict, err error) {
	if r.domain != "script" {
		return out, nil
	}
	if r.Kept(action) != nil {
		return out, r.Refuse(action)
	}
	if e := r.Entity(action); e != nil {
		return r.Judge(ctx, []*house.Entity{e}, "turn_on")
	}
	return out, nil
}

func (r request) says(in callIn) kit.Preview {
	out := kit.Preview{Target: in.Action, Effect: "Calls " + in.Action}
	if ids := r.ids(); len(ids) > 0 {
		out.Effect += " on " + strings.Join(ids, ", ")
	}
	if len(in.Data) > 0 {
		out.Effect += " with " + show.Clip(kit.Compact(in.Data), 1000)
	}
	out.Effect += "."
	for _, s := range r.skipped {
		out.Changes = append(out.Changes, "skipped: "+s)
	}
	return out
}

func (t Tools) previewCall(ctx context.Context, c *kit.Call, in callIn) (kit.Preview, error) {
	r, err := t.examine(ctx, c, in)
	if err != nil {
		return kit.Preview{}, err
	}
	out := r.says(in)
	for _, a := range r.ask {
		out.Changes = append(out.Changes, "will be asked about: "+a)
	}
	return out, nil
}

func (t Tools) call(ctx context.Context, c *kit.Call, in callIn) (out calledOut, err error) {
	r, err := t.examine(ctx, c, in)
	if err != nil {
		return out, err
	}
	if len(r.ask) > 0 {
		says := r.says(in)
		if err := desk.Approve(c, kit.Question{Target: says.Target, Effect: says.Effect}, r.ask); err != nil {
			return out, err
		}
	}
	ids := r.ids()
	w := &desk.Watching{Stop: func() {}}
	if len(ids) > 0 {
		if w, err = desk.Watch(ctx, r.Session, ids); err != nil {
			return out, err
		}
	}
	defer w.Stop()
	before := w.States()
	called, err := r.Session.Call(ctx, r.domain, r.service, r.target, in.Data, in.Response)
	if err != nil {
		if api.CodeOf(err) == "service_validation_error" && !in.Response {
			err = withResponse(ctx, r, err)
		}
		return out, err
	}
	p := intent{Visit: r.Visit, ids: ids, skipped: r.skipped}
	wait := actionWait
	if len(ids) == 0 || in.Response {
		wait = 0
	}
	after := w.Until(ctx, wait, func(now map[string]api.State) bool {
		return !slices.ContainsFunc(ids, func(id string) bool {
			own := r.domain == "homeassistant" || r.domain == api.DomainOf(id) // others are only named in the data
			return own && !moved(before[id], now[id])
		})
	})
	out.effects = p.compare(before, after, func(string) bool { return true })
	out.Already = nil // an action may well leave a state as it is
	out.Context = show.Clip(string(called.Context.ID), 40)
	if raw := string(called.Response); raw != "" && raw != "null" {
		out.Response = kit.Untrusted(show.Cut(r.Mask(raw), show.TextRoom/2))
	}
	return out, nil
}

// withResponse explains the refusal of an action that answers and was not asked to.
func withResponse(ctx context.Context, r request, err error) error {
	services, failed := r.Services(ctx)
	if failed != nil {
		return err
	}
	if s := services[r.domain][r.service]; s.Response != nil && !s.Response.Optional {
		return fault.Wrap(err, fault.Invalid, "%s.%s only answers. Call it with return_response.", r.domain, r.service)
	}
	return err
}
