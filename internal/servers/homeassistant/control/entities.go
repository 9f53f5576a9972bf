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

type controlIn struct {
	Target   []string `json:"target" jsonschema:"Entity ids or names, or area:, floor:, label:, device: with a name." min:"1" max:"100"`
	Action   string   `json:"action" jsonschema:"What to do." enum:"turn_on,turn_off,toggle,set,open,close,stop,lock,unlock"`
	Settings settings `json:"settings,omitzero" jsonschema:"For set and turn_on."`
	Domains  []string `json:"domains,omitempty" jsonschema:"Only these: light, ..."`
	Exclude  []string `json:"exclude,omitempty" jsonschema:"As target."`
	Wait     *int     `json:"wait_s,omitempty" jsonschema:"For the effect, at most; 3 without it." min:"0" max:"10"`
}

const defaultWait = 3 * time.Second

func (in controlIn) wait() time.Duration {
	if in.Wait == nil {
		return defaultWait
	}
	return time.Duration(*in.Wait) * time.Second
}

// change is an entity that has changed.
type change struct {
	ID   string `json:"entity_id"`
	From string `json:"from"`
	To   string `json:"to"`
}

// effects is what actions have done.
type effects struct {
	Changed []change `json:"changed"`
	Already []string `json:"already,omitempty"`
	Waiting []string `json:"no_effect_yet,omitempty"`
	Failed  []string `json:"failed,omitempty"`
	Skipped []string `json:"skipped,omitempty"`

	visit *desk.Visit
	after map[string]api.State
}

// Text is what has happened, in few words.
func (e effects) Text() string {
	counts := []string{fmt.Sprintf("%d changed", len(e.Changed))}
	for _, c := range []struct {
		n    int
		what string
	}{{len(e.Already), "already so"}, {len(e.Waiting), "without effect yet"}, {len(e.Failed), "failed"}, {len(e.Skipped), "skipped"}} {
		if c.n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", c.n, c.what))
		}
	}
	var lines []string
	for _, c := range e.Changed {
		lines = append(lines, c.ID+": "+c.From+" -> "+c.To)
	}
	for _, id := range e.Waiting {
		lines = append(lines, id+": still "+show.State(e.after[id]))
	}
	if len(e.Already) > 0 {
		lines = append(lines, "already so: "+strings.Join(e.Already, ", "))
	}
	for _, f := range e.Failed {
		lines = append(lines, "failed: "+f)
	}
	for _, s := range e.Skipped {
		lines = append(lines, "skipped: "+s)
	}
	return strings.Join(counts, ", ") + "." + e.visit.Table(lines)
}

// intent is a call of control_entities that is about to be done.
type intent struct {
	*desk.Visit
	steps   []step
	ids     []string
	skipped []string
	ask     []string
}

// prepare finds out what a call stands for.
func (t Tools) prepare(ctx context.Context, c *kit.Call, in controlIn) (p intent, err error) {
	if err := in.Settings.check(); err != nil {
		return p, err
	}
	if p.Visit, err = t.Visit(ctx, c); err != nil {
		return p, err
	}
	found, err := p.Resolve(ctx, in.Target, in.Exclude)
	if err != nil {
		return p, err
	}
	if found.Left > 0 {
		p.skipped = append(p.skipped, fmt.Sprintf("%d that are kept from models", found.Left))
	}
	wanted := slices.DeleteFunc(found.Entities, func(e *house.Entity) bool {
		if !e.Has { // Home Assistant would do nothing, and say that it has
			p.skipped = append(p.skipped, e.ID+": has no state, so that nothing can be done with it")
			return true
		}
		if len(in.Domains) > 0 {
			return !slices.Contains(in.Domains, e.Domain)
		}
		switching := in.Action == "turn_on" || in.Action == "turn_off" || in.Action == "toggle"
		return switching && !found.Named[e.ID] && !slices.Contains(inPlaces, e.Domain)
	})
	verdict, err := p.Judge(ctx, wanted, in.Action)
	if err != nil {
		return p, err
	}
	p.Count(&verdict)
	p.skipped, p.ask = append(p.skipped, verdict.Refused...), verdict.Ask
	var unfit []*house.Entity
	if p.steps, unfit, err = plan(in.Action, in.Settings, verdict.Allowed); err != nil {
		return p, err
	}
	for _, e := range unfit {
		if found.Named[e.ID] {
			p.skipped = append(p.skipped, fmt.Sprintf("%s: %s does not fit a %s; list_actions for it shows what does", e.ID, in.Action, e.Domain))
		}
	}
	for _, s := range p.steps {
		p.ids = append(p.ids, s.ids()...)
	}
	slices.Sort(p.ids)
	p.ids = slices.Compact(p.ids)
	if len(p.ids) == 0 {
		return p, nothing(p.skipped)
	}
	return p, nil
}

