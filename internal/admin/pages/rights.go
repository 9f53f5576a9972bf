package pages

import (
	"slices"
	"strings"

	"drawbridge/internal/account"
	"drawbridge/internal/web"
)

// rightsForm is the data of the template "rights".
type rightsForm struct {
	All        bool
	Write      bool
	DestroyAll bool
	Backends   []backendTick
}

type backendTick struct {
	Name    string
	Read    bool
	Destroy bool
}

// rightsForm shows rights as boxes: one for each backend that there is, and for
// each that the rights name all the same.
func (p *Pages) rightsForm(r account.Rights) rightsForm {
	f := rightsForm{All: slices.Contains(r.Backends, account.Any), Write: r.Write, DestroyAll: slices.Contains(r.Destructive, account.Any)}
	names := p.backendNames()
	for _, name := range slices.Concat(r.Backends, r.Destructive) {
		if name != account.Any && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range names {
		f.Backends = append(f.Backends, backendTick{name, slices.Contains(r.Backends, name), slices.Contains(r.Destructive, name)})
	}
	return f
}

// formRights are the rights of a form that came back with a problem, else others.
func (f Frame) formRights(others account.Rights) account.Rights {
	if !f.Form.Sent() {
		return others
	}
	return f.Form.rights()
}

func (p *Pages) backendNames() []string {
	names := []string{}
	for _, s := range p.Backends.Statuses() {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	return names
}

// says tells rights in a few words.
func says(r account.Rights) string {
	if len(r.Backends) == 0 {
		return "nothing"
	}
	what := "read "
	if r.Write {
		what = "read and change "
	}
	what += place(r.Backends)
	if len(r.Destructive) > 0 {
		what += "; dangerous tools of " + place(r.Destructive)
	}
	return what
}

func place(backends []string) string {
	if slices.Contains(backends, account.Any) {
		return "all backends"
	}
	return strings.Join(backends, ", ")
}

// state is a state as a colour, a shape and a word.
type state struct{ Class, Word string }

// statusState shows the status of a key or grant.
func statusState(status string) state {
	if status == "live" {
		return state{"ok", status}
	}
	return state{"off", status}
}

// claimed is what somebody calls itself, made safe to show; fallback where nothing
// is left.
func claimed(name, fallback string) string {
	if name = web.Claim(name); name == "" {
		return fallback
	}
	return name
}