func nothing(skipped []string) error {
	why := ""
	if len(skipped) > 0 {
		why = " Left out: " + strings.Join(skipped[:min(len(skipped), 10)], "; ") + "."
	}
	return fault.New(fault.Invalid, "Nothing that this fits was found, so nothing was done.%s search_entities shows what there is; places mean lights, switches, fans, media players and climate unless domains says otherwise.", why)
}

// says is the intent as a person reads it.
func (p intent) says() kit.Preview {
	out := kit.Preview{Target: fmt.Sprintf("%d entities", len(p.ids))}
	if len(p.ids) == 1 {
		out.Target = p.ids[0]
	}
	var names []string
	for _, s := range p.steps {
		names = append(names, s.says()+" on "+strings.Join(s.ids(), ", ")) // all of them: it is what a person approves
	}
	out.Effect = strings.Join(names, "; ") + "."
	for _, s := range p.skipped {
		out.Changes = append(out.Changes, "skipped: "+s)
	}
	return out
}

// list is the beginning of a list of ids.
func list(ids []string, most int) string {
	if len(ids) <= most {
		return strings.Join(ids, ", ")
	}
	return strings.Join(ids[:most], ", ") + fmt.Sprintf(" and %d more", len(ids)-most)
}

func (t Tools) previewControl(ctx context.Context, c *kit.Call, in controlIn) (kit.Preview, error) {
	p, err := t.prepare(ctx, c, in)
	if err != nil {
		return kit.Preview{}, err
	}
	out := p.says()
	for _, e := range p.ids {
		out.Changes = append(out.Changes, e+" is "+show.State(p.Entity(e).State))
	}
	for _, a := range p.ask {
		out.Changes = append(out.Changes, "will be asked about: "+a)
	}
	return out, nil
}

func (t Tools) control(ctx context.Context, c *kit.Call, in controlIn) (out effects, err error) {
	p, err := t.prepare(ctx, c, in)
	if err != nil {
		return out, err
	}
	if len(p.ask) > 0 {
		says := p.says()
		if err := desk.Approve(c, kit.Question{Target: says.Target, Effect: says.Effect}, p.ask); err != nil {
			return out, err
		}
	}
	w, err := desk.Watch(ctx, p.Session, p.ids)
	if err != nil {
		return out, err
	}
	defer w.Stop()
	before := w.States()
	failed, err := p.run(ctx)
	if err != nil {
		return out, err
	}
	done := func(now map[string]api.State) bool {
		return !slices.ContainsFunc(p.ids, func(id string) bool { return !failed[id] && !reached(in.Action, in.Settings, before[id], now[id]) })
	}
	after := w.Until(ctx, in.wait(), done)
	out = p.compare(before, after, func(id string) bool { return reached(in.Action, in.Settings, before[id], after[id]) })
	out.Waiting = slices.DeleteFunc(out.Waiting, func(id string) bool { return failed[id] })
	out.Failed = p.failures()
	return out, nil
}

// failures are the steps that failed.
func (p intent) failures() (lines []string) {
	for _, s := range p.steps {
		if s.failed != "" {
			lines = append(lines, s.name()+" on "+list(s.ids(), 10)+": "+s.failed)
		}
	}
	return lines
}

// run calls the actions, each once. An action that Home Assistant refuses does not
// keep the others from being called; when nobody knows what has become of one, the
// rest is left.
func (p *intent) run(ctx context.Context) (failed map[string]bool, err error) {
	failed = map[string]bool{}
	for i := range p.steps {
		s := &p.steps[i]
		_, err := p.Session.Call(ctx, s.domain, s.service, api.Target{Entities: s.ids()}, s.data, false)
		if err == nil {
			continue
		}
		answered := api.CodeOf(err) != ""
		if len(p.steps) == 1 || i == 0 && !answered {
			return nil, err
		}
		s.failed = fault.PublicOf(err)
		for _, id := range s.ids() {
			failed[id] = true
		}
		if !answered {
			for _, left := range p.steps[i+1:] {
				p.skipped = append(p.skipped, left.name()+": not called after the failure before it")
			}
			break
		}
	}
	return failed, nil
}

// compare sorts entities by what has become of them.
func (p intent) compare(before, after map[string]api.State, reached func(id string) bool) effects {
	out := effects{visit: p.Visit, after: after, Skipped: p.skipped}
	for _, id := range p.ids {
		was, is := show.State(before[id]), show.State(after[id])
		switch {
		case was != is, after[id].LastUpdated.After(before[id].LastUpdated.Time): // a script that ran, a colour
			out.Changed = append(out.Changed, change{id, was, is})
		case reached(id):
			out.Already = append(out.Already, id)
		default:
			out.Waiting = append(out.Waiting, id)
		}
	}
	return out
}
